/*
 * Checks: zones, identifiers and what comes of them, by both standards; the same in whatever order
 * the answers arrive; what is asked, and how much at most.
 */
#include "filters/dmarc_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <libpsl.h>

#include "base/buf.h"
#include "tests/filters/spf_zone.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct check_case {
	/* "name record | name record": _dmarc names; "=name" exists, "!name" and "!_dmarc.name" do not
	 * answer */
	const char *zone;
	const char *author;
	const char *ids;  /* "spf:domain dkim:domain": verified; with "?": not answered */
	const char *told; /* result policy domain organization aligned-by */
	unsigned asked;   /* 0: not looked at */
};

static struct zone *
make_zone(const char *text)
{
	struct zone *zone = zone_new();
	struct str rest = str_of(text), line, name;
	char full[300];

	while (str_pop(&rest, '|', &line)) {
		line = str_trim(line);
		if (line.n == 0)
			continue;
		str_pop(&line, ' ', &name);
		if (name.p[0] == '=' || name.p[0] == '!') {
			assert_true(str_copy(str_sub(name, 1, name.n), full, sizeof(full)));
			if (name.p[0] == '=')
				zone_add(zone, full, DNS_A, "192.0.2.1");
			else
				zone_status(zone, full, DNS_TXT, DNS_TEMPFAIL);
			continue;
		}
		snprintf(full, sizeof(full), "_dmarc.%.*s", STR_ARG(name));
		zone_add_text(zone, full, line);
	}
	return zone;
}

static size_t
read_ids(const char *text, struct dmarc_identifier *out)
{
	struct str rest = str_of(text), word;
	size_t n = 0;

	while (str_pop(&rest, ' ', &word)) {
		if (word.n == 0)
			continue;
		out[n] = (struct dmarc_identifier){ .verified = true };
		if (word.p[0] == '?') {
			out[n].verified = false;
			word = str_sub(word, 1, word.n);
		}
		out[n].dkim = str_starts(word, STR("dkim:"));
		out[n++].domain = str_sub(word, str_find(word, ':') + 1, word.n);
	}
	return n;
}

static void
run(struct zone *zone, struct dmarc_query *query, struct dmarc_outcome *out)
{
	query->dns = zone_ask;
	query->owner = zone;
	zone->rounds = 1;
	while (dmarc_check(zone->arena, query, out) == PENDING) {
		assert_true(zone->rounds++ < 1000);
		zone_arrive(zone);
	}
}

static struct str
told(struct arena *arena, const struct dmarc_outcome *o)
{
	return arena_printf(arena, "%s %s %.*s %.*s %s%s%s", dmarc_result_name(o->result),
	    dmarc_policy_name(o->policy), STR_ARG(o->domain.n ? o->domain : STR("-")),
	    STR_ARG(o->organization.n ? o->organization : STR("-")), o->by_spf ? "spf" : "",
	    o->by_dkim ? "dkim" : "", o->by_spf || o->by_dkim ? "" : "-");
}

static void
try(const struct check_case *c, const void *suffixes)
{
	struct zone *zone = make_zone(c->zone);
	struct dmarc_identifier id[32];
	struct dmarc_query query = { .author = str_of(c->author),
		.identifier = id,
		.n = read_ids(c->ids, id),
		.suffixes = suffixes };

	for (int way = ZONE_AT_HAND; way <= ZONE_ONE_BY_ONE; way++) {
		struct dmarc_outcome outcome;
		struct str text;

		zone->arrival = (enum zone_arrival)way;
		zone_forget(zone);
		run(zone, &query, &outcome);
		text = told(zone->arena, &outcome);
		if (!str_eq(text, str_of(c->told)))
			fail_msg("%s from %s with %s:\n%.*s\nand not\n%s", c->zone, c->author,
			    c->ids, STR_ARG(text), c->told);
		assert_int_equal(outcome.result == DMARC_RESULT_PASS, outcome.reason[0] == '\0');
		if (c->asked > 0 && zone->asked != c->asked)
			fail_msg("%s from %s with %s: %u questions, not %u", c->zone, c->author,
			    c->ids, zone->asked, c->asked);
		/* The author's walk, then the rest: never more than two waits. */
		if (way == ZONE_ROUNDS)
			assert_true(zone->rounds <= 3);
	}
	zone_free(&zone);
}

#define EXAMPLE "example.com v=DMARC1; p=reject"
#define B41 "example.com v=DMARC1; p=none | signing.example.com v=DMARC1; p=none"
#define B43 "bank.example v=DMARC1; p=reject; psd=y | giant.bank.example v=DMARC1; p=quarantine"
static const struct check_case rfc9989[] = {
	/* B.1.1, B.1.2 */
	{ EXAMPLE, "example.com", "spf:example.com", "pass reject example.com example.com spf", 2 },
	{ EXAMPLE, "example.com", "spf:child.example.com",
	    "pass reject example.com example.com spf", 3 },
	{ EXAMPLE, "child.example.com", "spf:example.net", "fail reject example.com example.com -",
	    3 },
	{ EXAMPLE, "example.com", "dkim:example.com", "pass reject example.com example.com dkim",
	    2 },
	{ EXAMPLE, "child.example.com", "dkim:example.com",
	    "pass reject example.com example.com dkim", 3 },
	{ EXAMPLE, "child.example.com", "dkim:example.net", "fail reject example.com example.com -",
	    3 },
	/* table 1 */
	{ EXAMPLE, "news.example.com", "dkim:foo.example.com",
	    "pass reject example.com example.com dkim", 4 },
	{ EXAMPLE, "news.example.com", "dkim:news.example.com",
	    "pass reject example.com example.com dkim", 3 },
	{ EXAMPLE, "news.example.com", "dkim:foo.example.net",
	    "fail reject example.com example.com -", 3 },
	/* B.3.1 */
	{ "example.com v=DMARC1; p=reject; aspf=r; rua=mailto:dmarc-feedback@example.com",
	    "example.com", "spf:mail.example.com dkim:example.com",
	    "pass reject example.com example.com spfdkim", 3 },
	/* B.4.1 */
	{ B41, "example.com", "spf:example.com dkim:signing.example.com",
	    "pass none example.com example.com spfdkim", 3 },
	{ B41, "example.com", "dkim:signing.example.com", "pass none example.com example.com dkim",
	    3 },
	/* B.4.2 */
	{ B41, "a.b.c.d.e.f.g.h.i.j.k.example.com", "spf:example.com dkim:signing.example.com",
	    "pass none example.com example.com spfdkim", 9 },
	/* B.4.3 */
	{ B43, "giant.bank.example", "spf:mail.giant.bank.example dkim:mail.mega.bank.example",
	    "pass quarantine giant.bank.example giant.bank.example spf", 4 },
	{ B43, "giant.bank.example", "dkim:mail.mega.bank.example",
	    "fail quarantine giant.bank.example giant.bank.example -", 3 },
	{ B43, "mail.mega.bank.example", "dkim:giant.bank.example",
	    "fail reject bank.example mega.bank.example -", 4 },

	/* nobody said anything */
	{ "", "example.com", "spf:example.com dkim:example.com", "none none - example.com -", 2 },
	{ "", "com", "", "none none - com -", 1 },
	/* nothing verified */
	{ EXAMPLE, "example.com", "", "fail reject example.com example.com -", 2 },
	/* several records are none; those above count then */
	{ "a.example.com v=DMARC1; p=none | a.example.com v=DMARC1; p=none | " EXAMPLE,
	    "a.example.com", "", "fail reject example.com example.com -", 3 },
	/* strict */
	{ EXAMPLE "; adkim=s", "example.com", "dkim:a.example.com",
	    "fail reject example.com example.com -", 2 },
	{ EXAMPLE "; adkim=s", "example.com", "spf:a.example.com",
	    "pass reject example.com example.com spf", 3 },
	{ EXAMPLE "; aspf=s", "example.com", "spf:a.example.com",
	    "fail reject example.com example.com -", 2 },
	{ EXAMPLE "; aspf=s; adkim=s", "a.example.com", "dkim:a.example.com",
	    "pass reject example.com example.com dkim", 3 },
	{ EXAMPLE "; adkim=s", "a.example.com", "dkim:example.com",
	    "fail reject example.com example.com -", 3 },
	/* one label alike is not one organization */
	{ EXAMPLE, "example.com", "dkim:z.com", "fail reject example.com example.com -", 2 },
	{ EXAMPLE, "example.com", "dkim:com", "fail reject example.com example.com -", 2 },
	{ EXAMPLE, "example.com", "dkim:badexample.com", "fail reject example.com example.com -",
	    2 },
	/* an identifier that is an organization of its own */
	{ EXAMPLE " | own.example.com v=DMARC1; p=none; psd=n", "example.com",
	    "dkim:own.example.com", "fail reject example.com example.com -", 3 },
	{ EXAMPLE " | own.example.com v=DMARC1; p=none; psd=n", "example.com",
	    "dkim:a.own.example.com", "fail reject example.com example.com -", 4 },
	{ EXAMPLE " | host.example.com v=DMARC1; p=none; psd=y", "example.com",
	    "dkim:user.host.example.com", "fail reject example.com example.com -", 4 },
	{ EXAMPLE " | host.example.com v=DMARC1; p=none; psd=y", "a.host.example.com",
	    "dkim:b.host.example.com", "fail none host.example.com a.host.example.com -", 4 },
	/* an author that is one */
	{ EXAMPLE " | own.example.com v=DMARC1; p=none; psd=n", "own.example.com",
	    "dkim:example.com", "fail none own.example.com own.example.com -", 3 },

	/* whose policy: p= at home, sp= below, np= below and not there */
	{ "example.com v=DMARC1; p=reject; sp=none; np=quarantine", "example.com", "",
	    "fail reject example.com example.com -", 2 },
	{ "example.com v=DMARC1; p=reject; sp=none; np=quarantine | =a.example.com",
	    "a.example.com", "", "fail none example.com example.com -", 4 },
	{ "example.com v=DMARC1; p=reject; sp=none; np=quarantine", "a.example.com", "",
	    "fail quarantine example.com example.com -", 4 },
	{ "example.com v=DMARC1; p=none; np=reject", "a.example.com", "",
	    "fail reject example.com example.com -", 4 },
	{ "example.com v=DMARC1; p=none; np=reject | =a.example.com", "a.example.com", "",
	    "fail none example.com example.com -", 4 },
	/* np= that says what sp= says costs no question */
	{ "example.com v=DMARC1; p=none; sp=reject; np=reject", "a.example.com", "",
	    "fail reject example.com example.com -", 3 },
	/* sp= of a record below the organization is nobody's */
	{ EXAMPLE " | b.example.com v=DMARC1; p=none; sp=quarantine", "a.b.example.com", "",
	    "fail reject example.com example.com -", 4 },
	/* t=y */
	{ EXAMPLE "; t=y", "example.com", "", "fail quarantine example.com example.com -", 2 },
	{ "example.com v=DMARC1; p=quarantine; t=y", "example.com", "",
	    "fail none example.com example.com -", 2 },
	{ "example.com v=DMARC1; p=none; sp=reject; t=y", "a.example.com", "",
	    "fail quarantine example.com example.com -", 3 },
	/* pct= changes nothing */
	{ EXAMPLE "; pct=0", "example.com", "", "fail reject example.com example.com -", 2 },
	/* no policy that can be read */
	{ "example.com v=DMARC1; p=refuse", "example.com", "dkim:example.com",
	    "permerror none example.com example.com -", 2 },
	{ "example.com v=DMARC1; rua=mailto:a@example.com", "example.com", "",
	    "fail none example.com example.com -", 2 },
	/* psd=y of a top-level domain, for names without records */
	{ "example v=DMARC1; p=reject; psd=y; np=quarantine", "a.b.example", "dkim:b.example",
	    "pass quarantine example b.example dkim", 4 },
	{ "example v=DMARC1; p=reject; psd=y | =a.b.example", "a.b.example", "dkim:c.example",
	    "fail reject example b.example -", 3 },

	/* the DNS does not answer */
	{ "!_dmarc.example.com", "example.com", "dkim:example.com", "temperror none - - -", 2 },
	{ EXAMPLE " | !_dmarc.com", "example.com", "dkim:example.com",
	    "pass reject example.com - dkim", 2 },
	{ EXAMPLE " | !_dmarc.com", "example.com", "dkim:a.example.com",
	    "temperror reject example.com - -", 2 },
	{ EXAMPLE " | !_dmarc.com", "example.com", "dkim:example.net",
	    "fail reject example.com - -", 2 },
	{ EXAMPLE "; adkim=s | !_dmarc.com", "example.com", "dkim:a.example.com",
	    "fail reject example.com - -", 2 },
	{ EXAMPLE " | !_dmarc.com", "a.example.com", "", "temperror none - - -", 3 },
	{ EXAMPLE " | !_dmarc.a.example.com", "example.com", "dkim:a.example.com",
	    "temperror reject example.com example.com -", 3 },
	{ EXAMPLE " | !_dmarc.a.example.com", "example.com", "dkim:a.example.com spf:b.example.com",
	    "pass reject example.com example.com spf", 4 },
	{ EXAMPLE, "example.com", "?dkim:example.com", "temperror reject example.com example.com -",
	    2 },
	{ EXAMPLE, "example.com", "?dkim:example.net", "fail reject example.com example.com -", 2 },
	{ EXAMPLE, "example.com", "?spf:example.com dkim:example.com",
	    "pass reject example.com example.com dkim", 2 },
	{ "example.com v=DMARC1; p=reject; np=none | !a.example.com", "a.example.com", "",
	    "temperror none example.com example.com -", 4 },
	{ "example.com v=DMARC1; p=none; np=reject | !a.example.com", "a.example.com",
	    "dkim:a.example.com", "pass none example.com example.com dkim", 4 },
};

static void
by_rfc9989(void **state)
{
	for (size_t i = 0; i < COUNT(rfc9989); i++)
		try(&rfc9989[i], NULL);
}

static void
by_rfc7489(void **state)
{
	static const struct check_case cases[] = {
		{ "example.com v=DMARC1; p=reject", "example.com", "dkim:a.example.com",
		    "pass reject example.com example.com dkim", 1 },
		{ "example.com v=DMARC1; p=reject; sp=none", "a.b.example.com", "",
		    "fail none example.com example.com -", 2 },
		/* two places and no other */
		{ "b.example.com v=DMARC1; p=reject", "a.b.example.com", "",
		    "none none - example.com -", 2 },
		{ "com v=DMARC1; p=reject", "example.com", "", "none none - example.com -", 1 },
		/* the list knows where domains are sold */
		{ "a.co.uk v=DMARC1; p=reject", "x.a.co.uk", "dkim:b.co.uk",
		    "fail reject a.co.uk a.co.uk -", 2 },
		{ "co.uk v=DMARC1; p=reject", "co.uk", "dkim:a.co.uk", "fail reject co.uk co.uk -",
		    1 },
		{ "example.com v=DMARC1; p=reject", "example.com", "dkim:z.com",
		    "fail reject example.com example.com -", 1 },
		{ "b.c.kobe.jp v=DMARC1; p=reject", "a.b.c.kobe.jp", "dkim:b.c.kobe.jp",
		    "pass reject b.c.kobe.jp b.c.kobe.jp dkim", 2 },
		/* no psd=, np= and t= */
		{ "example.com v=DMARC1; p=reject; np=none; t=y; psd=y", "a.example.com", "",
		    "fail reject example.com example.com -", 2 },
		{ "example.com v=DMARC1; p=reject; psd=y", "a.example.com", "dkim:b.example.com",
		    "pass reject example.com example.com dkim", 2 },
		/* failures */
		{ "!_dmarc.a.example.com", "a.example.com", "", "temperror none - example.com -",
		    2 },
		{ "!_dmarc.example.com", "a.example.com", "", "temperror none - example.com -", 2 },
	};
	psl_ctx_t *suffixes = psl_latest(NULL);

	if (suffixes == NULL) {
		print_message("no list of public suffixes\n");
		skip();
	}
	for (size_t i = 0; i < COUNT(cases); i++)
		try(&cases[i], suffixes);
	psl_free(suffixes);
}

/* Signatures of many long names below one organization: each walk is bounded, so is their number. */
static void
no_message_costs_too_much(void **state)
{
	struct zone *zone = make_zone("example.com v=DMARC1; p=reject");
	struct dmarc_identifier id[100];
	struct dmarc_query query = {
		.author = STR("a.b.c.d.e.f.g.h.i.j.k.example.com"), .identifier = id, .n = COUNT(id)
	};
	struct dmarc_outcome outcome;

	for (size_t i = 0; i < COUNT(id); i++)
		id[i] = (struct dmarc_identifier){ .dkim = true,
			.domain = arena_printf(zone->arena,
			    "l%zu.e%zu.d%zu.c%zu.b%zu.a%zu.x.example.com", i, i, i, i, i, i) };
	run(zone, &query, &outcome);
	assert_int_equal(outcome.result, DMARC_RESULT_TEMPERROR);
	assert_true(zone->asked <= 8 * (1 + DMARC_WALKS));
	/* What needs no walk counts however many there are. */
	id[99] = (struct dmarc_identifier){
		.dkim = true, .verified = true, .domain = STR("example.com")
	};
	zone_forget(zone);
	run(zone, &query, &outcome);
	assert_int_equal(outcome.result, DMARC_RESULT_PASS);
	zone_free(&zone);
}

static void
early_questions_are_the_walk(void **state)
{
	struct zone *zone = make_zone("example.com v=DMARC1; p=reject");
	struct dmarc_query query = {
		.author = STR("a.example.com"), .dns = zone_ask, .owner = zone
	};

	zone->arrival = ZONE_ROUNDS;
	dmarc_check_early(zone->arena, &query);
	assert_int_equal(zone->asked, 3);
	zone_free(&zone);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_rfc9989),
		cmocka_unit_test(by_rfc7489),
		cmocka_unit_test(no_message_costs_too_much),
		cmocka_unit_test(early_questions_are_the_walk),
	};

	return cmocka_run_group_tests_name("dmarc_check", tests, NULL, NULL);
}
