/*
 * compile: the conditions of checked rules, laid out as they are evaluated. The nodes of a step lie one behind
 * the other, in the order of its rules: with a thousand rules it is memory that takes the time.
 */
#include "base/die.h"
#include "rules/rule.h"

static size_t
count_nodes(const struct expr *e)
{
	size_t n = 1;

	if (e->kind == EXPR_AND || e->kind == EXPR_OR || e->kind == EXPR_NOT)
		for (const struct expr *child = e->child; child != NULL; child = child->next)
			n += count_nodes(child);
	return n;
}

/* Returns the place behind it and all below it. */
static struct node *
lay_out(const struct expr *e, struct node *node)
{
	struct node *next = node + 1;

	*node = (struct node){ .kind = (uint8_t)e->kind, .expr = e };
	if (e->kind == EXPR_TEST) {
		node->relation = (uint8_t)e->relation;
		node->negated = e->negated;
		node->left_kind = (uint8_t)e->left.kind;
		node->right_kind = (uint8_t)e->right.kind;
		node->left = (uint32_t)e->left.slot;
		node->right = (uint32_t)e->right.slot;
		if (e->relation == RELATION_MATCHES)
			node->regex = e->regex;
		else
			node->list = e->list;
		node->value = e->right.value;
	} else if (e->kind != EXPR_MARKED) {
		for (const struct expr *child = e->child; child != NULL; child = child->next)
			next = lay_out(child, next);
	}
	node->size = (uint32_t)(next - node);
	return next;
}

static void
compile_step(struct load *load, struct rule *const *rule, size_t n_rules)
{
	struct node *node;
	size_t n = 0;

	for (size_t i = 0; i < n_rules; i++)
		if (rule[i]->condition != NULL)
			n += count_nodes(rule[i]->condition);
	node = ARENA_ARRAY(load->arena, struct node, n);
	for (size_t i = 0; i < n_rules; i++) {
		if (rule[i]->condition == NULL)
			continue;
		rule[i]->node = node;
		node = lay_out(rule[i]->condition, node);
	}
}

void
rules_compile(struct load *load, struct ruleset *rules)
{
	require(rules->n_calls < UINT32_MAX);
	for (size_t step = 0; step < STEP_COUNT; step++)
		compile_step(load, rules->rule[step], rules->n[step]);
}
