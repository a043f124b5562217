/* Warnings of what can be loaded and is hardly meant, and of nothing else. */
#include "rules/lint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules/load.h"
#include "tests/rules/fake.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* "line:column: text" of each warning, one a line. */
static void
check(const char *text, const char *expected)
{
	struct config_vocabulary vocabulary = fake_vocabulary;
	struct complaints c = { 0 };
	struct config *config;
	struct buf b;

	vocabulary.lint = true;
	config = config_load_text("/etc/t.conf", str_of(text), &vocabulary, &c);
	buf_init(&b, 100000);
	buf_add(&b, STR(""));
	for (size_t i = 0; i < c.n; i++) {
		if (!c.item[i].warning || c.item[i].lint == NULL)
			fail_msg("%s\n%s", text, c.item[i].text);
		/* what would be right is said, and is a part of what is printed */
		assert_true(str_ends(str_of(c.item[i].text), str_of(c.item[i].mend)));
		assert_null(strchr(c.item[i].text, MEND[0]));
		buf_printf(&b, "%s%u:%u: %s", i ? "\n" : "", c.item[i].line, c.item[i].column,
		    c.item[i].text);
	}
	assert_non_null(config);
	if (!str_eq(buf_str(&b), str_of(expected)))
		fail_msg(
		    "of:\n%s\nexpected:\n%s\nfound:\n%.*s", text, expected, STR_ARG(buf_str(&b)));
	/* who does not ask for warnings gets none */
	complaints_free(&c);
	config_release(&config);
	config = config_load_text("/etc/t.conf", str_of(text), &fake_vocabulary, &c);
	assert_int_equal(c.n, 0);
	config_release(&config);
	complaints_free(&c);
	buf_free(&b);
}

#define NEVER \
	"the condition is never true: this cannot be so together with what stands before it, or around it; " \
	"was `or` meant?"
#define ALWAYS \
	"this or what stands before it is always true, unless it is unknown; was `and` meant? To ask whether " \
	"it is known, write `is known`"
#define SHADOWED(line) \
	"this rule is shadowed: whenever its condition is true, the one of line " line \
	" has spoken; put it before that one, or remove it"

static void
test_always(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "at mail { score 1 if spf is fail and spf is pass }", "1:38: " NEVER },
		{ "at mail { score 1 if spf is fail and helo is \"x\" and spf in { pass, none } }",
		    "1:54: " NEVER },
		{ "at mail { score 1 if spf is fail and spf in { fail, none } }", "" },
		{ "at mail { score 1 if spf is fail and not spf is fail }", "1:42: " NEVER },
		{ "at message { score 1 if message.size > 10 and message.size < 10 }",
		    "1:47: " NEVER },
		{ "at message { score 1 if message.size >= 10 and message.size <= 10 }", "" },
		{ "at message { score 1 if message.size > 10 and message.size <= 10 }",
		    "1:47: " NEVER },
		{ "at mail { if spf is fail { score 1 if spf is pass } }", "1:39: " NEVER },
		{ "at mail { if spf is fail { score 1 } else { score 2 if spf is fail } }",
		    "1:56: " NEVER },
		{ "define p = spf is fail\nat mail { score 1 if p and spf is none }",
		    "2:28: " NEVER },
		{ "at mail { score 1 if spf is fail or spf is not fail }", "1:37: " ALWAYS },
		{ "at mail { score 1 if spf is fail or not spf is fail }", "1:41: " ALWAYS },
		{ "at message { score 1 if message.size > 5 or message.size < 10 }",
		    "1:45: " ALWAYS },
		{ "at message { score 1 if message.size > 10 or message.size < 5 }", "" },
		{ "at message { score 1 if message.size > 10 or message.size > 5 }", "" },
		{ "at mail { score 1 if spf is fail or spf is pass }", "" },
		{ "at mail { score 1 if helo in {  } }",
		    "1:30: this list is empty, so this is never true: fill it, or remove the test" },
		{ "list l { }\nat mail { score 1 if helo not in l }",
		    "2:34: this list is empty, so nothing is in it, and this is always true of what is known: "
		    "fill it, or remove the test" },
		{ "at mail { score 1 if client.ip in { \"mail.example.org\" } }",
		    "1:35: `client.ip` is an address, and this list has none, so this is never true: ask "
		    "`client.name in`, or put networks into it" },
		{ "list l { 192.0.2.0/24 }\nat mail { score 1 if helo not in l }",
		    "2:34: `helo` is a text, and this list has nothing but addresses, so this is always true of "
		    "what is known: ask `client in`, or put texts into it" },
		{ "list l { 192.0.2.0/24, /^x/ }\nat mail { score 1 if helo in l or client.ip in l }",
		    "" },
		{ "trust 192.0.2.0/24\nat mail { score 1 if helo in trusted }", "" },
		{ "hostname \"a\"\nat mail { score 1 if hostname is \"a\" }",
		    "2:22: both sides are written in the file, so this is always the same: compare a fact with "
		    "one of them" },
		{ "at mail { score 1 if score > 5 and score < 2 }", "" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		check(cases[i].text, cases[i].said);
}

#define BARE(name) \
	"`$" name "` stays as it is written: write `${" name "}` for the fact, `$$" name \
	"` for these words"

static void
test_dollars(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "at mail { reject 550 5.7.1 \"not $helo\" }", "1:33: " BARE("helo") },
		{ "at mail { reject 550 5.7.1 \"$spf, $client.ip.\" }",
		    "1:29: " BARE("spf") "\n1:35: " BARE("client.ip") },
		{ "at mail { add header \"X-Score\" \"$score of $hostname\" }",
		    "1:33: " BARE("score") "\n1:43: " BARE("hostname") },
		{ "at mail { reject 550 5.7.1 \"$client.ip.example and $rate(client, messages, 1h)\" }",
		    "1:29: " BARE("client.ip") "\n1:52: " BARE("rate") },
		/* meant, or no fact's name */
		{ "at mail { reject 550 5.7.1 \"$$helo ${helo} $helos $hel $5 $ $. a$\" }", "" },
		{ "at mail { reject 550 5.7.1 \"\\\\$$helo \\\"$$spf\\\" $$${helo}\" }", "" },
		{ "at mail { reject 550 5.7.1 \"\\\"$helo\\\"\" }", "1:31: " BARE("helo") },
		/* these are no texts of rules */
		{ "list l { \"$helo\" }\nat mail { score 1 if helo in l or helo is \"$spf\" }",
		    "" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		check(cases[i].text, cases[i].said);
}

static void
test_shadowed(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "at message { accept if message.size > 10\nscore 1 if message.size > 20 }",
		    "2:1: " SHADOWED("1") },
		{ "at message { accept if message.size > 20\nscore 1 if message.size > 10 }", "" },
		{ "at message { accept if message.size >= 10\nscore 1 if message.size > 10 }",
		    "2:1: " SHADOWED("1") },
		{ "at message { score 1 if message.size > 10\nscore 1 if message.size > 20 }", "" },
		{ "at message { observe accept if message.size > 10\nscore 1 if message.size > 20 }",
		    "" },
		{ "at mail { accept if spf in { fail, none }\nscore 1 if spf is none }",
		    "2:1: " SHADOWED("1") },
		{ "at mail { accept if spf is not pass\nscore 1 if spf is none and helo is \"x\" }",
		    "2:1: " SHADOWED("1") },
		{ "at mail { accept if helo is \"x\" and spf in { fail, none }\nscore 1 if spf is none }",
		    "" },
		{ "at mail { accept if helo is \"x\" and spf in { fail, none }\n"
		  "if helo is \"x\" { score 1 if spf is none } }",
		    "2:18: " SHADOWED("1") },
		{ "at mail { accept if spf in { fail, none } or helo is \"x\"\nscore 1 if spf is none }",
		    "2:1: " SHADOWED("1") },
		/* unknown is neither, and the second one is for it */
		{ "at mail { accept if spf is not pass\nscore 1 if not spf is pass }", "" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		check(cases[i].text, cases[i].said);
}

static void
test_cost(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "at mail { score 1 if costly and helo is \"x\" }",
		    "1:22: every session waits for this, which asks the DNS, your own machines' too: a rule "
		    "before it such as `accept session if client in trusted` spares them\n"
		    "1:33: this costs nothing, and `costly` before it asks the DNS: write this first, so that it "
		    "need not be asked of everybody" },
		{ "at mail { score 1 if helo is \"x\" and costly }", "" },
		{ "at connect { accept session if client in trusted\nreject 550 5.7.1 \"x\" if costly }",
		    "" },
		{ "at mail { score 1 if helo is \"x\" and (costly or spf is fail) }",
		    "1:49: this costs nothing, and `costly` before it asks the DNS: write this first, so that it "
		    "need not be asked of everybody" },
		{ "at rcpt { score 1 if costly }", "" },
		/* a name's condition costs nothing, behind what does: the rule is told */
		{ "define d = helo is \"x\" or helo is \"y\"\nat rcpt { score 1 if costly and d }",
		    "1:12: this costs nothing, and `costly` before it (in the rule of line 2) asks the DNS: "
		    "write this first, so that it need not be asked of everybody" },
		/* in several rules it is said once */
		{ "define d = helo in { }\nat rcpt { score 1 if d\nscore 2 if d and helo is \"x\" }",
		    "1:20: this list is empty, so this is never true: fill it, or remove the test" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		check(cases[i].text, cases[i].said);
}

static void
test_unused(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "list l { \"x\" }\nat mail { score 1 }",
		    "1:6: nothing uses this list: remove it, or ask `... in l`" },
		{ "list l { \"x\" }\nat mail { score 1 if helo in l }", "" },
		{ "list l { \"x\" }\nplan p { 1 messages per day; for accounts in l }", "" },
		{ "trust 10.0.0.0/8\nat mail { score 1 }", "" },
		{ "define p = spf is fail\nat mail { score 1 }",
		    "1:8: nothing uses `p`: remove it, or write its name in a condition" },
		{ "define p = spf is fail\ndefine q = p\nat mail { score 1 if q }", "" },
		{ "at mail { mark a }\n", "1:16: no rule asks `marked a`: the mark does nothing" },
		{ "at mail { mark a }\nat rcpt { if not marked a { score 1 } }", "" },
		{ "", "" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		check(cases[i].text, cases[i].said);
}

/* What programs read: the name of each, and the part that says what would be right. */
static void
test_names(void **state)
{
	static const struct {
		const char *text, *lint, *mend;
	} cases[] = {
		{ "at mail { score 1 if spf is fail and spf is pass }", "never-true",
		    "was `or` meant?" },
		{ "at mail { score 1 if spf is fail or spf is not fail }", "always-true",
		    "was `and` meant? To ask whether it is known, write `is known`" },
		{ "at mail { score 1 if helo in {  } }", "empty-list",
		    "fill it, or remove the test" },
		{ "hostname \"a\"\nat mail { score 1 if hostname is \"a\" }", "constant",
		    "compare a fact with one of them" },
		{ "at message { accept if message.size > 10\nscore 1 if message.size > 20 }",
		    "shadowed", "put it before that one, or remove it" },
		{ "at rcpt { score 1 if costly and helo is \"x\" }", "costly-first",
		    "write this first, so that it need not be asked of everybody" },
		{ "at mail { score 1 if costly }", "costly-for-all",
		    "a rule before it such as `accept session if client in trusted` spares them" },
		{ "at mail { mark x if helo is \"x\" }", "unasked-mark", "" },
		{ "list l { \"a\" }", "unused-list", "remove it, or ask `... in l`" },
		{ "define d = helo is \"x\"", "unused-name",
		    "remove it, or write its name in a condition" },
		{ "plan p { 5 messages per day }", "unused-plan",
		    "say `for accounts in LIST`, `for clients in LIST` or `for everyone`" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config_vocabulary vocabulary = fake_vocabulary;
		struct complaints c = { 0 };
		struct config *config;

		vocabulary.lint = true;
		config = config_load_text("/etc/t.conf", str_of(cases[i].text), &vocabulary, &c);
		if (c.n != 1)
			fail_msg("%s: %zu complaints", cases[i].text, c.n);
		assert_string_equal(c.item[0].lint, cases[i].lint);
		assert_string_equal(c.item[0].mend, cases[i].mend);
		complaints_free(&c);
		config_release(&config);
	}
	for (unsigned i = 0; i < LINT_COUNT; i++) {
		assert_non_null(lint_name(i));
		for (unsigned j = 0; j < i; j++)
			assert_true(strcmp(lint_name(j), lint_name(i)) < 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_always),
		cmocka_unit_test(test_dollars),
		cmocka_unit_test(test_shadowed),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_unused),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
