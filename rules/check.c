#include "rules/check.h"

#include "rules/lint.h"

#include <stdlib.h>

#include "rules/exception.h"

bool
mark_check(struct check *check, const struct expr *e, const struct token *at)
{
	struct suggestion near;

	suggest_begin(&near, e->mark);
	for (const struct rule *r = check->first; r != NULL; r = r->next) {
		if (r->action != ACTION_MARK || r->step > check->rule->step)
			continue;
		if (str_eq(r->name, e->mark))
			return true;
		suggest(&near, r->name);
	}
	COMPLAIN(check->load, at, "no rule up to here says `mark %.*s`%s", STR_ARG(e->mark),
	    suggest_end(&near));
	return false;
}

/* Goes on after a mistake: each side of an `and` can have its own. */
bool
expr_check(struct check *check, struct expr *e)
{
	const struct operand *fact[TEST_FACTS_MAX];
	bool ok = true;

	check->n_nodes++;
	switch (e->kind) {
	case EXPR_AND:
	case EXPR_OR:
	case EXPR_NOT:
		for (struct expr *child = e->child; child != NULL; child = child->next)
			ok = expr_check(check, child) && ok;
		return ok;
	case EXPR_MARKED:
		return mark_check(check, e, &e->mark_at);
	case EXPR_TEST:
		break;
	}
	if (define_use(check, e, &ok))
		return ok;
	ok = test_check(check, e);
	if (ok)
		check->rule->n_calls += test_facts(e, fact);
	return ok;
}

/* A message has one text, and may have several recipients, who do not know of each other. */
static bool
expansion_check(struct check *check, struct operand *o)
{
	if (!operand_check(check, o))
		return false;
	if (check->rule->step != STEP_MESSAGE || o->kind != OPERAND_FACT ||
	    check->call[o->slot].entry->def->life != LIFE_EACH_RECIPIENT)
		return true;
	COMPLAIN(check->load, &o->at,
	    "`%.*s` is one recipient's, and a message can have several: at message it can be "
	    "tested, but not told",
	    STR_ARG(o->at.text));
	return false;
}

static bool
text_check(struct check *check, struct piece *text)
{
	bool ok = true;

	for (; text != NULL; text = text->next)
		if (text->expands)
			ok = expansion_check(check, &text->operand) && ok;
	return ok;
}

/* What belongs to a message is lost when it is said before there is one. */
static bool
action_check(struct check *check, const struct rule *rule)
{
	if (action_ends(rule->action) || rule->action == ACTION_DELAY || rule->head ||
	    rule->step >= STEP_MAIL)
		return true;
	COMPLAIN(check->load, &rule->at,
	    "`%s` is about a message: it works from mail on, where the same can be asked",
	    action_name(rule->action));
	return false;
}

static bool
rule_check(struct check *check, struct rule *rule)
{
	bool ok;

	check->rule = rule;
	check->n_nodes = 0;
	ok = action_check(check, rule);
	if (rule->condition != NULL)
		ok = expr_check(check, rule->condition) && ok;
	return text_check(check, rule->text) && ok;
}

static struct ruleset *
ruleset_new(struct load *load)
{
	struct ruleset *rules = ARENA_NEW(load->arena, struct ruleset);

	rules->n_parts = load->config->n_parts;
	for (size_t step = 0; step < STEP_COUNT; step++)
		rules->asked[step] = ARENA_ARRAY(load->arena, bool, rules->n_parts);
	return rules;
}

static bool
is_within(const struct rule *rule, const struct rule *head)
{
	while (rule != NULL && rule != head)
		rule = rule->outer;
	return rule == head;
}

/* A head is only observed when all rules are that its condition decides about. */
static void
enforce_heads(const struct rule *rule)
{
	for (struct rule *head = rule->outer; head != NULL; head = head->outer)
		for (struct rule *branch = head; branch != NULL; branch = branch->before)
			branch->observe = false;
}

/* Where blocks end, and the room for the facts that a rule's entry of the trace can have. */
static void
measure_blocks(struct ruleset *rules, enum step step)
{
	for (size_t i = 0; i < rules->n[step]; i++) {
		struct rule *r = rules->rule[step][i];
		const struct rule *around = r->before ? r->before : r->outer;

		r->n_shown = r->n_calls;
		if (around != NULL)
			r->n_shown += around->n_shown < AROUND_MAX ? around->n_shown : AROUND_MAX;
		rules->n_asked[step] += r->n_shown;
		while (r->head && i + r->skip + 1 < rules->n[step] &&
		    is_within(rules->rule[step][i + r->skip + 1], r))
			r->skip++;
		if (!r->head && !r->observe)
			enforce_heads(r);
	}
}

/* The rules that are right, by step and in their order. */
static void
collect(struct check *check)
{
	struct ruleset *rules = check->rules;
	struct arena *arena = check->load->arena;
	size_t count[STEP_COUNT] = { 0 };

	for (const struct rule *r = check->first; r != NULL; r = r->next)
		count[r->step]++;
	for (size_t step = 0; step < STEP_COUNT; step++)
		rules->rule[step] = ARENA_ARRAY(arena, struct rule *, count[step]);
	for (struct rule *r = check->first; r != NULL; r = r->next)
		if (!rule_check(check, r))
			check->load->blocks_broken |= r->head;
		else
			rules->rule[r->step][rules->n[r->step]++] = r;
	for (enum step step = STEP_CONNECT; step < STEP_COUNT; step++)
		measure_blocks(rules, step);
}

struct ruleset *
rules_check(struct load *load, struct rule *first)
{
	struct check check = { .load = load, .first = first };
	struct fact_call *call;

	check.rules = ruleset_new(load);
	intern_init(&check.calls, load->arena);
	define_check(&check);
	collect(&check);
	check.rules->n_calls = check.calls.n;
	check.rules->call = ARENA_ARRAY(load->arena, const struct fact_call *, check.calls.n);
	call = ARENA_ARRAY(load->arena, struct fact_call, check.calls.n);
	for (size_t i = 0; i < check.calls.n; i++) {
		call[i] = check.call[i];
		check.rules->call[i] = &call[i];
	}
	intern_free(&check.calls);
	free(check.call);
	check.rules->observe = load->config->core.mode == 1;
	rules_compile(load, check.rules);
	exception_mark(load->arena, check.rules);
	policy_collect(load, check.rules);
	if (!load->blocks_broken)
		reach_check(load, check.rules);
	if (load->vocabulary->lint && load->complaints->errors == 0)
		lint_check(load, check.rules);
	return check.rules;
}
