/* One run: what it counts, what it asks for, how it ends, and which names are the client's. */
#include "filters/spf_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A DNS that is a table; what is not in it does not exist. */
struct dns {
	const char *name;
	enum dns_type type;
	enum dns_status status;
	struct dns_rr *rr;
	size_t n;
	bool missing; /* has not arrived */
};

struct world {
	struct spf_query query;
	struct spf_run *run;
	const struct dns *dns;
	size_t n;
	unsigned asked;
	struct dns_answer answer[200];
	size_t n_answers;
};

static enum progress
lookup(void *owner, struct str name, enum dns_type type, const struct dns_answer **out)
{
	struct world *w = owner;
	struct dns_answer *a = &w->answer[w->n_answers++];

	assert_true(w->n_answers <= COUNT(w->answer));
	w->asked++;
	*a = (struct dns_answer){ .status = DNS_NXDOMAIN };
	for (size_t i = 0; i < w->n; i++) {
		const struct dns *d = &w->dns[i];

		if (!str_eq(str_of(d->name), name) || d->type != type)
			continue;
		if (d->missing)
			return PENDING;
		*a = (struct dns_answer){ .status = d->status, .rr = d->rr, .n = d->n };
		if (d->status == DNS_TEMPFAIL)
			a->why = "timeout";
	}
	*out = a;
	return DONE;
}

static void
begin(struct world *w, const char *client, const struct dns *dns, size_t n)
{
	*w = (struct world){
		.query = { .helo = STR("mx.example.org"),
		    .domain = STR("example.org"),
		    .receiver = STR("mx.example.net"),
		    .dns = lookup,
		    .owner = w },
		.dns = dns,
		.n = n,
	};
	assert_true(ip_parse(str_of(client), &w->query.client));
	w->run = spf_run_new(&w->query);
	assert_int_equal(w->run->state, SPF_RUNNING);
}

static void
ended(struct world *w, enum spf_result result, const char *problem)
{
	char text[600];

	assert_int_equal(w->run->state, SPF_ENDED);
	assert_int_equal(w->run->result, result);
	assert_true(str_copy(w->run->problem, text, sizeof text));
	assert_string_equal(text, problem);
	spf_run_free(&w->run);
	assert_null(w->run);
}

/* --- limits and ends ---------------------------------------------------------------------------- */

static void
test_limits(void **state)
{
	struct world w;

	begin(&w, "192.0.2.1", NULL, 0);
	for (int i = 0; i < SPF_LOOKUP_TERMS; i++)
		assert_true(spf_run_term(w.run));
	assert_false(spf_run_term(w.run));
	ended(&w, SPF_PERMERROR, "more than 10 terms need the DNS");

	begin(&w, "192.0.2.1", NULL, 0);
	for (int i = 0; i < SPF_VOID_TERMS; i++)
		assert_true(spf_run_void(w.run));
	assert_false(spf_run_void(w.run));
	ended(&w, SPF_PERMERROR, "more than 2 terms name what is not in the DNS");

	begin(&w, "192.0.2.1", NULL, 0);
	for (int i = 0; i < SPF_QUESTIONS; i++)
		assert_non_null(spf_run_note(w.run, STR("a.example"), DNS_A));
	assert_null(spf_run_note(w.run, STR("a.example"), DNS_A));
	assert_int_equal(w.asked, SPF_QUESTIONS);
	/* after the end nothing is asked any more */
	assert_null(spf_run_ask(w.run, STR("b.example"), DNS_A));
	assert_int_equal(w.asked, SPF_QUESTIONS);
	ended(&w, SPF_PERMERROR, "needs more than 128 DNS questions");
}

/* The first end counts; what strangers wrote in its reason becomes printable ASCII. */
static void
test_ends_once(void **state)
{
	struct world w;

	begin(&w, "192.0.2.1", NULL, 0);
	spf_run_end(w.run, SPF_TEMPERROR, "a\x1b\xff\n%s", "b");
	spf_run_end(w.run, SPF_PERMERROR, "other");
	ended(&w, SPF_TEMPERROR, "a???b");
	/* waiting is no end */
	begin(&w, "192.0.2.1", NULL, 0);
	w.run->state = SPF_WAITING;
	spf_run_end(w.run, SPF_NONE, "%0700d", 0);
	assert_int_equal(w.run->state, SPF_ENDED);
	assert_int_equal(w.run->problem.n, 511);
	spf_run_free(&w.run);
}

/* --- questions ----------------------------------------------------------------------------------- */

static void
test_names_that_are_none(void **state)
{
	static const struct {
		struct str name;
		bool asked;
	} cases[] = {
		{ STR("example.org"), true },
		{ STR("_spf.example.org"), true },
		{ STR("a b.example"), true },
		{ STR(""), false },
		{ STR("example.org."), false },
		{ STR("a..example"), false },
		{ STR(".example"), false },
		{ STR("a\0.example"), false },
		{ STR("a\n.example"), false },
		{ STR("\x7f.example"), false },
		{ STR("\xc3\xa4.example"), false },
		{ STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b"), true },
		{ STR("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b"),
		    false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct dns_answer *answer;
		struct world w;

		begin(&w, "192.0.2.1", NULL, 0);
		answer = spf_run_note(w.run, cases[i].name, DNS_TXT);
		assert_non_null(answer);
		assert_int_equal(answer->status, DNS_NXDOMAIN);
		if (w.asked != cases[i].asked || spf_run_nowhere(answer) == cases[i].asked)
			fail_msg("%zu", i);
		spf_run_free(&w.run);
	}
}

static void
test_missing_and_failed(void **state)
{
	static const struct dns dns[] = {
		{ .name = "late.example", .type = DNS_A, .missing = true },
		{ .name = "down.example", .type = DNS_A, .status = DNS_TEMPFAIL },
	};
	struct world w;

	begin(&w, "192.0.2.1", dns, COUNT(dns));
	/* noting waits for nothing */
	assert_null(spf_run_note(w.run, STR("late.example"), DNS_A));
	assert_int_equal(spf_run_note(w.run, STR("down.example"), DNS_A)->status, DNS_TEMPFAIL);
	assert_int_equal(w.run->state, SPF_RUNNING);
	assert_null(spf_run_ask(w.run, STR("late.example"), DNS_A));
	assert_int_equal(w.run->state, SPF_WAITING);
	spf_run_free(&w.run);
	begin(&w, "192.0.2.1", dns, COUNT(dns));
	assert_null(spf_run_ask(w.run, STR("down.example"), DNS_A));
	ended(&w, SPF_TEMPERROR, "A of down.example: timeout");
}

/* --- the client's names -------------------------------------------------------------------------- */

static void
test_within(void **state)
{
	static const struct {
		const char *name, *domain;
		bool within;
	} cases[] = {
		{ "example.org", "example.org", true },
		{ "EXAMPLE.org", "example.ORG", true },
		{ "mx.example.org", "example.org", true },
		{ "badexample.org", "example.org", false },
		{ "example.org", "mx.example.org", false },
		{ "example.org.evil", "example.org", false },
		{ "", "", true },
		{ "a", "", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		if (spf_name_within(str_of(cases[i].name), str_of(cases[i].domain)) !=
		    cases[i].within)
			fail_msg("%s, %s", cases[i].name, cases[i].domain);
}

#define PTR "1.2.0.192.in-addr.arpa"

static void
test_validated_names(void **state)
{
	struct dns_rr names[] = { { .data = STR("Liar.example.") },
		{ .data = STR("MX.a.example.") }, { .data = STR("down.example") },
		{ .data = STR("a.example") } };
	struct dns_rr ours = { .data = STR("\xc0\0\2\1") }, other = { .data = STR("\xc0\0\2\2") },
		      longer = { .data = STR("\xc0\0\2\1\0") };
	struct dns dns[] = {
		{ PTR, DNS_PTR, DNS_OK, names, COUNT(names), false },
		{ "liar.example", DNS_A, DNS_OK, &other, 1, false },
		{ "mx.a.example", DNS_A, DNS_OK, &ours, 1, false },
		{ "down.example", DNS_A, DNS_TEMPFAIL, NULL, 0, false },
		{ "a.example", DNS_A, DNS_OK, &ours, 1, true },
	};
	static const struct {
		const char *domain, *validated;
	} cases[] = {
		{ "a.example", "a.example" }, /* itself before those below */
		{ "mx.a.example", "mx.a.example" }, { "example", "mx.a.example" }, /* below it */
		{ "b.example", "mx.a.example" },                                   /* any */
	};
	struct spf_values values;
	struct world w;

	begin(&w, "192.0.2.1", dns, COUNT(dns));
	assert_false(spf_run_names(w.run));
	assert_int_equal(w.run->state, SPF_WAITING);
	assert_int_equal(w.asked, 5); /* all at once */
	spf_run_free(&w.run);
	dns[4].missing = false;
	begin(&w, "192.0.2.1", dns, COUNT(dns));
	assert_true(spf_run_names(w.run));
	assert_int_equal(w.run->n_names, 2);
	assert_false(w.run->names_void);
	assert_true(spf_run_names(w.run));
	assert_int_equal(w.asked, 5); /* once */
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_true(spf_run_values(w.run, STR("%{p}"), str_of(cases[i].domain), &values));
		assert_true(str_eq(values.validated, str_of(cases[i].validated)));
	}
	spf_run_free(&w.run);
	/* five octets are no address */
	dns[2].rr = dns[4].rr = &longer;
	begin(&w, "192.0.2.1", dns, COUNT(dns));
	assert_true(spf_run_values(w.run, STR("%{p}"), STR("a.example"), &values));
	assert_true(str_eq(values.validated, STR("unknown")));
	spf_run_free(&w.run);
	/* nobody asks for what no macro wants */
	begin(&w, "192.0.2.1", dns, COUNT(dns));
	assert_true(spf_run_values(w.run, STR("%{i}"), STR("a.example"), &values));
	assert_int_equal(w.asked, 0);
	assert_true(str_eq(values.local, STR("postmaster")));
	spf_run_free(&w.run);
}

static void
test_many_names(void **state)
{
	struct dns_rr names[SPF_HOSTS + 5];
	char text[SPF_HOSTS + 5][16];
	struct dns dns = { PTR, DNS_PTR, DNS_OK, names, COUNT(names), false };
	struct world w;

	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(text[i], sizeof text[i], "h%zu.example", i);
		names[i] = (struct dns_rr){ .data = str_of(text[i]) };
	}
	begin(&w, "192.0.2.1", &dns, 1);
	assert_true(spf_run_names(w.run));
	assert_int_equal(w.asked, 1 + SPF_HOSTS);
	assert_int_equal(w.run->n_names, 0);
	spf_run_free(&w.run);
	/* no PTR at all, or none to be had: nobody's error, but only the first is void */
	dns.status = DNS_NODATA;
	dns.n = 0;
	begin(&w, "192.0.2.1", &dns, 1);
	assert_true(spf_run_names(w.run));
	assert_true(w.run->names_void);
	spf_run_free(&w.run);
	dns.status = DNS_TEMPFAIL;
	begin(&w, "192.0.2.1", &dns, 1);
	assert_true(spf_run_names(w.run));
	assert_false(w.run->names_void);
	spf_run_free(&w.run);
	begin(&w, "2001:db8::1", NULL, 0);
	assert_int_equal(spf_run_address_type(w.run), DNS_AAAA);
	spf_run_free(&w.run);
}

/* --- records ------------------------------------------------------------------------------------- */

static void
test_open(void **state)
{
	struct dns_rr one[] = { { .data = STR("other") }, { .data = STR("v=spf1 -all") } };
	struct dns_rr two[] = { { .data = STR("v=spf1 -all") }, { .data = STR("V=SPF1") } };
	struct dns_rr wrong[] = { { .data = STR("v=spf1 foo") } };
	struct dns_rr near[] = { { .data = STR("v=spf10 -all") } };
	const struct dns dns[] = {
		{ "one.example", DNS_TXT, DNS_OK, one, COUNT(one), false },
		{ "two.example", DNS_TXT, DNS_OK, two, COUNT(two), false },
		{ "wrong.example", DNS_TXT, DNS_OK, wrong, 1, false },
		{ "near.example", DNS_TXT, DNS_OK, near, 1, false },
	};
	const struct spf_frame *frame;
	struct world w;

	begin(&w, "192.0.2.1", dns, COUNT(dns));
	frame = spf_run_open(w.run, STR("one.example"), false);
	assert_non_null(frame);
	assert_int_equal(frame->record.n_terms, 1);
	assert_ptr_equal(w.run->top, frame);
	frame = spf_run_open(w.run, STR("one.example"), true);
	assert_true(frame->included);
	assert_ptr_not_equal(w.run->top, frame);
	/* whoever is referred to must have one */
	assert_null(spf_run_open(w.run, STR("near.example"), true));
	ended(&w, SPF_PERMERROR, "near.example has no SPF record");
	begin(&w, "192.0.2.1", dns, COUNT(dns));
	assert_null(spf_run_open(w.run, STR("gone.example"), false));
	ended(&w, SPF_NONE, "gone.example has no SPF record");
	begin(&w, "192.0.2.1", dns, COUNT(dns));
	assert_null(spf_run_open(w.run, STR("two.example"), false));
	ended(&w, SPF_PERMERROR, "two.example has more than one SPF record");
	begin(&w, "192.0.2.1", dns, COUNT(dns));
	assert_null(spf_run_open(w.run, STR("wrong.example"), false));
	assert_true(str_starts(w.run->problem, STR("record of wrong.example: ")));
	assert_int_equal(w.run->result, SPF_PERMERROR);
	spf_run_free(&w.run);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_ends_once),
		cmocka_unit_test(test_names_that_are_none),
		cmocka_unit_test(test_missing_and_failed),
		cmocka_unit_test(test_within),
		cmocka_unit_test(test_validated_names),
		cmocka_unit_test(test_many_names),
		cmocka_unit_test(test_open),
	};

	return cmocka_run_group_tests_name("spf_run", tests, NULL, NULL);
}
