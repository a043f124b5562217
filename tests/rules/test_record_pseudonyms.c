#include "rules/record_pseudonyms.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/buf.h"
#include "db/json.h"

static struct arena *arena;
static struct pseudonym *p;

/* {address} becomes its pseudonym, {.address} the local part's. */
static struct str
filled(const char *text)
{
	struct str rest = str_of(text), out;
	struct buf b;

	buf_init(&b, 1 << 16);
	while (rest.n > 0) {
		size_t open = str_find(rest, '<'), close = str_find(rest, '>');
		struct str inside, hashed;
		bool local;

		if (open == STR_NPOS) {
			buf_add(&b, rest);
			break;
		}
		buf_add(&b, str_sub(rest, 0, open));
		inside = str_sub(rest, open + 1, close);
		local = inside.n > 0 && inside.p[0] == '.';
		hashed = pseudonym_of(p, arena, str_sub(inside, local, inside.n));
		buf_add(&b, local ? str_sub(hashed, 0, str_rfind(hashed, '@')) : hashed);
		rest = str_sub(rest, close + 1, rest.n);
	}
	out = arena_dup(arena, buf_str(&b));
	buf_free(&b);
	return out;
}

static void
check(const char *what, struct str got, const char *want)
{
	struct str text = filled(want);

	if (!str_eq(got, text))
		fail_msg("%s: %.*s, not %.*s", what, STR_ARG(got), STR_ARG(text));
}

static struct journal_record
record(void)
{
	return (struct journal_record){
		.front = "proxy",
		.step = "rcpt",
		.verdict = "reject",
		.code = 550,
		.sender = STR("jane@example.net"),
		.recipients = STR("[\"bob@example.org\"]"),
		.facts = STR("{}"),
		.trace = STR("[]"),
		.answers = STR("[]"),
	};
}

static void
test_columns(void **state)
{
	struct journal_record r = record();

	(void)state;
	r.account = STR("alice");
	r.helo = STR("mx.example.net");
	r.client_name = STR("mx.example.net");
	r.text = STR("alice may not write as jane@example.net; malice may");
	r.rule = STR("postern.conf:12");
	r.subject = STR("For bob@example.org, from Jane");
	record_pseudonyms(p, arena, &r);
	check("subject", r.subject, "For <bob@example.org>, from Jane");
	check("sender", r.sender, "<jane@example.net>");
	check("recipients", r.recipients, "[\"<bob@example.org>\"]");
	check("account", r.account, "<alice>");
	check("helo", r.helo, "mx.example.net");
	check("client_name", r.client_name, "mx.example.net");
	check("text", r.text, "<alice> may not write as <jane@example.net>; malice may");
	check("rule", r.rule, "postern.conf:12");
}

static void
test_nobody(void **state)
{
	struct journal_record r = record();

	(void)state;
	r.sender = STR("");
	r.recipients = STR("[\"postmaster\"]");
	r.text = STR("postmaster is not there");
	record_pseudonyms(p, arena, &r);
	check("sender", r.sender, "");
	check("recipients", r.recipients, "[\"postmaster\"]");
	check("text", r.text, "postmaster is not there");
}

/* What a mail server says may name somebody without the domain. */
static void
test_backend(void **state)
{
	struct journal_record r = record();

	(void)state;
	r.rule = STR("backend");
	r.text = STR("5.1.1 Bob... User unknown (bobby)");
	record_pseudonyms(p, arena, &r);
	check("text", r.text, "5.1.1 <.bob@example.org>... User unknown (bobby)");
	r = record();
	r.rule = STR("backend");
	r.code = 250;
	r.text = STR("2.0.0 Ok bob");
	record_pseudonyms(p, arena, &r);
	check("text", r.text, "2.0.0 Ok bob");
}

static void
test_json(void **state)
{
	static const struct {
		const char *is, *becomes;
	} cases[] = {
		{ "{\"spf\":\"pass\",\"sender\":\"jane@example.net\"}",
		    "{\"spf\":\"pass\",\"sender\":\"<jane@example.net>\"}" },
		/* a word that happens to be the local part stays */
		{ "{\"spf\":\"jane\",\"sender.local\":\"jane\"}",
		    "{\"spf\":\"jane\",\"sender.local\":\"<.jane@example.net>\"}" },
		{ "{\"account\":\"alice\"}", "{\"account\":\"<alice>\"}" },
		{ "{\"header(\\\"To\\\")\":[\"\\\"Bob\\\" \\u003cbob@example.org>\",\"x\"]}",
		    NULL },
		{ "{\"listed(\\\"a@b\\\")\":1,\"x\":\"\\\"a b\\\"@c.example\"}",
		    "{\"listed(\\\"a@b\\\")\":1,\"x\":\"<\"a b\"@c.example>\"}" },
		{ "[{\"seen\":\"greylist:pair:jane@example.net:bob@example.org\",\"delay\":3}]",
		    "[{\"seen\":\"greylist:pair:<jane@example.net>:<bob@example.org>\",\"delay\":3}]" },
		{ "[{\"count\":\"rate:messages:account:alice\",\"add\":1}]",
		    "[{\"count\":\"rate:messages:account:<alice>\",\"add\":1}]" },
		{ "[{\"seen\":\"seen:account-network:alice 192.0.2.0/24\"}]",
		    "[{\"seen\":\"seen:account-network:<alice> 192.0.2.0/24\"}]" },
		{ "[{\"take\":\"rate:messages:account:a@b.example\"}]",
		    "[{\"take\":\"rate:messages:account:<a@b.example>\"}]" },
		/* a key that was too long, and cut before the @ */
		{ "[{\"seen\":\"greylist:pair:jane~"
		  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}]",
		    "[{\"seen\":\"greylist:<greylist:pair:jane~"
		    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef>\"}]" },
		/* an exception that an entry with pseudonyms has led to */
		{ "[{\"also\":[{\"source\":\"allow * spf:a.example ~abcdefghijklmnopqr@a.example *\"}]}]",
		    "[{\"also\":[{\"source\":\"allow * spf:a.example ~abcdefghijklmnopqr@a.example *\"}]}]" },
		/* how recipients were told apart tells of one that looks like a pseudonym */
		{ "[{\"also\":[{\"source\":\"c:1 of message asks recipient: no here, yes for ~abcdefghijklmnopqr@a.example\"}]}]",
		    "[{\"also\":[{\"source\":\"c:1 of message asks recipient: no here, yes for <~abcdefghijklmnopqr@a.example>\"}]}]" },
		{ "[{\"to\":\"~abcdefghijklmnopqr@a.example\"}]",
		    "[{\"to\":\"<~abcdefghijklmnopqr@a.example>\"}]" },
		{ "{\"text\":\"a \\\"quoted\\\" text, \\u000a\"}",
		    "{\"text\":\"a \\\"quoted\\\" text, \\u000a\"}" },
		{ "{\"cut short\":\"a@b.example", NULL },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct journal_record r = record();

		r.facts = str_of(cases[i].is);
		record_pseudonyms(p, arena, &r);
		if (cases[i].becomes) {
			struct str want = filled(cases[i].becomes);

			/* A quote in a pseudonym's address is gone; none is left to be escaped. */
			if (!str_eq(r.facts, want))
				fail_msg("%s: %.*s, not %.*s", cases[i].is, STR_ARG(r.facts),
				    STR_ARG(want));
		}
		assert_false(str_find(str_of(cases[i].is), '@') != STR_NPOS &&
		    cases[i].becomes == NULL && str_eq(r.facts, str_of(cases[i].is)));
	}
}

/* An SPF record that asks for the sender's local part brings it into names and explanations. */
static void
test_macros(void **state)
{
	struct journal_record r = record();

	(void)state;
	r.sender = STR("john.doe@example.net");
	r.facts = STR("{\"spf.explanation\":\"john.doe is not known\",\"spf\":\"fail\"}");
	r.text = STR("SPF: John.Doe is not known");
	r.answers =
	    STR("[{\"dns\":\"example.net TXT\",\"records\":[\"v=spf1 exists:%{l}._l.example.net "
		"include:john.example.com exists:%{l1r}.doe.example.com -all\"]},"
		"{\"dns\":\"john.doe._l.example.net A\",\"records\":[]},"
		"{\"dns\":\"john.example.com TXT\",\"records\":[]},"
		"{\"dns\":\"john.doe.example.com A\",\"records\":[]}]");
	record_pseudonyms(p, arena, &r);
	check("facts", r.facts,
	    "{\"spf.explanation\":\"<.john.doe@example.net> is not known\",\"spf\":\"fail\"}");
	check("text", r.text, "SPF: <.john.doe@example.net> is not known");
	check("answers", r.answers,
	    "[{\"dns\":\"example.net TXT\",\"records\":[\"v=spf1 exists:%{l}._l.example.net "
	    "include:john.example.com exists:%{l1r}.doe.example.com -all\"]},"
	    "{\"dns\":\"<.john.doe@example.net>._l.example.net A\",\"records\":[]},"
	    "{\"dns\":\"john.example.com TXT\",\"records\":[]},"
	    "{\"dns\":\"<.john.doe@example.net>.example.com A\",\"records\":[]}]");
}

/* Without such a record names stay, whatever the sender is called. */
static void
test_no_macro(void **state)
{
	struct journal_record r = record();

	(void)state;
	r.sender = STR("example@example.net");
	r.answers = STR("[{\"dns\":\"example.net TXT\",\"records\":[\"v=spf1 mx -all\"]}]");
	r.text = STR("SPF: example.net does not permit it");
	record_pseudonyms(p, arena, &r);
	check("answers", r.answers,
	    "[{\"dns\":\"example.net TXT\",\"records\":[\"v=spf1 mx -all\"]}]");
	check("text", r.text, "SPF: example.net does not permit it");
}

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(1 << 24);
	p = pseudonym_new(arena, STR("0123456789abcdef0123456789abcdef"));
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
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_backend),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_macros),
		cmocka_unit_test(test_no_macro),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, setup, teardown);
}
