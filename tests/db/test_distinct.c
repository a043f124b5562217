/* QUESTION_DISTINCT against the SQLite store. */
#include "db/store_sqlite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/db/store_world.h"

#define T0 1700000000

static int64_t
ask(struct store *store, const char *key, struct str hashes, int64_t after)
{
	struct answer a = {
		.question = { .kind = QUESTION_DISTINCT, .name = str_of(key), .hashes = hashes }
	};
	struct store_ask one = { &a.question, &a };
	struct err e;

	if (!store_sqlite.ask(store, &one, 1, (T0 + after) * 1000, &e))
		fail_msg("%s", e.text);
	return a.count.day;
}

static void
test_counts_what_differs(void **state)
{
	struct world *w = *state;
	struct store *look;
	struct err e;

	assert_int_equal(ask(w->store, "a", STR(""), 0), 0);
	assert_int_equal(ask(w->store, "a", STR("00010002"), 0), 2);
	assert_int_equal(ask(w->store, "a", STR("0002"), 1), 2);
	assert_int_equal(ask(w->store, "a", STR("0003"), 2), 3);
	assert_int_equal(ask(w->store, "b", STR(""), 2), 0);
	/* Reading changes nothing. */
	look = store_sqlite_open_read(folder_file(&w->folder, "store.db"), &e);
	assert_non_null(look);
	assert_int_equal(ask(look, "a", STR("0004"), 2), 3);
	store_sqlite.close(&look);
	assert_int_equal(ask(w->store, "a", STR(""), 2), 3);
	assert_int_equal(ask(w->store, "a", STR(""), 86401), 1);
}

static void
test_survives_a_restart(void **state)
{
	struct world *w = *state;
	struct err e;

	ask(w->store, "a", STR("00010002"), 0);
	store_sqlite.close(&w->store);
	w->store = store_sqlite.open(folder_file(&w->folder, "store.db"), &e);
	assert_non_null(w->store);
	assert_int_equal(ask(w->store, "a", STR("0003"), 10), 3);
}

static void
test_old_ones_are_cleaned(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	ask(w->store, "a", STR("0001"), 0);
	assert_false(store_sqlite.clean(w->store, (T0 + 86400) * INT64_C(1000), &e));
	assert_int_equal(ask(w->store, "a", STR(""), 10), 1);
	assert_false(store_sqlite.clean(w->store, (T0 + 4 * 86400) * INT64_C(1000), &e));
	assert_int_equal(e.code, ERR_NONE);
	/* Gone for good: a clock that was wrong does not bring it back. */
	assert_int_equal(ask(w->store, "a", STR(""), 10), 0);
}

static void
test_rows_have_a_cap(void **state)
{
	struct world *w = *state;
	int64_t left = 0;
	char key[8];

	store_sqlite_limit_sketches(w->store, 5);
	for (int i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		ask(w->store, key, STR("0001"), i * INT64_C(86400));
	}
	for (int i = 0; i < 20; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		left += ask(w->store, key, STR(""), i * INT64_C(86400));
	}
	assert_int_equal(left, 5);
	assert_int_equal(ask(w->store, "k19", STR(""), 19 * INT64_C(86400)), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_counts_what_differs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_survives_a_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_ones_are_cleaned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rows_have_a_cap, setup, teardown),
	};

	return cmocka_run_group_tests_name("distinct", tests, NULL, NULL);
}
