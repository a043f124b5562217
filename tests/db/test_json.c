#include "db/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int
setup(void **state)
{
	*state = arena_new(1 << 20);
	return 0;
}

static int
teardown(void **state)
{
	arena_free((struct arena **)state);
	return 0;
}

struct good {
	const char *text, *again; /* again: as json_write() writes it */
};

static const struct good goods[] = {
	{ "null", "null" },
	{ " true ", "true" },
	{ "false", "false" },
	{ "0", "0" },
	{ "-12.50e+3", "-12.50e+3" },
	{ "\"\"", "\"\"" },
	{ "[]", "[]" },
	{ "{ }", "{}" },
	{ "[1, 2,[3],{}]", "[1,2,[3],{}]" },
	{ "{\"a\" : 1 , \"b\":[null]}", "{\"a\":1,\"b\":[null]}" },
	{ "\"\\\"\\\\\\/\\n\"", "\"\\\"\\\\/\\n\"" },
	{ "\"\\u0041\\u00e4\\u20ac\\ud83d\\ude00\"", "\"A\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"" },
	{ "\"\\ud83d\"", "\"\xef\xbf\xbd\"" },
	{ "\"\\ud83d\\u0041\"",
	    "\"\xef\xbf\xbd"
	    "A\"" },
	{ "\"\\u001b[31m\"", "\"\\u001b[31m\"" },
	{ "\"\xff\"", "\"\\u00ff\"" },
	{ "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]" },
};

static void
test_good(void **state)
{
	for (size_t i = 0; i < sizeof(goods) / sizeof(goods[0]); i++) {
		struct err e;
		const struct json *v = json_parse(*state, str_of(goods[i].text), &e);
		struct buf b;

		if (v == NULL)
			fail_msg("%s: %s", goods[i].text, e.text);
		buf_init(&b, 1000);
		json_write(v, &b);
		assert_string_equal(b.p, goods[i].again);
		buf_free(&b);
	}
}

struct bad {
	const char *text, *why;
};

static const struct bad bads[] = {
	{ "", "no value, at octet 0" },
	{ "  ", "no value, at octet 2" },
	{ "nul", "no value, at octet 0" },
	{ "01", "no value, at octet 0" },
	{ "-", "no value, at octet 0" },
	{ "1.", "a number without digits behind its point, at octet 0" },
	{ "1e+", "a number without digits in its exponent, at octet 0" },
	{ "1 2", "more text behind the value, at octet 2" },
	{ "\"a", "a string without its end, at octet 1" },
	{ "\"a\\", "a string without its end, at octet 1" },
	{ "\"a\\\"", "a string without its end, at octet 1" },
	{ "\"\\x\"", "an unknown escape, at octet 3" },
	{ "\"\\u12g4\"", "\\u without four digits, at octet 3" },
	{ "\"\\u12\"", "\\u without four digits, at octet 3" },
	{ "\"a\nb\"", "a control character in a string, at octet 2" },
	{ "[1", "no end of an array or object, at octet 2" },
	{ "[1,", "no value, at octet 3" },
	{ "[1,]", "no value, at octet 3" },
	{ "{1:2}", "a member without its name, at octet 1" },
	{ "{\"a\" 1}", "a name without its colon, at octet 5" },
	{ "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]", "too deep, at octet 17" },
};

static void
test_bad(void **state)
{
	for (size_t i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
		char want[200];
		struct err e = { 0 };

		assert_null(json_parse(*state, str_of(bads[i].text), &e));
		snprintf(want, sizeof(want), "no JSON: %s", bads[i].why);
		assert_string_equal(e.text, want);
	}
}

static void
test_too_many(void **state)
{
	struct err e = { 0 };
	size_t n = 2 * (JSON_VALUES + 1);
	char *text = malloc(n);

	for (size_t i = 0; i < n; i += 2)
		memcpy(text + i, "1,", 2);
	text[0] = '[';
	text[1] = '1';
	text[2] = ',';
	assert_null(json_parse(*state, (struct str){ text, n }, &e));
	assert_non_null(strstr(e.text, "JSON"));
	free(text);
}

static void
test_looking(void **state)
{
	const struct json *v = json_parse(*state,
	    STR("{\"s\":\"text\",\"n\":-42,\"t\":true,\"f\":false,\"o\":{\"n\":9223372036854775808}}"),
	    NULL);

	assert_non_null(v);
	assert_true(str_eq(json_text(v, "s"), STR("text")));
	assert_true(str_eq(json_text(v, "n"), STR("-42")));
	assert_int_equal(json_text(v, "o").n, 0);
	assert_int_equal(json_text(v, "none").n, 0);
	assert_int_equal(json_number(v, "n"), -42);
	assert_int_equal(json_number(v, "s"), 0);
	assert_int_equal(json_number(json_get(v, "o"), "n"), INT64_MAX);
	assert_true(json_yes(v, "t"));
	assert_false(json_yes(v, "f"));
	assert_false(json_yes(v, "s"));
	assert_null(json_get(v, "none"));
	assert_null(json_get(json_get(v, "s"), "x"));
	assert_null(json_get(NULL, "x"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_good, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_looking, setup, teardown),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
