#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/filters/world.h"

/* Where make put the shared objects. */
static const char *
built(const char *name, char *out, size_t size)
{
	const char *builddir = getenv("builddir");

	snprintf(out, size, "%s/tests/filters/%s.so", builddir ? builddir : ".", name);
	return out;
}

/* The sample stage; a script that built it elsewhere says where. */
static const struct stage *
load_sample(void)
{
	const char *given = getenv("POSTERN_SAMPLE_STAGE");
	const struct stage *stage;
	char path[512];
	struct err e = { 0 };

	stage = stage_load(given ? given : built("helo_words", path, sizeof(path)), &e);
	if (!stage)
		fail_msg("%s", e.text);
	return stage;
}

static void
test_what_is_no_stage_is_refused(void **state)
{
	char other_abi[160];
	const struct {
		const char *name, *complaint; /* of which %s is the path */
	} cases[] = {
		{ "bad_abi", other_abi },
		{ "bad_name", "stage %s has no name" },
		{ "bad_facts", "stage %s has no facts" },
		{ "bad_fact", "stage %s: its fact number 2 lacks a name, a function or steps" },
		{ "bad_settings", "stage %s has settings but nowhere to put them" },
		{ "bad_symbol", "stage %s has no symbol `postern_stage`: is it a stage?" },
	};

	snprintf(other_abi, sizeof(other_abi),
	    "stage %%s was built for stage interface %d, this posternd has %d: build it again with "
	    "the headers of this version",
	    STAGE_ABI + 1, STAGE_ABI);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[512];
		const char *place;
		struct str before, expected, found;
		struct err e = { 0 };

		built(cases[i].name, path, sizeof(path));
		assert_null(stage_load(path, &e));
		place = strstr(cases[i].complaint, "%s");
		before = (struct str){ cases[i].complaint, (size_t)(place - cases[i].complaint) };
		found = str_of(e.text);
		expected = str_of(place + 2);
		if (!str_starts(found, before) || !str_ends(found, expected) ||
		    found.n != before.n + strlen(path) + expected.n)
			fail_msg("%s", e.text);
	}
}

static void
test_what_is_not_there_is_named(void **state)
{
	struct err e = { 0 };

	assert_null(stage_load("./no/such.so", &e));
	assert_string_equal(e.text,
	    "stage ./no/such.so cannot be loaded: ./no/such.so: cannot open shared object file: No "
	    "such file or directory");
	/* A name alone means the folder of stages, never the system's libraries. */
	assert_null(stage_load("libc.so.6", &e));
	assert_non_null(strstr(e.text, "stage " PKGLIBDIR "/libc.so.6 cannot be loaded: "));
}

static void
test_a_loaded_stage_gives_facts(void **state)
{
	static const struct {
		const char *helo, *words;
	} cases[] = {
		{ "mail.example.org", "0" },
		{ "DSL-17.example.org", "1" },
		{ "17.dyn-pool.dialup.example.org", "3" },
		{ "", "0" },
	};
	const struct stage *const list[] = { load_sample() };
	struct world *w = world_new(list, 1);

	assert_string_equal(list[0]->name, "helo_words");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world_connect(w, "192.0.2.1", "");
		session_helo(&w->session, str_of(cases[i].helo), true);
		assert_fact(w, STEP_HELO, "helo_words", cases[i].words);
	}
	world_set(w, "helo_words", "words", "mail");
	session_helo(&w->session, STR("mail.example.org"), true);
	assert_fact(w, STEP_HELO, "helo_words", "1");
	world_free(&w);
}

static void
test_loaded_twice_it_is_the_same(void **state)
{
	assert_ptr_equal(load_sample(), load_sample());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_no_stage_is_refused),
		cmocka_unit_test(test_what_is_not_there_is_named),
		cmocka_unit_test(test_a_loaded_stage_gives_facts),
		cmocka_unit_test(test_loaded_twice_it_is_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
