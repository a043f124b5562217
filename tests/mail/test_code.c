#include "mail/code.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_codes_are_found(void **state)
{
	static const struct {
		const char *text, *title;
	} cases[] = {
		{ "451", "not now" },
		{ "250", "done" },
		{ "5.7.23", "SPF says no" },
		{ "4.7.23", "SPF says no" },
		{ "X.7.23", "SPF says no" },
		{ "5.1.10", "recipient's domain takes no mail" },
		{ "7.23", NULL },
		{ "5.451", NULL },
		{ "5.7.33", NULL },
		{ "3.7.1", NULL },
		{ "459", NULL },
		{ "", NULL },
		{ "5.", NULL },
		{ "5.7.2", "list not for everybody" },
		{ "5.7.230", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct code *code = code_find(str_of(cases[i].text));

		if (cases[i].title == NULL)
			assert_null(code);
		else
			assert_string_equal(code->title, cases[i].title);
	}
}

static void
test_what_looks_like_a_code(void **state)
{
	static const char *const codes[] = { "451", "999", "5.7.23", "5.7", "4.9.99", "X.7.1" };
	static const char *const none[] = { "", "45", "4511", "k3f9x2", "5.7.x", "spf", "7.23",
		"5." };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		assert_true(code_looks_like(str_of(codes[i])));
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(code_looks_like(str_of(none[i])));
}

static void
is_sentence(const char *text)
{
	size_t n = strlen(text);

	assert_true(n > 5);
	assert_true(text[n - 1] == '.');
	assert_null(strstr(text, "  "));
}

/* By subject and detail, or as plain numbers. */
static int
rank(const char *code)
{
	int subject = 0, detail = 0;

	if (code[1] != '.')
		return atoi(code) - 1000;
	assert_int_equal(sscanf(code, "%d.%d", &subject, &detail), 2);
	return subject * 100 + detail;
}

static void
test_all_are_explained_once_in_order(void **state)
{
	const struct code *code;
	int last = -1000;

	for (size_t i = 0; (code = code_at(i)) != NULL; i++) {
		assert_true(rank(code->code) > last);
		last = rank(code->code);
		assert_true(code->title[0] != '\0');
		is_sentence(code->about.meaning);
		is_sentence(code->about.sender);
		is_sentence(code->about.admin);
	}
	assert_true(last == 730);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_codes_are_found),
		cmocka_unit_test(test_what_looks_like_a_code),
		cmocka_unit_test(test_all_are_explained_once_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
