#include "db/window.h"

#include <stdlib.h>

#define VERSION 1

/* No bin holds more: sums of all bins stay far from the end of int64_t. */
#define BIN_MAX ((int64_t)1 << 48)

/* Seconds, in the year 36812: no clock goes on from there, so that what is saved can be loaded. */
#define AT_MAX ((int64_t)1 << 40)

/* A clock set back by up to this many seconds counts as standing still. */
#define STEP_BACK 3600

/* --- sliding ------------------------------------------------------------------------------------ */

/* By how many bins time went on; negative: back, and what is then in the future drops out. */
static void
slide(int64_t *bin, size_t n, int64_t by)
{
	uint64_t steps = by < 0 ? 0 - (uint64_t)by : (uint64_t)by;
	size_t shift = steps >= n ? n : (size_t)steps;
	size_t kept = n - shift;

	if (by < 0) {
		memmove(bin, bin + shift, kept * sizeof(*bin));
		memset(bin + kept, 0, shift * sizeof(*bin));
	} else {
		memmove(bin + shift, bin, kept * sizeof(*bin));
		memset(bin, 0, shift * sizeof(*bin));
	}
}

static void
add(int64_t *bin, int64_t n)
{
	*bin = n > BIN_MAX - *bin ? BIN_MAX : *bin + n;
}

static void
forget_future(struct window *w, int64_t now)
{
	size_t future = 0;

	while (future < w->n_active && w->active[future].hour > now / 3600)
		future++;
	w->n_active -= future;
	memmove(w->active, w->active + future, w->n_active * sizeof(w->active[0]));
}

static void
advance(struct window *w, int64_t now)
{
	if (now < 0)
		now = 0;
	if (now > AT_MAX)
		now = AT_MAX;
	if (now <= w->at && w->at - now <= STEP_BACK)
		return;
	slide(w->minute, WINDOW_MINUTE_BINS, now / WINDOW_MINUTE_BIN - w->at / WINDOW_MINUTE_BIN);
	slide(w->hour, WINDOW_HOUR_BINS, now / WINDOW_HOUR_BIN - w->at / WINDOW_HOUR_BIN);
	slide(w->day, WINDOW_DAY_BINS, now / WINDOW_DAY_BIN - w->at / WINDOW_DAY_BIN);
	if (now < w->at)
		forget_future(w, now);
	w->at = now;
}

static void
add_active(struct window *w, int64_t hour, int64_t n)
{
	if (w->n_active == 0 || w->active[0].hour != hour) {
		if (w->n_active == WINDOW_ACTIVE)
			w->n_active--;
		memmove(w->active + 1, w->active, w->n_active * sizeof(w->active[0]));
		w->active[0] = (struct window_hour){ .hour = hour };
		w->n_active++;
	}
	add(&w->active[0].n, n);
}

void
window_add(struct window *w, int64_t now, int64_t n)
{
	advance(w, now);
	if (n <= 0)
		return;
	add(&w->minute[0], n);
	add(&w->hour[0], n);
	add(&w->day[0], n);
	add_active(w, w->at / 3600, n);
}

/* --- totals ------------------------------------------------------------------------------------- */

static int64_t
sum(const int64_t *bin, size_t n)
{
	int64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += bin[i];
	return total;
}

static int
by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

void
window_totals(const struct window *w, struct count_answer *out)
{
	int64_t usual[WINDOW_ACTIVE];
	size_t n = 0;

	/* 25 are kept so that 24 are left without the present one; without a present one, the newest 24. */
	for (size_t i = 0; i < w->n_active && n < WINDOW_ACTIVE - 1; i++)
		if (w->active[i].hour != w->at / 3600)
			usual[n++] = w->active[i].n;
	qsort(usual, n, sizeof(usual[0]), by_number);
	*out = (struct count_answer){
		.minute = sum(w->minute, WINDOW_MINUTE_BINS),
		.hour = sum(w->hour, WINDOW_HOUR_BINS),
		.day = sum(w->day, WINDOW_DAY_BINS),
		.hours_known = (int64_t)n,
	};
	if (n > 0)
		out->usual_hour = ((double)usual[(n - 1) / 2] + (double)usual[n / 2]) / 2;
}

/* --- when there is room again --------------------------------------------------------------------- */

struct span {
	const int64_t *bin;
	int64_t n, width;
};

static struct span
span_of(const struct window *w, enum window_span span)
{
	switch (span) {
	case WINDOW_MINUTE:
		return (struct span){ w->minute, WINDOW_MINUTE_BINS, WINDOW_MINUTE_BIN };
	case WINDOW_HOUR:
		return (struct span){ w->hour, WINDOW_HOUR_BINS, WINDOW_HOUR_BIN };
	case WINDOW_DAY:
		break;
	}
	return (struct span){ w->day, WINDOW_DAY_BINS, WINDOW_DAY_BIN };
}

int64_t
window_sum(const struct window *w, enum window_span span)
{
	struct span s = span_of(w, span);

	return sum(s.bin, (size_t)s.n);
}

int64_t
window_wait(const struct window *w, enum window_span span, int64_t now, int64_t excess)
{
	struct span s = span_of(w, span);
	int64_t i = s.n - 1, wait;

	while (i > 0 && (excess -= s.bin[i]) > 0)
		i--;
	/* The i-th drops out when so many bins have begun that it is the n-th. */
	wait = (w->at / s.width + s.n - i) * s.width - now;
	return wait > 1 ? wait : 1;
}

/* --- the blob ----------------------------------------------------------------------------------- */

/*
 * VERSION, `at`, then minute, hour, day and active hours, each as: how many are not zero, and for each of those
 * how many bins (hours) it lies before the one above it (the first: before `at`), and its count.
 * All numbers but the first are in base 128, least first, the high bit saying that more follow.
 */
struct packer {
	unsigned char *p;
};

static void
put(struct packer *k, uint64_t number)
{
	for (; number >= 0x80; number >>= 7)
		*k->p++ = (unsigned char)(number | 0x80);
	*k->p++ = (unsigned char)number;
}

static void
put_bins(struct packer *k, const int64_t *bin, size_t n)
{
	size_t used = 0, previous = 0;

	for (size_t i = 0; i < n; i++)
		used += bin[i] > 0;
	put(k, used);
	for (size_t i = 0; i < n; i++) {
		if (bin[i] <= 0)
			continue;
		put(k, i - previous);
		put(k, (uint64_t)bin[i]);
		previous = i;
	}
}

/* At most 1 + 10 + 4 + (7 + 31 + 49) * (1 + 7) + 25 * (10 + 7) octets: fits. */
_Static_assert(
    15 + (WINDOW_MINUTE_BINS + WINDOW_HOUR_BINS + WINDOW_DAY_BINS) * 8 + WINDOW_ACTIVE * 17 <=
	WINDOW_BLOB_MAX,
    "a full window fits its blob");

size_t
window_save(const struct window *w, unsigned char out[WINDOW_BLOB_MAX])
{
	struct packer k = { out };
	int64_t hour = w->at / 3600;

	*k.p++ = VERSION;
	put(&k, (uint64_t)w->at);
	put_bins(&k, w->minute, WINDOW_MINUTE_BINS);
	put_bins(&k, w->hour, WINDOW_HOUR_BINS);
	put_bins(&k, w->day, WINDOW_DAY_BINS);
	put(&k, w->n_active);
	for (size_t i = 0; i < w->n_active; i++) {
		put(&k, (uint64_t)(hour - w->active[i].hour));
		put(&k, (uint64_t)w->active[i].n);
		hour = w->active[i].hour;
	}
	return (size_t)(k.p - out);
}

struct unpacker {
	const unsigned char *p, *end;
	bool bad;
};

/* The next number, 0 and bad when there is none or it is above max. */
static int64_t
get(struct unpacker *u, int64_t max)
{
	uint64_t number = 0;

	for (unsigned shift = 0; !u->bad && shift < 63; shift += 7) {
		if (u->p == u->end)
			break;
		number |= (uint64_t)(*u->p & 0x7f) << shift;
		if ((*u->p++ & 0x80) != 0)
			continue;
		if (number > (uint64_t)max)
			break;
		return (int64_t)number;
	}
	u->bad = true;
	return 0;
}

static void
get_bins(struct unpacker *u, int64_t *bin, int64_t n)
{
	int64_t used = get(u, n), at = 0;

	for (int64_t i = 0; i < used && !u->bad; i++) {
		int64_t back = get(u, n - 1 - at);

		at += back;
		if (i > 0 && back == 0)
			u->bad = true;
		bin[at] = get(u, BIN_MAX);
		if (bin[at] == 0)
			u->bad = true;
	}
}

static void
get_active(struct unpacker *u, struct window *w)
{
	int64_t hour = w->at / 3600;

	w->n_active = (size_t)get(u, WINDOW_ACTIVE);
	for (size_t i = 0; i < w->n_active && !u->bad; i++) {
		int64_t back = get(u, hour);

		hour -= back;
		if (i > 0 && back == 0)
			u->bad = true;
		w->active[i] = (struct window_hour){ .hour = hour, .n = get(u, BIN_MAX) };
		if (w->active[i].n == 0)
			u->bad = true;
	}
}

bool
window_load(struct window *w, struct str blob)
{
	struct unpacker u = { .p = (const unsigned char *)blob.p };

	*w = (struct window){ 0 };
	if (blob.n == 0)
		return true;
	u.end = u.p + blob.n;
	if (*u.p++ != VERSION)
		return false;
	w->at = get(&u, AT_MAX);
	get_bins(&u, w->minute, WINDOW_MINUTE_BINS);
	get_bins(&u, w->hour, WINDOW_HOUR_BINS);
	get_bins(&u, w->day, WINDOW_DAY_BINS);
	get_active(&u, w);
	if (!u.bad && u.p == u.end)
		return true;
	*w = (struct window){ 0 };
	return false;
}
