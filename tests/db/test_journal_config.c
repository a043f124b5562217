#include "db/journal_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define DAY INT64_C(86400000)

struct world {
	char folder[64];
	char path[96];
	struct journal *journal;
	struct arena *arena;
	struct configurations all;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err e;

	str_copy(str_of("/tmp/postern-config-XXXXXX"), w->folder, sizeof(w->folder));
	assert_non_null(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/journal.db", w->folder);
	w->arena = arena_new(1 << 20);
	w->journal = journal_open(w->path, &e);
	assert_non_null(w->journal);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;
	char command[128];

	journal_close(&w->journal);
	configurations_free(&w->all);
	arena_free(&w->arena);
	snprintf(command, sizeof(command), "rm -rf %s", w->folder);
	assert_int_equal(system(command), 0);
	free(w);
	return 0;
}

static void
store(struct world *w, int64_t now_ms)
{
	struct err e;

	assert_true(configurations_store(&w->all, w->journal, now_ms, &e));
}

static struct str
get(struct world *w, const char *revision)
{
	struct str text;
	struct err e;

	assert_true(journal_configuration(w->journal, w->arena, str_of(revision), &text, &e));
	return text;
}

static void
test_kept_once(void **state)
{
	struct world *w = *state;

	assert_int_equal(get(w, "aaaaaaaaaaaa").n, 0);
	configurations_add(&w->all, STR("aaaaaaaaaaaa"), STR("{\"a\":1}"));
	configurations_add(&w->all, STR("aaaaaaaaaaaa"), STR("another text"));
	configurations_add(&w->all, STR("bbbbbbbbbbbb"), STR("{}"));
	assert_int_equal(w->all.n, 2);
	store(w, 1000);
	store(w, 2000);
	assert_true(str_eq(get(w, "aaaaaaaaaaaa"), STR("{\"a\":1}")));
	assert_true(str_eq(get(w, "bbbbbbbbbbbb"), STR("{}")));
}

static void
test_again_in_a_new_file(void **state)
{
	struct world *w = *state;
	struct err e;

	configurations_add(&w->all, STR("aaaaaaaaaaaa"), STR("{}"));
	store(w, 1000);
	journal_close(&w->journal);
	assert_int_equal(remove(w->path), 0);
	configurations_forget(&w->all);
	w->journal = journal_open(w->path, &e);
	assert_int_equal(get(w, "aaaaaaaaaaaa").n, 0);
	store(w, 2000);
	assert_int_equal(get(w, "aaaaaaaaaaaa").n, 2);
}

static void
test_as_many_as_there_is_room_for(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < CONFIGURATIONS_MAX + 3; i++) {
		char revision[16];

		snprintf(revision, sizeof(revision), "%012d", i);
		configurations_add(&w->all, str_of(revision), STR("{}"));
		store(w, i);
	}
	assert_int_equal(w->all.n, CONFIGURATIONS_MAX);
	assert_string_equal(w->all.known[0].revision, "000000000003");
	/* What was stored is there all the same. */
	assert_int_equal(get(w, "000000000000").n, 2);
}

/* The one in force stays, and what entries that are kept, or sessions that go on, can refer to. */
static void
test_clean(void **state)
{
	struct world *w = *state;
	struct err e;

	configurations_add(&w->all, STR("a"), STR("{}"));
	store(w, 10 * DAY);
	configurations_add(&w->all, STR("b"), STR("{}"));
	store(w, 20 * DAY);
	assert_true(journal_configurations_clean(w->journal, 21 * DAY, &e));
	assert_int_equal(get(w, "a").n, 2);
	assert_true(journal_configurations_clean(w->journal, 23 * DAY, &e));
	assert_int_equal(get(w, "a").n, 0);
	assert_true(journal_configurations_clean(w->journal, 100 * DAY, &e));
	assert_int_equal(get(w, "b").n, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_kept_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_again_in_a_new_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_as_many_as_there_is_room_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clean, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
