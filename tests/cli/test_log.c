#include "cli/cli.h"

#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/pager.h"
#include "db/json.h"
#include "tests/cli/run.h"

/* Three entries, an hour apart. */
static void
fill(struct run *r)
{
	struct journal_record a = run_record(), b = run_record(), c = run_record();

	memcpy(a.id, "aaaaaa", 7);
	run_append(r, &a);
	memcpy(b.id, "bbbbbb", 7);
	b.time_ms += 3600000;
	b.verdict = "tempfail";
	b.code = 451;
	b.step = "rcpt";
	b.client_ip = STR("2001:db8::25");
	b.sender = STR("");
	b.recipients = STR("[\"x@example.org\",\"y@example.com\"]");
	b.text = STR("Greylisted");
	b.rule = STR("postern.conf:15");
	run_append(r, &b);
	memcpy(c.id, "cccccc", 7);
	c.time_ms += 7200000;
	c.verdict = "accept";
	c.code = 250;
	c.step = "message";
	c.text = STR("ok");
	c.rule = STR("");
	c.observed = STR("reject");
	c.recipients = STR("[\"z@example.org\"]");
	c.subject = STR("Your invoice");
	run_append(r, &c);
}

static const char line_a[] =
    "2026-01-31 12:00:00  aaaaaa  reject    550  mail     192.0.2.1     a@example.net  -"
    "                             SPF: not permitted  postern.conf:12\n";
static const char line_b[] =
    "2026-01-31 13:00:00  bbbbbb  tempfail  451  rcpt     2001:db8::25  <>             "
    "x@example.org, y@example.com  Greylisted  postern.conf:15\n";
static const char line_c[] =
    "2026-01-31 14:00:00  cccccc  accept    250  message  192.0.2.1     a@example.net  "
    "z@example.org                 ok  observed: reject  subject: Your invoice\n";

static void
test_lines(void **state)
{
	struct run *r = *state;
	char all[1000];

	run_cli(r, "log");
	run_is(r, 1, "", "");
	fill(r);
	run_cli(r, "log");
	snprintf(all, sizeof(all), "%s%s%s", line_a, line_b, line_c);
	run_is(r, 0, all, "");
}

/* Quotes and backslashes stay what they are. */
static void
test_backslashes(void **state)
{
	struct run *r = *state;
	struct journal_record record = run_record();

	record.text = STR("say \\x22no\\x22 \"twice\"");
	run_append(r, &record);
	run_cli(r, "log");
	run_has(r, "  say \\x22no\\x22 \"twice\"  postern.conf:12\n");
}

/* A flood that is one entry. */
static void
test_times(void **state)
{
	struct run *r = *state;
	struct journal_record record = run_record();

	record.times = 4711;
	run_append(r, &record);
	run_cli(r, "log");
	run_has(r, "  SPF: not permitted  (4711 times)  postern.conf:12\n");
	run_cli(r, "log --json");
	run_has(r, ",\"times\":4711,");
}

struct filtered {
	const char *words, *ids; /* the first letters of the ids found */
};

static const struct filtered filters[] = {
	{ "log --since '2026-01-31 13:00'", "bc" },
	{ "log --since 2026-01-31T13:00:01Z", "c" },
	{ "log --until '2026-01-31 13:00'", "a" },
	{ "log --since 1h", "" },
	{ "log --verdict reject", "a" },
	{ "log --verdict=tempfail", "b" },
	{ "log --from A@EXAMPLE", "ac" },
	{ "log --to y@example.com", "b" },
	{ "log --ip 192.0.2.0/24", "ac" },
	{ "log --ip 2001:db8::25", "b" },
	{ "log --ip mx.example", "abc" },
	{ "log --rule :15", "b" },
	{ "log --text greylist", "b" },
	{ "log --subject INVOICE", "c" },
	{ "log --text invoice", "c" },
	{ "log --subject example.net", "" },
	{ "log --last 2", "bc" },
	{ "log -n 2", "bc" },
	{ "log --last 1 --verdict reject", "a" },
	{ "log --verdict accept --from nobody", "" },
};

static void
test_filters(void **state)
{
	struct run *r = *state;

	fill(r);
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		char ids[10] = "", *rest;
		size_t n = 0;

		run_cli(r, filters[i].words);
		for (char *l = strtok_r(r->out, "\n", &rest); l; l = strtok_r(NULL, "\n", &rest))
			ids[n++] = l[21];
		if (strcmp(ids, filters[i].ids) != 0)
			fail_msg("%s: %s, not %s", filters[i].words, ids, filters[i].ids);
		assert_int_equal(r->code, n > 0 ? 0 : 1);
		assert_string_equal(r->err, "");
	}
}

/* The whole journal, one in which an entry was altered, and one whose end is gone. */
static void
test_verify(void **state)
{
	struct run *r = *state;
	sqlite3 *handle;

	run_cli(r, "log --verify");
	run_is(r, 0, NULL, "");
	run_has(r, "no entries\n");
	folder_write(&r->folder, "postern.conf", "", 0);
	run_configuration(r, "postern.conf");
	fill(r);
	run_cli(r, "log --verify");
	run_is(r, 0, NULL, "");
	run_has(r, "3 entries, 1 to 3: the chain is whole\nnewest: 3 ");
	run_cli(r, "log --verify --json");
	run_is(r, 0, NULL, "");
	run_has(r,
	    "{\"faults\":[],\"whole\":true,\"first\":1,\"last\":3,\"entries\":3,\"unchained\":0,"
	    "\"forgotten\":0,\"n_faults\":0,\"head\":true,\"newest\":{\"serial\":3,\"link\":\"");
	assert_int_equal(sqlite3_open(folder_file(&r->folder, "journal.db"), &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle,
			     "UPDATE entry SET sender = 'x' WHERE serial = 2;"
			     "DELETE FROM entry WHERE serial = 3",
			     NULL, NULL, NULL),
	    SQLITE_OK);
	sqlite3_close(handle);
	run_cli(r, "log --verify");
	run_is(r, 1, NULL, "");
	run_has(r,
	    "2             2026-01-31 13:00:00  not what was written\n"
	    "3                                  missing at the end: they had been written\n"
	    "2 entries, 1 to 2: not whole\n");
	run_cli(r, "log --verify --json");
	run_is(r, 1, NULL, "");
	run_has(r,
	    "{\"faults\":[{\"kind\":\"altered\",\"first\":2,\"last\":2,\"time\":"
	    "\"2026-01-31T13:00:00.123Z\",\"config\":\"\"},{\"kind\":\"cut\",\"first\":3,\"last\":3,"
	    "\"time\":null,\"config\":\"\"}],"
	    "\"whole\":false,");
	/* From the third hour on there is only what is missing. */
	run_cli(r, "log --verify --since '2026-01-31 13:30'");
	run_is(r, 1, NULL, "");
	run_cli(r, "log --verify --since never");
	run_is(r, 2, "", NULL);
}

static void
at_the_journal(struct run *r, const char *sql)
{
	sqlite3 *handle;

	assert_int_equal(sqlite3_open(folder_file(&r->folder, "journal.db"), &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(handle);
}

/* Whole as far as it goes; where it ended is not known without its head, of a copy either. */
static void
test_verify_head(void **state)
{
	struct run *r = *state;
	char head[600], aside[600];

	fill(r);
	snprintf(head, sizeof(head), "%s", folder_file(&r->folder, "journal.db-head"));
	snprintf(aside, sizeof(aside), "%s", folder_file(&r->folder, "aside"));
	assert_int_equal(rename(head, aside), 0);
	at_the_journal(r, "DELETE FROM entry WHERE serial = 3");
	run_cli(r, "log --verify");
	run_is(r, 1, NULL, "");
	run_has(r,
	    "2 entries, 1 to 2: the chain is whole\n"
	    "journal.db-head is missing, so whether entries were cut off at the end is not known; of a "
	    "copy, take the one along that was beside the journal\n"
	    "newest: 2 ");
	run_cli(r, "log --verify --json");
	run_is(r, 1, NULL, "");
	run_has(r, "{\"faults\":[],\"whole\":true,");
	run_has(r, "\"head\":false,");
	folder_write(&r->folder, "journal.db-head", "nonsense", 8);
	run_cli(r, "log --verify");
	run_is(r, 1, NULL, "");
	run_has(r, "journal.db-head is damaged, or cannot be read, so ");
	/* The one of before the copy was made. */
	assert_int_equal(rename(aside, head), 0);
	run_cli(r, "log --verify");
	run_is(r, 1, NULL, "");
	run_has(r, "missing at the end: they had been written\n");
}

/* What the entries' numbers stand for was altered, or is gone. */
static void
test_verify_configuration(void **state)
{
	struct run *r = *state;

	folder_write(&r->folder, "postern.conf", "", 0);
	run_configuration(r, "postern.conf");
	fill(r);
	run_cli(r, "log --verify");
	run_is(r, 0, NULL, "");
	at_the_journal(r, "UPDATE configuration SET text = '{}'");
	run_cli(r, "log --verify");
	run_is(r, 1, NULL, "");
	run_has(r,
	    "1-3           2026-01-31 12:00:00  their configuration 0123456789ab was altered: do not "
	    "trust what why and replay say of them; take its row from a backup\n"
	    "3 entries, 1 to 3: not whole\n");
	at_the_journal(r, "DELETE FROM configuration");
	run_cli(r, "log --verify");
	run_is(r, 1, NULL, "");
	run_has(r,
	    "their configuration 0123456789ab is gone: they cannot be checked, nor told by why and "
	    "replay; start posternd with it once more, or take its row from a backup\n");
	run_cli(r, "log --verify --json");
	run_is(r, 1, NULL, "");
	run_has(r,
	    "{\"kind\":\"configuration-gone\",\"first\":1,\"last\":3,\"time\":"
	    "\"2026-01-31T12:00:00.123Z\",\"config\":\"0123456789ab\"}],");
}

static void
test_json(void **state)
{
	struct run *r = *state;
	struct journal_record record = run_record();
	char want[1000];

	memcpy(record.id, "aaaaaa", 7);
	record.recipients = STR("[\"b@example.org\"]");
	record.facts = STR("{\"spf\":\"fail\",\"n\":3}");
	record.subject = STR("\"Hi\"");
	run_append(r, &record);
	run_cli(r, "log --json");
	snprintf(want, sizeof(want),
	    "{\"id\":\"aaaaaa\",\"serial\":1,\"time\":\"2026-01-31T12:00:00.123Z\",\"front\":\"proxy\","
	    "\"session\":\"s7\",\"step\":\"mail\",\"client_ip\":\"192.0.2.1\","
	    "\"client_name\":\"mx.example.net\",\"helo\":\"helo.example.net\",\"account\":\"\","
	    "\"sender\":\"a@example.net\",\"recipients\":[\"b@example.org\"],\"verdict\":\"reject\","
	    "\"code\":550,\"enhanced\":\"5.7.23\",\"text\":\"SPF: not permitted\","
	    "\"rule\":\"postern.conf:12\",\"observed\":\"\",\"queue_id\":\"\","
	    "\"subject\":\"\\\"Hi\\\"\",\"size\":0,\"times\":1,"
	    "\"took_us\":1234,\"config\":\"0123456789ab\",\"facts\":{\"spf\":\"fail\",\"n\":3}}\n");
	run_is(r, 0, want, "");
}

/* --- a terminal --------------------------------------------------------------------------------- */

/* Runs `log` on a terminal so wide; returns what it showed. */
static void
on_terminal(struct run *r, unsigned short columns, char *shown, size_t size)
{
	char *argv[] = { (char *)"postern", (char *)"--database", r->folder.path, (char *)"log",
		NULL };
	struct winsize ws = { .ws_col = columns, .ws_row = 24 };
	int master, slave;
	size_t at = 0;
	ssize_t n;
	FILE *out;

	assert_int_equal(openpty(&master, &slave, NULL, NULL, &ws), 0);
	out = fdopen(slave, "w");
	assert_non_null(out);
	assert_int_equal(cli_main(4, argv, out, stderr), 0);
	fclose(out);
	/* It comes in pieces; after the last one nobody is there to write more. */
	while ((n = read(master, shown + at, size - 1 - at)) > 0)
		at += (size_t)n;
	assert_true(at > 0);
	shown[at] = '\0';
	close(master);
}

static void
test_terminal(void **state)
{
	struct run *r = *state;
	char shown[4000], *rest;

	fill(r);
	unsetenv("NO_COLOR");
	setenv("TERM", "xterm", 1);
	setenv("PAGER", "cat", 1);
	on_terminal(r, 200, shown, sizeof(shown));
	assert_non_null(strstr(shown, "\033[31mreject\033[0m"));
	assert_non_null(strstr(shown, "\033[33mtempfail\033[0m"));
	assert_non_null(strstr(shown, "\033[32maccept\033[0m"));
	setenv("NO_COLOR", "1", 1);
	on_terminal(r, 200, shown, sizeof(shown));
	assert_null(strchr(shown, '\033'));
	on_terminal(r, 60, shown, sizeof(shown));
	assert_null(strchr(shown, '\033'));
	for (char *l = strtok_r(shown, "\r\n", &rest); l; l = strtok_r(NULL, "\r\n", &rest))
		assert_in_range(strlen(l), 40, 60);
	/* All of it goes through the pager, and what it says stands at the end. */
	setenv("PAGER", "sed 's/^/| /'; echo left", 1);
	on_terminal(r, 200, shown, sizeof(shown));
	assert_memory_equal(shown, "| 2026-01-31 12:00:00  aaaaaa  ", 31);
	assert_non_null(strstr(shown,
	    "\r\n| 3 entries:  1 accept  1 tempfail  1 reject  from 2026-01-31 12:00:00 to "
	    "2026-01-31 14:00:00\r\nleft\r\n"));
	/* One that can only print gets neither. */
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	on_terminal(r, 200, shown, sizeof(shown));
	assert_null(strchr(shown, '\033'));
	assert_memory_equal(shown, "2026-01-31 12:00:00  aaaaaa  ", 29);
	setenv("TERM", "xterm", 1);
	unsetenv("PAGER");
}

/* What less is told: its user's own ways, and that colours are let through. */
static void
test_less(void **state)
{
	struct run *r = *state;
	char shown[4000];

	fill(r);
	setenv("TERM", "xterm", 1);
	setenv("PAGER", "cat >/dev/null; echo \"$LESS\"", 1);
	unsetenv("LESS");
	on_terminal(r, 200, shown, sizeof(shown));
	assert_string_equal(shown, "FRX\r\n");
	setenv("LESS", "-iM", 1);
	on_terminal(r, 200, shown, sizeof(shown));
	assert_string_equal(shown, "-R -iM\r\n");
	unsetenv("LESS");
	/* Blanks are no pager. */
	setenv("PAGER", "  ", 1);
	on_terminal(r, 200, shown, sizeof(shown));
	assert_non_null(strstr(shown, "aaaaaa"));
	unsetenv("PAGER");
}

/* Ctrl-C reaches all that run in a terminal; the pager, which may go on, is waited for. */
static void
test_interrupted(void **state)
{
	struct run *r = *state;
	char shown[4000];
	int status;
	pid_t pid;

	fill(r);
	setenv("TERM", "xterm", 1);
	setenv("PAGER", "kill -INT $PPID; cat", 1);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		on_terminal(r, 200, shown, sizeof(shown));
		_exit(strstr(shown, "3 entries:") ? 7 : 8);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 7);
	unsetenv("PAGER");
}

/* A pager that is left ends a search that has found nothing to print yet. */
static void
test_pager_left(void **state)
{
	struct cli cli = { .out = stdout, .err = stderr, .width = 80 };
	struct pager pager;
	int status;
	pid_t pid;

	setenv("PAGER", "true", 1);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		pager_begin(&pager, &cli);
		sleep(60);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGPIPE);
	unsetenv("PAGER");
}

/* Ideographs take two columns each, and an accent none that is a character of its own. */
static void
test_columns(void **state)
{
	static const char ideographs[] = "\xe6\x9d\x8e\xe5\xb0\x8f\xe9\xbe\x99@example.net";
	struct run *r = *state;
	struct journal_record record = run_record();
	char shown[4000];

	record.sender = str_of(ideographs);
	run_append(r, &record);
	record.id[0] = '\0';
	record.sender = STR("e\xcc\x81@example.net");
	run_append(r, &record);
	run_cli(r, "log");
	run_has(r, "\xe9\xbe\x99@example.net  -  SPF");
	run_has(r, "e\xcc\x81@example.net       -  SPF");
	setenv("TERM", "xterm", 1);
	setenv("NO_COLOR", "1", 1);
	setenv("PAGER", "cat", 1);
	/* Five columns are left for it: there is no half of one. */
	on_terminal(r, 69, shown, sizeof(shown));
	assert_non_null(strstr(shown, "  192.0.2.1  \xe6\x9d\x8e\xe5\xb0\x8f\r\n"));
	unsetenv("NO_COLOR");
	unsetenv("PAGER");
}

/* Those of one session together, where its first stands. */
static void
test_groups(void **state)
{
	struct run *r = *state;
	struct journal_record record = run_record();
	static const char *const sessions[] = { "one", "two", "one", "", "" };

	for (size_t i = 0; i < 5; i++) {
		char id[8] = { (char)('a' + i), 'b', 'c', 'd', 'e', 'f', '\0' };

		memcpy(record.id, id, sizeof(id));
		record.serial = 0;
		record.session = str_of(sessions[i]);
		record.time_ms += 60000;
		run_append(r, &record);
	}
	run_cli(r, "log --group");
	run_is(r, 0,
	    "2026-01-31 12:01:00  192.0.2.1  mx.example.net  helo helo.example.net  2 entries  session one\n"
	    "  2026-01-31 12:01:00  abcdef  reject    550  mail     192.0.2.1  a@example.net  -  SPF: not permitted  postern.conf:12\n"
	    "  2026-01-31 12:03:00  cbcdef  reject    550  mail     192.0.2.1  a@example.net  -  SPF: not permitted  postern.conf:12\n"
	    "2026-01-31 12:02:00  192.0.2.1  mx.example.net  helo helo.example.net  1 entry  session two\n"
	    "  2026-01-31 12:02:00  bbcdef  reject    550  mail     192.0.2.1  a@example.net  -  SPF: not permitted  postern.conf:12\n"
	    "2026-01-31 12:04:00  192.0.2.1  mx.example.net  helo helo.example.net  1 entry\n"
	    "  2026-01-31 12:04:00  dbcdef  reject    550  mail     192.0.2.1  a@example.net  -  SPF: not permitted  postern.conf:12\n"
	    "2026-01-31 12:05:00  192.0.2.1  mx.example.net  helo helo.example.net  1 entry\n"
	    "  2026-01-31 12:05:00  ebcdef  reject    550  mail     192.0.2.1  a@example.net  -  SPF: not permitted  postern.conf:12\n",
	    "");
	run_cli(r, "log --group --json");
	run_is(
	    r, 2, "", "postern: --group is for people, and for what is there: not with --json\n");
	run_cli(r, "log --group --verdict accept");
	run_is(r, 1, "", "");
}

static void
test_csv(void **state)
{
	struct run *r = *state;
	struct journal_record record = run_record();

	memcpy(record.id, "aaaaaa", 7);
	record.helo = STR("=cmd|' /C calc'!A0");
	record.text = STR("say \"no\",\r\ntwice");
	record.recipients = STR("[\"x@example.org\",\"y@example.com\"]");
	record.subject = STR("=1+1");
	run_append(r, &record);
	run_cli(r, "log --csv");
	run_is(r, 0,
	    "id,time,front,step,verdict,code,size,times,recipients,client_ip,client_name,helo,account,sender,"
	    "enhanced,text,rule,observed,queue_id,session,subject\r\n"
	    "aaaaaa,2026-01-31T12:00:00.123Z,proxy,mail,reject,550,0,1,\"x@example.org, y@example.com\","
	    "\"192.0.2.1\",\"mx.example.net\",\"'=cmd|' /C calc'!A0\",\"\",\"a@example.net\",\"5.7.23\","
	    "\"say \"\"no\"\",\\x0d\\x0atwice\",\"postern.conf:12\",\"\",\"\",\"s7\",\"'=1+1\"\r\n",
	    "");
	run_cli(r, "log --csv --json");
	run_is(r, 2, "", "postern: --csv and --json: one of them\n");
}

/* Times as they are here, or as they are everywhere. */
static void
test_utc(void **state)
{
	struct run *r = *state;

	fill(r);
	setenv("TZ", "EST5", 1);
	tzset();
	run_cli(r, "log --last 1");
	run_has(r, "2026-01-31 09:00:00  cccccc");
	run_cli(r, "log --since '2026-01-31 09:00'");
	run_has(r, "cccccc");
	assert_null(strstr(r->out, "bbbbbb"));
	run_cli(r, "log --utc --last 1");
	run_has(r, "2026-01-31 14:00:00  cccccc");
	run_cli(r, "log --utc --since '2026-01-31 14:00'");
	run_has(r, "cccccc");
	assert_null(strstr(r->out, "bbbbbb"));
}

/* --- texts of strangers ------------------------------------------------------------------------- */

/* All octets there are, and characters that turn a terminal's head. */
static const char nasty_end[] = "\xc2\x9b"
				"31m\xe2\x80\xae"
				"cba\xe2\x81\xa6\xef\xbb\xbf\xc3(\xff\"\\\x1b]0;title\x07";

static struct str
nasty(char out[512])
{
	for (int i = 0; i < 256; i++)
		out[i] = (char)i;
	memcpy(out + 256, nasty_end, sizeof(nasty_end) - 1);
	return (struct str){ out, 256 + sizeof(nasty_end) - 1 };
}

/* Nothing but printable text and ends of lines; of UTF-8 nothing that a terminal obeys. */
static void
harmless(const char *what, const char *text)
{
	for (const char *p = text; *p; p++) {
		unsigned char c = (unsigned char)*p;
		bool bad = (c < 0x20 && c != '\n') || c == 0x7f;

		bad = bad || (c == 0xc2 && (unsigned char)p[1] < 0xa0);
		bad = bad || strncmp(p, "\xe2\x80\xae", 3) == 0;
		bad = bad || strncmp(p, "\xe2\x81\xa6", 3) == 0;
		bad = bad || strncmp(p, "\xef\xbb\xbf", 3) == 0;
		if (bad)
			fail_msg("%s: octet %02x in: %s", what, c, p);
	}
}

static void
test_hostile(void **state)
{
	static const char *const words[] = { "log", "log --json", "why hhhhhh", "why hhhhhh --json",
		"why jjjjjj", "why jjjjjj --json", "stats --since 2026-01-01",
		"stats --since 2026-01-01 --json" };
	struct run *r = *state;
	struct journal_record h = run_record();
	char octets[512];
	struct buf trace;

	memcpy(h.id, "hhhhhh", 7);
	h.session = h.client_ip = h.client_name = h.helo = h.account = h.sender = nasty(octets);
	h.recipients = h.enhanced = h.text = h.rule = h.queue_id = h.facts = nasty(octets);
	h.trace = h.answers = h.observed = h.config = h.subject = nasty(octets);
	run_append(r, &h);
	/* The same inside of JSON that can be read. */
	buf_init(&trace, 8192);
	buf_printf(&trace,
	    "[{\"rule\":\"\xc2\x9b\x7f\",\"source\":\"\\u001b[31m\\u009b\",\"hit\":true,\"facts\":"
	    "[{\"fact\":\"\\u202e\",\"value\":[\"\\u0007\",{\"\xff\":\"\x7f\"}],\"us\":1}],"
	    "\"dns\":\"\\u001b\",\"status\":\"\\u0000\",\"records\":[\"\\u001b[2J\",\"\xff\"]},"
	    "{\"seen\":\"\\u001b\",\"state\":\"\\u001b\"},{\"count\":\"\\u001b\",\"hours_known\":1,"
	    "\"usual_low\":\"\\u001b\"}]");
	memcpy(h.id, "jjjjjj", 7);
	h.recipients = STR("[\"\\u001b[31m\",\"\xc2\x9b\",7]");
	h.trace = h.answers = buf_str(&trace);
	h.facts = STR("{\"\\u001b[31m\":\"\\u009b\",\"\x7f\":[\"\xff\"]}");
	run_append(r, &h);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		run_cli(r, words[i]);
		assert_int_equal(r->code, 0);
		assert_true(strlen(r->out) > 500);
		harmless(words[i], r->out);
		harmless(words[i], r->err);
	}
	buf_free(&trace);
}

/* What is printed as JSON is JSON, whatever the file held. */
static void
test_hostile_json(void **state)
{
	struct run *r = *state;
	struct journal_record h = run_record();
	struct arena *arena = arena_new(1 << 20);
	const struct json *v;
	char octets[512];
	struct err e;

	h.sender = h.text = h.facts = h.recipients = nasty(octets);
	run_append(r, &h);
	run_cli(r, "log --json");
	v = json_parse(arena, str_of(r->out), &e);
	if (v == NULL)
		fail_msg("%s", e.text);
	assert_int_equal(json_get(v, "facts")->type, JSON_OBJECT);
	assert_int_equal(json_get(v, "recipients")->type, JSON_ARRAY);
	arena_free(&arena);
}

/* --- follow ------------------------------------------------------------------------------------- */

static _Noreturn void
follower(struct run *r, int fd)
{
	char *argv[] = { (char *)"postern", (char *)"--database", r->folder.path, (char *)"log",
		(char *)"--follow", (char *)"--verdict", (char *)"reject", NULL };
	FILE *out = fdopen(fd, "w");

	_exit(out ? cli_main(7, argv, out, stderr) : 99);
}

/* The next line, waited for at most 20 seconds. */
static void
next_line(int fd, char *line, size_t size)
{
	size_t n = 0;

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, 20000) != 1)
			fail_msg("no line came");
		assert_true(n + 1 < size);
		assert_int_equal(read(fd, line + n, 1), 1);
		if (line[n++] == '\n')
			break;
	}
	line[n] = '\0';
}

/* The journal is moved away, and after a while there is a new one, whose serials begin again. */
static void
replaced(struct run *r, int fd)
{
	static const char *const files[] = { "journal.db", "journal.db-wal", "journal.db-shm",
		"journal.db-head" };
	struct journal_record other = run_record(), b = run_record();
	char line[1000];

	journal_close(&r->journal);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(folder_file(&r->folder, files[i]));
	usleep(600000);
	r->journal = journal_open(folder_file(&r->folder, "journal.db"), NULL);
	assert_non_null(r->journal);
	other.verdict = "accept";
	run_append(r, &other);
	usleep(600000);
	memcpy(b.id, "gggggg", 7);
	run_append(r, &b);
	next_line(fd, line, sizeof(line));
	assert_non_null(strstr(line, "gggggg"));
}

static void
test_follow(void **state)
{
	struct run *r = *state;
	struct journal_record b = run_record(), other = run_record(), c = run_record();
	char line[1000];
	int fd[2], status;
	pid_t pid;

	fill(r);
	assert_int_equal(pipe(fd), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fd[0]);
		follower(r, fd[1]);
	}
	close(fd[1]);
	next_line(fd[0], line, sizeof(line));
	assert_non_null(strstr(line, "aaaaaa"));
	/* What comes while it waits, filtered as before. */
	memcpy(b.id, "eeeeee", 7);
	other.verdict = "accept";
	memcpy(c.id, "ffffff", 7);
	run_append(r, &b);
	run_append(r, &other);
	run_append(r, &c);
	next_line(fd[0], line, sizeof(line));
	assert_non_null(strstr(line, "eeeeee"));
	next_line(fd[0], line, sizeof(line));
	assert_non_null(strstr(line, "ffffff"));
	replaced(r, fd[0]);
	/* Nobody reads it any more. */
	close(fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), CLI_ERROR);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_backslashes, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_times, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_filters, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_verify, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_verify_head, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_verify_configuration, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_json, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_terminal, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_less, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_interrupted, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_pager_left, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_columns, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_groups, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_csv, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_utc, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_hostile, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_hostile_json, run_setup, run_teardown),
		cmocka_unit_test_setup_teardown(test_follow, run_setup, run_teardown),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
