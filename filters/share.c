#include "filters/share.h"

#define MINUTE 60
#define HOUR 3600
/* Of which a past is counted. */
#define PAST_PARTS 32

static int64_t
sum(const struct count_answer *answer, int64_t window)
{
	if (window == MINUTE)
		return answer->minute;
	return window == HOUR ? answer->hour : answer->day;
}

struct share
share_in(const struct share_counts *counts, int64_t window)
{
	int64_t bad = sum(counts->bad, window);

	return (struct share){ bad, bad + sum(counts->good, window) };
}

static struct share
before(const struct share_counts *counts)
{
	return (struct share){ counts->bad->past, counts->bad->past + counts->good->past };
}

static double
fraction(struct share share)
{
	return share.all > 0 ? (double)share.bad / (double)share.all : 0;
}

int64_t
share_percent(struct share share, int64_t least)
{
	return share.all >= least ? (int64_t)(100 * fraction(share)) : 0;
}

static bool
known(const struct share_counts *counts)
{
	return counts->bad != NULL && counts->good != NULL;
}

struct value
share_value(const struct share_counts *counts, int64_t window, int64_t least)
{
	if (!known(counts))
		return (struct value){ .type = VALUE_NONE };
	return value_number(share_percent(share_in(counts, window), least));
}

struct value
share_value_usual(const struct share_counts *counts, int64_t least)
{
	if (!known(counts) || before(counts).all < least * PAST_PARTS)
		return (struct value){ .type = VALUE_NONE };
	/* What is forgotten by and by is no whole number. */
	return value_number((int64_t)(100 * fraction(before(counts)) + 0.5));
}

struct value
share_value_surge(const struct share_counts *counts, int64_t least)
{
	struct value out = { .type = VALUE_NONE };
	struct share now;
	double usual;

	if (!known(counts))
		return out;
	out = (struct value){ .type = VALUE_REAL };
	now = share_in(counts, HOUR);
	usual = fraction(before(counts));
	if (now.all >= least && before(counts).all >= least * PAST_PARTS)
		out.real = fraction(now) / (usual > 0.01 ? usual : 0.01);
	return out;
}
