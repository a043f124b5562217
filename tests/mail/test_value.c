#include "mail/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct str two[] = { STR("a"), STR("b \"c\"") };

static struct value
number_of(enum value_type type, int64_t number)
{
	return (struct value){ .type = type, .number = number };
}

static struct value
real_of(double real)
{
	return (struct value){ .type = VALUE_REAL, .real = real };
}

static struct value
list_of(size_t n)
{
	return (struct value){ .type = VALUE_LIST, .list = { two, n } };
}

static struct value
ip_of(const char *text)
{
	struct value v = { .type = VALUE_IP };

	assert_true(ip_parse(str_of(text), &v.ip));
	return v;
}

static void
test_prints(void **state)
{
	const struct {
		struct value value;
		const char *text, *json;
	} cases[] = {
		{ { .type = VALUE_NONE }, "", "null" },
		{ value_bool(true), "yes", "true" },
		{ value_bool(false), "no", "false" },
		{ value_number(-5), "-5", "-5" },
		{ value_number(INT64_MIN), "-9223372036854775808", "-9223372036854775808" },
		{ real_of(0.5), "0.5", "0.5" },
		{ real_of(0.1), "0.1", "0.1" },
		{ real_of(1.0 / 3), "0.333333", "0.33333333333333331" },
		{ real_of(1e300), "1e+300", "1e+300" },
		{ real_of(1.0 / 0.0), "inf", "null" },
		{ number_of(VALUE_DURATION, 0), "0s", "0" },
		{ number_of(VALUE_DURATION, 300), "5m", "300" },
		{ number_of(VALUE_DURATION, 5400), "1h30m", "5400" },
		{ number_of(VALUE_DURATION, 36 * 86400), "36d", "3110400" },
		{ number_of(VALUE_DURATION, 90061), "1d1h1m1s", "90061" },
		{ number_of(VALUE_DURATION, -61), "-1m1s", "-61" },
		{ value_text(STR("a\"b\\")), "a\"b\\", "\"a\\\"b\\\\\"" },
		{ value_text((struct str){ 0 }), "", "\"\"" },
		{ value_symbol("softfail"), "softfail", "\"softfail\"" },
		{ ip_of("192.0.2.1"), "192.0.2.1", "\"192.0.2.1\"" },
		{ ip_of("2001:DB8::1"), "2001:db8::1", "\"2001:db8::1\"" },
		{ list_of(0), "", "[]" },
		{ list_of(2), "a, b \"c\"", "[\"a\",\"b \\\"c\\\"\"]" },
	};
	struct buf out;

	buf_init(&out, 1024);
	for (size_t i = 0; i < COUNT(cases); i++) {
		buf_clear(&out);
		value_print(&cases[i].value, &out);
		assert_true(str_eq(buf_str(&out), str_of(cases[i].text)));
		buf_clear(&out);
		value_json(&cases[i].value, &out);
		assert_true(str_eq(buf_str(&out), str_of(cases[i].json)));
	}
	buf_free(&out);
}

static void
test_equality(void **state)
{
	const struct value all[] = {
		{ .type = VALUE_NONE },
		value_bool(false),
		value_bool(true),
		value_number(0),
		value_number(1),
		number_of(VALUE_DURATION, 1),
		real_of(0),
		real_of(0.5),
		value_text(STR("")),
		value_text(STR("a")),
		value_text(STR("A")),
		value_symbol("a"),
		ip_of("192.0.2.1"),
		ip_of("192.0.2.2"),
		list_of(0),
		list_of(1),
		list_of(2),
	};

	for (size_t i = 0; i < COUNT(all); i++)
		for (size_t k = 0; k < COUNT(all); k++)
			assert_int_equal(value_eq(&all[i], &all[k]), i == k);
}

static void
test_type_names(void **state)
{
	for (enum value_type type = VALUE_NONE; type <= VALUE_LIST; type++)
		assert_string_not_equal(value_type_name(type), "unknown");
	assert_string_equal(value_type_name(VALUE_NUMBER), "number");
	assert_string_equal(value_type_name((enum value_type)99), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prints),
		cmocka_unit_test(test_equality),
		cmocka_unit_test(test_type_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
