#include "rules/change.h"

#include <stdlib.h>

#include "base/die.h"
#include "rules/change_private.h"

#define TRIAL_LIMIT (1024 * 1024)

/* --- a change in force -------------------------------------------------------------------------- */

/* All rules anew, to be altered: those of branches refer to each other. */
static void
own_rules(struct arena *arena, struct past *g)
{
	struct rule *all = ARENA_ARRAY(arena, struct rule, g->n + 1);

	for (size_t i = 0; i < g->n; i++) {
		all[i] = *g->rule[i];
		for (size_t k = 0; k < i && all[i].before; k++)
			if (all[i].before == g->rule[k])
				all[i].before = &all[k];
	}
	for (size_t i = 0; i < g->n; i++)
		g->rule[i] = &all[i];
}

static struct node *
own_nodes(struct arena *arena, struct rule *rule)
{
	struct node *node = ARENA_ARRAY(arena, struct node, rule->node->size);

	memcpy(node, rule->node, rule->node->size * sizeof(*node));
	rule->node = node;
	return node;
}

static struct list *
list_with(struct arena *arena, const struct change *c)
{
	struct list *list = list_new(arena, list_name(c->list));
	struct cidr network;
	struct err e;

	if (cidr_parse(c->entry, &network, &e))
		list_add_cidr(list, &network);
	else
		(void)list_add_text(list, c->entry, &e);
	list_finish(list);
	return list;
}

/* The tests that look for this fact in that list find it there. */
static void
apply_entry(struct arena *arena, struct past *g, const struct change *c)
{
	struct list *list = list_with(arena, c);

	own_rules(arena, g);
	for (size_t i = 0; i < g->n; i++) {
		const struct node *node = g->rule[i]->node;

		for (uint32_t k = 0; node && k < node->size; k++)
			if (node[k].kind == EXPR_TEST && node[k].left_kind == OPERAND_FACT &&
			    node[k].left == c->slot && node[k].list == c->list) {
				struct node *own = own_nodes(arena, g->rule[i]);

				own[k].list = list;
				node = own;
			}
	}
}

static void
apply_mark(struct arena *arena, struct past *g, struct str name)
{
	struct mark *left = NULL;
	bool was = false;

	for (const struct mark *m = g->session.txn.marks; m; m = m->next) {
		struct mark *copy;

		if (str_eq(m->name, name)) {
			was = true;
			continue;
		}
		copy = ARENA_NEW(arena, struct mark);
		*copy = (struct mark){ m->name, left };
		left = copy;
	}
	if (!was) {
		struct mark *mark = ARENA_NEW(arena, struct mark);

		*mark = (struct mark){ name, left };
		left = mark;
	}
	g->session.txn.marks = left;
}

static void
apply(struct arena *arena, struct past *g, const struct change *c)
{
	struct fact *fact;

	switch (c->kind) {
	case CHANGE_FACT:
		fact = ARENA_NEW(arena, struct fact);
		*fact = *g->known[c->slot];
		fact->value = c->value;
		g->known[c->slot] = fact;
		return;
	case CHANGE_SCORE:
		g->session.txn.score += c->value.number;
		return;
	case CHANGE_MARK:
		apply_mark(arena, g, c->mark);
		return;
	case CHANGE_ENTRY:
		apply_entry(arena, g, c);
		return;
	case CHANGE_OBSERVE:
		own_rules(arena, g);
		g->rule[c->slot]->observe = true;
		return;
	}
}

struct past *
changes_apply(struct arena *arena, const struct past *g, const struct change_set *set)
{
	size_t n_calls = g->config->ruleset->n_calls;
	struct past *changed = ARENA_NEW(arena, struct past);

	*changed = *g;
	changed->arena = arena;
	changed->rule = ARENA_ARRAY(arena, struct rule *, g->n + 1);
	memcpy(changed->rule, g->rule, g->n * sizeof(*g->rule));
	changed->known = ARENA_ARRAY(arena, const struct fact *, n_calls + 1);
	memcpy(changed->known, g->known, n_calls * sizeof(*g->known));
	for (size_t i = 0; i < set->n; i++)
		apply(arena, changed, &set->change[i]);
	return changed;
}

/* --- the search --------------------------------------------------------------------------------- */

struct search {
	const struct past *g;
	struct candidates candidates;
	struct changes *out;
	struct change_set
	    open[CHANGES_MAX]; /* what gets past the rule, and leaves something open */
	size_t n_open;
};

enum found { FOUND_NOT, FOUND_PASSES, FOUND_OPEN };

static enum found
try(struct search *s, struct change_set *set)
{
	const struct past *g = s->g;
	struct arena *arena = arena_new(TRIAL_LIMIT);
	struct past_result r = past_decide(changes_apply(arena, g, set));

	arena_free(&arena);
	set->open = r.outcome == PAST_UNKNOWN && r.rule > s->out->now.rule;
	if (set->open) {
		set->rule = g->rule[r.rule]->shown.id;
		set->fact = past_name(g, r.slot);
		return FOUND_OPEN;
	}
	return r.outcome == PAST_PASSES ? FOUND_PASSES : FOUND_NOT;
}

static void
take(struct search *s, const struct change_set *set)
{
	if (set->open && s->n_open < CHANGES_MAX)
		s->open[s->n_open++] = *set;
	else if (!set->open && s->out->n < CHANGES_MAX)
		s->out->set[s->out->n++] = *set;
}

static bool
is_word(const struct change *c)
{
	return c->kind == CHANGE_FACT && c->value.type == VALUE_SYMBOL;
}

/* How many candidates from i on are words of the same fact. */
static size_t
words_of(const struct candidates *c, size_t i)
{
	size_t n = 1;

	while (is_word(&c->change[i]) && i + n < c->n && is_word(&c->change[i + n]) &&
	    c->change[i + n].slot == c->change[i].slot)
		n++;
	return n;
}

/* The words that do it are one change: "pass, neutral or none", or "anything but fail" if all do. */
static void
take_words(struct search *s, size_t first, size_t n, enum found wanted)
{
	struct arena *arena = s->g->arena;
	struct change_set set = { .n = 1 };
	struct str last = STR(""), all = STR("");
	size_t good = 0;

	for (size_t i = first; i < first + n; i++) {
		struct change_set one = { .n = 1, .change = { s->candidates.change[i] } };

		if (try(s, &one) != wanted)
			continue;
		if (good++ == 0)
			set = one;
		else if (good == 2)
			all = last;
		else
			all = arena_printf(arena, "%.*s, %.*s", STR_ARG(all), STR_ARG(last));
		last = one.change[0].words;
	}
	if (good == 0)
		return;
	if (good == n && n > 1)
		set.change[0].words =
		    arena_printf(arena, "anything but %.*s", STR_ARG(set.change[0].was));
	else if (good > 1)
		set.change[0].words =
		    arena_printf(arena, "%.*s or %.*s", STR_ARG(all), STR_ARG(last));
	take(s, &set);
}

static void
try_singles(struct search *s, size_t from, size_t to)
{
	struct candidates *c = &s->candidates;
	size_t n;

	for (size_t i = from; i < to; i += n) {
		struct change_set set = { .n = 1, .change = { c->change[i] } };

		n = words_of(c, i);
		if (c->change[i].kind == CHANGE_ENTRY)
			continue;
		if (is_word(&c->change[i])) {
			take_words(s, i, n, FOUND_PASSES);
			take_words(s, i, n, FOUND_OPEN);
		} else if (try(s, &set) != FOUND_NOT) {
			take(s, &set);
		}
	}
}

static bool
about_the_same(const struct change *a, const struct change *b)
{
	return a->kind == b->kind && a->slot == b->slot && a->kind != CHANGE_MARK;
}

/* One pair of two facts is enough, whichever of their values does it. */
static bool
has_pair(const struct search *s, const struct change *a, const struct change *b)
{
	for (size_t i = 0; i < s->out->n + s->n_open; i++) {
		const struct change_set *set =
		    i < s->out->n ? &s->out->set[i] : &s->open[i - s->out->n];

		if (set->n == 2 && about_the_same(&set->change[0], a) &&
		    about_the_same(&set->change[1], b))
			return true;
	}
	return false;
}

static void
try_pairs(struct search *s)
{
	const struct candidates *c = &s->candidates;

	for (size_t i = 0; i < c->n; i++) {
		for (size_t k = i + 1; k < c->n; k++) {
			struct change_set set = { .n = 2,
				.change = { c->change[i], c->change[k] } };

			if (c->change[i].kind == CHANGE_ENTRY ||
			    c->change[k].kind == CHANGE_ENTRY ||
			    about_the_same(&c->change[i], &c->change[k]) ||
			    has_pair(s, &c->change[i], &c->change[k]))
				continue;
			if (try(s, &set) != FOUND_NOT)
				take(s, &set);
		}
	}
}

/* What an administrator can do about it. */
static void
try_admin(struct search *s)
{
	const struct candidates *c = &s->candidates;
	struct change_set set = { .n = 1 };

	for (size_t i = 0; i < c->n; i++) {
		set.change[0] = c->change[i];
		if (c->change[i].kind == CHANGE_ENTRY && try(s, &set) != FOUND_NOT)
			take(s, &set);
	}
	set.change[0] = (struct change){
		.kind = CHANGE_OBSERVE,
		.slot = s->out->now.rule,
		.name = s->out->rule,
	};
	if (!s->g->config->ruleset->observe && try(s, &set) != FOUND_NOT)
		take(s, &set);
}

static void
add_open(struct search *s)
{
	for (size_t i = 0; i < s->n_open && s->out->n < CHANGES_MAX; i++)
		s->out->set[s->out->n++] = s->open[i];
	s->n_open = 0;
}

void
changes_find(const struct past *g, struct changes *out)
{
	struct search *s = xcalloc(1, sizeof(*s));

	*out = (struct changes){ .now = past_decide(g) };
	if (out->now.outcome == PAST_REFUSED) {
		out->rule = g->rule[out->now.rule]->shown.id;
		s->g = s->candidates.g = g;
		s->candidates.now = out->now;
		s->out = out;
		candidates_collect(&s->candidates);
		try_singles(s, 0, s->candidates.first);
		if (out->n + s->n_open == 0)
			try_singles(s, s->candidates.first, s->candidates.n);
		if (out->n + s->n_open == 0)
			try_pairs(s);
		add_open(s);
		try_admin(s);
		add_open(s);
	}
	free(s);
}
