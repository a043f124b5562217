#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "db/store_sqlite.h"
#include "tests/cli/run.h"

/*
 * 8 accepted, 1 to come again, 3 refused in the first hour; 1 refused two hours later; and in the
 * first 2 recipients deferred and 1 client gone, which are no refusals.
 */
static void
fill(struct run *r)
{
	for (int i = 0; i < 16; i++) {
		struct journal_record record = run_record();

		record.verdict = i < 8 ? "accept" : i == 8 ? "tempfail" : "reject";
		if (i > 12)
			record.verdict = i == 15 ? "left" : "defer";
		if (i == 9)
			record.sender = STR("");
		if (i == 12)
			record.time_ms += 7200000;
		run_append(r, &record);
	}
}

static void
test_text(void **state)
{
	struct run *r = *state;

	fill(r);
	run_cli(r, "stats --since 2026-01-31 --until 2026-02-01");
	run_is(r, 0,
	    "hour                accept  tempfail    reject\n"
	    "2026-01-31 12:00         8         1         3  ==========================---##########\n"
	    "2026-01-31 14:00         0         0         1  ###\n"
	    "all                      8         1         4  = accept  - tempfail  # reject\n"
	    "         2  recipients deferred for a transaction of their own\n"
	    "         1  clients that gave up during a delay\n"
	    "\n"
	    "refused senders\n"
	    "         4  ####################  a@example.net\n"
	    "         1  #####                 (none)\n"
	    "\n"
	    "refused clients\n"
	    "         5  ####################  192.0.2.1\n"
	    "\n"
	    "networks of refused clients\n"
	    "         5  ####################  192.0.2.0/24\n"
	    "\n"
	    "rules that refused\n"
	    "         5  ####################  postern.conf:12\n"
	    "\n"
	    "texts of refusals\n"
	    "         5  ####################  SPF: not permitted\n",
	    "");
	run_cli(r, "stats --since 2026-01-31 --until '2026-01-31 14:00' --top 1");
	run_has(r, "refused senders\n         3  ####################  a@example.net\n\n");
}

/* More hours than fit on a screen are shown as days, as they are here: one of these has 25 hours. */
static void
test_days(void **state)
{
	struct run *r = *state;

	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	tzset();
	for (int i = 0; i < 73; i++) {
		struct journal_record record = run_record();

		/* from 2026-10-24 00:30 on */
		record.time_ms = 1792794600000 + i * 3600000LL;
		record.verdict = i < 24 ? "accept" : "reject";
		run_append(r, &record);
	}
	run_cli(r, "stats --since 2026-10-01 --until 2026-11-01");
	run_is(r, 0, NULL, "");
	assert_memory_equal(r->out,
	    "day                 accept  tempfail    reject\n"
	    "2026-10-24              24         0         0  ======================================\n"
	    "2026-10-25               0         0        25  ########################################\n"
	    "2026-10-26               0         0        24  ######################################\n"
	    "all                     24         0        49  = accept  - tempfail  # reject\n",
	    313);
	/* An hour less is hours; one has the name of another. */
	run_cli(r, "stats --since '2026-10-24 01:00' --until 2026-11-01");
	run_has(r,
	    "2026-10-25 02:00         0         0         1  ########################################\n"
	    "2026-10-25 02:00 ");
	run_cli(r, "stats --since 2026-10-24 --until 2026-10-23");
	run_is(r, 2, "", "postern: --since 2026-10-24: that is not before --until 2026-10-23\n");
}

#define SEEN(key, flag, state, first) \
	"{\"seen\":\"" key "\",\"delay\":1800" flag ",\"state\":\"" state "\",\"first\":" first "}"

/* Delays are those of pairs that ended by this message: 1769860800 is the records' time. */
static void
test_delays(void **state)
{
	static const char *const answers[] = {
		"[" SEEN("greylist:pair:a:b", ",\"forget\":true", "early", "1769860500") "]",
		"[" SEEN("greylist:pair:c:d", "", "retried", "1769859000") "]",
		"[" SEEN("greylist:pair:e:f", ",\"forget\":true", "retried", "1769857200") "]",
		/* nobody's delay: seen only, still waiting, new, another row, no JSON, refused */
		"[" SEEN("greylist:pair:a:b", ",\"look_only\":true", "early", "1769860000") "]",
		"[" SEEN("greylist:pair:a:b", "", "early", "1769860000") "]",
		"[" SEEN("greylist:pair:a:b", "", "proven", "1769860000") "]",
		"[" SEEN("greylist:pair:a:b", "", "first", "1769860000") "]",
		"[" SEEN("greylist:192.0.2.0/24:a:b", "", "retried", "1769860000") "]",
		"greylist:pair: [",
		"[" SEEN("greylist:pair:a:b", "", "retried", "1769860000") "]",
	};
	struct run *r = *state;

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct journal_record record = run_record();

		record.verdict = i == 9 ? "reject" : "accept";
		record.step = "message";
		record.answers = str_of(answers[i]);
		run_append(r, &record);
	}
	run_cli(r, "stats --since 2026-01-31 --until 2026-02-01");
	run_has(r,
	    "\ndelayed by greylisting, of what was accepted\n"
	    "         3  p50 30m, p95 1h, p99 1h, longest 1h\n"
	    "         1  5m      ########################################\n"
	    "         1  30m     ########################################\n"
	    "         1  1h      ########################################\n");
	run_cli(r, "stats --json --since 2026-01-31 --until 2026-02-01");
	run_has(
	    r, ",\"delayed\":{\"n\":3,\"p50\":1800,\"p95\":3600,\"p99\":3600,\"longest\":3600},");
}

static void
test_json(void **state)
{
	struct run *r = *state;

	fill(r);
	run_cli(r, "stats --json --since 2026-01-31 --until 2026-02-01 --top 2");
	run_is(r, 0,
	    "{\"since\":\"2026-01-31T00:00:00.000Z\",\"until\":\"2026-02-01T00:00:00.000Z\","
	    "\"hours\":[{\"hour\":\"2026-01-31T12:00:00.000Z\",\"accept\":8,\"tempfail\":1,"
	    "\"reject\":3,\"defer\":2,\"left\":1},"
	    "{\"hour\":\"2026-01-31T14:00:00.000Z\",\"accept\":0,\"tempfail\":0,"
	    "\"reject\":1,\"defer\":0,\"left\":0}],"
	    "\"all\":{\"accept\":8,\"tempfail\":1,\"reject\":4,\"defer\":2,\"left\":1},"
	    "\"senders\":[{\"key\":\"a@example.net\",\"n\":4},{\"key\":\"\",\"n\":1}],"
	    "\"clients\":[{\"key\":\"192.0.2.1\",\"n\":5}],"
	    "\"networks\":[{\"key\":\"192.0.2.0/24\",\"n\":5}],"
	    "\"rules\":[{\"key\":\"postern.conf:12\",\"n\":5}],"
	    "\"texts\":[{\"key\":\"SPF: not permitted\",\"n\":5}],\"delayed\":{\"n\":0},\"dns\":null}\n",
	    "");
}

static void
report_dns(struct run *r, int64_t ago_ms)
{
	struct status_report *report = status_report_new(1);
	struct store_ask ask = { .status = report };
	struct err e = { 0 };
	struct store *store = store_sqlite.open(folder_file(&r->folder, "store.db"), &e);

	assert_non_null(store);
	snprintf(report->instance, sizeof(report->instance), "a");
	report->time_ms = clock_wall_ms() - ago_ms;
	report->dns = (struct status_dns){ 300, 171, 7, 5 };
	assert_true(store_sqlite.ask(store, &ask, 1, report->time_ms, &e));
	store_sqlite.close(&store);
	free(report);
}

/* Of the posternd that runs now, whatever span is asked for; of none that is gone. */
static void
test_dns(void **state)
{
	struct run *r = *state;

	fill(r);
	report_dns(r, 0);
	run_cli(r, "stats --since 2026-01-31 --until 2026-02-01");
	run_has(r,
	    "DNS since posternd began: 300 questions, 57 % answered from the cache; 7 timeouts, 5 "
	    "failures\n");
	run_cli(r, "stats --json");
	run_has(r, ",\"dns\":{\"asked\":300,\"from_cache\":171,\"timeouts\":7,\"failures\":5}}");
	report_dns(r, 60000);
	run_cli(r, "stats --json");
	run_has(r, ",\"dns\":null}");
}

static void
test_nothing(void **state)
{
	struct run *r = *state;

	run_cli(r, "stats");
	run_is(r, 1, "", "postern: no entries in that time\n");
	run_cli(r, "stats --json");
	assert_int_equal(r->code, 1);
	run_has(r,
	    "\"hours\":[],\"all\":{\"accept\":0,\"tempfail\":0,\"reject\":0,\"defer\":0,\"left\":0},"
	    "\"senders\":[]");
	/* Accepted mail only: no lists. */
	for (int i = 0; i < 2; i++) {
		struct journal_record record = run_record();

		record.verdict = "accept";
		run_append(r, &record);
	}
	run_cli(r, "stats --since 2026-01-31");
	assert_int_equal(r->code, 0);
	assert_null(strstr(r->out, "refused"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_days, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_delays, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_json, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_dns, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_nothing, run_setup, run_teardown),
	};

	return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
