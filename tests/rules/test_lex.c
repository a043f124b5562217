#include "rules/lex.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules/complaint.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* What each kind is in a case's expectation. */
static const char kinds[] = "$nwt{}(),;=!<lgG?";

/* "w1:1 t1:3": kind, line and column of each token; the end is left out. */
static const char *
shape(struct lexer *lexer)
{
	static char out[512];
	size_t n = 0;
	struct token t;

	out[0] = '\0';
	while ((t = lexer_next(lexer)).kind != TOKEN_END)
		n += (size_t)snprintf(out + n, sizeof out - n, "%s%c%u:%u", n ? " " : "",
		    kinds[t.kind], t.line, t.column);
	return out;
}

static void
test_tokens(void **state)
{
	static const struct {
		const char *text, *shape, *complaint;
	} cases[] = {
		{ "", "", NULL },
		{ " \t\r", "", NULL },
		{ "a b", "w1:1 w1:3", NULL },
		{ "a\n\nb", "w1:1 n1:2 n2:1 w3:1", NULL },
		{ "a\r\nb", "w1:1 n1:3 w2:1", NULL },
		{ "a# b\n#c", "w1:1 n1:5", NULL },
		{ "\xef\xbb\xbf"
		  "a",
		    "w1:1", NULL },
		{ "a\xef\xbb\xbf", "w1:1 ?1:2",
		    "`\\u{feff}` has no meaning here; texts stand in double quotes" },
		{ "{}(),;", "{1:1 }1:2 (1:3 )1:4 ,1:5 ;1:6", NULL },
		{ "a=b!=c<d<=e>f>=g",
		    "w1:1 =1:2 w1:3 !1:4 w1:6 <1:7 w1:8 l1:9 w1:11 g1:12 w1:13 "
		    "G1:14 w1:16",
		    NULL },
		{ "1.5/24-x_y:z%*+", "w1:1", NULL },
		{ "\"a b\"c", "t1:1 w1:6", NULL },
		{ "\"\"\"\"", "t1:1 t1:3", NULL },
		{ "\"a\\\"b\\\\\" c", "t1:1 w1:10", NULL },
		{ "\"# {\"", "t1:1", NULL },
		{ "<", "<1:1", NULL },
		{ ">", "g1:1", NULL },
		/* with a complaint: the rest is read all the same */
		{ "\"a\nb", "?1:1 n1:3 w2:1",
		    "this text never ends: its closing quote is missing on this line" },
		{ "\"", "?1:1", "this text never ends: its closing quote is missing on this line" },
		{ "\"\\\"", "?1:1",
		    "this text never ends: its closing quote is missing on this line" },
		{ "\"a\\\nb", "?1:1 n1:4 w2:1",
		    "this text never ends: its closing quote is missing on this line" },
		{ "\"a\\n\" b", "?1:1 w1:7",
		    "in a text, write \\\\ for a backslash and \\\" for a quote" },
		{ "\"a\tb\" c", "?1:1 w1:7", "a text holds no control characters" },
		{ "\"a\x7f\" c", "?1:1 w1:6", "a text holds no control characters" },
		{ "a == b", "w1:1 ?1:3 w1:6", "`==`: write `=` or `is`" },
		{ "a <> b", "w1:1 ?1:3 w1:6", "`<>`: write `!=` or `is not`" },
		{ "!a", "?1:1 w1:2", "`!`: write `not`" },
		{ "!", "?1:1", "`!`: write `not`" },
		{ "a|b", "w1:1 ?1:2 w1:3", "`|`: write `or`" },
		{ "a&&b", "w1:1 ?1:2 w1:4", "`&&`: write `and`" },
		{ "a&|b", "w1:1 ?1:2 ?1:3 w1:4", "`&`: write `and`" },
		{ "'a b' c", "?1:1 w1:7", "texts stand in double quotes: \"like this\"" },
		{ "'a\nb' c", "?1:1 w1:2 n1:3 w2:1 ?2:2 w2:4",
		    "texts stand in double quotes: \"like this\"" },
		{ "'", "?1:1", "texts stand in double quotes: \"like this\"" },
		{ "a \xc3\xa4 b", "w1:1 ?1:3 w1:6",
		    "`\xc3\xa4` has no meaning here; texts stand in double quotes" },
		{ "$a", "?1:1 w1:2", "`$` has no meaning here; texts stand in double quotes" },
		{ "\\\"a", "?1:1 ?1:2",
		    "`\\x5c` has no meaning here; texts stand in double quotes" },
		/* no character is longer than four octets */
		{ "\xf0\x80\x80\x80\x80", "?1:1 ?1:5",
		    "`\\xf0\\x80\\x80\\x80` has no meaning here; texts stand in double quotes" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct source source = { "t", STR("t"), str_of(cases[i].text) };
		struct complaints c = { 0 };
		struct lexer lexer;
		const char *found;

		lexer_init(&lexer, &source, &c);
		found = shape(&lexer);
		if (strcmp(found, cases[i].shape) != 0)
			fail_msg("%zu: %s: %s", i, cases[i].text, found);
		if ((c.n > 0) != (cases[i].complaint != NULL))
			fail_msg("%zu: %s: %s", i, cases[i].text, c.n ? c.item[0].text : "nothing");
		if (c.n > 0)
			assert_string_equal(c.item[0].text, cases[i].complaint);
		complaints_free(&c);
	}
}

/* A NUL is no end of anything. */
static void
test_nul(void **state)
{
	struct source source = { "t", STR("t"), STR("a\0b \"c\0\"") };
	struct complaints c = { 0 };
	struct lexer lexer;

	lexer_init(&lexer, &source, &c);
	assert_string_equal(shape(&lexer), "w1:1 ?1:2 w1:3 ?1:5");
	assert_int_equal(c.n, 2);
	assert_string_equal(
	    c.item[0].text, "`\\x00` has no meaning here; texts stand in double quotes");
	assert_string_equal(c.item[1].text, "a text holds no control characters");
	/* of a text, the column is that of what is wrong in it */
	assert_int_equal(c.item[1].column, 7);
	complaints_free(&c);
}

/* Inside of ${}: the columns are those of the file, quotes are written \" and # is no comment. */
static void
test_inside_of_a_text(void **state)
{
	static const char text[] = "x\n  \"ab ${listed(\\\"a.b\\\") # } c\"";
	struct source source = { "t", STR("t"), str_of(text) };
	struct arena *arena = arena_new(SIZE_MAX);
	struct complaints c = { 0 };
	struct lexer whole, inner;
	struct token t;

	lexer_init(&whole, &source, &c);
	do
		t = lexer_next(&whole);
	while (t.kind != TOKEN_TEXT);
	assert_int_equal(c.n, 0);
	lexer_init_text(&inner, &whole, &t, 5);
	t = lexer_next(&inner);
	assert_true(token_is(&t, "listed"));
	assert_int_equal(t.line, 2);
	assert_int_equal(t.column, 9);
	assert_int_equal(lexer_next(&inner).kind, TOKEN_LEFT);
	t = lexer_next(&inner);
	assert_int_equal(t.kind, TOKEN_TEXT);
	assert_true(str_eq(token_value(&t, arena), STR("a.b")));
	assert_string_equal(shape(&inner), ")2:23 ?2:25 }2:27 w2:29");
	assert_int_equal(c.n, 1);
	complaints_free(&c);
	/* the text's end is an end, quoted or not */
	source.text = STR("\"${a(\\\"b\"");
	lexer_init(&whole, &source, &c);
	t = lexer_next(&whole);
	assert_int_equal(t.kind, TOKEN_TEXT);
	lexer_init_text(&inner, &whole, &t, 2);
	assert_string_equal(shape(&inner), "w1:4 (1:5 ?1:6");
	assert_string_equal(
	    c.item[0].text, "this text never ends: its closing quote is missing on this line");
	complaints_free(&c);
	arena_free(&arena);
}

static void
test_value_and_show(void **state)
{
	char raw[200], expected[TOKEN_SHOWN];
	struct arena *arena = arena_new(SIZE_MAX);
	struct token t = { .kind = TOKEN_TEXT, .text = STR("a\\\"b\\\\c") };
	struct str value = token_value(&t, arena);

	assert_true(str_eq(value, STR("a\"b\\c")));
	assert_string_equal(SHOW(&t), "\"a\\x22b\\x5cc\"");
	t.text = STR("");
	assert_int_equal(token_value(&t, arena).n, 0);
	assert_string_equal(SHOW(&t), "\"\"");
	t = (struct token){ .kind = TOKEN_WORD, .text = STR("w") };
	assert_string_equal(SHOW(&t), "`w`");
	t.kind = TOKEN_END;
	assert_string_equal(SHOW(&t), "the end of the line");
	t.kind = TOKEN_NEWLINE;
	assert_string_equal(SHOW(&t), "the end of the line");
	/* what is long is cut, whatever it is made of */
	memset(raw, 'x', sizeof raw);
	t = (struct token){ .kind = TOKEN_WORD, .text = { raw, sizeof raw } };
	snprintf(expected, sizeof expected, "`%.84s...`", raw);
	assert_string_equal(SHOW(&t), expected);
	memset(raw, '\\', sizeof raw);
	t.kind = TOKEN_TEXT;
	assert_in_range(strlen(SHOW(&t)), 80, TOKEN_SHOWN - 1);
	/* a word is a word only without quotes */
	t = (struct token){ .kind = TOKEN_TEXT, .text = STR("on") };
	assert_false(token_is(&t, "on"));
	t.kind = TOKEN_WORD;
	assert_true(token_is(&t, "on"));
	assert_false(token_is(&t, "o"));
	assert_false(token_is(&t, "On"));
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_inside_of_a_text),
		cmocka_unit_test(test_value_and_show),
	};

	return cmocka_run_group_tests_name("lex", tests, NULL, NULL);
}
