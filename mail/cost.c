#include "mail/cost.h"

#include "base/die.h"

/* As deep as facts may ask for facts. */
#define COST_DEPTH 8

static void
note(struct costs *costs, const struct cost_group *group)
{
	for (size_t i = 0; i < costs->n; i++) {
		struct cost_group *old = &costs->group[i];

		if (!str_eq(old->name, group->name))
			continue;
		old->least = group->least > old->least ? group->least : old->least;
		old->most = group->most > old->most ? group->most : old->most;
		return;
	}
	if (costs->n == COST_GROUPS_MAX)
		panic("a fact notes more than %d groups of questions", COST_GROUPS_MAX);
	costs->group[costs->n] = *group;
	costs->group[costs->n++].name = arena_dup(costs->arena, group->name);
}

void
cost_dns(struct costs *costs, struct str name, unsigned least, unsigned most)
{
	note(costs, &(struct cost_group){ .name = name, .least = least, .most = most });
}

void
cost_store(struct costs *costs, struct str name, unsigned least, unsigned most)
{
	note(costs,
	    &(struct cost_group){ .name = name, .store = true, .least = least, .most = most });
}

void
cost_store_each(struct costs *costs, struct str name, unsigned least, unsigned most)
{
	note(costs,
	    &(struct cost_group){
		.name = name, .store = true, .each = true, .least = least, .most = most });
}

void
cost_fact(struct costs *costs, const char *name)
{
	const struct fact_call call = { .entry = fact_find(costs->table, str_of(name)) };

	if (call.entry != NULL)
		cost_call(costs, &call);
}

void
cost_nothing(struct costs *costs, const struct fact_call *call)
{
	(void)costs;
	(void)call;
}

void
cost_call(struct costs *costs, const struct fact_call *call)
{
	const struct fact_def *def = call->entry->def;

	if (costs->depth >= COST_DEPTH)
		panic("fact %s asks for itself", def->name);
	costs->depth++;
	if (def->asks != NULL)
		def->asks(costs, call);
	else if (def->cost != COST_FREE)
		costs->unknown = true;
	costs->depth--;
}
