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
				.warn = { cases[i].warn },
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
		    3, "over", "2", "1", "1h2m" },
		{ { { PLAN_MESSAGES, PLAN_HOUR, 2 }, { PLAN_MESSAGES, PLAN_MINUTE, 1 } }, 2, "over",
		    "2", "1", "1h2m" },
		{ { { PLAN_MESSAGES, PLAN_DAY, INT64_MAX }, { PLAN_MESSAGES, PLAN_HOUR, 4 } }, 2,
		    "ok", "2", "4", "0s" },
	};
	struct world *w = *state;

	plan = (struct plan){ .name = STR("p"), .warn = { 80 }, .everyone = true };
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
		.name = STR("p"), .recipients_per_message = 1, .warn = { 80 }, .everyone = true
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
		.warn = { 80 },
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

/* --- what is held ------------------------------------------------------------------------------ */

static struct question
of_counter(enum take_what what, int64_t n)
{
	return (struct question){ .kind = QUESTION_TAKE,
		.name = STR("rate:messages:account:alice"),
		.add = n,
		.take = { .what = what, .holder = 77, .lasts = 60 } };
}

static void
daily(int64_t messages)
{
	plan = (struct plan){ .name = STR("p"),
		.limit = { { PLAN_MESSAGES, PLAN_DAY, messages } },
		.n_limits = 1,
		.warn = { 50, 80 },
		.everyone = true };
}

/* Somebody else is about to send the last one. */
static void
test_what_others_hold_fills_the_plan(void **state)
{
	struct world *w = *state;
	struct question hold = of_counter(TAKE_KEEP, 2), give_back = of_counter(TAKE_FREE, 0);

	daily(2);
	world_count(w, &hold);
	world_mail(w, "<a@x.example>");
	assert_fact(w, STEP_MAIL, "quota", "over");
	assert_fact(w, STEP_MAIL, "quota.used", "2");
	world_count(w, &give_back);
	world_mail(w, "<a@x.example>");
	assert_fact(w, STEP_MAIL, "quota", "near");
	assert_fact(w, STEP_MAIL, "quota.used", "0");
}

/* Whatever ends a transaction gives back what it held, and a refusal counts nothing. */
static void
test_what_was_not_sent_is_given_back(void **state)
{
	struct world *w = *state;

	daily(2);
	for (int i = 0; i < 5; i++) {
		world_mail(w, "<a@x.example>");
		world_rcpt(w, "<r@here.example>");
		assert_fact(w, STEP_RCPT, "quota", "near");
		assert_fact(w, STEP_RCPT, "quota.used", "0");
		if (i % 2)
			world_rcpt_taken(w);
		else
			world_rcpt_refused(w);
	}
	/* refused, again and again: it does not fill up */
	world_message(w, "<a@x.example>", 1);
	world_message(w, "<a@x.example>", 1);
	for (int i = 0; i < 5; i++) {
		world_mail(w, "<a@x.example>");
		assert_fact(w, STEP_MAIL, "quota", "over");
		assert_fact(w, STEP_MAIL, "quota.used", "2");
	}
}

/* Hundreds of recipients are held in lots: few questions, and still the limit to the one. */
static void
test_many_recipients(void **state)
{
	struct world *w = *state;
	unsigned asked = w->store_asked;
	char path[32];

	plan = (struct plan){ .name = STR("p"),
		.limit = { { PLAN_RECIPIENTS, PLAN_HOUR, 305 } },
		.n_limits = 1,
		.everyone = true };
	world_mail(w, "<a@x.example>");
	for (int i = 0; i < 400; i++) {
		snprintf(path, sizeof(path), "<r%d@here.example>", i);
		world_rcpt(w, path);
		assert_fact(w, STEP_RCPT, "quota", i < 305 ? "ok" : "over");
		if (i < 305)
			world_rcpt_taken(w);
		else
			world_rcpt_refused(w);
	}
	world_accepted(w);
	assert_in_range(w->store_asked - asked, 20, 90);
	world_mail(w, "<a@x.example>");
	assert_fact(w, STEP_MAIL, "quota.used", "305");
}

static void
test_warnings(void **state)
{
	static const char *const levels[] = { "0", "0", "0", "0", "50", "50", "50", "80" };
	struct world *w = *state;

	daily(10);
	for (size_t i = 0; i < COUNT(levels); i++) {
		world_mail(w, "<a@x.example>");
		assert_fact(w, STEP_MAIL, "quota.warning", levels[i]);
		assert_fact(w, STEP_MAIL, "quota", i < 4 ? "ok" : "near");
		world_message(w, "<a@x.example>", 1);
	}
}

static void
test_the_postmaster_is_always_reached(void **state)
{
	static const struct {
		const char *rcpt, *quota;
	} cases[] = {
		{ "<postmaster>", "ok" },
		{ "<PostMaster@Example.org>", "ok" },
		{ "<postmaster@mx.example.org>", "ok" },
		{ "<postmaster@org>", "over" },
		{ "<postmaster@notexample.org>", "over" },
		{ "<postmaster@here.example>", "over" },
		{ "<postmasters@example.org>", "over" },
	};
	struct world *w = *state;

	w->session.hostname = STR("mx.example.org");
	daily(1);
	world_message(w, "<a@x.example>", 1);
	for (size_t i = 0; i < COUNT(cases); i++) {
		world_mail(w, "<a@x.example>");
		world_rcpt(w, cases[i].rcpt);
		assert_fact(w, STEP_RCPT, "quota", cases[i].quota);
		world_rcpt_taken(w);
		assert_fact(w, STEP_MESSAGE, "quota", cases[i].quota);
	}
}

/* An empty sender is no way round a plan. */
static void
test_bounces_of_who_has_a_plan_count(void **state)
{
	struct world *w = *state;

	daily(1);
	world_message(w, "<>", 1);
	world_mail(w, "<>");
	assert_fact(w, STEP_MAIL, "quota", "over");
}

static void
test_upstream(void **state)
{
	struct world *w = *state;

	plan = (struct plan){ .name = STR("isp"),
		.limit = { { PLAN_MESSAGES, PLAN_DAY, 10 } },
		.n_limits = 1,
		.recipients_per_message = 2,
		.reserve = 20,
		.upstream = true };
	w->session.hostname = STR("mx.example.org");
	for (int i = 0; i < 8; i++) {
		world_mail(w, "<a@x.example>");
		assert_fact(w, STEP_MAIL, "quota", "none");
		assert_fact(w, STEP_MAIL, "upstream(\"isp\")", "ok");
		world_rcpt(w, "<r@there.example>");
		world_rcpt_taken(w);
		world_accepted(w);
	}
	/* the rest is the postmaster's */
	world_mail(w, "<a@x.example>");
	world_rcpt(w, "<r@there.example>");
	assert_fact(w, STEP_RCPT, "upstream(\"isp\")", "over");
	assert_fact(w, STEP_RCPT, "upstream.used(\"isp\")", "8");
	assert_fact(w, STEP_RCPT, "upstream.limit(\"isp\")", "8");
	assert_fact(w, STEP_RCPT, "upstream.free(\"isp\")", "1d30m");
	assert_fact(w, STEP_RCPT, "upstream(\"other\")", "none");
	world_rcpt_refused(w);
	world_rcpt(w, "<postmaster@example.org>");
	assert_fact(w, STEP_RCPT, "upstream(\"isp\")", "ok");
	assert_fact(w, STEP_RCPT, "upstream.limit(\"isp\")", "10");
	world_rcpt_taken(w);
	world_accepted(w);
	/* a message that does not go that way is not counted there */
	world_message(w, "<a@x.example>", 1);
	world_mail(w, "<a@x.example>");
	assert_fact(w, STEP_MAIL, "upstream.used(\"isp\")", "9");
}

static const struct list *
accounts(struct world *w, const char *name)
{
	struct list *l = list_new(w->arena, STR("some"));
	struct err e;

	if (!list_add_text(l, str_of(name), &e))
		fail_msg("%s", e.text);
	list_finish(l);
	return l;
}

/* Who comes first finds room for longest. */
static void
test_classes_of_an_upstream(void **state)
{
	static const struct {
		const char *account;
		const char *quota, *limit;
	} cases[] = { { "bulk", "over", "4" }, { "shop", "over", "7" }, { "boss", "ok", "9" } };
	struct world *w = *state;
	unsigned sent = 0;

	plan = (struct plan){ .name = STR("isp"),
		.limit = { { PLAN_MESSAGES, PLAN_DAY, 10 } },
		.n_limits = 1,
		.reserve = 10,
		.class = { { 20, accounts(w, "boss"), NULL }, { 30, accounts(w, "shop"), NULL } },
		.n_classes = 2,
		.upstream = true };
	for (size_t i = 0; i < COUNT(cases); i++) {
		world_connect(w, "192.0.2.1", cases[i].account);
		w->session.plans = &plans;
		w->session.hostname = STR("mx.example.org");
		for (;; sent++) {
			world_mail(w, "<a@x.example>");
			if (sent == (i == 0 ? 4 : i == 1 ? 7 : 8))
				break;
			assert_fact(w, STEP_MAIL, "upstream(\"isp\")", "ok");
			world_rcpt(w, "<r@there.example>");
			world_rcpt_taken(w);
			world_accepted(w);
		}
		assert_fact(w, STEP_MAIL, "upstream(\"isp\")", cases[i].quota);
		assert_fact(w, STEP_MAIL, "upstream.limit(\"isp\")", cases[i].limit);
	}
}

static void
test_burst(void **state)
{
	struct world *w = *state;

	plan = (struct plan){ .name = STR("p"),
		.limit = { { PLAN_MESSAGES, PLAN_DAY, 100 }, { PLAN_MESSAGES, PLAN_BURST, 3 } },
		.n_limits = 2,
		.warn = { 50 },
		.everyone = true };
	w->now = w->now / 10 * 10 + 4;
	for (int i = 0; i < 3; i++) {
		world_mail(w, "<a@x.example>");
		/* nobody is warned of it */
		assert_fact(w, STEP_MAIL, "quota", "ok");
		world_message(w, "<a@x.example>", 1);
	}
	world_mail(w, "<a@x.example>");
	assert_fact(w, STEP_MAIL, "quota", "over");
	assert_fact(w, STEP_MAIL, "quota.used", "3");
	assert_fact(w, STEP_MAIL, "quota.limit", "3");
	assert_fact(w, STEP_MAIL, "quota.free", "16s");
	w->now += 16;
	world_mail(w, "<a@x.example>");
	assert_fact(w, STEP_MAIL, "quota", "ok");
	assert_fact(w, STEP_MAIL, "quota.limit", "100");
}

/* Whoever asks again and again over the limit only reads, and what is counted stays. */
static void
test_over_the_limit_nothing_is_written(void **state)
{
	struct world *w = *state;
	int64_t pages;

	plan = (struct plan){ .name = STR("p"),
		.limit = { { PLAN_MESSAGES, PLAN_DAY, 2 } },
		.n_limits = 1,
		.everyone = true };
	world_message(w, "<a@x.example>", 1);
	world_message(w, "<a@x.example>", 1);
	world_mail(w, "<a@x.example>");
	pages = world_store_written(w);
	for (int i = 0; i < 100; i++) {
		world_mail(w, "<a@x.example>");
		world_rcpt(w, "<r@here.example>");
		assert_fact(w, STEP_RCPT, "quota", "over");
		world_rcpt_refused(w);
	}
	assert_int_equal(world_store_written(w), pages);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nearness, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nearest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_what_others_hold_fills_the_plan, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_what_was_not_sent_is_given_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_recipients, setup, teardown),
		cmocka_unit_test_setup_teardown(test_warnings, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_the_postmaster_is_always_reached, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_bounces_of_who_has_a_plan_count, setup, teardown),
		cmocka_unit_test_setup_teardown(test_upstream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_classes_of_an_upstream, setup, teardown),
		cmocka_unit_test_setup_teardown(test_burst, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    test_over_the_limit_nothing_is_written, setup, teardown),
	};

	return cmocka_run_group_tests_name("volume_quota", tests, NULL, NULL);
}
