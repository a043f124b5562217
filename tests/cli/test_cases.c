/* Cases of rules, read and played: whole files against whole configurations, and all that is said of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "db/store.h"
#include "tests/cli/run.h"

#define HEAD \
	"hostname \"mx.example.org\"\n" \
	"database \"/nowhere\"\n" \
	"listen proxy 127.0.0.1 port 2525\n" \
	"backend 127.0.0.1 port 10025\n" \
	"trust 127.0.0.0/8\n"

/* What a play says; what is expected first stands on line 3. */
#define NEEDS(step, fact) \
	"FAIL  x\n      t.test:1: the rules of " step " need the fact `" fact \
	"`, which the case does not give\n0 passed, 1 failed\n"
#define CAME(expected, what) \
	"FAIL  x\n      t.test:3: expected `" expected "`, and it came to " what \
	"\n0 passed, 1 failed\n"
#define OK "ok    x\n1 passed, 0 failed\n"

static void
play(struct run *r, const char *rules, const char *cases)
{
	char config[4000], words[1000];

	snprintf(config, sizeof(config), HEAD "%s", rules);
	folder_write(&r->folder, "postern.conf", config, strlen(config));
	folder_write(&r->folder, "t.test", cases, strlen(cases));
	snprintf(words, sizeof(words), "-c %s/postern.conf test %s/t.test", r->folder.path,
	    r->folder.path);
	run_bare(r, words);
}

/* text without the folder in front of t.test. */
static const char *
plain(struct run *r, char *text)
{
	char prefix[200], *at;
	size_t n = (size_t)snprintf(prefix, sizeof(prefix), "%s/", r->folder.path);

	while ((at = strstr(text, prefix)) != NULL)
		memmove(at, at + n, strlen(at + n) + 1);
	return text;
}

static const struct {
	const char *rules, *lines, *out;
} cases[] = {
	/* what is not given is what it usually is */
	{ "at connect { reject 554 5.7.1 \"No\" if client.ip is 192.0.2.1 }",
	    "expect reject 554 5.7.1 at connect by \"postern.conf:6\"\n", OK },
	{ "at mail { reject 550 5.7.1 \"${sender} ${helo}\" if sender is not \"\" }",
	    "expect text \"sender@client.example client.example\"\n", OK },
	{ "at rcpt { reject 550 5.7.1 \"${recipient}\" if recipient is not \"\" }",
	    "expect text \"recipient@example.org\"\n", OK },
	/* what is given */
	{ "at connect { accept session if client in trusted }\nat mail { reject 550 5.7.1 \"x\" }",
	    "given client 127.0.0.1\nexpect accept\n", OK },
	{ "at connect { accept session if client in trusted }\nat mail { reject 550 5.7.1 \"x\" }",
	    "given client 192.0.2.1\nexpect accept\n",
	    CAME("accept", "reject 550 5.7.1 at mail by postern.conf:7") },
	{ "at mail { reject 550 5.7.1 \"x\" if sender.null and helo is \"h\" and account is \"a\" }",
	    "given sender \"\", helo \"h\", account \"a\"\nexpect reject\n", OK },
	{ "at rcpt { reject 550 5.7.1 \"x\" if recipient.domain is \"b.example\" }",
	    "given recipient \"a@a.example\", recipient \"<b@b.example>\"\nexpect reject at rcpt\n",
	    OK },
	{ "at connect { reject 550 5.7.1 \"x\" if front is milter }",
	    "given front milter\nexpect reject\n", OK },
	/* facts of every type */
	{ "at mail { reject 550 5.7.1 \"x\" if spf is fail }", "given spf fail\nexpect reject\n",
	    OK },
	{ "at mail { reject 550 5.7.1 \"x\" if spf is fail }", "given spf pass\nexpect accept\n",
	    OK },
	{ "at connect { reject 550 5.7.1 \"x\" if listed(\"a.example\") }",
	    "given listed(\"a.example\")\nexpect reject\n", OK },
	{ "at connect { reject 550 5.7.1 \"x\" if not listed(\"a.example\") }",
	    "given not listed(\"a.example\")\nexpect reject\n", OK },
	{ "at rcpt { tempfail 450 4.7.1 \"x\" if rate(client, messages, 1h) > 9 }",
	    "given rate(client, messages, 1h) 10\nexpect tempfail 450\n", OK },
	{ "at rcpt { tempfail 450 4.7.1 \"x\" if surge(client) > 2.5 }",
	    "given surge(client) 3\nexpect tempfail\n", OK },
	{ "at rcpt { tempfail 450 4.7.1 \"${greylist.wait}\" if greylist.wait > 1m }",
	    "given greylist.wait 5m\nexpect text \"5m\"\n", OK },
	{ "at connect { reject 550 5.7.1 \"x\" if client.name ends with \".test\" }",
	    "given client.name \"a.test\"\nexpect reject\n", OK },
	{ "at connect { reject 550 5.7.1 \"x\" if client.name is unknown }",
	    "given client.name unknown\nexpect reject\n", OK },
	{ "at message { reject 550 5.7.1 \"x\" if dkim.domains contains \"b.example\" }",
	    "given dkim.domains { \"a.example\", \"b.example\" }\nexpect reject\n", OK },
	{ "at message { reject 550 5.7.1 \"x\" if dkim.domains contains \"b.example\" }",
	    "given dkim.domains { }\nexpect accept\n", OK },
	{ "at message { reject 550 5.7.1 \"x\" if header(\"Subject\") is \"s\" }",
	    "given header(\"Subject\") \"s\"\nexpect reject\n", OK },
	{ "at connect { reject 550 5.7.1 \"x\" if time.hour >= 22 and time.weekday is friday }",
	    "given time.hour 22, time.weekday friday\nexpect reject\n", OK },
	{ "at message { reject 550 5.7.1 \"x\" if message.size > 5M }",
	    "given message.size 6M\nexpect reject at message\n", OK },
	{ "at mail { tempfail 450 4.7.1 \"x\" if authenticated }",
	    "given authenticated\nexpect tempfail at mail\n", OK },
	{ "at mail { tempfail 450 4.7.1 \"x\" if not authenticated }",
	    "given not authenticated\nexpect tempfail\n", OK },
	{ "at mail { tempfail 450 4.7.1 \"x\" if account is \"\" and front is proxy }",
	    "expect tempfail\n", OK },
	/* as it is at every step, it is at those behind */
	{ "at mail { score 1 if spf is fail }\nat rcpt { score 1 if spf is fail }\n"
	  "at message { score 1 if spf is fail }",
	    "given spf fail\nexpect score 3\n", OK },
	/* recipients come in their order, and the first refusal is the end */
	{ "at rcpt { reject 550 5.7.1 \"${recipient}\" if recipient.domain is \"b.example\" }\n"
	  "at message { reject 551 5.7.1 \"x\" }",
	    "given recipient \"1@a.example\", recipient \"2@b.example\", recipient \"3@b.example\"\n"
	    "expect text \"2@b.example\"\nexpect reject 550 at rcpt\n",
	    OK },
	/* a header that is not given is an empty one */
	{ "at message { reject 550 5.7.1 \"x\" if from.count > 0 or header(\"Subject\") is not \"\" }",
	    "expect accept\n", OK },
	/* what is not given */
	{ "at connect { reject 550 5.7.1 \"x\" if time.hour < 25 }", "expect reject\n",
	    NEEDS("connect", "time.hour") },
	{ "at rcpt { tempfail 450 4.7.1 \"x\" if time.weekday in { saturday, sunday } }",
	    "given time.hour 3\nexpect accept\n", NEEDS("rcpt", "time.weekday") },
	{ "at connect { reject 550 5.7.1 \"at ${time.hour}\" }", "expect text \"at \"\n", OK },
	{ "at mail { reject 550 5.7.1 \"x\" if spf is fail }", "expect accept\n",
	    NEEDS("mail", "spf") },
	{ "at rcpt { tempfail 450 4.7.1 \"x\" if rate(client, messages, 1h) > 9 }",
	    "given rate(client, messages, 1d) 10\nexpect tempfail\n",
	    NEEDS("rcpt", "rate(client, messages, 1h)") },
	{ "at message { reject 550 5.7.1 \"x\" if dkim is not pass }", "expect accept\n",
	    NEEDS("message", "dkim") },
	/* in a sum it is needed as well, and where recipients are told apart */
	{ "at mail { reject 550 5.7.1 \"x\" if rate(client, messages, 1h) > 2 * quota.limit }",
	    "given rate(client, messages, 1h) 9\nexpect accept\n", NEEDS("mail", "quota.limit") },
	{ "at message { reject 550 5.7.1 \"x\" if recipient.domain is spf.explanation }",
	    "expect accept\n", NEEDS("rcpt", "spf.explanation") },
	/* in a text it is not needed */
	{ "at mail { reject 550 5.7.1 \"SPF: ${spf.explanation}\" if spf is fail }",
	    "given spf fail\nexpect text \"SPF: \"\n", OK },
	/* nor behind a rule that has spoken */
	{ "at mail { reject 550 5.7.1 \"x\" if helo is \"h\" or spf is fail }",
	    "given helo \"h\"\nexpect reject\n", OK },
	/* what comes of it beside a verdict */
	{ "at mail { score 2 if spf is fail }\nat message { score 1; mark m; add header \"X-A\" \"b\" }",
	    "given spf fail\nexpect score 3\nexpect marked m\n"
	    "expect header \"x-a\" \"b\"\nexpect header \"X-A\"\nexpect accept\n",
	    OK },
	{ "at message { score 1; mark m }", "expect score 2\n", CAME("score 2", "score 1") },
	{ "at message { score 1; mark m }", "expect not marked m\n",
	    CAME("not marked m", "marked") },
	{ "at message { score 1; mark m if score > 5 }", "expect not marked m\n", OK },
	{ "at message { score 1; mark m if score > 5 }", "expect marked m\n",
	    CAME("marked m", "not marked") },
	{ "at message { add header \"X-A\" \"b\" }", "expect header \"X-A\" \"c\"\n",
	    CAME("header \"X-A\" \"c\"", "no such header field") },
	{ "at connect { delay 2s }\nat mail { delay 500ms }", "expect delay 2500ms\n", OK },
	{ "at connect { delay 2s }", "expect delay 1s\n", CAME("delay 1s", "delay 2000ms") },
	{ "at mail { observe reject 550 5.7.1 \"x\" }",
	    "expect accept\nexpect observed reject 550 at mail\n", OK },
	{ "at mail { observe reject 550 5.7.1 \"x\" }", "expect observed accept\n",
	    CAME("observed accept", "reject 550 5.7.1 at mail by postern.conf:6") },
	{ "at mail { reject 550 5.7.1 \"abc\" }", "expect text \"d\"\n",
	    CAME("text \"d\"", "text \"abc\"") },
	/* verdicts that are nearly right */
	{ "at mail { reject 550 5.7.1 \"x\" }", "expect reject 551\n",
	    CAME("reject 551", "reject 550 5.7.1 at mail by postern.conf:6") },
	{ "at mail { reject 550 5.7.1 \"x\" }", "expect reject 550 5.7.2\n",
	    CAME("reject 550 5.7.2", "reject 550 5.7.1 at mail by postern.conf:6") },
	{ "at mail { reject 550 5.7.1 \"x\" }", "expect reject at rcpt\n",
	    CAME("reject at rcpt", "reject 550 5.7.1 at mail by postern.conf:6") },
	{ "at mail { reject 550 5.7.1 \"x\" }", "expect reject by \":7\"\n",
	    CAME("reject by \":7\"", "reject 550 5.7.1 at mail by postern.conf:6") },
	{ "at mail { reject 550 5.7.1 \"x\" }", "expect tempfail\n",
	    CAME("tempfail", "reject 550 5.7.1 at mail by postern.conf:6") },
	{ "at mail { }", "expect reject\n", CAME("reject", "accept") },
	/* whom the rules of message tell apart */
	{ "list strict { \"a@x.example\" }\nat message { reject 550 5.7.1 \"x\" if recipient in strict }",
	    "given recipient \"a@x.example\", recipient \"b@x.example\"\n"
	    "expect tempfail 452 4.5.3 at rcpt by \"policy\"\n",
	    OK },
};

static void
test_cases(void **state)
{
	char text[2000];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run *r = *state;

		snprintf(text, sizeof(text), "case \"x\" {\n%s%s}\n",
		    strstr(cases[i].lines, "given") ? "" : "\n", cases[i].lines);
		play(r, cases[i].rules, text);
		if (strcmp(plain(r, r->out), cases[i].out) != 0 || r->err[0])
			fail_msg("%s\n%s\n%s%s", cases[i].rules, text, r->out, r->err);
		assert_int_equal(r->code, strstr(cases[i].out, "0 failed") ? 0 : 1);
	}
}

static const struct {
	const char *text, *err;
} complaints[] = {
	{ "", "t.test: error: there is no case in it" },
	{ "case \"x\" { }",
	    "t.test:1:1: error: this case expects nothing: add a line `expect ...`" },
	{ "case \"x\" { expect acept }",
	    "t.test:1:19: error: accept, tempfail or reject belongs here, not `acept`; did you mean `accept`?" },
	{ "case \"x\" { expect reject 450 }",
	    "t.test:1:26: error: the code of `reject` is 5yz, never `450`" },
	{ "case \"x\" { expect tempfail 550 }",
	    "t.test:1:28: error: the code of `tempfail` is 4yz, never `550`" },
	{ "case \"x\" { expect not marked traped }",
	    "t.test:1:30: error: no rule sets the mark `traped`; did you mean `trapped`?" },
	{ "case \"x\" { given spf is fail; expect accept }",
	    "t.test:1:22: error: what is given has no `is`: write `spf VALUE`" },
	{ "case \"x\" { given message.size = 5; expect accept }",
	    "t.test:1:31: error: what is given has no `=`: write `message.size VALUE`" },
	{ "case \"x\" {\ngiven spf fail\ngiven spf pass\nexpect accept }",
	    "t.test:3:7: error: `spf` is given already, on line 2" },
	{ "case \"x\" { given helo \"a\", helo \"b\"; expect accept }",
	    "t.test:1:28: error: `helo` is given already in this case" },
	{ "case { expect accept }",
	    "t.test:1:6: error: a case is written `case \"WHAT IT SHOWS\" { ... }`, not with braces here" },
	{ "given spf fail",
	    "t.test:1:1: error: a case is written `case \"WHAT IT SHOWS\" { ... }`, not with `given` here" },
	{ "case \"x\" { wants accept }",
	    "t.test:1:12: error: a line of a case begins with `given` or `expect`, not `wants`" },
	{ "case \"x\" { given spf fial; expect accept }",
	    "t.test:1:22: error: `spf` is none, neutral, pass, fail, softfail, temperror or permerror, "
	    "never `fial`; did you mean `fail`?" },
	{ "case \"x\" { given sfp fail; expect accept }",
	    "t.test:1:18: error: unknown fact `sfp`; did you mean `spf`?" },
	{ "case \"x\" { given score 3; expect accept }",
	    "t.test:1:18: error: `score` cannot be given: the rules make it" },
	{ "case \"x\" { given client foo; expect accept }",
	    "t.test:1:25: error: `client` wants an address such as 192.0.2.1 behind it, not `foo`" },
	{ "case \"x\" { given sender \"a b\"; expect accept }",
	    "t.test:1:25: error: \"a b\" is no mailbox: " },
	{ "case \"x\" { given dkim.domains \"x\"; expect accept }",
	    "t.test:1:31: error: `dkim.domains` is a list: write `{ \"...\" }`, not \"x\"" },
	{ "case \"x\" { given spf { \"a\" }; expect accept }",
	    "t.test:1:22: error: `spf` is a word: give it without braces" },
	{ "case \"x\" { given helo helo; expect accept }",
	    "t.test:1:23: error: `helo` wants a text in quotes behind it, not `helo`" },
	{ "case \"x\" { given front imap; expect accept }",
	    "t.test:1:24: error: `front` is proxy or milter, not `imap`" },
	{ "case \"x\" { given spf.domain helo; expect accept }",
	    "t.test:1:29: error: a value belongs here, not `helo`" },
	{ "case \"x\" { expect accept at noon }",
	    "t.test:1:29: error: a step belongs here (connect, helo, mail, rcpt or message), not `noon`" },
	{ "case \"x\" { expect score x }",
	    "t.test:1:25: error: `score` wants a whole number behind it, not `x`" },
	{ "case \"x\" { expect delay 5 }",
	    "t.test:1:25: error: `delay` wants a duration such as 5s behind it, not `5`" },
	{ "case \"x\" { expect accept 250 }",
	    "t.test:1:26: error: `250` is too much here: the statement is complete before it" },
};

static void
test_complaints(void **state)
{
	for (size_t i = 0; i < sizeof(complaints) / sizeof(complaints[0]); i++) {
		struct run *r = *state;

		play(r, "at mail { mark trapped if helo is \"t\" }", complaints[i].text);
		if (strncmp(plain(r, r->err), complaints[i].err, strlen(complaints[i].err)) != 0)
			fail_msg("%s\n%s\nnot: %s", complaints[i].text, r->err, complaints[i].err);
		assert_string_equal(r->out, "");
		assert_int_equal(r->code, 2);
	}
}

static void
test_use(void **state)
{
	struct run *r = *state;
	char words[1000];

	run_cli(r, "test --ip 192.0.2.1 a.test");
	run_is(r, 2, "", "postern: what is given to a case stands in its file, not in options\n");
	run_cli(r, "test a.test b.eml");
	run_is(r, 2, "", "postern: \"b.eml\" is no file of cases: they end in .test\n");
	play(r, "at connect { }", "case \"a\" { expect accept }\ncase \"b\" { expect reject }\n");
	assert_string_equal(plain(r, r->out),
	    "ok    a\nFAIL  b\n      t.test:2: expected `reject`, and it came to accept\n"
	    "1 passed, 1 failed\n");
	assert_int_equal(r->code, 1);
	/* several files, a line for each case, for a program */
	folder_write(&r->folder, "u.test", "case \"c\" { expect accept }\n", 27);
	snprintf(words, sizeof(words), "-c %s/postern.conf test --json %s/t.test %s/u.test",
	    r->folder.path, r->folder.path, r->folder.path);
	run_bare(r, words);
	assert_int_equal(r->code, 1);
	assert_string_equal(plain(r, r->out),
	    "{\"file\":\"t.test\",\"line\":1,\"case\":\"a\",\"passed\":true,\"why\":\"\",\"verdict\":\"accept\","
	    "\"code\":0,\"step\":\"message\",\"rule\":\"\"}\n"
	    "{\"file\":\"t.test\",\"line\":2,\"case\":\"b\",\"passed\":false,\"why\":\"expected `reject`, and it "
	    "came to accept\",\"why_line\":2,\"verdict\":\"accept\",\"code\":0,\"step\":\"message\",\"rule\":\"\"}\n"
	    "{\"file\":\"u.test\",\"line\":1,\"case\":\"c\",\"passed\":true,\"why\":\"\",\"verdict\":\"accept\","
	    "\"code\":0,\"step\":\"message\",\"rule\":\"\"}\n");
	snprintf(words, sizeof(words), "-c %s/postern.conf test %s/none.test", r->folder.path,
	    r->folder.path);
	run_bare(r, words);
	assert_int_equal(r->code, 2);
	assert_non_null(strstr(r->err, "none.test"));
}

/* What stands in the store changes no case: it would come out otherwise on another machine. */
static void
test_exceptions(void **state)
{
	struct run *r = *state;
	char config[1000], words[1000];
	struct store *store;
	struct err e;

	snprintf(config, sizeof(config),
	    "hostname \"mx.example.org\"\ndatabase \"%s\"\nlisten proxy 127.0.0.1 port 2525\n"
	    "backend 127.0.0.1 port 10025\nat connect { reject 554 5.7.1 \"No\" }\n",
	    r->folder.path);
	folder_write(&r->folder, "postern.conf", config, strlen(config));
	snprintf(config, sizeof(config), "case \"x\" { expect reject 554 at connect }\n");
	folder_write(&r->folder, "t.test", config, strlen(config));
	store = store_sqlite.open(folder_file(&r->folder, "store.db"), &e);
	assert_non_null(store);
	store_sqlite.close(&store);
	snprintf(words, sizeof(words),
	    "-c %s/postern.conf allow 192.0.2.1 --any-rule --for any --until forever --yes",
	    r->folder.path);
	run_bare(r, words);
	run_is(r, 0, NULL, "");
	snprintf(words, sizeof(words), "-c %s/postern.conf test --ip 192.0.2.1", r->folder.path);
	run_bare(r, words);
	run_has(r, "outcome: accept\n");
	snprintf(words, sizeof(words), "-c %s/postern.conf test %s/t.test", r->folder.path,
	    r->folder.path);
	run_bare(r, words);
	run_is(r, 0, OK, "");
}

/* The rules that are shipped keep what their cases say. */
static void
test_default_rules(void **state)
{
	const char *srcdir = getenv("srcdir");
	struct run *r = *state;
	char words[1000];

	folder_write(&r->folder, "postern.conf", HEAD, strlen(HEAD));
	snprintf(words, sizeof(words), "-c %s/postern.conf test %s/rules/default.test",
	    r->folder.path, srcdir ? srcdir : ".");
	run_bare(r, words);
	run_is(r, 0, NULL, "");
	run_has(r, "14 passed, 0 failed\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_cases, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_complaints, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_use, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_exceptions, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_default_rules, run_setup, run_teardown),
	};

	return cmocka_run_group_tests_name("cli/cases", tests, NULL, NULL);
}
