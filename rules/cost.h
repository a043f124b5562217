/*
 * cost: how many questions the rules of each step can cause, from the rules and from what the rows of the facts say (mail/cost.h). Facts are
 * lazy, so it follows the rules as they are evaluated. At least: what is asked whichever way a session goes through a step. At most: the worst
 * way, where each test can come out either way; of an `if` and its `else` it is the one that costs more. What the steps before have asked in any
 * case is not asked again; nor is one question for several facts. Left out are exceptions of `postern allow`, and what stages write down when a message
 * was taken or refused. Pure.
 */
#ifndef POSTERN_RULES_COST_H
#define POSTERN_RULES_COST_H

#include "rules/config.h"
#include "rules/ruleset.h"

struct cost_range {
	unsigned least, most;
};

/* Of DNS or store. */
struct cost_sum {
	struct cost_range once, each; /* each: for each recipient, beside the others */
};

/* Of one step; unknown: a loaded stage does not say how much its facts ask. */
struct cost_step {
	struct cost_sum dns, store;
	bool unknown;
};

/* A fact that a rule is the first to ask for, as far as is sure. */
struct cost_fact {
	const struct fact_call *call;
	struct cost_sum dns, store;
	bool unknown;
	struct cost_fact *next;
};

struct cost_rule {
	const struct trace_rule *shown;
	enum step step;
	struct cost_sum dns, store; /* of all its facts together */
	bool unknown;
	const struct cost_fact *facts; /* in the order asked */
};

struct cost_report {
	struct cost_step step[STEP_COUNT];
	/* what of that is asked at message as soon as the header is there, of every message, as rules can come to ask for it */
	struct cost_step header;
	/* a message that went through all steps, with one recipient */
	struct cost_step message;
	const struct cost_rule *rule; /* those that can cost something, in their order */
	size_t n_rules;
};

/* Memory of the arena. */
void cost_report(struct arena *arena, const struct config *config, struct cost_report *out);

#endif
