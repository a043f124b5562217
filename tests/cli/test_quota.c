#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "db/store.h"
#include "tests/cli/run.h"

/* As posternd: with the file open all the time. */
static struct store *store;

static int
setup(void **state)
{
	static const char text[] =
	    "hostname \"mx.example.org\"\n"
	    "database \"/tmp\"\n"
	    "plan home { 1000 messages per day; 50 messages per hour; 2000 recipients per day\n"
	    "burst 20 messages; for accounts in { \"alice\" } }\n"
	    "plan nets { 10 messages per hour; for clients in { 192.0.2.0/24 } }\n"
	    "upstream \"isp\" { 500 messages per day }\n"
	    "upstream \"relay\" { 10 messages per day; reserve 20% for postmaster\n"
	    "reserve 30% for accounts in { \"shop\" } }\n";
	struct run *r;

	if (run_setup(state) != 0)
		return -1;
	r = *state;
	folder_write(&r->folder, "postern.conf", text, strlen(text));
	store = store_sqlite.open(folder_file(&r->folder, "store.db"), NULL);
	return store == NULL;
}

static int
teardown(void **state)
{
	store_sqlite.close(&store);
	return run_teardown(state);
}

static void
quota(struct run *r, const char *words)
{
	char all[1000], *config = strdup(folder_file(&r->folder, "postern.conf"));

	snprintf(all, sizeof(all), "-c %s quota %s", config, words);
	run_cli(r, all);
	free(config);
}

static struct answer
ask(const char *key, int64_t n, struct take_question take, int64_t after)
{
	struct answer answer = {
		.question = { .kind = QUESTION_TAKE, .name = str_of(key), .add = n, .take = take }
	};
	struct store_ask one = { .question = &answer.question, .answer = &answer };

	assert_true(store_sqlite.ask(store, &one, 1, (time(NULL) + after) * 1000, NULL));
	return answer;
}

static void
sent(const char *key, int64_t n, int64_t after)
{
	ask(key, n, (struct take_question){ .what = TAKE_SETTLE }, after);
}

static void
test_show(void **state)
{
	struct run *r = *state;

	sent("rate:messages:account:alice", 900, -7200);
	sent("rate:messages:account:alice", 40, -1200);
	sent("rate:recipients:account:alice", 960, -1200);
	quota(r, "show Alice");
	assert_int_equal(r->code, 0);
	run_has(r, "Alice: plan home\n");
	run_has(r, "  40 of 50 messages per hour used, 80%\n");
	/* 60 more at 40 an hour: in an hour and a half */
	run_has(r, "  940 of 1000 messages per day used, 94%; at this rate you reach it at 20");
	run_has(r, "  960 of 2000 recipients per day used, 48%; at this rate you reach it at 20");
	quota(r, "show alice --json");
	run_has(r,
	    "{\"who\":\"alice\",\"plan\":\"home\",\"limits\":[{\"what\":\"messages\","
	    "\"per\":\"hour\",\"used\":40,\"limit\":50,\"free\":null,\"reached\":null,"
	    "\"set_until\":null},{");
	sent("rate:messages:client:192.0.2.7", 10, -100);
	quota(r, "show 192.0.2.7");
	run_has(r,
	    "192.0.2.7: plan nets\n  10 of 10 messages per hour used, 100%; there is room "
	    "again at 20");
	sent("rate:messages:upstream:isp", 5, -100);
	quota(r, "show upstream:isp");
	run_has(r, "  5 of 500 messages per day used, 1%\n");
	quota(r, "show bob");
	run_has(r, "bob: no plan\n  0 messages in the last minute\n");
	run_has(r, "\nnothing is counted of it; is that how it is written?");
}

/* Whoever has no reserve is turned away before the limit is reached. */
static void
test_reserves(void **state)
{
	struct run *r = *state;

	sent("rate:messages:upstream:relay", 4, -100);
	quota(r, "show upstream:relay");
	run_has(r, "  4 of 10 messages per day used, 40%");
	run_has(r, "; 5 of the 10 are without a reserve\n");
	sent("rate:messages:upstream:relay", 2, -100);
	quota(r, "list");
	run_has(r, "6 of 10 messages per day used, 60%");
	run_has(r, "; 5 of the 10 are without a reserve: used up, there is room again at 20");
	quota(r, "show upstream:relay --json");
	run_has(r, "\"unreserved\":5,\"unreserved_free\":\"20");
	/* what an administrator gives is for everybody */
	quota(r, "set upstream:relay 20 messages per day");
	quota(r, "show upstream:relay");
	run_has(r, "  6 of 20 messages per day used, 30%");
	assert_null(strstr(r->out, "without a reserve"));
	quota(r, "show upstream:relays");
	assert_int_equal(r->code, 2);
	assert_string_equal(r->err,
	    "postern: there is no upstream \"relays\" in the configuration; did you mean upstream:relay\n");
}

static int64_t
limit(const char *key, int64_t after)
{
	struct take_question look = { .what = TAKE_LOOK, .limit.day = 1000 };

	return ask(key, 1, look, after).take.limit.day;
}

static void
test_set_and_unset(void **state)
{
	struct run *r = *state;
	const char *key = "rate:messages:account:alice";

	quota(r, "set alice 3000 messages per day --until 2099-12-31");
	assert_int_equal(r->code, 0);
	run_has(r, "alice: 3000 messages per day until 2099-12-31 00:00:00\n");
	run_has(r, "  0 of 3000 messages per day used, 0%; set until 2099-12-31 00:00:00\n");
	/* what was not said is as the plan has it */
	run_has(r, "  0 of 50 messages per hour used");
	assert_int_equal(limit(key, 0), 3000);
	assert_int_equal(limit("rate:recipients:account:alice", 0), 1000);
	quota(r, "unset alice");
	assert_int_equal(r->code, 0);
	assert_int_equal(limit(key, 0), 1000);
	/* both are in the journal */
	run_cli(r, "log");
	run_has(r, "alice: 3000 messages per day until 2099-12-31");
	run_has(r, "alice: the limits of the plan");
}

static void
test_raise(void **state)
{
	struct run *r = *state;
	const char *key = "rate:messages:account:alice";

	quota(r, "raise alice 500 messages per day 5 messages per burst --until 2099-12-31");
	assert_int_equal(r->code, 0);
	run_has(r, "alice: 500 more messages per day 5 more messages per burst until 2099-12-31");
	run_has(r, "  0 of 1500 messages per day used, 0%; set until 2099-12-31 00:00:00\n");
	run_has(r, "  0 of 25 messages per burst used, 0%; set until 2099-12-31 00:00:00\n");
	/* on top of what is in force */
	quota(r, "raise alice 100 messages per day --until 2099-12-31");
	assert_int_equal(limit(key, 0), 1600);
	run_has(r, "  0 of 25 messages per burst used");
	run_cli(r, "log");
	run_has(r, "alice: 100 more messages per day until 2099-12-31");
}

static void
test_list(void **state)
{
	struct run *r = *state;

	quota(r, "");
	run_is(r, 1, "nobody has sent anything yet that is counted\n", "");
	sent("rate:messages:account:alice", 810, -7200);
	sent("rate:messages:account:bob", 3, -100);
	sent("rate:messages:upstream:isp", 250, -7200);
	sent("rate:messages:client:192.0.2.7", 5, -100);
	quota(r, "");
	run_is(r, 0,
	    "alice                    home         810 of 1000 messages per day used, 81%\n"
	    "bob                      -            3 messages in the last day\n"
	    "upstream:isp             isp          250 of 500 messages per day used, 50%\n",
	    "");
	quota(r, "list --json");
	run_has(r, "{\"who\":\"alice\",\"plan\":\"home\",\"limits\":[{\"what\":\"messages\",");
	run_has(r, "{\"who\":\"bob\",\"plan\":null,\"limits\":[{");
}

static void
test_reset(void **state)
{
	struct run *r = *state;

	sent("rate:messages:account:alice", 1000, 0);
	quota(r, "reset alice");
	assert_int_equal(r->code, 0);
	run_has(r, "  0 of 1000 messages per day used, 0%\n");
	assert_true(ask("rate:messages:account:alice", 1,
	    (struct take_question){ .what = TAKE_LOOK, .limit.day = 1000 }, 0)
			.take.granted);
}

static void
past(struct run *r, int64_t days_ago, unsigned n, const char *rule)
{
	for (unsigned i = 0; i < n; i++) {
		struct journal_record record = run_record();

		record.verdict = "accept";
		record.account = STR("Alice");
		record.rule = str_of(rule);
		record.id[0] = '\0';
		record.time_ms = (time(NULL) - days_ago * 86400) * 1000;
		run_append(r, &record);
	}
}

static void
test_propose(void **state)
{
	struct run *r = *state;

	for (int day = 1; day <= 20; day++)
		past(r, day, day == 7 ? 20 : day == 9 ? 12 : 4, "");
	/* neither what came again, nor what is too long ago, nor somebody else's */
	past(r, 3, 30, "delivered before");
	past(r, 40, 30, "");
	quota(r, "propose alice");
	run_is(r, 0,
	    "alice: 20 days with mail; messages a day: half of them up to 4, 99 of 100 up to 20, "
	    "most 20\n"
	    "  12 messages per day would have stopped 8 messages on 1 days\n"
	    "  20 messages per day would have stopped 0 messages on 0 days\n"
	    "  30 messages per day would have stopped 0 messages on 0 days\n",
	    "");
	quota(r, "propose alice --since 50d --json");
	run_has(r,
	    "{\"who\":\"alice\",\"days\":21,\"p50\":4,\"p99\":30,\"most\":30,"
	    "\"candidates\":[{\"limit\":20,\"stopped_days\":1,\"stopped_messages\":10},");
	/* each account of those with mail, in any case one */
	quota(r, "propose");
	assert_int_equal(r->code, 0);
	run_has(r, "Alice: 20 days with mail;");
	quota(r, "propose bob");
	run_is(r, 1, "", "");
	quota(r, "propose upstream:isp");
	run_is(r, 2, "", "postern: the journal does not tell what went out by an upstream\n");
}

static void
test_wrong_use(void **state)
{
	static const struct {
		const char *words, *says;
	} cases[] = {
		{ "show",
		    "postern: quota takes list, or show, propose, set, raise, unset or reset, and "
		    "whom; see `postern quota --help`\n" },
		{ "list alice",
		    "postern: quota takes list, or show, propose, set, raise, unset or reset, and "
		    "whom; see `postern quota --help`\n" },
		{ "raise alice",
		    "postern: quota raise: which limit? As in 2000 messages per day\n" },
		{ "raise alice 5 messages per day",
		    "postern: quota raise: until when? As in --until 2026-12-31\n" },
		{ "raise alice 5 messages per minute --until 2099-12-31",
		    "postern: alice has no limit of messages per minute, so there is none to raise\n" },
		{ "show alice bob", "postern: quota show takes one: whom?\n" },
		{ "set bob 5 messages per day",
		    "postern: bob has no plan, so there are no limits to set\n" },
		{ "set alice", "postern: quota set: which limit? As in 2000 messages per day\n" },
		{ "set alice 0 messages per day",
		    "postern: a limit is written 2000 messages per day, not 0 messages per day\n" },
		{ "set alice 5 mails per day",
		    "postern: a limit is written 2000 messages per day, not 5 mails per day\n" },
		{ "set alice 5 messages per day --until 2001-01-01",
		    "postern: --until: that is no time to come\n" },
	};
	struct run *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		quota(r, cases[i].words);
		run_is(r, 2, "", cases[i].says);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_show, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reserves, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_and_unset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_raise, setup, teardown),
		cmocka_unit_test_setup_teardown(test_list, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_propose, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_use, setup, teardown),
	};

	return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
