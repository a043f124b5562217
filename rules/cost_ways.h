/*
 * cost_ways: sets of groups of questions, and the ways through a step's rules, each as the set of what is asked on it. Private to cost*.c.
 */
#ifndef POSTERN_RULES_COST_WAYS_H
#define POSTERN_RULES_COST_WAYS_H

#include "base/arena.h"

/*
 * Ways that are followed side by side. Only a choice between blocks makes several, and one that asks no more than another is dropped;
 * beyond so many, the last is joined with what comes: it asks what either does, so that the most is never told too low.
 */
#define WAYS_MAX 32

/* How large sets are, and where they live. */
struct cost_sets {
	struct arena *arena;
	size_t words;
};

/* A bit for each group. NULL: nobody comes here. */
typedef uint64_t *cost_set;

cost_set set_new(const struct cost_sets *sets);
void set_add(cost_set set, size_t group);
bool set_has(const uint64_t *set, size_t group);
/* What is in either; both are there. */
cost_set set_join(const struct cost_sets *sets, const uint64_t *a, const uint64_t *b);
/* What is in both; where nobody comes counts for nothing. */
cost_set set_meet(const struct cost_sets *sets, cost_set a, cost_set b);

/* At one place among the rules. Born zeroed: nobody comes here. */
struct cost_front {
	cost_set way[WAYS_MAX]; /* the most that can have been asked */
	size_t n;
	cost_set sure; /* what surely was */
};

void front_begin(struct cost_front *front, cost_set asked);
/* All ways ask this too. */
void front_ask(const struct cost_sets *sets, struct cost_front *front, const uint64_t *more);
/* The ways of `more` come to this place as well. */
void front_join(
    const struct cost_sets *sets, struct cost_front *front, const struct cost_front *more);

#endif
