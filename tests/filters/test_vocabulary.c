#include "filters/vocabulary.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "filters/stage.h"

/* The session's own facts first, then each stage as it is, in its order. */
static void
test_parts(void **state)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct config_vocabulary v = stage_vocabulary(arena);

	assert_int_equal(v.n, n_stages + 1);
	assert_string_equal(v.part[0].name, "");
	assert_ptr_equal(v.part[0].facts, session_facts);
	assert_int_equal(v.part[0].n_facts, n_session_facts);
	assert_int_equal(v.part[0].n_settings, 0);
	assert_null(v.part[0].stage);
	for (size_t i = 0; i < n_stages; i++) {
		const struct config_part *part = &v.part[i + 1];

		assert_ptr_equal(part->stage, stages[i]);
		assert_ptr_equal(part->name, stages[i]->name);
		assert_ptr_equal(part->facts, stages[i]->facts);
		assert_int_equal(part->n_facts, stages[i]->n_facts);
		assert_ptr_equal(part->settings, stages[i]->settings);
		assert_int_equal(part->n_settings, stages[i]->n_settings);
		assert_int_equal(part->conf_size, stages[i]->conf_size);
		assert_true(part->configure == stages[i]->configure);
	}
	arena_free(&arena);
}

/* A rule names facts without their stage: no two may share a name, whosever they are. */
static void
test_names_are_different(void **state)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct config_vocabulary v = stage_vocabulary(arena);
	const char *name[200];
	size_t n = 0;

	for (size_t i = 0; i < v.n; i++)
		for (size_t k = 0; k < v.part[i].n_facts; k++) {
			assert_true(n < sizeof name / sizeof name[0]);
			for (size_t j = 0; j < n; j++)
				assert_string_not_equal(name[j], v.part[i].facts[k].name);
			name[n++] = v.part[i].facts[k].name;
			/* words of the language itself */
			assert_string_not_equal(name[n - 1], "score");
			assert_string_not_equal(name[n - 1], "hostname");
			assert_string_not_equal(name[n - 1], "client");
		}
	arena_free(&arena);
}

static void
test_load(void **state)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct config_vocabulary v = stage_vocabulary(arena);
	struct config_part part = { .name = "untouched" };
	struct err e = { 0 };

	assert_false(v.load("/nowhere/none.so", &part, &e));
	assert_non_null(strstr(e.text, "/nowhere/none.so"));
	assert_string_equal(part.name, "untouched");
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_names_are_different),
		cmocka_unit_test(test_load),
	};

	return cmocka_run_group_tests_name("vocabulary", tests, NULL, NULL);
}
