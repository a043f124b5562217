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

	world_set(*state, "greylist", "network proven after", "1");
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

	world_set(w, "greylist", "network proven after", "1");
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

#define NAMED "198.51.100.1"

static void
give_name(struct world *w)
{
	world_dns(w, "1.100.51.198.in-addr.arpa", DNS_PTR, "mail.example.org");
	world_dns(w, "mail.example.org", DNS_A, NAMED);
}

/* So many messages that come back, then one that need not. */
static void
assert_proven_after(struct world *w, const char *ip, size_t n)
{
	static const char *const senders[] = { "<a@x.example>", "<b@x.example>", "<c@x.example>",
		"<d@x.example>", "<e@x.example>" };

	for (size_t i = 0; i < n; i++) {
		assert_attempt(w, ip, senders[i], "<b@to.example>", "waiting");
		w->now += 10 * MINUTES;
		assert_attempt(w, ip, senders[i], "<b@to.example>", "passed");
	}
	assert_attempt(w, ip, "<z@x.example>", "<b@to.example>", "known");
}

static void
test_an_origin_may_have_to_pass_more_often(void **state)
{
	struct world *w = *state;

	give_name(w);
	world_set(w, "greylist", "proven after", "3");
	assert_proven_after(w, NAMED, 3);
	world_set(w, "greylist", "network proven after", "4");
	assert_proven_after(w, "192.0.2.1", 4);
}

/* Whose name is proper vouches for himself, a network for strangers too. */
static void
test_a_network_has_to_pass_more_often_than_a_name(void **state)
{
	give_name(*state);
	assert_proven_after(*state, NAMED, 1);
	assert_proven_after(*state, "192.0.2.1", 5);
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

/* The owner of the client's name stands for all its machines; a customer's name does not. */
static void
test_the_owner_of_the_name_is_the_origin(void **state)
{
	struct world *w = *state;

	world_dns(w, "1.2.0.192.in-addr.arpa", DNS_PTR, "Out1.Example.ORG");
	world_dns(w, "out1.example.org", DNS_A, "192.0.2.1");
	world_dns(w, "1.100.51.198.in-addr.arpa", DNS_PTR, "out2.example.org");
	world_dns(w, "out2.example.org", DNS_A, "198.51.100.1");
	world_dns(w, "9.113.0.203.in-addr.arpa", DNS_PTR, "c-203-0-113-9.example.org");
	world_dns(w, "c-203-0-113-9.example.org", DNS_A, "203.0.113.9");
	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "waiting");
	w->session.txn.current = w->session.txn.recipients;
	assert_fact(w, STEP_RCPT, "greylist.key", "name:example.org");
	w->now += 10 * MINUTES;
	assert_attempt(w, "203.0.113.9", "<a@from.example>", "<b@to.example>", "waiting");
	w->session.txn.current = w->session.txn.recipients;
	assert_fact(w, STEP_RCPT, "greylist.key", "203.0.113.0/24");
	assert_attempt(w, "198.51.100.1", "<a@from.example>", "<b@to.example>", "passed");
	assert_attempt(w, "192.0.2.1", "<x@new.example>", "<b@to.example>", "known");
	assert_attempt(w, "203.0.113.9", "<x@new.example>", "<b@to.example>", "waiting");
	/* SPF says more than a name. */
	spf_says = "pass";
	spf_domain = "other.example";
	assert_attempt(w, "192.0.2.1", "<x@other.example>", "<b@to.example>", "waiting");
	spf_says = "none";
	world_set(w, "greylist", "use name", "off");
	assert_attempt(w, "192.0.2.1", "<x@new.example>", "<b@to.example>", "waiting");
}

/* A DNS that does not answer leaves the network, and is no reason to defer what is known. */
static void
test_a_name_that_cannot_be_had(void **state)
{
	struct world *w = *state;

	world_dns_fails(w, "1.2.0.192.in-addr.arpa");
	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "waiting");
	w->now += 10 * MINUTES;
	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "passed");
	assert_int_equal(w->session.txn.recipients->facts.first->failures, 0);
}

/* --- the bound -------------------------------------------------------------------------------- */

/* A pool of which nothing is proven: each attempt comes from another network. */
static void
test_nobody_is_delayed_beyond_the_bound(void **state)
{
	static const struct {
		int64_t at; /* seconds after the first attempt */
		const char *says, *wait;
	} cases[] = {
		{ 0, "waiting", "5m" }, { 10 * MINUTES, "waiting", "5m" },
		{ 20 * MINUTES, "waiting", "5m" },
		{ 27 * MINUTES, "waiting", "3m" }, /* until the bound */
		{ 30 * MINUTES - 1, "waiting", "1s" }, { 30 * MINUTES, "passed", "0s" },
		{ 31 * MINUTES, "known", "0s" }, { 2 * DAYS, "known", "0s" },
		{ 5 * DAYS, "waiting", "5m" }, /* a pair is no proof: it is forgotten soon */
	};
	struct world *w = *state;
	int64_t begin = w->now;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char ip[32];

		snprintf(ip, sizeof(ip), "198.51.%zu.1", i);
		w->now = begin + cases[i].at;
		assert_attempt(w, ip, "<a@from.example>", "<b@to.example>", cases[i].says);
		w->session.txn.current = w->session.txn.recipients;
		assert_fact(w, STEP_RCPT, "greylist.wait", cases[i].wait);
		if (i == 5)
			assert_fact(w, STEP_RCPT, "greylist.first", "30m");
	}
	/* The bound proves none of the networks, nor anybody else. */
	w->now = begin + 31 * MINUTES;
	assert_attempt(w, "198.51.5.1", "<x@from.example>", "<b@to.example>", "waiting");
	assert_attempt(w, "198.51.99.1", "<a@from.example>", "<x@to.example>", "waiting");
}

/* Whoever passed before the bound leaves no door open behind it. */
static void
test_a_pass_does_not_open_the_pair(void **state)
{
	struct world *w = *state;

	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "waiting");
	w->now += 10 * MINUTES;
	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "passed");
	w->now += 60 * MINUTES;
	assert_attempt(w, "203.0.113.1", "<a@from.example>", "<b@to.example>", "waiting");
	/* Known by then under its origin, it leaves none either. */
	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "known");
	w->now += 60 * MINUTES;
	assert_attempt(w, "198.51.100.1", "<a@from.example>", "<b@to.example>", "waiting");
}

static void
test_made_up_senders_are_one(void **state)
{
	struct world *w = *state;

	assert_attempt(
	    w, "192.0.2.1", "<prvs=0123ab45cd=jane@from.example>", "<b@to.example>", "waiting");
	w->now += 10 * MINUTES;
	assert_attempt(w, "192.0.2.1", "<jack@from.example>", "<b@to.example>", "waiting");
	assert_attempt(
	    w, "192.0.2.1", "<prvs=1444ab45ef=Jane+x@from.example>", "<b@to.example>", "passed");
}

/* Everybody's bounces have the same sender: what tells them apart is who says HELO. */
static void
test_null_senders_have_a_bound_of_their_own(void **state)
{
	struct world *w = *state;

	assert_attempt(w, "192.0.2.1", "<>", "<b@to.example>", "waiting");
	w->now += 40 * MINUTES;
	world_connect(w, "198.51.100.1", "");
	session_helo(&w->session, STR("mx.other.example"), true);
	world_mail(w, "<>");
	world_rcpt(w, "<b@to.example>");
	assert_fact(w, STEP_RCPT, "greylist", "waiting");
	world_connect(w, "203.0.113.1", "");
	session_helo(&w->session, STR("localhost"), true);
	world_mail(w, "<>");
	world_rcpt(w, "<b@to.example>");
	assert_fact(w, STEP_RCPT, "greylist", "waiting");
	/* HELO as at first, from another network. */
	assert_attempt(w, "198.51.200.1", "<>", "<b@to.example>", "passed");
}

/* --- who is known ----------------------------------------------------------------------------- */

/* One of our own writes to somebody. */
static void
write_to(struct world *w, const char *account, bool trusted, const char *recipient)
{
	world_connect(w, "10.0.0.1", account);
	w->session.trusted = trusted;
	world_mail(w, "<user@to.example>");
	world_rcpt(w, recipient);
	assert_fact(w, STEP_RCPT, "greylist", "known");
	world_rcpt_taken(w);
	world_accepted(w);
}

static void
test_whom_our_users_wrote_to_is_known(void **state)
{
	struct world *w = *state;

	write_to(w, "user", false, "<Friend+news@From.Example>");
	write_to(w, "", true, "<other@from.example>");
	assert_attempt(w, "192.0.2.1", "<friend@from.example>", "<b@to.example>", "known");
	assert_attempt(w, "192.0.2.1", "<other@from.example>", "<b@to.example>", "known");
	assert_attempt(w, "192.0.2.1", "<stranger@from.example>", "<b@to.example>", "waiting");
	assert_attempt(w, "192.0.2.1", "<>", "<b@to.example>", "waiting");
	/* Nobody is known for having been written to by strangers. */
	world_connect(w, "192.0.2.1", "");
	world_mail(w, "<a@from.example>");
	world_rcpt(w, "<victim@elsewhere.example>");
	world_rcpt_taken(w);
	world_accepted(w);
	assert_attempt(w, "192.0.2.1", "<victim@elsewhere.example>", "<b@to.example>", "waiting");
	/* A sender is a claim. */
	spf_says = "fail";
	assert_attempt(w, "192.0.2.1", "<friend@from.example>", "<b@to.example>", "waiting");
	spf_says = "none";
	assert_attempt(w, "192.0.2.1", "<friend@from.example>", "<x@from.example>", "waiting");
	w->now += 37 * DAYS;
	assert_attempt(w, "192.0.2.1", "<other@from.example>", "<b@to.example>", "waiting");
}

static void
test_correspondents_can_be_left_unknown(void **state)
{
	struct world *w = *state;

	world_set(w, "greylist", "know correspondents", "off");
	write_to(w, "user", false, "<friend@from.example>");
	assert_attempt(w, "192.0.2.1", "<friend@from.example>", "<b@to.example>", "waiting");
}

/* A mailing of ours does not push out what is known. */
static void
test_recipients_that_are_remembered_are_bounded(void **state)
{
	struct world *w = *state;
	char path[64];

	world_connect(w, "10.0.0.1", "user");
	world_mail(w, "<user@to.example>");
	for (int i = 0; i < 400; i++) {
		snprintf(path, sizeof(path), "<r%c%c@from.example>", 'a' + i / 26, 'a' + i % 26);
		world_rcpt(w, path);
		world_rcpt_taken(w);
	}
	w->store_asked = 0;
	world_accepted(w);
	assert_int_equal(w->store_asked, 100);
}

/* As `postern greylist allow` writes it. */
static void
allow(struct world *w, const char *key)
{
	struct question q = { .kind = QUESTION_SEEN,
		.name = str_of(key),
		.seen = { .prove = true, .remember = 5 * DAYS } };

	world_count(w, &q);
}

static void
test_what_is_allowed_by_hand_is_known(void **state)
{
	static const struct {
		const char *key, *ip, *sender;
	} cases[] = {
		{ "greylist:known:192.0.2.7", "192.0.2.7", "<a@x.example>" },
		{ "greylist:known:198.51.100.0/24", "198.51.100.9", "<a@x.example>" },
		{ "greylist:known:jane@y.example", "203.0.113.1", "<Jane@Y.example>" },
		{ "greylist:known:z.example", "203.0.113.1", "<any@Z.example>" },
		{ "greylist:known:name:owner.example", "198.18.0.1", "<a@x.example>" },
	};
	struct world *w = *state;

	world_dns(w, "1.0.18.198.in-addr.arpa", DNS_PTR, "mx.owner.example");
	world_dns(w, "mx.owner.example", DNS_A, "198.18.0.1");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		allow(w, cases[i].key);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_attempt(w, cases[i].ip, cases[i].sender, "<b@to.example>", "known");
	assert_attempt(w, "192.0.2.8", "<a@x.example>", "<b@to.example>", "waiting");
	assert_attempt(w, "203.0.113.1", "<a@y.example>", "<b@to.example>", "waiting");
	w->now += 5 * DAYS + 1;
	assert_attempt(w, "192.0.2.7", "<c@x.example>", "<b@to.example>", "waiting");
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
	/* Who is known: 5 questions. Of each recipient the pair twice, the triplet in between. */
	assert_int_equal(w->store_asked, (5 + 3) + (5 + 6));
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
	assert_true(w->store_asked < 3 * 65 + 10);
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

/* The bound is never shorter than the delay, and is reached before the pair is forgotten. */
static void
test_the_bound_keeps_to_the_other_settings(void **state)
{
	struct world *w = *state;
	struct err e;

	world_set(w, "greylist", "delay", "1h");
	assert_true(world_configure(w, "greylist", &e));
	assert_attempt(w, "192.0.2.1", "<a@from.example>", "<b@to.example>", "waiting");
	w->now += 59 * MINUTES;
	assert_attempt(w, "198.51.100.1", "<a@from.example>", "<b@to.example>", "waiting");
	w->now += 1 * MINUTES;
	assert_attempt(w, "203.0.113.1", "<a@from.example>", "<b@to.example>", "passed");
	world_set(w, "greylist", "longest", "3d");
	assert_true(world_configure(w, "greylist", &e));
	assert_attempt(w, "192.0.2.1", "<x@from.example>", "<b@to.example>", "waiting");
	w->now += 2 * DAYS - 1;
	assert_attempt(w, "198.51.100.1", "<x@from.example>", "<b@to.example>", "passed");
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
		CASE(test_a_network_has_to_pass_more_often_than_a_name),
		CASE(test_spf_makes_the_domain_the_origin),
		cmocka_unit_test(test_with_spf_records),
		CASE(test_the_owner_of_the_name_is_the_origin),
		CASE(test_a_name_that_cannot_be_had),
		CASE(test_nobody_is_delayed_beyond_the_bound),
		CASE(test_a_pass_does_not_open_the_pair),
		CASE(test_made_up_senders_are_one),
		CASE(test_null_senders_have_a_bound_of_their_own),
		CASE(test_whom_our_users_wrote_to_is_known),
		CASE(test_correspondents_can_be_left_unknown),
		CASE(test_recipients_that_are_remembered_are_bounded),
		CASE(test_what_is_allowed_by_hand_is_known),
		CASE(test_dkim_makes_the_domain_the_origin),
		CASE(test_a_message_waits_for_its_last_recipient),
		CASE(test_what_passed_at_rcpt_does_not_wait_at_message),
		CASE(test_a_store_that_fails_is_unknown),
		CASE(test_many_recipients_do_not_use_up_the_questions),
		CASE(test_a_client_without_an_address),
		CASE(test_settings_that_cannot_work),
		CASE(test_the_bound_keeps_to_the_other_settings),
		cmocka_unit_test(test_keys_are_bounded_and_stay_different),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
