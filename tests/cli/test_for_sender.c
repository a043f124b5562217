/*
 * Whatever can be said to a client can be told to the sender: each reply, each code and each fact that rules can rest on has
 * something that can be done, and none of it tells what is nobody's business.
 */
#include "cli/for_sender.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "filters/vocabulary.h"
#include "mail/code.h"
#include "mail/said.h"
#include "tests/cli/run.h"

/* What is nobody's business: this program and its files, other people, what others are told. */
static const char *const inner[] = { "postern", "`", "${", ".conf", "exception",
	"limit:", "reply:", "failure:", "event=", "10.0.0.", "secret", "a log", "the log",
	"partners", "score", NULL };

static void
tell_sender(const struct journal_record *record, char **text, size_t *size)
{
	struct cli cli = { .out = open_memstream(text, size) };
	struct tale t;

	tale_open(&t, &cli, record);
	for_sender(&t);
	tale_close(&t);
	fclose(cli.out);
}

static void
is_fit_to_be_sent(const struct journal_record *record)
{
	char *text;
	size_t size;

	tell_sender(record, &text, &size);
	if (strstr(text, "\nWhat you can do:\n\n- ") == NULL)
		fail_msg("%s", text);
	for (size_t i = 0; inner[i]; i++)
		if (strcasestr(text, inner[i]))
			fail_msg("%s in:\n%s", inner[i], text);
	free(text);
}

/* With all that an entry can hold and that is not the sender's. */
static struct journal_record
record_with_secrets(void)
{
	struct journal_record r = run_record();

	r.account = STR("secret-account");
	r.facts = STR("{\"score\":7,\"client.ip\":\"192.0.2.1\",\"quota.plan\":\"secret-plan\"}");
	r.trace = STR(
	    "[{\"step\":\"mail\",\"rule\":\"postern.conf:9\",\"source\":\"reject 550 5.7.1 \\\"no\\\" "
	    "if sender in secret\",\"action\":\"reject\",\"hit\":true,\"observed\":false,\"facts\":"
	    "[{\"fact\":\"sender\",\"value\":\"a@example.net\",\"us\":0}]}]");
	r.answers = STR(
	    "[{\"dns\":\"7.2.0.192.secret.test A\",\"status\":\"ok\",\"records\":[\"127.0.0.2\"]},"
	    "{\"dns\":\"mx.secret.test A\",\"status\":\"ok\",\"records\":[\"10.0.0.7\"]},"
	    "{\"seen\":\"greylist:pair:a@example.net:secret@example.org\",\"state\":\"first\"},"
	    "{\"count\":\"rate:secret\",\"add\":1,\"hour\":2}]");
	return r;
}

static void
test_every_reply_can_be_sent_to_the_sender(void **state)
{
	struct journal_record r = record_with_secrets();
	char rule[64];
	size_t n = 0;

	for (enum said said = 0; said < SAID_COUNT; said++) {
		const struct saying *row = said_row(said);
		struct buf text;

		if (row->code < 400)
			continue;
		n++;
		buf_init(&text, 1024);
		said_text(said, "...", &text);
		snprintf(rule, sizeof(rule), "%s%s",
		    row->why ? "" : "reply: ", row->why ? row->why : row->name);
		r.rule = str_of(rule);
		r.verdict = row->code < 500 ? "tempfail" : "reject";
		r.code = row->code;
		r.enhanced = str_of(row->enhanced);
		r.text = buf_str(&text);
		is_fit_to_be_sent(&r);
		buf_free(&text);
	}
	assert_true(n > 80);
}

/* Said by a rule, or by the mail server behind. */
static void
test_every_code_can_be_sent_to_the_sender(void **state)
{
	struct journal_record r = record_with_secrets();
	const struct code *code;
	char enhanced[16];
	bool plain;

	for (size_t i = 0; (code = code_at(i)) != NULL; i++) {
		plain = code_find(str_of(code->code)) == code;
		if (plain && code->code[0] < '4')
			continue;
		for (int by_rule = 0; by_rule < 2; by_rule++) {
			r.code = plain ? atoi(code->code) : 550;
			snprintf(enhanced, sizeof(enhanced), "%c.%s", r.code < 500 ? '4' : '5',
			    plain ? "99.99" : code->code);
			r.verdict = r.code < 500 ? "tempfail" : "reject";
			r.enhanced = str_of(enhanced);
			r.text = STR("No");
			r.rule = by_rule ? STR("postern.conf:9") : STR("backend");
			is_fit_to_be_sent(&r);
		}
	}
}

/* A rule that rests on the fact, with each of its words. */
static void
test_every_remedy_can_be_sent_to_the_sender(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct config_vocabulary v = stage_vocabulary(arena);
	struct journal_record r = record_with_secrets();
	static const char *const one[] = { "x", NULL };

	r.rule = STR("postern.conf:9");
	for (size_t i = 0; i < v.n; i++) {
		for (size_t k = 0; k < v.part[i].n_facts; k++) {
			const struct fact_def *def = &v.part[i].facts[k];
			const char *const *word = def->symbols ? def->symbols : one;

			for (; *word; word++) {
				r.trace = arena_printf(arena,
				    "[{\"rule\":\"postern.conf:9\",\"hit\":true,\"source\":\"reject if secret\",\"facts\":"
				    "[{\"fact\":\"%s\",\"value\":\"%s\"}]}]",
				    def->name, *word);
				is_fit_to_be_sent(&r);
			}
		}
	}
	arena_free(&arena);
}

/* What can be done depends on what the fact was; and points have facts of their own. */
static void
test_remedies_of_values(void **state)
{
	static const struct {
		const char *id, *trace, *has, *not ;
	} rows[] = {
		{ "aaaaab",
		    "[{\"rule\":\"p:1\",\"hit\":true,\"facts\":[{\"fact\":\"spf\",\"value\":\"permerror\"}]}]",
		    "- Mend the SPF record of example.net: one record only,", "name 192.0.2.1" },
		{ "aaaaac",
		    "[{\"rule\":\"p:1\",\"hit\":true,\"facts\":[{\"fact\":\"spf\",\"value\":\"temperror\"}]}]",
		    "- Nothing: your mail server tries again by itself. If it stays so, look whether\n",
		    "name 192.0.2.1" },
		{ "aaaaad",
		    "[{\"rule\":\"p:1\",\"hit\":true,\"facts\":[{\"fact\":\"spf\",\"value\":\"softfail\"}]}]",
		    "- Let the SPF record of example.net name 192.0.2.1,", "Mend" },
		{ "aaaaae",
		    "[{\"rule\":\"p:0\",\"hit\":true,\"action\":\"score\",\"facts\":[{\"fact\":\"spf\",\"value\":\"softfail\"}]},"
		    "{\"rule\":\"p:2\",\"hit\":false,\"action\":\"score\",\"facts\":[{\"fact\":\"client.name\",\"value\":\"\"}]},"
		    "{\"rule\":\"p:1\",\"hit\":true,\"source\":\"reject if score > 3\",\"facts\":[]}]",
		    "- Let the SPF record of example.net name 192.0.2.1,", "PTR" },
		/* who sends by us has a mail program, which does not try again */
		{ "aaaaag",
		    "[{\"rule\":\"p:1\",\"hit\":true,\"facts\":[{\"fact\":\"upstream(\\\"isp\\\")\",\"value\":\"over\"}]}]",
		    "A mail program", "Nothing: your" },
	};
	struct run *r = *state;
	char words[40];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct journal_record record = run_record();

		memcpy(record.id, rows[i].id, 7);
		record.rule = STR("p:1");
		record.trace = str_of(rows[i].trace);
		run_append(r, &record);
		snprintf(words, sizeof(words), "why --for-sender %s", rows[i].id);
		run_cli(r, words);
		run_has(r, rows[i].has);
		assert_null(strstr(r->out, rows[i].not ));
	}
}

/* Sentences, whose facts exist and are filled in by their names. */
static void
test_remedies(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct config_vocabulary v = stage_vocabulary(arena);
	struct journal_record record = run_record();
	struct tale t;
	size_t n = 0;

	tale_open(&t, NULL, &record);
	for (size_t i = 0; i < v.n; i++) {
		for (size_t k = 0; k < v.part[i].n_facts; k++) {
			const char *text = v.part[i].facts[k].remedy;
			const struct remedy *of = v.part[i].facts[k].remedies;

			for (; of && of->value; of++)
				assert_int_equal(of->text[strlen(of->text) - 1], '.');

			if (text == NULL)
				continue;
			n++;
			assert_int_equal(text[strlen(text) - 1], '.');
			for (const char *at = text; (at = strstr(at, "${")) != NULL; at++) {
				struct str name = str_of(at + 2);

				name = str_sub(name, 0, str_find(name, '}'));
				assert_non_null(tale_fact(&t, name));
			}
		}
	}
	assert_true(n > 20);
	tale_close(&t);
	arena_free(&arena);
}

/* Nobody was told what a rule said that is only observed, nor is a change of an administrator's a message. */
static void
test_what_no_sender_was_told(void **state)
{
	struct run *r = *state;
	struct journal_record record = run_record();

	memcpy(record.id, "aaaaaf", 7);
	record.verdict = "accept";
	record.observed = STR("reject");
	record.rule = STR("p:1");
	record.trace = STR(
	    "[{\"rule\":\"p:1\",\"hit\":true,\"observed\":true,\"facts\":[{\"fact\":\"spf\",\"value\":\"fail\"}]}]");
	run_append(r, &record);
	run_cli(r, "why --for-sender aaaaaf");
	run_has(r, "our mail server took this message:\n");
	assert_null(strstr(r->out, "SPF"));
	assert_null(strstr(r->out, "do:"));
	run_cli(r, "why --for-sender --json aaaaaf");
	assert_null(strstr(r->out, "SPF"));
	run_cli(r, "why aaaaaf");
	run_has(r, "  would say   550 5.7.23 SPF: not permitted\n");
	run_has(r, "  because     spf was fail\n");
	run_has(r, "\nwhat it would mean\n");
	assert_null(strstr(r->out, "\n  sender      Add"));
	record = (struct journal_record){ .id = "aaaaag",
		.time_ms = record.time_ms,
		.verdict = "accept",
		.step = "block",
		.front = "postern",
		.rule = STR("command: block"),
		.text = STR("made by root: client 127.0.0.1") };
	run_append(r, &record);
	run_cli(r, "why --for-sender aaaaag");
	run_is(r, 1, "", "postern: aaaaag is no mail but a change by an administrator\n");
	run_cli(r, "why aaaaag");
	run_has(r, "aaaaag  Changed by an administrator, block\n");
	run_has(r, "  change      made by root: client 127.0.0.1\n");
	assert_null(strstr(r->out, "<>"));
}

/* For a program too: what the client got, whoever said it and wherever the enhanced code stood. */
static void
test_what_the_client_got(void **state)
{
	static const struct {
		const char *id, *rule, *verdict;
		int code;
		const char *enhanced, *text, *told, *reply;
	} rows[] = {
		{ "bbbbba", "p:1", "reject", 550, "5.7.1", "No",
		    "550,\"enhanced\":\"5.7.1\",\"text\":\"No\"", "550 5.7.1 No [bbbbba]" },
		{ "bbbbbc", "backend", "reject", 550, "", "5.1.1 <b@x>: unknown here",
		    "550,\"enhanced\":\"5.1.1\",\"text\":\"<b@x>: unknown here\"",
		    "550 5.1.1 <b@x>: unknown here" },
		{ "bbbbbd", "backend", "reject", 554, "", "No such user: 5.1.1",
		    "554,\"enhanced\":\"\",\"text\":\"No such user: 5.1.1\"",
		    "554 No such user: 5.1.1" },
		/* none of its class, so it is a word */
		{ "bbbbbf", "backend", "tempfail", 450, "", "5.1.1 full",
		    "450,\"enhanced\":\"\",\"text\":\"5.1.1 full\"", "450 5.1.1 full" },
		{ "bbbbbg", "backend", "tempfail", 421, "", "4.3.2 going down",
		    "451,\"enhanced\":\"4.3.0\",\"text\":\"The mail server behind is not available, try again later\"",
		    "451 4.3.0 The mail server behind is not available, try again later" },
		{ "bbbbbh", "", "accept", 250, "", "2.0.0 Ok: queued as 4711",
		    "250,\"enhanced\":\"2.0.0\",\"text\":\"Ok: queued as 4711\"",
		    "250 2.0.0 Ok: queued as 4711" },
		{ "bbbbbj", "delay", "left", 0, "", "gave up after 1.0 s of a delay of 5.0 s",
		    "0,\"enhanced\":\"\",\"text\":\"\"", NULL },
	};
	struct run *r = *state;
	char words[60], want[300];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct journal_record record = run_record();

		memcpy(record.id, rows[i].id, 7);
		record.rule = str_of(rows[i].rule);
		record.verdict = rows[i].verdict;
		record.code = rows[i].code;
		record.enhanced = str_of(rows[i].enhanced);
		record.text = str_of(rows[i].text);
		record.trace = STR("[]");
		run_append(r, &record);
		snprintf(words, sizeof(words), "why --for-sender --json %s", rows[i].id);
		run_cli(r, words);
		snprintf(want, sizeof(want), ",\"code\":%s,\"client_ip\":", rows[i].told);
		run_has(r, want);
		snprintf(words, sizeof(words), "why --for-sender %s", rows[i].id);
		run_cli(r, words);
		snprintf(
		    want, sizeof(want), "    reply   %s\n", rows[i].reply ? rows[i].reply : "");
		if (rows[i].reply)
			run_has(r, want);
		else
			assert_null(strstr(r->out, "    reply"));
	}
}

/* What is counted in one entry for all has no sender, and its reply no id. */
static void
test_what_is_counted(void **state)
{
	struct run *r = *state;
	struct journal_record record = { .id = "aaaaah",
		.time_ms = run_record().time_ms,
		.verdict = "reject",
		.step = "rcpt",
		.front = "proxy",
		.code = 554,
		.enhanced = STR("5.5.1"),
		.times = 3,
		.rule = STR("reply: NO_RECIPIENT"),
		.text = STR("No recipient was taken") };

	run_append(r, &record);
	run_cli(r, "why aaaaah");
	run_has(r, "aaaaah  Refused for good at rcpt, 3 times\n");
	run_cli(r, "why --for-sender aaaaah");
	run_has(r, "    reply   554 5.5.1 No recipient was taken\n");
	assert_null(strstr(r->out, "<>"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_reply_can_be_sent_to_the_sender),
		cmocka_unit_test(test_every_code_can_be_sent_to_the_sender),
		cmocka_unit_test(test_every_remedy_can_be_sent_to_the_sender),
		cmocka_unit_test_setup_teardown(test_remedies_of_values, run_setup, run_teardown),
		cmocka_unit_test(test_remedies),
		cmocka_unit_test_setup_teardown(
		    test_what_no_sender_was_told, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_what_the_client_got, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_what_is_counted, run_setup, run_teardown),
	};

	return cmocka_run_group_tests_name("for_sender", tests, NULL, NULL);
}
