#include "mail/pseudonym.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "mail/mailbox.h"
#include "mail/mailbox_stem.h"

#define KEY "0123456789abcdef0123456789abcdef"

static struct arena *arena;
static struct pseudonym *p;

static struct str
text_of(struct str text, bool but_those)
{
	struct str out;
	struct buf b;

	buf_init(&b, 1 << 20);
	pseudonym_text(p, arena, text, but_those, &b);
	out = arena_dup(arena, buf_str(&b));
	buf_free(&b);
	return out;
}

static struct str
of(const char *address)
{
	return pseudonym_of(p, arena, str_of(address));
}

/* HMAC-SHA256(key, "postern-address:" ...), as another program would compute it. */
static void
test_values(void **state)
{
	(void)state;
	assert_string_equal(of("jane@example.org").p, "~rqouqcdkfprgtvlrxk@example.org");
	assert_string_equal(of("alice").p, "~yjbxjabzpbcmfokwtt");
	assert_string_equal(pseudonym_key(p), "43507e77");
	assert_string_equal(of("").p, "");
}

static void
test_same(void **state)
{
	static const char *const same[][2] = {
		{ "jane@example.org", "Jane@example.org" },
		{ "j\xc3\xb6rg@b\xc3\xbc"
		  "cher.example",
		    "J\xc3\xb6rg@b\xc3\xbc"
		    "cher.example" },
	};
	static const char *const others[][2] = {
		{ "jane@example.org", "jane@example.net" },
		{ "jane@example.org", "jan@example.org" },
		{ "jane@example.org", "\"jane\"@example.org" },
		{ "alice", "alice@example.org" },
		{ "a@b", "a@b@c" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		assert_true(str_eqcase(of(same[i][0]), of(same[i][1])));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(str_eqcase(of(others[i][0]), of(others[i][1])));
	/* The domain is hashed as the DNS has it, and stays as it was written. */
	assert_true(str_eq(str_sub(of("a@b\xc3\xbc"
				      "cher.example"),
			       0, 19),
	    str_sub(of("a@xn--bcher-kva.example"), 0, 19)));
	assert_true(str_ends(of("a@Example.ORG"), STR("@Example.ORG")));
}

/* Another key, other pseudonyms and another name. */
static void
test_keys(void **state)
{
	struct pseudonym *other = pseudonym_new(arena, STR("another key of 32 octets, or more"));

	(void)state;
	assert_string_not_equal(pseudonym_key(other), pseudonym_key(p));
	assert_false(
	    str_eq(pseudonym_of(other, arena, STR("jane@example.org")), of("jane@example.org")));
}

/* Whatever makes of senders what stays of them makes of their pseudonyms the same. */
static void
test_stems(void **state)
{
	static const char *const addresses[] = {
		"jane@example.org",
		"Jane+list@example.org",
		"prvs=0123ab45cd=jane@example.org",
		"SRS0=4k1Z=X7=a.example=jane@fwd.example",
		"bounce-12-998877-jane=example.net@list.example",
		"news-0123456789abcdef@list.example",
		"+jane@example.org",
		"\"jane 1234\"@example.org",
		"a@[192.0.2.1]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		struct str path = arena_printf(arena, "<%s>", addresses[i]), hashed;
		struct mailbox m, again;
		struct str stem, of_stem;

		assert_true(mailbox_take(&path, true, true, &m, NULL));
		stem = mailbox_stem(arena, &m);
		hashed = of(addresses[i]);
		assert_true(pseudonym_is(hashed));
		path = arena_printf(arena, "<%.*s>", STR_ARG(hashed));
		assert_true(mailbox_take(&path, true, true, &again, NULL));
		assert_true(again.local.n <= PSEUDONYM_MAX);
		of_stem = pseudonym_of(p, arena, stem);
		if (!str_eq(mailbox_stem(arena, &again), of_stem))
			fail_msg("%s: %s, not %s", addresses[i], mailbox_stem(arena, &again).p,
			    of_stem.p);
		/* In a key as well. */
		assert_true(str_eq(
		    text_of(arena_printf(arena, "greylist:pair:%.*s:b@c.example", STR_ARG(stem)),
			false),
		    arena_printf(
			arena, "greylist:pair:%.*s:%s", STR_ARG(of_stem), of("b@c.example").p)));
	}
}

static void
test_forms(void **state)
{
	static const struct {
		const char *text;
		bool is;
	} cases[] = {
		{ "~abcdefghijklmnopqr@example.org", true },
		{ "~abcdefghijklmnopqr", true },
		{ "~~abcdefghijklmnopqr@example.org", true },
		{ "~abcdefghijklmnopqr+abcdefghijklmnopqr@example.org", true },
		{ "abcdefghijklmnopqrs@example.org", false },
		{ "~abcdefghijklmnopq@example.org", false },
		{ "~abcdefghijklmnopqrs@example.org", false },
		{ "~abcdefghijklmnopq1@example.org", false },
		{ "~Abcdefghijklmnopqr@example.org", false },
		{ "~~~abcdefghijklmnopqr@example.org", false },
		{ "~abcdefghijklmnopqr+list@example.org", false },
		{ "~@example.org", false },
		{ "~", false },
		{ "", false },
	};
	size_t begin, end;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (pseudonym_is(str_of(cases[i].text)) != cases[i].is)
			fail_msg("%s", cases[i].text);
	assert_true(pseudonym_find(STR("to ~abcdefghijklmnopqr@example.org, ~x"), 0, &begin, &end));
	assert_int_equal(begin, 3);
	assert_int_equal(end, 22);
	assert_false(
	    pseudonym_find(STR("to ~abcdefghijklmnopqr@example.org, ~x"), 4, &begin, &end));
}

/* In braces what a pseudonym stands for: {address}, or {local} of an address that is written otherwise. */
static void
test_texts(void **state)
{
	static const struct {
		const char *text;
		const char
		    *parts[8]; /* in turn: as it is, an address of which the local part is hashed */
	} cases[] = {
		{ "jane@example.org", { "", "jane@example.org", "@example.org" } },
		{ "User <jane@example.org> unknown",
		    { "User <", "jane@example.org", "@example.org> unknown" } },
		{ "'jane@example.org' is unknown.",
		    { "'", "jane@example.org", "@example.org' is unknown." } },
		{ "ask jane@example.org.", { "ask ", "jane@example.org", "@example.org." } },
		{ "a@b.example, c@d.example",
		    { "", "a@b.example", "@b.example, ", "c@d.example", "@d.example" } },
		{ "x \"john doe\"@example.org y",
		    { "x ", "\"john doe\"@example.org", "@example.org y" } },
		{ "\"a\\\"b\"@example.org", { "", "\"a\\\"b\"@example.org", "@example.org" } },
		{ "see http://spf.example/?id=jane%40example.org;ip=192.0.2.1",
		    { "see http://spf.example/?id=", "jane@example.org",
			"%40example.org;ip=192.0.2.1" } },
		{ "greylist:192.0.2.0/24:a@b.example:c@d.example",
		    { "greylist:192.0.2.0/24:", "a@b.example", "@b.example:", "c@d.example",
			"@d.example" } },
		{ "to a@[192.0.2.1]!", { "to ", "a@[192.0.2.1]", "@[192.0.2.1]!" } },
		{ "cut off: jane@", { "cut off: ", "jane", "@" } },
		{ "of <@example.org>", { "of <@example.org>" } },
		{ "a @ b", { "a @ b" } },
		{ "a \"@\" b", { "a \"@\" b" } },
		{ "100%", { "100%" } },
		{ "none", { "none" } },
		{ "", { "" } },
		/* one that somebody chose to look like a pseudonym */
		{ "~abcdefghijklmnopqr@example.org",
		    { "", "~abcdefghijklmnopqr@example.org", "@example.org" } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str got = text_of(str_of(cases[i].text), false);
		struct buf want;

		buf_init(&want, 4096);
		for (size_t k = 0; k < 8 && cases[i].parts[k]; k++) {
			struct str part = str_of(cases[i].parts[k]), hashed;
			size_t at = str_rfind(part, '@');

			hashed = of(cases[i].parts[k]);
			if (k % 2 == 1 && at != STR_NPOS)
				buf_add(&want, str_sub(hashed, 0, str_rfind(hashed, '@')));
			else
				buf_add(&want, k % 2 ? hashed : part);
		}
		if (!str_eq(got, buf_str(&want)))
			fail_msg("%s: %.*s, not %.*s", cases[i].text, STR_ARG(got),
			    STR_ARG(buf_str(&want)));
		buf_free(&want);
	}
}

static void
test_kept(void **state)
{
	const struct str hashed = of("jane@example.org");

	(void)state;
	assert_true(str_eq(text_of(hashed, true), hashed));
	assert_false(str_eq(text_of(hashed, false), hashed));
	assert_true(str_eq(text_of(STR("jane@example.org"), true), hashed));
}

/* Of a text that is full of them the rest is told apart no more. */
static void
test_many(void **state)
{
	struct buf text;
	struct str got;

	(void)state;
	buf_init(&text, 1 << 16);
	for (int i = 0; i < PSEUDONYM_TEXT_MOST + 50; i++)
		buf_add(&text, STR("someone@b.example,"));
	got = text_of(buf_str(&text), false);
	assert_true(str_starts(got, str_sub(of("someone@b.example"), 0, 19)));
	assert_true(str_ends(got, STR(",~@b.example,~@b.example,")));
	buf_free(&text);
}

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(1 << 24);
	p = pseudonym_new(arena, STR(KEY));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_stems),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_kept),
		cmocka_unit_test(test_many),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
