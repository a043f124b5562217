#include "cli/cli.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/rewrite.h"
#include "db/journal_config.h"
#include "mail/exception.h"
#include "tests/cli/run.h"

#define HEAD "hostname \"mx.example.org\"\ndatabase \"/tmp\"\n"
#define RULE "reject 550 5.7.1 \"No\" if spf is fail"

/* With its configuration. */
static void
play(struct run *r, const char *words)
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

struct row {
	const char *what, *before, *rule, *after; /* NULL: nothing changes */
	const char *err;
};

static const struct row promoted[] = {
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
	    "postern: there is no rule postern.conf:5\nthe nearest observed:\n  postern.conf:4  observe " RULE
	    "\n" },
	{ "enforced already", HEAD "at mail {\n" RULE "\n}\n", "postern.conf:4", NULL,
	    "postern: postern.conf:4 is enforced already\n" },
	{ "mode observe", HEAD "mode observe\nat mail {\n" RULE "\n}\n", "postern.conf:5", NULL,
	    "postern: postern.conf:5 is observed by `mode observe`, as all rules are: take that line "
	    "away to enforce them\n" },
	{ "two of them", HEAD "at mail { observe " RULE "; observe score 1 }\n", "postern.conf:3",
	    NULL,
	    "postern: 2 observed rules stand on that line: write them on lines of their own\n" },
};

static const struct row promoted_hard[] = {
	{ "between the nearest",
	    HEAD "at mail {\n  observe score 1\n  score 2\n  score 3\n  observe score 4\n"
		 "  observe score 5\n}\n",
	    "postern.conf:6", NULL,
	    "postern: postern.conf:6 is enforced already\nthe nearest observed:\n"
	    "  postern.conf:4  observe score 1\n  postern.conf:7  observe score 4\n" },
	{ "another file", HEAD "at mail {\nobserve " RULE "\n}\n", "postern.cond:4", NULL,
	    "postern: there is no rule postern.cond:4; did you mean postern.conf:4?\n" },
	{ "no place at all", HEAD "at mail {\nobserve " RULE "\n}\n", "observe", NULL,
	    "postern: there is no rule observe\n" },
	{ "a line that no number can be", HEAD "at mail {\nobserve " RULE "\n}\n",
	    "postern.conf:99999999999999999999", NULL,
	    "postern: there is no rule postern.conf:99999999999999999999\n" },
	{ "within blocks",
	    HEAD
	    "list l { \"a@b.test\" }\nat rcpt {\n  for recipients in l {\n    if sender.null {\n"
	    "      observe " RULE "\n    }\n  }\n}\n",
	    "postern.conf:7",
	    HEAD
	    "list l { \"a@b.test\" }\nat rcpt {\n  for recipients in l {\n    if sender.null {\n"
	    "      " RULE "\n    }\n  }\n}\n",
	    NULL },
	{ "one of two on a line", HEAD "at mail { score 1; observe " RULE "; score 2 }\n",
	    "postern.conf:3", HEAD "at mail { score 1; " RULE "; score 2 }\n", NULL },
	{ "the word in comments and texts",
	    HEAD "at mail { # observe\n  observe reject 550 5.7.1 \"observe this\" # observe\n"
		 "    if helo is \"observe\" # observe\n  # observe " RULE "\n}\n",
	    "postern.conf:4",
	    HEAD "at mail { # observe\n  reject 550 5.7.1 \"observe this\" # observe\n"
		 "    if helo is \"observe\" # observe\n  # observe " RULE "\n}\n",
	    NULL },
	{ "a comment is no rule", HEAD "at mail {\n# observe " RULE "\n}\n", "postern.conf:4", NULL,
	    "postern: there is no rule postern.conf:4\n" },
	{ "behind the mark of an editor", "\xef\xbb\xbf" HEAD "at mail {\nobserve " RULE "\n}",
	    "postern.conf:4", "\xef\xbb\xbf" HEAD "at mail {\n" RULE "\n}", NULL },
	{ "lines that end in several ways", HEAD "at mail {\r\n\tobserve " RULE "\n}\r\n# \r",
	    "postern.conf:4", HEAD "at mail {\r\n\t" RULE "\n}\r\n# \r", NULL },
};

static const struct row demoted[] = {
	{ "the one word", HEAD "at mail {\n\t" RULE "   # why\n\n}\n", "postern.conf:4",
	    HEAD "at mail {\n\tobserve " RULE "   # why\n\n}\n", NULL },
	{ "in one line with others", HEAD "at mail { observe score 1; " RULE "; observe score 2 }",
	    "postern.conf:3", HEAD "at mail { observe score 1; observe " RULE "; observe score 2 }",
	    NULL },
	{ "not the others", HEAD "# reject\nat mail {\nscore 1\n" RULE "\nscore 2\n}\n",
	    "postern.conf:6", HEAD "# reject\nat mail {\nscore 1\nobserve " RULE "\nscore 2\n}\n",
	    NULL },
	{ "within a block", HEAD "at mail {\n  if sender.null {\n    " RULE "\n  }\n}\n",
	    "postern.conf:5", HEAD "at mail {\n  if sender.null {\n    observe " RULE "\n  }\n}\n",
	    NULL },
	{ "over several lines",
	    HEAD "at mail {\n  reject 550 5.7.1 \"No\"\n      if spf is fail\n}\n",
	    "postern.conf:4",
	    HEAD "at mail {\n  observe reject 550 5.7.1 \"No\"\n      if spf is fail\n}\n", NULL },
	{ "lines that end as they do", HEAD "at mail {\r\n" RULE "\r\n}\r\n", "postern.conf:4",
	    HEAD "at mail {\r\nobserve " RULE "\r\n}\r\n", NULL },
	{ "another line", HEAD "at mail {\n" RULE "\n}\n", "postern.conf:5", NULL,
	    "postern: there is no rule postern.conf:5\nthe nearest enforced:\n  postern.conf:4  " RULE
	    "\n" },
	{ "the head of a block", HEAD "at mail {\n  if sender.null {\n    " RULE "\n  }\n}\n",
	    "postern.conf:4", NULL,
	    "postern: there is no rule postern.conf:4\nthe nearest enforced:\n  postern.conf:5  " RULE
	    "\n" },
	{ "observed already", HEAD "at mail {\nobserve " RULE "\n}\n", "postern.conf:4", NULL,
	    "postern: postern.conf:4 is only observed already\n" },
	{ "mode observe", HEAD "mode observe\nat mail {\n" RULE "\n}\n", "postern.conf:5", NULL,
	    "postern: postern.conf:5 is observed by `mode observe`, as all rules are: take that line "
	    "away to enforce them\n" },
	{ "two of them", HEAD "at mail { score 1; " RULE " }\n", "postern.conf:3", NULL,
	    "postern: 2 enforced rules stand on that line: write them on lines of their own\n" },
	{ "what is built in", HEAD, "default.rules:12", NULL,
	    "postern: default.rules:12 is built in: copy " PKGDATADIR
	    "/default.rules beside the configuration and `include` that\n" },
};

static void
play_rows(struct run *r, const char *command, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char words[100];

		print_message("%s\n", rows[i].what);
		write_file(r, "postern.conf", rows[i].before);
		assert_int_equal(chmod(folder_file(&r->folder, "postern.conf"), 0640), 0);
		snprintf(words, sizeof(words), "%s %s --yes", command, rows[i].rule);
		play(r, words);
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

static void
test_promote(void **state)
{
	play_rows(*state, "promote", promoted, sizeof(promoted) / sizeof(promoted[0]));
}

static void
test_promote_hard(void **state)
{
	play_rows(
	    *state, "promote", promoted_hard, sizeof(promoted_hard) / sizeof(promoted_hard[0]));
}

static void
test_demote(void **state)
{
	play_rows(*state, "demote", demoted, sizeof(demoted) / sizeof(demoted[0]));
}

/* There and back leaves the file as it was. */
static void
test_back(void **state)
{
	static const char text[] = HEAD "at mail {\n\t" RULE " # so\n}\n";
	struct run *r = *state;

	write_file(r, "postern.conf", text);
	play(r, "demote postern.conf:4");
	run_is(r, 2, NULL, "postern: nothing was done: --yes does it, --dry-run only tells\n");
	play(r, "demote postern.conf:4 --dry-run");
	run_is(r, 0,
	    "postern.conf:4      " RULE "\n"
	    "postern.conf:4 refused nothing in the past 30 days\n",
	    "");
	file_is(r, "postern.conf", text);
	play(r, "demote postern.conf:4 --yes");
	run_is(r, 0,
	    "postern.conf:4      " RULE "\n"
	    "postern.conf:4 refused nothing in the past 30 days\n"
	    "postern.conf:4 is only observed once posternd has read it: systemctl reload posternd, "
	    "or SIGHUP\n",
	    "");
	play(r, "promote postern.conf:4 --yes");
	assert_int_equal(r->code, 0);
	file_is(r, "postern.conf", text);
	play(r, "demote");
	run_is(r, 2, "",
	    "postern: demote takes one rule, as postern.conf:12; see `postern demote --help`\n");
}

/* What would be wrong afterwards is said before anything is changed. */
static void
test_checked_before(void **state)
{
	static const char text[] =
	    HEAD "at mail {\nobserve reject 550 5.7.1 \"No\"\nscore 1 if spf is fail\n}\n";
	struct run *r = *state;

	write_file(r, "postern.conf", text);
	play(r, "promote postern.conf:4 --yes");
	assert_int_equal(r->code, 2);
	assert_non_null(strstr(r->err, "postern.conf:5:1: error: this rule can never be reached"));
	assert_non_null(strstr(r->err, "so nothing was changed\n"));
	file_is(r, "postern.conf", text);
	play(r, "promote postern.conf:4");
	assert_int_equal(r->code, 2);
}

static void
test_included(void **state)
{
	static const char main_file[] = HEAD "include \"rules.conf\"\n";
	struct run *r = *state;

	write_file(r, "postern.conf", main_file);
	write_file(r, "rules.conf", "at mail {\n    observe " RULE "\n}\n");
	play(r, "promote rules.conf:2 --dry-run");
	assert_int_equal(r->code, 0);
	file_is(r, "rules.conf", "at mail {\n    observe " RULE "\n}\n");
	play(r, "promote rules.conf:2");
	run_is(r, 2, NULL, "postern: nothing was done: --yes does it, --dry-run only tells\n");
	play(r, "promote rules.conf:2 --yes");
	assert_int_equal(r->code, 0);
	file_is(r, "rules.conf", "at mail {\n    " RULE "\n}\n");
	file_is(r, "postern.conf", main_file);
}

/* --- the numbers ---------------------------------------------------------------------------------- */

struct entry {
	const char *session, *step, *said, *sender, *account, *recipients;
};

/* What the rule in line 4 would have said, or did say. */
enum kind { OBSERVED, REFUSED };

static void
append(struct run *r, const struct entry *e, enum kind kind, int64_t times)
{
	struct journal_record record = run_record();

	record.time_ms = (time(NULL) - 3600) * INT64_C(1000);
	record.session = str_of(e->session);
	record.step = e->step;
	record.verdict = kind == REFUSED && e->said[0] ? e->said : "accept";
	record.observed = kind == OBSERVED ? str_of(e->said) : STR("");
	record.sender = str_of(e->sender);
	record.account = str_of(e->account);
	record.recipients = str_of(e->recipients);
	record.rule = e->said[0] ? STR("postern.conf:4") : STR("");
	record.times = times;
	run_append(r, &record);
}

static const struct entry entries[] = {
	{ "s1", "mail", "reject", "known@a.test", "", "[]" },
	{ "s1", "message", "", "known@a.test", "", "[\"b@example.org\"]" },
	{ "s2", "message", "", "Known@A.test", "", "[\"b@example.org\"]" },
	{ "s3", "mail", "reject", "friend@b.test", "", "[]" },
	{ "s4", "message", "", "b@example.org", "bob", "[\"x@y.test\",\"Friend@b.test\"]" },
	{ "s5", "mail", "reject", "spam@c.test", "", "[]" },
	{ "s6", "mail", "tempfail", "spam@c.test", "", "[]" },
};

static void
append_all(struct run *r, enum kind kind)
{
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		append(r, &entries[i], kind, i == 5 ? 3 : 1);
}

static void
test_numbers(void **state)
{
	struct run *r = *state;

	write_file(r, "postern.conf", HEAD "at mail {\nobserve " RULE "\n}\n");
	run_configuration(r, "postern.conf");
	append_all(r, OBSERVED);
	play(r, "stats --observed --json");
	assert_int_equal(r->code, 0);
	run_has(r,
	    "{\"rule\":\"postern.conf:4\",\"source\":\"reject 550 5.7.1 \\\"No\\\" if spf is fail\","
	    "\"verdict\":\"reject\",\"n\":5,\"senders\":3,"
	    "\"accepted\":1,\"alarms\":2,\"likely\":[{\"sender\":\"friend@b.test\",\"n\":1,");
	run_has(r, "\"written_to\":true,\"elsewhere\":false}");
	run_has(r, "\"written_to\":false,\"elsewhere\":true}]}\n");
	run_has(r, "\"verdict\":\"tempfail\",\"n\":1,\"senders\":1,\"accepted\":0,\"alarms\":0");
	play(r, "promote postern.conf:4 --dry-run");
	run_has(r,
	    "postern.conf:4 would have said reject 5 times, to 3 senders\n"
	    "  1 of these were in sessions whose message was accepted\n"
	    "  likely false alarms: 2 senders:\n");
	run_has(r, "friend@b.test                   our users wrote to it\n");
	run_has(r, "known@a.test                    it was accepted elsewhere\n");
	run_has(r, "postern.conf:4 would have said tempfail 1 time, to 1 sender\n");
	play(r, "stats --observed --since 30m");
	run_is(r, 1, "no observed rule would have refused anything in that time\n", "");
	play(r, "log --observed");
	assert_int_equal(r->code, 0);
	run_has(r, "spam@c.test");
	assert_null(strstr(r->out, "x@y.test"));
}

/* The same of what was refused for real; another rule's refusals are not this one's. */
static void
test_refused(void **state)
{
	struct journal_record other = run_record();
	struct run *r = *state;

	write_file(r, "postern.conf", HEAD "at mail {\n" RULE "\n}\n");
	run_configuration(r, "postern.conf");
	append_all(r, REFUSED);
	other.rule = STR("postern.conf:40");
	other.time_ms = (time(NULL) - 60) * INT64_C(1000);
	run_append(r, &other);
	play(r, "demote postern.conf:4 --dry-run");
	run_is(r, 0, NULL, "");
	run_has(r,
	    "postern.conf:4 said reject 5 times, to 3 senders\n"
	    "  1 of these were in sessions whose message was accepted\n"
	    "  likely false alarms: 2 senders:\n");
	run_has(r, "friend@b.test                   our users wrote to it\n");
	run_has(r, "postern.conf:4 said tempfail 1 time, to 1 sender\n");
	assert_null(strstr(r->out, ":40"));
	play(r, "demote postern.conf:4 --dry-run --json");
	run_has(r,
	    "{\"rule\":\"postern.conf:4\",\"left_out\":0,\"other_blocks\":0,\"other_names\":0,\"uncertain\":0,"
	    "\"verdict\":\"reject\",\"n\":5,"
	    "\"senders\":3,\"accepted\":1,\"alarms\":2,");
}

#define OTHER "reject 550 5.7.2 \"Nor this\" if helo is \"x\""

/* An entry of a rule at this place, as this revision of the configuration had it. */
static void
append_of(struct run *r, const char *revision, const char *place, enum kind kind)
{
	struct journal_record record = run_record();

	record.time_ms = (time(NULL) - 3600) * INT64_C(1000);
	record.verdict = kind == REFUSED ? "reject" : "accept";
	record.observed = kind == OBSERVED ? STR("reject") : STR("");
	record.rule = str_of(place);
	record.config = str_of(revision);
	run_append(r, &record);
}

static void
was(struct run *r, const char *revision, const char *rules)
{
	char text[1000];

	snprintf(text, sizeof(text), HEAD "at mail {\n%s\n}\n", rules);
	write_file(r, "postern.conf", text);
	run_configuration_as(r, "postern.conf", revision);
}

static void
times(struct run *r, const char *command, const char *told, const char *left_out)
{
	play(r, command);
	assert_int_equal(r->code, 0);
	run_has(r, told);
	if (left_out)
		run_has(r, left_out);
	else
		assert_null(strstr(r->out, "left out"));
}

/* Lines move: what a place is named for may be another rule's. */
static void
test_moved(void **state)
{
	struct run *r = *state;

	was(r, "aaaaaaaaaaaa", "observe " OTHER "\nobserve " RULE);
	was(r, "bbbbbbbbbbbb", RULE);
	was(r, "cccccccccccc", "observe " OTHER "; observe " RULE);
	was(r, "dddddddddddd", "\n\n\n" RULE);
	was(r, "eeeeeeeeeeee", OTHER);
	was(r, "999999999999", "observe " RULE "; " OTHER);
	was(r, "0123456789ab", "observe " RULE);
	for (size_t i = 0; i < 3; i++)
		append_of(r, "aaaaaaaaaaaa", "postern.conf:4", OBSERVED);
	append_of(r, "aaaaaaaaaaaa", "postern.conf:5", OBSERVED);
	append_of(r, "cccccccccccc", "postern.conf:4", OBSERVED);
	append_of(r, "0123456789ab", "postern.conf:4", OBSERVED);
	append_of(r, "999999999999", "postern.conf:4", OBSERVED);
	append_of(r, "ffffffffffff", "postern.conf:4", OBSERVED);
	append_of(r, "ffffffffffff", "postern.conf:9", OBSERVED);
	times(r, "promote postern.conf:4 --dry-run",
	    "postern.conf:4 would have said reject 3 times, to 1 sender\n",
	    "left out: 4 entries that name postern.conf:4, where another rule stood then\n"
	    "left out: 1 entry that names postern.conf:4, as it is not known what stood there "
	    "then\n");
	times(r, "promote postern.conf:4 --dry-run --json", "\"left_out\":5,\"other_blocks\":0,",
	    NULL);
	times(r, "stats --observed",
	    "postern.conf:4 would have said reject 3 times, to 1 sender\n  " OTHER "\n", NULL);
	run_has(r, "postern.conf:4 would have said reject 2 times, to 1 sender\n  " RULE "\n");
	run_has(r, "postern.conf:5 would have said reject 1 time, to 1 sender\n  " RULE "\n");
	run_has(r, "postern.conf:9 would have said reject 1 time, to 1 sender\n  0 of");

	append_of(r, "bbbbbbbbbbbb", "postern.conf:4", REFUSED);
	append_of(r, "dddddddddddd", "postern.conf:7", REFUSED);
	append_of(r, "dddddddddddd", "postern.conf:4", REFUSED);
	append_of(r, "eeeeeeeeeeee", "postern.conf:4", REFUSED);
	append_of(r, "eeeeeeeeeeee", "postern.conf:7", REFUSED);
	append_of(r, "999999999999", "postern.conf:4", REFUSED);
	was(r, "0123456789ab", RULE);
	times(r, "demote postern.conf:4 --dry-run",
	    "postern.conf:4 said reject 2 times, to 1 sender\n",
	    "left out: 3 entries that name postern.conf:4, where another rule stood then\n");
}

/* Rules of one text are told apart by their order, or by their places. */
static void
test_twins(void **state)
{
	static const char three[] =
	    "if sender.null {\nobserve " RULE "\n}\nif helo is \"y\" {\nobserve " RULE
	    "\n}\nif helo is \"x\" {\nobserve " RULE "\n}";
	static const char two[] =
	    "if sender.null {\nobserve " RULE "\n}\nif helo is \"x\" {\nobserve " RULE "\n}";
	char moved[sizeof(two) + 1];
	struct run *r = *state;

	snprintf(moved, sizeof(moved), "\n%s", two);
	was(r, "aaaaaaaaaaaa", moved);
	was(r, "bbbbbbbbbbbb", three);
	was(r, "dddddddddddd", "\n\n\nif helo is \"x\" {\nobserve " RULE "\n}");
	was(r, "cccccccccccc", two);
	append_of(r, "aaaaaaaaaaaa", "postern.conf:6", OBSERVED);
	append_of(r, "aaaaaaaaaaaa", "postern.conf:9", OBSERVED);
	append_of(r, "aaaaaaaaaaaa", "postern.conf:9", OBSERVED);
	times(r, "promote postern.conf:8 --dry-run",
	    "postern.conf:8 would have said reject 2 times", NULL);
	times(r, "promote postern.conf:5 --dry-run",
	    "postern.conf:5 would have said reject 1 time,", NULL);
	append_of(r, "bbbbbbbbbbbb", "postern.conf:11", OBSERVED);
	append_of(r, "bbbbbbbbbbbb", "postern.conf:5", OBSERVED);
	append_of(r, "dddddddddddd", "postern.conf:8", OBSERVED);
	times(r, "promote postern.conf:8 --dry-run",
	    "postern.conf:8 would have said reject 4 times", NULL);
	times(r, "promote postern.conf:5 --dry-run",
	    "postern.conf:5 would have said reject 2 times", NULL);
	run_has(r,
	    "postern.conf:4      if sender.null\n"
	    "postern.conf:5        observe " RULE "\n");
}

/* The same text with something else around it is no evidence for what it says now. */
static void
test_other_blocks(void **state)
{
	struct run *r = *state;

	was(r, "aaaaaaaaaaaa", "observe " RULE);
	was(r, "bbbbbbbbbbbb", "if helo is \"x\" {\nobserve " RULE "\n}");
	was(r, "cccccccccccc", "if helo is \"y\" {\nscore 1\n} else {\nobserve " RULE "\n}");
	was(r, "dddddddddddd",
	    "score 1\n"
	    "if  helo  is \"x\" {\nobserve " RULE "\n}");
	was(r, "eeeeeeeeeeee", "if helo is \"x\" {\n" RULE "\n}");
	append_of(r, "aaaaaaaaaaaa", "postern.conf:4", OBSERVED);
	append_of(r, "bbbbbbbbbbbb", "postern.conf:5", OBSERVED);
	append_of(r, "bbbbbbbbbbbb", "postern.conf:5", OBSERVED);
	append_of(r, "cccccccccccc", "postern.conf:7", OBSERVED);
	append_of(r, "cccccccccccc", "postern.conf:7", OBSERVED);
	append_of(r, "dddddddddddd", "postern.conf:6", OBSERVED);
	append_of(r, "eeeeeeeeeeee", "postern.conf:5", REFUSED);
	/* Blocks that are closed before it are not around it. */
	was(r, "999999999999",
	    "if helo is \"x\" {\nscore 1\n}\nif helo is \"x\" {\nobserve " RULE "\n}");
	append_of(r, "999999999999", "postern.conf:8", OBSERVED);
	times(r, "promote postern.conf:8 --dry-run",
	    "postern.conf:8 would have said reject 4 times, to 1 sender\n",
	    "left out: 3 entries of this rule, when other blocks were around it\n");
	assert_null(strstr(r->out, "not certain"));
	times(r, "promote postern.conf:8 --dry-run --json",
	    "\"left_out\":0,\"other_blocks\":3,\"other_names\":0,\"uncertain\":0,\"verdict\":\"reject\",\"n\":4,",
	    NULL);
	/* One without a condition asks the same with and without the word. */
	was(r, "111111111111", "reject 550 5.7.1 \"No\"");
	append_of(r, "111111111111", "postern.conf:4", REFUSED);
	was(r, "222222222222", "observe reject 550 5.7.1 \"No\"");
	append_of(r, "222222222222", "postern.conf:4", OBSERVED);
	times(r, "promote postern.conf:4 --dry-run",
	    "postern.conf:4 would have said reject 1 time, to 1 sender\n",
	    "left out: 1 entry that names postern.conf:4, where another rule stood then\n");
	was(r, "333333333333", "\nreject 550 5.7.1 \"No\"");
	times(r, "demote postern.conf:5 --dry-run",
	    "postern.conf:5 said reject 1 time, to 1 sender\n",
	    "left out: 1 entry that names postern.conf:5, where another rule stood then\n");
}

/* With the definitions and lists that the rules name. */
static void
named(struct run *r, const char *revision, const char *front, const char *rules)
{
	char text[1000];

	snprintf(text, sizeof(text), HEAD "%sat mail {\n%s\n}\n", front, rules);
	write_file(r, "postern.conf", text);
	run_configuration_as(r, "postern.conf", revision);
}

#define NAMED "observe reject 550 5.7.1 \"No\" if outsider"
#define FRONT "list p { \"a.test\" }\ndefine outsider = not helo in p\n"

static void
test_other_names(void **state)
{
	struct run *r = *state;

	named(r, "aaaaaaaaaaaa", "list p { \"b.test\" }\ndefine outsider = not helo in p\n", NAMED);
	named(r, "bbbbbbbbbbbb", FRONT, NAMED);
	append_of(r, "aaaaaaaaaaaa", "postern.conf:6", OBSERVED);
	append_of(r, "aaaaaaaaaaaa", "postern.conf:6", OBSERVED);
	append_of(r, "bbbbbbbbbbbb", "postern.conf:6", OBSERVED);
	times(r, "promote postern.conf:6 --dry-run",
	    "postern.conf:6 would have said reject 1 time, to 1 sender\n",
	    "left out: 2 entries of this rule, when `p` stood for something else\n");
	assert_null(strstr(r->out, "not certain"));
	times(r, "promote postern.conf:6 --dry-run --json",
	    "\"left_out\":0,\"other_blocks\":0,\"other_names\":2,\"uncertain\":0,", NULL);
	/* One that names nothing says what its text does. */
	named(r, "cccccccccccc", FRONT, "observe " RULE);
	named(r, "dddddddddddd", FRONT "list q { \"x\" }\n", "score 1 if helo in q\nobserve " RULE);
	append_of(r, "cccccccccccc", "postern.conf:6", OBSERVED);
	times(r, "promote postern.conf:8 --dry-run",
	    "postern.conf:8 would have said reject 1 time, to 1 sender\n", NULL);
	assert_null(strstr(r->out, "not certain"));
	/* Names of the blocks around it are its own; what stands in braces is text. */
	named(r, "eeeeeeeeeeee", FRONT "list q { \"x\" }\n",
	    "if helo in p {\nobserve reject 550 5.7.1 \"No\" if helo in { \"x\" }\n}");
	append_of(r, "eeeeeeeeeeee", "postern.conf:8", OBSERVED);
	named(r, "999999999999", FRONT,
	    "if helo in p {\nobserve reject 550 5.7.1 \"No\" if helo in { \"x\" }\n}");
	times(r, "promote postern.conf:7 --dry-run",
	    "postern.conf:7 would have said reject 1 time, to 1 sender\n", NULL);
	assert_null(strstr(r->out, "not certain"));
	named(r, "111111111111", "list p { \"b.test\" }\ndefine outsider = not helo in p\n",
	    "if helo in p {\nobserve reject 550 5.7.1 \"No\" if helo in { \"x\" }\n}");
	times(r, "promote postern.conf:7 --dry-run", "postern.conf:7 would have refused nothing",
	    "left out: 1 entry of this rule, when `p` stood for something else\n");
}

/* What a definition says is what those say that it uses; blanks and comments say nothing. */
static void
test_other_definitions(void **state)
{
	struct run *r = *state;

	named(r, "aaaaaaaaaaaa", "define far = helo is \"x\"\ndefine outsider = not far\n", NAMED);
	named(r, "bbbbbbbbbbbb", "define far = helo is \"y\"\ndefine outsider = not far\n", NAMED);
	named(r, "cccccccccccc", "define far = helo is \"x\"\ndefine outsider = far\n", NAMED);
	named(r, "eeeeeeeeeeee",
	    "define  outsider =  not   far # so\ndefine far = helo   is \"x\"\n", NAMED);
	append_of(r, "aaaaaaaaaaaa", "postern.conf:6", OBSERVED);
	append_of(r, "bbbbbbbbbbbb", "postern.conf:6", OBSERVED);
	append_of(r, "bbbbbbbbbbbb", "postern.conf:6", OBSERVED);
	append_of(r, "cccccccccccc", "postern.conf:6", OBSERVED);
	append_of(r, "eeeeeeeeeeee", "postern.conf:6", OBSERVED);
	times(r, "promote postern.conf:6 --dry-run",
	    "postern.conf:6 would have said reject 2 times, to 1 sender\n",
	    "left out: 3 entries of this rule, when `outsider` stood for something else\n");
	assert_null(strstr(r->out, "not certain"));
}

/* A configuration from before digests were kept. */
static void
was_before(struct run *r, const char *revision)
{
	struct configurations all = { 0 };
	char digest[EXCEPTION_RULE], text[500];
	struct err e;

	snprintf(text, sizeof(text),
	    "{\"format\":1,\"rules\":[{\"at\":\"mail\",\"rule\":\"postern.conf:6\",\"source\":\"observe reject "
	    "550 5.7.1 \\\"No\\\" if outsider\",\"action\":\"reject\",\"digest\":\"%s\",\"observed\":true}],"
	    "\"words\":\"0123456789ab\",\"files\":{}}",
	    exception_digest(STR("if outsider"), digest));
	configurations_add(&all, str_of(revision), str_of(text));
	assert_true(configurations_store(&all, r->journal, 1, &e));
	configurations_free(&all);
}

static void
test_names_of_before(void **state)
{
	struct run *r = *state;

	was_before(r, "aaaaaaaaaaaa");
	named(r, "bbbbbbbbbbbb", FRONT, NAMED);
	append_of(r, "aaaaaaaaaaaa", "postern.conf:6", OBSERVED);
	append_of(r, "aaaaaaaaaaaa", "postern.conf:6", OBSERVED);
	append_of(r, "bbbbbbbbbbbb", "postern.conf:6", OBSERVED);
	times(r, "promote postern.conf:6 --dry-run",
	    "postern.conf:6 would have said reject 3 times, to 1 sender\n", NULL);
	run_has(r,
	    "not certain: 2 entries of these; the configuration was changed since, and whether `outsider`, "
	    "`p` meant the same is not kept\n");
}

/* What may hold addresses has no digest where they are hashed: as in configurations from before there were any. */
static void
test_unknown_names(void **state)
{
	static const char hashed[] = "journal addresses hashed \"key\"\n";
	static const char texts[] = "list p { \"b@b.test\" }\ndefine outsider = not helo in p\n";
	static const char nets[] = "list p { 192.0.2.0/24 }\ndefine outsider = client in p\n";
	char front[200];
	struct run *r = *state;

	write_file(r, "key", "0123456789abcdef0123456789abcdef");
	assert_int_equal(chmod(folder_file(&r->folder, "key"), 0600), 0);
	snprintf(front, sizeof(front), "%s%s", hashed, texts);
	named(r, "aaaaaaaaaaaa", front, NAMED);
	append_of(r, "aaaaaaaaaaaa", "postern.conf:7", OBSERVED);
	times(r, "promote postern.conf:7 --dry-run", "reject 1 time, to 1 sender\n", NULL);
	assert_null(strstr(r->out, "not certain"));
	snprintf(front, sizeof(front), "%s# so\n%s", hashed, texts);
	named(r, "bbbbbbbbbbbb", front, NAMED);
	times(r, "promote postern.conf:8 --dry-run", "reject 1 time, to 1 sender\n", NULL);
	run_has(
	    r, "not certain: 1 entry of these; the configuration was changed since, and whether ");
	times(r, "promote postern.conf:8 --dry-run --json", "\"other_names\":0,\"uncertain\":1,",
	    NULL);
	/* Networks are no such. */
	snprintf(front, sizeof(front), "%s%s", hashed, nets);
	named(r, "cccccccccccc", front, NAMED);
	append_of(r, "cccccccccccc", "postern.conf:7", OBSERVED);
	snprintf(front, sizeof(front), "%s# so\n%s", hashed, nets);
	named(r, "dddddddddddd", front, NAMED);
	times(r, "promote postern.conf:8 --dry-run", "reject 1 time, to 1 sender\n",
	    "left out: 1 entry ");
	assert_null(strstr(r->out, "not certain"));
}

/* What is in a file of a list is not in the configuration's text. */
static void
test_other_files(void **state)
{
	static const char front[] = "list p { file \"p.list\" }\n";
	static const char rule[] = "observe reject 550 5.7.1 \"No\" if helo in p";
	struct run *r = *state;

	write_file(r, "p.list", "a.test\n");
	named(r, "aaaaaaaaaaaa", front, rule);
	append_of(r, "aaaaaaaaaaaa", "postern.conf:5", OBSERVED);
	times(r, "promote postern.conf:5 --dry-run", "reject 1 time, to 1 sender\n", NULL);
	assert_null(strstr(r->out, "not certain"));
	write_file(r, "p.list", "b.test\n");
	times(r, "promote postern.conf:5 --dry-run", "postern.conf:5 would have refused nothing",
	    "left out: 1 entry of this rule, when `p` stood for something else\n");
}

/* --- the file ------------------------------------------------------------------------------------ */

static ino_t
inode(struct run *r, const char *name)
{
	struct stat st;

	assert_int_equal(stat(folder_file(&r->folder, name), &st), 0);
	return st.st_ino;
}

/* A link stays one, and so does what it leads to, but for the word. */
static void
test_link(void **state)
{
	static const char before[] = HEAD "at mail {\nobserve " RULE "\n}\n";
	struct run *r = *state;
	struct stat st;
	ino_t old;
	char *real = strdup(folder_file(&r->folder, "real.conf"));

	write_file(r, "real.conf", before);
	assert_int_equal(chmod(folder_file(&r->folder, "real.conf"), 0604), 0);
	assert_int_equal(symlink("real.conf", folder_file(&r->folder, "postern.conf")), 0);
	old = inode(r, "real.conf");
	assert_int_equal(link(real, folder_file(&r->folder, "kept.conf")), 0);
	free(real);
	play(r, "promote postern.conf:4 --yes");
	assert_int_equal(r->code, 0);
	file_is(r, "real.conf", HEAD "at mail {\n" RULE "\n}\n");
	/* Another file came in the place of the old one, which whoever reads it still has whole. */
	assert_int_not_equal(inode(r, "real.conf"), old);
	file_is(r, "kept.conf", before);
	assert_int_equal(lstat(folder_file(&r->folder, "postern.conf"), &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(folder_file(&r->folder, "real.conf"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0604);
	assert_int_equal(access(folder_file(&r->folder, ".real.conf.new"), F_OK), -1);
}

/* The folder with what is in it, but for what is in its folders. */
static void
folder_give(struct run *r, uid_t to)
{
	DIR *d = opendir(r->folder.path);
	const struct dirent *one;

	assert_non_null(d);
	while ((one = readdir(d)) != NULL)
		if (one->d_type == DT_REG)
			assert_int_equal(
			    chown(folder_file(&r->folder, one->d_name), to, (gid_t)-1), 0);
	closedir(d);
	assert_int_equal(chown(r->folder.path, to, (gid_t)-1), 0);
}

/* Who may not write the folder changes nothing. */
static void
test_read_only(void **state)
{
	static const char rules[] = "at mail {\nobserve " RULE "\n}\n";
	struct run *r = *state;
	bool root = geteuid() == 0;
	char *folder;

	write_file(r, "postern.conf", HEAD "include \"ro/rules.conf\"\n");
	folder = strdup(folder_file(&r->folder, "ro"));
	assert_int_equal(mkdir(folder, 0755), 0);
	write_file(r, "ro/rules.conf", rules);
	assert_int_equal(chmod(folder, 0555), 0);
	if (root) {
		folder_give(r, 65534);
		assert_int_equal(seteuid(65534), 0);
	}
	play(r, "promote ro/rules.conf:2 --yes");
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(r->code, 2);
	assert_non_null(strstr(r->err, "ro/rules.conf: Permission denied\n"));
	assert_null(strstr(r->out, "once posternd has read it"));
	file_is(r, "ro/rules.conf", rules);
	assert_int_equal(unlink(folder_file(&r->folder, "ro/rules.conf")), 0);
	assert_int_equal(rmdir(folder), 0);
	free(folder);
}

/* Two administrators: the second one's work is not lost, nor is that of one who is at it. */
static void
test_meanwhile(void **state)
{
	static const struct {
		const char *read, *there;
		bool ok;
	} cases[] = {
		{ "what was read", "what was read", true },
		{ "what was read", "what was saved", false },
		{ "what was read", "what was read, and more", false },
		{ "what was read", "what was", false },
		{ "what was read", "", false },
		{ "", "what was saved", false },
		{ "", "", true },
	};
	struct run *r = *state;
	char *path = strdup(folder_file(&r->folder, "a.conf"));

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct rewriting w = { str_of(cases[i].read), STR("what is new") };
		struct err e = { 0 };

		write_file(r, "a.conf", cases[i].there);
		assert_int_equal(rewrite_file(path, &w, &e), cases[i].ok);
		if (cases[i].ok || cases[i].there[0])
			file_is(r, "a.conf", cases[i].ok ? "what is new" : cases[i].there);
		if (!cases[i].ok)
			assert_non_null(strstr(e.text,
			    "a.conf was changed by somebody else "
			    "meanwhile: nothing was written"));
		assert_int_equal(access(folder_file(&r->folder, ".a.conf.new"), F_OK), -1);
	}
	free(path);
	write_file(r, "postern.conf", HEAD "at mail {\nobserve " RULE "\n}\n");
	write_file(r, ".postern.conf.new", "another's");
	play(r, "promote postern.conf:4 --yes");
	assert_int_equal(r->code, 2);
	assert_non_null(strstr(r->err, "is there already: somebody else is at it, or was"));
	file_is(r, "postern.conf", HEAD "at mail {\nobserve " RULE "\n}\n");
	file_is(r, ".postern.conf.new", "another's");
}

/* What a rule is once the word is gone, when all are observed. */
static void
test_mode(void **state)
{
	struct run *r = *state;

	write_file(r, "postern.conf", HEAD "mode observe\nat mail {\nobserve " RULE "\n}\n");
	play(r, "promote postern.conf:5 --yes");
	assert_int_equal(r->code, 0);
	run_has(r,
	    "postern.conf:5 is enforced once posternd has read it, and `mode observe` is gone: ");
	file_is(r, "postern.conf", HEAD "mode observe\nat mail {\n" RULE "\n}\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_promote, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_promote_hard, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_demote, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_back, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_checked_before, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_included, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_numbers, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_refused, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_moved, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_twins, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_other_blocks, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_other_names, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_other_definitions, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_names_of_before, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_unknown_names, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_other_files, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_link, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_read_only, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_meanwhile, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_mode, run_setup, run_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
