#include "rules/hits.h"

#include <stdlib.h>

#include "base/die.h"
#include "rules/rule.h"

struct hits {
	const struct ruleset *rules;
	size_t first[STEP_COUNT]; /* of each step's rows */
	struct hits_row *row;
	size_t n;
};

/* The trace has the rules in their order, and leaves out those of blocks that were not gone through. */
static void
count_step(void *owner, const struct replay_step *step)
{
	struct hits *hits = owner;
	struct hits_row *row = hits->row + hits->first[step->step];
	struct rule *const *rule = hits->rules->rule[step->step];
	size_t n = hits->rules->n[step->step], i = 0;

	for (size_t k = 0; k < step->trace.n; k++) {
		const struct trace_entry *e = &step->trace.entry[k];

		while (i < n && &rule[i]->shown != e->rule)
			i++;
		/* What stands behind the rules is none of them. */
		if (i == n)
			return;
		if (e->rule == step->lacks) {
			row[i].unknown++;
			continue;
		}
		row[i].tried++;
		row[i].hit += e->hit;
	}
}

struct hits *
hits_new(const struct config *config, struct replay *replay)
{
	const struct ruleset *rules = config->ruleset;
	struct hits *hits = xcalloc(1, sizeof(*hits));
	size_t all = 0;

	for (size_t step = 0; step < STEP_COUNT; step++)
		all += rules->n[step];
	hits->rules = rules;
	hits->row = xcalloc(all + 1, sizeof(*hits->row));
	for (size_t step = 0; step < STEP_COUNT; step++) {
		hits->first[step] = hits->n;
		for (size_t i = 0; i < rules->n[step]; i++) {
			const struct rule *r = rules->rule[step][i];

			hits->row[hits->n++] = (struct hits_row){ .shown = &r->shown,
				.step = r->step,
				.depth = r->depth,
				.head = r->head,
				.observed = !r->head &&
				    (r->observe ||
					(rules->observe && r->action != ACTION_ACCEPT_SESSION)) };
		}
	}
	replay_watch(replay, count_step, hits);
	return hits;
}

void
hits_free(struct hits **hits)
{
	free((*hits)->row);
	free(*hits);
	*hits = NULL;
}

void
hits_verdict(struct hits *hits, const char *before, const struct replay_result *now)
{
	if (now->state != REPLAY_DECIDED || strcmp(before, now->verdict) == 0)
		return;
	for (size_t i = 0; i < hits->n; i++)
		if (hits->row[i].step == now->step && !hits->row[i].head &&
		    str_eq(hits->row[i].shown->id, now->rule)) {
			hits->row[i].replaced++;
			return;
		}
}

size_t
hits_length(const struct hits *hits)
{
	return hits->n;
}

const struct hits_row *
hits_row(const struct hits *hits, size_t i)
{
	require(i < hits->n);
	return &hits->row[i];
}
