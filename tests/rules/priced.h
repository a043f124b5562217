/*
 * priced: a vocabulary of the session's own facts and of some whose price is known; what those are a test may say.
 */
#ifndef POSTERN_TESTS_RULES_PRICED_H
#define POSTERN_TESTS_RULES_PRICED_H

#include "mail/fact.h"
#include "rules/load.h"

#define PRICED_LATE 2 /* the part whose questions are for every message: those of `late` */

/* As of struct fact_def. */
typedef enum progress priced_compute(
    struct ask *ask, const struct fact_call *call, struct value *out);
/* How facts are computed from now on; until then all are 1. */
void priced_computed(priced_compute *compute);
/* A configuration with this vocabulary; NULL: c says why. */
struct config *priced_load(struct str text, struct complaints *c);

#endif
