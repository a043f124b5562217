#include "rules/eval.h"

#include "base/die.h"
#include "rules/hashed.h"

/* Asks for a fact for the first time in this evaluation; NULL: PENDING. */
static const struct fact *
ask_fact(struct evaluation *ev, size_t slot)
{
	const struct fact_call *call = ev->rules->call[slot];
	struct value value;

	ev->missing = slot;
	if (ev->closed)
		return NULL;
	if (fact_get(ev->ask, call, &value) != DONE)
		return NULL;
	ev->known[slot] = fact_known(ev->ask->session, call);
	require(ev->known[slot] != NULL);
	return ev->known[slot];
}

static inline const struct fact *
fact_of(struct evaluation *ev, size_t slot)
{
	const struct fact *known = ev->known[slot];

	return known ? known : ask_fact(ev, slot);
}

static const struct value *
score_of(struct evaluation *ev)
{
	ev->score = value_number(ev->ask->session->txn.score + ev->out->score);
	return &ev->score;
}

/* A replay knows of this number only between what it lies, and that is not enough. */
static void
not_enough(const struct evaluation *ev, size_t slot)
{
	struct replayed *replayed = ev->ask->session->replayed;

	if (replayed != NULL && replayed->missing.entry == NULL)
		replayed->missing = *ev->rules->call[slot];
}

/* DONE, or PENDING: a fact of it is not there yet. Its facts go into the trace. */
static enum progress
compute(struct evaluation *ev, const struct operand *o, struct value *out)
{
	*out = (struct value){ .type = VALUE_NONE };
	for (const struct term *t = o->term; t != NULL; t = t->next) {
		const struct value *part;
		struct value inner;

		if (t->operand.kind == OPERAND_COMPUTED)
			part = compute(ev, &t->operand, &inner) == DONE ? &inner : NULL;
		else
			part = evaluation_operand(ev, &t->operand);
		if (part == NULL)
			return PENDING;
		if (part->type == VALUE_RANGE) {
			not_enough(ev, t->operand.slot);
			return PENDING;
		}
		*out = t == o->term ? *part : arith_apply(t->op, out, part);
	}
	return DONE;
}

const struct value *
evaluation_value(struct evaluation *ev, const struct operand *o)
{
	static const struct value none = { .type = VALUE_NONE };
	const struct fact *fact;

	if (o->kind == OPERAND_VALUE)
		return &o->value;
	if (o->kind == OPERAND_SCORE)
		return score_of(ev);
	fact = fact_of(ev, o->slot);
	/* A verdict stands whatever its text lacks. */
	if (fact == NULL)
		return ev->closed ? &none : NULL;
	return &fact->value;
}

/* Each once; only the latest few are looked through: a range such as `a > 1 and a < 9`. */
static inline void
note(struct trace_entry *entry, const struct fact *fact)
{
	for (unsigned i = 1; i <= entry->n_facts && i <= 4; i++)
		if (entry->fact[entry->n_facts - i] == fact)
			return;
	entry->fact[entry->n_facts++] = fact;
}

static inline const struct value *
noted(struct evaluation *ev, size_t slot)
{
	const struct fact *fact = fact_of(ev, slot);

	if (fact == NULL)
		return NULL;
	note(ev->entry, fact);
	return &fact->value;
}

const struct value *
evaluation_operand(struct evaluation *ev, const struct operand *o)
{
	if (o->kind == OPERAND_COMPUTED)
		return compute(ev, o, &ev->computed[0]) == DONE ? &ev->computed[0] : NULL;
	return o->kind == OPERAND_FACT ? noted(ev, o->slot) : evaluation_value(ev, o);
}

static inline const struct value *
left_of(struct evaluation *ev, const struct node *n)
{
	return n->left_kind == OPERAND_FACT ? noted(ev, n->left)
					    : evaluation_operand(ev, &n->expr->left);
}

static inline const struct value *
right_of(struct evaluation *ev, const struct node *n)
{
	if (n->right_kind == OPERAND_VALUE)
		return &n->value;
	if (n->right_kind == OPERAND_COMPUTED)
		return compute(ev, &n->expr->right, &ev->computed[1]) == DONE ? &ev->computed[1]
									      : NULL;
	return n->right_kind == OPERAND_FACT ? noted(ev, n->right)
					     : evaluation_value(ev, &n->expr->right);
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

/* <0, 0, >0; INCOMPARABLE when one of them is no number, which a stage's mistake can cause. */
#define INCOMPARABLE 2

static inline int
number_order(const struct value *a, const struct value *b)
{
	double x, y;

	if (is_whole(a) && is_whole(b))
		return (a->number > b->number) - (a->number < b->number);
	if ((!is_whole(a) && a->type != VALUE_REAL) || (!is_whole(b) && b->type != VALUE_REAL))
		return INCOMPARABLE;
	x = a->type == VALUE_REAL ? a->real : (double)a->number;
	y = b->type == VALUE_REAL ? b->real : (double)b->number;
	return x == x && y == y ? (x > y) - (x < y) : INCOMPARABLE;
}

static bool
is_equal(const struct value *a, const struct value *b)
{
	if (is_text(a) && is_text(b))
		return str_eqcase(a->text, b->text);
	if (a->type == VALUE_IP && b->type == VALUE_IP)
		return ip_eq(&a->ip, &b->ip);
	return number_order(a, b) == 0;
}

static bool
contains(struct str s, struct str part)
{
	char first = part.n > 0 ? ascii_lower(part.p[0]) : '\0';

	for (size_t i = 0; i + part.n <= s.n; i++)
		if ((part.n == 0 || ascii_lower(s.p[i]) == first) &&
		    str_eqcase(str_sub(s, i, i + part.n), part))
			return true;
	return false;
}

static bool
has_part(unsigned relation, const struct value *left, const struct value *right)
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

/* A match that was given up is none, and the trace shows it. */
static bool
found(struct evaluation *ev, enum regex_found found)
{
	if (found == REGEX_GAVE_UP)
		ev->entry->gave_up = true;
	return found == REGEX_YES;
}

static bool
is_in(struct evaluation *ev, const struct node *n, const struct value *left)
{
	if (n->list != NULL)
		return found(ev, list_search(n->list, left, &ev->sought, &ev->regex));
	for (size_t i = 0; is_text(left) && i < n->expr->n_words; i++)
		if (str_eq(left->text, n->expr->word[i]))
			return true;
	return false;
}

static bool
is_match(struct evaluation *ev, const struct node *n, const struct value *left)
{
	if (is_text(left))
		return found(ev, regex_match(n->regex, left->text, &ev->regex));
	for (size_t i = 0; left->type == VALUE_LIST && i < left->list.n; i++)
		if (found(ev, regex_match(n->regex, left->list.item[i], &ev->regex)))
			return true;
	return false;
}

static bool
is_ordered(unsigned relation, int order)
{
	if (order == INCOMPARABLE)
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

static inline bool
relation_holds(struct evaluation *ev, const struct node *n, const struct value *left,
    const struct value *right)
{
	switch (n->relation) {
	case RELATION_TRUTH:
		return is_whole(left) && left->number != 0;
	case RELATION_IS:
		return is_equal(left, right) != n->negated;
	case RELATION_IN:
		return is_in(ev, n, left) != n->negated;
	case RELATION_MATCHES:
		return is_match(ev, n, left) != n->negated;
	case RELATION_CONTAINS:
	case RELATION_STARTS:
	case RELATION_ENDS:
		return has_part(n->relation, left, right);
	default:
		return is_ordered(n->relation, number_order(left, right));
	}
}

bool
evaluation_relation(struct evaluation *ev, const struct node *n, const struct value *left,
    const struct value *right)
{
	return relation_holds(ev, n, left, right);
}

static inline enum truth
truth_of(bool yes)
{
	return yes ? TRUTH_YES : TRUTH_NO;
}

static struct value
end_of(const struct value *v, bool high)
{
	return v->type == VALUE_RANGE ? value_number(high ? v->range.high : v->range.low) : *v;
}

/* As it comes out wherever between their ends the two lie; PENDING: not everywhere the same. */
static enum truth
test_range(struct evaluation *ev, const struct node *n, const struct value *left,
    const struct value *right)
{
	struct value low = end_of(left, false), high = end_of(left, true);
	struct value right_low = end_of(right, false), right_high = end_of(right, true);
	int least = number_order(&low, &right_high), most = number_order(&high, &right_low);

	if (n->relation == RELATION_IS && least == most)
		return truth_of((least == 0) != n->negated);
	if (n->relation != RELATION_IS &&
	    is_ordered(n->relation, least) == is_ordered(n->relation, most))
		return truth_of(is_ordered(n->relation, least));
	not_enough(ev, left->type == VALUE_RANGE ? n->left : n->right);
	return TRUTH_PENDING;
}

/* What is not known compares with nothing: every test of it is false, but for the one that asks. */
static enum truth
eval_test(struct evaluation *ev, const struct node *n)
{
	const struct value *left = left_of(ev, n), *right = NULL;

	if (left == NULL)
		return TRUTH_PENDING;
	if (n->relation == RELATION_KNOWN || n->relation == RELATION_UNKNOWN)
		return truth_of(((left->type == VALUE_NONE) == (n->relation == RELATION_UNKNOWN)) !=
		    n->negated);
	if (left->type == VALUE_NONE)
		return TRUTH_NO;
	if (relation_has_right(n->relation)) {
		right = right_of(ev, n);
		if (right == NULL)
			return TRUTH_PENDING;
		if (right->type == VALUE_NONE)
			return TRUTH_NO;
		if (left->type == VALUE_RANGE || right->type == VALUE_RANGE)
			return test_range(ev, n, left, right);
	}
	if (ev->ask->session->hashed != NULL)
		return hashed_test(ev, n, left, right);
	return truth_of(relation_holds(ev, n, left, right));
}

bool
marks_have(const struct mark *marks, struct str name)
{
	for (; marks != NULL; marks = marks->next)
		if (str_eq(marks->name, name))
			return true;
	return false;
}

enum truth
evaluation_condition(struct evaluation *ev, const struct node *n)
{
	static const enum truth opposite[] = { TRUTH_YES, TRUTH_NO, TRUTH_PENDING };
	enum truth truth = TRUTH_NO, goes_on;

	switch (n->kind) {
	case EXPR_TEST:
		return eval_test(ev, n);
	case EXPR_MARKED:
		return truth_of(marks_have(ev->out->marks, n->expr->mark) ||
		    marks_have(ev->ask->session->txn.marks, n->expr->mark));
	case EXPR_NOT:
		return opposite[evaluation_condition(ev, n + 1)];
	default:
		break;
	}
	goes_on = n->kind == EXPR_AND ? TRUTH_YES : TRUTH_NO;
	for (const struct node *child = n + 1; child < n + n->size; child += child->size) {
		truth = child->kind == EXPR_TEST ? eval_test(ev, child)
						 : evaluation_condition(ev, child);
		if (truth != goes_on)
			break;
	}
	return truth;
}
