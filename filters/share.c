#include "filters/share.h"

#define MINUTE 60
#define HOUR 3600
/* Of which a past is counted. */
#define PAST_PARTS 32

struct share {
	int64_t bad, all;
};

static int64_t
in_window(struct count_sums sums, int64_t window)
{
	if (window == MINUTE)
		return sums.minute;
	return window == HOUR ? sums.hour : sums.day;
}

static struct share
share_of(int64_t bad, int64_t good)
{
	return (struct share){ bad, bad + good };
}

static struct share
before(const struct share_counts *counts)
{
	return share_of(counts->bad->past, counts->good->past);
}

static double
fraction(struct share share)
{
	return share.all > 0 ? (double)share.bad / (double)share.all : 0;
}

static bool
known(const struct share_counts *counts)
{
	return counts->bad != NULL && counts->good != NULL;
}

static int64_t
percent(struct share share, int64_t least)
{
	return share.all >= least ? (int64_t)(100 * fraction(share)) : 0;
}

/* The more are bad, the more it is, and the fewer are good; but from few of both it is 0. */
static struct value
bounds(const struct share_counts *counts, int64_t window, int64_t least)
{
	int64_t bad = in_window(count_least(counts->bad), window);
	int64_t good = in_window(count_least(counts->good), window);
	int64_t bad_most = in_window(count_most(counts->bad), window);
	int64_t good_most = in_window(count_most(counts->good), window);
	struct share low = share_of(bad, good_most), high = share_of(bad_most, good);

	if (bad + good < least)
		low = share_of(0, good);
	if (bad_most + good_most >= least && high.all < least)
		high = share_of(bad_most, least - bad_most > 0 ? least - bad_most : 0);
	return value_range(percent(low, least), percent(high, least));
}

bool
share_past_known(const struct share_counts *counts)
{
	return !known(counts) || (count_past_known(counts->bad) && count_past_known(counts->good));
}

bool
share_known(const struct share_counts *counts)
{
	return share_past_known(counts) &&
	    (!known(counts) || (count_sums_known(counts->bad) && count_sums_known(counts->good)));
}

struct value
share_value(const struct share_counts *counts, int64_t window, int64_t least)
{
	if (!known(counts))
		return (struct value){ .type = VALUE_NONE };
	return bounds(counts, window, least);
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
	now = share_of(counts->bad->hour, counts->good->hour);
	usual = fraction(before(counts));
	if (now.all >= least && before(counts).all >= least * PAST_PARTS)
		out.real = fraction(now) / (usual > 0.01 ? usual : 0.01);
	return out;
}
