#include "rules/cost_ways.h"

cost_set
set_new(const struct cost_sets *sets)
{
	return ARENA_ARRAY(sets->arena, uint64_t, sets->words);
}

void
set_add(cost_set set, size_t group)
{
	set[group / 64] |= UINT64_C(1) << group % 64;
}

bool
set_has(const uint64_t *set, size_t group)
{
	return (set[group / 64] >> group % 64 & 1) != 0;
}

cost_set
set_join(const struct cost_sets *sets, const uint64_t *a, const uint64_t *b)
{
	cost_set out = set_new(sets);

	for (size_t i = 0; i < sets->words; i++)
		out[i] = a[i] | b[i];
	return out;
}

cost_set
set_meet(const struct cost_sets *sets, cost_set a, cost_set b)
{
	cost_set out;

	if (a == NULL || b == NULL)
		return a == NULL ? b : a;
	out = set_new(sets);
	for (size_t i = 0; i < sets->words; i++)
		out[i] = a[i] & b[i];
	return out;
}

static bool
is_within(const struct cost_sets *sets, const uint64_t *inner, const uint64_t *outer)
{
	for (size_t i = 0; i < sets->words; i++)
		if ((inner[i] & ~outer[i]) != 0)
			return false;
	return true;
}

static void
add_way(const struct cost_sets *sets, struct cost_front *front, cost_set way)
{
	size_t kept = 0;

	for (size_t i = 0; i < front->n; i++)
		if (is_within(sets, way, front->way[i]))
			return;
	for (size_t i = 0; i < front->n; i++)
		if (!is_within(sets, front->way[i], way))
			front->way[kept++] = front->way[i];
	front->n = kept;
	if (kept < WAYS_MAX)
		front->way[front->n++] = way;
	else
		front->way[kept - 1] = set_join(sets, front->way[kept - 1], way);
}

void
front_begin(struct cost_front *front, cost_set asked)
{
	*front = (struct cost_front){ .way = { asked }, .n = 1, .sure = asked };
}

void
front_ask(const struct cost_sets *sets, struct cost_front *front, const uint64_t *more)
{
	struct cost_front all = { .sure = front->sure };

	for (size_t i = 0; i < front->n; i++)
		add_way(sets, &all, set_join(sets, front->way[i], more));
	*front = all;
}

void
front_join(const struct cost_sets *sets, struct cost_front *front, const struct cost_front *more)
{
	for (size_t i = 0; i < more->n; i++)
		add_way(sets, front, more->way[i]);
	front->sure = set_meet(sets, front->sure, more->sure);
}
