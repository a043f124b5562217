/*
 * quota: the counters of plans that a message was counted in, for whoever tells people how much of them is
 * used. The counting and the comparing is the stage's (volume_quota.c).
 */
#ifndef POSTERN_FILTERS_QUOTA_H
#define POSTERN_FILTERS_QUOTA_H

#include "mail/notice.h"
#include "mail/session.h"

/* As many as there can be holds: two of a plan, and two of each of some upstreams. */
#define QUOTA_COUNTERS 10

struct quota_counter {
	enum notice_kind kind;
	struct str who; /* the account, the address, the upstream's name */
	const struct plan *plan;
	enum plan_what what;
	struct str key;           /* in the store */
	struct take_limits limit; /* what is reserved is no part of it */
};

/*
 * Of the message that is about to be counted (EVENT_ACCEPTED), those that have limits. ask: with the state of the
 * stage `volume`. Returns how many; memory of ask->arena.
 */
size_t quota_counters(struct ask *ask, struct quota_counter out[QUOTA_COUNTERS]);

#endif
