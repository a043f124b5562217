#include "cli/story.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/cli/run.h"

static void
append(struct run *r)
{
	struct journal_record record = run_record();

	memcpy(record.id, "k3f9x2", 7);
	record.recipients = STR("[\"b@example.org\"]");
	record.took_us = 2345;
	record.facts = STR("{\"client.trusted\":false,\"spf\":\"fail\",\"dkim.domains\":[],"
			   "\"spf.explanation\":\"a \\\"quoted\\\" text\"}");
	record.trace =
	    STR("[{\"rule\":\"postern.conf:9\",\"source\":\"accept session if client in trusted\","
		"\"action\":\"accept\",\"hit\":false,\"observed\":false,\"facts\":"
		"[{\"fact\":\"client.trusted\",\"value\":false,\"us\":1}]},"
		"{\"rule\":\"postern.conf:12\",\"source\":\"observe reject if spf is fail\","
		"\"action\":\"reject\",\"hit\":true,\"observed\":true,\"facts\":[]},"
		"{\"rule\":\"postern.conf:12\",\"source\":\"reject 550 5.7.23 if spf is fail\","
		"\"action\":\"reject\",\"hit\":true,\"observed\":false,\"facts\":"
		"[{\"fact\":\"spf\",\"value\":\"fail\",\"us\":12}]}]");
	record.answers = STR(
	    "[{\"dns\":\"example.net TXT\",\"status\":\"ok\",\"ttl\":300,\"secure\":true,"
	    "\"records\":[\"v=spf1 -all\"],\"us\":1200},"
	    "{\"dns\":\"example.com A\",\"status\":\"tempfail\",\"why\":\"timeout\",\"us\":5000000},"
	    "{\"seen\":\"greylist:x\",\"state\":\"early\",\"wait\":290,\"hits\":0,\"us\":80},"
	    "{\"seen\":\"greylist:y\",\"state\":\"proven\",\"wait\":0,\"hits\":7,\"us\":80},"
	    "{\"count\":\"rate:z\",\"minute\":1,\"hour\":2,\"day\":3,\"usual_low\":3,\"usual_high\":9,"
	    "\"hours_known\":4,\"us\":81},"
	    "{\"count\":\"rate:f\",\"failed\":true,\"us\":9}]");
	run_append(r, &record);
}

static const char story[] =
    "k3f9x2  reject  550  5.7.23  SPF: not permitted\n"
    "  step        mail\n"
    "  time        2026-01-31 12:00:00\n"
    "  client      192.0.2.1 (mx.example.net)\n"
    "  helo        helo.example.net\n"
    "  sender      a@example.net\n"
    "  recipients  b@example.org\n"
    "  rule        postern.conf:12\n"
    "  front       proxy\n"
    "  session     s7\n"
    "  config      0123456789ab\n"
    "  took        2.3 ms\n"
    "\n"
    "rules looked at\n"
    "    postern.conf:9    no       accept session if client in trusted\n"
    "        client.trusted              no                    1 us\n"
    "    postern.conf:12   yes, only observed  observe reject if spf is fail\n"
    "  > postern.conf:12   decided  reject 550 5.7.23 if spf is fail\n"
    "        spf                         fail                  12 us\n"
    "\n"
    "facts\n"
    "    client.trusted                  no\n"
    "    spf                             fail\n"
    "    dkim.domains                    (none)\n"
    "    spf.explanation                 a \"quoted\" text\n"
    "\n"
    "answers from DNS and store\n"
    "    1.2 ms    dns    example.net TXT  ok  signed\n"
    "          v=spf1 -all\n"
    "    5.00 s    dns    example.com A  tempfail  timeout\n"
    "    80 us     seen   greylist:x  early  290 s to wait\n"
    "    80 us     seen   greylist:y  proven  7 times since it was proven\n"
    "    81 us     count  rate:z  1 a minute, 2 an hour, 3 a day  usual hour: 3 to 9\n"
    "    9 us      count  rate:f  failed\n";

static void
test_story(void **state)
{
	struct run *r = *state;

	append(r);
	run_cli(r, "why k3f9x2");
	run_is(r, 0, story, "");
}

static void
test_json(void **state)
{
	struct run *r = *state;

	append(r);
	run_cli(r, "why --json k3f9x2");
	assert_int_equal(r->code, 0);
	assert_ptr_equal(strstr(r->out, "{\"id\":\"k3f9x2\",\"serial\":1,"), r->out);
	run_has(r, ",\"trace\":[{\"rule\":\"postern.conf:9\",");
	run_has(r, ",\"answers\":[{\"dns\":\"example.net TXT\",\"status\":\"ok\",\"ttl\":300,");
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
	record.sender = record.helo = record.session = record.config = STR("");
	record.rule = STR("limit: sessions");
	record.times = 12;
	run_append(r, &record);
	run_cli(r, "why aaaaaa");
	run_is(r, 0,
	    "aaaaaa  reject  550  5.7.23  SPF: not permitted\n"
	    "  step        connect\n"
	    "  time        2026-01-31 12:00:00\n"
	    "  client      192.0.2.1 (mx.example.net)\n"
	    "  times       12, one entry for all\n"
	    "  rule        limit: sessions\n"
	    "  front       proxy\n"
	    "  took        1.2 ms\n",
	    "");
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
		cmocka_unit_test_setup_teardown(test_json, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_bare, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_none, run_setup, run_teardown),
	};

	return cmocka_run_group_tests_name("why", tests, NULL, NULL);
}
