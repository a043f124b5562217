#include "db/history.h"

#define N_MAX ((int64_t)1 << 48)
#define EIGHTHS_MAX ((int64_t)1 << 51)
#define AT_MAX ((int64_t)1 << 40)
#define DAY 86400

/* After so many days nothing is left of the largest past. */
#define FORGOTTEN 1500

/* --- learning ----------------------------------------------------------------------------------- */

static int64_t
at_most(int64_t n, int64_t most)
{
	return n < most ? n : most;
}

static int64_t
top(const struct history_slot *s)
{
	return (s->mean + 2 * s->spread + 7) / 8;
}

static int64_t
highest(const struct history *h)
{
	int64_t most = 0;

	for (size_t i = 0; i < HISTORY_HOURS; i++)
		if (h->slot[i].mean > 0 && top(&h->slot[i]) > most)
			most = top(&h->slot[i]);
	return most;
}

static void
learn_first(struct history_slot *s, int64_t x, int64_t most)
{
	if (most > 0)
		x = at_most(x, most);
	s->mean = 8 * x;
	s->spread = 4 * x;
	if (most > 0)
		s->spread = at_most(s->spread, (8 * most - 8 * x) / 2);
}

static void
fold(struct history *h)
{
	struct history_slot *s = &h->slot[h->hour % HISTORY_HOURS];
	bool grown = h->hour - h->since >= HISTORY_HOURS;
	int64_t x = h->n, apart;

	h->n = 0;
	if (s->mean == 0) {
		learn_first(s, x, grown ? highest(h) : 0);
		return;
	}
	if (grown)
		x = at_most(x, 2 * top(s));
	apart = 8 * x > s->mean ? 8 * x - s->mean : s->mean - 8 * x;
	s->spread = (3 * s->spread + apart) / 4;
	s->mean = (3 * s->mean + 8 * x) / 4;
}

static void
go_on(struct history *h, int64_t at)
{
	int64_t hour = at / 3600, day = at / DAY;

	if (h->n > 0 && hour > h->hour)
		fold(h);
	if (hour < h->hour)
		h->n = 0;
	if (h->since > hour)
		h->since = hour;
	if (day > h->day) {
		h->past = at_most(h->past + 32 * h->today, N_MAX);
		for (int64_t k = at_most(day - h->day, FORGOTTEN); k > 0 && h->past > 0; k--)
			h->past = h->past * 31 / 32;
	}
	if (day != h->day)
		h->today = 0;
	h->day = day;
}

void
history_add(struct history *h, int64_t at, int64_t n)
{
	go_on(h, at);
	if (n <= 0)
		return;
	if (h->since == 0)
		h->since = at / 3600;
	h->hour = at / 3600;
	h->n = n > N_MAX - h->n ? N_MAX : h->n + n;
	h->today = n > N_MAX - h->today ? N_MAX : h->today + n;
}

void
history_reset(struct history *h)
{
	h->n = 0;
	h->today = 0;
}

/* --- merging ------------------------------------------------------------------------------------ */

static void
at_least(int64_t *n, int64_t other)
{
	*n = other > *n ? other : *n;
}

void
history_merge(struct history *h, const struct history *other)
{
	if (h->since == 0 || (other->since > 0 && other->since < h->since))
		h->since = other->since;
	at_least(&h->hour, other->hour);
	at_least(&h->n, other->n);
	at_least(&h->day, other->day);
	at_least(&h->today, other->today);
	at_least(&h->past, other->past);
	for (size_t i = 0; i < HISTORY_HOURS; i++) {
		struct history_slot *a = &h->slot[i];
		const struct history_slot *b = &other->slot[i];

		if (b->mean > a->mean || (b->mean == a->mean && b->spread > a->spread))
			*a = *b;
	}
}

/* --- telling ------------------------------------------------------------------------------------ */

static void
widen(const struct history *h, int64_t hour, struct count_answer *out)
{
	const struct history_slot *s = &h->slot[hour % HISTORY_HOURS];
	int64_t low = s->mean > 2 * s->spread ? (s->mean - 2 * s->spread) / 8 : 0;

	if (s->mean == 0)
		return;
	if (out->usual == 0 || low < out->usual_low)
		out->usual_low = low;
	if (top(s) > out->usual_high)
		out->usual_high = top(s);
	if (s->mean > out->usual)
		out->usual = s->mean;
}

/* An hour early and an hour late are as usual: a sliding hour lies in two of the clock, and clocks change twice a year. */
static void
around(const struct history *h, int64_t hour, struct count_answer *out)
{
	widen(h, hour + HISTORY_HOURS - 1, out);
	widen(h, hour, out);
	widen(h, hour + 1, out);
}

static bool
any_day(const struct history *h, int64_t hour)
{
	bool known = false;

	for (int64_t day = 0; day < 7; day++)
		known = known || h->slot[(hour + day * 24) % HISTORY_HOURS].mean > 0;
	return known;
}

void
history_tell(const struct history *h, int64_t at, struct count_answer *out)
{
	int64_t hour = at / 3600;

	out->usual = out->usual_low = out->usual_high = out->hours_known = 0;
	for (size_t i = 0; i < HISTORY_HOURS; i++)
		out->hours_known += h->slot[i].mean > 0;
	out->since = h->since * 3600;
	out->past = h->past;
	if (h->slot[hour % HISTORY_HOURS].mean > 0)
		around(h, hour, out);
	else if (any_day(h, hour))
		for (int64_t day = 0; day < 7; day++)
			around(h, hour + day * 24, out);
	else
		for (int64_t i = 0; i < HISTORY_HOURS; i++)
			widen(h, i, out);
}

/* --- the blob ----------------------------------------------------------------------------------- */

/*
 * since, hour, n, day, today, past, then the slots in runs: how many runs; of each how many slots lie before it (since the run
 * above it), how many are in it, and mean and spread of those.
 */
static size_t
run_at(const struct history *h, size_t i)
{
	size_t n = 0;

	while (i + n < HISTORY_HOURS && h->slot[i + n].mean > 0)
		n++;
	return n;
}

static void
save_run(const struct history *h, size_t i, size_t n, struct packer *k)
{
	packed_put(k, n);
	for (; n > 0; n--, i++) {
		packed_put(k, (uint64_t)h->slot[i].mean);
		packed_put(k, (uint64_t)h->slot[i].spread);
	}
}

void
history_save(const struct history *h, struct packer *k)
{
	const int64_t number[] = { h->since, h->hour, h->n, h->day, h->today, h->past };
	size_t runs = 0, after = 0, n;

	for (size_t i = 0; i < sizeof(number) / sizeof(number[0]); i++)
		packed_put(k, (uint64_t)number[i]);
	for (size_t i = 0; i<HISTORY_HOURS; i += n> 0 ? n : 1)
		runs += (n = run_at(h, i)) > 0;
	packed_put(k, runs);
	for (size_t i = 0; i<HISTORY_HOURS; i += n> 0 ? n : 1) {
		if ((n = run_at(h, i)) == 0)
			continue;
		packed_put(k, i - after);
		save_run(h, i, n, k);
		after = i + n;
	}
}

static void
load_run(struct history *h, int64_t *at, struct unpacker *u)
{
	int64_t n;

	*at += packed_get(u, HISTORY_HOURS - *at);
	n = packed_get(u, HISTORY_HOURS - *at);
	for (; n > 0 && !u->bad; n--, (*at)++) {
		struct history_slot *s = &h->slot[*at];

		s->mean = packed_get(u, EIGHTHS_MAX);
		s->spread = packed_get(u, EIGHTHS_MAX);
		if (s->mean == 0)
			u->bad = true;
	}
}

void
history_load(struct history *h, struct unpacker *u)
{
	int64_t at = 0, runs;

	*h = (struct history){ 0 };
	h->since = packed_get(u, AT_MAX);
	h->hour = packed_get(u, AT_MAX);
	h->n = packed_get(u, N_MAX);
	h->day = packed_get(u, AT_MAX);
	h->today = packed_get(u, N_MAX);
	h->past = packed_get(u, N_MAX);
	runs = packed_get(u, HISTORY_HOURS / 2);
	for (; runs > 0 && !u->bad; runs--)
		load_run(h, &at, u);
}
