#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/filters/world.h"

extern const struct stage helo_stage;
static const struct stage *const list[] = { &helo_stage };

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
say_helo(struct world *w, const char *name)
{
	session_helo(&w->session, arena_dup(w->session.conn, str_of(name)), true);
}

static void
test_forms(void **state)
{
	static const struct {
		const char *helo, *form;
	} cases[] = {
		{ "mx.example.org", "name" },
		{ "MX-1.Example.ORG", "name" },
		{ "4.example.4you", "name" },
		{ "localhost", "bare" },
		{ "[192.0.2.1]", "literal" },
		{ "[IPv6:2001:db8::1]", "literal" },
		{ "[ipv6:2001:db8::1]", "literal" },
		{ "[2001:db8::1]", "invalid" },
		{ "[IPv6:192.0.2.1]", "invalid" },
		{ "[192.0.2]", "invalid" },
		{ "[192.0.2.1", "invalid" },
		{ "192.0.2.1", "invalid" },
		{ "mx.example.org.", "invalid" },
		{ "mx..example.org", "invalid" },
		{ ".example.org", "invalid" },
		{ "-mx.example.org", "invalid" },
		{ "mx-.example.org", "invalid" },
		{ "my_host.example.org", "invalid" },
		{ "mx example", "invalid" },
		{ "m\xc3\xbc.example", "invalid" },
		{ "x", "bare" },
		{ "1", "invalid" },
		{ "", "invalid" },
		{ "a123456789012345678901234567890123456789012345678901234567890123.example",
		    "invalid" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		say_helo(*state, cases[i].helo);
		assert_fact(*state, STEP_HELO, "helo.form", cases[i].form);
	}
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *client, *helo, *exists, *is_client;
	} cases[] = {
		{ "192.0.2.99", "mx.example.org", "yes", "yes" },
		{ "192.0.2.98", "mx.example.org", "yes", "no" },
		{ "2001:db8::1", "MX.example.org", "yes", "yes" },
		{ "2001:db8::2", "mx.example.org", "yes", "no" },
		{ "192.0.2.99", "nobody.example", "no", "no" },
		{ "192.0.2.99", "half.example", "yes", "yes" },
		/* The family that might be the client's did not answer. */
		{ "2001:db8::1", "half.example", "yes", "(none)" },
		{ "192.0.2.99", "silent.example", "(none)", "(none)" },
		{ "192.0.2.99", "[192.0.2.99]", "yes", "yes" },
		{ "192.0.2.99", "[192.0.2.98]", "yes", "no" },
		{ "2001:db8::1", "[IPv6:2001:DB8:0::1]", "yes", "yes" },
		{ "192.0.2.99", "under_score.example", "no", "no" },
		{ "", "mx.example.org", "yes", "no" },
	};
	struct world *w = *state;

	world_dns(w, "mx.example.org", DNS_A, "192.0.2.7");
	world_dns(w, "mx.example.org", DNS_A, "192.0.2.99");
	world_dns(w, "mx.example.org", DNS_AAAA, "2001:db8::1");
	world_dns(w, "half.example", DNS_A, "192.0.2.99");
	world_dns_fails(w, "silent.example");
	world_dns_fails_for(w, "half.example", DNS_AAAA);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world_connect(w, cases[i].client, "");
		say_helo(w, cases[i].helo);
		assert_fact(w, STEP_HELO, "helo.exists", cases[i].exists);
		assert_fact(w, STEP_MAIL, "helo.is_client", cases[i].is_client);
	}
}

/* Both facts rest on the same two questions; a new HELO asks its own. */
static void
test_questions(void **state)
{
	struct world *w = *state;

	world_dns(w, "mx.example.org", DNS_A, "192.0.2.99");
	say_helo(w, "mx.example.org");
	assert_fact(w, STEP_HELO, "helo.form", "name");
	assert_int_equal(w->dns_asked, 0);
	assert_fact(w, STEP_HELO, "helo.exists", "yes");
	assert_fact(w, STEP_HELO, "helo.is_client", "yes");
	assert_int_equal(w->dns_asked, 2);
	assert_int_equal(w->rounds, 0);
	say_helo(w, "[192.0.2.99]");
	assert_fact(w, STEP_HELO, "helo.is_client", "yes");
	assert_int_equal(w->dns_asked, 2);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_forms),
		CASE(test_addresses),
		CASE(test_questions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
