/*
 * history: what is usual for one counter. Of each of the 168 hours of the week (hours since 1970 modulo 168, so in
 * UTC) it knows how many come in it and how much that varies; and it knows how many came in the long run. Part of a window's
 * blob (window.h). Pure; whole numbers only, none above 2^53, so that a backend in another language comes to the same.
 *
 * The present hour of the clock is counted in `n`. When something is asked or counted in a later hour, it is folded
 * into its slot; hours in which nothing came are not. With x = n, top(s) = (s.mean + 2 * s.spread + 7) / 8, most = the largest top of all slots
 * that are known (mean > 0), and / rounding down:
 *	if the folded hour lies 168 hours or more behind the first one, what is new is held back, so that a flood does not
 *	become usual:
 *		x = min(x, 2 * top(slot)), if the slot is known, else min(x, most), if any is
 *	slot known:      spread = (3 * spread + |8 * x - mean|) / 4, then mean = (3 * mean + 8 * x) / 4
 *	slot not known:  mean = 8 * x, spread = 4 * x, but if x was or could have been held back by `most`, at most
 *	                 (8 * most - 8 * x) / 2
 * The day (since 1970) is counted in `today`. With the first thing asked or counted k days later, past (in 32nds) becomes past + 32 * today,
 * 2^48 at most, and then k times past * 31 / 32.
 * Time that goes back drops what was counted in an hour or day to come, and is the first hour if that was to come.
 *
 * What is usual at an hour h: of the slots that are known among h - 1, h, h + 1, if h is; else among those hours of every
 * day of the week, if h of any day is; else among all:
 *	low   the smallest max(mean - 2 * spread, 0) / 8
 *	high  the largest top
 *	mean  the largest mean, in eighths
 */
#ifndef POSTERN_DB_HISTORY_H
#define POSTERN_DB_HISTORY_H

#include "db/packed.h"
#include "mail/question.h"

#define HISTORY_HOURS 168

struct history_slot {
	int64_t mean, spread; /* in eighths; mean 0: not known */
};

struct history {
	int64_t since;            /* the first hour; 0: nothing came yet */
	int64_t hour, n;          /* the last in which something came, and how many */
	int64_t day, today, past; /* past: in 32nds */
	struct history_slot slot[HISTORY_HOURS];
};

/* Goes on to that time (wall seconds) and counts n there; n <= 0 only goes on. Sums stay below 2^48. */
void history_add(struct history *h, int64_t at, int64_t n);
/* What was counted in the present hour and day was not. */
void history_reset(struct history *h);
/*
 * Each number and each slot is the larger of the two, and the first hour the earlier; both stand at the same time. Merging again
 * changes nothing.
 */
void history_merge(struct history *h, const struct history *other);
/* Fills usual, usual_low, usual_high, hours_known, since and past. */
void history_tell(const struct history *h, int64_t at, struct count_answer *out);

/* Octets that history_save() needs at most. */
#define HISTORY_BLOB_MAX (6 * 9 + 2 + HISTORY_HOURS / 2 * 4 + HISTORY_HOURS * 2 * 8)
void history_save(const struct history *h, struct packer *k);
/* u is bad afterwards if it was no history. */
void history_load(struct history *h, struct unpacker *u);

#endif
