#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/filters/world.h"

extern const struct stage early_stage;
static const struct stage *const list[] = { &early_stage };

static int
setup(void **state)
{
	*state = world_new(list, 1);
	return 0;
}

static int
teardown(void **state)
{
	world_free((struct world **)state);
	return 0;
}

static void
visit(struct world *w, const char *ip, enum turn turn)
{
	world_connect(w, ip, "");
	w->session.turn = turn;
}

static void
test_what_was_seen(void **state)
{
	static const struct {
		enum turn turn;
		const char *early;
	} cases[] = {
		{ TURN_UNKNOWN, "(none)" },
		{ TURN_KEPT, "no" },
		{ TURN_BROKEN, "yes" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		visit(*state, "192.0.2.1", cases[i].turn);
		assert_fact(*state, STEP_HELO, "client.early", cases[i].early);
	}
}

static void
test_who_passed_is_remembered(void **state)
{
	struct world *w = *state;

	visit(w, "192.0.2.1", TURN_BROKEN);
	assert_fact(w, STEP_CONNECT, "client.passed", "no");
	assert_fact(w, STEP_HELO, "client.early", "yes");
	visit(w, "192.0.2.1", TURN_UNKNOWN);
	assert_fact(w, STEP_HELO, "client.early", "(none)");
	visit(w, "192.0.2.1", TURN_KEPT);
	assert_fact(w, STEP_CONNECT, "client.passed", "no");
	assert_fact(w, STEP_HELO, "client.early", "no");
	visit(w, "192.0.2.1", TURN_KEPT);
	assert_fact(w, STEP_CONNECT, "client.passed", "yes");
	/* Its neighbour is another; of IPv6 a network is one. */
	visit(w, "192.0.2.2", TURN_KEPT);
	assert_fact(w, STEP_CONNECT, "client.passed", "no");
	visit(w, "2001:db8::1", TURN_KEPT);
	assert_fact(w, STEP_HELO, "client.early", "no");
	visit(w, "2001:db8::2", TURN_KEPT);
	assert_fact(w, STEP_CONNECT, "client.passed", "yes");
}

static void
test_it_is_forgotten(void **state)
{
	struct world *w = *state;

	visit(w, "192.0.2.1", TURN_KEPT);
	assert_fact(w, STEP_HELO, "client.early", "no");
	w->now += 29 * 86400;
	visit(w, "192.0.2.1", TURN_KEPT);
	assert_fact(w, STEP_HELO, "client.early", "no");
	w->now += 29 * 86400;
	visit(w, "192.0.2.1", TURN_KEPT);
	assert_fact(w, STEP_CONNECT, "client.passed", "yes");
	w->now += 31 * 86400;
	visit(w, "192.0.2.1", TURN_KEPT);
	assert_fact(w, STEP_CONNECT, "client.passed", "no");
}

/* Who comes often costs one look a session, and no writing. */
static void
test_questions(void **state)
{
	struct world *w = *state;

	visit(w, "192.0.2.1", TURN_KEPT);
	assert_fact(w, STEP_HELO, "client.early", "no");
	assert_int_equal(w->store_asked, 2);
	visit(w, "192.0.2.1", TURN_KEPT);
	assert_fact(w, STEP_CONNECT, "client.passed", "yes");
	assert_fact(w, STEP_HELO, "client.early", "no");
	assert_int_equal(w->store_asked, 3);
	visit(w, "192.0.2.1", TURN_BROKEN);
	assert_fact(w, STEP_HELO, "client.early", "yes");
	assert_int_equal(w->store_asked, 3);
}

static void
test_without_a_store(void **state)
{
	struct world *w = *state;

	w->store_fails = true;
	visit(w, "192.0.2.1", TURN_KEPT);
	assert_fact(w, STEP_CONNECT, "client.passed", "(none)");
	assert_fact(w, STEP_HELO, "client.early", "no");
	visit(w, "192.0.2.1", TURN_BROKEN);
	assert_fact(w, STEP_HELO, "client.early", "yes");
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_what_was_seen),
		CASE(test_who_passed_is_remembered),
		CASE(test_it_is_forgotten),
		CASE(test_questions),
		CASE(test_without_a_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
