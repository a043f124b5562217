#include "rules/complaint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* --- printing ------------------------------------------------------------------------------------ */

static void
test_caret(void **state)
{
	static const struct {
		const char *text;
		unsigned line, column;
		const char *printed;
	} cases[] = {
		{ "abc", 1, 1, "t:1:1: error: x\n    abc\n    ^" },
		{ "abc", 1, 3, "t:1:3: error: x\n    abc\n      ^" },
		/* behind the last octet: what is missing there */
		{ "abc", 1, 4, "t:1:4: error: x\n    abc\n       ^" },
		{ "abc", 1, 5, "t:1:5: error: x\n    abc" },
		{ "a\nbc\r\nd", 2, 2, "t:2:2: error: x\n    bc\n     ^" },
		{ "a\n\nd", 2, 1, "t:2:1: error: x\n    \n    ^" },
		/* there is no such line */
		{ "a", 2, 1, "t:2:1: error: x" },
		/* a tab is one blank */
		{ "\t\ta", 1, 3, "t:1:3: error: x\n      a\n      ^" },
		/* two octets are one character */
		{ "\"\xc3\xa4\" b", 1, 6, "t:1:6: error: x\n    \"\xc3\xa4\" b\n        ^" },
		/* what is escaped is longer than it was */
		{ "\x1b b", 1, 3, "t:1:3: error: x\n    \\x1b b\n         ^" },
		{ "\xff b", 1, 3, "t:1:3: error: x\n    \\xff b\n         ^" },
		/* a byte order mark is no part of the line */
		{ "\xef\xbb\xbf"
		  "ab c",
		    1, 4, "t:1:4: error: x\n    ab c\n       ^" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct source source = { "t", STR("t"), str_of(cases[i].text) };
		struct token at = { .line = cases[i].line, .column = cases[i].column };
		struct complaints c = { 0 };
		char *printed;

		complain(&c, &source, &at, "x");
		printed = complaint_print(&c.item[0]);
		if (strcmp(printed, cases[i].printed) != 0)
			fail_msg("%zu:\n%s\nexpected:\n%s", i, printed, cases[i].printed);
		free(printed);
		complaints_free(&c);
	}
}

static void
test_without_a_place(void **state)
{
	struct source source = { "a\033b\n", STR("t"), STR("text") };
	struct remark about = { .source = &source, .lint = LINT_CONSTANT };
	struct complaints c = { 0 };
	char *printed;

	complain(&c, &source, NULL, "%s of %d", "all", 3);
	printed = complaint_print(&c.item[0]);
	assert_string_equal(printed, "a\\x1bb\\x0a: error: all of 3");
	free(printed);
	complain_softly(&c, &about, "odd");
	printed = complaint_print(&c.item[1]);
	assert_string_equal(printed, "a\\x1bb\\x0a: warning: odd");
	free(printed);
	assert_int_equal(c.errors, 1);
	complaints_free(&c);
	assert_int_equal(c.n, 0);
	assert_null(c.item);
}

/* A line that goes on and on: its beginning is shown, and the caret only when it is in that. */
static void
test_long_lines(void **state)
{
	char text[2001];
	struct source source = { "t", STR("t"), { text, 2000 } };
	struct token at = { .line = 1, .column = 1999 };
	struct complaints c = { 0 };
	char *printed;

	memset(text, 'x', sizeof text);
	complain(&c, &source, &at, "x");
	printed = complaint_print(&c.item[0]);
	assert_int_equal(strlen(printed), strlen("t:1:1999: error: x\n    ") + 400);
	free(printed);
	complaints_free(&c);
	/* each octet becomes four; still no caret elsewhere than under its token */
	memset(text, '\xff', sizeof text);
	at.column = 3;
	complain(&c, &source, &at, "x");
	printed = complaint_print(&c.item[0]);
	assert_int_equal(strlen(strrchr(printed, '\n')), strlen("\n    ") + 8 + 1);
	free(printed);
	complaints_free(&c);
}

static void
test_too_many(void **state)
{
	struct source source = { "t", STR("t"), STR("") };
	struct remark about = { .source = &source, .lint = LINT_CONSTANT };
	struct complaints c = { 0 };

	for (int i = 0; i < 3 * COMPLAINTS_MAX; i++)
		complain(&c, &source, NULL, "%d", i);
	assert_int_equal(c.n, COMPLAINTS_MAX + 1);
	assert_int_equal(c.errors, 3 * COMPLAINTS_MAX);
	assert_string_equal(c.item[COMPLAINTS_MAX - 1].text, "49");
	assert_string_equal(c.item[COMPLAINTS_MAX].text, "too many errors; the rest is not shown");
	for (int i = 0; i < 3 * COMPLAINTS_MAX; i++)
		complain_softly(&c, &about, "%d", i);
	assert_int_equal(c.n, 2 * COMPLAINTS_MAX);
	complaints_free(&c);
	/* so many warnings leave room for an error */
	for (int i = 0; i < 3 * COMPLAINTS_MAX; i++)
		complain_softly(&c, &about, "%d", i);
	complain(&c, &source, NULL, "this");
	assert_int_equal(c.n, 2 * COMPLAINTS_MAX + 1);
	assert_string_equal(c.item[2 * COMPLAINTS_MAX].text, "this");
	complaints_free(&c);
}

static void
test_order(void **state)
{
	struct source a = { "a", STR("a"), STR("") }, b = { "b", STR("b"), STR("") };
	static const struct {
		unsigned line, column;
	} at[] = { { 9, 1 }, { 0, 0 }, { 2, 7 }, { 2, 3 }, { 2, 7 }, { 1, 50 } };
	static const char *const sorted[] = { "5", "3", "2", "4", "0", "1", "b" };
	struct complaints c = { 0 };

	for (size_t i = 0; i < COUNT(at); i++) {
		struct token t = { .line = at[i].line, .column = at[i].column };

		complain(&c, &a, &t, "%zu", i);
	}
	complain(&c, &b, &(struct token){ .line = 1, .column = 1 }, "b");
	complaints_sort(&c);
	for (size_t i = 0; i < COUNT(sorted); i++)
		assert_string_equal(c.item[i].text, sorted[i]);
	complaints_free(&c);
}

/* --- did you mean -------------------------------------------------------------------------------- */

static void
test_suggestions(void **state)
{
	static const struct {
		const char *word, *candidates, *best; /* best NULL: none */
	} cases[] = {
		{ "sfp", "spf dkim", "spf" },  /* swapped */
		{ "sp", "spf dkim", "spf" },   /* one missing */
		{ "spff", "spf dkim", "spf" }, /* one too many */
		{ "spx", "spf dkim", "spf" },  /* one wrong */
		{ "SPF", "spf", "spf" },       /* case counts for nothing */
		{ "sxx", "spf", NULL },        /* two of three are too many */
		{ "hostnaem", "hostname", "hostname" },
		{ "hstnam", "hostname", "hostname" }, /* two of six */
		{ "hstna", "hostname", NULL },
		{ "greylistiing", "greylist greylisting", "greylisting" },
		{ "abcdefghijkl", "abcdefghiXYZ", "abcdefghiXYZ" }, /* three at most */
		{ "abcdefghijklmno", "abcdefghijkWXYZ", NULL },
		{ "ab", "cab abc", "cab" },      /* the first of those as near */
		{ "abcd", "abxd abcd", "abxd" }, /* the word itself is no suggestion */
		{ "x", "a b", "a" },
		{ "spf", "", NULL },
		/* nobody mistypes a word of more than 40 letters */
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab",
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL },
		{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", NULL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str rest = str_of(cases[i].candidates), one;
		struct suggestion s;
		char expected[100] = "";

		suggest_begin(&s, str_of(cases[i].word));
		while (str_pop(&rest, ' ', &one))
			suggest(&s, one);
		if (cases[i].best)
			snprintf(expected, sizeof expected, "; " MEND "did you mean `%s`?",
			    cases[i].best);
		if (strcmp(suggest_end(&s), expected) != 0)
			fail_msg("%s: %s", cases[i].word, s.text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_caret),
		cmocka_unit_test(test_without_a_place),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_suggestions),
	};

	return cmocka_run_group_tests_name("complaint", tests, NULL, NULL);
}
