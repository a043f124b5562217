/* The stage: which identity is checked when, and what its facts and results say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/filters/world.h"

extern const struct stage spf_stage;
static const struct stage *const list[] = { &spf_stage };

static int
setup(void **state)
{
	struct world *w = world_new(list, 1);

	world_connect(w, "192.0.2.1", "");
	world_dns(w, "example.org", DNS_TXT, "something else");
	world_dns(w, "example.org", DNS_TXT, "v=spf1 mx -all");
	world_dns(w, "example.org", DNS_MX, "10 mx.example.org");
	world_dns(w, "mx.example.org", DNS_A, "192.0.2.1");
	world_dns(w, "client.example", DNS_TXT, "v=spf1 ip4:192.0.2.0/24 -all");
	world_dns(w, "fail.example", DNS_TXT, "v=spf1 -all");
	world_dns(w, "told.example", DNS_TXT, "v=spf1 -all exp=why.told.example");
	world_dns(w, "why.told.example", DNS_TXT, "%{l} is not from %{i}");
	world_dns(w, "xn--bcher-kva.example", DNS_TXT, "v=spf1 -all");
	world_dns(w, "soft.example", DNS_TXT, "v=spf1 ~all");
	world_dns(w, "neutral.example", DNS_TXT, "v=spf1");
	world_dns(w, "bad.example", DNS_TXT, "v=spf1 ipv4:192.0.2.1 -all");
	world_dns_fails(w, "slow.example");
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
test_sender(void **state)
{
	static const struct {
		const char *path, *spf, *domain, *mechanism, *explanation;
	} cases[] = {
		{ "<a@example.org>", "pass", "example.org", "mx",
		    "192.0.2.1 is allowed to send mail from example.org" },
		{ "<a@Example.ORG>", "pass", "example.org", "mx",
		    "192.0.2.1 is allowed to send mail from example.org" },
		{ "<a@fail.example>", "fail", "fail.example", "-all",
		    "192.0.2.1 is not allowed to send mail from fail.example" },
		{ "<a@told.example>", "fail", "told.example", "-all",
		    "told.example explains: a is not from 192.0.2.1" },
		{ "<\"a b\"@told.example>", "fail", "told.example", "-all",
		    "told.example explains: \"a b\" is not from 192.0.2.1" },
		{ "<j\xc3\xb6@told.example>", "fail", "told.example", "-all",
		    "told.example explains: j?? is not from 192.0.2.1" },
		{ "<a@soft.example>", "softfail", "soft.example", "~all",
		    "192.0.2.1 is probably not allowed to send mail from soft.example" },
		{ "<a@neutral.example>", "neutral", "neutral.example", "",
		    "neutral.example does not say whether 192.0.2.1 may send its mail" },
		/* RFC 8616 4 */
		{ "<a@b\xc3\xbc"
		  "cher.example>",
		    "fail", "xn--bcher-kva.example", "-all",
		    "192.0.2.1 is not allowed to send mail from xn--bcher-kva.example" },
		{ "<a@none.example>", "none", "none.example", "",
		    "none.example has no SPF record" },
		{ "<a@slow.example>", "temperror", "slow.example", "",
		    "TXT of slow.example: timeout" },
		{ "<a@bad.example>", "permerror", "bad.example", "",
		    "record of bad.example: \"ipv4:192.0.2.1\": unknown mechanism" },
		{ "<a@[192.0.2.1]>", "none", "[192.0.2.1]", "", "there is no domain to check" },
		{ "<>", "pass", "client.example", "ip4:192.0.2.0/24",
		    "192.0.2.1 is allowed to send mail from client.example" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world *w = *state;

		world_mail(w, cases[i].path);
		assert_fact(w, STEP_MAIL, "spf", cases[i].spf);
		assert_fact(w, STEP_RCPT, "spf.domain", cases[i].domain);
		assert_fact(w, STEP_RCPT, "spf.mechanism", cases[i].mechanism);
		assert_fact(w, STEP_MESSAGE, "spf.explanation", cases[i].explanation);
		session_reset(&w->session);
	}
}

/* RFC 7208 9.1; whatever strangers write, pairs stay pairs, and each is there as a whole or not. */
static void
test_received(void **state)
{
#define LONG "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	static const struct {
		const char *helo, *path, *received;
	} cases[] = {
		{ "mx.example", "<a@example.org>",
		    "pass client-ip=192.0.2.1; envelope-from=\"a@example.org\"; helo=mx.example; "
		    "receiver=mx.here.example; identity=mailfrom; mechanism=mx;" },
		{ "mx.example", "<>",
		    "none client-ip=192.0.2.1; envelope-from=\"postmaster@mx.example\"; "
		    "helo=mx.example; receiver=mx.here.example; identity=mailfrom; "
		    "mechanism=default;" },
		{ "[192.0.2.1]", "<a@fail.example>",
		    "fail client-ip=192.0.2.1; envelope-from=\"a@fail.example\"; "
		    "helo=\"[192.0.2.1]\"; receiver=mx.here.example; identity=mailfrom; "
		    "mechanism=-all;" },
		{ "x\"; helo=y\\", "<\"; pass \"@fail.example>",
		    "fail client-ip=192.0.2.1; envelope-from=\"\\\"; pass \\\"@fail.example\"; "
		    "helo=\"x\\\"; helo=y\\\\\"; receiver=mx.here.example; identity=mailfrom; "
		    "mechanism=-all;" },
		{ "x\r\nX-Y: z", "<j\xc3\xb6@soft.example>",
		    "softfail client-ip=192.0.2.1; receiver=mx.here.example; identity=mailfrom; "
		    "mechanism=~all;" },
		{ LONG "." LONG "." LONG ".example", "<a@fail.example>",
		    "fail client-ip=192.0.2.1; envelope-from=\"a@fail.example\"; "
		    "receiver=mx.here.example; identity=mailfrom; mechanism=-all;" },
	};
	struct world *w = *state;

	w->session.hostname = STR("mx.here.example");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		session_helo(&w->session, str_of(cases[i].helo), true);
		world_mail(w, cases[i].path);
		assert_fact(w, STEP_MESSAGE, "spf.received", cases[i].received);
	}
}

/* What is only asked for at the end comes out the same; the domain alone costs no question. */
static void
test_late(void **state)
{
	struct world *w = *state;

	world_mail(w, "<a@told.example>");
	assert_fact(w, STEP_MESSAGE, "spf.domain", "told.example");
	assert_int_equal(w->dns_asked, 0);
	assert_fact(
	    w, STEP_MESSAGE, "spf.explanation", "told.example explains: a is not from 192.0.2.1");
	assert_int_equal(w->dns_asked, 2);
	assert_fact(w, STEP_MESSAGE, "spf", "fail");
	assert_int_equal(w->dns_asked, 2);
}

static void
test_helo(void **state)
{
	static const struct {
		const char *helo, *spf;
	} cases[] = {
		{ "client.example", "pass" },
		{ "FAIL.example.", "fail" },
		{ "none.example", "none" },
		{ "slow.example", "temperror" },
		{ "[192.0.2.1]", "none" },
		{ "192.0.2.1", "none" },
		{ "localhost", "none" },
		{ "a b.example", "none" },
		{ "", "none" },
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		session_helo(&w->session, str_of(cases[i].helo), true);
		assert_fact(w, STEP_HELO, "spf.helo", cases[i].spf);
	}
}

/* The same inside of a transaction; what was asked before it is not asked again. */
static void
test_helo_later(void **state)
{
	struct world *w = *state;

	world_mail(w, "<a@fail.example>");
	assert_fact(w, STEP_MAIL, "spf.helo", "pass");
	assert_int_equal(w->dns_asked, 1);
	session_reset(&w->session);
	assert_fact(w, STEP_HELO, "spf.helo", "pass");
	assert_int_equal(w->dns_asked, 1);

	session_helo(&w->session, STR("client.example"), true);
	assert_fact(w, STEP_HELO, "spf.helo", "pass");
	world_mail(w, "<>");
	w->dns_asked = 0;
	assert_fact(w, STEP_RCPT, "spf.helo", "pass");
	assert_fact(w, STEP_RCPT, "spf", "pass");
	assert_int_equal(w->dns_asked, 0);
}

/* Our results in one line: how they are folded is not the stage's. */
static const char *
results(struct world *w)
{
	struct ask ask = session_ask(&w->session, STEP_MESSAGE, w->now);
	struct authres authres;
	struct str field, line;
	char *out;

	authres_init(&authres, "mx.example.net");
	spf_stage.results(&ask, &authres);
	field = authres_finish(&authres);
	out = arena_alloc(w->arena, field.n + 1);
	for (size_t n = 0; str_pop(&field, '\n', &line);) {
		line = str_trim(line);
		memcpy(out + n, line.p ? line.p : "", line.n);
		n += line.n;
		if (field.n > 0)
			out[n++] = ' ';
	}
	authres_free(&authres);
	return out;
}

static void
test_results(void **state)
{
	struct world *w = *state;
	unsigned asked;

	world_mail(w, "<a@example.org>");
	assert_string_equal(results(w), "Authentication-Results: mx.example.net; none");
	assert_fact(w, STEP_MAIL, "spf", "pass");
	assert_string_equal(results(w),
	    "Authentication-Results: mx.example.net; spf=pass "
	    "smtp.mailfrom=a@example.org");
	assert_fact(w, STEP_RCPT, "spf.helo", "pass");
	asked = w->dns_asked;
	assert_string_equal(results(w),
	    "Authentication-Results: mx.example.net; spf=pass "
	    "smtp.mailfrom=a@example.org; spf=pass smtp.helo=client.example");
	assert_int_equal(w->dns_asked, asked);
	session_reset(&w->session);
	session_helo(&w->session, STR("client.example"), true);
	world_mail(w, "<>");
	assert_fact(w, STEP_MAIL, "spf", "pass");
	assert_string_equal(results(w),
	    "Authentication-Results: mx.example.net; spf=pass "
	    "smtp.mailfrom=postmaster@client.example");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sender, setup, teardown),
		cmocka_unit_test_setup_teardown(test_received, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_helo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_helo_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_results, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
