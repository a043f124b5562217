/*
 * arith: sums and products of numbers and durations. Typed when they are loaded, and total: what is divided by
 * zero, what leaves 64 bits, and what rests on something unknown, is unknown.
 */
#include <math.h>

#include "rules/check.h"
#include "rules/eval.h"
#include "rules/literal.h"

/* --- types -------------------------------------------------------------------------------------- */

static bool
is_number(enum value_type type)
{
	return type == VALUE_NUMBER || type == VALUE_REAL;
}

/* VALUE_NONE: the two do not go together. */
static enum value_type
type_of(char op, enum value_type a, enum value_type b)
{
	bool real = a == VALUE_REAL || b == VALUE_REAL;

	if (is_number(a) && is_number(b))
		return real || op == '/' ? VALUE_REAL : VALUE_NUMBER;
	if (a == VALUE_DURATION && b == VALUE_DURATION)
		return op == '*' ? VALUE_NONE : op == '/' ? VALUE_REAL : VALUE_DURATION;
	if (a == VALUE_DURATION && is_number(b))
		return op == '*' || op == '/' ? VALUE_DURATION : VALUE_NONE;
	if (is_number(a) && b == VALUE_DURATION)
		return op == '*' ? VALUE_DURATION : VALUE_NONE;
	return VALUE_NONE;
}

/* --- values ------------------------------------------------------------------------------------- */

static double
real_of(const struct value *v)
{
	return v->type == VALUE_REAL ? v->real : (double)v->number;
}

static struct value
whole(char op, enum value_type type, int64_t a, int64_t b)
{
	struct value v = { .type = type };
	bool over = op == '+' ? __builtin_add_overflow(a, b, &v.number)
	    : op == '-'       ? __builtin_sub_overflow(a, b, &v.number)
			      : __builtin_mul_overflow(a, b, &v.number);

	return over ? (struct value){ .type = VALUE_NONE } : v;
}

static struct value
fraction(char op, enum value_type type, double a, double b)
{
	struct value v = { .type = type };
	double x = op == '+' ? a + b : op == '-' ? a - b : op == '*' ? a * b : a / b;

	/* beyond 2^62 a double is no whole number of ours any more */
	if ((op == '/' && b == 0) || !isfinite(x) || (type == VALUE_DURATION && fabs(x) > 0x1p62))
		return (struct value){ .type = VALUE_NONE };
	if (type == VALUE_DURATION)
		v.number = (int64_t)x;
	else
		v.real = x;
	return v;
}

struct value
arith_apply(char op, const struct value *a, const struct value *b)
{
	enum value_type type = type_of(op, a->type, b->type);

	if (type == VALUE_NONE)
		return (struct value){ .type = VALUE_NONE };
	if (op == '/' || a->type == VALUE_REAL || b->type == VALUE_REAL)
		return fraction(op, type, real_of(a), real_of(b));
	return whole(op, type, a->number, b->number);
}

/* --- reading ------------------------------------------------------------------------------------ */

struct reading {
	struct cursor *c;
	unsigned depth; /* of parentheses */
	size_t n;       /* values so far */
};

static bool parse_sum(struct reading *r, struct operand *out);

static bool
parse_factor(struct reading *r, struct operand *out)
{
	struct cursor *c = r->c;
	const struct token *open = c->t;

	if (r->depth > NESTING_MAX) {
		COMPLAIN(c->load, c->t, "nested too deeply: %d levels are allowed", NESTING_MAX);
		return false;
	}
	if (cursor_kind(c, TOKEN_LEFT)) {
		r->depth++;
		if (!parse_sum(r, out))
			return false;
		r->depth--;
		if (cursor_kind(c, TOKEN_RIGHT))
			return true;
		COMPLAIN(c->load, open, "the `)` of this `(` is missing");
		return false;
	}
	if (++r->n > OPERANDS_MAX) {
		COMPLAIN(c->load, c->t, "too much to compute: %d values are allowed on a side",
		    OPERANDS_MAX);
		return false;
	}
	return operand_parse(c, out);
}

static bool
is_op(const struct token *t, const char *ops)
{
	return t->kind == TOKEN_WORD && t->text.n == 1 && strchr(ops, t->text.p[0]) != NULL;
}

bool
arith_is_op(const struct token *t)
{
	return is_op(t, "+-*/");
}

/* As it was written, on one line. */
static struct token
name_of(struct cursor *c, const struct token *first)
{
	struct token at = *first;
	struct buf b;

	buf_init(&b, 64 * 1024);
	for (const struct token *t = first; t < c->t; t++) {
		bool tight = t == first || t->kind == TOKEN_RIGHT || t->kind == TOKEN_COMMA ||
		    t[-1].kind == TOKEN_LEFT ||
		    (t->kind == TOKEN_LEFT && t[-1].kind == TOKEN_WORD && !arith_is_op(&t[-1]));

		if (!tight)
			buf_addc(&b, ' ');
		buf_add(&b, token_raw(t));
	}
	at.kind = TOKEN_WORD;
	at.text = arena_dup(c->load->arena, buf_str(&b));
	buf_free(&b);
	return at;
}

/* One or more of what `part` reads, with operators between; a single one stands for itself. */
static bool
parse_chain(struct reading *r, struct operand *out, const char *ops,
    bool (*part)(struct reading *r, struct operand *out))
{
	const struct token *first = r->c->t;
	struct term **end = &out->term;
	struct operand one;
	char op = '+';

	if (!part(r, &one))
		return false;
	*out = one;
	if (!is_op(r->c->t, ops))
		return true;
	*out = (struct operand){ .kind = OPERAND_COMPUTED };
	for (;;) {
		*end = ARENA_NEW(r->c->load->arena, struct term);
		**end = (struct term){ op, one, NULL };
		end = &(*end)->next;
		if (!is_op(r->c->t, ops))
			break;
		op = r->c->t++->text.p[0];
		if (!part(r, &one))
			return false;
	}
	out->at = name_of(r->c, first);
	return true;
}

static bool
parse_product(struct reading *r, struct operand *out)
{
	return parse_chain(r, out, "*/", parse_factor);
}

static bool
parse_sum(struct reading *r, struct operand *out)
{
	return parse_chain(r, out, "+-", parse_product);
}

bool
arith_parse(struct cursor *c, struct operand *out)
{
	struct reading r = { .c = c };

	return parse_sum(&r, out);
}

/* --- checking ----------------------------------------------------------------------------------- */

static bool
literal_check(struct check *check, struct operand *o)
{
	struct str s = o->at.text;
	struct value v = { .type = VALUE_NUMBER };

	if (literal_number(s, &v.number) || literal_size(s, &v.number)) {
		;
	} else if (literal_real(s, &v.real)) {
		v.type = VALUE_REAL;
	} else if (literal_duration(s, &v.number) && v.number % 1000 == 0) {
		v.type = VALUE_DURATION;
		v.number /= 1000;
	} else {
		COMPLAIN(check->load, &o->at,
		    "a number, a size or a duration in whole seconds belongs here, not %s",
		    SHOW(&o->at));
		return false;
	}
	o->kind = OPERAND_VALUE;
	o->type = v.type;
	o->value = v;
	return true;
}

static bool
part_check(struct check *check, struct operand *o)
{
	if (o->term == NULL && o->at.kind == TOKEN_WORD && o->arg == NULL &&
	    literal_numeric(o->at.text))
		return literal_check(check, o);
	if (!operand_check(check, o))
		return false;
	if (is_number(o->type) || o->type == VALUE_DURATION)
		return true;
	COMPLAIN(check->load, &o->at, "`%.*s` is %s: numbers and durations can be computed with",
	    STR_ARG(o->at.text), type_shown(o->type));
	return false;
}

/* What is written in the rule is computed once; it is a mistake when nothing comes of it. */
static bool
fold(struct check *check, struct operand *o)
{
	struct value v = o->term->operand.value;

	for (const struct term *t = o->term; t != NULL; t = t->next) {
		if (t->operand.kind != OPERAND_VALUE)
			return true;
		if (t != o->term)
			v = arith_apply(t->op, &v, &t->operand.value);
	}
	if (v.type == VALUE_NONE) {
		COMPLAIN(check->load, &o->at,
		    "`%.*s` divides by zero, or is too large: nothing is ever compared with it",
		    STR_ARG(o->at.text));
		return false;
	}
	o->kind = OPERAND_VALUE;
	o->value = v;
	return true;
}

bool
arith_check(struct check *check, struct operand *o)
{
	enum value_type type = VALUE_NONE;
	bool ok = true;

	for (struct term *t = o->term; t != NULL; t = t->next) {
		enum value_type left = type;

		if (!part_check(check, &t->operand)) {
			ok = false;
			continue;
		}
		type = left == VALUE_NONE ? t->operand.type : type_of(t->op, left, t->operand.type);
		if (type != VALUE_NONE)
			continue;
		COMPLAIN(check->load, &t->operand.at,
		    "`%c` does not work with %s before it and %s behind it", t->op,
		    type_shown(left), type_shown(t->operand.type));
		return false;
	}
	o->type = type;
	return ok && fold(check, o);
}

size_t
operand_facts(const struct operand *o, const struct operand **fact, size_t n)
{
	if (o->kind == OPERAND_FACT)
		fact[n++] = o;
	if (o->kind == OPERAND_COMPUTED)
		for (const struct term *t = o->term; t != NULL; t = t->next)
			n = operand_facts(&t->operand, fact, n);
	return n;
}

size_t
test_facts(const struct expr *test, const struct operand *fact[TEST_FACTS_MAX])
{
	size_t n = operand_facts(&test->left, fact, 0);

	return relation_has_right(test->relation) ? operand_facts(&test->right, fact, n) : n;
}

bool
operand_changes(const struct operand *o)
{
	if (o->kind == OPERAND_COMPUTED)
		for (const struct term *t = o->term; t != NULL; t = t->next)
			if (operand_changes(&t->operand))
				return true;
	return o->kind == OPERAND_SCORE;
}
