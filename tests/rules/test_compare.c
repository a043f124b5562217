/*
 * What may stand on either side of a comparison: check, compare and operand, asked through whole
 * configurations, since what they work on is what the parser made.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/rules/loader.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct row {
	const char *condition, *said; /* at message; "" when it is right */
};

static void
check(const struct row *row, size_t n)
{
	char text[1000];
	int failed = 0;

	for (size_t i = 0; i < n; i++) {
		const char *said;

		snprintf(text, sizeof text, "list l { \"a\" }\nat message {\n score 1 if %s\n}",
		    row[i].condition);
		said = said_of(text);
		if (strcmp(said, row[i].said) != 0) {
			print_error("%s\n%s\n", row[i].condition, said);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

static void
test_numbers(void **state)
{
	static const struct row rows[] = {
		{ "message.size > 5", "" },
		{ "message.size > -5", "" },
		{ "message.size > 10M", "" },
		{ "message.size > 9223372036854775807", "" },
		{ "message.size > 2.5", "" },
		{ "surge(client) > 5", "" },
		{ "surge(client) >= 2.5", "" },
		{ "surge(client) < message.size", "" },
		{ "message.size is 5", "" },
		{ "score >= 8", "" },
		{ "score > message.size", "" },
		{ "message.size > score", "" },
		{ "message.size is known", "" },
		{ "message.size is not unknown", "" },
		{ "message.size > 9223372036854775808",
		    "3:28: `message.size` is a number: compare it with a number such as 5 or 10M, "
		    "not with `9223372036854775808`" },
		{ "message.size > 10K",
		    "3:28: `message.size` is a number: compare it with a number such as 5 or 10M, "
		    "not with `10K`" },
		{ "message.size > \"5\"",
		    "3:28: `message.size` is a number: compare it with a number such as 5 or 10M, "
		    "not with \"5\"" },
		{ "message.size > 5(client)",
		    "3:28: `message.size` is a number: compare it with a number such as 5 or 10M, "
		    "not with `5`" },
		{ "message.size > large",
		    "3:28: `message.size` is a number: compare it with a number such as 5 or 10M, "
		    "not with `large`" },
		{ "message.size > sender",
		    "3:28: `message.size` is a number and `sender` is a text: they cannot be "
		    "compared" },
		{ "message.size",
		    "3:13: `message.size` is a number: say what it is compared with, "
		    "such as `message.size > 5`" },
		{ "message.size in l",
		    "3:26: `in` looks up addresses and texts; `message.size` is a number: compare it by `is`, `<` or `>`" },
		{ "message.size contains \"5\"",
		    "3:26: `contains` looks into texts; `message.size` is a number" },
	};

	check(rows, COUNT(rows));
}

static void
test_durations(void **state)
{
	static const struct row rows[] = {
		{ "greylist.wait > 5m", "" },
		{ "greylist.wait > 0", "" },
		{ "greylist.wait <= 1000ms", "" },
		{ "greylist.wait < quota.free", "" },
		{ "greylist.wait is 30s", "" },
		{ "greylist.wait > 5",
		    "3:29: `greylist.wait` is a duration: compare it with a duration such as 30s or "
		    "5m, not with `5`" },
		{ "greylist.wait > 500ms",
		    "3:29: `greylist.wait` is a duration: compare it with a duration such as 30s or "
		    "5m, not with `500ms`" },
		{ "greylist.wait > 5m(client)",
		    "3:29: `greylist.wait` is a duration: compare it with a duration such as 30s or "
		    "5m, not with `5m`" },
		{ "greylist.wait > message.size",
		    "3:29: `greylist.wait` is a duration and `message.size` is a number: they cannot "
		    "be compared" },
	};

	check(rows, COUNT(rows));
}

static void
test_texts(void **state)
{
	static const struct row rows[] = {
		{ "sender is \"a\"", "" },
		{ "sender = helo", "" },
		{ "sender != \"\"", "" },
		{ "helo is hostname", "" },
		{ "sender contains \"a\"", "" },
		{ "sender starts with helo", "" },
		{ "sender ends with \"a\"", "" },
		{ "sender in l", "" },
		{ "sender not in { \"a\", \"b.example\" }", "" },
		{ "dkim.domains contains \"a\"", "" },
		{ "dkim.domains contains sender.domain", "" },
		{ "dkim.domains in l", "" },
		{ "sender is a",
		    "3:23: `sender` is a text: compare it with a text in quotes, not with `a`" },
		{ "sender is 5",
		    "3:23: `sender` is a text: compare it with a text in quotes, not with `5`" },
		{ "sender is client.ip",
		    "3:23: `sender` is a text and `client.ip` is an address: they cannot be "
		    "compared" },
		{ "sender > \"a\"",
		    "3:20: `>` compares numbers and durations; `sender` is a text" },
		{ "sender contains 5", "3:29: the name of a fact belongs here, not `5`" },
		{ "sender contains spf",
		    "3:29: `contains` wants a text behind it; `spf` is a word" },
		{ "sender",
		    "3:13: `sender` is a text: say what it is compared with, such as "
		    "`sender is \"...\"`" },
		{ "sender in k", "3:23: there is no list `k`; did you mean `l`?" },
		{ "dkim.domains is \"a\"",
		    "3:26: `dkim.domains` is a list: write `contains \"...\"` or `in LIST`" },
		{ "dkim.domains starts with \"a\"",
		    "3:26: `starts` looks into texts; `dkim.domains` is a list: write `contains \"...\"` or `matches /.../`" },
		{ "dkim.domains",
		    "3:13: `dkim.domains` is a list: say what it is compared with, "
		    "such as `dkim.domains contains \"...\"`" },
		{ "hostname(5) is \"a\"", "3:22: `hostname` takes no arguments" },
	};

	check(rows, COUNT(rows));
}

static void
test_words(void **state)
{
	static const struct row rows[] = {
		{ "spf is fail", "" },
		{ "spf != pass", "" },
		{ "spf in { fail, softfail }", "" },
		{ "spf in { fail, softfail, }", "" },
		{ "spf is known", "" },
		{ "greylist is unknown", "" }, /* a word of its own */
		{ "greylist is known", "" },
		{ "spf is spf.helo",
		    "3:20: `spf` is pass, fail, softfail, neutral, none, temperror "
		    "or permerror, never `spf.helo`" },
		{ "spf is fial",
		    "3:20: `spf` is pass, fail, softfail, neutral, none, temperror or "
		    "permerror, never `fial`; did you mean `fail`?" },
		{ "spf is \"fail\"", "3:20: `spf` is a word: write fail, without quotes" },
		{ "spf is \"fial\"", "3:20: `spf` is a word: write fail, without quotes" },
		{ "spf > fail", "3:17: `>` compares numbers and durations; `spf` is a word" },
		{ "spf in l", "3:20: `spf` is a word: write its words in braces, not `l`" },
		{ "spf in { fail, sotfail }",
		    "3:28: `spf` is pass, fail, softfail, neutral, none, temperror or permerror, "
		    "never `sotfail`; did you mean `softfail`?" },
		{ "spf in { fail softfail }",
		    "3:27: `,` or the end of the list belongs here, not `softfail`" },
		{ "spf in { fail,, softfail }",
		    "3:27: `spf` is pass, fail, softfail, neutral, none, temperror or permerror, "
		    "never `,`" },
		{ "spf in { }", "" },
		{ "spf",
		    "3:13: `spf` is a word: say what it is compared with, such as `spf is WORD`" },
	};

	check(rows, COUNT(rows));
}

static void
test_addresses_and_others(void **state)
{
	static const struct row rows[] = {
		{ "client is 192.0.2.1", "" },
		{ "client.ip is 2001:db8::1", "" },
		{ "client.ip in { 192.0.2.0/24 }", "" },
		{ "client in trusted", "" },
		{ "client is client.ip", "" },
		{ "client.trusted", "" },
		{ "not client.trusted", "" },
		{ "client is \"192.0.2.1\"",
		    "3:23: `client` is an address: compare it with an address without quotes, such as "
		    "192.0.2.1, not with \"192.0.2.1\"" },
		{ "client is 192.0.2.0/24",
		    "3:23: `client` is an address: compare it with one address, or write `in { "
		    "NETWORK }`, not with `192.0.2.0/24`" },
		{ "client is 192.0.2.300",
		    "3:23: `client` is an address: compare it with an address such as 192.0.2.1, "
		    "not with `192.0.2.300`" },
		{ "client is 192.0.2.1(a)",
		    "3:23: `client` is an address: compare it with an address such as 192.0.2.1, "
		    "not with `192.0.2.1`" },
		{ "client",
		    "3:13: `client` is an address: say what it is compared with, such as "
		    "`client in LIST`" },
		{ "client.trusted is yes",
		    "3:28: `client.trusted` is yes or no: write it alone, or `not` before it" },
		{ "client.trusted > 1",
		    "3:28: `>` compares numbers and durations; "
		    "`client.trusted` is yes or no" },
		/* each side of an `and` has its own */
		{ "spf and sfp is fail",
		    "3:13: `spf` is a word: say what it is compared with, such as `spf is WORD`\n"
		    "3:21: unknown fact `sfp`; did you mean `spf`?" },
	};

	check(rows, COUNT(rows));
}

/* operand.c: the arguments of facts, and where each is known. */
static void
test_arguments(void **state)
{
	static const struct row rows[] = {
		{ "rate(client, messages, 1h) > 5", "" },
		{ "rate(client, messages, 60m) > 5 and rate(client, messages, 1h) > 6", "" },
		{ "listed(\"a.example\")", "" },
		{ "listed(\"a.example\", \"127.0.0.2\")", "" },
		{ "nth(-5) > 1", "" },
		{ "client.trusted()", "" },
		{ "client.trusted(a)", "3:28: `client.trusted` takes no arguments" },
		{ "score(5) > 5", "3:19: `score` takes no arguments" },
		{ "listed",
		    "3:13: `listed` is written listed(zone, [code]); it has 0 arguments "
		    "here" },
		{ "listed(\"a.b\", \"c\", \"d\")",
		    "3:13: `listed` is written listed(zone, [code]); "
		    "it has 3 arguments here" },
		{ "surge > 5", "3:13: `surge` is written surge(key); it has 0 arguments here" },
		{ "rate(client) > 5",
		    "3:13: `rate` is written rate(key, what, window); it has 1 argument here" },
		{ "rate(clint, messages, 1h) > 5",
		    "3:18: `key` of `rate` is client, network, sender or account, not `clint`; did "
		    "you mean `client`?" },
		{ "rate(\"client\", messages, 1h) > 5",
		    "3:18: `key` of `rate` is client, network, sender or account, not \"client\"" },
		{ "rate(client, messages, 500ms) > 5",
		    "3:36: `window` of `rate` is a duration in whole seconds, such as 1h, not "
		    "`500ms`" },
		{ "rate(client, messages, \"1h\") > 5",
		    "3:36: `window` of `rate` is a duration in whole seconds, such as 1h, not "
		    "\"1h\"" },
		{ "listed(a.example)",
		    "3:20: `zone` of `listed` is a text in quotes, not `a.example`" },
		{ "listed(\"nodot\")", "3:13: `listed` wants the name of a zone with a dot in it" },
		{ "nth(x) > 1", "3:17: `n` of `nth` is a number, not `x`" },
		{ "nth(1.5) > 1", "3:17: `n` of `nth` is a number, not `1.5`" },
		{ "5 > message.size", "3:13: the name of a fact belongs here, not `5`" },
		{ "\"a\" is sender", "3:13: the name of a fact belongs here, not \"a\"" },
		{ "recipients > 1", "3:13: `recipients` is known only at rcpt, not at message" },
		{ "early > 1", "3:13: `early` is known only from helo to mail, not at message" },
	};

	check(rows, COUNT(rows));
	assert_string_equal(said_of("at connect { score 1 if spf is fail }"),
	    "1:14: `score` is about a message: it works from mail on, where the same can be asked\n"
	    "1:25: `spf` is known only from mail on, not at connect");
}

/* check.c: marks, and what belongs to a message. */
static void
test_marks(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "at mail { mark a }\nat rcpt { score 1 if marked a }", "" },
		{ "at mail { mark a if spf is fail\n score 1 if not marked a }", "" },
		/* one recipient marks what the next finds */
		{ "at rcpt { score 1 if marked a\n mark a }", "" },
		{ "at mail { score 1 if marked a }\nat rcpt { mark a }",
		    "1:29: no rule up to here says `mark a`" },
		{ "at mail { mark abcd\nscore 1 if marked abdc }",
		    "2:19: no rule up to here says `mark abdc`; did you mean `abcd`?" },
		{ "at helo { mark a }",
		    "1:11: `mark` is about a message: it works from mail on, where the same can be "
		    "asked" },
		{ "at connect { add header \"X\" \"y\" }",
		    "1:14: `add header` is about a message: it works from mail on, where the same "
		    "can be asked" },
		{ "at mail { add header \"X\" \"${sfp} ${spf}\" }",
		    "1:29: unknown fact `sfp`; did you mean `spf`?" },
	};
	int failed = 0;

	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *said = said_of(cases[i].text);

		if (strcmp(said, cases[i].said) != 0) {
			print_error("%s\n%s\n", cases[i].text, said);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_addresses_and_others),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_marks),
	};

	return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
