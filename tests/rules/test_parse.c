/* Statements that are rules: what is read, and each mistake in the grammar. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules/rule.h"
#include "tests/rules/loader.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The rule of "{ ... }" at rcpt, or NULL. */
static struct rule *
parse(struct loader **l, const char *text)
{
	char all[4096];

	snprintf(all, sizeof all, "x {\n%s\n}", text);
	*l = loader_new("/etc/t.conf", all);
	assert_non_null((*l)->first);
	assert_non_null((*l)->first->body);
	return rule_parse(&(*l)->load, (*l)->first->body, STEP_RCPT);
}

static void
print_operand(const struct operand *o, struct buf *out)
{
	buf_printf(out, "%.*s", STR_ARG(o->at.text));
	for (size_t i = 0; i < o->n_args; i++)
		buf_printf(out, "%c%.*s", i ? ',' : '(', STR_ARG(o->arg[i].text));
	if (o->n_args > 0)
		buf_addc(out, ')');
}

/* Like LISP: what binds how. */
static void
print(const struct expr *e, struct buf *out)
{
	static const char *const kinds[] = { "and", "or", "not" };
	static const char *const relations[] = { "?", "is", "<", "<=", ">", ">=", "in", "has",
		"starts", "ends" };

	if (e->kind == EXPR_MARKED) {
		buf_printf(out, "m:%.*s", STR_ARG(e->mark));
	} else if (e->kind == EXPR_TEST) {
		print_operand(&e->left, out);
		buf_printf(out, " %s%s", e->negated ? "!" : "", relations[e->relation]);
		if (e->relation == RELATION_IN) {
			buf_printf(out, " %.*s", STR_ARG(e->set->text));
		} else if (e->relation != RELATION_TRUTH) {
			buf_addc(out, ' ');
			print_operand(&e->right, out);
		}
	} else {
		buf_printf(out, "(%s", kinds[e->kind]);
		for (e = e->child; e != NULL; e = e->next) {
			buf_addc(out, ' ');
			print(e, out);
		}
		buf_addc(out, ')');
	}
}

static void
test_conditions(void **state)
{
	static const struct {
		const char *text, *tree;
	} cases[] = {
		{ "a", "a ?" },
		{ "a and b or c and d", "(or (and a ? b ?) (and c ? d ?))" },
		{ "a and (b or c) and d", "(and a ? (or b ? c ?) d ?)" },
		{ "not a and b", "(and (not a ?) b ?)" },
		{ "not (a and b)", "(not (and a ? b ?))" },
		{ "not not a", "(not (not a ?))" },
		{ "((a))", "a ?" },
		{ "a is b or a is not b", "(or a is b a !is b)" },
		{ "a = b or a != b", "(or a is b a !is b)" },
		{ "a < 1 or a <= 1", "(or a < 1 a <= 1)" },
		{ "a > 1 or a >= 1", "(or a > 1 a >= 1)" },
		{ "a in b or a not in b", "(or a in b a !in b)" },
		{ "a is in b or a is not in b", "(or a in b a !in b)" },
		{ "a in { \"x\", b }", "a in {" },
		{ "a contains \"x\"", "a has x" },
		{ "a starts with \"x\" or a ends with b", "(or a starts x a ends b)" },
		{ "marked a and not marked b", "(and m:a (not m:b))" },
		{ "f(a, \"b\", 5m) > g(1)", "f(a,b,5m) > g(1)" },
		{ "f() is g()", "f is g" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct loader *l;
		struct rule *rule;
		struct buf b;
		char text[200];

		snprintf(text, sizeof text, "accept if %s", cases[i].text);
		rule = parse(&l, text);
		if (rule == NULL)
			fail_msg("%s: %s", cases[i].text, loader_said(l));
		buf_init(&b, 1024);
		print(rule->condition, &b);
		assert_string_equal(b.p, cases[i].tree);
		buf_free(&b);
		loader_free(&l);
	}
}

static void
test_actions(void **state)
{
	static const struct {
		const char *text;
		enum action action;
		bool ends, observe;
		int code;
		const char *enhanced;
		int64_t score;
		const char *name, *source; /* source NULL: as the text */
	} cases[] = {
		{ "accept", ACTION_ACCEPT, true, false, 0, "", 0, "", NULL },
		{ "accept session", ACTION_ACCEPT_SESSION, true, false, 0, "", 0, "", NULL },
		{ "observe accept", ACTION_ACCEPT, true, true, 0, "", 0, "", NULL },
		{ "tempfail 400 4.0.0 \"a\"", ACTION_TEMPFAIL, true, false, 400, "4.0.0", 0, "",
		    NULL },
		{ "reject 559 5.999.999 \"a\"", ACTION_REJECT, true, false, 559, "5.999.999", 0, "",
		    NULL },
		{ "score -1000000", ACTION_SCORE, false, false, 0, "", -1000000, "", NULL },
		{ "score 1000000", ACTION_SCORE, false, false, 0, "", 1000000, "", NULL },
		{ "mark session", ACTION_MARK, false, false, 0, "", 0, "session", NULL },
		{ "add header \"X-A\" \"b\"", ACTION_ADD_HEADER, false, false, 0, "", 0, "X-A",
		    NULL },
		{ "add header \"A-Name-Of-Exactly-Seventy-Six-Octets-"
		  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" \"b\"",
		    ACTION_ADD_HEADER, false, false, 0, "", 0,
		    "A-Name-Of-Exactly-Seventy-Six-Octets-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		    NULL },
		/* the source: on one line, blanks and comments gone, texts as they are */
		{ "reject  550\t5.7.1 \"a  # \\\" b\"   # why\n   # more\n\n if   a\n and b # end",
		    ACTION_REJECT, true, false, 550, "5.7.1", 0, "",
		    "reject 550 5.7.1 \"a  # \\\" b\" if a and b" },
		{ "accept if a in { \"x\",\r\n\t\"y\" }", ACTION_ACCEPT, true, false, 0, "", 0, "",
		    "accept if a in { \"x\", \"y\" }" },
		{ "accept#a\nif#b\na", ACTION_ACCEPT, true, false, 0, "", 0, "", "accept if a" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *source = cases[i].source ? cases[i].source : cases[i].text;
		struct loader *l;
		struct rule *rule = parse(&l, cases[i].text);

		if (rule == NULL)
			fail_msg("%s: %s", cases[i].text, loader_said(l));
		assert_int_equal(rule->action, cases[i].action);
		assert_int_equal(action_ends(rule->action), cases[i].ends);
		assert_int_equal(rule->observe, cases[i].observe);
		assert_int_equal(rule->code, cases[i].code);
		assert_string_equal(rule->enhanced, cases[i].enhanced);
		assert_int_equal(rule->score, cases[i].score);
		assert_true(str_eq(rule->name, str_of(cases[i].name)));
		if (!str_eq(rule->shown.source, str_of(source)))
			fail_msg("%.*s", STR_ARG(rule->shown.source));
		assert_true(str_eq(rule->shown.id, STR("t.conf:2")));
		assert_int_equal(rule->step, STEP_RCPT);
		loader_free(&l);
	}
	assert_string_equal(action_name(ACTION_ACCEPT_SESSION), "accept");
	assert_string_equal(action_name(ACTION_ADD_HEADER), "add header");
	assert_string_equal(action_name(ACTION_DELAY), "delay");
}

static const struct {
	const char *text, *said;
} mistakes[] = {
	{ "observe",
	    "2:8: a rule begins with accept, tempfail, reject, score, mark, delay or add header, not the end of the line" },
	{ "observe observe accept",
	    "2:9: a rule begins with accept, tempfail, reject, score, mark, delay or add header, "
	    "not `observe`" },
	{ "acept",
	    "2:1: a rule begins with accept, tempfail, reject, score, mark, delay or add header, not `acept`; did you mean `accept`?" },
	{ "add \"X\" \"y\"",
	    "2:1: a rule begins with accept, tempfail, reject, score, mark, delay or add header, not `add`" },
	{ "\"accept\"",
	    "2:1: a rule begins with accept, tempfail, reject, score, mark, delay or add header, not \"accept\"" },
	{ "delay", "2:6: `delay` wants a duration such as 5s, up to 5m, not the end of the line" },
	{ "delay 5", "2:7: `delay` wants a duration such as 5s, up to 5m, not `5`" },
	{ "delay 0", "2:7: `delay` wants a duration such as 5s, up to 5m, not `0`" },
	{ "delay 301s", "2:7: `delay` wants a duration such as 5s, up to 5m, not `301s`" },
	{ "delay 5s x", "2:10: `if` or the end of the rule belongs here, not `x`" },
	{ "accept sesion",
	    "2:8: `if` or the end of the rule belongs here, not `sesion`; "
	    "did you mean `session`?" },
	{ "accept session x", "2:16: `if` or the end of the rule belongs here, not `x`" },
	{ "accept if", "3:1: a fact or a value belongs here, not the end of the line" },
	{ "accept if a b", "2:13: `and`, `or` or the end of the rule belongs here, not `b`" },
	{ "accept if a and", "3:1: a fact or a value belongs here, not the end of the line" },
	{ "accept if and a",
	    "2:11: a fact or a value belongs here; `and` is a word of the "
	    "language" },
	{ "accept if a is is",
	    "2:16: a fact or a value belongs here; `is` is a word of the language" },
	{ "accept if ,", "2:11: a fact or a value belongs here, not `,`" },
	{ "accept if a not b", "2:17: `in` or `matches` belongs behind `not` here, not `b`" },
	{ "accept if a in",
	    "2:15: `in` wants the name of a list or a list in braces, such as { \"example.net\" }, not "
	    "the end of the line" },
	{ "accept if a in \"b\"",
	    "2:16: `in` wants the name of a list or a list in braces, such as { \"example.net\" }, not \"b\"" },
	{ "accept if a starts \"b\"", "2:20: `with` belongs here, not \"b\"" },
	{ "accept if a ends with",
	    "2:22: a fact or a value belongs here, not the end of the "
	    "line" },
	{ "accept if (a", "2:11: the `)` of this `(` is missing" },
	{ "accept if (a b)", "2:14: `and`, `or` or `)` belongs here, not `b`" },
	{ "accept if ()", "2:12: a fact or a value belongs here, not `)`" },
	{ "accept if a)", "2:12: `and`, `or` or the end of the rule belongs here, not `)`" },
	{ "accept if marked", "2:17: the name of a mark belongs here, not the end of the line" },
	{ "accept if marked \"a\"", "2:18: the name of a mark belongs here, not \"a\"" },
	{ "accept if f(,)", "2:13: an argument of `f` belongs here, not `,`" },
	{ "accept if f(a b)", "2:15: `,` or `)` belongs here, not `b`" },
	{ "accept if f(a,)", "2:15: an argument of `f` belongs here, not `)`" },
	{ "accept if f(a", "3:1: `,` or `)` belongs here, not the end of the line" },
	{ "accept if f(a, b, c, d, e)", "2:25: no fact takes more than 4 arguments" },
	{ "reject",
	    "2:7: `reject` wants a code from 500 to 559 here, such as 550, not the "
	    "end of the line" },
	{ "reject 560 5.7.1 \"a\"",
	    "2:8: `reject` wants a code from 500 to 559 here, such as 550, not `560`" },
	{ "reject 450 5.7.1 \"a\"",
	    "2:8: `reject` wants a code from 500 to 559 here, such as 550, not `450`" },
	{ "reject -55 5.7.1 \"a\"",
	    "2:8: `reject` wants a code from 500 to 559 here, such as 550, not `-55`" },
	{ "reject 5500 5.7.1 \"a\"",
	    "2:8: `reject` wants a code from 500 to 559 here, such as 550, not `5500`" },
	{ "tempfail \"451\" 4.7.1 \"a\"",
	    "2:10: `tempfail` wants a code from 400 to 459 here, such as 451, not \"451\"" },
	{ "tempfail 451 5.7.1 \"a\"",
	    "2:14: an enhanced code such as 4.7.1 belongs behind 451, not `5.7.1`" },
	{ "reject 550 5.7.1000 \"a\"",
	    "2:12: an enhanced code such as 5.7.1 belongs behind 550, not `5.7.1000`" },
	{ "reject 550 \"a\"",
	    "2:12: an enhanced code such as 5.7.1 belongs behind 550, not \"a\"" },
	{ "reject 550 5.7.1 a", "2:18: the text of `reject` belongs here, in quotes, not `a`" },
	{ "score",
	    "2:6: `score` wants a whole number such as 2 or -1, not the end of the "
	    "line" },
	{ "score 1000001", "2:7: `score` wants a whole number such as 2 or -1, not `1000001`" },
	{ "score 1.5", "2:7: `score` wants a whole number such as 2 or -1, not `1.5`" },
	{ "score \"1\"", "2:7: `score` wants a whole number such as 2 or -1, not \"1\"" },
	{ "mark if a", "2:6: `mark` wants a name, not `if`" },
	{ "mark \"a\"", "2:6: `mark` wants a name, not \"a\"" },
	{ "add header X \"y\"",
	    "2:12: the name of the header field belongs here, in quotes, not `X`" },
	{ "add header \"X:\" \"y\"",
	    "2:12: \"X:\" is no name of a header field: write it "
	    "without blanks and colon" },
	{ "add header \"\" \"y\"",
	    "2:12: \"\" is no name of a header field: write it "
	    "without blanks and colon" },
	{ "add header \"X Y\" \"y\"",
	    "2:12: \"X Y\" is no name of a header field: write it "
	    "without blanks and colon" },
	{ "add header \"\xc3\xa4\" \"y\"",
	    "2:12: \"\xc3\xa4\" is no name of a header field: write it without blanks and "
	    "colon" },
	{ "add header \"A-Name-Of-Seventy-Seven-Octets-"
	  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" \"b\"",
	    "2:12: \"A-Name-Of-Seventy-Seven-Octets-"
	    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\" is no name of a header "
	    "field: write it without blanks and colon" },
	{ "add header \"X\"",
	    "2:15: the text of `add header` belongs here, in quotes, not "
	    "the end of the line" },
};

static void
test_mistakes(void **state)
{
	int failed = 0;

	for (size_t i = 0; i < COUNT(mistakes); i++) {
		struct loader *l;
		const char *said;

		assert_null(parse(&l, mistakes[i].text));
		said = loader_said(l);
		if (strcmp(said, mistakes[i].said) != 0) {
			print_error("%s\n%s\n", mistakes[i].text, said);
			failed++;
		}
		loader_free(&l);
	}
	assert_int_equal(failed, 0);
}

/* As deep as is allowed, and one deeper. */
static void
test_nesting(void **state)
{
	static const struct {
		const char *open, *close;
	} cases[] = { { "(", ")" }, { "not ", "" } };
	char text[1000];

	for (size_t i = 0; i < COUNT(cases); i++)
		for (size_t depth = NESTING_MAX; depth <= NESTING_MAX + 1; depth++) {
			struct loader *l;
			struct rule *rule;
			size_t n = (size_t)snprintf(text, sizeof text, "accept if ");

			for (size_t k = 0; k < depth; k++)
				n += (size_t)snprintf(
				    text + n, sizeof text - n, "%s", cases[i].open);
			n += (size_t)snprintf(text + n, sizeof text - n, "a");
			for (size_t k = 0; k < depth; k++)
				n += (size_t)snprintf(
				    text + n, sizeof text - n, "%s", cases[i].close);
			rule = parse(&l, text);
			assert_int_equal(rule != NULL, depth == NESTING_MAX);
			if (rule == NULL)
				assert_non_null(strstr(
				    loader_said(l), ": nested too deeply: 64 levels are allowed"));
			loader_free(&l);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_actions),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_nesting),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
