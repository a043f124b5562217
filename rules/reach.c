/*
 * reach: rules that can never be reached, because another one before them always speaks first.
 * Found are: rules behind one without a condition that ends the step (or the session), or behind an `if`
 * and `else` whose blocks all have one; and rules whose condition, with those of the blocks around it,
 * says the same as one before, or that and more. `score` and `marked` change from rule to rule, so
 * conditions with them are left out. This is no proof: what it does not find may be unreachable
 * too, what it finds surely is.
 */
#include "rules/check.h"

static void
print_operand(const struct operand *o, struct buf *out)
{
	if (o->kind == OPERAND_FACT) {
		buf_printf(out, "#%zu", o->slot);
	} else if (o->kind == OPERAND_COMPUTED) {
		for (const struct term *t = o->term; t != NULL; t = t->next) {
			buf_printf(out, "%c", t == o->term ? '(' : t->op);
			print_operand(&t->operand, out);
		}
		buf_addc(out, ')');
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
	} else if (e->relation == RELATION_MATCHES) {
		buf_printf(out, "/%.*s/%.*s", STR_ARG(regex_pattern(e->regex)),
		    STR_ARG(regex_flags(e->regex)));
	} else if (relation_has_right(e->relation)) {
		print_operand(&e->right, out);
	}
}

bool
condition_print(const struct expr *e, struct buf *out)
{
	static const char *const names[] = { "and", "or", "not" };

	if (e->kind == EXPR_MARKED)
		return false;
	if (e->kind == EXPR_TEST) {
		print_test(e, out);
		return !operand_changes(&e->left) &&
		    (!relation_has_right(e->relation) || !operand_changes(&e->right));
	}
	buf_printf(out, "(%s", names[e->kind]);
	for (const struct expr *child = e->child; child != NULL; child = child->next) {
		buf_addc(out, ' ');
		if (!condition_print(child, out))
			return false;
	}
	return buf_addc(out, ')');
}

struct reach {
	struct load *load;
	struct rule *const *rule; /* of the step */
	struct arena *scratch;
	struct intern ended;    /* conditions under which the step has ended */
	const struct rule **by; /* the rule that ends it, by number */
	size_t most;
	struct buf text;
};

static bool
print(struct reach *reach, const struct expr *e)
{
	buf_clear(&reach->text);
	return condition_print(e, &reach->text) && !reach->text.over;
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
remember(struct reach *reach, const struct expr *e, const struct rule *rule)
{
	remember_one(reach, e, rule);
	if (e->kind == EXPR_OR)
		for (e = e->child; e != NULL; e = e->next)
			remember_one(reach, e, rule);
}

/* --- blocks ------------------------------------------------------------------------------------- */

static void
join(struct arena *arena, struct expr ***end, const struct expr *e, bool not )
{
	struct expr *part;

	if (e->kind == EXPR_AND && !not ) {
		for (e = e->child; e != NULL; e = e->next)
			join(arena, end, e, false);
		return;
	}
	part = ARENA_NEW(arena, struct expr);
	*part = *e;
	if (not ) {
		*part = (struct expr){ .kind = EXPR_NOT };
		part->child = ARENA_NEW(arena, struct expr);
		*part->child = *e;
		part->child->next = NULL;
	}
	part->next = NULL;
	**end = part;
	*end = &part->next;
}

/* The conditions of the blocks around a rule, the outermost first, then its own. */
static void
join_all(struct arena *arena, const struct rule *rule, struct expr ***end)
{
	if (rule->outer != NULL)
		join_all(arena, rule->outer, end);
	for (const struct rule *b = rule->before; b != NULL; b = b->before)
		join(arena, end, b->condition, true);
	if (rule->condition != NULL)
		join(arena, end, rule->condition, false);
}

const struct expr *
condition_whole(struct arena *arena, const struct rule *rule)
{
	struct expr *all, **end;

	if (rule->outer == NULL && rule->before == NULL)
		return rule->condition;
	all = ARENA_NEW(arena, struct expr);
	end = &all->child;
	all->kind = EXPR_AND;
	join_all(arena, rule, &end);
	return all->child->next == NULL ? all->child : all;
}

/* --- a step ------------------------------------------------------------------------------------- */

static void
behind_end(struct reach *reach, const struct rule *rule, const struct rule *end)
{
	if (end->head)
		COMPLAIN(reach->load, &rule->at,
		    "this rule can never be reached: each branch up to the `else` of %s ends before it",
		    PLACE(&end->at, &rule->at));
	else
		COMPLAIN(reach->load, &rule->at,
		    "this rule can never be reached: the one of %s has no condition",
		    PLACE(&end->at, &rule->at));
}

/* Of the rules from..to, which are those of one block: the one that ends it for everybody, or NULL. */
static const struct rule *
block_check(struct reach *reach, size_t from, size_t to)
{
	const struct rule *end = NULL;
	bool all = false; /* branches of the present `if` have such a rule */

	for (size_t i = from; i < to; i += reach->rule[i]->skip + 1) {
		const struct rule *rule = reach->rule[i], *by = NULL;
		const struct expr *e = condition_whole(reach->scratch, rule);

		if (end != NULL) {
			behind_end(reach, rule, end);
			break;
		}
		if (e != NULL)
			by = hidden_by(reach, e);
		if (by != NULL)
			COMPLAIN(reach->load, &rule->at,
			    "this rule can never be reached: the one of %s speaks first",
			    PLACE(&by->at, &rule->at));
		if (rule->head) {
			bool ends = by == NULL && block_check(reach, i + 1, i + 1 + rule->skip);

			all = ends && (all || rule->before == NULL);
			end = all && rule->action == ACTION_ELSE ? rule : NULL;
		} else if (!rule->observe && action_ends(rule->action)) {
			if (e != NULL)
				remember(reach, e, rule);
			end = rule->condition == NULL ? rule : NULL;
		}
	}
	return end;
}

static size_t
count_alternatives(const struct expr *e)
{
	size_t n = 1;

	if (e != NULL && e->kind == EXPR_OR)
		for (e = e->child; e != NULL; e = e->next)
			n++;
	return n;
}

/* Returns the rule that ends the step for everybody, or NULL. */
static const struct rule *
step_check(struct load *load, const struct ruleset *rules, enum step step)
{
	struct reach reach = {
		.load = load, .rule = rules->rule[step], .scratch = arena_new(SIZE_MAX)
	};
	const struct rule *end;

	for (size_t i = 0; i < rules->n[step]; i++)
		reach.most += count_alternatives(reach.rule[i]->condition);
	intern_init(&reach.ended, reach.scratch);
	reach.by = ARENA_ARRAY(reach.scratch, const struct rule *, reach.most);
	buf_init(&reach.text, 64 * 1024);
	end = block_check(&reach, 0, rules->n[step]);
	buf_free(&reach.text);
	intern_free(&reach.ended);
	arena_free(&reach.scratch);
	return end;
}

/*
 * Whether a step's end for everybody is the end of all later ones. A client need not say HELO
 * (a milter's MTA may allow that), so what is said there binds nobody.
 */
static bool
ends_later(const struct rule *end)
{
	return end != NULL && !end->head && end->step != STEP_HELO && end->action != ACTION_ACCEPT;
}

void
reach_check(struct load *load, const struct ruleset *rules)
{
	const struct rule *end = NULL;

	for (enum step step = STEP_CONNECT; step < STEP_COUNT; step++) {
		const struct rule *here;

		if (end != NULL && rules->n[step] > 0) {
			COMPLAIN(load, &rules->rule[step][0]->at,
			    "this rule can never be reached: the one of %s has no condition",
			    PLACE(&end->at, &rules->rule[step][0]->at));
			return;
		}
		here = step_check(load, rules, step);
		if (ends_later(here))
			end = here;
	}
}
