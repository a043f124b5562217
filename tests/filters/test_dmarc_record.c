/* Records: what is one, what each tag says, and what becomes of what is not well-formed. */
#include "filters/dmarc_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/buf.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
which_text_is_a_record(void **state)
{
	static const struct {
		struct str text;
		bool is;
	} cases[] = {
		{ STR("v=DMARC1; p=none"), true },
		{ STR("v=DMARC1"), true },
		{ STR("v=DMARC1;"), true },
		{ STR("v = DMARC1 ; p=none"), true },
		{ STR("v\t=\tDMARC1\t;p=none"), true },
		{ STR("V=DMARC1; p=none"), true },
		{ STR("v=DMARC1;;;p=none"), true },
		{ STR("v=dmarc1; p=none"), false },
		{ STR("v=DMARC2; p=none"), false },
		{ STR("v=DMARC11; p=none"), false },
		{ STR("v=DMARC1 p=none"), false },
		{ STR("v=DMARC1, p=none"), false },
		{ STR("p=none; v=DMARC1"), false },
		{ STR(" v=DMARC1; p=none"), false },
		{ STR("\"v=DMARC1; p=none\""), false },
		{ STR("v=DMARC1\0; p=none"), false },
		{ STR("v=spf1 -all"), false },
		{ STR("v=; p=none"), false },
		{ STR("v"), false },
		{ STR(";v=DMARC1"), false },
		{ STR(""), false },
		{ { NULL, 0 }, false },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		if (dmarc_record_is(cases[i].text) != cases[i].is)
			fail_msg("\"%.*s\"", STR_ARG(cases[i].text));
}

/* "p/sp/np psd t adkim/aspf pct" */
static const char *
told(const char *text, char *out, size_t size)
{
	struct dmarc_record r;

	dmarc_record_parse(str_of(text), &r);
	snprintf(out, size, "%s %s/%s/%s %c %s %c/%c %d", r.usable ? "ok" : "unusable",
	    dmarc_policy_name(r.policy), dmarc_policy_name(r.sub), dmarc_policy_name(r.absent),
	    "uny"[r.psd], r.testing ? "t" : "-", r.strict_dkim ? 's' : 'r',
	    r.strict_spf ? 's' : 'r', r.percent);
	return out;
}

static void
what_a_record_says(void **state)
{
	static const struct {
		const char *text, *told;
	} cases[] = {
		/* policies, and which stands for which */
		{ "v=DMARC1; p=none", "ok none/none/none u - r/r -1" },
		{ "v=DMARC1; p=quarantine", "ok quarantine/quarantine/quarantine u - r/r -1" },
		{ "v=DMARC1; p=reject", "ok reject/reject/reject u - r/r -1" },
		{ "v=DMARC1;p=reject;", "ok reject/reject/reject u - r/r -1" },
		{ "v=DMARC1; p = reject ;", "ok reject/reject/reject u - r/r -1" },
		{ "v=DMARC1; P=Reject", "ok reject/reject/reject u - r/r -1" },
		{ "v=DMARC1; p=reject; sp=none", "ok reject/none/none u - r/r -1" },
		{ "v=DMARC1; p=none; np=reject", "ok none/none/reject u - r/r -1" },
		{ "v=DMARC1; p=none; sp=quarantine; np=reject",
		    "ok none/quarantine/reject u - r/r -1" },
		{ "v=DMARC1; sp=none; p=reject", "ok reject/none/none u - r/r -1" },
		/* psd, t, alignment; what they cannot be is their default */
		{ "v=DMARC1; p=none; psd=y", "ok none/none/none y - r/r -1" },
		{ "v=DMARC1; p=none; psd=n", "ok none/none/none n - r/r -1" },
		{ "v=DMARC1; p=none; psd=u", "ok none/none/none u - r/r -1" },
		{ "v=DMARC1; p=none; psd=yes", "ok none/none/none u - r/r -1" },
		{ "v=DMARC1; p=none; psd=", "ok none/none/none u - r/r -1" },
		{ "v=DMARC1; p=reject; t=y", "ok reject/reject/reject u t r/r -1" },
		{ "v=DMARC1; p=reject; t=n", "ok reject/reject/reject u - r/r -1" },
		{ "v=DMARC1; p=reject; t=1", "ok reject/reject/reject u - r/r -1" },
		{ "v=DMARC1; p=none; adkim=s; aspf=s", "ok none/none/none u - s/s -1" },
		{ "v=DMARC1; p=none; adkim=r; aspf=S", "ok none/none/none u - r/s -1" },
		{ "v=DMARC1; p=none; adkim=strict", "ok none/none/none u - r/r -1" },
		/* pct is told, and no more */
		{ "v=DMARC1; p=reject; pct=0", "ok reject/reject/reject u - r/r 0" },
		{ "v=DMARC1; p=reject; pct=100", "ok reject/reject/reject u - r/r 100" },
		{ "v=DMARC1; p=reject; pct=101", "ok reject/reject/reject u - r/r -1" },
		{ "v=DMARC1; p=reject; pct=-1", "ok reject/reject/reject u - r/r -1" },
		{ "v=DMARC1; p=reject; pct=99999999999999999999",
		    "ok reject/reject/reject u - r/r -1" },
		{ "v=DMARC1; p=reject; pct=", "ok reject/reject/reject u - r/r -1" },
		/* without a policy that can be read: none if reports are wanted, else nothing */
		{ "v=DMARC1", "unusable none/none/none u - r/r -1" },
		{ "v=DMARC1; sp=reject", "unusable none/none/none u - r/r -1" },
		{ "v=DMARC1; p=", "unusable none/none/none u - r/r -1" },
		{ "v=DMARC1; p=rejected", "unusable none/none/none u - r/r -1" },
		{ "v=DMARC1; p=reject quarantine", "unusable none/none/none u - r/r -1" },
		{ "v=DMARC1; p=reject; sp=all", "unusable none/none/none u - r/r -1" },
		{ "v=DMARC1; p=reject; np=all", "unusable none/none/none u - r/r -1" },
		{ "v=DMARC1; rua=mailto:a@example.org", "ok none/none/none u - r/r -1" },
		{ "v=DMARC1; p=rejected; rua=mailto:a@example.org",
		    "ok none/none/none u - r/r -1" },
		{ "v=DMARC1; p=reject; sp=all; rua=mailto:a@example.org",
		    "ok none/none/none u - r/r -1" },
		{ "v=DMARC1; p=reject; np=all; rua=x,mailto:a@example.org!10m",
		    "ok none/none/none u - r/r -1" },
		{ "v=DMARC1; rua=reports", "unusable none/none/none u - r/r -1" },
		{ "v=DMARC1; rua=mailto:example.org", "unusable none/none/none u - r/r -1" },
		{ "v=DMARC1; ruf=mailto:a@example.org", "unusable none/none/none u - r/r -1" },
		/* tags that nobody knows, and what is no tag at all */
		{ "v=DMARC1; p=reject; x=y; fo=1; ri=86400; rf=afrf",
		    "ok reject/reject/reject u - r/r -1" },
		{ "v=DMARC1; p=reject; nonsense; =; ==; p1=none; \xff=\xff",
		    "ok reject/reject/reject u - r/r -1" },
		{ "v=DMARC1; v=DMARC2; p=reject", "ok reject/reject/reject u - r/r -1" },
		/* twice: the same is the same, else nobody knows */
		{ "v=DMARC1; p=reject; p=reject", "ok reject/reject/reject u - r/r -1" },
		{ "v=DMARC1; p=reject; p=none", "unusable none/none/none u - r/r -1" },
		{ "v=DMARC1; p=none; t=y; t=n", "ok none/none/none u - r/r -1" },
		{ "v=DMARC1; p=none; psd=y; psd=n", "ok none/none/none u - r/r -1" },
		/* RFC 9989 B.2.5 */
		{ "v=DMARC1; p=quarantine; rua=mailto:dmarc-feedback@example.com,"
		  "mailto:tld-test@thirdparty.example.net; t=y",
		    "ok quarantine/quarantine/quarantine u t r/r -1" },
	};
	char out[128];

	for (size_t i = 0; i < COUNT(cases); i++)
		if (strcmp(told(cases[i].text, out, sizeof(out)), cases[i].told) != 0)
			fail_msg("%s\n says %s\nand not %s", cases[i].text, out, cases[i].told);
}

static void
which_text_is_a_uri(void **state)
{
	static const struct {
		const char *list;
		bool ok;
	} cases[] = {
		{ "mailto:a@example.org", true },
		{ " mailto:a@example.org , x", true },
		{ "x, mailto:a@example.org", true },
		{ "MAILTO:a@example.org", true },
		{ "https://example.org/report", true },
		{ "mailto:a@example.org!10m", true },
		{ "", false },
		{ ",", false },
		{ "mailto:", false },
		{ "mailto:@", false },
		{ "mailto:a@", false },
		{ "mailto:@example.org", false },
		{ "a@example.org", false },
		{ "https:", false },
		{ ":a@example.org", false },
		{ "1:a", false },
		{ "a b:c", false },
		{ "mailto:a b@example.org", false },
		{ "mailto:\xc3\xa4@example.org", false },
		{ "mailto:<a@example.org>", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		if (dmarc_uris_ok(str_of(cases[i].list)) != cases[i].ok)
			fail_msg("\"%s\"", cases[i].list);
}

static void
testing_takes_one_level(void **state)
{
	assert_int_equal(dmarc_policy_tested(DMARC_REJECT), DMARC_QUARANTINE);
	assert_int_equal(dmarc_policy_tested(DMARC_QUARANTINE), DMARC_NONE);
	assert_int_equal(dmarc_policy_tested(DMARC_NONE), DMARC_NONE);
}

/* The longest that a TXT record can be, of the shortest tags: read once, from left to right. */
static void
a_huge_record_costs_little(void **state)
{
	struct dmarc_record r;
	struct buf text;
	clock_t began;

	buf_init(&text, 65536);
	buf_add(&text, STR("v=DMARC1;p=reject;"));
	while (text.n + 10 < 65535)
		buf_add(&text, STR("p=reject;="));
	began = clock();
	dmarc_record_parse(buf_str(&text), &r);
	assert_true(clock() - began < CLOCKS_PER_SEC);
	assert_true(r.usable);
	assert_int_equal(r.policy, DMARC_REJECT);
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_text_is_a_record),
		cmocka_unit_test(what_a_record_says),
		cmocka_unit_test(which_text_is_a_uri),
		cmocka_unit_test(testing_takes_one_level),
		cmocka_unit_test(a_huge_record_costs_little),
	};

	return cmocka_run_group_tests_name("dmarc_record", tests, NULL, NULL);
}
