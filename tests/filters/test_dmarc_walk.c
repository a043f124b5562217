/* The tree walk: which names are asked for, and what is made of the answers. */
#include "filters/dmarc_walk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
which_names_are_asked_for(void **state)
{
	static const struct {
		const char *domain, *names;
	} cases[] = {
		{ "com", "com" },
		{ "example.com", "example.com com" },
		{ "a.mail.example.com", "a.mail.example.com mail.example.com example.com com" },
		{ "b.c.d.e.f.g.h", "b.c.d.e.f.g.h c.d.e.f.g.h d.e.f.g.h e.f.g.h f.g.h g.h h" },
		{ "a.b.c.d.e.f.g.h",
		    "a.b.c.d.e.f.g.h b.c.d.e.f.g.h c.d.e.f.g.h d.e.f.g.h e.f.g.h f.g.h g.h h" },
		/* from nine labels on, what is between is left out */
		{ "z.a.b.c.d.e.f.g.h",
		    "z.a.b.c.d.e.f.g.h b.c.d.e.f.g.h c.d.e.f.g.h d.e.f.g.h e.f.g.h f.g.h g.h h" },
		/* RFC 9989 4.10 */
		{ "a.b.c.d.e.f.g.h.i.j.mail.example.com",
		    "a.b.c.d.e.f.g.h.i.j.mail.example.com g.h.i.j.mail.example.com "
		    "h.i.j.mail.example.com i.j.mail.example.com j.mail.example.com "
		    "mail.example.com example.com com" },
		/* RFC 9989 B.4.2 */
		{ "a.b.c.d.e.f.g.h.i.j.k.example.com",
		    "a.b.c.d.e.f.g.h.i.j.k.example.com g.h.i.j.k.example.com "
		    "h.i.j.k.example.com i.j.k.example.com j.k.example.com k.example.com "
		    "example.com com" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dmarc_walk walk;
		struct buf names;

		buf_init(&names, 1024);
		dmarc_walk_begin(str_of(cases[i].domain), &walk);
		for (size_t k = 0; k < walk.n; k++)
			buf_printf(&names, "%s%.*s", k > 0 ? " " : "", STR_ARG(walk.step[k].name));
		assert_true(str_eq(buf_str(&names), str_of(cases[i].names)));
		assert_true(walk.n <= DMARC_QUERIES);
		buf_free(&names);
	}
}

/* 127 labels, the most there can be. */
static void
no_domain_costs_more_than_eight(void **state)
{
	struct dmarc_walk walk;
	char domain[254];

	for (size_t i = 0; i < 253; i++)
		domain[i] = i % 2 == 0 ? 'a' : '.';
	dmarc_walk_begin((struct str){ domain, 253 }, &walk);
	assert_int_equal(walk.n, 8);
	assert_int_equal(walk.step[1].name.n, 13);
	assert_int_equal(walk.step[7].name.n, 1);
}

static void
what_is_asked(void **state)
{
	struct arena *arena = arena_new(4096);

	assert_true(
	    str_eq(dmarc_walk_question(arena, STR("example.org")), STR("_dmarc.example.org")));
	arena_free(&arena);
}

/* Records of one name; "FAIL" for a DNS that does not answer. */
static void
what_a_name_comes_to(void **state)
{
	static const struct {
		const char *txt[3];
		enum dmarc_step_state state;
		enum dmarc_policy policy;
	} cases[] = {
		{ { NULL }, DMARC_STEP_NOTHING, DMARC_NONE },
		{ { "v=spf1 -all" }, DMARC_STEP_NOTHING, DMARC_NONE },
		{ { "v=DMARC1; p=reject" }, DMARC_STEP_RECORD, DMARC_REJECT },
		{ { "v=spf1 -all", "v=DMARC1; p=reject", "nonsense" }, DMARC_STEP_RECORD,
		    DMARC_REJECT },
		{ { "v=DMARC1; p=reject", "v=DMARC1; p=reject" }, DMARC_STEP_NOTHING, DMARC_NONE },
		{ { "v=DMARC1; p=reject", "v=DMARC1" }, DMARC_STEP_NOTHING, DMARC_NONE },
		{ { "v=DMARC2; p=none", "v=DMARC1; p=quarantine" }, DMARC_STEP_RECORD,
		    DMARC_QUARANTINE },
		{ { "FAIL" }, DMARC_STEP_FAILED, DMARC_NONE },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dns_rr rr[3] = { { { NULL, 0 }, 0 } };
		struct dns_answer answer = { .status = DNS_NXDOMAIN, .rr = rr };
		struct dmarc_step step = { .name = STR("example.org") };

		for (; answer.n < 3 && cases[i].txt[answer.n] != NULL; answer.n++) {
			rr[answer.n].data = str_of(cases[i].txt[answer.n]);
			answer.status = DNS_OK;
		}
		if (answer.n > 0 && str_eq(rr[0].data, STR("FAIL")))
			answer = (struct dns_answer){ .status = DNS_TEMPFAIL, .why = "timeout" };
		dmarc_step_read(&step, &answer);
		assert_int_equal(step.state, cases[i].state);
		if (step.state == DMARC_STEP_RECORD)
			assert_int_equal(step.record.policy, cases[i].policy);
	}
}

/*
 * A walk in a line: the domain, then what stands at each name from the longest on: "-" nothing, "u",
 * "n" and "y" a record with that psd=, "!" no answer.
 */
static void
begin_walk(const char *domain, const char *found, struct dmarc_walk *walk)
{
	dmarc_walk_begin(str_of(domain), walk);
	assert_int_equal(walk->n, strlen(found));
	for (size_t i = 0; i < walk->n; i++) {
		struct dmarc_step *step = &walk->step[i];

		step->state = found[i] == '!' ? DMARC_STEP_FAILED
		    : found[i] == '-'         ? DMARC_STEP_NOTHING
					      : DMARC_STEP_RECORD;
		step->record.psd = found[i] == 'y' ? DMARC_PSD_YES
		    : found[i] == 'n'              ? DMARC_PSD_NO
						   : DMARC_PSD_UNKNOWN;
	}
}

static void
organization_and_policy(void **state)
{
	static const struct {
		const char *domain, *found;
		const char *organization, *policy; /* "!": not known; "-": none */
	} cases[] = {
		/* the examples of 4.10.2 */
		{ "a.mail.example.com", "-uu-", "example.com", "example.com" },
		{ "a.mail.example.com", "-n--", "mail.example.com", "mail.example.com" },
		{ "a.mail.example.com", "---y", "example.com", "com" },
		/* B.4.1 */
		{ "example.com", "u-", "example.com", "example.com" },
		{ "signing.example.com", "uu-", "example.com", "signing.example.com" },
		/* B.4.2 */
		{ "a.b.c.d.e.f.g.h.i.j.k.example.com", "------u-", "example.com", "example.com" },
		/* B.4.3 */
		{ "giant.bank.example", "uy-", "giant.bank.example", "giant.bank.example" },
		{ "mail.giant.bank.example", "-uy-", "giant.bank.example", "giant.bank.example" },
		{ "mail.mega.bank.example", "--y-", "mega.bank.example", "bank.example" },
		/* nobody has published anything: the domain stands for itself */
		{ "a.mail.example.com", "----", "a.mail.example.com", "-" },
		{ "com", "-", "com", "-" },
		/* psd=n ends the walk, whatever is above */
		{ "a.mail.example.com", "-nuu", "mail.example.com", "mail.example.com" },
		{ "a.mail.example.com", "-nyy", "mail.example.com", "mail.example.com" },
		{ "a.mail.example.com", "nuuu", "a.mail.example.com", "a.mail.example.com" },
		{ "a.mail.example.com", "un-u", "mail.example.com", "a.mail.example.com" },
		/* psd=y ends it too */
		{ "a.mail.example.com", "uuyn", "mail.example.com", "a.mail.example.com" },
		{ "a.mail.example.com", "--yn", "mail.example.com", "example.com" },
		{ "a.mail.example.com", "-yyy", "a.mail.example.com", "mail.example.com" },
		/* a record between the public suffix and the organization is nobody's policy */
		{ "a.mail.example.com", "-u-y", "example.com", "com" },
		/* a public suffix that writes mail itself is its own organization */
		{ "bank.example", "y-", "bank.example", "bank.example" },
		{ "bank.example", "yy", "bank.example", "bank.example" },
		/* where the walk has jumped over names, one below is still one label longer */
		{ "z.y.a.b.c.d.e.f.g.h", "-y------", "a.b.c.d.e.f.g.h", "b.c.d.e.f.g.h" },
		{ "z.y.a.b.c.d.e.f.g.h", "-n------", "b.c.d.e.f.g.h", "b.c.d.e.f.g.h" },
		/* failures: only what is sure without them is said */
		{ "mail.example.com", "!uu", "!", "!" },
		{ "mail.example.com", "u!-", "!", "mail.example.com" },
		{ "mail.example.com", "-!u", "!", "!" },
		{ "mail.example.com", "-n!", "example.com", "example.com" },
		{ "mail.example.com", "-y!", "mail.example.com", "example.com" },
		{ "mail.example.com", "n!!", "mail.example.com", "mail.example.com" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct dmarc_step *policy = NULL;
		struct dmarc_walk walk;
		struct str organization, where;

		begin_walk(cases[i].domain, cases[i].found, &walk);
		if (!dmarc_walk_organization(&walk, &organization))
			organization = STR("!");
		where = STR("!");
		if (dmarc_walk_policy(&walk, &policy))
			where = policy ? policy->name : STR("-");
		if (!str_eq(organization, str_of(cases[i].organization)) ||
		    !str_eq(where, str_of(cases[i].policy)))
			fail_msg("%s %s: organization %.*s, policy %.*s", cases[i].domain,
			    cases[i].found, STR_ARG(organization), STR_ARG(where));
	}
}

static void
within(void **state)
{
	assert_true(dmarc_within(STR("example.com"), STR("example.com")));
	assert_true(dmarc_within(STR("a.example.com"), STR("example.com")));
	assert_false(dmarc_within(STR("aexample.com"), STR("example.com")));
	assert_false(dmarc_within(STR("example.com"), STR("a.example.com")));
	assert_false(dmarc_within(STR("z.com"), STR("example.com")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_names_are_asked_for),
		cmocka_unit_test(no_domain_costs_more_than_eight),
		cmocka_unit_test(what_is_asked),
		cmocka_unit_test(what_a_name_comes_to),
		cmocka_unit_test(organization_and_policy),
		cmocka_unit_test(within),
	};

	return cmocka_run_group_tests_name("dmarc_walk", tests, NULL, NULL);
}
