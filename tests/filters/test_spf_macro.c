/* Macros: the examples of RFC 7208 7.4, and the corners of its text. */
#include "filters/spf_macro.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct spf_values
values(const char *ip)
{
	struct spf_values v = { .local = STR("strong-bad"),
		.domain = STR("email.example.com"),
		.current = STR("email.example.com"),
		.validated = STR("mx.example.org"),
		.helo = STR("[Mail]"),
		.receiver = STR("mx.example.net"),
		.now = 1700000000 };

	assert_true(ip_parse(str_of(ip), &v.client));
	return v;
}

static void
test_names(void **state)
{
	static const struct {
		const char *ip, *text, *expected;
	} cases[] = {
		/* 7.4 */
		{ "192.0.2.3", "%{s}", "strong-bad@email.example.com" },
		{ "192.0.2.3", "%{o}", "email.example.com" },
		{ "192.0.2.3", "%{d}", "email.example.com" },
		{ "192.0.2.3", "%{d4}", "email.example.com" },
		{ "192.0.2.3", "%{d3}", "email.example.com" },
		{ "192.0.2.3", "%{d2}", "example.com" },
		{ "192.0.2.3", "%{d1}", "com" },
		{ "192.0.2.3", "%{dr}", "com.example.email" },
		{ "192.0.2.3", "%{d2r}", "example.email" },
		{ "192.0.2.3", "%{l}", "strong-bad" },
		{ "192.0.2.3", "%{l-}", "strong.bad" },
		{ "192.0.2.3", "%{lr}", "strong-bad" },
		{ "192.0.2.3", "%{lr-}", "bad.strong" },
		{ "192.0.2.3", "%{l1r-}", "strong" },
		{ "192.0.2.3", "%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com" },
		{ "192.0.2.3", "%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com" },
		{ "192.0.2.3", "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}",
		    "bad.strong.lp.3.2.0.192.in-addr._spf.example.com" },
		{ "192.0.2.3", "%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}",
		    "3.2.0.192.in-addr.strong.lp._spf.example.com" },
		{ "192.0.2.3", "%{d2}.trusted-domains.example.net",
		    "example.com.trusted-domains.example.net" },
		{ "2001:db8::cb01", "%{ir}.%{v}._spf.%{d2}",
		    "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf."
		    "example.com" },
		/* lower case, no final dot, also with the macro letter in upper case */
		{ "192.0.2.3", "%{D}.EXAMPLE.", "email.example.com.example" },
		{ "192.0.2.3", "%{h}.x", "[mail].x" },
		{ "192.0.2.3", "%{H}.x", "%5bmail%5d.x" },
		{ "192.0.2.3", "%{p}", "mx.example.org" },
		{ "192.0.2.3", "%%%_%-", "% %20" },
		/* several delimiters, empty parts, more digits than any number has */
		{ "192.0.2.3", "%{s-.@}", "!" },
		{ "192.0.2.3", "%{s-.}", "strong.bad@email.example.com" },
		{ "192.0.2.3", "%{s1-.}", "com" },
		{ "192.0.2.3", "%{d99999999999999999999}", "email.example.com" },
		{ "192.0.2.3", "%{d0000002}", "example.com" },
		{ "192.0.2.3", "%{lR-}", "bad.strong" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct arena *arena = arena_new(65536);
		struct spf_values v = values(cases[i].ip);
		struct str text = str_of(cases[i].text), name = STR("!");

		if (spf_macro_check(text, SPF_MACRO_NAME, NULL))
			name = spf_macro_name(arena, text, &v);
		assert_string_equal(name.p, cases[i].expected);
		arena_free(&arena);
	}
}

static void
test_explanations(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
		{ "See http://%{d}/why.html?s=%{S}&i=%{I}",
		    "See http://email.example.com/why.html?s=strong-bad%40email.example.com&i=192."
		    "0.2.3" },
		{ "%{c} %{r} %{t}%_%%", "192.0.2.3 mx.example.net 1700000000 %" },
		{ "", "" },
		{ "50%", "!\"%\" begins no macro" },
		{ "tab\there", "!octet 0x09 may not stand there" },
		{ "caf\xc3\xa9", "!octet 0xc3 may not stand there" },
		{ "%{z}", "!unknown macro \"%{z\"" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct arena *arena = arena_new(65536);
		struct spf_values v = values("192.0.2.3");
		struct str text = str_of(cases[i].text), out;
		struct err e;

		if (spf_macro_check(text, SPF_MACRO_EXPLANATION, &e))
			out = spf_macro_text(arena, text, &v, 400);
		else
			out = arena_printf(arena, "!%s", e.text);
		assert_string_equal(out.p, cases[i].expected);
		arena_free(&arena);
	}
}

/* 7.3: labels go at the left until 253 octets are left. */
static void
test_long_names(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct spf_values v = values("192.0.2.3");
	struct buf b;
	struct str name;

	buf_init(&b, 4096);
	for (int i = 0; i < 200; i++)
		buf_add(&b, STR("%{d}."));
	buf_add(&b, STR("example"));
	name = spf_macro_name(arena, buf_str(&b), &v);
	assert_int_equal(name.n, 253);
	assert_true(str_ends(name, STR(".email.example.com.example")));
	assert_true(str_starts(name, STR("example.com.email.")));

	buf_clear(&b);
	for (int i = 0; i < 84; i++)
		buf_add(&b, STR("ab."));
	buf_add(&b, STR("c"));
	assert_int_equal(spf_macro_name(arena, buf_str(&b), &v).n, 253);
	buf_addc(&b, 'd');
	assert_int_equal(spf_macro_name(arena, buf_str(&b), &v).n, 251);

	/* Without a dot nothing can be taken off: it stays a name that no DNS holds. */
	buf_clear(&b);
	for (int i = 0; i < 1000; i++)
		buf_addc(&b, 'x');
	assert_true(spf_macro_name(arena, buf_str(&b), &v).n > 253);
	buf_free(&b);
	arena_free(&arena);
}

static void
test_long_explanation(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct spf_values v = values("192.0.2.3");
	struct buf b;

	buf_init(&b, 70000);
	for (int i = 0; i < 16000; i++)
		buf_add(&b, STR("%{S}"));
	assert_int_equal(spf_macro_text(arena, buf_str(&b), &v, 400).n, 400);
	buf_free(&b);
	arena_free(&arena);
}

/* A value of nothing but delimiters, as long as can be. */
static void
test_long_value(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct spf_values v = values("192.0.2.3");
	char dots[2000];

	memset(dots, '.', sizeof(dots));
	v.helo = (struct str){ dots, sizeof(dots) };
	assert_int_equal(spf_macro_text(arena, STR("%{hr}"), &v, 4000).n, SPF_VALUE_MAX);
	assert_int_equal(spf_macro_text(arena, STR("%{h3}"), &v, 4000).n, 2);
	assert_int_equal(spf_macro_text(arena, STR("%{H-}"), &v, 4000).n, SPF_VALUE_MAX);
	v.local = v.domain = v.helo;
	assert_int_equal(spf_macro_text(arena, STR("%{s}"), &v, 4000).n, SPF_VALUE_MAX);
	arena_free(&arena);
}

static void
test_uses(void **state)
{
	assert_true(spf_macro_uses(STR("a.%{P}.b"), "p"));
	assert_true(spf_macro_uses(STR("%{i}%{l2r-}"), "ls"));
	assert_false(spf_macro_uses(STR("p.%{i}%%{p}"), "p"));
	assert_false(spf_macro_uses(STR(""), "p"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_explanations),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_long_explanation),
		cmocka_unit_test(test_long_value),
		cmocka_unit_test(test_uses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
