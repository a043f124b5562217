#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void
test_adds_up_to_the_maximum(void **state)
{
	struct buf b;

	buf_init(&b, 8);
	assert_true(str_eq(buf_str(&b), STR("")));
	assert_true(buf_add(&b, STR("hello")));
	assert_true(buf_addc(&b, '!'));
	assert_true(buf_add(&b, STR("12")));
	assert_int_equal(b.n, 8);
	assert_string_equal(b.p, "hello!12");
	assert_true(buf_add(&b, STR("")));
	assert_false(b.over);
	buf_free(&b);
}

static void
test_adds_nothing_of_what_does_not_fit(void **state)
{
	struct buf b;

	buf_init(&b, 4);
	assert_true(buf_add(&b, STR("abc")));
	assert_false(buf_add(&b, STR("de")));
	assert_true(b.over);
	assert_string_equal(b.p, "abc");
	/* What fits still goes in, but the buffer stays marked. */
	assert_true(buf_addc(&b, 'x'));
	assert_false(buf_addc(&b, 'y'));
	assert_true(b.over);
	assert_string_equal(b.p, "abcx");
	buf_clear(&b);
	assert_false(b.over);
	assert_string_equal(b.p, "");
	assert_true(buf_add(&b, STR("1234")));
	buf_free(&b);
}

static void
test_prints(void **state)
{
	struct buf b;

	buf_init(&b, 10);
	assert_true(buf_printf(&b, "%d-%s", 42, "abc"));
	assert_string_equal(b.p, "42-abc");
	assert_false(buf_printf(&b, "%05d", 1));
	assert_true(b.over);
	assert_string_equal(b.p, "42-abc");
	assert_true(buf_printf(&b, "%04d", 1));
	assert_string_equal(b.p, "42-abc0001");
	assert_true(buf_printf(&b, "%s", ""));
	buf_free(&b);
	assert_null(b.p);
	assert_int_equal(b.max, 10);
}

static void
test_drops_from_the_front(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	buf_drop(&b, 0);
	buf_add(&b, STR("hello"));
	buf_drop(&b, 0);
	buf_drop(&b, 2);
	assert_string_equal(b.p, "llo");
	assert_int_equal(b.n, 3);
	buf_drop(&b, 3);
	assert_string_equal(b.p, "");
	buf_free(&b);
}

static void
test_grows(void **state)
{
	struct buf b;

	buf_init(&b, 100000);
	for (int i = 0; i < 100000; i++)
		assert_true(buf_addc(&b, (char)('a' + i % 26)));
	assert_false(buf_addc(&b, 'x'));
	for (int i = 0; i < 100000; i++)
		assert_int_equal(b.p[i], 'a' + i % 26);
	assert_true(b.cap <= b.max + 1);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_adds_up_to_the_maximum),
		cmocka_unit_test(test_adds_nothing_of_what_does_not_fit),
		cmocka_unit_test(test_prints),
		cmocka_unit_test(test_drops_from_the_front),
		cmocka_unit_test(test_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
