#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct str nothing;

static void
test_equality(void **state)
{
	static const struct {
		const char *a, *b;
		bool same, same_without_case;
	} cases[] = {
		{ "", "", true, true },
		{ "a", "a", true, true },
		{ "a", "A", false, true },
		{ "a", "b", false, false },
		{ "a", "ab", false, false },
		{ "[", "{", false, false },
		{ "@", "`", false, false },
		{ "\xc4", "\xe4", false, false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str a = str_of(cases[i].a), b = str_of(cases[i].b);

		assert_int_equal(str_eq(a, b), cases[i].same);
		assert_int_equal(str_eqcase(a, b), cases[i].same_without_case);
		assert_int_equal(str_eqcase(b, a), cases[i].same_without_case);
	}
	assert_true(str_eq(nothing, STR("")));
	assert_true(str_eqcase(nothing, nothing));
}

static void
test_starts_and_ends(void **state)
{
	assert_true(str_starts(STR("RCPT TO:"), STR("RCPT")));
	assert_false(str_starts(STR("rcpt"), STR("RCPT")));
	assert_true(str_startscase(STR("rcpt"), STR("RCPT")));
	assert_false(str_starts(STR("RC"), STR("RCPT")));
	assert_true(str_starts(STR("x"), STR("")));
	assert_true(str_starts(nothing, nothing));
	assert_true(str_ends(STR("a.example"), STR(".example")));
	assert_false(str_ends(STR("a.Example"), STR(".example")));
	assert_true(str_endscase(STR("a.Example"), STR(".example")));
	assert_false(str_endscase(STR("e"), STR(".example")));
	assert_true(str_ends(nothing, STR("")));
}

static void
test_order(void **state)
{
	static const struct {
		const char *a, *b;
		int sign;
	} cases[] = {
		{ "", "", 0 },
		{ "", "a", -1 },
		{ "a", "ab", -1 },
		{ "b", "ab", 1 },
		{ "a", "\xff", -1 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		int order = str_cmp(str_of(cases[i].a), str_of(cases[i].b));
		int back = str_cmp(str_of(cases[i].b), str_of(cases[i].a));

		assert_int_equal((order > 0) - (order < 0), cases[i].sign);
		assert_int_equal((back > 0) - (back < 0), -cases[i].sign);
	}
}

static void
test_finds(void **state)
{
	assert_int_equal(str_find(STR("a.b.c"), '.'), 1);
	assert_int_equal(str_rfind(STR("a.b.c"), '.'), 3);
	assert_true(str_find(STR("abc"), '.') == STR_NPOS);
	assert_true(str_rfind(STR("abc"), '.') == STR_NPOS);
	assert_true(str_find(nothing, '.') == STR_NPOS);
	assert_true(str_rfind(nothing, '.') == STR_NPOS);
	/* Not the NUL behind a literal. */
	assert_true(str_find(STR("abc"), '\0') == STR_NPOS);
}

static void
test_sub_stays_inside(void **state)
{
	static const struct {
		size_t from, to;
		const char *part;
	} cases[] = {
		{ 0, 5, "hello" },
		{ 1, 3, "el" },
		{ 0, 99, "hello" },
		{ 5, 5, "" },
		{ 6, 9, "" },
		{ 3, 1, "" },
		{ 2, STR_NPOS, "llo" },
		{ STR_NPOS, STR_NPOS, "" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_true(str_eq(
		    str_sub(STR("hello"), cases[i].from, cases[i].to), str_of(cases[i].part)));
	assert_null(str_sub(nothing, 3, 9).p);
}

static void
test_trims(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },
		{ " \t\r\n", "" },
		{ " a b\r\n", "a b" },
		{ "a", "a" },
		{ "\va", "\va" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_true(str_eq(str_trim(str_of(cases[i][0])), str_of(cases[i][1])));
	assert_int_equal(str_trim(nothing).n, 0);
}

static void
test_pops(void **state)
{
	static const struct {
		const char *text;
		const char *parts[4];
	} cases[] = {
		{ "", { "" } },
		{ "a", { "a" } },
		{ "a,b", { "a", "b" } },
		{ ",", { "", "" } },
		{ "a,,b", { "a", "", "b" } },
		{ "a,", { "a", "" } },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str rest = str_of(cases[i].text), part;
		size_t n = 0;

		while (str_pop(&rest, ',', &part)) {
			assert_non_null(cases[i].parts[n]);
			assert_true(str_eq(part, str_of(cases[i].parts[n])));
			n++;
		}
		assert_null(cases[i].parts[n]);
		assert_null(part.p);
	}
}

static void
test_numbers(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		bool ok;
		uint64_t value;
	} cases[] = {
		{ "0", 0, true, 0 },
		{ "1", 0, false, 0 },
		{ "", 9, false, 0 },
		{ "007", 9, true, 7 },
		{ "255", 255, true, 255 },
		{ "256", 255, false, 0 },
		{ "9", 5, false, 0 },
		{ "+1", 9, false, 0 },
		{ "-1", 9, false, 0 },
		{ " 1", 9, false, 0 },
		{ "1x", 9, false, 0 },
		{ "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, false, 0 },
		{ "99999999999999999999999", UINT64_MAX, false, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t value = 0;

		assert_int_equal(
		    str_to_u64(str_of(cases[i].text), cases[i].max, &value), cases[i].ok);
		assert_true(value == cases[i].value);
	}
}

static void
test_copies(void **state)
{
	char out[4] = "zzz";

	assert_true(str_copy(STR("abc"), out, sizeof(out)));
	assert_string_equal(out, "abc");
	assert_false(str_copy(STR("abcd"), out, sizeof(out)));
	assert_string_equal(out, "");
	assert_false(str_copy(STR("a\0b"), out, sizeof(out)));
	assert_string_equal(out, "");
	assert_true(str_copy(nothing, out, 1));
	assert_string_equal(out, "");
	assert_false(str_copy(nothing, out, 0));
}

static void
test_classes(void **state)
{
	for (int c = -128; c < 128; c++) {
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		bool digit = c >= '0' && c <= '9';

		assert_int_equal(ascii_isalpha((char)c), letter);
		assert_int_equal(ascii_isdigit((char)c), digit);
		assert_int_equal(ascii_isalnum((char)c), letter || digit);
		assert_int_equal(ascii_lower((char)c), c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equality),
		cmocka_unit_test(test_starts_and_ends),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_finds),
		cmocka_unit_test(test_sub_stays_inside),
		cmocka_unit_test(test_trims),
		cmocka_unit_test(test_pops),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_classes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
