/*
 * window: the counter of one key: how much came in the last minute, hour and day, and what is usual for this key at
 * this hour of the week (history.h). Lives packed in a blob of the store, a few octets for a
 * key with few events. Pure: the time is an argument, in wall seconds.
 *
 * The sums slide in bins. A window counts all that came within its length, and may still count what came
 * up to one bin earlier; so it never says less than the truth, and never more than the truth of a
 * window one bin longer:
 *   burst   bins of 10 s    the last 10 to 20 s
 *   minute  bins of 10 s    the last 60 to 70 s
 *   hour    bins of 2 min   the last 60 to 62 min
 *   day     bins of 30 min  the last 24 h to 24 h 30 min
 *
 * Time that goes back by up to an hour (a clock being set) counts as standing still; more than
 * that means that the clock was wrong before, and what lies in the future then is forgotten.
 */
#ifndef POSTERN_DB_WINDOW_H
#define POSTERN_DB_WINDOW_H

#include "base/str.h"
#include "db/history.h"
#include "mail/question.h"

enum {
	WINDOW_MINUTE_BIN = 10,
	WINDOW_HOUR_BIN = 120,
	WINDOW_DAY_BIN = 1800,
	/* One more than fills the window: the present bin is incomplete. A burst is in the minute's. */
	WINDOW_BURST_BINS = 2,
	WINDOW_MINUTE_BINS = 7,
	WINDOW_HOUR_BINS = 31,
	WINDOW_DAY_BINS = 49,
	WINDOW_BLOB_MAX = 4096,
};

enum window_span { WINDOW_BURST, WINDOW_MINUTE, WINDOW_HOUR, WINDOW_DAY };

struct window {
	int64_t at; /* the time the bins below are seen from; 0: empty */
	/* [0] is the bin that holds `at`, [1] the one before it, ... */
	int64_t minute[WINDOW_MINUTE_BINS];
	int64_t hour[WINDOW_HOUR_BINS];
	int64_t day[WINDOW_DAY_BINS];
	struct history history;
};

/* An empty, unknown, cut or altered blob gives an empty window; false says that it was one of the latter. */
bool window_load(struct window *w, struct str blob);
/* Writes the blob to out; returns its length, never more than WINDOW_BLOB_MAX. */
size_t window_save(const struct window *w, unsigned char out[WINDOW_BLOB_MAX]);
/* Moves on to `now` and counts n there; n <= 0 only moves on. */
void window_add(struct window *w, int64_t now, int64_t n);
/* Nothing was counted; what is usual stays. */
void window_reset(struct window *w);
/* Each bin is the larger of the two, at the later of both times; the histories are merged. */
void window_merge(struct window *w, const struct window *other);
/* The sums at the time of the last window_add(), and what is usual then. */
void window_totals(const struct window *w, struct count_answer *out);
/* One of those sums. */
int64_t window_sum(const struct window *w, enum window_span span);
/*
 * Seconds from now (at which w stands) until the sum has fallen by `excess`, 1 at least; what is more than the sum counts as having
 * come now.
 */
int64_t window_wait(const struct window *w, enum window_span span, int64_t now, int64_t excess);

#endif
