#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "tests/cli/run.h"

#define HEAD "hostname \"mx.example.org\"\ndatabase \"/tmp\"\n"
#define RULE "reject 550 5.7.1 \"No\" if spf is fail"

static void
promote(struct run *r, const char *words)
{
	char all[1000], *path = strdup(folder_file(&r->folder, "postern.conf"));

	snprintf(all, sizeof(all), "-c %s %s", path, words);
	run_cli(r, all);
	free(path);
}

static void
write_file(struct run *r, const char *name, const char *text)
{
	folder_write(&r->folder, name, text, strlen(text));
}

static void
file_is(struct run *r, const char *name, const char *text)
{
	char got[4096] = { 0 };
	FILE *f = fopen(folder_file(&r->folder, name), "r");

	assert_non_null(f);
	assert_true(fread(got, 1, sizeof(got) - 1, f) > 0);
	fclose(f);
	assert_string_equal(got, text);
}

static const struct {
	const char *what, *before, *rule, *after; /* NULL: nothing changes */
	const char *err;
} rows[] = {
	{ "the one word", HEAD "at mail {\n\tobserve " RULE "   # why\n\n}\n", "postern.conf:4",
	    HEAD "at mail {\n\t" RULE "   # why\n\n}\n", NULL },
	{ "with the blanks behind it", HEAD "at mail { observe\t  " RULE "; score 1 }",
	    "postern.conf:3", HEAD "at mail { " RULE "; score 1 }", NULL },
	{ "not the others",
	    HEAD "# observe\nat mail {\nobserve score 1\nobserve " RULE "\nobserve score 2\n}\n",
	    "postern.conf:6",
	    HEAD "# observe\nat mail {\nobserve score 1\n" RULE "\nobserve score 2\n}\n", NULL },
	{ "lines that end as they do", HEAD "at mail {\r\nobserve " RULE "\r\n}\r\n",
	    "postern.conf:4", HEAD "at mail {\r\n" RULE "\r\n}\r\n", NULL },
	{ "another line", HEAD "at mail {\nobserve " RULE "\n}\n", "postern.conf:5", NULL,
	    "postern: there is no rule postern.conf:5; did you mean postern.conf:4?\n" },
	{ "enforced already", HEAD "at mail {\n" RULE "\n}\n", "postern.conf:4", NULL,
	    "postern: postern.conf:4 is enforced already\n" },
	{ "mode observe", HEAD "mode observe\nat mail {\n" RULE "\n}\n", "postern.conf:5", NULL,
	    "postern: postern.conf:5 is observed by `mode observe`, as all rules are: take that line "
	    "away to enforce them\n" },
	{ "two of them", HEAD "at mail { observe " RULE "; observe score 1 }\n", "postern.conf:3",
	    NULL,
	    "postern: 2 observed rules stand on that line: write them on lines of their own\n" },
};

static void
test_rows(void **state)
{
	struct run *r = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char words[100];

		print_message("%s\n", rows[i].what);
		write_file(r, "postern.conf", rows[i].before);
		assert_int_equal(chmod(folder_file(&r->folder, "postern.conf"), 0640), 0);
		snprintf(words, sizeof(words), "promote %s --yes", rows[i].rule);
		promote(r, words);
		run_is(r, rows[i].after ? 0 : 2, NULL, rows[i].err);
		file_is(r, "postern.conf", rows[i].after ? rows[i].after : rows[i].before);
		if (rows[i].after) {
			struct stat st;

			run_has(r, "systemctl reload posternd, or SIGHUP\n");
			assert_int_equal(stat(folder_file(&r->folder, "postern.conf"), &st), 0);
			assert_int_equal(st.st_mode & 07777, 0640);
		}
	}
}

/* What would be wrong afterwards is said before anything is changed. */
static void
test_checked_before(void **state)
{
	static const char text[] =
	    HEAD "at mail {\nobserve reject 550 5.7.1 \"No\"\nscore 1 if spf is fail\n}\n";
	struct run *r = *state;

	write_file(r, "postern.conf", text);
	promote(r, "promote postern.conf:4 --yes");
	assert_int_equal(r->code, 2);
	assert_non_null(strstr(r->err, "postern.conf:5:1: error: this rule can never be reached"));
	assert_non_null(strstr(r->err, "so nothing was changed\n"));
	file_is(r, "postern.conf", text);
	promote(r, "promote postern.conf:4");
	assert_int_equal(r->code, 2);
}

static void
test_included(void **state)
{
	static const char main_file[] = HEAD "include \"rules.conf\"\n";
	struct run *r = *state;

	write_file(r, "postern.conf", main_file);
	write_file(r, "rules.conf", "at mail {\n    observe " RULE "\n}\n");
	promote(r, "promote rules.conf:2 --dry-run");
	assert_int_equal(r->code, 0);
	file_is(r, "rules.conf", "at mail {\n    observe " RULE "\n}\n");
	promote(r, "promote rules.conf:2");
	run_is(r, 2, NULL, "postern: nothing was done: --yes does it, --dry-run only tells\n");
	promote(r, "promote rules.conf:2 --yes");
	assert_int_equal(r->code, 0);
	file_is(r, "rules.conf", "at mail {\n    " RULE "\n}\n");
	file_is(r, "postern.conf", main_file);
}

/* --- the numbers ---------------------------------------------------------------------------------- */

struct entry {
	const char *session, *step, *observed, *sender, *account, *recipients;
};

static void
append(struct run *r, const struct entry *e, int64_t times)
{
	struct journal_record record = run_record();

	record.time_ms = (time(NULL) - 3600) * INT64_C(1000);
	record.session = str_of(e->session);
	record.step = e->step;
	record.verdict = "accept";
	record.observed = str_of(e->observed);
	record.sender = str_of(e->sender);
	record.account = str_of(e->account);
	record.recipients = str_of(e->recipients);
	record.rule = e->observed[0] ? STR("postern.conf:4") : STR("");
	record.times = times;
	run_append(r, &record);
}

static void
test_numbers(void **state)
{
	static const struct entry entries[] = {
		{ "s1", "mail", "reject", "known@a.test", "", "[]" },
		{ "s1", "message", "", "known@a.test", "", "[\"b@example.org\"]" },
		{ "s2", "message", "", "Known@A.test", "", "[\"b@example.org\"]" },
		{ "s3", "mail", "reject", "friend@b.test", "", "[]" },
		{ "s4", "message", "", "b@example.org", "bob", "[\"x@y.test\",\"Friend@b.test\"]" },
		{ "s5", "mail", "reject", "spam@c.test", "", "[]" },
		{ "s6", "mail", "tempfail", "spam@c.test", "", "[]" },
	};
	struct run *r = *state;

	write_file(r, "postern.conf", HEAD "at mail {\nobserve " RULE "\n}\n");
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		append(r, &entries[i], i == 5 ? 3 : 1);
	promote(r, "stats --observed --json");
	assert_int_equal(r->code, 0);
	run_has(r,
	    "{\"rule\":\"postern.conf:4\",\"verdict\":\"reject\",\"n\":5,\"senders\":3,"
	    "\"accepted\":1,\"alarms\":2,\"likely\":[{\"sender\":\"friend@b.test\",\"n\":1,");
	run_has(r, "\"written_to\":true,\"elsewhere\":false}");
	run_has(r, "\"written_to\":false,\"elsewhere\":true}]}\n");
	run_has(r, "\"verdict\":\"tempfail\",\"n\":1,\"senders\":1,\"accepted\":0,\"alarms\":0");
	promote(r, "promote postern.conf:4 --dry-run");
	run_has(r,
	    "postern.conf:4 would have said reject 5 times, to 3 senders\n"
	    "  1 of these were in sessions whose message was accepted\n"
	    "  likely false alarms: 2 senders:\n");
	run_has(r, "friend@b.test                   our users wrote to it\n");
	run_has(r, "known@a.test                    it was accepted elsewhere\n");
	promote(r, "stats --observed --since 30m");
	run_is(r, 1, "no observed rule would have refused anything in that time\n", "");
	promote(r, "log --observed");
	assert_int_equal(r->code, 0);
	run_has(r, "spam@c.test");
	assert_null(strstr(r->out, "x@y.test"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_rows, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_checked_before, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_included, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_numbers, run_setup, run_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
