#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "filters/key.h"
#include "tests/filters/world.h"

extern const struct stage greylist_stage;
extern const struct stage spf_stage;

/* --- what SPF and DKIM say, given by the test ------------------------------------------------- */

static const char *spf_says = "none", *spf_domain = "";
static struct str dkim_domains[2];
static size_t n_dkim_domains;

static enum progress
given_spf(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_symbol(spf_says);
	return DONE;
}

static enum progress
given_spf_domain(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_text(str_of(spf_domain));
	return DONE;
}

static enum progress
given_dkim(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = (struct value){ .type = VALUE_LIST };
	out->list.item = dkim_domains;
	out->list.n = n_dkim_domains;
	return DONE;
}

static const struct fact_def given_facts[] = {
	{ .name = "spf",
	    .type = VALUE_SYMBOL,
	    .from = STEP_MAIL,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .compute = given_spf },
	{ .name = "spf.domain",
	    .type = VALUE_TEXT,
	    .from = STEP_MAIL,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .compute = given_spf_domain },
	{ .name = "dkim.domains",
	    .type = VALUE_LIST,
	    .from = STEP_MESSAGE,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .compute = given_dkim },
};
static const struct stage given_stage = {
	.abi = STAGE_ABI, .name = "given", .facts = given_facts, .n_facts = 3
};

static const struct stage *const both[] = { &greylist_stage, &given_stage };

#define MINUTES 60
#define DAYS 86400

static int
setup(void **state)
{
	spf_says = "none";
	spf_domain = "";
	n_dkim_domains = 0;
	*state = world_new(both, 2);
	return 0;
}

static int
teardown(void **state)
{
	world_free((struct world **)state);
	return 0;
}

/* One attempt to one recipient: what greylist says at rcpt. */
static const char *
attempt(struct world *w, const char *ip, const char *sender, const char *recipient)
{
	const char *says;

	world_connect(w, ip, "");
	world_mail(w, sender);
	world_rcpt(w, recipient);
	says = world_print(w, STEP_RCPT, "greylist");
	world_rcpt_taken(w);
	return says;
}

#define assert_attempt(w, ip, from, to, says) \
	assert_string_equal(attempt((w), (ip), (from), (to)), (says))

/* --- cases ------------------------------------------------------------------------------------ */

/* One triplet through time: when it comes, and what is said. */
static void
test_a_triplet_waits_and_is_known(void **state)
{
	static const struct {
		int64_t after; /* seconds since the case before */
		const char *says, *wait, *first;
	} cases[] = {
		{ 0, "waiting", "5m", "0s" },
		{ 60, "waiting", "4m", "1m" },
		{ 239, "waiting", "1s", "4m59s" },
		{ 1, "passed", "0s", "5m" },
		{ 1, "known", "0s", "1s" }, /* the network, since it proved itself */
		{ 30 * DAYS, "known", "0s", NULL },
		{ 30 * DAYS, "known", "0s", NULL },      /* used: remembered on */
		{ 37 * DAYS, "waiting", "5m", "0s" },    /* forgotten */
		{ 2 * DAYS + 1, "waiting", "5m", "0s" }, /* came back too late: new again */
		{ 10 * MINUTES, "passed", "0s", "10m" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = *state;

		w->now += cases[i].after;
		assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", cases[i].says);
		w->session.txn.current = w->session.txn.recipients;
		assert_fact(w, STEP_RCPT, "greylist.wait", cases[i].wait);
		if (cases[i].first)
			assert_fact(w, STEP_RCPT, "greylist.first", cases[i].first);
		assert_fact(w, STEP_RCPT, "greylist.key", "192.0.2.0/24");
	}
}

static void
test_a_network_is_one_origin(void **state)
{
	struct world *w = *state;

	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "waiting");
	w->now += 10 * MINUTES;
	assert_attempt(w, "192.0.3.1", "<a@from.example>", "<b@to.example>", "waiting");
	assert_attempt(w, "192.0.2.200", "<a@from.example>", "<b@to.example>", "passed");
	assert_attempt(w, "2001:db8::1", "<a@from.example>", "<b@to.example>", "waiting");
	w->now += 10 * MINUTES;
	assert_attempt(w, "2001:db8:0:1::1", "<a@from.example>", "<b@to.example>", "waiting");
	assert_attempt(w, "2001:db8::ffff", "<a@from.example>", "<b@to.example>", "passed");
}

static void
test_networks_are_as_wide_as_set(void **state)
{
	struct world *w = *state;

	world_set(w, "greylist", "network ipv4", "32");
	world_set(w, "greylist", "network ipv6", "48");
	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "waiting");
	assert_attempt(w, "2001:db8::1", "<a@from.example>", "<b@to.example>", "waiting");
	w->now += 10 * MINUTES;
	assert_attempt(w, "192.0.2.2", "<a@from.example>", "<b@to.example>", "waiting");
	assert_attempt(w, "2001:db8:0:1::1", "<a@from.example>", "<b@to.example>", "passed");
}

static void
test_sender_and_recipient_count(void **state)
{
	struct world *w = *state;

	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "waiting");
	w->now += 10 * MINUTES;
	assert_attempt(w, "192.0.2.1", "<other@from.example>", "<b@to.example>", "waiting");
	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<other@to.example>", "waiting");
	assert_attempt(w, "192.0.2.1", "<>", "<b@to.example>", "waiting");
	assert_attempt(w, "192.0.2.1", "<a@FROM.example>", "<b@To.Example>", "passed");
}

static void
test_the_null_sender_waits_for_itself(void **state)
{
	struct world *w = *state;

	assert_attempt(w, "192.0.2.1", "<>", "<b@to.example>", "waiting");
	w->now += 10 * MINUTES;
	assert_attempt(w, "192.0.2.1", "<>", "<b@to.example>", "passed");
}

static void
test_an_origin_that_proved_itself_is_not_delayed(void **state)
{
	struct world *w = *state;

	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "waiting");
	w->now += 10 * MINUTES;
	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "passed");
	assert_attempt(w, "192.0.2.7", "<x@new.example>", "<y@to.example>", "known");
	w->session.txn.current = w->session.txn.recipients;
	assert_fact(w, STEP_RCPT, "greylist.wait", "0s");
	/* Used now and then, it is remembered for longer than `remember`. */
	for (int i = 0; i < 3; i++) {
		w->now += 30 * DAYS;
		assert_attempt(w, "192.0.2.7", "<x@new.example>", "<z@to.example>", "known");
	}
	w->now += 37 * DAYS;
	assert_attempt(w, "192.0.2.7", "<x@new.example>", "<z@to.example>", "waiting");
}

static void
test_an_origin_may_have_to_pass_more_often(void **state)
{
	static const char *const senders[] = { "<a@x.example>", "<b@x.example>", "<c@x.example>" };
	struct world *w = *state;

	world_set(w, "greylist", "proven after", "3");
	for (size_t i = 0; i < 3; i++) {
		assert_attempt(w, "192.0.2.1", senders[i], "<b@to.example>", "waiting");
		w->now += 10 * MINUTES;
		assert_attempt(w, "192.0.2.1", senders[i], "<b@to.example>", "passed");
	}
	assert_attempt(w, "192.0.2.1", "<d@x.example>", "<b@to.example>", "known");
}

static void
test_spf_makes_the_domain_the_origin(void **state)
{
	struct world *w = *state;

	spf_says = "pass";
	spf_domain = "From.Example";
	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "waiting");
	w->session.txn.current = w->session.txn.recipients;
	assert_fact(w, STEP_RCPT, "greylist.key", "spf:from.example");
	w->now += 10 * MINUTES;
	assert_attempt(w, "198.51.100.1", "<a@from.example>", "<b@to.example>", "passed");
	assert_attempt(w, "203.0.113.1", "<c@from.example>", "<d@to.example>", "known");
	/* The domain proved itself, not the network. */
	spf_says = "softfail";
	assert_attempt(w, "198.51.100.1", "<a@from.example>", "<b@to.example>", "waiting");
	spf_says = "pass";
	world_set(w, "greylist", "use spf", "off");
	assert_attempt(w, "203.0.113.1", "<c@from.example>", "<d@to.example>", "waiting");
}

/* The stage of SPF itself, with records. */
static void
test_with_spf_records(void **state)
{
	static const struct stage *const stages_here[] = { &greylist_stage, &spf_stage };
	struct world *w = world_new(stages_here, 2);

	world_dns(w, "from.example", DNS_TXT, "v=spf1 a:out.from.example -all");
	world_dns(w, "out.from.example", DNS_A, "192.0.2.1");
	world_dns(w, "out.from.example", DNS_A, "198.51.100.1");
	assert_attempt(w, "192.0.2.1", "<a@From.Example>", "<b@to.example>", "waiting");
	w->session.txn.current = w->session.txn.recipients;
	assert_fact(w, STEP_RCPT, "greylist.key", "spf:from.example");
	assert_fact(w, STEP_RCPT, "greylist.wait", "5m");
	w->now += 10 * MINUTES;
	assert_attempt(w, "203.0.113.1", "<a@from.example>", "<b@to.example>", "waiting");
	assert_attempt(w, "198.51.100.1", "<a@from.example>", "<b@to.example>", "passed");
	world_free(&w);
}

/* --- at message ------------------------------------------------------------------------------- */

/* A message to two recipients whose RCPT was not greylisted. */
static const char *
message(struct world *w, const char *ip, const char *one, const char *two)
{
	world_connect(w, ip, "");
	world_mail(w, "<a@from.example>");
	world_rcpt(w, one);
	world_rcpt_taken(w);
	world_rcpt(w, "<nobody@to.example>");
	world_rcpt_unknown(w);
	world_rcpt(w, two);
	world_rcpt_taken(w);
	return world_print(w, STEP_MESSAGE, "greylist");
}

static void
test_dkim_makes_the_domain_the_origin(void **state)
{
	struct world *w = *state;

	dkim_domains[0] = STR("esp.example");
	dkim_domains[1] = STR("shop.example");
	n_dkim_domains = 2;
	assert_string_equal(message(w, "192.0.2.1", "<b@to.example>", "<c@to.example>"), "waiting");
	assert_fact(w, STEP_MESSAGE, "greylist.key", "dkim:esp.example");
	w->now += 10 * MINUTES;
	assert_string_equal(
	    message(w, "198.51.100.1", "<b@to.example>", "<c@to.example>"), "passed");
	assert_string_equal(message(w, "203.0.113.1", "<x@to.example>", "<y@to.example>"), "known");
	/* At rcpt no signature has been seen. */
	assert_attempt(w, "203.0.113.1", "<a@from.example>", "<x@to.example>", "waiting");
	world_set(w, "greylist", "use dkim", "off");
	assert_string_equal(
	    message(w, "198.51.100.1", "<b@to.example>", "<c@to.example>"), "waiting");
	assert_fact(w, STEP_MESSAGE, "greylist.key", "198.51.100.0/24");
}

static void
test_a_message_waits_for_its_last_recipient(void **state)
{
	struct world *w = *state;

	assert_string_equal(message(w, "192.0.2.1", "<b@to.example>", "<b@to.example>"), "waiting");
	w->now += 4 * MINUTES;
	assert_string_equal(message(w, "192.0.2.1", "<b@to.example>", "<c@to.example>"), "waiting");
	assert_fact(w, STEP_MESSAGE, "greylist.wait", "5m");
	assert_int_equal(w->store_asked, 2 + 3);
	w->now += 4 * MINUTES;
	assert_string_equal(message(w, "192.0.2.1", "<c@to.example>", "<b@to.example>"), "waiting");
	assert_fact(w, STEP_MESSAGE, "greylist.wait", "1m");
}

static void
test_what_passed_at_rcpt_does_not_wait_at_message(void **state)
{
	struct world *w = *state;

	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "waiting");
	w->now += 10 * MINUTES;
	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "passed");
	dkim_domains[0] = STR("new.example");
	n_dkim_domains = 1;
	assert_fact(w, STEP_MESSAGE, "greylist.key", "dkim:new.example");
	assert_fact(w, STEP_MESSAGE, "greylist", "passed");
}

/* --- when things go wrong --------------------------------------------------------------------- */

static void
test_a_store_that_fails_is_unknown(void **state)
{
	struct world *w = *state;

	w->store_fails = true;
	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "unknown");
	w->session.txn.current = w->session.txn.recipients;
	assert_fact(w, STEP_RCPT, "greylist.wait", "0s");
	assert_fact(w, STEP_RCPT, "greylist.first", "(none)");
	w->store_fails = false;
	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "waiting");
}

/* Nobody is let through because a client named so many recipients before. */
static void
test_many_recipients_do_not_use_up_the_questions(void **state)
{
	struct world *w = *state;
	char path[64];

	world_connect(w, "192.0.2.1", "");
	world_mail(w, "<a@from.example>");
	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof(path), "<r%d@to.example>", i);
		world_rcpt(w, path);
		assert_fact(w, STEP_RCPT, "greylist", "waiting");
		world_rcpt_refused(w);
	}
	assert_true(w->store_asked < 110);
}

static void
test_a_client_without_an_address(void **state)
{
	struct world *w = *state;

	assert_attempt(w, "", "<a@from.example>", "<b@to.example>", "waiting");
	w->session.txn.current = w->session.txn.recipients;
	assert_fact(w, STEP_RCPT, "greylist.key", "local");
}

static void
test_settings_that_cannot_work(void **state)
{
	struct world *w = *state;
	struct err e;

	assert_true(world_configure(w, "greylist", &e));
	world_set(w, "greylist", "delay", "3d");
	assert_false(world_configure(w, "greylist", &e));
	assert_string_equal(e.text,
	    "greylist: `retry within` must be longer than `delay`, or no retry is ever taken");
	world_set(w, "greylist", "delay", "5m");
	world_set(w, "greylist", "remember", "1m");
	assert_false(world_configure(w, "greylist", &e));
	assert_string_equal(e.text, "greylist: `remember` must be longer than `delay`");
}

static void
test_keys_are_bounded_and_stay_different(void **state)
{
	struct arena *arena = arena_new(65536);
	char text[401];
	struct str one, two;

	memset(text, 'x', sizeof(text) - 1);
	text[400] = '\0';
	one = key_bound(arena, (struct str){ text, 400 });
	assert_int_equal(one.n, KEY_MAX);
	text[399] = 'y';
	two = key_bound(arena, (struct str){ text, 400 });
	assert_int_equal(two.n, KEY_MAX);
	assert_false(str_eq(one, two));
	assert_true(str_starts(one, str_sub(two, 0, KEY_MAX - 65)));
	/* What fits is left as it is. */
	assert_int_equal(key_bound(arena, (struct str){ text, KEY_MAX }).n, KEY_MAX);
	assert_ptr_equal(key_bound(arena, (struct str){ text, KEY_MAX }).p, text);
	arena_free(&arena);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_a_triplet_waits_and_is_known),
		CASE(test_a_network_is_one_origin),
		CASE(test_networks_are_as_wide_as_set),
		CASE(test_sender_and_recipient_count),
		CASE(test_the_null_sender_waits_for_itself),
		CASE(test_an_origin_that_proved_itself_is_not_delayed),
		CASE(test_an_origin_may_have_to_pass_more_often),
		CASE(test_spf_makes_the_domain_the_origin),
		cmocka_unit_test(test_with_spf_records),
		CASE(test_dkim_makes_the_domain_the_origin),
		CASE(test_a_message_waits_for_its_last_recipient),
		CASE(test_what_passed_at_rcpt_does_not_wait_at_message),
		CASE(test_a_store_that_fails_is_unknown),
		CASE(test_many_recipients_do_not_use_up_the_questions),
		CASE(test_a_client_without_an_address),
		CASE(test_settings_that_cannot_work),
		cmocka_unit_test(test_keys_are_bounded_and_stay_different),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
