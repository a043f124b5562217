#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "filters/mime_field.h"

static int
setup(void **state)
{
	mime_field_start();
	*state = arena_new(1 << 20);
	return 0;
}

static int
teardown(void **state)
{
	arena_free((struct arena **)state);
	return 0;
}

#define assert_str(value, expected) \
	do { \
		struct str got_ = (value); \
		if (!str_eq(got_, str_of(expected))) \
			fail_msg("\"%.*s\" is not \"%s\"", STR_ARG(got_), (expected)); \
	} while (0)

static void
test_text(void **state)
{
	static const struct {
		const char *raw, *text;
	} cases[] = {
		{ " plain", "plain" },
		{ " two\r\n\tlines", "two lines" },
		{ " =?utf-8?q?h=C3=A4?= =?UTF-8?B?w6Q=?= x", "hää x" },
		{ " =?iso-8859-1?Q?h=E4?=", "hä" },
		{ " =?iso-2022-jp?B?GyRCJUYlOSVIGyhC?=", "テスト" },
		{ " =?x-nobody-knows?q?abc?=", "abc" },
		/* octets that are no text, and such as would do harm on a terminal */
		{ " =?utf-8?q?a=00b=1B=5Bc=0D=0Ad?=", "a?b?[c??d" },
		{ " =?utf-8?q?a=C2=9Bb?=", "a??b" },
		{ " =?broken", "=?broken" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str text = mime_field_text(*state, str_of(cases[i].raw));

		if (!str_eq(text, str_of(cases[i].text)))
			fail_msg("%zu: \"%.*s\" is not \"%s\"", i, STR_ARG(text), cases[i].text);
	}
}

static void
test_a_long_text_is_cut(void **state)
{
	size_t n = 3 * MIME_VALUE_MAX;
	char *raw = malloc(n);

	memset(raw, 'x', n);
	assert_int_equal(mime_field_text(*state, (struct str){ raw, n }).n, MIME_VALUE_MAX);
	free(raw);
}

static void
test_type(void **state)
{
	static const struct {
		const char *value, *word, *boundary[3], *name[3];
		bool repeated;
	} cases[] = {
		{ "TEXT/Plain; charset=x", "text/plain", {}, {}, false },
		{ "multipart/mixed; boundary=\"a b\"", "multipart/mixed", { "a b" }, {}, false },
		{ "multipart/mixed;\r\n\tBoundary=a;\r\n boundary=b", "multipart/mixed",
		    { "a", "b" }, {}, true },
		{ "multipart/mixed; boundary=(a comment)a", "multipart/mixed", { "a" }, {}, false },
		{ "multipart/mixed; boundary=\"a \"", "multipart/mixed", { "a" }, {}, false },
		{ "a/b; name=\"=?utf-8?q?h=C3=A4?=.exe\"", "a/b", {}, { "hä.exe" }, false },
		{ "a/b; name*=utf-8''%e2%82%ac.exe; name=x.txt", "a/b", {}, { "€.exe", "x.txt" },
		    true },
		{ "a/b; name*0=\"a\"; name*1=\"b.exe\"", "a/b", {}, { "ab.exe" }, false },
		{ "a/b; name=a b.exe", "a/b", {}, { "a b.exe" }, false },
		{ "a/b; filename=\"x\ty\"", "a/b", {}, { "x y" }, false },
		{ "text", "", {}, {}, false },
		{ "", "", {}, {}, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mime_field field;

		mime_field_type(*state, str_of(cases[i].value), &field);
		assert_str(field.word, cases[i].word);
		for (size_t k = 0; k < 3 && cases[i].boundary[k]; k++)
			assert_str(field.boundary[k], cases[i].boundary[k]);
		for (size_t k = 0; k < 3 && cases[i].name[k]; k++)
			assert_str(field.name[k], cases[i].name[k]);
		assert_int_equal(field.repeated, cases[i].repeated);
	}
}

static void
test_disposition(void **state)
{
	struct mime_field field;

	mime_field_disposition(
	    *state, STR(" Attachment; filename=a.exe; filename=\"b.txt\""), &field);
	assert_str(field.word, "attachment");
	assert_int_equal(field.n_names, 2);
	assert_str(field.name[0], "a.exe");
	assert_str(field.name[1], "b.txt");
	assert_true(field.repeated);
	mime_field_disposition(*state, STR(""), &field);
	assert_int_equal(field.n_names, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_long_text_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_type, setup, teardown),
		cmocka_unit_test_setup_teardown(test_disposition, setup, teardown),
	};

	return cmocka_run_group_tests_name("filters/mime_field", tests, NULL, NULL);
}
