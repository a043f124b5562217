/*
 * hits: how often each rule of a configuration would have been tried, and hit, on what a replay decides (rules/replay.h): a count for each decision of
 * a session, however many entries of the journal repeat it. Of rules in blocks those that were come to count as tried; a head of a block counts like a
 * rule. Memory does not grow with what is counted. One thread at a time.
 */
#ifndef POSTERN_RULES_HITS_H
#define POSTERN_RULES_HITS_H

#include "rules/replay.h"

struct hits;

struct hits_row {
	const struct trace_rule *shown;
	enum step step;
	unsigned depth; /* of blocks around it */
	bool head;      /* of a block */
	bool observed;  /* it is not enforced: `observe`, or mode observe */
	int64_t tried, hit;
	int64_t unknown;  /* its condition needs a fact that is not known */
	int64_t replaced; /* verdicts of the journal that it turns into another one */
};

/* Watches the replay, which must outlive it, as the configuration must. */
struct hits *hits_new(const struct config *config, struct replay *replay);
void hits_free(struct hits **hits);
/* What came of an entry, that was this verdict then. */
void hits_verdict(struct hits *hits, const char *before, const struct replay_result *now);
/* How many rules there are, and the i-th, in the order of steps and rules. */
size_t hits_length(const struct hits *hits);
const struct hits_row *hits_row(const struct hits *hits, size_t i);

#endif
