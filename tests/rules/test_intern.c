#include "rules/intern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void
test_numbers(void **state)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct intern table;
	char text[] = "one";

	intern_init(&table, arena);
	assert_int_equal(intern_find(&table, STR("one")), SIZE_MAX);
	assert_int_equal(intern_add(&table, str_of(text)), 0);
	/* it was copied */
	text[0] = 'X';
	assert_int_equal(intern_find(&table, STR("one")), 0);
	assert_int_equal(intern_find(&table, STR("Xne")), SIZE_MAX);
	assert_int_equal(intern_add(&table, STR("two")), 1);
	assert_int_equal(intern_add(&table, STR("one")), 0);
	assert_int_equal(table.n, 2);
	/* lengths and NULs count */
	assert_int_equal(intern_add(&table, STR("")), 2);
	assert_int_equal(intern_add(&table, STR("one\0")), 3);
	assert_int_equal(intern_find(&table, STR("")), 2);
	assert_int_equal(intern_find(&table, STR("one")), 0);
	intern_free(&table);
	assert_int_equal(table.n, 0);
	arena_free(&arena);
}

/* Through several growths: each keeps its number. */
static void
test_many(void **state)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct intern table;
	char text[32];

	intern_init(&table, arena);
	for (size_t round = 0; round < 2; round++)
		for (size_t i = 0; i < 5000; i++) {
			snprintf(text, sizeof text, "%zu", i * 7);
			assert_int_equal(intern_add(&table, str_of(text)), i);
		}
	assert_int_equal(table.n, 5000);
	for (size_t i = 0; i < 5000; i++) {
		snprintf(text, sizeof text, "%zu", i * 7);
		assert_true(str_eq(table.text[i], str_of(text)));
		snprintf(text, sizeof text, "%zu", i * 7 + 1);
		assert_int_equal(intern_find(&table, str_of(text)), SIZE_MAX);
	}
	intern_free(&table);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests_name("intern", tests, NULL, NULL);
}
