#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/cli/run.h"

static struct journal_record
record_of_spf(void)
{
	struct journal_record record = run_record();

	memcpy(record.id, "k3f9x2", 7);
	record.recipients = STR("[\"b@example.org\"]");
	record.took_us = 2345;
	record.facts = STR("{\"client.trusted\":false,\"spf\":\"fail\",\"dkim.domains\":[],"
			   "\"spf.explanation\":\"a \\\"quoted\\\" text\"}");
	record.trace = STR(
	    "[{\"step\":\"connect\",\"rule\":\"postern.conf:9\",\"source\":\"accept session if client in "
	    "trusted\",\"action\":\"accept\",\"hit\":false,\"observed\":false,\"facts\":"
	    "[{\"fact\":\"client.trusted\",\"value\":false,\"us\":0}]},"
	    "{\"step\":\"mail\",\"rule\":\"postern.conf:12\",\"source\":\"observe reject if spf is fail\","
	    "\"action\":\"reject\",\"hit\":true,\"observed\":true,\"facts\":[]},"
	    "{\"step\":\"mail\",\"rule\":\"postern.conf:12\",\"source\":\"reject 550 5.7.23 if spf is fail\","
	    "\"action\":\"reject\",\"hit\":true,\"observed\":false,\"facts\":"
	    "[{\"fact\":\"spf\",\"value\":\"fail\",\"us\":12}]},{\"cut\":3}]");
	record.answers = STR(
	    "[{\"dns\":\"example.net TXT\",\"status\":\"ok\",\"ttl\":300,\"secure\":true,"
	    "\"records\":[\"v=spf1 -all\"],\"for\":\"spf\",\"us\":1200},"
	    "{\"dns\":\"example.com A\",\"status\":\"tempfail\",\"why\":\"timeout\",\"for\":\"spf\",\"us\":5000000},"
	    "{\"seen\":\"greylist:x\",\"state\":\"early\",\"first\":1769860620,\"last\":1769860620,\"wait\":130,"
	    "\"hits\":0,\"for\":\"greylist\",\"us\":80},"
	    "{\"seen\":\"greylist:y\",\"state\":\"proven\",\"wait\":0,\"hits\":7,\"us\":80},"
	    "{\"count\":\"rate:z\",\"add\":1,\"minute\":1,\"hour\":2,\"day\":3,\"usual_low\":3,\"usual_high\":9,"
	    "\"hours_known\":4,\"for\":\"rate\",\"us\":81},"
	    "{\"take\":\"quota:m\",\"add\":1,\"minute\":1,\"hour\":100,\"day\":300,\"what\":\"hold\","
	    "\"granted\":false,\"held\":2,\"free\":1500,\"limit_hour\":100,\"for\":\"quota\",\"us\":82},"
	    "{\"count\":\"rate:f\",\"failed\":true,\"us\":9}]");
	return record;
}

static void
append(struct run *r)
{
	struct journal_record record = record_of_spf();

	run_append(r, &record);
}

static const char story[] =
    "k3f9x2  Refused for good at mail: from a@example.net to b@example.org, by\n"
    "        192.0.2.1 (mx.example.net)\n"
    "  reply       550 5.7.23 SPF: not permitted\n"
    "  rule        postern.conf:12: reject 550 5.7.23 if spf is fail\n"
    "  because     spf was fail\n"
    "  time        2026-01-31 12:00:00, it took 2.3 ms\n"
    "  client      192.0.2.1 (mx.example.net)\n"
    "  helo        helo.example.net\n"
    "  sender      a@example.net\n"
    "  recipients  b@example.org\n"
    "  front       proxy\n"
    "  session     s7\n"
    "  revision    0123456789ab\n"
    "\n"
    "what it means\n"
    "  meaning     The domain of the sender's address says in the DNS (SPF) which\n"
    "              servers may send for it, and this client is none of them.\n"
    "  sender      Add the server to the SPF record of your domain, or send through a\n"
    "              server that is in it. Mail that was forwarded fails like this too:\n"
    "              let the forwarder rewrite the sender (SRS), or fetch the mail\n"
    "              instead.\n"
    "  admin       `postern why ID` shows the SPF record as it was. Forwarders you\n"
    "              know put into a list and accept before the rule.\n"
    "\n"
    "rules tried at connect\n"
    "    postern.conf:9    no       accept session if client in trusted\n"
    "        client.trusted              no\n"
    "\n"
    "rules tried at mail\n"
    "    postern.conf:12   yes, only observed  observe reject if spf is fail\n"
    "  > postern.conf:12   decided  reject 550 5.7.23 if spf is fail\n"
    "        spf                         fail                  12 us\n"
    "    ... and 3 more, for which there was no room\n"
    "\n"
    "facts\n"
    "    client.trusted                  no\n"
    "    spf                             fail\n"
    "    dkim.domains                    (none)\n"
    "    spf.explanation                 a \"quoted\" text\n"
    "\n"
    "answers from DNS and store\n"
    "    1.2 ms    spf       example.net TXT  ok  ttl 300  signed\n"
    "          v=spf1 -all\n"
    "    5.00 s    spf       example.com A  tempfail  timeout\n"
    "    80 us     greylist  greylist:x  early\n"
    "          first seen 3 minutes before (2026-01-31 11:57:00), last seen 3 minutes\n"
    "          before (2026-01-31 11:57:00)\n"
    "          2 minutes 10 seconds more to wait: passes from 2026-01-31 12:02:10 on\n"
    "    80 us               greylist:y  proven\n"
    "          seen 7 times since it was proven\n"
    "    81 us     rate      rate:z\n"
    "          a minute: 0 before, 1 with it; an hour: 1 before, 2 with it; a day: 2\n"
    "          before, 3 with it; usual in an hour: 3 to 9\n"
    "    82 us     quota     quota:m  no room\n"
    "          an hour: 100 of 100 used, 1 asked for\n"
    "          2 held by messages under way\n"
    "          there is room again in 25 minutes: from 2026-01-31 12:25:00 on\n"
    "    9 us                rate:f  failed\n"
    "\n"
    "time of each stage\n"
    "    spf           12 us computing     2 questions, the longest 5.00 s\n"
    "    greylist      < 10 us computing   1 question, the longest 80 us\n"
    "    (not told)    < 10 us computing   2 questions, the longest 80 us\n"
    "    volume        < 10 us computing   2 questions, the longest 82 us\n";

static void
test_story(void **state)
{
	struct run *r = *state;

	append(r);
	run_cli(r, "why k3f9x2");
	run_is(r, 0, story, "");
}

/* Recipients before the entry's own stand under their names. */
static void
test_recipients_before(void **state)
{
	struct journal_record record = record_of_spf();
	struct run *r = *state;

	record.step = "rcpt";
	record.trace = STR(
	    "[{\"step\":\"rcpt\",\"recipient\":\"a@example.org\",\"rule\":\"f:1\",\"hit\":false},"
	    "{\"step\":\"rcpt\",\"recipient\":\"a@example.org\",\"rule\":\"f:2\",\"hit\":false},"
	    "{\"step\":\"rcpt\",\"recipient\":\"\\u001b[1m\",\"rule\":\"f:1\",\"hit\":false},"
	    "{\"step\":\"rcpt\",\"rule\":\"f:1\",\"hit\":false}]");
	run_append(r, &record);
	run_cli(r, "why k3f9x2");
	run_has(r, "rules tried at rcpt, for a@example.org\n    f:1 ");
	run_has(r, "\n\nrules tried at rcpt, for \\x1b[1m\n    f:1 ");
	run_has(r, "\n\nrules tried at rcpt\n    f:1 ");
}

static void
test_json(void **state)
{
	struct run *r = *state;

	append(r);
	run_cli(r, "why --json k3f9x2");
	assert_int_equal(r->code, 0);
	assert_ptr_equal(strstr(r->out, "{\"id\":\"k3f9x2\",\"serial\":1,"), r->out);
	run_has(r, ",\"trace\":[{\"step\":\"connect\",\"rule\":\"postern.conf:9\",");
	run_has(r, ",\"answers\":[{\"dns\":\"example.net TXT\",\"status\":\"ok\",\"ttl\":300,");
	run_has(r, ",\"meaning\":\"The domain of the sender's address says");
	run_has(r,
	    ",\"changes\":[],\"stages\":[{\"stage\":\"spf\",\"us\":12,\"questions\":2,\"longest_us\":5000000},");
	assert_ptr_equal(strchr(r->out, '\n'), r->out + strlen(r->out) - 1);
}

/* An entry without rules, such as a limit's. */
static void
test_bare(void **state)
{
	struct run *r = *state;
	struct journal_record record = run_record();

	memcpy(record.id, "aaaaaa", 7);
	record.step = "connect";
	record.verdict = "tempfail";
	record.code = 421;
	record.sender = record.helo = record.session = record.config = STR("");
	record.rule = STR("limit: sessions");
	record.times = 12;
	run_append(r, &record);
	run_cli(r, "why aaaaaa");
	run_is(r, 0,
	    "aaaaaa  Refused for now at connect: 192.0.2.1 (mx.example.net), 12 times\n"
	    "  reply       421 5.7.23 SPF: not permitted\n"
	    "  rule        limit: sessions\n"
	    "  time        2026-01-31 12:00:00, it took 1.2 ms\n"
	    "  client      192.0.2.1 (mx.example.net)\n"
	    "  times       12, one entry for all\n"
	    "  front       proxy\n"
	    "\n"
	    "what it means\n"
	    "  meaning     There are as many connections as this server takes at a time.\n"
	    "  sender      Nothing: a mail server tries again by itself. A program that opens\n"
	    "              connection after connection should send several messages over one.\n"
	    "  admin       `sessions` sets how many there may be; `postern stats` shows\n"
	    "              whether it is met often.\n",
	    "");
}

/* --- by the rules of a configuration -------------------------------------------------------------- */

static const char config[] =
    "hostname \"mx.example.org\"\n"
    "database \"%s\"\n"
    "listen proxy 127.0.0.1 port 2525\n"
    "backend 127.0.0.1 port 10025\n"
    "list partners { \"example.com\" }\n"
    "at mail {\n"
    "    accept if sender in partners\n"
    "    tempfail 450 4.7.1 \"Slow down\" if rate(client, messages, 1h) > 200\n"
    "    reject 550 5.7.23 \"x\" if spf is fail and client.name is \"\"\n"
    "}\n";

/* A trace of which the steps have nothing to tell. */
#define HEAD "[{\"format\":2,\"began\":1769860800000,\"txn\":1}]"

static void
why(struct run *r, const char *options)
{
	char text[2000], words[300];

	snprintf(text, sizeof(text), config, r->folder.path);
	folder_write(&r->folder, "postern.conf", text, strlen(text));
	run_configuration(r, "postern.conf");
	snprintf(words, sizeof(words), "-c %s/postern.conf why %s", r->folder.path, options);
	run_bare(r, words);
}

static void
test_what_would_have_let_it_pass(void **state)
{
	struct run *r = *state;
	struct journal_record record = record_of_spf();

	record.rule = STR("postern.conf:9");
	record.trace = STR(HEAD);
	record.facts =
	    STR("{\"rate(client, messages, 1h)\":3,\"spf\":\"fail\",\"client.name\":\"\"}");
	run_append(r, &record);
	why(r, "k3f9x2");
	run_has(r,
	    "\nwhat would have let it pass, each alone\n"
	    "  - if spf were anything but fail (it was fail)\n"
	    "  - if client.name were anything but \"\" (it was \"\")\n"
	    "\nwhat an administrator can change\n"
	    "  - an entry a@example.net in list partners (the value of sender)\n"
	    "  - an exception from this rule, for this sender: `postern allow k3f9x2`\n"
	    "  - the word `observe` in front of postern.conf:9\n"
	    "    This is by the configuration of today, which is another one.\n");
	why(r, "--json k3f9x2");
	run_has(r,
	    ",\"changes\":[{\"all\":[{\"change\":\"fact\",\"name\":\"spf\",\"would_be\":\"anything but fail\","
	    "\"was\":\"fail\"}]},");
	run_has(r,
	    "{\"all\":[{\"change\":\"entry\",\"name\":\"sender\",\"list\":\"partners\",\"entry\":\"a@example.net\"}]},"
	    "{\"all\":[{\"change\":\"allow\",\"name\":\"k3f9x2\"}]},"
	    "{\"all\":[{\"change\":\"observe\",\"name\":\"postern.conf:9\"}]}],");
}

static void
test_when_a_counter_is_free_again(void **state)
{
	struct run *r = *state;
	struct journal_record record = record_of_spf();

	record.rule = STR("postern.conf:8");
	record.verdict = "tempfail";
	record.code = 450;
	record.enhanced = STR("4.7.1");
	record.facts = STR("{\"rate(client, messages, 1h)\":240}");
	record.trace = STR(HEAD);
	record.answers = STR("[]");
	run_append(r, &record);
	why(r, "k3f9x2");
	run_has(r,
	    "  - if rate(client, messages, 1h) were 200 or less (it was 240); that is so at\n"
	    "    the latest at 2026-01-31 13:00:00, if nothing more comes until then; then\n"
	    "    postern.conf:9 asks for spf, which nobody had asked for\n");
	why(r, "--json k3f9x2");
	run_has(r,
	    "\"was\":\"240\",\"at_the_latest\":\"2026-01-31T13:00:00.000Z\"}],\"then\":\"postern.conf:9\","
	    "\"asks\":\"spf\"}");
}

static void
test_todays_configuration_says_otherwise(void **state)
{
	struct run *r = *state;
	struct journal_record record = record_of_spf();

	record.facts = STR("{\"rate(client, messages, 1h)\":3,\"spf\":\"pass\"}");
	record.trace = STR(HEAD);
	run_append(r, &record);
	why(r, "k3f9x2");
	run_has(
	    r, "\nwhat would have let it pass\n    By the configuration of today it would pass.\n");
	memcpy(record.id, "k3f9x3", 7);
	record.facts = STR("{}");
	run_append(r, &record);
	why(r, "k3f9x3");
	run_has(r,
	    "    By the configuration of today it cannot be said: postern.conf:8 asks for\n"
	    "    rate(client, messages, 1h), which nobody had asked for.\n");
	memcpy(record.id, "k3f9x4", 7);
	record.facts = STR("{\"rate(client, messages, 1h)\":300}");
	run_append(r, &record);
	why(r, "k3f9x4");
	run_has(r, "    By the configuration of today postern.conf:8 refuses it.\n");
	/* From before entries held what it takes to decide them again. */
	memcpy(record.id, "k3f9x5", 7);
	record.trace = STR("[]");
	run_append(r, &record);
	why(r, "k3f9x5");
	assert_null(strstr(r->out, "let it pass"));
}

/* --- for the sender ------------------------------------------------------------------------------- */

static const char letter[] =
    "On 2026-01-31 12:00:00 UTC our mail server refused this message:\n"
    "\n"
    "    from    a@example.net\n"
    "    to      b@example.org\n"
    "    server  192.0.2.1 (mx.example.net)\n"
    "    reply   550 5.7.23 SPF: not permitted [k3f9x2]\n"
    "\n"
    "The domain of the sender's address says in the DNS (SPF) which servers may send\n"
    "for it, and this client is none of them.\n"
    "\n"
    "What you can do:\n"
    "\n"
    "- Let the SPF record of example.net name 192.0.2.1, or send through a server\n"
    "  that it names. If the message was forwarded, ask whoever forwards it to\n"
    "  rewrite the sender's address (SRS).\n"
    "\n"
    "What our mail server saw in the DNS at that moment:\n"
    "\n"
    "    example.net TXT: v=spf1 -all\n"
    "\n"
    "If you write to us about it, please name k3f9x2.\n";

static void
test_for_sender(void **state)
{
	struct run *r = *state;

	append(r);
	run_cli(r, "why --for-sender k3f9x2");
	run_is(r, 0, letter, "");
	run_cli(r, "why --for-sender --json k3f9x2");
	run_has(r,
	    "{\"id\":\"k3f9x2\",\"time\":\"2026-01-31T12:00:00.123Z\",\"verdict\":\"reject\",\"code\":550,");
	run_has(r,
	    ",\"remedies\":[\"Let the SPF record of example.net name 192.0.2.1, or send through a server that "
	    "it names. If the message");
	run_has(r, ",\"seen\":[\"example.net TXT: v=spf1 -all\"]}\n");
	assert_null(strstr(r->out, "postern.conf"));
}

/* Of one of our own replies, a backend's, and of a rule whose facts have no remedy: the catalogue's. */
static void
test_for_sender_without_facts(void **state)
{
	static const struct {
		const char *id, *rule, *verdict;
		int code;
		const char *enhanced, *has;
	} rows[] = {
		{ "aaaaaa", "limit: size", "reject", 552, "5.3.4",
		    "- Make the message smaller: leave attachments away, or put them where they can\n"
		    "  be fetched.\n" },
		{ "bbbbbb", "backend", "reject", 550, "5.1.1",
		    "    reply   550 5.1.1 SPF: not permitted\n\nThe mailbox does not exist.\n" },
		{ "cccccc", "failure: dns", "tempfail", 451, "4.4.3",
		    "our mail server asked for this message to be sent\n"
		    "again later, as mail servers do by themselves. That is no final refusal:\n" },
		{ "dddddd", "postern.conf:99", "reject", 550, "5.1.1",
		    "- Check what stands before the @ of the recipient;" },
		{ "eeeeee", "policy", "defer", 452, "4.5.3", "That is no refusal:\n" },
		{ "ffffff", "delay", "left", 0, "",
		    "- Let your mail server wait for answers: five minutes is what RFC 5321 wants\n" },
		{ "hhhhhh", "backend: away", "tempfail", 451, "4.3.0",
		    "- Nothing: a mail server tries again by itself.\n" },
		/* It went away from us, not from the client. */
		{ "jjjjjj", "backend", "tempfail", 421, "",
		    "    reply   451 4.3.0 The mail server behind is not available, try again later\n" },
		{ "gggggg", "", "accept", 250, "", "our mail server took this message:\n" },
	};
	struct run *r = *state;
	char words[40];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct journal_record record = run_record();

		memcpy(record.id, rows[i].id, 7);
		record.rule = str_of(rows[i].rule);
		record.verdict = rows[i].verdict;
		record.code = rows[i].code;
		record.enhanced = str_of(rows[i].enhanced);
		run_append(r, &record);
		snprintf(words, sizeof(words), "why --for-sender %s", rows[i].id);
		run_cli(r, words);
		run_has(r, rows[i].has);
		assert_null(strstr(r->out, "postern.conf"));
	}
}

/* An administrator has a reply, or a line of somebody's log, and not an id. */
static void
test_whatever_is_pasted(void **state)
{
	static const char *const words[] = {
		"why K3F9X2",
		"why [k3f9x2]",
		"why '550 5.7.23 SPF: not permitted [k3f9x2]'",
		"why 550 5.7.23 SPF: not permitted [k3f9x2]",
		"why '<b@x>: host mx[192.0.2.9] said: 550 5.7.23 No [k3f9x2] (in reply to MAIL FROM)'",
		"explain 550 5.7.23 SPF: not permitted [K3F9X2]",
		NULL,
	};
	struct run *r = *state;

	append(r);
	for (size_t i = 0; words[i]; i++) {
		run_cli(r, words[i]);
		run_is(r, 0, story, "");
	}
	run_cli(r, "why hugo");
	run_is(r, 2, "",
	    "postern: \"hugo\" is no id; that is six letters and digits, as in brackets at the end of a reply\n");
	run_cli(r, "why");
	run_is(r, 2, "", NULL);
}

static void
test_several(void **state)
{
	struct run *r = *state;
	struct journal_record record = run_record();

	append(r);
	memcpy(record.id, "k3f9x3", 7);
	run_append(r, &record);
	run_cli(r, "why --for-sender k3f9x2 zzzzzz k3f9x3");
	assert_int_equal(r->code, 1);
	assert_ptr_equal(strstr(r->out, letter), r->out);
	assert_ptr_equal(strstr(r->out, "\nOn 2026-01-31 12:00:00 UTC"), r->out + strlen(letter));
	assert_non_null(strstr(r->err, "no entry \"zzzzzz\""));
	run_cli(r, "why --json '[k3f9x2]' '550 no [k3f9x3]'");
	run_has(r, "\n{\"id\":\"k3f9x3\",");
	assert_int_equal(r->code, 0);
}

static void
test_none(void **state)
{
	struct run *r = *state;

	run_cli(r, "why zzzzzz");
	run_is(r, 1, "", NULL);
	run_cli(r, "why zzzzzz --json");
	run_is(r, 1, "", NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_story, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_recipients_before, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_json, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_bare, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(
		    test_what_would_have_let_it_pass, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(
		    test_when_a_counter_is_free_again, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(
		    test_todays_configuration_says_otherwise, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_for_sender, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(
		    test_for_sender_without_facts, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_whatever_is_pasted, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_several, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_none, run_setup, run_teardown),
	};

	return cmocka_run_group_tests_name("why", tests, NULL, NULL);
}
