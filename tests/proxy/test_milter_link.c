#include "proxy/milter_link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct {
	const char *name;
	struct link_frame frame;
} frames[] = {
	{ "no field", { .type = LINK_EOH } },
	{ "one", { LINK_HELO, 1, { { "mail.test", 9 } } } },
	{ "an empty one between", { LINK_MAIL, 3, { { "<>", 2 }, { "", 0 }, { "12", 2 } } } },
	{ "all of them",
	    { LINK_CONNECT, 4, { { "n", 1 }, { "::1", 3 }, { "25", 2 }, { "", 0 } } } },
	{ "any octet", { LINK_BODY, 1, { { "\0\r\n\xff", 4 } } } },
};

static void
assert_same(const struct link_frame *a, const struct link_frame *b)
{
	assert_int_equal(a->type, b->type);
	assert_int_equal(a->n, b->n);
	for (size_t i = 0; i < a->n; i++)
		assert_true(str_eq(a->field[i], b->field[i]));
}

static void
test_what_was_written_is_read(void **state)
{
	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		struct link_frame got;
		struct buf out;
		size_t used;

		buf_init(&out, 1024);
		assert_true(link_write(&out, &frames[i].frame));
		buf_add(&out, STR("rest"));
		for (size_t n = 0; n < out.n - 4; n++)
			assert_int_equal(
			    link_read(str_sub(buf_str(&out), 0, n), &got, &used), LINK_MORE);
		assert_int_equal(link_read(buf_str(&out), &got, &used), LINK_WHOLE);
		assert_int_equal(used, out.n - 4);
		assert_same(&frames[i].frame, &got);
		buf_free(&out);
	}
}

static void
test_broken_lengths_are_told(void **state)
{
	static const struct {
		const char *name;
		struct str octets;
	} broken[] = {
		{ "no type", { "\0\0\0\0", 4 } },
		{ "longer than any", { "\x7f\0\0\0", 4 } },
		{ "field ends outside", { "\0\0\0\x06H\0\0\0\x02x", 10 } },
		{ "half a length", { "\0\0\0\x03H\0\0", 7 } },
		{ "five fields", { "\0\0\0\x15H\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 25 } },
	};

	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct link_frame got;
		size_t used;

		if (link_read(broken[i].octets, &got, &used) != LINK_BROKEN)
			fail_msg("%s was read", broken[i].name);
	}
}

static void
test_a_frame_that_does_not_fit_is_not_written(void **state)
{
	struct buf out;

	buf_init(&out, 12);
	assert_false(link_write(&out, &frames[1].frame));
	assert_int_equal(out.n, 0);
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_was_written_is_read),
		cmocka_unit_test(test_broken_lengths_are_told),
		cmocka_unit_test(test_a_frame_that_does_not_fit_is_not_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
