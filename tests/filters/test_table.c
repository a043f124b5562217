/* What holds for every stage that is built in: rows that the configuration can rely on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/filters/world.h"

static void
test_stages_are_told_apart(void **state)
{
	for (size_t i = 0; i < n_stages; i++) {
		assert_int_equal(stages[i]->abi, STAGE_ABI);
		assert_non_null(stages[i]->name);
		assert_non_null(stages[i]->help);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(stages[i]->name, stages[j]->name);
	}
}

static void
test_facts_are_whole(void **state)
{
	for (size_t i = 0; i < n_stages; i++)
		for (size_t j = 0; j < stages[i]->n_facts; j++) {
			const struct fact_def *def = &stages[i]->facts[j];

			assert_non_null(def->compute);
			assert_non_null(def->help);
			assert_true(def->from <= def->to && def->to < STEP_COUNT);
			assert_true(def->type != VALUE_NONE);
			assert_int_equal(def->type == VALUE_SYMBOL, def->symbols != NULL);
			/* What is of a transaction cannot be asked for before there is one. */
			if (def->life == LIFE_TRANSACTION || def->life == LIFE_RECIPIENT)
				assert_true(def->from >= STEP_MAIL);
		}
}

static void
test_parameters_can_be_read(void **state)
{
	for (size_t i = 0; i < n_stages; i++)
		for (size_t j = 0; j < stages[i]->n_facts; j++) {
			const struct fact_param *param = stages[i]->facts[j].params;
			bool optional = false;
			size_t n = 0;

			for (; param && param[n].name; n++) {
				assert_int_equal(
				    param[n].type == VALUE_SYMBOL, param[n].symbols != NULL);
				assert_false(optional && !param[n].optional);
				optional = param[n].optional;
			}
			assert_true(n <= FACT_PARAMS);
		}
}

static void
test_names_are_used_once(void **state)
{
	struct world *w = world_new(stages, n_stages);

	for (size_t i = 1; i < w->table.n; i++)
		assert_string_not_equal(
		    w->table.entry[i - 1].def->name, w->table.entry[i].def->name);
	world_free(&w);
}

/* The fallbacks are read by world_new(); together they must be usable. */
static void
test_the_defaults_are_usable(void **state)
{
	struct world *w = world_new(stages, n_stages);

	for (size_t i = 0; i < n_stages; i++) {
		struct err e = { 0 };

		if (!world_configure(w, stages[i]->name, &e))
			fail_msg("%s: %s", stages[i]->name, e.text);
		for (size_t j = 0; j < stages[i]->n_settings; j++) {
			const struct setting *row = &stages[i]->settings[j];
			int64_t value;

			assert_non_null(row->help);
			assert_non_null(row->fallback);
			assert_true(row->offset < stages[i]->conf_size);
			if (row->type != SETTING_NUMBER && row->type != SETTING_SIZE &&
			    row->type != SETTING_DURATION)
				continue;
			memcpy(&value, (char *)w->conf[i] + row->offset, sizeof(value));
			if (row->least != 0 || row->most != 0)
				assert_true(value >= row->least && value <= row->most);
		}
	}
	world_free(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stages_are_told_apart),
		cmocka_unit_test(test_facts_are_whole),
		cmocka_unit_test(test_parameters_can_be_read),
		cmocka_unit_test(test_names_are_used_once),
		cmocka_unit_test(test_the_defaults_are_usable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
