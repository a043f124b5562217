#include "rules/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules/complaint.h"
#include "tests/rules/loader.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* "a b|c{d|e!}": the statements, `!` behind one that is bad. */
static void
print(const struct statement *s, struct buf *out)
{
	for (; s != NULL; s = s->next) {
		assert_true(s->n > 0);
		for (size_t i = 0; i < s->n; i++) {
			assert_int_not_equal(s->token[i].kind, TOKEN_NEWLINE);
			assert_int_not_equal(s->token[i].kind, TOKEN_END);
			buf_printf(out, "%s%.*s", i ? " " : "", STR_ARG(s->token[i].text));
		}
		assert_int_equal(s->token[s->n].kind, TOKEN_END);
		if (s->bad)
			buf_addc(out, '!');
		if (s->block) {
			buf_addc(out, '{');
			print(s->body, out);
			buf_addc(out, '}');
		} else {
			assert_null(s->body);
		}
		if (s->next)
			buf_addc(out, '|');
	}
}

static void
test_statements(void **state)
{
	static const struct {
		const char *text, *statements, *said;
	} cases[] = {
		{ "", "", "" },
		{ "\n;\n # a\n", "", "" },
		{ "a b\nc", "a b|c", "" },
		{ "a; b", "a|b", "" },
		/* goes on over a line's end: */
		{ "a,\nb\nc", "a , b|c", "" },
		{ "a if\nb\nand c\n\nor\nd\ne", "a if b and c or d|e", "" },
		{ "a\n# comment\nif b", "a if b", "" },
		{ "a\n\n\n{ b }", "a{b}", "" },
		{ "x {\nreject (a\nb)\nc }", "x{reject ( a b )|c}", "" },
		{ "x { a { b\n c } d }", "x{a { b c } d}", "" },
		{ "x { a { b; c }; d }", "x{a { b ; c }|d}", "" },
		/* at the top, an open parenthesis is a mistake of its line only */
		{ "a (b\nc", "a ( b|c", "" },
		/* blocks */
		{ "x { }", "x{}", "" },
		{ "x { a; b\nc }\nd", "x{a|b|c}|d", "" },
		{ "x { a } b", "x{a}|b", "" },
		{ "x { a }; b", "x{a}|b", "" },
		/* a statement that was complained about by the lexer */
		{ "a == b\nc", "a b!|c", "1:3: `==`: write `=` or `is`" },
		{ "==\nc", "c", "1:1: `==`: write `=` or `is`" },
		{ "x { == \n c }", "x{c}", "1:5: `==`: write `=` or `is`" },
		/* braces too few, too many */
		{ "}", "", "1:1: `}` without a `{` before it" },
		{ "a }\nb", "a|b", "1:3: `}` without a `{` before it" },
		{ "{ a }", "", "1:1: `{` without a name before it" },
		{ "x {", "x{}", "1:3: this block is never closed: its `}` is missing" },
		{ "x { a {", "x{a {}", "1:3: this block is never closed: its `}` is missing" },
		{ "x { a\nat y {\nb }", "x{a}|at y{b}",
		    "2:1: `}` is missing before this: the block of line 1 is still open" },
		{ "x { a in { b\nat y {\nc }", "x{a in { b}|at y{c}",
		    "2:1: `}` is missing before this: the block of line 1 is still open" },
		/* an open parenthesis hides no rule that follows */
		{ "x { accept if (a\nreject b\nmark c }", "x{accept if ( a|reject b|mark c}", "" },
		{ "x { a ) b ) c }", "x{a ) b ) c}", "" },
		{ "x { ) }", "x{)}", "" },
		{ "x { at }", "x{at}", "" },
		{ "x { at y", "x{at y}", "1:3: this block is never closed: its `}` is missing" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct loader *l = loader_new("t", cases[i].text);
		struct buf b;

		buf_init(&b, 1024);
		buf_addc(&b, '.');
		print(l->first, &b);
		if (strcmp(b.p + 1, cases[i].statements) != 0)
			fail_msg("%s\n%s", cases[i].text, b.p + 1);
		assert_string_equal(loader_said(l), cases[i].said);
		buf_free(&b);
		loader_free(&l);
	}
}

/* Every beginning of a text is a text: nothing is read behind its end. */
static void
test_every_beginning(void **state)
{
	static const char text[] = "trust 10.0.0.0/8,\n 192.0.2.1\nlist a { \"b\", file \"c\" }\n"
				   "at rcpt {\n reject 550 5.7.1 \"${x(\\\"y\\\")}\"\n"
				   "  if (a and not b) or c in { d, e }; score 2\n}\n}\n";

	for (size_t n = 0; n < sizeof text; n++) {
		char *cut = strndup(text, n);
		struct loader *l = loader_new("t", cut);

		if (l->first != NULL)
			assert_true(l->first->n > 0);
		loader_free(&l);
		free(cut);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statements),
		cmocka_unit_test(test_every_beginning),
	};

	return cmocka_run_group_tests_name("tree", tests, NULL, NULL);
}
