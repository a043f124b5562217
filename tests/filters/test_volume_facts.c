/* What volume tells beside rates and plans: the usual, what differs, who was seen, what is suspicious, what is proven. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/filters/world.h"

extern const struct stage volume_stage, spf_stage, dkim_stage;
static const struct stage *const list[] = { &volume_stage, &spf_stage, &dkim_stage };

#define HOUR INT64_C(3600)
#define DAY (24 * HOUR)
#define WEEK (7 * DAY)

static int
setup(void **state)
{
	struct world *w = world_new(list, 3);

	w->now = w->now / WEEK * WEEK;
	world_connect(w, "192.0.2.1", "alice");
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	world_free((struct world **)state);
	return 0;
}

static void
came(struct world *w, const char *key, int64_t n)
{
	const struct question q = { .kind = QUESTION_COUNT, .name = str_of(key), .add = n };

	world_count(w, &q);
}

#define assert_at_mail(w, from, fact, expected) \
	do { \
		world_mail((w), (from)); \
		assert_fact((w), STEP_MAIL, (fact), (expected)); \
	} while (0)

/* --- the usual -------------------------------------------------------------------------------- */

/* Six an hour for four weeks: the first week may vary by half, each one after narrows it. */
static void
test_a_surge_in_words(void **state)
{
	struct world *w = *state;

	for (int hour = 0; hour < 4 * 168; hour++, w->now += HOUR) {
		world_mail(w, "<a@x.example>");
		if (hour % 24 == 0)
			assert_fact(w, STEP_MAIL, "surge(client)", "0");
		came(w, "rate:messages:client:192.0.2.1", 6);
	}
	/* the hour before is out of its bins */
	w->now += 200;
	assert_at_mail(w, "<a@x.example>", "usual(client)", "6");
	assert_fact(w, STEP_MAIL, "surge.words(client)", "usual 3 to 9 an hour, now 0");
	came(w, "rate:messages:client:192.0.2.1", 19);
	/* more than usual, but few */
	assert_at_mail(w, "<a@x.example>", "surge(client)", "0");
	came(w, "rate:messages:client:192.0.2.1", 221);
	assert_at_mail(w, "<a@x.example>", "surge.words(client)", "usual 3 to 9 an hour, now 240");
	assert_true(world_fact(w, STEP_MAIL, "surge(client)").real > 26);
	assert_fact(
	    w, STEP_MAIL, "surge.words(account)", "what is usual is not known yet, now 0 an hour");
	assert_fact(w, STEP_MAIL, "surge(account)", "0");
}

static void
test_who_is_new_is_no_surge(void **state)
{
	struct world *w = *state;

	for (int hour = 0; hour < 168; hour++, w->now += HOUR)
		came(w, "rate:messages:client:192.0.2.1", 2);
	w->now -= HOUR;
	came(w, "rate:messages:client:192.0.2.1", 500);
	assert_at_mail(w, "<a@x.example>", "surge(client)", "0");
	assert_fact(w, STEP_MAIL, "usual(client)", "0");
	world_set(w, "volume", "surge after", "1d");
	world_mail(w, "<a@x.example>");
	assert_true(world_fact(w, STEP_MAIL, "surge(client)").real > 100);
}

/* --- shares against their past ---------------------------------------------------------------- */

static void
test_unknown_against_the_past(void **state)
{
	struct world *w = *state;

	assert_at_mail(w, "<a@x.example>", "unknown_share.usual(client)", "(none)");
	assert_fact(w, STEP_MAIL, "unknown_share.surge(client)", "0");
	for (int day = 0; day < 60; day++, w->now += DAY) {
		came(w, "rate:taken:client:192.0.2.1", 95);
		came(w, "rate:unknown:client:192.0.2.1", 5);
	}
	w->now += DAY;
	came(w, "rate:taken:client:192.0.2.1", 20);
	came(w, "rate:unknown:client:192.0.2.1", 20);
	assert_at_mail(w, "<a@x.example>", "unknown_share.usual(client)", "5");
	assert_fact(w, STEP_MAIL, "unknown_share(client, 1h)", "50");
	assert_in_range((int)world_fact(w, STEP_MAIL, "unknown_share.surge(client)").real, 9, 10);
}

/* --- what differs ----------------------------------------------------------------------------- */

static void
test_different_recipients_and_senders(void **state)
{
	struct world *w = *state;
	char path[64];

	assert_at_mail(w, "<a@x.example>", "distinct(account, recipients, 1h)", "0");
	/* not asked for in this transaction: not counted */
	world_message(w, "<a@x.example>", 5);
	for (int i = 0; i < 3; i++) {
		world_mail(w, i == 1 ? "<A@x.example>" : "<a@x.example>");
		world_rcpt(w, "<R1@here.example>");
		assert_fact(w, STEP_RCPT, "distinct(account, recipients, 1h)", i ? "2" : "0");
		assert_fact(w, STEP_RCPT, "distinct(account, senders, 1d)", i ? "1" : "0");
		world_rcpt_taken(w);
		world_rcpt(w, "<r2@here.example>");
		world_rcpt_taken(w);
		world_rcpt(w, "<r3@here.example>");
		world_rcpt_unknown(w);
		world_accepted(w);
	}
	for (int i = 0; i < 50; i++) {
		snprintf(path, sizeof(path), "<s%d@x.example>", i);
		world_mail(w, path);
		assert_true(
		    world_fact(w, STEP_MAIL, "distinct(account, senders, 1h)").number == 1 + i);
		world_rcpt(w, "<r@here.example>");
		world_rcpt_taken(w);
		world_accepted(w);
	}
	w->now += HOUR - 1;
	assert_at_mail(w, "<a@x.example>", "distinct(account, senders, 1h)", "51");
	w->now += 1;
	assert_at_mail(w, "<a@x.example>", "distinct(account, senders, 1h)", "0");
	assert_fact(w, STEP_MAIL, "distinct(account, senders, 1d)", "51");
	assert_string_equal(world_check(w, "distinct(account, senders, 2h)"),
	    "counts are kept for 1m, 1h and 1d; there is none for 2h");
}

/* --- who was seen ----------------------------------------------------------------------------- */

static void
accepted_after(struct world *w, const char *from, const char *fact, const char *expected)
{
	world_mail(w, from);
	world_rcpt(w, "<r@here.example>");
	assert_fact(w, STEP_RCPT, fact, expected);
	world_rcpt_taken(w);
	world_accepted(w);
}

static void
test_first_contact(void **state)
{
	struct world *w = *state;

	world_dns(w, "proven.example", DNS_TXT, "v=spf1 ip4:198.51.100.1 -all");
	world_connect(w, "198.51.100.1", "");
	accepted_after(w, "<a@proven.example>", "seen(sender.domain)", "no");
	w->now += 60;
	accepted_after(w, "<b@proven.example>", "seen(sender.domain)", "yes");
	assert_at_mail(w, "<c@proven.example>", "seen.first(sender.domain)", "1m");
	assert_fact(w, STEP_MAIL, "seen(sender)", "no");
	assert_fact(w, STEP_MAIL, "seen.first(sender)", "(none)");
	/* Whoever only says so has not been seen, and is not remembered. */
	world_connect(w, "198.51.100.99", "");
	accepted_after(w, "<a@proven.example>", "seen(sender.domain)", "no");
	accepted_after(w, "<a@other.example>", "seen(sender.domain)", "no");
	accepted_after(w, "<a@other.example>", "seen(sender.domain)", "no");
	/* without a sender there is nobody to be seen */
	assert_at_mail(w, "<>", "seen(sender.domain)", "no");
	w->store_fails = true;
	assert_at_mail(w, "<a@x.example>", "seen(client)", "(none)");
}

static void
test_seen_is_forgotten(void **state)
{
	struct world *w = *state;

	accepted_after(w, "<a@x.example>", "seen(client)", "no");
	for (int i = 0; i < 10; i++) {
		w->now += 100 * DAY;
		accepted_after(w, "<a@x.example>", "seen(client)", "yes");
	}
	w->now += 181 * DAY;
	assert_at_mail(w, "<a@x.example>", "seen(client)", "no");
}

/* --- proven domains --------------------------------------------------------------------------- */

static void
test_a_proven_domain_has_a_count_of_its_own(void **state)
{
	struct world *w = *state;

	world_rule(w, "rate(sender, messages, 1h)");
	world_rule(w, "rate(claimed, messages, 1h)");
	world_dns(w, "proven.example", DNS_TXT, "v=spf1 ip4:198.51.100.1 -all");
	world_connect(w, "198.51.100.1", "");
	accepted_after(w, "<a@proven.example>", "rate(sender, messages, 1h)", "0");
	accepted_after(w, "<a@PROVEN.example>", "rate(sender, messages, 1h)", "1");
	accepted_after(w, "<a@proven.example>", "rate(claimed, messages, 1h)", "0");
	/* Forgers are nobody, and count for nobody. */
	world_connect(w, "198.51.100.99", "");
	accepted_after(w, "<a@proven.example>", "rate(sender, messages, 1h)", "(none)");
	accepted_after(w, "<a@proven.example>", "rate(claimed, messages, 1h)", "1");
	world_connect(w, "198.51.100.1", "");
	assert_at_mail(w, "<a@proven.example>", "rate(sender, messages, 1h)", "2");
	assert_fact(w, STEP_MAIL, "rate(claimed, messages, 1h)", "2");
	/* No rule asked for SPF: nothing was proven then, and nobody had to wait for it. */
	world_message(w, "<a@proven.example>", 1);
	assert_at_mail(w, "<a@proven.example>", "rate(sender, messages, 1h)", "2");
}

/* --- accounts --------------------------------------------------------------------------------- */

static void
test_suspicious_for_its_networks(void **state)
{
	static const char *const ips[] = { "192.0.2.1", "192.0.2.200", "198.51.100.1",
		"203.0.113.1" };
	struct world *w = *state;

	for (size_t i = 0; i < 4; i++) {
		world_connect(w, ips[i], "alice");
		accepted_after(w, "<a@x.example>", "account.suspicious", i == 3 ? "yes" : "no");
	}
	assert_at_mail(w, "<a@x.example>", "account.suspicious.why", "3 new networks in a day");
	/* A day later they are hers. */
	w->now += 2 * DAY;
	for (size_t i = 0; i < 4; i++) {
		world_connect(w, ips[i], "alice");
		accepted_after(w, "<a@x.example>", "account.suspicious", "no");
	}
	assert_at_mail(w, "<a@x.example>", "account.suspicious.why", "");
}

static void
test_suspicious_for_guesses(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 12; i++) {
		world_mail(w, "<a@x.example>");
		world_rcpt(w, "<r@here.example>");
		assert_fact(w, STEP_RCPT, "account.suspicious", i < 10 ? "no" : "yes");
		if (i % 2)
			world_rcpt_unknown(w);
		else
			world_rcpt_taken(w);
	}
	assert_at_mail(
	    w, "<a@x.example>", "account.suspicious.why", "50% of its recipients are unknown");
}

static void
test_suspicious_for_a_surge(void **state)
{
	struct world *w = *state;

	for (int hour = 0; hour < 168 * 2; hour++, w->now += HOUR)
		came(w, "rate:messages:account:alice", 10);
	w->now += 200;
	assert_at_mail(w, "<a@x.example>", "account.suspicious", "no");
	came(w, "rate:messages:account:alice", 500);
	assert_at_mail(
	    w, "<a@x.example>", "account.suspicious.why", "usual 2 to 18 an hour, now 500");
	assert_true(w->rounds <= 1);
	world_connect(w, "192.0.2.1", "");
	assert_at_mail(w, "<a@x.example>", "account.suspicious", "(none)");
	world_connect(w, "192.0.2.1", "alice");
	w->store_fails = true;
	assert_at_mail(w, "<a@x.example>", "account.suspicious", "(none)");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_surge_in_words),
		CASE(test_who_is_new_is_no_surge),
		CASE(test_unknown_against_the_past),
		CASE(test_different_recipients_and_senders),
		CASE(test_first_contact),
		CASE(test_seen_is_forgotten),
		CASE(test_a_proven_domain_has_a_count_of_its_own),
		CASE(test_suspicious_for_its_networks),
		CASE(test_suspicious_for_guesses),
		CASE(test_suspicious_for_a_surge),
	};

	return cmocka_run_group_tests_name("volume_facts", tests, NULL, NULL);
}
