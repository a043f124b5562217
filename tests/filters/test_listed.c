#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/filters/world.h"

extern const struct stage listed_stage;
static const struct stage *const list[] = { &listed_stage };

static int
setup(void **state)
{
	*state = world_new(list, 1);
	world_connect(*state, "192.0.2.99", "");
	return 0;
}

static int
teardown(void **state)
{
	world_free((struct world **)state);
	return 0;
}

static void
test_what_is_a_listing(void **state)
{
	static const struct {
		const char *answers[3];
		const char *call, *listed, *code;
	} cases[] = {
		{ { NULL }, "(\"bl.example\")", "no", "(none)" },
		{ { "127.0.0.2" }, "(\"bl.example\")", "yes", "127.0.0.2" },
		{ { "127.0.0.2" }, "(\"BL.Example.\")", "yes", "127.0.0.2" },
		{ { "127.0.0.4", "127.0.0.2" }, "(\"bl.example\")", "yes", "127.0.0.2" },
		{ { "127.255.255.254" }, "(\"bl.example\")", "no", "(none)" },
		{ { "127.255.255.1", "127.0.0.9" }, "(\"bl.example\")", "yes", "127.0.0.9" },
		{ { "127.255.254.1" }, "(\"bl.example\")", "yes", "127.255.254.1" },
		/* A parked domain answers for every name. */
		{ { "203.0.113.80" }, "(\"bl.example\")", "no", "(none)" },
		{ { "127.0.0.3" }, "(\"bl.example\", \"127.0.0.2\")", "no", "127.0.0.3" },
		{ { "127.0.0.3" }, "(\"bl.example\", \"127.0.0.2\", \"127.0.0.3\")", "yes",
		    "127.0.0.3" },
		{ { "127.0.0.11" }, "(\"bl.example\", \"127.0.0.8/29\")", "yes", "127.0.0.11" },
		{ { "127.0.0.16" }, "(\"bl.example\", \"127.0.0.8/29\")", "no", "127.0.0.16" },
		{ { "127.0.0.1" }, "(\"bl.example\", \"127.0.0.2..11\")", "no", "127.0.0.1" },
		{ { "127.0.0.2" }, "(\"bl.example\", \"127.0.0.2..11\")", "yes", "127.0.0.2" },
		{ { "127.0.0.11" }, "(\"bl.example\", \"127.0.0.2..11\")", "yes", "127.0.0.11" },
		{ { "127.0.0.12" }, "(\"bl.example\", \"127.0.0.2..11\")", "no", "127.0.0.12" },
		{ { "127.0.1.9" }, "(\"bl.example\", \"127.0.0.2..127.0.1.9\")", "yes",
		    "127.0.1.9" },
		/* An operator's refusal inside of a range is none the less one. */
		{ { "127.255.255.254" }, "(\"bl.example\", \"127.0.0.0..127.255.255.255\")", "no",
		    "(none)" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w;
		char call[128];

		teardown(state);
		setup(state);
		w = *state;
		for (size_t j = 0; j < 3 && cases[i].answers[j]; j++)
			world_dns(w, "99.2.0.192.bl.example", DNS_A, cases[i].answers[j]);
		snprintf(call, sizeof(call), "listed%s", cases[i].call);
		assert_fact(w, STEP_CONNECT, call, cases[i].listed);
		assert_fact(w, STEP_CONNECT, "listed.code(\"bl.example\")", cases[i].code);
		assert_int_equal(w->dns_asked, 1);
	}
}

static void
test_an_ipv6_client(void **state)
{
	struct world *w = *state;

	world_connect(w, "2001:db8::1", "");
	world_dns(w, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example",
	    DNS_A, "127.0.0.2");
	assert_fact(w, STEP_CONNECT, "listed(\"bl.example\")", "yes");
}

static void
test_nobody_is_listed_by_silence(void **state)
{
	struct world *w = *state;

	world_dns_fails(w, "99.2.0.192.bl.example");
	assert_fact(w, STEP_CONNECT, "listed(\"bl.example\")", "no");
	world_connect(w, "", "");
	assert_fact(w, STEP_CONNECT, "listed(\"bl.example\")", "no");
	assert_fact(w, STEP_CONNECT, "listed.code(\"bl.example\")", "(none)");
	assert_int_equal(w->dns_asked, 1);
}

static void
test_names(void **state)
{
	static const struct {
		const char *sender, *call, *expected;
	} cases[] = {
		{ "<a@Bad.example>", "(\"dbl.example\", sender)", "yes" },
		{ "<a@good.example>", "(\"dbl.example\", sender)", "no" },
		{ "<a@bad.example>", "(\"dbl.example\", sender, \"127.0.1.4..6\")", "no" },
		{ "<a@bad.example>", "(\"dbl.example\", sender, \"127.0.1.2\")", "yes" },
		{ "<a@bad.example>", "(\"dbl.example.\", helo)", "yes" },
		{ "<a@bad.example>", "(\"dbl.example\", client)", "yes" },
		{ "<>", "(\"dbl.example\", sender)", "no" },
		{ "<a@[192.0.2.1]>", "(\"dbl.example\", sender)", "no" },
		{ "<a@refused.example>", "(\"dbl.example\", sender)", "no" },
	};
	struct world *w = *state;

	world_dns(w, "bad.example.dbl.example", DNS_A, "127.0.1.2");
	world_dns(w, "mx.bad.example.dbl.example", DNS_A, "127.0.1.2");
	world_dns(w, "refused.example.dbl.example", DNS_A, "127.255.255.252");
	world_dns(w, "99.2.0.192.in-addr.arpa", DNS_PTR, "mx.bad.example");
	world_dns(w, "mx.bad.example", DNS_A, "192.0.2.99");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char call[128];

		world_connect(w, "192.0.2.99", "");
		session_helo(&w->session, STR("mx.bad.example"), true);
		world_mail(w, cases[i].sender);
		snprintf(call, sizeof(call), "listed.name%s", cases[i].call);
		assert_fact(w, STEP_MAIL, call, cases[i].expected);
	}
	/* What claims to be an address is not asked about. */
	world_connect(w, "192.0.2.99", "");
	session_helo(&w->session, STR("192.0.2.1"), true);
	world_mail(w, "<a@b.example>");
	assert_fact(w, STEP_MAIL, "listed.name(\"dbl.example\", helo)", "no");
}

/* Asked at connect, at hand at mail. */
static void
test_asked_once_a_session(void **state)
{
	struct world *w = *state;

	world_dns(w, "99.2.0.192.bl.example", DNS_A, "127.0.0.2");
	assert_fact(w, STEP_CONNECT, "listed(\"bl.example\")", "yes");
	world_mail(w, "<a@from.example>");
	assert_fact(w, STEP_MAIL, "listed(\"bl.example\", \"127.0.0.2\")", "yes");
	assert_int_equal(w->dns_asked, 1);
}

static void
test_arguments_are_checked(void **state)
{
	static const struct {
		const char *call, *complaint;
	} cases[] = {
		{ "listed(\"zen.spamhaus.org\")", "" },
		{ "listed(\"zen.spamhaus.org\", \"127.0.0.2\", \"127.0.0.8/29\")", "" },
		{ "listed(\"\")",
		    "\"\" is not the name of a block list: write a domain, such as "
		    "\"zen.spamhaus.org\"" },
		{ "listed.code(\"two words.example\")",
		    "\"two words.example\" is not the name of a block list: write a domain, such "
		    "as \"zen.spamhaus.org\"" },
		{ "listed(\"[192.0.2.1]\")",
		    "\"[192.0.2.1]\" is not the name of a block list: write a domain, such as "
		    "\"zen.spamhaus.org\"" },
		{ "listed(\"bl.example\", \"192.0.2.1\")",
		    "\"192.0.2.1\" is not an answer of a block list: write an address, a "
		    "range or a network of 127.0.0.0/8, such as 127.0.0.2 or 127.0.0.2..11" },
		{ "listed(\"bl.example\", \"127.0.0.2\", \"pbl\")",
		    "\"pbl\" is not an answer of a block list: write an address, a range "
		    "or a network of 127.0.0.0/8, such as 127.0.0.2 or 127.0.0.2..11" },
		{ "listed(\"bl.example\", \"127.0.0.11..2\")",
		    "\"127.0.0.11..2\" is not an answer of a block list: write an address, a range "
		    "or a network of 127.0.0.0/8, such as 127.0.0.2 or 127.0.0.2..11" },
		{ "listed.name(\"dbl.example\", sender, \"127.0.0.2..256\")",
		    "\"127.0.0.2..256\" is not an answer of a block list: write an address, a range "
		    "or a network of 127.0.0.0/8, such as 127.0.0.2 or 127.0.0.2..11" },
		{ "listed.name(\"dbl.example\", helo, \"127.0.1.2..99\")", "" },
		{ "listed(\"bl.example\", \"127.255.255.254\")",
		    "\"127.255.255.254\" is how a block list says that it does not serve us; it is "
		    "never taken for a listing" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(world_check(*state, cases[i].call), cases[i].complaint);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_what_is_a_listing),
		CASE(test_an_ipv6_client),
		CASE(test_names),
		CASE(test_nobody_is_listed_by_silence),
		CASE(test_asked_once_a_session),
		CASE(test_arguments_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
