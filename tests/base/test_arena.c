#include "base/arena.h"

#include <stdalign.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* Small, larger than a block, and odd ones, over several rounds of reset. */
static void
test_memory_is_zeroed_aligned_and_apart(void **state)
{
	static const size_t sizes[] = { 0, 1, 7, 16, 100, 1000, 1024, 5000, 70000, 3 };
	struct arena *arena = arena_new(1 << 20);

	for (int round = 0; round < 5; round++) {
		unsigned char *p[10];

		for (size_t i = 0; i < 10; i++) {
			p[i] = arena_alloc(arena, sizes[i]);
			assert_int_equal((uintptr_t)p[i] % alignof(max_align_t), 0);
			for (size_t k = 0; k < sizes[i]; k++)
				assert_int_equal(p[i][k], 0);
			memset(p[i], (int)i + 1, sizes[i]);
		}
		for (size_t i = 0; i < 10; i++)
			for (size_t k = 0; k < sizes[i]; k++)
				assert_int_equal(p[i][k], i + 1);
		arena_reset(arena);
		assert_int_equal(arena_used(arena), 0);
	}
	arena_free(&arena);
	assert_null(arena);
	arena_free(&arena);
}

static void
test_limit_is_a_state(void **state)
{
	struct arena *arena = arena_new(1000);

	assert_false(arena_over(arena));
	arena_alloc(arena, 992);
	assert_false(arena_over(arena));
	assert_non_null(arena_alloc(arena, 1000));
	assert_true(arena_over(arena));
	assert_in_range(arena_used(arena), 1992, 2100);
	arena_reset(arena);
	assert_false(arena_over(arena));
	arena_free(&arena);
}

static void
test_text(void **state)
{
	struct arena *arena = arena_new(100000);
	struct str s = arena_dup(arena, STR("abc\0d"));

	assert_int_equal(s.n, 5);
	assert_memory_equal(s.p, "abc\0d", 6);
	s = arena_dup(arena, (struct str){ 0 });
	assert_int_equal(s.n, 0);
	assert_string_equal(s.p, "");
	s = arena_lower(arena, STR("MiXeD-\xc4"));
	assert_string_equal(s.p, "mixed-\xc4");
	s = arena_printf(arena, "%s=%d", "x", 7);
	assert_int_equal(s.n, 3);
	assert_string_equal(s.p, "x=7");
	s = arena_printf(arena, "%5000d", 1);
	assert_int_equal(s.n, 5000);
	arena_free(&arena);
}

struct trace {
	char text[8];
	size_t n;
};

struct mark {
	struct trace *trace;
	char c;
};

static void
leave_mark(void *object)
{
	struct mark *mark = object;

	mark->trace->text[mark->trace->n++] = mark->c;
}

static void
test_cleanups_run_last_first(void **state)
{
	struct trace trace = { 0 };
	struct mark a = { &trace, 'a' }, b = { &trace, 'b' }, c = { &trace, 'c' };
	struct arena *arena = arena_new(100);

	arena_cleanup(arena, leave_mark, &a);
	arena_cleanup(arena, leave_mark, &b);
	arena_reset(arena);
	assert_string_equal(trace.text, "ba");
	arena_cleanup(arena, leave_mark, &c);
	arena_free(&arena);
	assert_string_equal(trace.text, "bac");
}

/* The object may live in the arena itself. */
static void
test_cleanup_of_its_own_memory(void **state)
{
	struct trace trace = { 0 };
	struct arena *arena = arena_new(100);
	struct mark *mark = ARENA_NEW(arena, struct mark);

	*mark = (struct mark){ &trace, 'x' };
	arena_cleanup(arena, leave_mark, mark);
	arena_free(&arena);
	assert_string_equal(trace.text, "x");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_is_zeroed_aligned_and_apart),
		cmocka_unit_test(test_limit_is_a_state),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_cleanups_run_last_first),
		cmocka_unit_test(test_cleanup_of_its_own_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
