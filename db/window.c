#include "db/window.h"

#define VERSION 2
/* Of before there was a history: it has hours in which something came instead. */
#define VERSION_HOURS 1
#define HOURS_MOST 25

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
	w->at = now;
}

void
window_add(struct window *w, int64_t now, int64_t n)
{
	advance(w, now);
	history_add(&w->history, w->at, n);
	if (n <= 0)
		return;
	add(&w->minute[0], n);
	add(&w->hour[0], n);
	add(&w->day[0], n);
}

void
window_reset(struct window *w)
{
	struct history history = w->history;

	history_reset(&history);
	*w = (struct window){ .at = w->at, .history = history };
}

/* --- merging ------------------------------------------------------------------------------------ */

static void
larger(int64_t *bin, const int64_t *other, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (other[i] > bin[i])
			bin[i] = other[i];
}

/* Moves on, also past what only a damaged blob can say: that something came later than it stands. */
static void
move_to(struct window *w, int64_t at)
{
	window_add(w, at, 0);
	if (w->history.hour > w->at / 3600)
		w->history.hour = w->at / 3600;
}

void
window_merge(struct window *w, const struct window *other)
{
	struct window o = *other;
	int64_t at = o.at > w->at ? o.at : w->at;

	move_to(w, at);
	move_to(&o, at);
	larger(w->minute, o.minute, WINDOW_MINUTE_BINS);
	larger(w->hour, o.hour, WINDOW_HOUR_BINS);
	larger(w->day, o.day, WINDOW_DAY_BINS);
	history_merge(&w->history, &o.history);
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

void
window_totals(const struct window *w, struct count_answer *out)
{
	*out = (struct count_answer){
		.burst = sum(w->minute, WINDOW_BURST_BINS),
		.minute = sum(w->minute, WINDOW_MINUTE_BINS),
		.hour = sum(w->hour, WINDOW_HOUR_BINS),
		.day = sum(w->day, WINDOW_DAY_BINS),
	};
	history_tell(&w->history, w->at, out);
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
	case WINDOW_BURST:
		return (struct span){ w->minute, WINDOW_BURST_BINS, WINDOW_MINUTE_BIN };
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
 * VERSION, `at`, then minute, hour and day, each as: how many are not zero, and for each of those
 * how many bins it lies before the one above it (the first: before `at`), and its count; then the history.
 * All numbers are packed.
 */
static void
put_bins(struct packer *k, const int64_t *bin, size_t n)
{
	size_t used = 0, previous = 0;

	for (size_t i = 0; i < n; i++)
		used += bin[i] > 0;
	packed_put(k, used);
	for (size_t i = 0; i < n; i++) {
		if (bin[i] <= 0)
			continue;
		packed_put(k, i - previous);
		packed_put(k, (uint64_t)bin[i]);
		previous = i;
	}
}

/* At most 1 + 6 + 3 + (7 + 31 + 49) * (1 + 7) octets, and the history: fits. */
_Static_assert(
    10 + (WINDOW_MINUTE_BINS + WINDOW_HOUR_BINS + WINDOW_DAY_BINS) * 8 + HISTORY_BLOB_MAX <=
	WINDOW_BLOB_MAX,
    "a full window fits its blob");

size_t
window_save(const struct window *w, unsigned char out[WINDOW_BLOB_MAX])
{
	struct packer k = { out };

	packed_put(&k, VERSION);
	packed_put(&k, (uint64_t)w->at);
	put_bins(&k, w->minute, WINDOW_MINUTE_BINS);
	put_bins(&k, w->hour, WINDOW_HOUR_BINS);
	put_bins(&k, w->day, WINDOW_DAY_BINS);
	history_save(&w->history, &k);
	return (size_t)(k.p - out);
}

static void
get_bins(struct unpacker *u, int64_t *bin, int64_t n)
{
	int64_t used = packed_get(u, n), at = 0;

	for (int64_t i = 0; i < used && !u->bad; i++) {
		int64_t back = packed_get(u, n - 1 - at);

		at += back;
		if (i > 0 && back == 0)
			u->bad = true;
		bin[at] = packed_get(u, BIN_MAX);
		if (bin[at] == 0)
			u->bad = true;
	}
}

/* Hours in which something came, newest first: how many, and of each how long before the one above it, and its count. */
static void
get_hours(struct unpacker *u, struct window *w)
{
	int64_t at[HOURS_MOST], n[HOURS_MOST], hour = w->at / 3600;
	int64_t used = packed_get(u, HOURS_MOST);

	for (int64_t i = 0; i < used && !u->bad; i++) {
		int64_t back = packed_get(u, hour);

		hour -= back;
		at[i] = hour;
		n[i] = packed_get(u, BIN_MAX);
		if ((i > 0 && back == 0) || n[i] == 0)
			u->bad = true;
	}
	for (int64_t i = used; i-- > 0 && !u->bad;)
		history_add(&w->history, at[i] * 3600, n[i]);
}

bool
window_load(struct window *w, struct str blob)
{
	struct unpacker u = { .p = (const unsigned char *)blob.p };
	int64_t version;

	*w = (struct window){ 0 };
	if (blob.n == 0)
		return true;
	u.end = u.p + blob.n;
	version = packed_get(&u, VERSION);
	w->at = packed_get(&u, AT_MAX);
	get_bins(&u, w->minute, WINDOW_MINUTE_BINS);
	get_bins(&u, w->hour, WINDOW_HOUR_BINS);
	get_bins(&u, w->day, WINDOW_DAY_BINS);
	if (version == VERSION)
		history_load(&w->history, &u);
	else
		get_hours(&u, w);
	if (version >= VERSION_HOURS && !u.bad && u.p == u.end)
		return true;
	*w = (struct window){ 0 };
	return false;
}
