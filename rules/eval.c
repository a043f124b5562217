#include "rules/eval.h"

#include "base/die.h"

/* Asks for a fact for the first time in this evaluation. */
static enum progress
ask_fact(struct evaluation *ev, size_t slot)
{
	const struct fact_call *call = ev->rules->call[slot];
	struct value value;

	if (fact_get(ev->ask, call, &value) != DONE)
		return PENDING;
	ev->known[slot] = fact_known(ev->ask->session, call);
	require(ev->known[slot] != NULL);
	return DONE;
}

enum progress
evaluation_value(struct evaluation *ev, const struct operand *o, const struct value **out)
{
	switch (o->kind) {
	case OPERAND_VALUE:
		*out = &o->value;
		return DONE;
	case OPERAND_SCORE:
		ev->score = value_number(ev->ask->session->txn.score + ev->out->score);
		*out = &ev->score;
		return DONE;
	case OPERAND_FACT:
		break;
	}
	if (ev->known[o->slot] == NULL && ask_fact(ev, o->slot) != DONE)
		return PENDING;
	*out = &ev->known[o->slot]->value;
	return DONE;
}

/* The facts of the present rule stand behind those of the rules before; each once. */
static void
note_asked(struct evaluation *ev, const struct operand *o)
{
	struct trace_entry *entry = &ev->entry[ev->n_entries];
	const struct fact *fact;

	if (o->kind != OPERAND_FACT)
		return;
	fact = ev->known[o->slot];
	/* only the latest few are looked through: a range such as `a > 1 and a < 9` */
	for (size_t i = 1; i <= entry->n_facts && i <= 4; i++)
		if (ev->value[ev->n_asked - i] == fact)
			return;
	ev->asked[ev->n_asked] = ev->rules->call[o->slot];
	ev->value[ev->n_asked++] = fact;
	entry->n_facts++;
}

/* An operand of a condition: its fact goes into the trace. */
enum progress
evaluation_operand(struct evaluation *ev, const struct operand *o, const struct value **out)
{
	enum progress progress = evaluation_value(ev, o, out);

	if (progress == DONE)
		note_asked(ev, o);
	return progress;
}

static bool
is_whole(const struct value *v)
{
	return v->type == VALUE_NUMBER || v->type == VALUE_DURATION || v->type == VALUE_BOOL;
}

static bool
is_text(const struct value *v)
{
	return v->type == VALUE_TEXT || v->type == VALUE_SYMBOL;
}

/* <0, 0, >0; false when one of them is no number, which a stage's mistake can cause. */
static bool
compare_numbers(const struct value *a, const struct value *b, int *out)
{
	double x, y;

	if (is_whole(a) && is_whole(b)) {
		*out = (a->number > b->number) - (a->number < b->number);
		return true;
	}
	if ((!is_whole(a) && a->type != VALUE_REAL) || (!is_whole(b) && b->type != VALUE_REAL))
		return false;
	x = a->type == VALUE_REAL ? a->real : (double)a->number;
	y = b->type == VALUE_REAL ? b->real : (double)b->number;
	*out = (x > y) - (x < y);
	return x == x && y == y;
}

static bool
is_equal(const struct value *a, const struct value *b)
{
	int order;

	if (is_text(a) && is_text(b))
		return str_eqcase(a->text, b->text);
	if (a->type == VALUE_IP && b->type == VALUE_IP)
		return ip_eq(&a->ip, &b->ip);
	return compare_numbers(a, b, &order) && order == 0;
}

static bool
contains(struct str s, struct str part)
{
	for (size_t i = 0; i + part.n <= s.n; i++)
		if (str_eqcase(str_sub(s, i, i + part.n), part))
			return true;
	return false;
}

static bool
has_part(enum relation relation, const struct value *left, const struct value *right)
{
	if (!is_text(right))
		return false;
	if (left->type == VALUE_LIST) {
		for (size_t i = 0; i < left->list.n; i++)
			if (str_eqcase(left->list.item[i], right->text))
				return true;
		return false;
	}
	if (!is_text(left))
		return false;
	switch (relation) {
	case RELATION_STARTS:
		return str_startscase(left->text, right->text);
	case RELATION_ENDS:
		return str_endscase(left->text, right->text);
	default:
		return contains(left->text, right->text);
	}
}

static bool
is_in(const struct expr *e, const struct value *left)
{
	if (e->list != NULL)
		return list_has(e->list, left);
	for (size_t i = 0; is_text(left) && i < e->n_words; i++)
		if (str_eq(left->text, e->word[i]))
			return true;
	return false;
}

static bool
is_ordered(enum relation relation, const struct value *left, const struct value *right)
{
	int order;

	if (!compare_numbers(left, right, &order))
		return false;
	switch (relation) {
	case RELATION_LESS:
		return order < 0;
	case RELATION_LESS_EQUAL:
		return order <= 0;
	case RELATION_MORE:
		return order > 0;
	default:
		return order >= 0;
	}
}

static bool
has_right(enum relation relation)
{
	return relation != RELATION_TRUTH && relation != RELATION_IN &&
	    relation != RELATION_KNOWN && relation != RELATION_UNKNOWN;
}

static bool
relation_holds(const struct expr *e, const struct value *left, const struct value *right)
{
	switch (e->relation) {
	case RELATION_TRUTH:
		return is_whole(left) && left->number != 0;
	case RELATION_IS:
		return is_equal(left, right) != e->negated;
	case RELATION_IN:
		return is_in(e, left) != e->negated;
	case RELATION_CONTAINS:
	case RELATION_STARTS:
	case RELATION_ENDS:
		return has_part(e->relation, left, right);
	default:
		return is_ordered(e->relation, left, right);
	}
}

/* What is not known compares with nothing: every test of it is false, but for the one that asks. */
enum progress
evaluation_test(struct evaluation *ev, const struct expr *e, bool *out)
{
	const struct value *left, *right = NULL;
	enum progress progress = evaluation_operand(ev, &e->left, &left);

	if (progress != DONE)
		return progress;
	if (e->relation == RELATION_KNOWN || e->relation == RELATION_UNKNOWN) {
		*out =
		    ((left->type == VALUE_NONE) == (e->relation == RELATION_UNKNOWN)) != e->negated;
		return DONE;
	}
	*out = false;
	if (left->type == VALUE_NONE)
		return DONE;
	if (has_right(e->relation)) {
		progress = evaluation_operand(ev, &e->right, &right);
		if (progress != DONE || right->type == VALUE_NONE)
			return progress;
	}
	*out = relation_holds(e, left, right);
	return DONE;
}

bool
marks_have(const struct mark *marks, struct str name)
{
	for (; marks != NULL; marks = marks->next)
		if (str_eq(marks->name, name))
			return true;
	return false;
}

enum progress
evaluation_condition(struct evaluation *ev, const struct expr *e, bool *out)
{
	enum progress progress = DONE;

	switch (e->kind) {
	case EXPR_TEST:
		return evaluation_test(ev, e, out);
	case EXPR_MARKED:
		*out = marks_have(ev->out->marks, e->mark) ||
		    marks_have(ev->ask->session->txn.marks, e->mark);
		return DONE;
	case EXPR_NOT:
		progress = evaluation_condition(ev, e->child, out);
		*out = !*out;
		return progress;
	case EXPR_AND:
	case EXPR_OR:
		break;
	}
	*out = e->kind == EXPR_AND;
	for (const struct expr *child = e->child; child != NULL && progress == DONE;
	     child = child->next) {
		progress = evaluation_condition(ev, child, out);
		if (*out != (e->kind == EXPR_AND))
			break;
	}
	return progress;
}
