/*
 * Values besides those that turn one test round: what tests name, and what lies near it; texts with the parts that two tests ask for;
 * and what a list or a regular expression says of each of them is laid down either way.
 */
#include "rules/change_private.h"

#include "rules/rule.h"

/* The texts that a test names, and the whole numbers around the one it names. */
static void
add_near(struct candidates *c, const struct node *n)
{
	const struct value *was = &c->g->known[n->left]->value;
	struct value v = n->value;

	if (was->type == VALUE_TEXT && v.type == VALUE_TEXT && v.text.n > 0)
		candidates_add(c, n->left, v, change_shown(c->g->arena, &v));
	if ((was->type != VALUE_NUMBER && was->type != VALUE_DURATION) || v.type != was->type)
		return;
	for (v.number--; v.number <= n->value.number + 1; v.number++)
		if (v.number >= 0 && !candidates_too_much(c, n->left, &v))
			candidates_add(c, n->left, v, change_shown(c->g->arena, &v));
}

/* Texts with the parts that two tests ask for. */
static void
add_joined(struct candidates *c, const struct node *a, const struct node *b)
{
	struct value v;

	if (a->relation < RELATION_CONTAINS || a->relation > RELATION_ENDS ||
	    b->relation < RELATION_CONTAINS || b->relation > RELATION_ENDS || a == b ||
	    a->left != b->left || a->relation == RELATION_ENDS || b->relation == RELATION_STARTS ||
	    c->g->known[a->left]->value.type != VALUE_TEXT)
		return;
	v = value_text(
	    arena_printf(c->g->arena, "%.*s%.*s", STR_ARG(a->value.text), STR_ARG(b->value.text)));
	candidates_add(c, a->left, v, change_shown(c->g->arena, &v));
}

/* Not to be told to anybody, but among the values that a change may mean. test: whatever it says is laid down; NULL: none. */
static void
add_silent(
    struct candidates *c, size_t slot, const struct value *v, const struct node *test, bool holds)
{
	if (c->n_other == OTHERS_MAX)
		c->unsought |= UNSOUGHT_MATCHES;
	else
		c->other[c->n_other++] = (struct change){
			.kind = CHANGE_FACT, .slot = slot, .value = *v, .test = test, .holds = holds
		};
}

/* What the list or regular expression says of it is laid down, either way. */
static void
add_other(struct candidates *c, const struct node *n, const struct value *v)
{
	add_silent(c, n->left, v, n, false);
	add_silent(c, n->left, v, n, true);
}

void
candidates_around(struct candidates *c, size_t slot, const struct value *right)
{
	enum value_type type = c->g->known[slot]->value.type;
	bool whole = type == VALUE_NUMBER || type == VALUE_DURATION;
	bool is_real = right->type == VALUE_REAL;

	if (type == VALUE_TEXT && right->type == VALUE_TEXT)
		add_silent(c, slot, right, NULL, false);
	if ((!whole && type != VALUE_REAL) ||
	    (right->type != VALUE_NUMBER && right->type != VALUE_DURATION && !is_real))
		return;
	for (int step = -1; step <= 1; step++) {
		struct value v = { .type = type };

		if (whole)
			v.number = (is_real ? (int64_t)right->real : right->number) + step;
		else
			v.real = (is_real ? right->real : (double)right->number) + step * 0.01;
		if (v.number >= 0)
			add_silent(c, slot, &v, NULL, false);
	}
}

/* The same with each value of the fact that was thought of. */
static void
add_others(struct candidates *c, const struct node *n)
{
	add_other(c, n, &c->g->known[n->left]->value);
	for (size_t i = 0; i < c->n; i++)
		if (c->change[i].kind == CHANGE_FACT && c->change[i].slot == n->left &&
		    (c->change[i].test == NULL || !change_asks_same(c->change[i].test, n)))
			add_other(c, n, &c->change[i].value);
}

/* A value that a test names and a regular expression matches, or does not. */
static void
add_matching(struct candidates *c, const struct node *match, struct str text)
{
	for (int holds = 0; holds < 2; holds++) {
		struct value v = value_text(text);

		c->test = match;
		c->holds = holds;
		candidates_add(
		    c, match->left, v, candidates_words(c->g, match, match->left, &v, holds));
	}
	c->test = NULL;
}

static bool
is_match(const struct candidates *c, const struct node *n)
{
	return n->kind == EXPR_TEST && n->relation == RELATION_MATCHES &&
	    n->left_kind == OPERAND_FACT && c->g->known[n->left] &&
	    c->g->known[n->left]->value.type == VALUE_TEXT;
}

static void
add_matches(struct candidates *c, const struct node *const *named, size_t n)
{
	const struct node *match[CANDIDATES_MAX];
	const struct past *g = c->g;
	size_t matches = 0;

	for (size_t i = 0; i < g->n; i++) {
		const struct node *node = g->rule[i]->node;

		for (uint32_t k = 0; node && k < node->size && matches < CANDIDATES_MAX; k++)
			if (is_match(c, &node[k]))
				match[matches++] = &node[k];
	}
	for (size_t i = 0; i < matches; i++) {
		add_others(c, match[i]);
		add_matching(c, match[i], LIKE_NOTHING);
		for (size_t k = 0; k < n; k++)
			if (named[k]->left == match[i]->left && named[k]->value.type == VALUE_TEXT)
				add_matching(c, match[i], named[k]->value.text);
		for (size_t k = 0; k < i; k++)
			if (match[k]->left == match[i]->left &&
			    !str_eq(regex_pattern(match[k]->regex), regex_pattern(match[i]->regex)))
				c->unsought |= UNSOUGHT_MATCHES;
	}
}

/* Such a value may please several tests at once, where what turns one of them round displeases another. */
void
candidates_named(struct candidates *c)
{
	const struct past *g = c->g;
	const struct node *named[CANDIDATES_MAX], *list[CANDIDATES_MAX];
	size_t n = 0, lists = 0;

	for (size_t i = 0; i < g->n; i++) {
		const struct node *node = g->rule[i]->node;

		for (uint32_t k = 0; node && k < node->size && n < CANDIDATES_MAX; k++) {
			if (node[k].kind != EXPR_TEST || node[k].left_kind != OPERAND_FACT ||
			    g->known[node[k].left] == NULL)
				continue;
			if (node[k].relation == RELATION_IN) {
				if (node[k].list && lists < CANDIDATES_MAX)
					list[lists++] = &node[k];
			} else if (node[k].right_kind == OPERAND_VALUE) {
				named[n++] = &node[k];
			}
		}
	}
	for (size_t i = 0; i < n; i++)
		add_near(c, named[i]);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++)
			add_joined(c, named[i], named[k]);
	add_matches(c, named, n);
	for (size_t i = 0; i < lists; i++)
		add_others(c, list[i]);
}
