/*
 * volume_hold: what a transaction holds of counters that have limits (QUESTION_TAKE): asked for when a fact is
 * asked for, made to last when the message goes to the MTA, counted when it has been taken, given back in every
 * other case. So transactions that run at the same time see each other, and together pass no limit. The stage's other
 * files say of which counters, and how much. Nobody else includes this.
 *
 * A process that dies gives nothing back: what it held fills the limits for HOLD_LASTS, or, if the message was on its way
 * to the MTA, for a day: nobody knows then whether it was taken, and it is better counted than not.
 */
#ifndef POSTERN_FILTERS_VOLUME_HOLD_H
#define POSTERN_FILTERS_VOLUME_HOLD_H

#include "filters/stage.h"

/* Seconds. The slowest client that is not cut off brings 64 KiB, which renew it, within eleven minutes. */
#define HOLD_LASTS 1200
#define HOLD_RENEW 300
/* The day of the counters, with the bin that it may be longer. */
#define HOLD_OFFERED 88200

/* Two of a plan, and two for each of some upstreams. */
#define HOLDS_MAX 10

struct hold {
	struct str key;
	int64_t n;
	int64_t at; /* wall seconds: when it was last asked for */
};

/* Of one transaction; born zeroed. */
struct holds {
	struct hold hold[HOLDS_MAX];
	size_t n;
	unsigned serial;
};

struct hold_bid {
	struct str key;
	int64_t n;
	int64_t most;    /* that this transaction can come to want; n or more */
	unsigned serial; /* tells bids of other limits apart */
	struct take_limits limit;
};

struct hold_room {
	const struct count_answer *counts; /* NULL: the store did not answer */
	const struct take_answer *take;
};

/* Holds bid->n at least, in the place of what was held of that key, if it is granted. PENDING or DONE. */
enum progress holds_bid(
    struct ask *ask, struct holds *holds, const struct hold_bid *bid, struct hold_room *out);
/* All last until so many seconds from now, those younger than `young` excepted. */
void holds_keep(struct ask *ask, struct holds *holds, int64_t lasts, int64_t young);
/* Counts n of that key, of which something is held; false: nothing is. */
bool holds_settle(struct ask *ask, struct holds *holds, struct str key, int64_t n);
void holds_free(struct ask *ask, struct holds *holds);

#endif
