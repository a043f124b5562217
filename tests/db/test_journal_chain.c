/* The journal's chain, its head, and what verifying says of journals that hands or disks have been at. */
#include "db/journal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/arena.h"
#include "db/journal_chain.h"
#include "db/journal_config.h"
#include "db/journal_head.h"
#include "db/person.h"
#include "tests/db/folder.h"

#define T0 1700000000000 /* milliseconds */
#define N 20

static const struct journal_retention second = { .keep_ms = 1000 };

struct world {
	struct folder folder;
	char path[600], head[610];
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	folder_make(&w->folder);
	snprintf(w->path, sizeof(w->path), "%s", folder_file(&w->folder, "journal.db"));
	snprintf(w->head, sizeof(w->head), "%s-head", w->path);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	folder_remove(&w->folder);
	free(w);
	return 0;
}

static void
append(struct journal *j, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct journal_record r = {
			.time_ms = T0 + (int64_t)i,
			.front = "proxy",
			.step = "rcpt",
			.verdict = "reject",
			.code = 550,
			.client_ip = STR("192.0.2.1"),
			.sender = STR("a@example.net"),
			.recipients = STR("[\"b@example.org\"]"),
			.text = STR("no"),
			.facts = STR("{}"),
		};
		struct journal_record *p = &r;
		struct err e;

		if (!journal_append(j, &p, 1, &e))
			fail_msg("%s", e.text);
	}
}

static void
append_subject(struct journal *j, struct str subject)
{
	struct journal_record r = {
		.time_ms = T0,
		.front = "proxy",
		.step = "message",
		.verdict = "accept",
		.subject = subject,
	};
	struct journal_record *p = &r;

	assert_true(journal_append(j, &p, 1, NULL));
}

static void
write_some(struct world *w, size_t n)
{
	struct journal *j = journal_open(w->path, NULL);

	assert_non_null(j);
	append(j, n);
	journal_close(&j);
}

static void
sql(struct world *w, const char *text)
{
	sqlite3 *handle;
	char *why = NULL;

	assert_int_equal(sqlite3_open(w->path, &handle), SQLITE_OK);
	if (sqlite3_exec(handle, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
	sqlite3_close(handle);
}

/* --- what verifying says ------------------------------------------------------------------------ */

static void
note(void *owner, const struct journal_fault *f)
{
	static const char letters[] = "MRAFCBUXG";
	char *p = owner;
	size_t n = strlen(p);

	snprintf(p + n, 200 - n, "%s%c%d-%d%s%s", n > 0 ? " " : "", letters[f->kind], (int)f->first,
	    (int)f->last, f->config[0] ? " of " : "", f->config);
}

static struct journal_verdict
verify_since(struct world *w, int64_t since_ms, char said[200])
{
	struct journal *j = journal_open_read(w->path, NULL);
	const struct journal_check check = { since_ms, note, said };
	struct journal_verdict v;
	struct err e;

	said[0] = '\0';
	assert_non_null(j);
	if (!journal_verify(j, &check, &v, &e))
		fail_msg("%s", e.text);
	journal_close(&j);
	return v;
}

static struct journal_verdict
verify(struct world *w, char said[200])
{
	return verify_since(w, 0, said);
}

struct tampered {
	const char *sql, *said;
};

/* N entries: what a hand did, and what is said. */
static const struct tampered tampered[] = {
	{ "SELECT 1", "" },
	{ "UPDATE entry SET sender = 'x' WHERE serial = 5", "A5-5" },
	{ "UPDATE entry SET took_us = 1 WHERE serial = 5", "A5-5" },
	{ "UPDATE entry SET verdict = 'accept' WHERE serial = 20", "A20-20" },
	{ "UPDATE entry SET facts = '' WHERE serial = 1", "A1-1" },
	{ "UPDATE entry SET subject = 'x' WHERE serial = 5", "A5-5" },
	/* Moved from one column to the next. */
	{ "UPDATE entry SET client_ip = '', client_name = client_ip WHERE serial = 5", "A5-5" },
	{ "UPDATE entry SET chain = x'00' WHERE serial = 5", "A5-5 A6-6" },
	{ "DELETE FROM entry WHERE serial = 5", "R5-5" },
	{ "DELETE FROM entry WHERE serial BETWEEN 5 AND 9", "R5-9" },
	{ "DELETE FROM entry WHERE serial < 5", "R1-4" },
	{ "DELETE FROM entry WHERE serial > 17", "C18-20" },
	{ "DELETE FROM entry", "C1-20" },
	/* Filled up again. */
	{ "DELETE FROM entry WHERE serial = 5; UPDATE entry SET serial = serial - 1 WHERE serial > 5",
	    "A5-5 A6-6 A7-7 A8-8 A9-9 A10-10 A11-11 A12-12 A13-13 A14-14 A15-15 A16-16 A17-17 A18-18 "
	    "A19-19 C20-20" },
	{ "UPDATE entry SET serial = 21 WHERE serial = 20", "R20-20" },
	/* Slipped in: another's link in front of it. */
	{ "UPDATE anchor SET hash = randomblob(32)", "A1-1" },
	/* Cut off from the chain, and altered then; slipped in before it. */
	{ "UPDATE anchor SET serial = 9, hash = (SELECT chain FROM entry WHERE serial = 9);"
	  "UPDATE entry SET chain = x'', sender = 'x' WHERE serial < 10",
	    "U1-9" },
	{ "UPDATE anchor SET serial = 9, hash = (SELECT chain FROM entry WHERE serial = 9)",
	    "U1-9" },
	{ "UPDATE entry SET serial = 0 WHERE serial = 20", "U0-0 C20-20" },
	{ "UPDATE entry SET serial = -5 WHERE serial = 20", "U-5-0 C20-20" },
	/* The digest of what it said, and no entry that tells of it. */
	{ "INSERT INTO forgotten VALUES (5, randomblob(32), 9); UPDATE entry SET sender = '' WHERE serial = 5",
	    "F5-5 A5-5" },
};

static void
test_tampered(void **state)
{
	char said[200];

	for (size_t i = 0; i < sizeof(tampered) / sizeof(tampered[0]); i++) {
		struct world w = { .folder = { "" } };
		void *p = NULL;
		struct journal_verdict v;

		setup(&p);
		w = *(struct world *)p;
		write_some(&w, N);
		sql(&w, tampered[i].sql);
		v = verify(&w, said);
		if (strcmp(said, tampered[i].said) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", tampered[i].sql, said, tampered[i].said);
		assert_int_equal(v.faults > 0, said[0] != '\0');
		assert_int_equal(v.head, JOURNAL_HEAD_KNOWN);
		teardown(&p);
	}
	(void)state;
}

static void
test_whole(void **state)
{
	struct world *w = *state;
	struct journal_verdict v;
	struct journal *j;
	struct journal_mark mark;
	char said[200];

	write_some(w, 0);
	v = verify(w, said);
	assert_int_equal(v.entries, 0);
	assert_string_equal(said, "");
	/* More than a lot. */
	write_some(w, 1003);
	v = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(v.entries, 1003);
	assert_int_equal(v.first, 1);
	assert_int_equal(v.last, 1003);
	assert_int_equal(v.newest.serial, 1003);
	j = journal_open(w->path, NULL);
	assert_true(journal_mark(j, &mark, NULL));
	assert_int_equal(mark.serial, 1003);
	assert_string_equal(mark.link, v.newest.link);
	journal_close(&j);
	/* From the middle on: an entry before that is not looked at. */
	sql(w, "UPDATE entry SET sender = 'x' WHERE serial = 5");
	v = verify_since(w, T0 + 900, said);
	assert_string_equal(said, "");
	assert_int_equal(v.first, 901);
	assert_int_equal(v.entries, 103);
	/* There is nothing since then. */
	v = verify_since(w, T0 + 5000, said);
	assert_string_equal(said, "");
	assert_int_equal(v.entries, 0);
}

/* Entries of before there was a column verify as they were; one with a subject, too, until somebody takes it away. */
static void
test_older(void **state)
{
	struct world *w = *state;
	struct journal_verdict v;
	struct journal *j;
	char said[200];

	write_some(w, N);
	sql(w, "ALTER TABLE entry DROP COLUMN subject; PRAGMA user_version = 5");
	j = journal_open(w->path, NULL);
	assert_non_null(j);
	append_subject(j, STR("Gr\xc3\xbc\xc3\x9f\x65"));
	append_subject(j, STR(""));
	journal_close(&j);
	v = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(v.entries, N + 2);
	assert_int_equal(v.unchained, 0);
	sql(w, "UPDATE entry SET subject = '' WHERE serial > 5");
	verify(w, said);
	assert_string_equal(said, "A21-21");
}

/* Retention removes the front, and the chain begins behind it. */
static void
test_cleaned(void **state)
{
	struct world *w = *state;
	struct journal *j = journal_open(w->path, NULL);
	struct journal_verdict v;
	char said[200];
	struct err e = { 0 };

	append(j, N);
	assert_false(journal_clean(j, T0 + 1000 + 7, &second, &e));
	assert_int_equal(e.code, ERR_NONE);
	v = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(v.first, 8);
	/* All of it: numbers and links go on. */
	assert_false(journal_clean(j, T0 + 1000000, &second, &e));
	append(j, 1);
	v = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(v.entries, 1);
	assert_int_equal(v.first, N + 1);
	journal_close(&j);
}

/* An old entry in the midst of young ones, of a clock that was wrong, and one of the future. */
static void
test_clocks(void **state)
{
	struct world *w = *state;
	struct journal *j = journal_open(w->path, NULL);
	struct journal_verdict v;
	char said[200];
	struct err e = { 0 };

	append(j, N);
	sql(w,
	    "UPDATE entry SET time_ms = 0 WHERE serial = 7;"
	    "UPDATE entry SET time_ms = time_ms * 2 WHERE serial < 3");
	/* Entries up to 5 are old; those in front of them, of the future, go with them. */
	assert_false(journal_clean(j, T0 + 1000 + 5, &second, &e));
	v = verify(w, said);
	assert_int_equal(v.first, 6);
	/* Nothing is old, whatever the clock says: nothing goes. */
	assert_false(journal_clean(j, 900, &second, &e));
	v = verify(w, said);
	assert_int_equal(v.first, 6);
	journal_close(&j);
}

/* --- what entries refer to ------------------------------------------------------------------------ */

static void
append_under(struct journal *j, const char *revision, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct journal_record r = {
			.time_ms = T0 + (int64_t)i,
			.front = "proxy",
			.step = "rcpt",
			.verdict = "reject",
			.sender = STR("a@example.net"),
			.config = str_of(revision),
		};
		struct journal_record *p = &r;

		assert_true(journal_append(j, &p, 1, NULL));
	}
}

/* What the numbers in its entries stand for. */
static void
configure(struct journal *j, const char *revision, const char *text, int64_t now_ms)
{
	struct configurations all = { 0 };

	configurations_add(&all, str_of(revision), str_of(text));
	assert_true(configurations_store(&all, j, now_ms, NULL));
	configurations_free(&all);
}

#define OLD "aaaaaaaaaaaa"
#define NEW "bbbbbbbbbbbb"

/* Ten under one configuration; ten under another, with one of the first in their midst, and one of none. */
static void
write_configured(struct world *w)
{
	struct journal *j = journal_open(w->path, NULL);

	assert_non_null(j);
	configure(j, OLD, "{\"rules\":[1]}", T0);
	append_under(j, OLD, 10);
	configure(j, NEW, "{\"rules\":[2]}", T0 + 100);
	append_under(j, NEW, 5);
	append_under(j, OLD, 1);
	append_under(j, NEW, 5);
	append(j, 1);
	journal_close(&j);
}

static const struct tampered tampered_configurations[] = {
	{ "SELECT 1", "" },
	/* When it came into force again is not what entries rest on. */
	{ "UPDATE configuration SET time_ms = 5", "" },
	{ "UPDATE configuration SET text = '{\"rules\":[3]}' WHERE revision = '" OLD "'",
	    "X1-16 of " OLD },
	{ "UPDATE configuration SET text = '' WHERE revision = '" NEW "'", "X11-21 of " NEW },
	{ "DELETE FROM configuration WHERE revision = '" OLD "'", "G1-16 of " OLD },
	{ "DELETE FROM configuration", "G1-16 of " OLD " G11-21 of " NEW },
	/* Exchanged. */
	{ "UPDATE configuration SET text = CASE text WHEN '{\"rules\":[1]}' THEN '{\"rules\":[2]}' "
	  "ELSE '{\"rules\":[1]}' END",
	    "X1-16 of " OLD " X11-21 of " NEW },
	{ "UPDATE configuration SET revision = 'x' WHERE revision = '" OLD "'", "G1-16 of " OLD },
	/* It was the entry, and not its configuration. */
	{ "UPDATE entry SET config = '" NEW "' WHERE serial = 5", "A5-5" },
	{ "UPDATE entry SET config = '" NEW "' WHERE serial = 16", "A16-16" },
	{ "UPDATE entry SET config = '' WHERE serial = 16", "A16-16" },
	{ "UPDATE entry SET sender = '' WHERE serial = 1", "A1-1" },
	{ "UPDATE entry SET sender = '' WHERE serial IN (11, 21)", "A11-11 A21-21" },
	{ "UPDATE entry SET config = '" OLD "' WHERE serial = 22", "A22-22" },
	/* One that nobody refers to. */
	{ "INSERT INTO configuration VALUES ('cccccccccccc', 1, '{}')", "" },
	/* Both: what is altered where nothing fits shows as one. */
	{ "DELETE FROM configuration; DELETE FROM entry WHERE serial = 3",
	    "R3-3 G1-16 of " OLD " G11-21 of " NEW },
};

static void
test_configurations(void **state)
{
	char said[200];

	for (size_t i = 0; i < sizeof(tampered_configurations) / sizeof(tampered[0]); i++) {
		const struct tampered *t = &tampered_configurations[i];
		struct journal_verdict v;
		void *p = NULL;

		setup(&p);
		write_configured(p);
		sql(p, t->sql);
		v = verify(p, said);
		if (strcmp(said, t->said) != 0)
			fail_msg("%s: \"%s\", not \"%s\"", t->sql, said, t->said);
		assert_int_equal(v.faults > 0, said[0] != '\0');
		assert_int_equal(v.unchained, 0);
		teardown(&p);
	}
	(void)state;
}

/* One that is gone is there again when posternd was started with it, and what refers to it verifies. */
static void
test_configured_again(void **state)
{
	struct world *w = *state;
	struct journal *j;
	char said[200];

	write_configured(w);
	sql(w, "DELETE FROM configuration WHERE revision = '" OLD "'");
	verify(w, said);
	assert_string_equal(said, "G1-16 of " OLD);
	j = journal_open(w->path, NULL);
	configure(j, OLD, "{\"rules\":[1]}", T0 + 200);
	append_under(j, OLD, 3);
	journal_close(&j);
	verify(w, said);
	assert_string_equal(said, "");
}

/* As before configurations were covered: entries whose configuration came into the journal behind them. */
static void
test_not_covered(void **state)
{
	struct world *w = *state;
	struct journal *j = journal_open(w->path, NULL);
	char said[200];

	append_under(j, OLD, 5);
	configure(j, OLD, "{}", T0);
	append_under(j, OLD, 5);
	journal_close(&j);
	verify(w, said);
	assert_string_equal(said, "");
	sql(w, "UPDATE entry SET sender = '' WHERE serial = 3");
	verify(w, said);
	assert_string_equal(said, "A3-3");
	sql(w, "UPDATE entry SET sender = 'a@example.net'; DELETE FROM configuration");
	verify(w, said);
	assert_string_equal(said, "G6-10 of " OLD);
}

/* More than are remembered at a time, in turn. */
static void
test_many_configurations(void **state)
{
	struct world *w = *state;
	struct journal *j = journal_open(w->path, NULL);
	char said[200], revision[16];

	for (int turn = 0; turn < 2; turn++)
		for (int i = 0; i < 40; i++) {
			snprintf(revision, sizeof(revision), "%012d", i);
			configure(j, revision, "{}", T0 + i);
			append_under(j, revision, 1);
		}
	journal_close(&j);
	verify(w, said);
	assert_string_equal(said, "");
	sql(w, "DELETE FROM configuration WHERE revision = '000000000007'");
	verify(w, said);
	assert_string_equal(said, "G8-8 of 000000000007 G48-48 of 000000000007");
}

/* Entries and what they refer to go one behind the other, and an emptied entry still rests on its configuration. */
static void
test_configurations_cleaned(void **state)
{
	const struct person who = {
		.name = STR("a@example.net"), .form = { STR("a@example.net") }, .n_forms = 1
	};
	const struct journal_person person = { .person = &who, .by = STR("test") };
	const struct journal_retention stays = { .keep_ms = 1000 };
	const int64_t days = 86400000;
	struct world *w = *state;
	struct journal *j;
	struct journal_forgotten forgotten;
	struct journal_verdict v;
	char said[200];

	write_configured(w);
	j = journal_open(w->path, NULL);
	/* By their time they might go, but for the entries. */
	assert_true(journal_configurations_clean(j, T0 + 100 * days, NULL));
	verify(w, said);
	assert_string_equal(said, "");
	assert_true(journal_forget(j, &person, &forgotten, NULL));
	assert_int_equal(forgotten.entries, 22);
	v = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(v.forgotten, 22);
	sql(w, "UPDATE configuration SET text = '{}' WHERE revision = '" OLD "'");
	verify(w, said);
	assert_string_equal(said, "X1-16 of " OLD);
	while (journal_clean(j, T0 + 90 * days, &stays, NULL))
		;
	assert_true(journal_configurations_clean(j, T0 + 100 * days, NULL));
	append_under(j, NEW, 2);
	append_under(j, OLD, 1);
	v = verify(w, said);
	assert_string_equal(said, "");
	journal_close(&j);
	/* The older one is gone, lawfully. */
	sql(w, "DELETE FROM configuration");
	verify(w, said);
	assert_string_equal(said, "G24-25 of " NEW);
}

/* --- what is gone from the end -------------------------------------------------------------------- */

static void
test_torn(void **state)
{
	struct world *w = *state;
	struct journal_verdict v;
	char said[200];

	write_some(w, N);
	sql(w, "DELETE FROM entry WHERE serial > 15");
	/* Opening it for writing says so, once. */
	write_some(w, 0);
	write_some(w, 2);
	v = verify(w, said);
	assert_string_equal(said, "M16-20");
	assert_int_equal(v.entries, 15 + 1 + 2);
	assert_int_equal(v.last, 23);
	/* An entry that tells of a gap does not make one where links were broken. */
	sql(w, "DELETE FROM entry WHERE serial = 15");
	verify(w, said);
	assert_string_equal(said, "R15-20");
}

/* Under the eyes of who appends: at once, or while nobody looks. */
static void
test_torn_while_open(void **state)
{
	struct world *w = *state;
	struct journal *j = journal_open(w->path, NULL);
	struct journal_verdict v;
	char said[200];

	append(j, N);
	sql(w, "DELETE FROM entry WHERE serial > 15");
	append(j, 2);
	v = verify(w, said);
	assert_string_equal(said, "M16-20");
	assert_int_equal(v.entries, 15 + 1 + 2);
	assert_int_equal(v.last, 23);
	/* All of it. */
	sql(w, "DELETE FROM entry");
	append(j, 1);
	v = verify(w, said);
	assert_string_equal(said, "M1-23");
	assert_int_equal(v.last, 25);
	/* Its own last one is another: said in the log; mail goes on. */
	sql(w, "UPDATE entry SET chain = randomblob(32) WHERE serial = 25");
	append(j, 2);
	v = verify(w, said);
	assert_string_equal(said, "M1-23 A25-25");
	assert_int_equal(v.last, 27);
	/* What others append is none of that. */
	write_some(w, 3);
	append(j, 1);
	v = verify(w, said);
	assert_int_equal(v.last, 31);
	assert_string_equal(said, "M1-23 A25-25");
	journal_close(&j);
}

/* Triggers that somebody put there do not run, and a view is not taken for the table. */
static void
test_triggers(void **state)
{
	struct world *w = *state;
	struct journal *j;
	char said[200];
	struct err e;

	write_some(w, 2);
	sql(w,
	    "CREATE TRIGGER hide AFTER INSERT ON entry BEGIN DELETE FROM entry WHERE serial = new.serial; END;"
	    "CREATE TRIGGER drop_it BEFORE INSERT ON entry BEGIN SELECT raise(IGNORE); END");
	write_some(w, 3);
	assert_int_equal(verify(w, said).entries, 5);
	assert_string_equal(said, "");
	sql(w,
	    "DROP TRIGGER hide; DROP TRIGGER drop_it; ALTER TABLE entry RENAME TO real;"
	    "CREATE VIEW entry AS SELECT * FROM real WHERE serial <> 2");
	assert_null(journal_open(w->path, &e));
	j = journal_open_read(w->path, &e);
	if (j) {
		const struct journal_check check = { 0, note, said };
		struct journal_verdict v;

		assert_false(journal_verify(j, &check, &v, &e));
		assert_non_null(strstr(e.text, "view"));
	}
	journal_close(&j);
}

static void
test_heads(void **state)
{
	struct world *w = *state;
	struct journal_verdict v;
	char said[200];

	/* Of a journal that nothing was written to, none is missing. */
	write_some(w, 0);
	unlink(w->head);
	assert_int_equal(verify(w, said).head, JOURNAL_HEAD_NONE);
	write_some(w, N);
	/* Gone, or unreadable: not known. */
	unlink(w->head);
	v = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(v.head, JOURNAL_HEAD_GONE);
	/* Whatever part of it is walked. */
	assert_int_equal(verify_since(w, T0 + 1000, said).head, JOURNAL_HEAD_GONE);
	folder_write(&w->folder, "journal.db-head", "nonsense", 8);
	assert_int_equal(verify(w, said).head, JOURNAL_HEAD_BROKEN);
	write_some(w, 0);
	v = verify(w, said);
	assert_int_equal(v.head, JOURNAL_HEAD_KNOWN);
	/* A journal made anew does not take the head of another for its own. */
	unlink(w->path);
	write_some(w, 3);
	v = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(v.last, 3);
	assert_int_equal(v.head, JOURNAL_HEAD_KNOWN);
}

/* A chain that was made anew from the fifth on shows against the head, and against a mark that was noted. */
static void
test_rebuilt(void **state)
{
	struct world *w = *state;
	struct journal_verdict before, after;
	char said[200];
	struct stat st;
	char *head;
	int fd;

	write_some(w, N);
	before = verify(w, said);
	fd = open(w->head, O_RDONLY);
	assert_int_equal(fstat(fd, &st), 0);
	head = malloc((size_t)st.st_size);
	assert_int_equal(read(fd, head, (size_t)st.st_size), st.st_size);
	close(fd);
	sql(w, "DELETE FROM entry WHERE serial > 4");
	unlink(w->head);
	write_some(w, N - 4);
	sql(w, "SELECT 1");
	after = verify(w, said);
	assert_string_equal(said, "");
	assert_int_equal(after.newest.serial, before.newest.serial);
	assert_string_not_equal(after.newest.link, before.newest.link);
	folder_write(&w->folder, "journal.db-head", head, (size_t)st.st_size);
	free(head);
	verify(w, said);
	assert_string_equal(said, "B20-20");
}

/* --- killed, and the write-ahead log cut or garbled ----------------------------------------------- */

/* Tells each serial once it was acknowledged, and is killed with what it wrote still in the write-ahead log. */
static _Noreturn void
write_and_die(const char *path, int out)
{
	struct journal *j = journal_open(path, NULL);

	for (int64_t i = 1; i <= 60; i++) {
		append(j, 1);
		if (write(out, &i, sizeof(i)) != sizeof(i))
			_exit(1);
	}
	raise(SIGKILL);
	_exit(1);
}

static int64_t
killed(struct world *w)
{
	int64_t serial, last = 0;
	int pipes[2], status;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	if (pid == 0)
		write_and_die(w->path, pipes[1]);
	close(pipes[1]);
	while (read(pipes[0], &serial, sizeof(serial)) == sizeof(serial))
		last = serial;
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	return last;
}

/* All that was acknowledged is there, or what is missing is said; nothing is numbered twice. */
static void
check_after(struct world *w, int64_t acknowledged, const char *what)
{
	struct journal *j = journal_open(w->path, NULL);
	struct journal_verdict v;
	struct journal_mark mark;
	char said[200], want[60] = "";

	if (j == NULL)
		fail_msg("%s: it does not open", what);
	append(j, 1);
	assert_true(journal_mark(j, &mark, NULL));
	journal_close(&j);
	v = verify(w, said);
	if (mark.serial <= acknowledged)
		fail_msg("%s: %d was given again", what, (int)mark.serial);
	/* Every number has an entry, or is said to be missing. */
	if (v.entries != mark.serial)
		snprintf(want, sizeof(want), "M%d-%d", (int)v.entries - 1, (int)acknowledged);
	if (strcmp(said, want) != 0)
		fail_msg("%s: \"%s\", not \"%s\"", what, said, want);
}

static void
test_write_ahead_log(void **state)
{
	static const char *const how[] = { "cut", "garbled", "gone" };

	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		struct world *w;
		void *p = NULL;
		char wal[620], what[60];
		struct stat st;
		int64_t acknowledged;
		off_t at;
		int fd;

		setup(&p);
		w = p;
		/* Closed, so that the schema is in the file. */
		write_some(w, 5);
		acknowledged = 5 + killed(w);
		assert_int_equal(acknowledged, 65);
		snprintf(wal, sizeof(wal), "%s-wal", w->path);
		assert_int_equal(stat(wal, &st), 0);
		at = (off_t)((uint64_t)st.st_size * (i * 7919 % 1000) / 1000);
		snprintf(what, sizeof(what), "%s at %ld", how[i % 3], (long)at);
		fd = open(wal, O_RDWR);
		assert_true(fd >= 0);
		if (i % 3 == 0)
			assert_int_equal(ftruncate(fd, at), 0);
		else if (i % 3 == 1)
			assert_int_equal(pwrite(fd, "garbage!", 8, at), 8);
		close(fd);
		if (i % 3 == 2)
			unlink(wal);
		check_after(w, acknowledged, what);
		teardown(&p);
	}
}

/* --- the parts ---------------------------------------------------------------------------------- */

static void
test_head_line(void **state)
{
	struct head head = { 0x0123456789abcdef, 4711, { { 1, 2, 0xff } } }, got;
	char line[HEAD_SIZE];

	(void)state;
	head_print(&head, line);
	assert_int_equal(line[HEAD_SIZE - 1], '\n');
	assert_true(head_parse((struct str){ line, HEAD_SIZE }, &got));
	assert_int_equal(got.serial, 4711);
	assert_true(got.journal == head.journal);
	assert_true(chain_same(&got.link, &head.link));
	assert_false(head_parse((struct str){ line, HEAD_SIZE - 1 }, &got));
	/* No octet of it can be another. */
	for (size_t i = 0; i < HEAD_SIZE - 1; i++) {
		line[i] ^= 1;
		if (head_parse((struct str){ line, HEAD_SIZE }, &got))
			fail_msg("octet %zu", i);
		line[i] ^= 1;
	}
}

/* Fixed for ever: a journal is verified by later versions too. SHA-256 of 00 'n' 0000000000000001 02 't' 0000000000000002 "ab". */
static void
test_form(void **state)
{
	struct chain *c = chain_new();
	const struct chain_cell cell[] = { { .number = 1 }, { 0 }, { .text = STR("ab") }, { 0 } };
	struct chain_hash content, link;
	char text[CHAIN_TEXT];

	(void)state;
	chain_content(c, cell, 4, &content);
	assert_string_equal(chain_print(&content, text),
	    "e361c502cbe0dc35158455969afce1e1aebdc616d63fca34ca4803e50e70e6df");
	chain_link(c, &content, &content, NULL, &link);
	assert_string_equal(chain_print(&link, text),
	    "29970badf5abadd4fb1fb62a48fc413e252f8dd0a775e56e6bdec61bec3d4391");
	chain_link(c, &content, &content, &content, &link);
	assert_string_equal(chain_print(&link, text),
	    "a47988fbfb59f826a4314821ab1d7468c1a4323f134d09c44e56d1a28a50b4f3");
	assert_true(chain_parse(str_of(text), &content));
	assert_true(chain_same(&content, &link));
	assert_false(chain_parse(STR("00"), &content));
	chain_free(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tampered),
		cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_older, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cleaned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clocks, setup, teardown),
		cmocka_unit_test(test_configurations),
		cmocka_unit_test_setup_teardown(test_configured_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_covered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_configurations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_configurations_cleaned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn, setup, teardown),
		cmocka_unit_test_setup_teardown(test_torn_while_open, setup, teardown),
		cmocka_unit_test_setup_teardown(test_triggers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_heads, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rebuilt, setup, teardown),
		cmocka_unit_test(test_write_ahead_log),
		cmocka_unit_test(test_head_line),
		cmocka_unit_test(test_form),
	};

	log_open("test_journal_chain", LOG_TO_STDERR, LOG_LEVEL_ERROR + 1);
	return cmocka_run_group_tests_name("journal_chain", tests, NULL, NULL);
}
