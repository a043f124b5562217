#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/filters/world.h"

extern const struct stage volume_stage;
static const struct stage *const list[] = { &volume_stage };

#define HOURS 3600

/* What the rules of the tests ask, but for test_only_what_can_be_asked_for_is_counted(). */
static const char *const rules[] = { "rate(client, messages, 1m)", "rate(client, recipients, 1h)",
	"rate(client, bounces, 1h)", "rate(client, internal, 1h)", "rate(network, messages, 1h)",
	"rate(network, recipients, 1h)", "rate(sender, messages, 1h)",
	"rate(sender, recipients, 1h)", "rate(helo, messages, 1h)", "unknown_share(client, 1h)",
	"unknown_share(network, 1d)" };

static int
setup(void **state)
{
	*state = world_new(list, 1);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		world_rule(*state, rules[i]);
	world_connect(*state, "192.0.2.1", "alice");
	return 0;
}

static int
setup_without_rules(void **state)
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

/* Asks at mail of a message from that sender. */
#define assert_at_mail(w, from, fact, expected) \
	do { \
		world_mail((w), (from)); \
		assert_fact((w), STEP_MAIL, (fact), (expected)); \
	} while (0)

/* --- rates ------------------------------------------------------------------------------------ */

static void
test_what_was_accepted_is_counted(void **state)
{
	static const struct {
		const char *fact, *value;
	} cases[] = {
		{ "rate(client, messages, 1m)", "2" },
		{ "rate(client, recipients, 1m)", "5" },
		{ "rate(client, messages, 1h)", "2" },
		{ "rate(client, messages, 1d)", "2" },
		{ "rate(network, messages, 1h)", "2" },
		{ "rate(network, recipients, 1h)", "5" },
		{ "rate(account, messages, 1h)", "2" },
		{ "rate(account, recipients, 1d)", "5" },
		{ "rate(sender, messages, 1h)", "1" },
		{ "rate(sender, recipients, 1h)", "3" },
	};
	struct world *w = *state;

	world_message(w, "<a@one.example>", 2);
	world_message(w, "<b@TWO.example>", 3);
	world_mail(w, "<c@two.example>");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_fact(w, STEP_MAIL, cases[i].fact, cases[i].value);
}

static void
test_what_was_refused_is_not_counted(void **state)
{
	struct world *w = *state;

	world_mail(w, "<a@one.example>");
	world_rcpt(w, "<b@here.example>");
	assert_fact(w, STEP_RCPT, "rate(client, messages, 1h)", "0");
	world_rcpt_taken(w);
	assert_fact(w, STEP_MESSAGE, "rate(client, messages, 1h)", "0");
	session_reset(&w->session);
	assert_at_mail(w, "<a@one.example>", "rate(client, messages, 1h)", "0");
	assert_at_mail(w, "<a@one.example>", "rate(client, recipients, 1h)", "0");
}

static void
test_each_has_its_own_count(void **state)
{
	struct world *w = *state;

	world_message(w, "<a@one.example>", 1);
	world_connect(w, "192.0.2.2", "bob");
	assert_at_mail(w, "<a@one.example>", "rate(client, messages, 1h)", "0");
	assert_fact(w, STEP_MAIL, "rate(account, messages, 1h)", "0");
	assert_fact(w, STEP_MAIL, "rate(network, messages, 1h)", "1");
	assert_fact(w, STEP_MAIL, "rate(sender, messages, 1h)", "1");
}

static void
test_who_is_not_there_has_no_rate(void **state)
{
	struct world *w = *state;
	unsigned asked;

	world_connect(w, "", "");
	world_message(w, "<>", 1);
	asked = w->store_asked;
	world_mail(w, "<>");
	assert_fact(w, STEP_MAIL, "rate(client, messages, 1h)", "(none)");
	assert_fact(w, STEP_MAIL, "rate(network, messages, 1h)", "(none)");
	assert_fact(w, STEP_MAIL, "rate(account, messages, 1h)", "(none)");
	assert_fact(w, STEP_MAIL, "rate(sender, messages, 1h)", "(none)");
	assert_fact(w, STEP_MAIL, "surge(account)", "(none)");
	assert_fact(w, STEP_MAIL, "unknown_share(client, 1h)", "(none)");
	assert_int_equal(w->store_asked, asked);
}

static void
test_windows_slide(void **state)
{
	static const struct {
		int64_t after; /* seconds since the case before */
		const char *minute, *hour, *day;
	} cases[] = {
		{ 0, "3", "3", "3" },
		{ 50, "3", "3", "3" },
		{ 30, "0", "3", "3" },
		{ 58 * 60 - 30, "0", "3", "3" },
		{ 5 * 60, "0", "0", "3" },
		{ 22 * HOURS, "0", "0", "3" },
		{ 2 * HOURS, "0", "0", "0" },
	};
	struct world *w = *state;

	for (int i = 0; i < 3; i++)
		world_message(w, "<a@one.example>", 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w->now += cases[i].after;
		assert_at_mail(w, "<a@x.example>", "rate(client, messages, 1m)", cases[i].minute);
		assert_fact(w, STEP_MAIL, "rate(client, messages, 1h)", cases[i].hour);
		assert_fact(w, STEP_MAIL, "rate(client, messages, 1d)", cases[i].day);
	}
}

/* --- what is apart, and other keys ------------------------------------------------------------ */

static void
test_bounces_and_internal_mail_are_apart(void **state)
{
	struct world *w = *state;

	w->session.hostname = STR("MX.example.org");
	world_message(w, "<>", 1);
	world_message(w, "<a@x.example>", 1);
	assert_at_mail(w, "<b@x.example>", "rate(client, messages, 1h)", "1");
	assert_fact(w, STEP_MAIL, "rate(client, bounces, 1h)", "1");
	assert_fact(w, STEP_MAIL, "rate(client, recipients, 1h)", "1");
	assert_fact(w, STEP_MAIL, "rate(client, internal, 1h)", "0");
	/* among ourselves: to nobody else, and not from a stranger who says so */
	world_mail(w, "<a@example.org>");
	world_rcpt(w, "<b@mx.example.org>");
	world_rcpt_taken(w);
	world_accepted(w);
	assert_at_mail(w, "<b@x.example>", "rate(account, internal, 1h)", "1");
	world_message(w, "<a@example.org>", 1);
	assert_at_mail(w, "<b@x.example>", "rate(account, messages, 1h)", "2");
	world_connect(w, "192.0.2.77", "");
	w->session.hostname = STR("mx.example.org");
	world_mail(w, "<a@example.org>");
	world_rcpt(w, "<b@example.org>");
	world_rcpt_taken(w);
	world_accepted(w);
	assert_at_mail(w, "<b@x.example>", "rate(client, messages, 1h)", "1");
}

static void
test_direction(void **state)
{
	struct world *w = *state;

	assert_at_mail(w, "<a@x.example>", "direction", "out");
	world_connect(w, "192.0.2.1", "");
	assert_at_mail(w, "<a@x.example>", "direction", "in");
	world_connect(w, "192.0.2.1", "");
	w->session.trusted = true;
	assert_at_mail(w, "<a@x.example>", "direction", "out");
}

static void
test_helo_and_recipients_have_rates(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 3; i++) {
		world_mail(w, "<a@x.example>");
		world_rcpt(w, i < 2 ? "<R@Here.example>" : "<s@here.example>");
		assert_fact(w, STEP_RCPT, "rate(recipient, messages, 1h)", i == 1 ? "1" : "0");
		assert_fact(w, STEP_RCPT, "rate(helo, messages, 1h)",
		    i == 0       ? "0"
			: i == 1 ? "1"
				 : "2");
		world_rcpt_taken(w);
		world_accepted(w);
	}
	world_mail(w, "<a@x.example>");
	assert_fact(w, STEP_MAIL, "rate(recipient, messages, 1h)", "(none)");
}

/* --- recipients that the MTA does not know ---------------------------------------------------- */

static void
try_recipients(struct world *w, unsigned taken, unsigned unknown)
{
	char path[64];

	world_mail(w, "<a@guess.example>");
	for (unsigned i = 0; i < taken + unknown; i++) {
		snprintf(path, sizeof(path), "<r%u@here.example>", i);
		world_rcpt(w, path);
		if (i < taken)
			world_rcpt_taken(w);
		else
			world_rcpt_unknown(w);
	}
}

static void
test_guesses_count_at_once(void **state)
{
	struct world *w = *state;

	try_recipients(w, 0, 9);
	assert_at_mail(w, "<a@guess.example>", "unknown_share(client, 1h)", "0");
	try_recipients(w, 3, 0);
	assert_at_mail(w, "<a@guess.example>", "unknown_share(client, 1h)", "75");
	assert_fact(w, STEP_MAIL, "unknown_share(network, 1d)", "75");
	assert_fact(w, STEP_MAIL, "unknown_share(client, 1m)", "75");
	w->now += 2 * HOURS;
	assert_at_mail(w, "<a@guess.example>", "unknown_share(client, 1h)", "0");
	assert_fact(w, STEP_MAIL, "unknown_share(client, 1d)", "75");
	world_set(w, "volume", "unknown from", "13");
	assert_at_mail(w, "<a@guess.example>", "unknown_share(client, 1d)", "0");
}

/* A thousand recipients are counted with some dozens of questions, and completely. */
static void
test_a_long_transaction_is_counted_whole(void **state)
{
	struct world *w = *state;

	try_recipients(w, 900, 100);
	world_accepted(w);
	assert_true(w->store_asked < 120);
	assert_at_mail(w, "<a@x.example>", "unknown_share(client, 1h)", "10");
	assert_fact(w, STEP_MAIL, "rate(client, recipients, 1h)", "900");
	/* Without an end, at least half of it. */
	world_connect(w, "198.51.100.1", "");
	try_recipients(w, 50, 30);
	assert_at_mail(w, "<a@x.example>", "unknown_share(client, 1h)", "33"); /* 16 of 48 */
}

/* --- plans ------------------------------------------------------------------------------------ */

static struct plan plan[3];
static const struct plans plans = { .plan = plan, .n = 3 };

static const struct list *
list_of(struct world *w, const char *text)
{
	struct list *l = list_new(w->arena, STR("who"));
	struct cidr cidr;
	struct err e;

	if (cidr_parse(str_of(text), &cidr, NULL))
		list_add_cidr(l, &cidr);
	else if (!list_add_text(l, str_of(text), &e))
		fail_msg("%s", e.text);
	list_finish(l);
	return l;
}

/* Alice has ten messages a day; the network 198.51.100.0/24 five recipients an hour; others two a minute. */
static void
make_plans(struct world *w)
{
	plan[0] = (struct plan){ .name = STR("residential"),
		.limit = { { PLAN_MESSAGES, PLAN_DAY, 10 } },
		.n_limits = 1,
		.recipients_per_message = 3,
		.warn = { 80 },
		.accounts = list_of(w, "alice") };
	plan[1] = (struct plan){ .name = STR("office"),
		.limit = { { PLAN_MESSAGES, PLAN_DAY, 1000 }, { PLAN_RECIPIENTS, PLAN_HOUR, 5 } },
		.n_limits = 2,
		.warn = { 80 },
		.clients = list_of(w, "198.51.100.0/24") };
	plan[2] = (struct plan){ .name = STR("others"),
		.limit = { { PLAN_MESSAGES, PLAN_MINUTE, 2 } },
		.n_limits = 1,
		.warn = { 100 },
		.everyone = true };
	w->session.plans = &plans;
}

static void
connect(struct world *w, const char *ip, const char *account)
{
	world_connect(w, ip, account);
	w->session.plans = &plans;
}

static void
test_a_day_of_an_account(void **state)
{
	struct world *w = *state;

	make_plans(w);
	plan[0].clients = plan[1].clients;
	for (int i = 1; i <= 10; i++) {
		/* From wherever: the account pays. */
		connect(w, i % 2 ? "192.0.2.1" : "198.51.100.1", "alice");
		assert_at_mail(w, "<a@x.example>", "quota", i < 8 ? "ok" : "near");
		assert_fact(w, STEP_MAIL, "quota.free", "0s");
		world_message(w, "<a@x.example>", 1);
	}
	assert_at_mail(w, "<a@x.example>", "quota", "over");
	assert_fact(w, STEP_MAIL, "quota.used", "10");
	assert_fact(w, STEP_MAIL, "quota.limit", "10");
	assert_fact(w, STEP_MAIL, "quota.plan", "residential");
	assert_fact(w, STEP_MAIL, "quota.free", "1d30m");
	w->now += 25 * HOURS;
	assert_at_mail(w, "<a@x.example>", "quota", "ok");
	assert_fact(w, STEP_MAIL, "quota.used", "0");
}

static void
test_recipients_of_a_message(void **state)
{
	struct world *w = *state;

	make_plans(w);
	world_mail(w, "<a@x.example>");
	for (int i = 1; i <= 4; i++) {
		world_rcpt(w, "<r@here.example>");
		assert_fact(w, STEP_RCPT, "quota", i <= 3 ? "ok" : "over");
		assert_fact(w, STEP_RCPT, "recipients.allowed", "3");
		if (i <= 3)
			world_rcpt_taken(w);
		else
			world_rcpt_refused(w);
	}
	assert_fact(w, STEP_MESSAGE, "quota", "ok");
}

static void
test_recipients_in_an_hour_of_a_client(void **state)
{
	struct world *w = *state;

	make_plans(w);
	connect(w, "198.51.100.1", "");
	world_message(w, "<a@x.example>", 3);
	world_mail(w, "<a@x.example>");
	world_rcpt(w, "<r@here.example>");
	assert_fact(w, STEP_RCPT, "quota", "near");
	assert_fact(w, STEP_RCPT, "quota.used", "3");
	assert_fact(w, STEP_RCPT, "quota.limit", "5");
	assert_fact(w, STEP_RCPT, "recipients.allowed", "0");
	world_rcpt_taken(w);
	world_rcpt(w, "<s@here.example>");
	assert_fact(w, STEP_RCPT, "quota", "near");
	world_rcpt_taken(w);
	world_rcpt(w, "<t@here.example>");
	assert_fact(w, STEP_RCPT, "quota", "over");
	assert_fact(w, STEP_RCPT, "quota.free", "1h2m");
	world_rcpt_refused(w);
	assert_fact(w, STEP_MESSAGE, "quota", "near");
	world_accepted(w);
	/* Another address of the same network has its own. */
	connect(w, "198.51.100.2", "");
	assert_at_mail(w, "<a@x.example>", "quota", "ok");
}

static void
test_who_has_no_plan(void **state)
{
	struct world *w = *state;

	assert_at_mail(w, "<a@x.example>", "quota", "none");
	make_plans(w);
	connect(w, "192.0.2.1", "");
	assert_at_mail(w, "<a@x.example>", "quota", "none");
	assert_fact(w, STEP_MAIL, "quota.plan", "(none)");
	assert_fact(w, STEP_MAIL, "quota.used", "(none)");
	assert_fact(w, STEP_MAIL, "quota.limit", "(none)");
	assert_fact(w, STEP_MAIL, "quota.free", "(none)");
	assert_fact(w, STEP_MAIL, "recipients.allowed", "0");
	connect(w, "192.0.2.1", "bob");
	assert_at_mail(w, "<a@x.example>", "quota.plan", "others");
	world_message(w, "<a@x.example>", 1);
	world_message(w, "<a@x.example>", 1);
	assert_at_mail(w, "<a@x.example>", "quota", "over");
	assert_fact(w, STEP_MAIL, "quota.free", "1m10s");
}

/* --- what is counted at all ------------------------------------------------------------------- */

/* Each as another client: after a message, what is counted of whom. */
static void
test_only_what_can_be_asked_for_is_counted(void **state)
{
	static const struct {
		const char *rule, *fact, *before, *after;
	} cases[] = {
		{ "rate(client, messages, 1m)", "rate(client, messages, 1d)", "0", "1" },
		{ "surge(network)", "rate(network, messages, 1h)", "0", "1" },
		{ "surge.words(helo)", "rate(helo, messages, 1h)", "0", "1" },
		{ "usual(sender)", "rate(sender, messages, 1h)", "0", "1" },
		{ "rate(client, recipients, 1h)", "rate(client, recipients, 1h)", "0", "2" },
		{ "rate(network, recipients, 1h)", "rate(network, recipients, 1h)", "0", "2" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char ip[32];

		for (int round = 0; round < 2; round++) {
			snprintf(ip, sizeof(ip), "192.0.%d.1", (int)(2 * i) + round);
			if (round == 1)
				world_rule(w, cases[i].rule);
			world_connect(w, ip, "");
			w->session.trusted = true;
			w->session.helo = arena_dup(w->arena, str_of(ip));
			world_message(w, arena_printf(w->arena, "<a@%s.example>", ip).p, 2);
			world_mail(w, arena_printf(w->arena, "<a@%s.example>", ip).p);
			assert_fact(w, STEP_MAIL, cases[i].fact,
			    round == 0 ? cases[i].before : cases[i].after);
		}
	}
}

/* Nobody asks: no question. An account's messages are counted all the same, and a client's when there are plans. */
static void
test_who_is_always_counted(void **state)
{
	struct world *w = *state;
	unsigned asked = w->store_asked;

	try_recipients(w, 2, 3);
	world_accepted(w);
	assert_int_equal(w->store_asked, asked);
	world_connect(w, "192.0.2.1", "bob");
	world_message(w, "<a@x.example>", 2);
	assert_at_mail(w, "<a@x.example>", "rate(account, messages, 1h)", "1");
	assert_fact(w, STEP_MAIL, "rate(account, recipients, 1h)", "2");
	assert_fact(w, STEP_MAIL, "rate(client, messages, 1h)", "0");
	make_plans(w);
	connect(w, "192.0.2.1", "");
	world_message(w, "<a@x.example>", 2);
	assert_at_mail(w, "<a@x.example>", "rate(client, messages, 1h)", "1");
	assert_fact(w, STEP_MAIL, "rate(client, recipients, 1h)", "2");
	assert_fact(w, STEP_MAIL, "rate(network, messages, 1h)", "0");
}

static void
test_recipients_tried_are_counted_for_who_is_asked_for(void **state)
{
	struct world *w = *state;

	world_rule(w, "unknown_share.usual(network)");
	try_recipients(w, 10, 10);
	world_accepted(w);
	assert_at_mail(w, "<a@x.example>", "unknown_share(network, 1h)", "50");
	assert_fact(w, STEP_MAIL, "unknown_share(client, 1h)", "0");
}

/* --- when things go wrong --------------------------------------------------------------------- */

static void
test_a_store_that_fails_gives_nothing(void **state)
{
	static const char *const none[] = { "rate(client, messages, 1h)", "surge(client)",
		"usual(client)", "unknown_share(client, 1h)", "quota", "quota.used", "quota.limit",
		"quota.free" };
	struct world *w = *state;

	make_plans(w);
	w->store_fails = true;
	world_mail(w, "<a@x.example>");
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_fact(w, STEP_MAIL, none[i], "(none)");
	/* What needs no store is known all the same. */
	assert_fact(w, STEP_MAIL, "quota.plan", "residential");
	w->session.txn.n_accepted = 3;
	world_rcpt(w, "<r@here.example>");
	assert_fact(w, STEP_RCPT, "quota", "over");
}

static void
test_windows_are_checked(void **state)
{
	struct world *w = *state;

	assert_string_equal(world_check(w, "rate(client, messages, 1h)"), "");
	assert_string_equal(world_check(w, "rate(client, messages, 60s)"), "");
	assert_string_equal(world_check(w, "unknown_share(client, 1d)"), "");
	assert_string_equal(world_check(w, "rate(client, messages, 2h)"),
	    "counts are kept for 1m, 1h and 1d; there is none for 2h");
	assert_string_equal(world_check(w, "unknown_share(client, 90s)"),
	    "counts are kept for 1m, 1h and 1d; there is none for 1m30s");
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define WITHOUT_RULES(f) cmocka_unit_test_setup_teardown(f, setup_without_rules, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_what_was_accepted_is_counted),
		CASE(test_what_was_refused_is_not_counted),
		CASE(test_each_has_its_own_count),
		CASE(test_who_is_not_there_has_no_rate),
		CASE(test_windows_slide),
		CASE(test_bounces_and_internal_mail_are_apart),
		CASE(test_direction),
		CASE(test_helo_and_recipients_have_rates),
		CASE(test_guesses_count_at_once),
		CASE(test_a_long_transaction_is_counted_whole),
		CASE(test_a_day_of_an_account),
		CASE(test_recipients_of_a_message),
		CASE(test_recipients_in_an_hour_of_a_client),
		CASE(test_who_has_no_plan),
		WITHOUT_RULES(test_only_what_can_be_asked_for_is_counted),
		WITHOUT_RULES(test_who_is_always_counted),
		WITHOUT_RULES(test_recipients_tried_are_counted_for_who_is_asked_for),
		CASE(test_a_store_that_fails_gives_nothing),
		CASE(test_windows_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
