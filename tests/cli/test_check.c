/* `postern check`: what is said of a configuration, how it ends, what its rules cost, and what they hit. */
#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "db/json.h"
#include "tests/cli/run.h"

static void
test_check(void **state)
{
	static const char good[] =
	    "hostname \"mx.example.org\"\nlisten proxy 127.0.0.1 port 2525\n"
	    "backend 127.0.0.1 port 10025\n"
	    "at mail {\n    reject 550 5.7.1 \"No\" if sender.domain is \"x\"\n}\n";
	static const char bad[] = "hostname \"mx.example.org\"\nlisten proxy 127.0.0.1 port 2525\n"
				  "backend 127.0.0.1 port 10025\n"
				  "at mail {\n    reject 550 5.7.1 \"No\" if sfp is fail\n}\n";
	struct run *r = *state;
	char words[600];

	folder_write(&r->folder, "good.conf", good, strlen(good));
	snprintf(words, sizeof(words), "check %s", folder_file(&r->folder, "good.conf"));
	run_bare(r, words);
	run_is(r, 0, NULL, "");
	run_has(r, "good.conf is fine: 1 rules, revision ");
	snprintf(words, sizeof(words), "check --json %s", folder_file(&r->folder, "good.conf"));
	run_bare(r, words);
	run_has(r, "\"ok\":true,\"rules\":1,\"revision\":\"");
	folder_write(&r->folder, "bad.conf", bad, strlen(bad));
	snprintf(words, sizeof(words), "check %s", folder_file(&r->folder, "bad.conf"));
	run_bare(r, words);
	run_is(r, 2, "", NULL);
	assert_non_null(
	    strstr(r->err, "bad.conf:5:30: error: unknown fact `sfp`; did you mean `spf`?"));
}

/* For scripts: what is printed, and how it ends. */
static void
test_check_json(void **state)
{
	static const char head[] = "hostname \"mx.example.org\"\nlisten proxy 127.0.0.1 port 2525\n"
				   "backend 127.0.0.1 port 10025\n";
	static const struct {
		const char *words, *rules, *out;
		int code;
	} cases[] = {
		{ "check", "at mail { mark x if helo is \"y\" }\n", "", 0 },
		{ "check --strict", "at mail { mark x if helo is \"y\" }\n", "; 1 warning\n", 1 },
		{ "check --strict", "at mail { score 1 if helo is \"y\" }\n", "is fine: 1 rules",
		    0 },
		{ "check --strict", "at mail { score }\n", "", 2 },
		{ "check --json", "at mail { mark x if helo is \"y\" }\n",
		    "\"errors\":0,\"warnings\":1,\"complaints\":[{\"file\":", 0 },
		{ "check --json", "at mail { mark x if helo is \"y\" }\n",
		    ",\"line\":4,\"column\":16,\"severity\":\"warning\",\"lint\":\"unasked-mark\","
		    "\"text\":\"no rule asks `marked x`: the mark does nothing\",\"mend\":\"\"}]",
		    0 },
		{ "check --json --strict", "at mail { mark x if helo is \"y\" }\n",
		    "\"ok\":true,\"rules\":1,", 1 },
		{ "check --json", "list l { \"a\" }\n",
		    "\"text\":\"nothing uses this list: remove it, or ask `... in l`\","
		    "\"mend\":\"remove it, or ask `... in l`\"}",
		    0 },
		{ "check --json", "at mail { score 1 if sfp is fail\nscore }\n",
		    "\"ok\":false,\"errors\":2,\"warnings\":0,\"complaints\":[{\"file\":", 2 },
		{ "check --json", "at mail { score 1 if sfp is fail }\n",
		    ",\"line\":4,\"column\":22,\"severity\":\"error\",\"lint\":\"\",\"text\":\"unknown fact "
		    "`sfp`; did you mean `spf`?\",\"mend\":\"did you mean `spf`?\"}]",
		    2 },
	};
	struct run *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool json = strstr(cases[i].words, "--json") != NULL;
		char text[1000], words[600];

		snprintf(text, sizeof(text), "%s%s", head, cases[i].rules);
		folder_write(&r->folder, "t.conf", text, strlen(text));
		snprintf(words, sizeof(words), "%s %s", cases[i].words,
		    folder_file(&r->folder, "t.conf"));
		run_bare(r, words);
		assert_int_equal(r->code, cases[i].code);
		if (strstr(r->out, cases[i].out) == NULL)
			fail_msg("%s: %s\n%s", cases[i].words, cases[i].rules, r->out);
		/* One object, and nothing beside it. */
		if (json) {
			struct arena *arena = arena_new(1 << 20);

			assert_string_equal(r->err, "");
			assert_non_null(json_parse(arena, str_of(r->out), NULL));
			arena_free(&arena);
		}
	}
}

/* The rules that apply when there are none, and some that ask nothing. */
static void
test_check_cost(void **state)
{
	static const char head[] = "hostname \"mx.example.org\"\nlisten proxy 127.0.0.1 port 2525\n"
				   "backend 127.0.0.1 port 10025\n";
	static const char *const lines[] = {
		"\nquestions that the rules of a step can cause\n",
		"                       least    most       least    most\n",
		"\n  connect                  0       0           0       0\n",
		"\n  mail                     0     238           0       0\n",
		"\n  rcpt                     0     127           0       9\n",
		"\n    each recipient         0       0           0       3\n",
		"\n    at its header          2     164           0       0\n",
		"\n  a whole message          2     361           0      12\n",
		"\n     122       0  default.rules:",
		"    client.name (5 DNS); greylist (122 DNS, 7 store, 3 store a recipient)\n",
	};
	struct run *r = *state;
	char words[600], text[1000];

	folder_write(&r->folder, "t.conf", head, strlen(head));
	snprintf(words, sizeof(words), "check %s", folder_file(&r->folder, "t.conf"));
	run_bare(r, words);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		run_has(r, lines[i]);
	snprintf(words, sizeof(words), "check --json %s", folder_file(&r->folder, "t.conf"));
	run_bare(r, words);
	run_has(r, ",\"cost\":{\"steps\":[{\"step\":\"connect\",\"dns\":{\"least\":0,\"most\":0,");
	run_has(r,
	    "\"message\":{\"step\":\"all\",\"dns\":{\"least\":2,\"most\":361,\"least_each\":0,\"most_each\":0},"
	    "\"store\":{\"least\":0,\"most\":9,\"least_each\":0,\"most_each\":3},\"unknown\":false}");
	run_has(r, "{\"fact\":\"unknown_share(client, 1h)\",\"dns\":");
	snprintf(text, sizeof(text), "%sat mail { score 1 if helo is \"x\" }\n", head);
	folder_write(&r->folder, "t.conf", text, strlen(text));
	snprintf(words, sizeof(words), "check %s", folder_file(&r->folder, "t.conf"));
	run_bare(r, words);
	run_has(r, "its rules ask neither the DNS nor the store\n");
}

/* --- since ------------------------------------------------------------------------------------------ */

#define HEAD "[{\"format\":2,\"began\":1769860800000,\"txn\":1}"
#define AT_MAIL ",{\"at\":\"mail\",\"tried\":\"0\"}"

static const struct row {
	const char *session, *verdict, *step, *rule, *facts, *trace;
} entries[] = {
	{ "one", "accept", "message", "", "{\"spf\":\"softfail\"}", HEAD AT_MAIL "]" },
	{ "two", "accept", "message", "", "{\"spf\":\"pass\"}", HEAD AT_MAIL "]" },
	{ "three", "reject", "mail", "old.conf:4", "{\"spf\":\"fail\"}", HEAD AT_MAIL "]" },
	/* of one transaction: its MAIL was decided once */
	{ "four", "reject", "rcpt", "backend", "{\"spf\":\"softfail\"}",
	    HEAD AT_MAIL ",{\"at\":\"rcpt\",\"tried\":\"\"}]" },
	{ "four", "accept", "message", "", "{\"spf\":\"softfail\"}",
	    HEAD AT_MAIL
	    ",{\"at\":\"rcpt\",\"to\":\"b@example.org\",\"state\":\"refused\",\"tried\":\"\"}]" },
	/* nobody asked for it */
	{ "five", "accept", "message", "", "{}", HEAD "]" },
	{ "six", "accept", "connect", "old.conf:4", "{}", "[]" },
};

static void
since_setup(struct run *r)
{
	static const char old[] = "hostname \"mx.example.org\"\ndatabase \"/tmp\"\n"
				  "listen proxy 127.0.0.1 port 2525; backend 127.0.0.1 port 10025\n"
				  "at mail { reject 550 5.7.23 \"no\" if spf is fail }\n";
	static const char now[] =
	    "hostname \"mx.example.org\"\ndatabase \"/tmp\"\n"
	    "listen proxy 127.0.0.1 port 2525; backend 127.0.0.1 port 10025\n"
	    "at mail {\n"
	    "accept session if client is 198.51.100.9\n"
	    "if spf is softfail {\n"
	    "observe reject 550 5.7.1 \"soft\" if sender.domain is \"example.net\"\n"
	    "score 1\n"
	    "} else {\n"
	    "tempfail 451 4.7.1 \"pass?\" if spf is pass\n"
	    "}\n"
	    "reject 550 5.7.23 \"no\" if spf is fail\n"
	    "}\n";

	folder_write(&r->folder, "old.conf", old, strlen(old));
	folder_write(&r->folder, "new.conf", now, strlen(now));
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		struct journal_record record = run_record();

		record.session = str_of(entries[i].session);
		record.verdict = entries[i].verdict;
		record.step = entries[i].step;
		record.rule = str_of(entries[i].rule);
		record.facts = str_of(entries[i].facts);
		record.trace = str_of(entries[i].trace);
		record.answers = STR("[]");
		record.recipients = STR("[\"a@example.org\"]");
		record.sender = STR("s@example.net");
		record.observed = i == 6 ? STR("reject") : STR("");
		run_append(r, &record);
	}
	run_configuration(r, "old.conf");
}

static void
check_since(struct run *r, const char *options)
{
	char words[700];

	snprintf(words, sizeof(words), "check %s %s", options, folder_file(&r->folder, "new.conf"));
	run_cli(r, words);
}

static void
test_since(void **state)
{
	static const char *const lines[] = {
		"\nwhat these rules make of 6 verdicts since 2026-01-31 ",
		"; 1 is unknown, for want of a fact; 1 entry that is no verdict about mail left aside\n",
		"    tried      hit  unknown  changes\n",
		"        5    never        -        -  new.conf:5          accept session if client is ",
		"        4        2        1        -  new.conf:6          if spf is softfail\n",
		"        2        2        -        -  new.conf:7            observe reject 550 5.7.1 \"soft\" ",
		"        2        2        -        -  new.conf:8            score 1\n",
		"        2        2        -        -  new.conf:9          else\n",
		"        2        1        -        1  new.conf:10           tempfail 451 4.7.1 ",
		"        3        1        -        -  new.conf:12         reject 550 5.7.23 ",
		"\n1 rule hit nothing since 2026-01-31 ",
	};
	struct run *r = *state;

	since_setup(r);
	check_since(r, "--utc --since 2026-01-01");
	assert_int_equal(r->code, 0);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		run_has(r, lines[i]);
	/* of a time without mail */
	check_since(r, "--utc --since 2026-02-01");
	run_has(r, "\nwhat these rules make of 0 verdicts since 2026-02-01 00:00:00\n");
	check_since(r, "--since gestern");
	assert_int_equal(r->code, 2);
	assert_non_null(strstr(r->err, "postern: --since: "));
}

static void
test_since_json(void **state)
{
	struct run *r = *state;
	struct arena *arena = arena_new(1 << 20);
	const struct json *hits;

	since_setup(r);
	check_since(r, "--json --since 2026-01-01");
	hits = json_get(json_parse(arena, str_of(r->out), NULL), "hits");
	assert_non_null(hits);
	assert_int_equal(json_number(hits, "verdicts"), 6);
	assert_int_equal(json_number(hits, "unknown"), 1);
	assert_int_equal(json_number(hits, "aside"), 1);
	run_has(r,
	    ",\"step\":\"mail\",\"action\":\"tempfail\",\"source\":\"tempfail 451 4.7.1 \\\"pass?\\\" if spf is "
	    "pass\",\"head\":false,\"observed\":false,\"tried\":2,\"hit\":1,\"unknown\":0,\"changes\":1}");
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_check, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_check_json, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_check_cost, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_since, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_since_json, run_setup, run_teardown),
	};

	return cmocka_run_group_tests_name("check", tests, NULL, NULL);
}
