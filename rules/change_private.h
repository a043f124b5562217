/*
 * change_private: what the two files of change.h share: which changes are worth trying.
 */
#ifndef POSTERN_RULES_CHANGE_PRIVATE_H
#define POSTERN_RULES_CHANGE_PRIVATE_H

#include "rules/change.h"

#define CANDIDATES_MAX 100

struct candidates {
	const struct past *g;
	struct past_result now;
	struct change change[CANDIDATES_MAX];
	size_t n;
	size_t
	    first; /* those before it turn one test round; the others are tried when none of them does it */
};

/*
 * change_candidates.c. Of every test in the step's rules whose fact is known: what would turn it round. Of words
 * (symbols) each other one.
 */
void candidates_collect(struct candidates *c);

#endif
