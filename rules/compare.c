/*
 * compare: the two sides of a test fit each other and what is between them. Each complaint says
 * what the fact on the left is, and how it would be written.
 */
#include "rules/check.h"
#include "rules/literal.h"

static bool
wrong(struct check *check, const struct expr *test, const char *right)
{
	COMPLAIN(check->load, &test->right.at, "`%.*s` is %s: compare it with %s, not with %s",
	    STR_ARG(test->left.at.text), type_shown(test->left.type), right, SHOW(&test->right.at));
	return false;
}

/* The right side is another fact (or score, hostname). */
static bool
fact_on_right(struct check *check, struct expr *test, const char *wanted)
{
	struct operand *right = &test->right;
	enum value_type a = test->left.type, b;

	if (right->term == NULL &&
	    (right->at.kind != TOKEN_WORD || literal_numeric(right->at.text)))
		return wrong(check, test, wanted);
	if (right->term == NULL && right->n_args == 0 && !operand_exists(check, right->at.text))
		return wrong(check, test, wanted);
	if (!operand_check(check, right))
		return false;
	b = right->type;
	if (a == VALUE_REAL)
		a = VALUE_NUMBER;
	if (b == VALUE_REAL)
		b = VALUE_NUMBER;
	if (a == b)
		return true;
	COMPLAIN(check->load, &right->at, "`%.*s` is %s and `%.*s` is %s: they cannot be compared",
	    STR_ARG(test->left.at.text), type_shown(a), STR_ARG(right->at.text), type_shown(b));
	return false;
}

static bool
take_value(struct operand *right, struct value value)
{
	right->kind = OPERAND_VALUE;
	right->type = value.type;
	right->value = value;
	return true;
}

static bool
number_on_right(struct check *check, struct expr *test)
{
	struct operand *right = &test->right;
	struct value v = { .type = VALUE_NUMBER };

	if (right->at.kind == TOKEN_WORD && right->n_args == 0 && right->term == NULL) {
		if (literal_number(right->at.text, &v.number) ||
		    literal_size(right->at.text, &v.number))
			return take_value(right, v);
		v.type = VALUE_REAL;
		if (literal_real(right->at.text, &v.real))
			return take_value(right, v);
	}
	return fact_on_right(check, test, "a number such as 5 or 10M");
}

static bool
duration_on_right(struct check *check, struct expr *test)
{
	struct operand *right = &test->right;
	struct value v = { .type = VALUE_DURATION };
	int64_t ms;

	if (right->at.kind == TOKEN_WORD && right->n_args == 0 && right->term == NULL &&
	    literal_duration(right->at.text, &ms) && ms % 1000 == 0) {
		v.number = ms / 1000;
		return take_value(right, v);
	}
	return fact_on_right(check, test, "a duration such as 30s or 5m");
}

static bool
text_on_right(struct check *check, struct expr *test)
{
	struct operand *right = &test->right;

	if (right->at.kind == TOKEN_TEXT)
		return take_value(right, value_text(token_value(&right->at, check->load->arena)));
	return fact_on_right(check, test, "a text in quotes");
}

static bool
ip_on_right(struct check *check, struct expr *test)
{
	struct operand *right = &test->right;
	struct value v = { .type = VALUE_IP };

	if (right->at.kind == TOKEN_WORD && right->n_args == 0 && right->term == NULL &&
	    ip_parse(right->at.text, &v.ip))
		return take_value(right, v);
	if (str_find(right->at.text, '/') != STR_NPOS)
		return wrong(check, test, "one address, or write `in { NETWORK }`");
	return fact_on_right(check, test,
	    right->at.kind == TOKEN_TEXT ? "an address without quotes, such as 192.0.2.1"
					 : "an address such as 192.0.2.1");
}

static const struct fact_def *
def_of(const struct check *check, const struct operand *o)
{
	return check->call[o->slot].entry->def;
}

/* A word that the fact can be; symbol->text of the row itself. */
static bool
symbol_find(
    struct check *check, const struct operand *left, const struct token *t, struct value *out)
{
	const struct fact_def *def = def_of(check, left);
	struct suggestion near;
	char words[WORDS_SHOWN];

	suggest_begin(&near, t->text);
	for (size_t i = 0; def->symbols[i] != NULL; i++) {
		if (token_is(t, def->symbols[i])) {
			*out = value_symbol(def->symbols[i]);
			return true;
		}
		if (t->kind == TOKEN_TEXT && str_eq(t->text, str_of(def->symbols[i])))
			near.best = t->text;
		suggest(&near, str_of(def->symbols[i]));
	}
	if (t->kind == TOKEN_TEXT && near.best.n > 0)
		COMPLAIN(check->load, t, "`%s` is a word: write %.*s, without quotes", def->name,
		    STR_ARG(near.best));
	else
		COMPLAIN(check->load, t, "`%s` is %s, never %s%s", def->name,
		    words_shown(def->symbols, words), SHOW(t), suggest_end(&near));
	return false;
}

static bool
symbol_on_right(struct check *check, struct expr *test)
{
	struct value v;

	if (test->right.n_args > 0 || test->right.term != NULL)
		return fact_on_right(check, test, "one of its words");
	return symbol_find(check, &test->left, &test->right.at, &v) && take_value(&test->right, v);
}

/* `is known`, `is unknown`, unless that is a word of the fact. */
static bool
known_check(struct check *check, struct expr *test)
{
	bool known = token_is(&test->right.at, "known");

	if (test->right.n_args > 0 || (!known && !token_is(&test->right.at, "unknown")))
		return false;
	if (test->left.type == VALUE_SYMBOL) {
		const char *const *s = def_of(check, &test->left)->symbols;

		for (size_t i = 0; s[i] != NULL; i++)
			if (token_is(&test->right.at, s[i]))
				return false;
	}
	test->relation = known ? RELATION_KNOWN : RELATION_UNKNOWN;
	return true;
}

static bool
is_check(struct check *check, struct expr *test)
{
	struct str name = test->left.at.text;

	if (known_check(check, test))
		return true;
	switch (test->left.type) {
	case VALUE_NUMBER:
	case VALUE_REAL:
		return number_on_right(check, test);
	case VALUE_DURATION:
		return duration_on_right(check, test);
	case VALUE_TEXT:
		return text_on_right(check, test);
	case VALUE_SYMBOL:
		return symbol_on_right(check, test);
	case VALUE_IP:
		return ip_on_right(check, test);
	case VALUE_BOOL:
		COMPLAIN(check->load, &test->relation_at,
		    "`%.*s` is yes or no: write it alone, or `not` before it", STR_ARG(name));
		return false;
	default:
		COMPLAIN(check->load, &test->relation_at,
		    "`%.*s` is a list: write `contains \"...\"` or `in LIST`", STR_ARG(name));
		return false;
	}
}

static bool
order_check(struct check *check, struct expr *test)
{
	switch (test->left.type) {
	case VALUE_NUMBER:
	case VALUE_REAL:
		return number_on_right(check, test);
	case VALUE_DURATION:
		return duration_on_right(check, test);
	default:
		COMPLAIN(check->load, &test->relation_at,
		    "%s compares numbers and durations; `%.*s` is %s", SHOW(&test->relation_at),
		    STR_ARG(test->left.at.text), type_shown(test->left.type));
		return false;
	}
}

/* contains, starts with, ends with */
static bool
part_check(struct check *check, struct expr *test)
{
	enum value_type type = test->left.type;

	if (type == VALUE_TEXT || (type == VALUE_LIST && test->relation == RELATION_CONTAINS)) {
		if (test->right.at.kind == TOKEN_TEXT)
			return text_on_right(check, test);
		if (!operand_check(check, &test->right))
			return false;
		if (test->right.type == VALUE_TEXT)
			return true;
		COMPLAIN(check->load, &test->right.at, "%s wants a text behind it; `%.*s` is %s",
		    SHOW(&test->relation_at), STR_ARG(test->right.at.text),
		    type_shown(test->right.type));
		return false;
	}
	COMPLAIN(check->load, &test->relation_at, "%s looks into texts; `%.*s` is %s%s",
	    SHOW(&test->relation_at), STR_ARG(test->left.at.text), type_shown(type),
	    type == VALUE_LIST ? ": write `contains \"...\"` or `matches /.../`" : "");
	return false;
}

/* spf in { fail, softfail } */
static bool
words_check(struct check *check, struct expr *test)
{
	struct cursor c = { check->load, test->set };
	struct str *word;
	size_t n = 0;

	if (!cursor_kind(&c, TOKEN_OPEN)) {
		COMPLAIN(check->load, c.t, "`%.*s` is a word: write its words in braces, not %s",
		    STR_ARG(test->left.at.text), SHOW(c.t));
		return false;
	}
	while (c.t[n].kind != TOKEN_CLOSE)
		n++;
	word = ARENA_ARRAY(check->load->arena, struct str, n);
	while (c.t->kind != TOKEN_CLOSE) {
		struct value v;

		if (!symbol_find(check, &test->left, c.t++, &v))
			return false;
		word[test->n_words++] = v.text;
		if (c.t->kind != TOKEN_CLOSE && !cursor_kind(&c, TOKEN_COMMA)) {
			COMPLAIN(check->load, c.t,
			    "`,` or the end of the list belongs here, not %s", SHOW(c.t));
			return false;
		}
	}
	test->word = word;
	return true;
}

static bool
in_check(struct check *check, struct expr *test)
{
	struct cursor c = { check->load, test->set };

	switch (test->left.type) {
	case VALUE_SYMBOL:
		return words_check(check, test);
	case VALUE_IP:
	case VALUE_TEXT:
	case VALUE_LIST:
		test->list = list_take(&c);
		return test->list != NULL;
	default:
		COMPLAIN(check->load, &test->relation_at,
		    "`in` looks up addresses and texts; `%.*s` is %s%s",
		    STR_ARG(test->left.at.text), type_shown(test->left.type),
		    test->left.type == VALUE_BOOL ? "" : ": compare it by `is`, `<` or `>`");
		return false;
	}
}

static bool
match_check(struct check *check, struct expr *test)
{
	if (test->left.type != VALUE_TEXT && test->left.type != VALUE_LIST) {
		COMPLAIN(check->load, &test->relation_at,
		    "`matches` looks into texts; `%.*s` is %s", STR_ARG(test->left.at.text),
		    type_shown(test->left.type));
		return false;
	}
	test->regex = regex_take(check->load, test->set);
	return test->regex != NULL;
}

bool
test_check(struct check *check, struct expr *test)
{
	if (!operand_check(check, &test->left))
		return false;
	switch (test->relation) {
	case RELATION_TRUTH:
		if (test->left.type == VALUE_BOOL)
			return true;
		COMPLAIN(check->load, &test->left.at,
		    "`%.*s` is %s: say what it is compared with, such as `%.*s %s`",
		    STR_ARG(test->left.at.text), type_shown(test->left.type),
		    STR_ARG(test->left.at.text),
		    test->left.type == VALUE_SYMBOL     ? "is WORD"
			: test->left.type == VALUE_IP   ? "in LIST"
			: test->left.type == VALUE_LIST ? "contains \"...\""
			: test->left.type == VALUE_TEXT ? "is \"...\""
							: "> 5");
		return false;
	case RELATION_IS:
		return is_check(check, test);
	case RELATION_IN:
		return in_check(check, test);
	case RELATION_MATCHES:
		return match_check(check, test);
	case RELATION_CONTAINS:
	case RELATION_STARTS:
	case RELATION_ENDS:
		return part_check(check, test);
	default:
		return order_check(check, test);
	}
}
