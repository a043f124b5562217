#include "mail/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#define X10 "xxxxxxxxxx"
#define X50 X10 X10 X10 X10 X10
#define LABEL60 X50 X10

static void
test_takes(void **state)
{
	static const struct {
		const char *text, *local, *domain, *rest;
	} cases[] = {
		{ "<user@example.net>", "user", "example.net", "" },
		{ "<User@Example.NET> SIZE=1", "User", "Example.NET", " SIZE=1" },
		{ "<a.b+c=d@e-f.g>", "a.b+c=d", "e-f.g", "" },
		{ "<!#$%&'*+-/=?^_`{|}~@x>", "!#$%&'*+-/=?^_`{|}~", "x", "" },
		{ "<\"a b\"@c>", "\"a b\"", "c", "" },
		{ "<\"a@b>\\\"\"@c>d", "\"a@b>\\\"\"", "c", "d" },
		{ "<\"\"@c>", "\"\"", "c", "" },
		{ "<@one,@two.net:user@three>", "user", "three", "" },
		{ "<user@[192.0.2.1]>", "user", "[192.0.2.1]", "" },
		{ "<user@[IPv6:2001:db8::1]>", "user", "[IPv6:2001:db8::1]", "" },
		{ "<user@with_underscore.example>", "user", "with_underscore.example", "" },
		{ "<" X50 X50 X50 "@c>", X50 X50 X50, "c", "" },
		{ "<a@" LABEL60 "." LABEL60 "." LABEL60 "." LABEL60 ".12345678>", "a",
		    LABEL60 "." LABEL60 "." LABEL60 "." LABEL60 ".12345678", "" },
		{ "<postmaster>", "postmaster", "", "" },
		{ "<PostMaster>", "PostMaster", "", "" },
		{ "<\xc3\xa4@\xc3\xb6.example>", "\xc3\xa4", "\xc3\xb6.example", "" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str rest = str_of(cases[i].text);
		struct mailbox m;
		struct err e = { 0 };

		assert_true(mailbox_take(&rest, false, true, &m, &e));
		assert_true(str_eq(m.local, str_of(cases[i].local)));
		assert_true(str_eq(m.domain, str_of(cases[i].domain)));
		assert_true(str_eq(rest, str_of(cases[i].rest)));
		assert_int_equal(m.address.n, m.local.n + m.domain.n + (m.domain.n > 0 ? 1 : 0));
		assert_int_equal(m.utf8, cases[i].text[1] == '\xc3');
		assert_false(m.null);
	}
}

static void
test_refuses(void **state)
{
	static const char no_brackets[] = "the address must be in angle brackets";
	static const char bad_local[] = "syntax error in the local part of the address";
	static const char bad_domain[] = "the domain of the address is not valid";
	static const char bad_end[] = "syntax error at the end of the address";
	static const char too_long[] = "the address is longer than 256 octets";
	static const char bad_route[] = "syntax error in the source route of the address";
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", no_brackets },
		{ "user@example.net", no_brackets },
		{ " <user@example.net>", no_brackets },
		{ "<>", "the address is empty" },
		{ "<user>", "the address has no domain" },
		{ "<user@example.net", bad_end },
		{ "<user@example.net >", bad_end },
		{ "<user@example.net\r\n>", bad_end },
		{ "<user@example.net\r>", bad_end },
		{ "<us er@example.net>", "the address has no domain" },
		{ "<a\rb@example.net>", "the address has no domain" },
		{ "< user@example.net>", bad_local },
		{ "<.user@example.net>", bad_local },
		{ "<user.@example.net>", bad_local },
		{ "<us..er@example.net>", bad_local },
		{ "<@example.net>", bad_route },
		{ "<@example.net:>", bad_local },
		{ "<@bad..net:a@b>", bad_route },
		{ "<\"a@example.net>", bad_local },
		{ "<\"a\nb\"@example.net>", bad_local },
		{ "<\"a\\\xc3\xa4\"@example.net>", bad_local },
		{ "<user@>", bad_domain },
		{ "<user@.example>", bad_domain },
		{ "<user@example.>", bad_domain },
		{ "<user@exa..mple>", bad_domain },
		{ "<user@-example>", bad_domain },
		{ "<user@example->", bad_domain },
		{ "<user@exa$mple>", bad_domain },
		{ "<user@" LABEL60 "xxxx>", bad_domain },
		{ "<user@[192.0.2.256]>", bad_domain },
		{ "<user@[2001:db8::1]>", bad_domain },
		{ "<user@[IPv6:192.0.2.1]>", bad_domain },
		{ "<user@[192.0.2.1>", bad_domain },
		{ "<user@[]>", bad_domain },
		{ "<user@a@b>", bad_end },
		{ "<a<b@c>", "the address has no domain" },
		{ "<" X50 X50 X50 X50 X50 "@12345>", too_long },
		{ "<" X50 X50 X50 X50 X50 X50 "@c>", too_long },
		{ "<a@" LABEL60 "." LABEL60 "." LABEL60 "." LABEL60 ".123456789>", too_long },
		/* UTF-8 that is none: overlong, surrogate, cut, C1 */
		{ "<\xc0\xaf@b>", bad_local },
		{ "<\xed\xa0\x80@b>", bad_local },
		{ "<\xc3@b>", bad_local },
		{ "<\xc2\x85@b>", bad_local },
		{ "<a@\xff.example>", bad_domain },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str text = str_of(cases[i].text), rest = text;
		struct mailbox m;
		struct err e = { 0 };

		assert_false(mailbox_take(&rest, false, false, &m, &e));
		assert_string_equal(e.text, cases[i].error);
		assert_int_equal(e.code, cases[i].error == too_long ? ERR_LIMIT : ERR_SYNTAX);
		assert_ptr_equal(rest.p, text.p);
	}
}

static void
test_nul_never_passes(void **state)
{
	struct str text = STR("<a\0b@c>"), quoted = STR("<\"a\0b\"@c>"), domain = STR("<a@c\0d>");
	struct mailbox m;

	assert_false(mailbox_take(&text, false, false, &m, NULL));
	assert_false(mailbox_take(&quoted, false, false, &m, NULL));
	assert_false(mailbox_take(&domain, false, false, &m, NULL));
}

static void
test_null_path(void **state)
{
	struct str rest = STR("<> SIZE=5");
	struct mailbox m;

	assert_true(mailbox_take(&rest, true, false, &m, NULL));
	assert_true(m.null);
	assert_int_equal(m.address.n + m.local.n + m.domain.n, 0);
	assert_true(str_eq(rest, STR(" SIZE=5")));
}

static void
test_key(void **state)
{
	static const struct {
		const char *text, *key;
	} cases[] = {
		{ "<User@Example.NET>", "User@example.net" },
		{ "<\"A B\"@C>", "\"A B\"@c" },
		{ "<@route:a@b>", "a@b" },
		{ "<Postmaster>", "Postmaster" },
		{ "<>", "" },
	};
	struct arena *arena = arena_new(4096);

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str rest = str_of(cases[i].text);
		struct mailbox m;

		assert_true(mailbox_take(&rest, true, true, &m, NULL));
		assert_true(str_eq(mailbox_key(arena, &m), str_of(cases[i].key)));
	}
	arena_free(&arena);
}

static void
test_domain_ok(void **state)
{
	static const struct {
		const char *domain;
		bool ok;
	} cases[] = {
		{ "example.net", true },
		{ "localhost", true },
		{ "_dmarc.example.net", true },
		{ "[192.0.2.1]", true },
		{ "[ipv6:::1]", true },
		{ LABEL60 "xxx", true },
		{ "", false },
		{ ".", false },
		{ "example.net.", false },
		{ "exam ple", false },
		{ "\xc3\xb6.example", false },
		{ LABEL60 "xxxx", false },
		{ "[", false },
		{ "[]", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(mail_domain_ok(str_of(cases[i].domain)), cases[i].ok);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_nul_never_passes),
		cmocka_unit_test(test_null_path),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_domain_ok),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
