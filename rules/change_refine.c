/*
 * What exactly a change is: "one that /re/ does not match" is said only if the rules let each such value pass that they can tell from the
 * one that was tried; else what more it must be is said with it: "and one not ending in \".local\"".
 */
#include "rules/change_private.h"

#include "rules/rule.h"

#define TRIAL_LIMIT (1024 * 1024)
#define MORE_MOST 8

/* Where a test stands. */
struct place {
	size_t rule;
	uint32_t node;
	bool holds;
};

struct refining {
	const struct candidates *c;
	struct change_set *set;
	struct change *change;
	struct value tried;
	struct change was;
	struct place more[MORE_MOST];
	size_t n;
};

static bool
says(const struct past *p, const struct place *at)
{
	return past_holds(p, &p->rule[at->rule]->node[at->node]);
}

/* The set with another value, of which a list or a regular expression says what is laid down. */
static struct past *
with(struct refining *r, struct arena *arena, const struct change *other)
{
	struct past *p;

	r->change->value = other->value;
	p = changes_apply(arena, r->c->g, r->set);
	r->change->value = r->tried;
	if (other->test && !change_asks_same(other->test, r->change->test))
		change_lay_down(arena, p, other);
	return p;
}

/* Is it one of those that are meant? */
static bool
is_meant(struct refining *r, const struct past *p, const struct change *other)
{
	const struct past *g = r->c->g;

	if (other->value.type == VALUE_NONE && r->tried.type != VALUE_NONE)
		return false;
	for (size_t i = 0; i < g->n; i++) {
		const struct node *node = g->rule[i]->node;

		for (uint32_t k = 0; node && k < node->size; k++)
			if (&node[k] == r->change->test &&
			    past_holds(p, &p->rule[i]->node[k]) != r->change->holds)
				return false;
	}
	for (size_t i = 0; i < r->n; i++)
		if (says(p, &r->more[i]) != r->more[i].holds)
			return false;
	return true;
}

/* It is one of those that are meant, and does not do. *meant: it is one. */
static bool
fails(struct refining *r, const struct change *other, enum found wanted, bool *meant)
{
	struct arena *arena = arena_new(TRIAL_LIMIT);
	struct past *p = with(r, arena, other);
	bool fails;

	*meant = is_meant(r, p, other);
	fails = *meant && change_outcome(p, r->c->now.rule) != wanted;
	arena_free(&arena);
	return fails;
}

/* The first test that tells the one that was tried from this one. */
static bool
tell_apart(struct refining *r, const struct change *other, struct place *out)
{
	struct arena *arena = arena_new(TRIAL_LIMIT);
	struct past *good = changes_apply(arena, r->c->g, r->set), *bad = with(r, arena, other);
	const struct past *g = r->c->g;
	bool found = false;

	for (size_t i = 0; i < g->n && !found; i++) {
		const struct node *node = g->rule[i]->node;

		for (uint32_t k = 0; node && k < node->size && !found; k++) {
			*out = (struct place){ .rule = i, .node = k };
			if (!candidates_about(&node[k], r->change->slot))
				continue;
			out->holds = says(good, out);
			found = out->holds != says(bad, out);
		}
	}
	arena_free(&arena);
	return found;
}

/* Of all values of the fact that some test tells from others. */
static const struct change *
failing(struct refining *r, enum found wanted)
{
	const struct candidates *c = r->c;
	bool meant;

	memset(r->change->meant, 0, sizeof(r->change->meant));
	for (size_t i = 0; i < c->n + c->n_other; i++) {
		const struct change *other = i < c->n ? &c->change[i] : &c->other[i - c->n];

		if (other->kind != CHANGE_FACT || other->slot != r->change->slot)
			continue;
		if (fails(r, other, wanted, &meant))
			return other;
		if (meant)
			r->change->meant[i / 64] |= UINT64_C(1) << i % 64;
	}
	return fails(r, &r->was, wanted, &meant) ? &r->was : NULL;
}

/* The one value that was tried, and no other. */
static void
mean_itself(const struct candidates *c, struct change *change)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->change[i].kind == CHANGE_FACT && c->change[i].slot == change->slot &&
		    c->change[i].test == NULL && value_eq(&c->change[i].value, &change->value))
			change->meant[i / 64] |= UINT64_C(1) << i % 64;
}

static bool
refine(struct refining *r, enum found wanted)
{
	const struct past *g = r->c->g;
	const struct change *other;
	struct str words;

	while ((other = failing(r, wanted)) != NULL) {
		struct place *at = &r->more[r->n];

		if (r->n == MORE_MOST || !tell_apart(r, other, at))
			return false;
		r->n++;
		words = candidates_words(
		    g, &g->rule[at->rule]->node[at->node], r->change->slot, &r->tried, at->holds);
		if (words.n == 0)
			return false;
		r->change->words = arena_printf(
		    g->arena, "%.*s" CHANGE_AND "%.*s", STR_ARG(r->change->words), STR_ARG(words));
	}
	return true;
}

static bool
computes_with(const struct operand *o, size_t slot)
{
	size_t facts[OPERAND_FACTS], n = 0;

	if (o->kind == OPERAND_COMPUTED)
		n = change_facts(o, facts, 0, OPERAND_FACTS);
	while (n > 0 && facts[n - 1] != slot)
		n--;
	return n > 0;
}

/* Rules compute with it: which of its values they tell apart is not known, so that only the one that was tried is meant. */
static bool
is_computed_with(const struct past *g, size_t slot)
{
	for (size_t i = 0; i < g->n; i++) {
		const struct node *node = g->rule[i]->node;

		for (uint32_t k = 0; node && k < node->size; k++)
			if (node[k].kind == EXPR_TEST && relation_has_right(node[k].relation) &&
			    (computes_with(&node[k].expr->left, slot) ||
				computes_with(&node[k].expr->right, slot)))
				return true;
	}
	return false;
}

bool
change_refine(const struct candidates *c, struct change_set *set, enum found wanted)
{
	for (size_t i = 0; i < set->n; i++) {
		struct refining r = {
			.c = c, .set = set, .change = &set->change[i], .tried = set->change[i].value
		};

		if (r.change->kind != CHANGE_FACT)
			continue;
		if (r.change->test == NULL) {
			mean_itself(c, r.change);
			continue;
		}
		if (is_computed_with(c->g, r.change->slot)) {
			r.change->words = change_shown(c->g->arena, &r.tried);
			continue;
		}
		r.was.value = c->g->known[r.change->slot]->value;
		if (!refine(&r, wanted))
			return false;
	}
	return true;
}
