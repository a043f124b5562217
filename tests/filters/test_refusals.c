#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/filters/world.h"

extern const struct stage refusals_stage;
static const struct stage *const list[] = { &refusals_stage };

#define DAY 86400

static int
setup(void **state)
{
	*state = world_new(list, 1);
	world_connect(*state, "192.0.2.1", "");
	return 0;
}

static int
teardown(void **state)
{
	world_free((struct world **)state);
	return 0;
}

static void
mail_refused(struct world *w)
{
	world_mail(w, "<a@x.example>");
	world_refused(w);
}

#define assert_at_mail(w, fact, expected) \
	do { \
		world_mail((w), "<a@x.example>"); \
		assert_fact((w), STEP_MAIL, (fact), (expected)); \
	} while (0)

static void
test_share(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 3; i++)
		mail_refused(w);
	world_mail(w, "<a@x.example>");
	world_rcpt(w, "<r@here.example>");
	world_rcpt_unknown(w);
	for (int i = 0; i < 5; i++)
		world_message(w, "<a@x.example>", 2);
	/* nine attempts are few */
	assert_at_mail(w, "refused_share(client, 1h)", "0");
	world_message(w, "<a@x.example>", 1);
	assert_at_mail(w, "refused_share(client, 1h)", "40");
	assert_fact(w, STEP_MAIL, "refused_share(network, 1m)", "40");
	assert_fact(w, STEP_MAIL, "refused_share(account, 1d)", "(none)");
	/* deferred is neither */
	world_rcpt(w, "<r@here.example>");
	world_rcpt_refused(w);
	assert_at_mail(w, "refused_share(client, 1h)", "40");
	assert_string_equal(
	    world_check(w, "refused_share(client, 5m)"), "refusals are counted for 1m, 1h and 1d");
}

/* All of them are counted, in few questions. */
static void
test_many_in_one_transaction(void **state)
{
	struct world *w = *state;
	unsigned asked = w->store_asked;

	world_mail(w, "<a@x.example>");
	for (int i = 0; i < 300; i++)
		world_refused(w);
	world_message(w, "<a@x.example>", 1);
	for (int i = 0; i < 99; i++)
		world_message(w, "<a@x.example>", 1);
	assert_in_range(w->store_asked - asked, 200, 260);
	assert_at_mail(w, "refused_share(client, 1h)", "75");
}

static void
test_against_the_past(void **state)
{
	struct world *w = *state;

	assert_at_mail(w, "refused_share.usual(client)", "(none)");
	for (int day = 0; day < 20; day++, w->now += DAY) {
		mail_refused(w);
		for (int i = 0; i < 9; i++)
			world_message(w, "<a@x.example>", 1);
	}
	w->now += DAY;
	for (int i = 0; i < 10; i++)
		mail_refused(w);
	assert_at_mail(w, "refused_share.usual(client)", "10");
	assert_fact(w, STEP_MAIL, "refused_share(client, 1h)", "100");
	assert_in_range((int)world_fact(w, STEP_MAIL, "refused_share.surge(client)").real, 9, 10);
	w->store_fails = true;
	assert_at_mail(w, "refused_share.surge(client)", "(none)");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_share),
		CASE(test_many_in_one_transaction),
		CASE(test_against_the_past),
	};

	return cmocka_run_group_tests_name("refusals", tests, NULL, NULL);
}
