#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cli/run.h"

#define HEAD "[{\"format\":2,\"began\":1769860800000,\"txn\":1}"
#define AT_MAIL ",{\"at\":\"mail\",\"tried\":\"0\"}"

static const struct row {
	const char *verdict, *step, *rule, *sender, *facts, *trace;
	int64_t times;
	const char *observed;
} entries[] = {
	{ "accept", "message", "", "a@example.net", "{\"spf\":\"softfail\"}", HEAD AT_MAIL "]" },
	{ "accept", "message", "", "a@example.net", "{\"spf\":\"pass\"}", HEAD AT_MAIL "]" },
	{ "accept", "message", "", "c@example.com", "{\"spf\":\"softfail\"}", HEAD "]" },
	{ "accept", "message", "", "d@example.com", "{}", HEAD "]" },
	{ "reject", "mail", "old.conf:12", "d@example.com", "{\"spf\":\"fail\"}",
	    HEAD AT_MAIL "]" },
	{ "reject", "rcpt", "backend", "d@example.com", "{\"spf\":\"fail\"}", HEAD AT_MAIL "]" },
	{ "tempfail", "rcpt", "limit: recipients", "d@example.com", "{\"spf\":\"pass\"}",
	    HEAD AT_MAIL "]" },
	/* before entries had what it takes; many in one; let through */
	{ "reject", "mail", "old.conf:12", "d@example.com", "{\"spf\":\"fail\"}", "[]" },
	{ "reject", "connect", "limit: sessions", "", "{}", "[]", 5 },
	{ "accept", "mail", "old.conf:12", "d@example.com", "{\"spf\":\"fail\"}", HEAD "]", 0,
	    "reject" },
};

static void
append(struct run *r, const struct row *row)
{
	struct journal_record record = run_record();

	record.verdict = row->verdict;
	record.step = row->step;
	record.rule = str_of(row->rule);
	record.sender = str_of(row->sender);
	record.recipients = STR("[\"b@example.org\"]");
	record.facts = str_of(row->facts);
	record.trace = str_of(row->trace);
	record.answers = STR("[]");
	record.times = row->times;
	record.observed = str_of(row->observed);
	run_append(r, &record);
}

static void
write_file(struct run *r, const char *name, const char *rules)
{
	char text[1000];

	snprintf(text, sizeof(text), "hostname \"mx.example.org\"\ndatabase \"/tmp\"\n%s\n", rules);
	folder_write(&r->folder, name, text, strlen(text));
}

static int
setup(void **state)
{
	struct run *r;

	if (run_setup(state) != 0)
		return -1;
	r = *state;
	write_file(r, "old.conf", "at mail { reject 550 5.7.23 \"no\" if spf is fail }");
	write_file(r, "new.conf",
	    "at mail {\n observe reject 550 5.7.1 \"x\" if sender is \"a@example.net\"\n"
	    "reject 550 5.7.23 \"no ${client.name}\" if spf is softfail\n}");
	write_file(
	    r, "same.conf", "at mail { reject 550 5.7.23 \"no\" if spf is fail and not tls }");
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		append(r, &entries[i]);
	run_configuration(r, "old.conf");
	return 0;
}

static void
replay(struct run *r, const char *file, const char *options)
{
	char all[1000], *path = strdup(folder_file(&r->folder, file));

	snprintf(all, sizeof(all), "replay %s %s", path, options);
	run_cli(r, all);
	free(path);
}

static const char told[] =
    "7 verdicts replayed, 3 change: 2 accept -> reject, 1 reject -> accept; 1 unknown, for want of 1 spf\n";
static const char rest[] =
    "; 2 entries that are no verdict about mail left aside; 1 cannot be replayed: they are too old; 1 "
    "more would be refused by rules that are only observed\n"
    "\n"
    "by rule, before and now\n"
    "       2  accept -> reject    -                 new.conf:5        reject 550 5.7.23 \"no "
    "${client.name}\" if spf is softfail\n"
    "       1  reject -> accept    old.conf:12       -\n"
    "\n"
    "senders\n"
    "       1  a@example.net\n"
    "       1  c@example.com\n"
    "       1  d@example.com\n"
    "\n"
    "recipients\n"
    "       3  b@example.org\n"
    "\n"
    "clients\n"
    "       3  192.0.2.1\n";

static void
test_tells_what_changes(void **state)
{
	struct run *r = *state;

	replay(r, "new.conf", "");
	run_has(r, told);
	run_has(r, rest);
	assert_int_equal(r->code, 2);
	replay(r, "new.conf", "--allow-new-rejects 1");
	assert_int_equal(r->code, 2);
	replay(r, "new.conf", "--allow-new-rejects 2");
	assert_int_equal(r->code, 0);
}

static void
test_lists(void **state)
{
	struct run *r = *state;

	replay(r, "new.conf", "--list");
	run_has(r,
	    "accept    -                 -> reject    new.conf:5        192.0.2.1        "
	    "<a@example.net> to b@example.org\n");
	run_has(r,
	    "accept    -                 -> unknown   needs spf         192.0.2.1        "
	    "<d@example.com> to b@example.org\n");
	run_has(r, "reject    old.conf:12       -> accept    -");
}

static void
test_json(void **state)
{
	struct run *r = *state;

	replay(r, "new.conf", "--json --list");
	run_has(r,
	    "\"before\":\"accept\",\"rule_before\":\"\",\"now\":\"unknown\",\"rule_now\":\"\","
	    "\"step\":\"mail\",\"needs\":\"spf\"");
	run_has(r,
	    "{\"replayed\":7,\"changed\":3,\"unknown\":1,\"aside\":2,\"too_old\":1,"
	    "\"new_rejects\":2,\"observed\":1,");
	run_has(r,
	    "\"rules\":[{\"change\":\"accept -> reject\",\"before\":\"\",\"now\":\"new.conf:5\",");
}

/* Of a refusal that passes now nobody knows how many messages come of it: the next one's counter is known between bounds. */
static void
test_counters_that_moved(void **state)
{
	struct journal_record record = run_record();
	struct run *r = *state;

	write_file(r, "old.conf",
	    "at mail { tempfail 450 4.7.1 \"x\" if rate(client, messages, 1h) >= 3 }");
	write_file(r, "new.conf",
	    "at mail { tempfail 450 4.7.1 \"x\" if rate(client, messages, 1h) >= 4 }");
	record.verdict = "tempfail";
	record.step = "mail";
	record.rule = STR("old.conf:3");
	record.facts = STR("{\"rate(client, messages, 1h)\":3}");
	record.trace = STR(HEAD ",{\"at\":\"mail\",\"tried\":\"0*\"}]");
	record.answers =
	    STR("[{\"count\":\"rate:messages:client:192.0.2.1\",\"add\":0,\"minute\":3,"
		"\"hour\":3,\"day\":3,\"for\":\"rate\",\"us\":9}]");
	run_append(r, &record);
	run_append(r, &record);
	run_configuration(r, "old.conf");
	replay(r, "new.conf", "");
	run_has(r,
	    "1 change: 1 tempfail -> accept; 1 unknown, for want of 1 rate(client, messages, 1h)\n");
	run_has(r, "\n1 of the unknown rest on counters that verdicts before them may move: ");
	replay(r, "new.conf", "--json");
	run_has(r, ",\"unknown_moved\":1,");
	replay(r, "new.conf", "--frozen");
	run_has(r, "2 change: 2 tempfail -> accept\n");
	assert_null(strstr(r->out, "counters"));
}

static void
test_nothing_changes(void **state)
{
	struct run *r = *state;

	replay(r, "same.conf", "");
	run_has(r, "7 verdicts replayed, 0 change; 1 unknown, for want of 1 spf\n");
	assert_int_equal(r->code, 0);
}

/* The rules read as they did: what changes comes of what is in the file of a list by now. */
static void
test_a_list_that_changed(void **state)
{
	static const char now[] = "# a\nexample.net\n";
	struct run *r = *state;

	write_file(r, "old.conf",
	    "list bad { file \"bad.list\" }\nlist good { file \"good.list\" }\n"
	    "at mail {\n reject 550 5.7.1 \"no\" if sender in bad and sender not in good\n}");
	folder_write(&r->folder, "bad.list", "example.org\n", 12);
	folder_write(&r->folder, "good.list", "", 0);
	append(r, &entries[0]);
	append(r, &entries[2]);
	run_configuration(r, "old.conf");
	replay(r, "old.conf", "");
	run_has(r, "2 verdicts replayed, 0 change\n");
	assert_null(strstr(r->out, "bad.list"));
	folder_write(&r->folder, "bad.list", now, strlen(now));
	replay(r, "old.conf", "");
	run_has(r, "2 verdicts replayed, 1 change: 1 accept -> reject\n");
	run_has(r,
	    "\nreplayed with what is in lists now; these files held something else then, for so many "
	    "verdicts: 2 bad.list; 1 of the changes come of that: the rest of the configuration is the same\n");
	replay(r, "old.conf", "--json");
	run_has(r, "\"changed_by_files\":1,");
	run_has(r, "\"files\":[{\"key\":\"bad.list\",\"n\":2}],");
	/* Other rules with the same list: what changes may come of either. */
	write_file(r, "new.conf",
	    "list bad { file \"bad.list\" }\nat mail {\n reject 550 5.7.1 \"no\" if sender in bad\n}");
	replay(r, "new.conf", "");
	run_has(r, "for so many verdicts: 2 bad.list\n");
}

static void
test_usage(void **state)
{
	struct run *r = *state;

	replay(r, "none.conf", "");
	assert_int_equal(r->code, CLI_ERROR);
	replay(r, "same.conf", "--allow-new-rejects many");
	run_is(r, CLI_ERROR, "", "postern: --allow-new-rejects: \"many\" is no number\n");
	replay(r, "same.conf", "--since 2030-01-01");
	run_has(r, "0 verdicts replayed, 0 change\n");
	assert_int_equal(r->code, CLI_NOTHING);
	run_cli(r, "replay a b");
	assert_int_equal(r->code, CLI_ERROR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tells_what_changes, setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_lists, setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_json, setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_counters_that_moved, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_nothing_changes, setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_a_list_that_changed, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_usage, setup, run_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
