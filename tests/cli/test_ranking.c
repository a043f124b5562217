#include "cli/ranking.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void
test_top(void **state)
{
	static const char *const texts[] = { "b", "a", "c", "a", "d", "c", "a" };
	struct ranking_row rows[3];
	struct ranking r;

	ranking_init(&r);
	assert_int_equal(ranking_top(&r, rows, 3), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		ranking_add(&r, str_of(texts[i]), 1);
	assert_int_equal(ranking_top(&r, rows, 3), 3);
	assert_true(str_eq(rows[0].text, STR("a")) && rows[0].n == 3);
	assert_true(str_eq(rows[1].text, STR("c")) && rows[1].n == 2);
	/* Of equal ones the first that came. */
	assert_true(str_eq(rows[2].text, STR("b")) && rows[2].n == 1);
	ranking_free(&r);
}

static void
test_bound(void **state)
{
	struct ranking_row rows[2];
	struct ranking r;
	char text[16];

	ranking_init(&r);
	for (int i = 0; i < RANKING_MOST + 100; i++) {
		snprintf(text, sizeof(text), "%d", i);
		ranking_add(&r, str_of(text), 1);
	}
	ranking_add(&r, STR("7"), 5);
	assert_int_equal(r.texts.n, RANKING_MOST);
	assert_int_equal(r.others, 100);
	assert_int_equal(ranking_top(&r, rows, 2), 2);
	assert_true(str_eq(rows[0].text, STR("7")) && rows[0].n == 6);
	ranking_free(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
