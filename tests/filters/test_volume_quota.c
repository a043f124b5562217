/* Plans: which limit is nearest, how near, and limits without end. Counting is test_volume's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/filters/world.h"

extern const struct stage volume_stage;
static const struct stage *const list[] = { &volume_stage };

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct plan plan;
static const struct plans plans = { .plan = &plan, .n = 1 };

static int
setup(void **state)
{
	struct world *w = world_new(list, 1);

	world_connect(w, "192.0.2.1", "alice");
	w->session.plans = &plans;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	world_free((struct world **)state);
	return 0;
}

/* After so many messages to one each; the next is asked about at mail. */
static void
test_nearness(void **state)
{
	static const struct {
		int64_t most;
		int warn;
		unsigned sent;
		const char *quota;
	} cases[] = {
		{ 1, 80, 0, "near" }, /* the one and only */
		{ 1, 80, 1, "over" },
		{ 3, 100, 1, "ok" },
		{ 3, 100, 2, "near" },
		{ 3, 67, 1, "ok" },
		{ 3, 66, 1, "near" },
		{ 3, 1, 0, "near" },
		{ 3, 100, 3, "over" },
		/* a limit that nobody reaches is no limit; nor does it overflow */
		{ INT64_MAX, 80, 3, "ok" },
		{ INT64_MAX, 1, 3, "ok" },
		{ INT64_MAX / 100 + 1, 100, 3, "ok" },
	};
	struct world *w = *state;
	unsigned sent = 0;

	for (unsigned round = 0; round <= 3; round++) {
		for (size_t i = 0; i < COUNT(cases); i++) {
			if (cases[i].sent != sent)
				continue;
			plan = (struct plan){ .name = STR("p"),
				.limit = { { PLAN_MESSAGES, PLAN_DAY, cases[i].most } },
				.n_limits = 1,
				.warn_percent = cases[i].warn,
				.everyone = true };
			world_mail(w, "<a@x.example>");
			assert_fact(w, STEP_MAIL, "quota", cases[i].quota);
		}
		world_message(w, "<a@x.example>", 1);
		sent++;
	}
}

/* Of several limits the one that is used most is told, and the worst decides. */
static void
test_nearest(void **state)
{
	static const struct {
		struct plan_limit limit[3];
		size_t n;
		const char *quota, *used, *limited, *free;
	} cases[] = {
		{ { { PLAN_MESSAGES, PLAN_DAY, 100 }, { PLAN_RECIPIENTS, PLAN_HOUR, 10 } }, 2, "ok",
		    "6", "10", "0s" },
		{ { { PLAN_RECIPIENTS, PLAN_HOUR, 10 }, { PLAN_MESSAGES, PLAN_DAY, 100 } }, 2, "ok",
		    "6", "10", "0s" },
		/* equally used: the first */
		{ { { PLAN_MESSAGES, PLAN_DAY, 20 }, { PLAN_RECIPIENTS, PLAN_HOUR, 60 } }, 2, "ok",
		    "2", "20", "0s" },
		/* over in two windows: the longer one */
		{ { { PLAN_MESSAGES, PLAN_MINUTE, 1 }, { PLAN_MESSAGES, PLAN_HOUR, 2 },
		      { PLAN_MESSAGES, PLAN_DAY, 9 } },
		    3, "over", "2", "1", "1h" },
		{ { { PLAN_MESSAGES, PLAN_HOUR, 2 }, { PLAN_MESSAGES, PLAN_MINUTE, 1 } }, 2, "over",
		    "2", "1", "1h" },
		{ { { PLAN_MESSAGES, PLAN_DAY, INT64_MAX }, { PLAN_MESSAGES, PLAN_HOUR, 4 } }, 2,
		    "ok", "2", "4", "0s" },
	};
	struct world *w = *state;

	plan = (struct plan){ .name = STR("p"), .warn_percent = 80, .everyone = true };
	world_message(w, "<a@x.example>", 3);
	world_message(w, "<a@x.example>", 3);
	for (size_t i = 0; i < COUNT(cases); i++) {
		memcpy(plan.limit, cases[i].limit, sizeof cases[i].limit);
		plan.n_limits = cases[i].n;
		world_mail(w, "<a@x.example>");
		assert_fact(w, STEP_MAIL, "quota", cases[i].quota);
		assert_fact(w, STEP_MAIL, "quota.used", cases[i].used);
		assert_fact(w, STEP_MAIL, "quota.limit", cases[i].limited);
		assert_fact(w, STEP_MAIL, "quota.free", cases[i].free);
	}
}

/* A plan that limits only what one message may have asks the store nothing. */
static void
test_no_limits(void **state)
{
	struct world *w = *state;
	unsigned asked = w->store_asked;

	plan = (struct plan){
		.name = STR("p"), .recipients_per_message = 1, .warn_percent = 80, .everyone = true
	};
	w->store_fails = true;
	world_mail(w, "<a@x.example>");
	assert_fact(w, STEP_MAIL, "quota", "ok");
	assert_fact(w, STEP_MAIL, "quota.used", "(none)");
	assert_fact(w, STEP_MAIL, "quota.limit", "(none)");
	assert_fact(w, STEP_MAIL, "quota.free", "0s");
	assert_fact(w, STEP_MAIL, "quota.plan", "p");
	world_rcpt(w, "<r@here.example>");
	assert_fact(w, STEP_RCPT, "quota", "ok");
	assert_int_equal(w->store_asked, asked);
	world_rcpt_taken(w);
	world_rcpt(w, "<s@here.example>");
	assert_fact(w, STEP_RCPT, "quota", "over");
}

/* Without the store nothing is known but what needs no store. */
static void
test_store_fails(void **state)
{
	struct world *w = *state;

	plan = (struct plan){ .name = STR("p"),
		.limit = { { PLAN_MESSAGES, PLAN_DAY, 1 } },
		.n_limits = 1,
		.recipients_per_message = 1,
		.warn_percent = 80,
		.everyone = true };
	w->store_fails = true;
	world_mail(w, "<a@x.example>");
	assert_fact(w, STEP_MAIL, "quota", "(none)");
	assert_fact(w, STEP_MAIL, "quota.used", "(none)");
	assert_fact(w, STEP_MAIL, "quota.free", "(none)");
	assert_fact(w, STEP_MAIL, "quota.plan", "p");
	world_rcpt(w, "<r@here.example>");
	world_rcpt_taken(w);
	world_rcpt(w, "<s@here.example>");
	assert_fact(w, STEP_RCPT, "quota", "over");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nearness, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nearest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store_fails, setup, teardown),
	};

	return cmocka_run_group_tests_name("volume_quota", tests, NULL, NULL);
}
