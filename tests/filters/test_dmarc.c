/*
 * The stage with the real stages spf and dkim: who the author is taken to be, what of SPF and DKIM
 * counts, which facts and results come of it, and when its questions are asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <opendkim/dkim.h>
#include <time.h>

#include "base/die.h"
#include "tests/filters/dkim_post.h"
#include "tests/filters/rfc8463.h"
#include "tests/filters/world.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

extern const struct stage dmarc_stage;
extern const struct stage spf_stage;
static const struct stage *const list[] = { &spf_stage, &dkim_stage, &dmarc_stage };

static int
setup(void **state)
{
	struct world *w = world_new(list, COUNT(list));
	struct err e;

	assert_true(world_configure(w, "dkim", &e));
	assert_true(world_configure(w, "dmarc", &e));
	world_connect(w, "192.0.2.1", "");
	world_dns(w, "example.com", DNS_TXT, "v=spf1 ip4:192.0.2.1 -all");
	world_dns(w, "_dmarc.example.com", DNS_TXT, "v=DMARC1; p=reject; pct=50");
	world_dns(w, "mail.example.com", DNS_TXT, "v=spf1 ip4:192.0.2.1 -all");
	world_dns(w, "client.example", DNS_TXT, "v=spf1 ip4:192.0.2.1 -all");
	world_dns(w, "_dmarc.client.example", DNS_TXT, "v=DMARC1; p=reject");
	world_dns(w, "other.example", DNS_TXT, "v=spf1 ip4:192.0.2.1 -all");
	world_dns(w, "fail.example", DNS_TXT, "v=spf1 -all");
	world_dns(w, "_dmarc.fail.example", DNS_TXT, "v=DMARC1; p=quarantine");
	world_dns(w, "_dmarc.test.example", DNS_TXT, "v=DMARC1; p=reject; t=y");
	world_dns(w, "xn--bcher-kva.example", DNS_TXT, "v=spf1 ip4:192.0.2.1 -all");
	world_dns(w, "_dmarc.xn--bcher-kva.example", DNS_TXT, "v=DMARC1; p=reject");
	world_dns(w, "_dmarc.bad.example", DNS_TXT, "v=DMARC1; p=none; sp=bad");
	world_dns(w, "_dmarc.football.example.com", DNS_TXT, "v=DMARC1; p=reject; adkim=s");
	world_dns(w, RFC8463_ED25519_NAME, DNS_TXT, RFC8463_ED25519_KEY);
	world_dns(w, RFC8463_RSA_NAME, DNS_TXT, RFC8463_RSA_KEY);
	world_dns_fails(w, "slow.example");
	world_dns_fails(w, "_dmarc.slow.example");
	world_dns(w, "_dmarc.slowspf.example", DNS_TXT, "v=DMARC1; p=reject");
	world_dns_fails(w, "slowspf.example");
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
deliver(struct world *w, const char *sender, const char *octets)
{
	session_reset(&w->session);
	world_mail(w, sender);
	world_data(w, octets);
}

/* --- who the author is ------------------------------------------------------------------------ */

static const struct {
	const char *sender, *fields;
	const char *dmarc, *from, *policy, *reason;
} authors[] = {
#define UNALIGNED "no identifier that SPF or DKIM verified is aligned with the author's domain"
#define SEVERAL "From names several domains"
	{ "<a@example.com>", "From: a@example.com\r\n", "pass", "example.com", "reject", "" },
	{ "<a@example.com>", "From: A <a@EXAMPLE.Com.>\r\n", "pass", "example.com", "reject", "" },
	{ "<a@mail.example.com>", "From: (b@fail.example) a@example.com (c)\r\n", "pass",
	    "example.com", "reject", "" },
	{ "<a@fail.example>", "From: a@example.com\r\n", "fail", "example.com", "reject",
	    UNALIGNED },
	{ "<a@other.example>", "From: a@example.com\r\n", "fail", "example.com", "reject",
	    UNALIGNED },
	/* a group; its mailboxes are authors like others */
	{ "<a@example.com>", "From: us: a@example.com, b@example.com;\r\n", "pass", "example.com",
	    "reject", "" },
	{ "<a@example.com>", "From: nobody:;\r\n", "permerror", "", "none",
	    "From names no domain" },
	/* several authors never pass; if one fails, the message does */
	{ "<a@example.com>", "From: a@example.com, b@fail.example\r\n", "fail", "fail.example",
	    "quarantine", UNALIGNED },
	{ "<a@other.example>", "From: b@fail.example, a@example.com\r\n", "fail", "example.com",
	    "reject", UNALIGNED },
	{ "<a@example.com>", "From: a@example.com, a@nothing.example\r\n", "permerror",
	    "nothing.example", "none", SEVERAL },
	{ "<a@example.com>", "From: a@example.com, a@slow.example\r\n", "temperror", "slow.example",
	    "none", "the DNS did not tell the policy" },
	{ "<a@example.com>", "From: a@example.com, a@mail.example.com\r\n", "permerror",
	    "example.com", "reject", SEVERAL },
	{ "<a@example.com>",
	    "From: a@example.com, a@a.example, a@b.example, a@c.example, "
	    "a@fail.example\r\n",
	    "permerror", "nothing", "none", "From names too many domains" },
	/* several fields, or none */
	{ "<a@example.com>", "From: a@example.com\r\nFrom: a@example.com\r\n", "permerror",
	    "example.com", "reject", "there are several From fields" },
	{ "<a@example.com>", "From: a@example.com\r\nfrom : a@fail.example\r\n", "fail",
	    "fail.example", "quarantine", UNALIGNED },
	{ "<a@example.com>", "Subject: none\r\n", "permerror", "", "none", "From names no domain" },
	{ "<a@example.com>", "From:\r\n", "permerror", "", "none", "From names no domain" },
	{ "<a@example.com>", "From: joe\r\n", "permerror", "", "none", "From names no domain" },
	{ "<a@example.com>", "From: a@[192.0.2.1]\r\n", "permerror", "", "none",
	    "an address in the From field has no domain" },
	{ "<a@other.example>", "From: a@[192.0.2.1], a@example.com\r\n", "fail", "example.com",
	    "reject", UNALIGNED },
	/* U-labels; what a reader sees as the same name is the same name */
	{ "<a@xn--bcher-kva.example>",
	    "From: a@b\xc3\xbc"
	    "cher.example\r\n",
	    "pass", "xn--bcher-kva.example", "reject", "" },
	{ "<a@other.example>",
	    "From: a@B\xc3\x9c"
	    "CHER.example\r\n",
	    "fail", "xn--bcher-kva.example", "reject", UNALIGNED },
	{ "<a@other.example>",
	    "From: a@example\xe3\x80\x82"
	    "com\r\n",
	    "fail", "example.com", "reject", UNALIGNED },
	{ "<a@other.example>", "From: a@\xef\xbd\x85xample.com\r\n", "fail", "example.com",
	    "reject", UNALIGNED },
	{ "<a@b\xc3\xbc"
	  "cher.example>",
	    "From: a@xn--bcher-kva.example\r\n", "pass", "xn--bcher-kva.example", "reject", "" },
	{ "<a@example.com>", "From: a@\xff.example.com\r\n", "permerror", "", "none",
	    "a domain in the From field is none" },
	{ "<a@other.example>", "From: a@\xff.example, b@example.com\r\n", "fail", "example.com",
	    "reject", UNALIGNED },
	/* a domain that nobody vouches for, one that is being tested, one that is broken */
	{ "<a@nothing.example>", "From: a@nothing.example\r\n", "none", "nothing.example", "none",
	    "there is no policy" },
	{ "<a@other.example>", "From: a@test.example\r\n", "fail", "test.example", "quarantine",
	    UNALIGNED },
	{ "<a@other.example>", "From: a@bad.example\r\n", "permerror", "bad.example", "none",
	    "the policy record says no policy" },
	/* the null sender: SPF's identity is the HELO name */
	{ "<>", "From: a@client.example\r\n", "pass", "client.example", "reject", "" },
	{ "<>", "From: a@example.com\r\n", "fail", "example.com", "reject", UNALIGNED },
	/* the DNS is silent */
	{ "<a@slow.example>", "From: a@slow.example\r\n", "temperror", "slow.example", "none",
	    "the DNS did not tell the policy" },
	{ "<a@slowspf.example>", "From: a@slowspf.example\r\n", "temperror", "slowspf.example",
	    "reject", "the DNS did not tell whether an identifier is aligned" },
	{ "<a@slow.example>", "From: a@example.com\r\n", "fail", "example.com", "reject",
	    UNALIGNED },
};

static void
the_author(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(authors); i++) {
		char octets[512];

		snprintf(octets, sizeof(octets), "%s\r\nHello.\r\n", authors[i].fields);
		deliver(w, authors[i].sender, octets);
		print_message("case %zu\n", i);
		assert_fact(w, STEP_MESSAGE, "dmarc", authors[i].dmarc);
		assert_fact(w, STEP_MESSAGE, "dmarc.reason", authors[i].reason);
		if (strcmp(authors[i].from, "nothing") == 0)
			continue;
		assert_fact(w, STEP_MESSAGE, "dmarc.from", authors[i].from);
		assert_fact(w, STEP_MESSAGE, "dmarc.policy", authors[i].policy);
	}
}

static void
more_fields_than_anybody_writes(void **state)
{
	struct world *w = *state;
	char octets[2048] = "";
	size_t n = 0;

	for (int i = 0; i < 40; i++)
		n += (size_t)snprintf(octets + n, sizeof(octets) - n, "From: a@d%d.example\r\n", i);
	snprintf(octets + n, sizeof(octets) - n, "\r\nHello.\r\n");
	deliver(w, "<a@example.com>", octets);
	assert_fact(w, STEP_MESSAGE, "dmarc", "permerror");
	assert_fact(w, STEP_MESSAGE, "dmarc.reason", "From names too many domains");
	assert_true(w->dns_asked < 20);
}

/* --- facts and results ------------------------------------------------------------------------ */

static void
facts_of_a_pass(void **state)
{
	struct world *w = *state;

	deliver(w, "<a@example.com>", "From: a@mail.example.com\r\n\r\nHello.\r\n");
	assert_fact(w, STEP_MESSAGE, "dmarc", "pass");
	assert_fact(w, STEP_MESSAGE, "dmarc.aligned_by", "spf");
	assert_fact(w, STEP_MESSAGE, "dmarc.domain", "example.com");
	assert_fact(w, STEP_MESSAGE, "dmarc.organization", "example.com");
	assert_fact(w, STEP_MESSAGE, "dmarc.from", "mail.example.com");
	assert_fact(w, STEP_MESSAGE, "dmarc.percent", "50");
	assert_fact(w, STEP_MESSAGE, "dmarc.testing", "no");
	assert_string_equal(world_authres(w),
	    "mx.example; spf=pass smtp.mailfrom=a@example.com; dkim=none; "
	    "dmarc=pass header.from=mail.example.com policy.dmarc=reject");
}

static void
facts_of_others(void **state)
{
	struct world *w = *state;

	deliver(w, "<a@other.example>", "From: a@test.example\r\n\r\nHello.\r\n");
	assert_fact(w, STEP_MESSAGE, "dmarc", "fail");
	assert_fact(w, STEP_MESSAGE, "dmarc.aligned_by", "none");
	assert_fact(w, STEP_MESSAGE, "dmarc.percent", "(none)");
	assert_fact(w, STEP_MESSAGE, "dmarc.testing", "yes");
	assert_string_equal(world_authres(w),
	    "mx.example; spf=pass smtp.mailfrom=a@other.example; dkim=none; dmarc=fail "
	    "reason=\"" UNALIGNED "\" header.from=test.example policy.dmarc=quarantine");
	deliver(w, "<a@other.example>", "Subject: none\r\n\r\nHello.\r\n");
	assert_fact(w, STEP_MESSAGE, "dmarc", "permerror");
	assert_string_equal(
	    world_authres(w), "mx.example; dmarc=permerror reason=\"From names no domain\"");
	/* Nobody asked: nothing is said. */
	deliver(w, "<a@other.example>", "From: a@test.example\r\n\r\nHello.\r\n");
	assert_null(strstr(world_authres(w), "dmarc"));
}

/* Nothing that a stranger writes becomes a result, a property or a line of the field. */
static void
results_cannot_be_injected(void **state)
{
	static const char *const from[] = {
		"a@example.com; dmarc=pass header.from=bank.example",
		"a@bank.example;dmarc=pass",
		"\"x; dmarc=pass\" <a@bank.example>",
		"a@bank.example (dmarc=pass)",
		"a@bank.example\r\n\t; dmarc=pass",
		"a@bank.example\rX: y",
		"a@\"; dmarc=pass; \"",
		"a@bank.example\"",
		"a@x=pass",
		"a@\xc3\xa4;dmarc=pass",
		"a@bank.example\x80 dmarc=pass",
	};
	struct world *w = *state;

	session_helo(&w->session, STR("x) dmarc=pass (y;\"\\"), true);
	for (size_t i = 0; i < COUNT(from); i++) {
		char octets[512];
		const char *text;

		snprintf(octets, sizeof(octets),
		    "DKIM-Signature: v=1; d=x\"; dmarc=pass; s=a(b; i=\"; dmarc=pass\"@x; b=;\r\n"
		    "From: %s\r\n\r\nHello.\r\n",
		    from[i]);
		deliver(w, i % 2 == 0 ? "<\"; dmarc=pass \"@other.example>" : "<>", octets);
		assert_string_not_equal(world_print(w, STEP_MESSAGE, "dmarc"), "pass");
		assert_non_null(world_print(w, STEP_HELO, "spf.helo"));
		text = world_authres(w);
		/* outside of quotes there are only our own words */
		for (bool quoted = false; *text != '\0'; text++) {
			if (quoted && *text == '\\') {
				text++;
				continue;
			}
			quoted ^= *text == '"';
			assert_true(*text >= ' ' && *text < 0x7f);
			if (!quoted)
				assert_int_not_equal(strncmp(text, "dmarc=pass", 10), 0);
		}
	}
}

/* --- signatures ------------------------------------------------------------------------------- */

static void
rfc8463_example(void **state)
{
	struct world *w = *state;

	deliver(w, "<a@other.example>", rfc8463_message);
	assert_fact(w, STEP_MESSAGE, "dmarc", "pass");
	assert_fact(w, STEP_MESSAGE, "dmarc.aligned_by", "dkim");
	assert_fact(w, STEP_MESSAGE, "dmarc.domain", "football.example.com");
	assert_fact(w, STEP_MESSAGE, "dmarc.organization", "example.com");
}

static void
signatures(void **state)
{
#define TAGS "v=1; a=rsa-sha256; s=sel; h=from; "
#define FROM "From: joe@example.com\r\n"
#define BODY "Hello.\r\n"
	static const struct {
		const char *tags; /* of the signature */
		const char *more; /* body behind the one that was signed */
		const char *dmarc, *dkim;
	} cases[] = {
		{ TAGS "d=example.com; ", "", "pass", "pass" },
		{ TAGS "d=Example.COM; ", "", "pass", "pass" },
		{ TAGS "d=mail.example.com; ", "", "pass", "pass" },
		{ TAGS "d=other.example; ", "", "fail", "pass" },
		{ TAGS "d=example.com; ", "Bye.\r\n", "fail", "fail" },
		/* a part of the body is no pass, unless the settings say so */
		{ TAGS "d=example.com; l=8; ", "Bye.\r\n", "fail", "policy" },
		{ TAGS "d=example.com; l=8; ", "", "pass", "pass" },
		{ TAGS "d=example.com; x=1700000000; ", "", "fail", "permerror" },
		{ TAGS "d=example.com; t=1900000000; ", "", "fail", "permerror" },
		/* the key cannot be had: next time may tell, if it matters at all */
		{ TAGS "d=nokey.example.com; ", "", "temperror", "temperror" },
		{ TAGS "d=nokey.example; ", "", "fail", "temperror" },
	};
	static const char *const domains[] = { "example.com", "mail.example.com", "other.example" };
	struct post_signer *signer = post_signer_rsa(1024);
	struct post *post = post_new();
	struct world *w = *state;
	char name[64];

	for (size_t i = 0; i < COUNT(domains); i++) {
		snprintf(name, sizeof(name), "sel._domainkey.%s", domains[i]);
		world_dns(w, name, DNS_TXT, post_record(post, signer, ""));
	}
	world_dns_fails(w, "sel._domainkey.nokey.example.com");
	world_dns_fails(w, "sel._domainkey.nokey.example");
	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *field = post_sign(post, signer, cases[i].tags, FROM, BODY);

		deliver(w, "<a@fail.example>",
		    arena_printf(post->arena, "%s" FROM "\r\n" BODY "%s", field, cases[i].more).p);
		print_message("case %zu\n", i);
		assert_fact(w, STEP_MESSAGE, "dkim", cases[i].dkim);
		assert_fact(w, STEP_MESSAGE, "dmarc", cases[i].dmarc);
	}
	world_set(w, "dkim", "partial", "pass");
	deliver(w, "<a@fail.example>",
	    arena_printf(post->arena, "%s" FROM "\r\n" BODY "Bye.\r\n",
		post_sign(post, signer, TAGS "d=example.com; l=8; ", FROM, BODY))
		.p);
	assert_fact(w, STEP_MESSAGE, "dmarc", "pass");
	assert_fact(w, STEP_MESSAGE, "dkim.partial", "yes");
	post_signer_free(&signer);
	post_free(&post);
}

static void
spf_and_dkim_together(void **state)
{
	struct post_signer *signer = post_signer_ed25519();
	struct post *post = post_new();
	struct world *w = *state;

	world_dns(w, "ed._domainkey.example.com", DNS_TXT, post_record(post, signer, ""));
	deliver(w, "<a@mail.example.com>",
	    arena_printf(post->arena, "%s" FROM "\r\n" BODY,
		post_sign(post, signer, "v=1; a=ed25519-sha256; s=ed; d=example.com; h=from; ",
		    FROM, BODY))
		.p);
	assert_fact(w, STEP_MESSAGE, "dmarc.aligned_by", "both");
	post_signer_free(&signer);
	post_free(&post);
}

/* WHY: opendkim's library never frees a private key for Ed25519; we sign in tests only. */
#ifdef __SANITIZE_ADDRESS__
void __lsan_disable(void);
void __lsan_enable(void);
#else
#define __lsan_disable()
#define __lsan_enable()
#endif

/* A DKIM-Signature field by opendkim's library, as its milter makes it. */
static const char *
sign_opendkim(struct post *post, const struct post_signer *signer, dkim_alg_t algorithm)
{
	static const char *const fields[] = { "From: joe@example.com", "Subject: dinner" };
	const char *pem = post_pem(post, signer);
	DKIM_LIB *library = dkim_init(NULL, NULL);
	DKIM_STAT status;
	DKIM *dkim;
	unsigned char *value;
	size_t n;
	const char *field;

	dkim = dkim_sign(library, (const unsigned char *)"id", NULL, (dkim_sigkey_t)(uintptr_t)pem,
	    (const unsigned char *)"od", (const unsigned char *)"example.com", DKIM_CANON_RELAXED,
	    DKIM_CANON_SIMPLE, algorithm, -1, &status);
	assert_non_null(dkim);
	for (size_t i = 0; i < COUNT(fields); i++)
		assert_int_equal(
		    dkim_header(dkim, (unsigned char *)(uintptr_t)fields[i], strlen(fields[i])),
		    DKIM_STAT_OK);
	assert_int_equal(dkim_eoh(dkim), DKIM_STAT_OK);
	assert_int_equal(
	    dkim_body(dkim, (unsigned char *)(uintptr_t)BODY, strlen(BODY)), DKIM_STAT_OK);
	__lsan_disable();
	assert_int_equal(dkim_eom(dkim, NULL), DKIM_STAT_OK);
	__lsan_enable();
	assert_int_equal(dkim_getsighdr_d(dkim, 0, &value, &n), DKIM_STAT_OK);
	field = arena_printf(post->arena, "DKIM-Signature: %.*s\r\n", (int)n, value).p;
	dkim_free(dkim);
	dkim_close(library);
	return field;
}

static void
signed_by_opendkim(void **state)
{
	static const struct {
		bool rsa;
		dkim_alg_t algorithm;
		const char *dkim, *dmarc;
	} cases[] = {
		{ true, DKIM_SIGN_RSASHA256, "pass", "pass" },
		{ false, DKIM_SIGN_ED25519SHA256, "pass", "pass" },
		{ true, DKIM_SIGN_RSASHA1, "permerror", "fail" }, /* RFC 8301 3.1 */
	};
	struct post *post = post_new();

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct post_signer *signer =
		    cases[i].rsa ? post_signer_rsa(2048) : post_signer_ed25519();
		struct world *w;

		setup((void **)&w);
		w->now = time(NULL);
		world_dns(w, "od._domainkey.example.com", DNS_TXT, post_record(post, signer, ""));
		deliver(w, "<a@fail.example>",
		    arena_printf(post->arena,
			"%sFrom: joe@example.com\r\nSubject: dinner\r\n\r\n" BODY,
			sign_opendkim(post, signer, cases[i].algorithm))
			.p);
		assert_fact(w, STEP_MESSAGE, "dkim", cases[i].dkim);
		assert_fact(w, STEP_MESSAGE, "dmarc", cases[i].dmarc);
		world_free(&w);
		post_signer_free(&signer);
	}
	post_free(&post);
}

/* --- questions -------------------------------------------------------------------------------- */

/* With the header the walk is asked for, and SPF begins: no wait is left at the end. */
static void
questions_travel_with_the_body(void **state)
{
	struct world *w = *state;

	deliver(w, "<a@example.com>", "From: a@example.com\r\n\r\nHello.\r\n");
	assert_int_equal(w->dns_asked, 3);
	assert_fact(w, STEP_MESSAGE, "dmarc", "pass");
	assert_int_equal(w->dns_asked, 3);
	assert_int_equal(w->rounds, 0);
}

/* What did not answer counts only where the result rests on it. */
static void
failures(void **state)
{
	static const struct {
		const char *sender, *octets;
		bool failed;
	} cases[] = {
		{ "<a@slow.example>", "From: a@example.com\r\n\r\nHello.\r\n", false },
		{ "<a@slow.example>", "From: a@slow.example\r\n\r\nHello.\r\n", true },
		{ "<a@slowspf.example>", "From: a@slowspf.example\r\n\r\nHello.\r\n", true },
		{ "<a@example.com>", "From: a@example.com\r\n\r\nHello.\r\n", false },
	};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct fact_call call = world_call(w, "dmarc.policy");

		deliver(w, cases[i].sender, cases[i].octets);
		world_fact(w, STEP_MESSAGE, "dmarc.policy");
		assert_int_equal(fact_known(&w->session, &call)->failures != 0, cases[i].failed);
	}
}

static void
the_old_standard(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	world_dns(w, "_dmarc.sold.co.uk", DNS_TXT, "v=DMARC1; p=reject; psd=y");
	world_set(w, "dmarc", "standard", "rfc7489");
	if (!world_configure(w, "dmarc", &e)) {
		print_message("%s\n", e.text);
		skip();
	}
	deliver(w, "<a@other.example>", "From: a@b.sold.co.uk\r\n\r\nHello.\r\n");
	assert_fact(w, STEP_MESSAGE, "dmarc", "fail");
	assert_fact(w, STEP_MESSAGE, "dmarc.organization", "sold.co.uk");
	assert_fact(w, STEP_MESSAGE, "dmarc.policy", "reject");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_author),
		TEST(more_fields_than_anybody_writes),
		TEST(facts_of_a_pass),
		TEST(facts_of_others),
		TEST(results_cannot_be_injected),
		TEST(rfc8463_example),
		TEST(signatures),
		TEST(spf_and_dkim_together),
		cmocka_unit_test(signed_by_opendkim),
		TEST(questions_travel_with_the_body),
		TEST(failures),
		TEST(the_old_standard),
	};

	return cmocka_run_group_tests_name("dmarc", tests, NULL, NULL);
}
