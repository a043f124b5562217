/*
 * reach: rules that can never be reached, because another one before them always speaks first.
 * Found are: rules behind one without a condition that ends the step (or the session), and
 * rules whose condition says the same as one before, or that and more. `score` and `marked`
 * change from rule to rule, so conditions with them are left out. This is no proof: what it
 * does not find may be unreachable too, what it finds surely is.
 */
#include "rules/intern.h"
#include "rules/rule.h"

static void
print_operand(const struct operand *o, struct buf *out)
{
	if (o->kind == OPERAND_FACT) {
		buf_printf(out, "#%zu", o->slot);
	} else {
		buf_printf(out, "%d:", (int)o->type);
		value_json(&o->value, out);
	}
}

static void
print_test(const struct expr *e, struct buf *out)
{
	print_operand(&e->left, out);
	buf_printf(out, " %s%d ", e->negated ? "!" : "", (int)e->relation);
	if (e->relation == RELATION_IN) {
		buf_printf(out, "%p", (const void *)e->list);
		for (size_t i = 0; i < e->n_words; i++)
			buf_printf(out, " %.*s", STR_ARG(e->word[i]));
	} else if (e->relation != RELATION_TRUTH && e->relation != RELATION_KNOWN &&
	    e->relation != RELATION_UNKNOWN) {
		print_operand(&e->right, out);
	}
}

/* The same text for the same condition. False: it can change from one rule to the next. */
static bool
print_expr(const struct expr *e, struct buf *out)
{
	static const char *const names[] = { "and", "or", "not" };

	if (e->kind == EXPR_MARKED)
		return false;
	if (e->kind == EXPR_TEST) {
		print_test(e, out);
		return e->left.kind != OPERAND_SCORE && e->right.kind != OPERAND_SCORE;
	}
	buf_printf(out, "(%s", names[e->kind]);
	for (const struct expr *child = e->child; child != NULL; child = child->next) {
		buf_addc(out, ' ');
		if (!print_expr(child, out))
			return false;
	}
	return buf_addc(out, ')');
}

struct reach {
	struct load *load;
	struct intern ended;    /* conditions under which the step has ended */
	const struct rule **by; /* the rule that ends it, by number */
	size_t most;
	struct buf text;
};

static bool
print(struct reach *reach, const struct expr *e)
{
	buf_clear(&reach->text);
	return print_expr(e, &reach->text) && !reach->text.over;
}

static const struct rule *
ended_by(struct reach *reach, const struct expr *e)
{
	size_t i;

	if (!print(reach, e))
		return NULL;
	i = intern_find(&reach->ended, buf_str(&reach->text));
	return i == SIZE_MAX ? NULL : reach->by[i];
}

/* The rule that speaks whenever this condition is true. */
static const struct rule *
hidden_by(struct reach *reach, const struct expr *e)
{
	const struct rule *by = ended_by(reach, e);

	if (by != NULL || e->kind != EXPR_AND)
		return by;
	for (e = e->child; e != NULL && by == NULL; e = e->next)
		by = ended_by(reach, e);
	return by;
}

static void
remember_one(struct reach *reach, const struct expr *e, const struct rule *rule)
{
	size_t i;

	if (!print(reach, e))
		return;
	i = intern_add(&reach->ended, buf_str(&reach->text));
	if (i < reach->most && reach->by[i] == NULL)
		reach->by[i] = rule;
}

/* `accept if a or b` ends the step for a and for b. */
static void
remember(struct reach *reach, const struct rule *rule)
{
	const struct expr *e = rule->condition;

	remember_one(reach, e, rule);
	if (e->kind == EXPR_OR)
		for (e = e->child; e != NULL; e = e->next)
			remember_one(reach, e, rule);
}

static size_t
count_conditions(const struct ruleset *rules, enum step step)
{
	size_t n = 0;

	for (size_t i = 0; i < rules->n[step]; i++) {
		const struct expr *e = rules->rule[step][i]->condition;

		n++;
		if (e != NULL && e->kind == EXPR_OR)
			for (e = e->child; e != NULL; e = e->next)
				n++;
	}
	return n;
}

/* Returns the rule that ends the step for everybody, or NULL. */
static const struct rule *
step_check(struct load *load, const struct ruleset *rules, enum step step)
{
	struct reach reach = { .load = load, .most = count_conditions(rules, step) };
	struct arena *scratch = arena_new(SIZE_MAX);
	const struct rule *end = NULL;

	intern_init(&reach.ended, scratch);
	reach.by = ARENA_ARRAY(scratch, const struct rule *, reach.most);
	buf_init(&reach.text, 64 * 1024);
	for (size_t i = 0; i < rules->n[step]; i++) {
		const struct rule *rule = rules->rule[step][i], *by = NULL;

		if (end != NULL) {
			COMPLAIN(load, &rule->at,
			    "this rule can never be reached: the one of line %u has no condition",
			    end->at.line);
			break;
		}
		if (rule->condition != NULL)
			by = hidden_by(&reach, rule->condition);
		if (by != NULL)
			COMPLAIN(load, &rule->at,
			    "this rule can never be reached: the one of line %u speaks first",
			    by->at.line);
		if (rule->observe || !action_ends(rule->action))
			continue;
		if (rule->condition != NULL)
			remember(&reach, rule);
		else
			end = rule;
	}
	buf_free(&reach.text);
	intern_free(&reach.ended);
	arena_free(&scratch);
	return end;
}

/*
 * Whether a step's end for everybody is the end of all later ones. A client need not say HELO
 * (a milter's MTA may allow that), so what is said there binds nobody.
 */
static bool
ends_later(const struct rule *end)
{
	return end != NULL && end->step != STEP_HELO && end->action != ACTION_ACCEPT;
}

void
reach_check(struct load *load, const struct ruleset *rules)
{
	const struct rule *end = NULL;

	for (enum step step = STEP_CONNECT; step < STEP_COUNT; step++) {
		const struct rule *here;

		if (end != NULL && rules->n[step] > 0) {
			COMPLAIN(load, &rules->rule[step][0]->at,
			    "this rule can never be reached: the one of line %u has no condition",
			    end->at.line);
			return;
		}
		here = step_check(load, rules, step);
		if (ends_later(here))
			end = here;
	}
}
