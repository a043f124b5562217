#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "filters/key.h"
#include "tests/filters/world.h"

extern const struct stage guessing_stage;
static const struct stage *const list[] = { &guessing_stage };

static int
setup(void **state)
{
	*state = world_new(list, 1);
	world_connect(*state, "192.0.2.1", "Alice");
	return 0;
}

static int
teardown(void **state)
{
	world_free((struct world **)state);
	return 0;
}

/* As the front does. */
static void
failed(struct world *w, const char *ip, const char *account)
{
	struct arena *scratch = arena_new(4096);
	struct question q = { .kind = QUESTION_COUNT, .add = 1 };
	struct ip address;

	assert_true(ip_parse(str_of(ip), &address));
	q.name = key_auth_client(scratch, &address);
	world_count(w, &q);
	q.name = key_auth_account(scratch, str_of(account));
	world_count(w, &q);
	arena_free(&scratch);
}

static void
test_client(void **state)
{
	struct world *w = *state;

	failed(w, "192.0.2.1", "bob");
	w->now += 600;
	failed(w, "192.0.2.1", "carol");
	failed(w, "192.0.2.2", "bob");
	world_connect(w, "192.0.2.1", "");
	assert_fact(w, STEP_CONNECT, "auth.failures(client, 1m)", "1");
	assert_fact(w, STEP_CONNECT, "auth.failures(client, 1h)", "2");
	assert_fact(w, STEP_CONNECT, "auth.failures(client, 1d)", "2");
	assert_fact(w, STEP_CONNECT, "auth.failures(account, 1h)", "0");
}

static void
test_networks(void **state)
{
	struct world *w = *state;

	failed(w, "2001:db8:1:2:3::4", "bob");
	world_connect(w, "2001:db8:1:2:5::6", "");
	assert_fact(w, STEP_CONNECT, "auth.failures(client, 1h)", "1");
	world_connect(w, "2001:db8:1:3::", "");
	assert_fact(w, STEP_CONNECT, "auth.failures(client, 1h)", "0");
}

static void
test_account(void **state)
{
	struct world *w = *state;

	failed(w, "192.0.2.7", "alice");
	failed(w, "192.0.2.8", "ALICE");
	world_mail(w, "<a@example.net>");
	assert_fact(w, STEP_MAIL, "auth.failures(account, 1h)", "2");
	assert_fact(w, STEP_MAIL, "auth.failures(client, 1h)", "0");
}

/* What was 0 before the client had an account is asked anew. */
static void
test_authenticated_meanwhile(void **state)
{
	struct world *w = *state;

	failed(w, "192.0.2.7", "alice");
	world_connect(w, "192.0.2.1", "");
	assert_fact(w, STEP_CONNECT, "auth.failures(account, 1h)", "0");
	session_authenticate(&w->session, STR("alice"), STR("PLAIN"));
	assert_fact(w, STEP_HELO, "auth.failures(account, 1h)", "1");
}

static void
test_store_fails(void **state)
{
	struct world *w = *state;

	w->store_fails = true;
	assert_fact(w, STEP_CONNECT, "auth.failures(client, 1h)", "(none)");
}

static void
test_windows(void **state)
{
	assert_string_equal(world_check(*state, "auth.failures(client, 1h)"), "");
	assert_string_equal(
	    world_check(*state, "auth.failures(client, 2h)"), "counts are kept for 1m, 1h and 1d");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_client, setup, teardown),
		cmocka_unit_test_setup_teardown(test_networks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_account, setup, teardown),
		cmocka_unit_test_setup_teardown(test_authenticated_meanwhile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_windows, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
