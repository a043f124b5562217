/* Records taken apart, and what is said about those that cannot be. */
#include "filters/spf_record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/*
 * The record written back in one form: terms with all their parts, then the modifiers that count.
 */
static void
print(const struct spf_record *r, struct buf *out)
{
	static const char *const names[] = { "all", "include", "a", "mx", "ptr", "ip4", "ip6",
		"exists", "redirect" };

	for (size_t i = 0; i < r->n_terms; i++) {
		const struct spf_term *t = &r->term[i];

		buf_printf(out, "%s%c%s", i ? " " : "", t->qualifier, names[t->kind]);
		if (t->spec.p != NULL)
			buf_printf(out, ":%.*s", STR_ARG(t->spec));
		if (t->network.version != 0)
			buf_printf(out, ":%s", IP_TEXT(&t->network));
		if (t->bits4 != 32)
			buf_printf(out, "/%u", t->bits4);
		if (t->bits6 != 128)
			buf_printf(out, "//%u", t->bits6);
	}
	if (r->redirect.spec.p != NULL)
		buf_printf(out, " redirect=%.*s", STR_ARG(r->redirect.spec));
	if (r->exp.p != NULL)
		buf_printf(out, " exp=%.*s", STR_ARG(r->exp));
}

static void
test_records(void **state)
{
	static const struct {
		const char *record, *expected; /* "!...": the error */
	} cases[] = {
		{ "v=spf1", "" },
		{ "V=SPF1   ", "" },
		{ "v=spf1 -all", "-all" },
		{ "v=spf1  A/24//64   ?mX ", "+a/24//64 ?mx" },
		{ "v=spf1 a//0 a/0", "+a//0 +a/0" },
		{ "v=spf1 a:b.example/24//96", "+a:b.example/24//96" },
		{ "v=spf1 a:b/c.example/0", "+a:b/c.example/0" },
		{ "v=spf1 a:%{d/}/8", "+a:%{d/}/8" },
		{ "v=spf1 a:foo:8080.example", "+a:foo:8080.example" },
		{ "v=spf1 a:%%%_%-", "+a:%%%_%-" },
		{ "v=spf1 a:.example", "+a:.example" },
		{ "v=spf1 a:x.1-2", "+a:x.1-2" },
		{ "v=spf1 a:x.example.", "+a:x.example." },
		{ "v=spf1 ip4:192.0.2.0/24 ip4:0.0.0.0/0", "+ip4:192.0.2.0/24 +ip4:0.0.0.0/0" },
		{ "v=spf1 ip6:2001:DB8::/32", "+ip6:2001:db8:://32" },
		{ "v=spf1 ptr ptr:%{o}", "+ptr +ptr:%{o}" },
		{ "v=spf1 ~include:a=b.example", "~include:a=b.example" },
		{ "v=spf1 ExP=%{d} a Redirect=b.example", "+a redirect=b.example exp=%{d}" },
		{ "v=spf1 moo.cow-far_out=man:dog/cat -all", "-all" },
		{ "v=spf1 moo=", "" },
		{ "v=spf1 moo", "!\"moo\": unknown mechanism" },
		{ "v=spf1 all.", "!\"all.\": unknown mechanism" },
		{ "v=spf1 all/8", "!\"all/8\": takes no argument" },
		{ "v=spf1 all:x.example", "!\"all:x.example\": takes no argument" },
		{ "v=spf1 -all\t", "!\"-all\\x09\": unknown mechanism" },
		{ "v=spf1 --all", "!\"--all\": unknown mechanism" },
		{ "v=spf1 -redirect=x.example", "!\"-redirect=x.example\": unknown mechanism" },
		{ "v=spf1 include", "!\"include\": its argument is missing" },
		{ "v=spf1 ip4", "!\"ip4\": its argument is missing" },
		{ "v=spf1 ip4:", "!\"ip4:\": \"\" is no IPv4 address" },
		{ "v=spf1 ip4/8", "!\"ip4/8\": no such prefix length" },
		{ "v=spf1 ip4:1.2.3", "!\"ip4:1.2.3\": \"1.2.3\" is no IPv4 address" },
		{ "v=spf1 ip4:1.2.3.04", "!\"ip4:1.2.3.04\": \"1.2.3.04\" is no IPv4 address" },
		{ "v=spf1 ip4:1.2.3.4/33",
		    "!\"ip4:1.2.3.4/33\": \"/33\" is no prefix length of 0 to 32" },
		{ "v=spf1 ip4:1.2.3.4/032",
		    "!\"ip4:1.2.3.4/032\": \"/032\" is no prefix length of 0 to 32" },
		{ "v=spf1 ip4:1.2.3.4/",
		    "!\"ip4:1.2.3.4/\": \"/\" is no prefix length of 0 to 32" },
		{ "v=spf1 ip4:1.2.3.4//32",
		    "!\"ip4:1.2.3.4//32\": \"//32\" is no prefix length of 0 to 32" },
		{ "v=spf1 ip6:::1/18446744073709551616",
		    "!\"ip6:::1/18446744073709551616\": \"/1844674407370955\" is no prefix length "
		    "of 0 to 128" },
		{ "v=spf1 ip6:1.2.3.4", "!\"ip6:1.2.3.4\": \"1.2.3.4\" is no IPv6 address" },
		{ "v=spf1 a/24/64", "!\"a/24/64\": \"/64\" is no prefix length of 0 to 32" },
		{ "v=spf1 a/", "!\"a/\": no such prefix length" },
		{ "v=spf1 a:", "!\"a:\": a domain is missing" },
		{ "v=spf1 a:/24", "!\"a:/24\": a domain is missing" },
		{ "v=spf1 a:museum", "!\"a:museum\": \"museum\" is no domain" },
		{ "v=spf1 a:museum.", "!\"a:museum.\": \"museum.\" is no domain" },
		{ "v=spf1 a:x.example..", "!\"a:x.example..\": \"x.example..\" is no domain" },
		{ "v=spf1 a:1.2.3.4", "!\"a:1.2.3.4\": \"1.2.3.4\" is no domain" },
		{ "v=spf1 a:x.-a", "!\"a:x.-a\": \"x.-a\" is no domain" },
		{ "v=spf1 a:x.a_b", "!\"a:x.a_b\": \"x.a_b\" is no domain" },
		{ "v=spf1 a:%{d}com", "!\"a:%{d}com\": \"%{d}com\" is no domain" },
		{ "v=spf1 a:%{d}.", "!\"a:%{d}.\": \"%{d}.\" is no domain" },
		{ "v=spf1 a:%{x}", "!\"a:%{x}\": unknown macro \"%{x\"" },
		{ "v=spf1 a:%{c}", "!\"a:%{c}\": unknown macro \"%{c\"" },
		{ "v=spf1 a:%{d0}", "!\"a:%{d0}\": macro \"%{d0}\" keeps no part" },
		{ "v=spf1 a:%{d", "!\"a:%{d\": macro \"%{d\" does not end in \"}\"" },
		{ "v=spf1 a:%{dr2}", "!\"a:%{dr2}\": macro \"%{d\" does not end in \"}\"" },
		{ "v=spf1 a:%{", "!\"a:%{\": unknown macro \"%{\"" },
		{ "v=spf1 a:x.example%", "!\"a:x.example%\": \"%\" begins no macro" },
		{ "v=spf1 a:x.example%x", "!\"a:x.example%x\": \"%\" begins no macro" },
		{ "v=spf1 moo=%x", "!\"moo=%x\": \"%\" begins no macro" },
		{ "v=spf1 moo=%{t}", "!\"moo=%{t}\": unknown macro \"%{t\"" },
		{ "v=spf1 exp=", "!\"exp=\": a domain is missing" },
		{ "v=spf1 exp=x.example exp=x.example", "!\"exp=x.example\": a second exp" },
		{ "v=spf1 redirect=x.example redirect=%{d}",
		    "!\"redirect=%{d}\": a second redirect" },
		{ "v=spf1 a:\xc3\xa9.example",
		    "!\"a:\xc3\xa9.example\": octet 0xc3 may not stand there" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct arena *arena = arena_new(65536);
		struct spf_record record;
		struct err e = { 0 };
		struct buf out;

		buf_init(&out, 1000);
		assert_true(spf_record_is(str_of(cases[i].record)));
		if (spf_record_parse(arena, str_of(cases[i].record), &record, &e))
			print(&record, &out);
		else
			buf_printf(&out, "!%s", e.text);
		assert_string_equal(out.p ? out.p : "", cases[i].expected);
		buf_free(&out);
		arena_free(&arena);
	}
}

static void
test_is(void **state)
{
	assert_true(spf_record_is(STR("v=spf1")));
	assert_true(spf_record_is(STR("V=sPf1 ")));
	assert_false(spf_record_is(STR("")));
	assert_false(spf_record_is(STR("v=spf")));
	assert_false(spf_record_is(STR("v=spf10")));
	assert_false(spf_record_is(STR("v=spf1\t")));
	assert_false(spf_record_is(STR("v=spf2.0/pra a")));
	assert_false(spf_record_is(STR(" v=spf1")));
}

static void
test_as_written(void **state)
{
	struct arena *arena = arena_new(65536);
	struct spf_record r;

	assert_true(
	    spf_record_parse(arena, STR("v=spf1 ~MX:a.example/24 redirect=B.example"), &r, NULL));
	assert_true(str_eq(r.term[0].text, STR("~MX:a.example/24")));
	assert_true(str_eq(r.redirect.text, STR("redirect=B.example")));
	arena_free(&arena);
}

/* A mapped network stays IPv6, as no IPv6 client has such an address. */
static void
test_mapped(void **state)
{
	struct arena *arena = arena_new(65536);
	struct spf_record r;

	assert_true(spf_record_parse(arena, STR("v=spf1 ip6:::ffff:192.0.2.1/96"), &r, NULL));
	assert_int_equal(r.term[0].network.version, 6);
	assert_int_equal(r.term[0].network.b[15], 1);
	assert_int_equal(r.term[0].bits6, 96);
	arena_free(&arena);
}

static void
repeat(struct buf *b, const char *text, size_t times)
{
	for (size_t i = 0; i < times; i++)
		buf_add(b, str_of(text));
}

static void
test_limits(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct spf_record r;
	struct err e;
	struct buf b;

	buf_init(&b, 100000);
	buf_add(&b, STR("v=spf1"));
	repeat(&b, " a", SPF_TERMS_MAX);
	assert_true(spf_record_parse(arena, buf_str(&b), &r, &e));
	assert_int_equal(r.n_terms, SPF_TERMS_MAX);
	repeat(&b, " a", 1);
	assert_false(spf_record_parse(arena, buf_str(&b), &r, &e));
	assert_string_equal(e.text, "more than 1024 terms");
	repeat(&b, " ", SPF_RECORD_MAX);
	assert_false(spf_record_parse(arena, buf_str(&b), &r, &e));
	assert_string_equal(e.text, "more than 8192 octets");

	buf_clear(&b);
	buf_add(&b, STR("v=spf1 a:"));
	repeat(&b, "%{d}", 256);
	assert_true(spf_record_parse(arena, buf_str(&b), &r, &e));
	repeat(&b, "%%", 1);
	assert_false(spf_record_parse(arena, buf_str(&b), &r, &e));
	assert_non_null(strstr(e.text, ": a domain of more than 1024 octets"));
	buf_free(&b);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_is),
		cmocka_unit_test(test_as_written),
		cmocka_unit_test(test_mapped),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
