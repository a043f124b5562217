#include "rules/change.h"

#include <stdlib.h>

#include "base/die.h"
#include "rules/change_private.h"

#define TRIAL_LIMIT (1024 * 1024)
#define FACTS_MOST 1024

/* --- the search --------------------------------------------------------------------------------- */

/* Of facts, so that there is room for what an administrator can do. */
#define SETS_MOST (CHANGES_MAX - 4)
/* Sets that rules are run on. */
#define TRIALS_MOST 100000

#define JOINED_MOST 64

/* Two facts that a test compares, or computes with: what the one has to be depends on the other. */
struct joined {
	size_t a, b;
};

struct search {
	const struct past *g;
	struct joined joined[JOINED_MOST];
	size_t n_joined;
	struct candidates candidates;
	struct changes *out;
	struct change_set
	    open[CHANGES_MAX]; /* what gets past the rule, and leaves something open */
	size_t n_open;
	size_t most;             /* sets, of those found and of those open */
	bool *left_out;          /* by candidate: what can be had with it was looked at already */
	size_t trials, complete; /* of the present size: sets that were as large */
};

static enum found
found_of(const struct past_result *r, size_t refusing)
{
	if (r->outcome == PAST_UNKNOWN)
		return r->rule > refusing ? FOUND_OPEN : FOUND_UNKNOWN;
	return r->outcome == PAST_PASSES ? FOUND_PASSES : FOUND_NOT;
}

enum found
change_outcome(const struct past *p, size_t refusing)
{
	struct past_result r = past_decide(p);

	return found_of(&r, refusing);
}

/* looked: as of past_look(). */
static enum found
run_on(const struct search *s, struct change_set *set, bool *looked)
{
	struct arena *arena = arena_new(TRIAL_LIMIT);
	struct past_result r = past_look(changes_apply(arena, s->g, set), looked);
	enum found found = found_of(&r, s->out->now.rule);

	arena_free(&arena);
	set->open = found == FOUND_OPEN;
	if (set->open) {
		set->rule = s->g->rule[r.rule]->shown.id;
		set->fact = past_name(s->g, r.slot);
	}
	return found;
}

static enum found
try(struct search *s, struct change_set *set)
{
	enum found found = run_on(s, set, NULL);

	if (found == FOUND_UNKNOWN)
		s->out->unsought |= UNSOUGHT_UNKNOWN;
	if (found < FOUND_PASSES)
		return FOUND_NOT;
	if (change_refine(&s->candidates, set, found))
		return found;
	/* Rules tell values of it apart by more than a test of it. That took long to find out. */
	s->out->unsought |= UNSOUGHT_SUMS;
	s->trials += TRIALS_MOST / 100;
	return FOUND_NOT;
}

/* The first place of part in s; NULL: there is none. */
static const char *
place_of(struct str s, struct str part)
{
	return s.n > 0 ? memmem(s.p, s.n, part.p, part.n) : NULL;
}

/* The same things that a value has to be, in whatever order. */
static bool
same_words(struct str a, struct str b)
{
	bool same = a.n == b.n && a.n > 0;

	while (same && a.n > 0) {
		const char *end = place_of(a, STR(CHANGE_AND));
		size_t n = end ? (size_t)(end - a.p) : a.n;

		same = place_of(b, str_sub(a, 0, n)) != NULL;
		a = str_sub(a, end ? n + sizeof(CHANGE_AND) - 1 : n, a.n);
	}
	return same;
}

/* It was said already, of another value. */
static bool
is_said(const struct change_set *sets, size_t n, const struct change_set *set)
{
	for (size_t i = 0; i < n; i++)
		if (sets[i].n == 1 && set->n == 1 &&
		    sets[i].change[0].kind == set->change[0].kind &&
		    sets[i].change[0].slot == set->change[0].slot &&
		    same_words(sets[i].change[0].words, set->change[0].words))
			return true;
	return false;
}

/* Of one value of the same fact, both. */
static bool
of_one(const struct change_set *a, const struct change_set *b)
{
	return a->n == 1 && b->n == 1 && a->change[0].kind == CHANGE_FACT &&
	    b->change[0].kind == CHANGE_FACT && a->change[0].slot == b->change[0].slot;
}

/* All that a means b means too, and more. */
static bool
is_within(const struct change_set *a, const struct change_set *b)
{
	bool more = false;

	if (!of_one(a, b))
		return false;
	for (size_t i = 0; i < sizeof(a->change[0].meant) / sizeof(a->change[0].meant[0]); i++) {
		if ((a->change[0].meant[i] & ~b->change[0].meant[i]) != 0)
			return false;
		more = more || a->change[0].meant[i] != b->change[0].meant[i];
	}
	return more;
}

static void
take(struct search *s, const struct change_set *set)
{
	struct change_set *sets = set->open ? s->open : s->out->set;
	size_t *n = set->open ? &s->n_open : &s->out->n, kept = 0;

	if (is_said(sets, *n, set))
		return;
	for (size_t i = 0; i < *n; i++)
		if (is_within(set, &sets[i]))
			return;
	for (size_t i = 0; i < *n; i++)
		if (!is_within(&sets[i], set))
			sets[kept++] = sets[i];
	*n = kept;
	if (*n < s->most)
		sets[(*n)++] = *set;
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
	return a->kind == b->kind && a->slot == b->slot && str_eq(a->mark, b->mark);
}

size_t
change_facts(const struct operand *o, size_t *slot, size_t n, size_t most)
{
	if (o->kind == OPERAND_FACT && n < most)
		slot[n++] = o->slot;
	for (const struct term *t = o->kind == OPERAND_COMPUTED ? o->term : NULL; t; t = t->next)
		n = change_facts(&t->operand, slot, n, most);
	return n;
}

static void
find_joined(struct search *s)
{
	size_t slot[OPERAND_FACTS], n;

	for (size_t i = 0; i < s->g->n; i++) {
		const struct node *node = s->g->rule[i]->node;

		for (uint32_t k = 0; node && k < node->size; k++) {
			if (node[k].kind != EXPR_TEST || !relation_has_right(node[k].relation))
				continue;
			n = change_facts(&node[k].expr->left, slot, 0, OPERAND_FACTS);
			n = change_facts(&node[k].expr->right, slot, n, OPERAND_FACTS);
			for (size_t a = 0; a < n; a++)
				for (size_t b = 0; b < a && s->n_joined < JOINED_MOST; b++)
					s->joined[s->n_joined++] =
					    (struct joined){ slot[a], slot[b] };
		}
	}
}

/* With what is in the set. */
static bool
is_joined(const struct search *s, const struct change_set *set, const struct change *c)
{
	for (size_t i = 0; i < set->n; i++)
		for (size_t k = 0; k < s->n_joined; k++) {
			const struct joined *j = &s->joined[k];

			if (set->change[i].kind == CHANGE_FACT && c->kind == CHANGE_FACT &&
			    ((j->a == c->slot && j->b == set->change[i].slot) ||
				(j->b == c->slot && j->a == set->change[i].slot)))
				return true;
		}
	return false;
}

static bool
is_about(const struct change_set *set, const struct change *c)
{
	for (size_t i = 0; i < set->n; i++)
		if (about_the_same(&set->change[i], c))
			return true;
	return false;
}

/* One set of the same facts is enough, whichever of their values does it. */
static bool
has_set(const struct search *s, const struct change_set *set)
{
	for (size_t i = 0; i < s->out->n + s->n_open; i++) {
		const struct change_set *old =
		    i < s->out->n ? &s->out->set[i] : &s->open[i - s->out->n];
		size_t same = 0;

		for (size_t k = 0; k < set->n; k++)
			same += is_about(old, &set->change[k]);
		if (same == set->n && old->n == set->n)
			return true;
	}
	return false;
}

static bool
is_full(const struct search *s)
{
	return s->trials >= TRIALS_MOST || s->out->n == s->most;
}

/*
 * Sets of that size that have what is in the set already. Whatever no rule looked at makes no difference: something that was looked at has
 * to be changed besides, and each of that is tried; what was tried is left out of the sets that come behind.
 */
static void
deepen(struct search *s, struct change_set *set, size_t size)
{
	const struct candidates *c = &s->candidates;
	bool looked[FACTS_MOST] = { false }, own[CANDIDATES_MAX] = { false };

	s->trials++;
	if (set->n == size) {
		s->complete++;
		if (!has_set(s, set) && try(s, set) != FOUND_NOT)
			take(s, set);
		return;
	}
	(void)run_on(s, set, looked);
	for (size_t i = 0; i < c->n && !is_full(s); i++) {
		const struct change *change = &c->change[i];
		struct change_set more = *set;

		if (s->left_out[i] || change->kind == CHANGE_ENTRY || is_about(set, change) ||
		    is_joined(s, set, change) ||
		    (change->kind == CHANGE_FACT && !looked[change->slot]))
			continue;
		more.change[more.n++] = *change;
		deepen(s, &more, size);
		s->left_out[i] = own[i] = true;
	}
	for (size_t i = 0; i < c->n; i++)
		s->left_out[i] = s->left_out[i] && !own[i];
}

static void
try_sets(struct search *s)
{
	struct changes *out = s->out;

	find_joined(s);
	for (size_t size = 2; size <= CHANGE_MOST && out->n + s->n_open == 0; size++) {
		struct change_set none = { .n = 0 };

		s->complete = 0;
		deepen(s, &none, size);
		if (s->trials >= TRIALS_MOST)
			return;
		out->searched = s->complete > 0 ? size : SIZE_MAX;
		if (s->complete == 0)
			return;
	}
}

/* What an administrator can do about it: `observe` always, and entries of lists as there is room. */
static void
try_admin(struct search *s)
{
	const struct candidates *c = &s->candidates;
	struct change_set set = { .n = 1 };

	s->most = CHANGES_MAX - 1;
	for (size_t i = 0; i < c->n; i++) {
		set.change[0] = c->change[i];
		if (c->change[i].kind == CHANGE_ENTRY && s->out->n + s->n_open < s->most &&
		    try(s, &set) != FOUND_NOT)
			take(s, &set);
	}
	s->most = CHANGES_MAX;
	set.change[0] = (struct change){
		.kind = CHANGE_OBSERVE,
		.slot = s->out->now.rule,
		.name = s->out->rule,
	};
	if (!s->g->config->ruleset->observe && try(s, &set) != FOUND_NOT)
		take(s, &set);
}

static bool
has_of_one(const struct changes *out, const struct change_set *set)
{
	for (size_t i = 0; i < out->n; i++)
		if (!out->set[i].open && of_one(&out->set[i], set))
			return true;
	return false;
}

static void
add_open(struct search *s)
{
	for (size_t i = 0; i < s->n_open && s->out->n < s->most; i++)
		if (!has_of_one(s->out, &s->open[i]))
			s->out->set[s->out->n++] = s->open[i];
	s->n_open = 0;
}

void
changes_find(const struct past *g, struct changes *out)
{
	struct search *s = xcalloc(1, sizeof(*s));
	bool left_out[CANDIDATES_MAX] = { false };

	*out = (struct changes){ .now = past_decide(g) };
	if (out->now.outcome == PAST_REFUSED) {
		out->rule = g->rule[out->now.rule]->shown.id;
		s->g = s->candidates.g = g;
		s->candidates.now = out->now;
		s->out = out;
		s->most = SETS_MOST;
		s->left_out = left_out;
		candidates_collect(&s->candidates);
		try_singles(s, 0, s->candidates.first);
		if (out->n + s->n_open == 0)
			try_singles(s, s->candidates.first, s->candidates.n);
		out->unsought |= s->candidates.unsought;
		out->searched = 1;
		if (out->n + s->n_open == 0 && g->config->ruleset->n_calls <= FACTS_MOST)
			try_sets(s);
		if (s->candidates.n == CANDIDATES_MAX)
			out->searched = 0;
		add_open(s);
		try_admin(s);
		add_open(s);
	}
	free(s);
}
