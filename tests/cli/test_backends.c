#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "db/store_sqlite.h"
#include "tests/cli/run.h"

static struct status_row
well(const char *label, int64_t now)
{
	struct status_row row = { .since_ms = now - 7200000,
		.answered_ms = now - 200000,
		.weight = 1,
		.connections = 3,
		.idle = 1,
		.delivered = 40 };

	assert_true(str_copy(str_of(label), row.label, sizeof(row.label)));
	assert_true(str_copy(STR("well"), row.state, sizeof(row.state)));
	assert_true(str_copy(STR("ESMTP SIZE 1000"), row.offers, sizeof(row.offers)));
	return row;
}

static struct status_row
failing(const char *label, int64_t now)
{
	struct status_row row = {
		.since_ms = now - 400500, .weight = 2, .standby = 1, .most = 20, .waiting = 5
	};

	assert_true(str_copy(str_of(label), row.label, sizeof(row.label)));
	assert_true(str_copy(STR("failing"), row.state, sizeof(row.state)));
	assert_true(str_copy(STR("it said \x1b no"), row.why, sizeof(row.why)));
	assert_true(str_copy(STR("example.org, ours"), row.route, sizeof(row.route)));
	return row;
}

/* Who reports, and how long ago. */
struct loop {
	const char *instance;
	int64_t pid, ago_ms;
};

static void
report(struct run *r, struct loop loop, size_t n, const struct status_row *rows)
{
	struct status_report *report = status_report_new(n);
	struct store_ask ask = { .status = report };
	struct err e = { 0 };
	struct store *store = store_sqlite.open(folder_file(&r->folder, "store.db"), &e);

	assert_non_null(store);
	assert_true(str_copy(str_of(loop.instance), report->instance, sizeof(report->instance)));
	report->pid = loop.pid;
	report->time_ms = clock_wall_ms() - loop.ago_ms;
	for (size_t i = 0; i < n; i++)
		report->row[i] = rows[i];
	assert_true(store_sqlite.ask(store, &ask, 1, clock_wall_ms(), &e));
	store_sqlite.close(&store);
	free(report);
}

static void
test_text(void **state)
{
	struct run *r = *state;
	int64_t now = clock_wall_ms();
	struct status_row rows[] = { well("10.0.0.1 port 25", now),
		failing("10.0.0.2 port 25", now) };

	/* Seconds are told: again if this machine let half of one pass. */
	for (int64_t began = 0; clock_wall_ms() - began > 400;) {
		began = clock_wall_ms();
		report(r, (struct loop){ "a", getpid(), 1500 }, 2, rows);
		run_cli(r, "backends");
	}
	run_is(r, 0,
	    "10.0.0.1 port 25  well for 2 h, answered 3 min ago\n"
	    "    connections 3 (1 idle), waiting 0, delivered 40, weight 1\n"
	    "    offers ESMTP SIZE 1000\n"
	    "10.0.0.2 port 25  failing for 6 min\n"
	    "    it said \\x1b no\n"
	    "    connections 0 of 20 (0 idle), waiting 5, delivered 0, weight 2, standby\n"
	    "    for example.org, ours\n"
	    "as of 1 s ago\n",
	    "");
	run_cli(r, "backends --json");
	assert_int_equal(r->code, 0);
	run_has(r, "{\"running\":true,\"as_of\":\"");
	run_has(r,
	    "\"why\":\"\",\"weight\":1,\"standby\":false,\"limit\":null,\"connections\":3,\"idle\":1,"
	    "\"waiting\":0,\"delivered\":40,\"for\":\"\",\"offers\":\"ESMTP SIZE 1000\"},"
	    "{\"backend\":\"10.0.0.2 port 25\",\"state\":\"failing\",\"loops\":1,\"failing\":1,");
	run_has(r,
	    "\"answered\":null,\"why\":\"it said \\u001b no\",\"weight\":2,\"standby\":true,"
	    "\"limit\":20,\"connections\":0,\"idle\":0,\"waiting\":5,");
}

/* Loops of one process have the same counts; those of two processes are added. */
static void
test_several(void **state)
{
	struct run *r = *state;
	int64_t now = clock_wall_ms();
	struct status_row good = well("mx port 25", now), bad = failing("mx port 25", now);

	report(r, (struct loop){ "a", getpid(), 1000 }, 1, &good);
	report(r, (struct loop){ "b", getppid(), 1100 }, 1, &good);
	report(r, (struct loop){ "c", getpid(), 1200 }, 1, &good);
	report(r, (struct loop){ "d", getppid(), 1300 }, 1, &good);
	run_cli(r, "backends");
	run_has(r, "mx port 25  well for 2 h");
	run_has(r, "connections 6 (2 idle), waiting 0, delivered 80, weight 1\n");
	/* The oldest one, even if this machine lets seconds pass here. */
	report(r, (struct loop){ "c", getpid(), 11200 }, 1, &bad);
	run_cli(r, "backends");
	run_has(
	    r, "mx port 25  failing in part for 6 min, answered 3 min ago\n    it said \\x1b no\n");
	/* A loop that ended takes its rows away, one that died loses them to newer ones. */
	report(r, (struct loop){ "a", getpid(), 900 }, 0, NULL);
	report(r, (struct loop){ "b", getppid(), 900 }, 0, NULL);
	report(r, (struct loop){ "d", getppid(), 900 }, 0, NULL);
	report(r, (struct loop){ "e", getppid(), 60000 }, 1, &good);
	run_cli(r, "backends --json");
	run_has(r, "\"state\":\"failing\",\"loops\":1,\"failing\":1,");
	report(r, (struct loop){ "c", getpid(), 900 }, 0, NULL);
	run_cli(r, "backends");
	run_has(r, "mx port 25  well for 2 h");
	assert_int_equal(r->code, 1);
}

/* What a worker has left that was killed a moment ago does not count. */
static void
test_dead(void **state)
{
	struct run *r = *state;
	struct status_row row = well("mx port 25", clock_wall_ms());
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	report(r, (struct loop){ "a", pid, 1000 }, 1, &row);
	run_cli(r, "backends");
	run_has(r, "connections 3 (1 idle)");
	report(r, (struct loop){ "b", getpid(), 500 }, 1, &row);
	run_cli(r, "backends");
	run_has(r, "connections 3 (1 idle)");
}

static void
test_nobody(void **state)
{
	struct run *r = *state;
	struct status_row row = well("mx port 25", clock_wall_ms());

	report(r, (struct loop){ "a", getpid(), 0 }, 0, NULL);
	run_cli(r, "backends");
	run_is(
	    r, 1, "", "postern: posternd is not running here, or has no mail server behind it\n");
	run_cli(r, "backends --json");
	run_is(r, 1, "{\"running\":false,\"as_of\":null,\"backends\":[]}\n", NULL);
	report(r, (struct loop){ "a", getpid(), 300000 }, 1, &row);
	run_cli(r, "backends");
	run_is(
	    r, 1, NULL, "postern: posternd is not running, or stuck: it last reported 5 min ago\n");
	run_has(r, "mx port 25  well");
	run_has(r, "as of 5 min ago\n");
	run_cli(r, "backends --json");
	run_has(r, "{\"running\":false,\"as_of\":\"");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_several, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_dead, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_nobody, run_setup, run_teardown),
	};

	return cmocka_run_group_tests_name("backends", tests, NULL, NULL);
}
