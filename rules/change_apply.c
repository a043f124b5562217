/* A change in force: the past as it would have been. */
#include "rules/change_private.h"

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

bool
change_asks_same(const struct node *a, const struct node *b)
{
	if (a->kind != EXPR_TEST || a->left_kind != OPERAND_FACT || a->left != b->left ||
	    a->relation != b->relation)
		return false;
	if (a->relation == RELATION_IN)
		return a->list != NULL && a->list == b->list;
	return a->relation == RELATION_MATCHES &&
	    str_eq(regex_pattern(a->regex), regex_pattern(b->regex)) &&
	    str_eq(regex_flags(a->regex), regex_flags(b->regex));
}

/* Such a test becomes one of a fact that is known. */
void
change_lay_down(struct arena *arena, struct past *g, const struct change *c)
{
	if (c->test == NULL || !change_asks_same(c->test, c->test))
		return;
	own_rules(arena, g);
	for (size_t i = 0; i < g->n; i++) {
		const struct node *node = g->rule[i]->node;

		for (uint32_t k = 0; node && k < node->size; k++) {
			bool holds = (c->holds != c->test->negated) != node[k].negated;
			struct node *own;

			if (!change_asks_same(&node[k], c->test))
				continue;
			own = own_nodes(arena, g->rule[i]);
			own[k].relation = holds ? RELATION_KNOWN : RELATION_UNKNOWN;
			own[k].negated = false;
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
		change_lay_down(arena, g, c);
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
