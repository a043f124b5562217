/* Searching with the index finds what searching without it finds, however much of it is there. */
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "db/journal.h"
#include "tests/db/journal_world.h"

#define T0 1700000000000
#define SEGMENT 131072
#define SPAN 128 /* entries that are added at once */
#define SAID 60000

static void
sql(struct world *w, const char *file, const char *text)
{
	sqlite3 *handle;

	assert_int_equal(sqlite3_open(folder_file(&w->folder, file), &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(handle);
}

/* The next has this serial. */
static void
go_on_at(struct world *w, int serial)
{
	char text[100];

	snprintf(
	    text, sizeof(text), "UPDATE meta SET value = %d WHERE name = 'serial'", serial - 1);
	sql(w, "journal.db", text);
}

static const char *const names[] = { "anna", "Bert", "c%c", "d_d", "\"quoted\"", "back\\slash",
	"j\xc3\xbcrgen", "J\xc3\x9cRGEN", "it's", "a--b", "x AND y", "newline\nhere", "(paren",
	"*" };
#define NAMES (sizeof(names) / sizeof(names[0]))

static const char *const subjects[] = { "Invoice 4711", "Gr\xc3\xbc\xc3\x9f\x65 aus K\xc3\xb6ln",
	"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xd0\xbc\xd0\xb8\xd1\x80",
	"\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88", "wrong \xff\xc3 octets",
	"hidden \xe2\x80\x8b\xe2\x80\x8b\xe2\x80\x8b blanks", "Anna" };
#define SUBJECTS (sizeof(subjects) / sizeof(subjects[0]))

static void
append_some(struct world *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char sender[80], recipients[200], ip[40], text[80], json[100];
		const char *name = names[draw(w, NAMES)];
		struct journal_record r = {
			.time_ms = T0 + (int64_t)i,
			.front = "proxy",
			.step = "rcpt",
			.verdict = "reject",
			.client_name = STR("mx.example.net"),
			.helo = draw(w, 2) ? STR("mx.example.net") : STR("helo.example"),
			.rule = draw(w, 2) ? STR("postern.conf:12") : STR("postern.conf:1"),
		};
		struct journal_record *p = &r;
		size_t at = 0;

		snprintf(sender, sizeof(sender), "%s%u@Example.net", name, draw(w, 30));
		for (const char *c = sender; *c; c++) {
			if (*c == '"' || *c == '\\')
				json[at++] = '\\';
			json[at++] = *c == '\n' ? ' ' : *c;
		}
		json[at] = '\0';
		snprintf(recipients, sizeof(recipients), "[\"%s\",\"to@example.org\"]", json);
		if (draw(w, 4))
			snprintf(ip, sizeof(ip), "192.0.%u.%u", draw(w, 20), draw(w, 250));
		else
			snprintf(ip, sizeof(ip), "2001:db8::%x", draw(w, 1000) + 1);
		snprintf(text, sizeof(text), "%s is not let in", name);
		r.sender = str_of(sender);
		r.recipients = str_of(recipients);
		r.client_ip = str_of(ip);
		r.text = str_of(text);
		if (draw(w, 2))
			r.account = str_of(sender);
		if (draw(w, 2))
			r.subject = str_of(subjects[draw(w, SUBJECTS)]);
		assert_true(journal_append(w->journal, &p, 1, NULL));
	}
}

/* --- what is found ------------------------------------------------------------------------------ */

struct found {
	char text[SAID];
	size_t n;
};

static bool
note(void *owner, const struct journal_record *r)
{
	struct found *f = owner;
	size_t n = strlen(f->text);

	snprintf(f->text + n, SAID - n, "%d ", (int)r->serial);
	f->n++;
	return true;
}

static void
find(struct world *w, const struct journal_filter *filter, struct found *f)
{
	struct err e;

	*f = (struct found){ .n = 0 };
	if (!journal_read(w->reader, filter, note, f, &e))
		fail_msg("%s", e.text);
}

static const struct journal_filter filters[] = {
	{ .sender = STR("anna") },
	{ .sender = STR("anna1@example.net") },
	{ .sender = STR("ANNA2") },
	{ .sender = STR("c%c") },
	{ .sender = STR("d_d") },
	{ .sender = STR("\"quoted\"") },
	{ .sender = STR("back\\slash") },
	{ .recipient = STR("\"quoted\"1") },
	{ .recipient = STR("back\\slash") },
	{ .recipient = STR("j\xc3\xbcrgen") },
	{ .sender = STR("\xc3\xbcrgen1") },
	{ .sender = STR("\xc3\xbc") },
	{ .sender = STR("it's") },
	{ .sender = STR("a--b") },
	{ .text = STR("x AND y") },
	{ .text = STR("newline\nhere") },
	{ .text = STR("(paren") },
	{ .text = STR("*") },
	{ .text = STR("is not let in") },
	{ .text = STR("anna is not") },
	{ .text = STR("conf:12") },
	{ .text = STR("helo.ex") },
	{ .text = STR("nowhere to be found") },
	{ .text = STR("ab") },
	{ .client = STR("192.0.7.0/24") },
	{ .client = STR("192.0.0.0/16") },
	{ .client = STR("192.0.0.0/20") },
	{ .client = STR("192.0.7.7") },
	{ .client = STR("2001:db8::1f") },
	{ .client = STR("2001:db8::/120") },
	{ .client = STR("mx.example") },
	{ .sender = STR("anna"), .text = STR("conf:12"), .client = STR("192.0.0.0/16") },
	{ .sender = STR("anna"), .last = 5 },
	{ .sender = STR("anna"), .last = 100000 },
	{ .text = STR("it's is not"), .last = 30, .verdict = STR("reject") },
	{ .sender = STR("anna"), .since_ms = T0 + 50 },
	{ .sender = STR("anna"), .after_serial = SEGMENT - 10 },
	{ .verdict = STR("accept"), .sender = STR("anna") },
	{ .subject = STR("INVOICE") },
	{ .subject = STR("invoice"), .sender = STR("anna") },
	{ .text = STR("invoice 47") },
	{ .subject = STR("\xc3\xbc\xc3\x9f\x65 a") },
	{ .subject = STR("\xd1\x80\xd0\xb8\xd0\xb2") },
	{ .subject = STR("\xd0\xa0\xd0\x98\xd0\x92") },
	{ .text = STR("\xd0\xbc\xd0\xb8\xd1\x80") },
	{ .subject = STR("\xe3\x83\x86\xe3\x82\xb9\xe3\x83\x88") },
	{ .subject = STR("\xe3\x82\xb9\xe3\x83\x88") },
	{ .subject = STR("\xff\xc3 octets") },
	{ .subject = STR("\xe2\x80\x8b\xe2\x80\x8b\xe2\x80\x8b") },
	{ .text = STR("\xe2\x80\x8b\xe2\x80\x8b\xe2\x80\x8b") },
	{ .subject = STR("conf:12") },
	{ .subject = STR("anna"), .last = 7 },
	{ .account = STR("ANNA1") },
	{ .account = STR("nobody here"), .account_also = STR("anna2@") },
	{ .account = STR("back\\slash"), .last = 5 },
};
#define FILTERS (sizeof(filters) / sizeof(filters[0]))

static void
same(struct world *w, struct found *want, const char *when)
{
	struct found *got = malloc(sizeof(*got));

	for (size_t i = 0; i < FILTERS; i++) {
		find(w, &filters[i], got);
		if (strcmp(got->text, want[i].text) != 0)
			fail_msg("%s, filter %zu: %zu, not %zu found:\n%s\n%s", when, i, got->n,
			    want[i].n, got->text, want[i].text);
	}
	free(got);
}

static void
test_same(void **state)
{
	struct world *w = *state;
	struct found *want = calloc(FILTERS, sizeof(*want));
	size_t found = 0;
	bool more = true;

	go_on_at(w, SEGMENT - 700);
	append_some(w, 700 + 4 * SPAN);
	for (size_t i = 0; i < FILTERS; i++) {
		find(w, &filters[i], &want[i]);
		found += want[i].n > 0;
	}
	/* All but those that are meant to find nothing do find something. */
	assert_true(found >= FILTERS - 8);
	for (int i = 0; more; i++) {
		char when[30];

		more = journal_index(w->journal, true);
		snprintf(when, sizeof(when), "after step %d", i);
		same(w, want, when);
	}
	assert_int_equal(access(folder_file(&w->folder, "journal.db-words-000000"), F_OK), 0);
	assert_int_equal(access(folder_file(&w->folder, "journal.db-words-000001"), F_OK), 0);
	/* It is really asked: without the entries' words it finds nothing. */
	sql(w, "journal.db-words-000000", "INSERT INTO words (words) VALUES ('delete-all')");
	sql(w, "journal.db-words-000001", "INSERT INTO words (words) VALUES ('delete-all')");
	find(w, &filters[0], &want[0]);
	assert_int_equal(want[0].n, 0);
	free(want);
}

/* After a start it goes on where it was; a file that is damaged is made anew. */
static void
test_again(void **state)
{
	struct world *w = *state;
	struct found *want = calloc(FILTERS, sizeof(*want));

	append_some(w, 600);
	while (journal_index(w->journal, true))
		;
	journal_close(&w->reader);
	journal_close(&w->journal);
	open_both(w);
	append_some(w, 100);
	for (size_t i = 0; i < FILTERS; i++)
		find(w, &filters[i], &want[i]);
	while (journal_index(w->journal, true))
		;
	same(w, want, "after a start");
	journal_close(&w->journal);
	journal_close(&w->reader);
	folder_write(&w->folder, "journal.db-words-000000", "this is no database at all", 26);
	open_both(w);
	same(w, want, "while it is damaged");
	while (journal_index(w->journal, true))
		;
	/* The first step took it away. */
	while (journal_index(w->journal, true))
		;
	same(w, want, "made anew");
	assert_false(journal_index(w->journal, false));
	assert_int_not_equal(access(folder_file(&w->folder, "journal.db-words-000000"), F_OK), 0);
	same(w, want, "off");
	free(want);
}

/* Who reads is not in the way of who appends, and files go with the entries. */
static void
test_old(void **state)
{
	struct world *w = *state;
	const struct journal_retention stays = { .keep_ms = 1 };
	sqlite3 *handle;

	append_some(w, SPAN);
	while (journal_index(w->journal, true))
		;
	go_on_at(w, SEGMENT + 5);
	append_some(w, SPAN);
	/* Somebody reads the file that is to be written: it is for later. */
	assert_int_equal(
	    sqlite3_open(folder_file(&w->folder, "journal.db-words-000001"), &handle), SQLITE_OK);
	while (journal_index(w->journal, true))
		;
	assert_int_equal(
	    sqlite3_exec(handle, "BEGIN; SELECT * FROM done", NULL, NULL, NULL), SQLITE_OK);
	append_some(w, SPAN);
	while (journal_index(w->journal, true))
		;
	sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL);
	sqlite3_close(handle);
	while (journal_index(w->journal, true))
		;
	assert_int_equal(access(folder_file(&w->folder, "journal.db-words-000000"), F_OK), 0);
	sql(w, "journal.db", "UPDATE entry SET time_ms = 0 WHERE serial < 131072");
	while (journal_clean(w->journal, T0, &stays, NULL))
		;
	journal_index(w->journal, true);
	assert_int_not_equal(access(folder_file(&w->folder, "journal.db-words-000000"), F_OK), 0);
	assert_int_equal(access(folder_file(&w->folder, "journal.db-words-000001"), F_OK), 0);
}

/* A minute later. */
static void
rest(struct world *w, const char *file)
{
	const struct timespec ago[2] = { { time(NULL) - 100, 0 }, { time(NULL) - 100, 0 } };

	assert_int_equal(utimensat(AT_FDCWD, folder_file(&w->folder, file), ago, 0), 0);
}

/* Of each segment of the index its first rows in words_idx have a number of their own. */
#define PIECES "SELECT count(DISTINCT segid) FROM words_idx"

/* A file that is full becomes one piece, and then nobody asks what machine filled it. */
static void
test_whole(void **state)
{
	struct world *w = *state;
	struct found *want = calloc(FILTERS, sizeof(*want));

	go_on_at(w, SEGMENT - 9 * SPAN);
	append_some(w, 10 * SPAN);
	for (size_t i = 0; i < FILTERS; i++)
		find(w, &filters[i], &want[i]);
	while (journal_index(w->journal, true))
		;
	assert_int_equal(folder_number(&w->folder, "journal.db-words-000000", PIECES), 1);
	assert_int_equal(
	    folder_number(&w->folder, "journal.db-words-000000", "PRAGMA user_version"), 0);
	same(w, want, "merged");
	rest(w, "journal.db-words-000000");
	while (journal_index(w->journal, true))
		;
	assert_int_equal(
	    folder_number(&w->folder, "journal.db-words-000000", "PRAGMA user_version"), 1);
	assert_int_equal(
	    folder_number(&w->folder, "journal.db-words-000001", "PRAGMA user_version"), 0);
	same(w, want, "whole");
	sql(w, "journal.db-words-000000",
	    "UPDATE filled SET boot = 'x'; INSERT INTO words (words) VALUES ('delete-all')");
	journal_close(&w->journal);
	w->journal = journal_open(folder_file(&w->folder, "journal.db"), NULL);
	while (journal_index(w->journal, true))
		;
	assert_int_equal(folder_number(&w->folder, "journal.db-words-000000", PIECES), 0);
	free(want);
}

/* The machine went down while a file was being filled: nobody believes it, and it is made anew. */
static void
test_down(void **state)
{
	struct world *w = *state;
	struct found *want = calloc(FILTERS, sizeof(*want));

	append_some(w, 4 * SPAN);
	for (size_t i = 0; i < FILTERS; i++)
		find(w, &filters[i], &want[i]);
	while (journal_index(w->journal, true))
		;
	journal_close(&w->journal);
	sql(w, "journal.db-words-000000",
	    "UPDATE filled SET boot = 'another'; INSERT INTO words (words) VALUES ('delete-all')");
	same(w, want, "not to be trusted");
	w->journal = journal_open(folder_file(&w->folder, "journal.db"), NULL);
	for (int i = 0; i < 2; i++)
		while (journal_index(w->journal, true))
			;
	assert_true(folder_number(&w->folder, "journal.db-words-000000", PIECES) > 0);
	same(w, want, "made anew");
	free(want);
}

/* Files of another form and the one that somebody took away. */
static void
test_missing(void **state)
{
	struct world *w = *state;
	struct found *want = calloc(FILTERS, sizeof(*want));

	folder_write(&w->folder, "journal.db-text-000000", "of before", 9);
	go_on_at(w, SEGMENT - 2 * SPAN);
	append_some(w, 4 * SPAN);
	for (size_t i = 0; i < FILTERS; i++)
		find(w, &filters[i], &want[i]);
	while (journal_index(w->journal, true))
		;
	assert_int_not_equal(access(folder_file(&w->folder, "journal.db-text-000000"), F_OK), 0);
	unlink(folder_file(&w->folder, "journal.db-words-000000"));
	same(w, want, "while it is missing");
	for (int i = 0; i < 2; i++) {
		append_some(w, SPAN);
		while (journal_index(w->journal, true))
			;
	}
	for (size_t i = 0; i < FILTERS; i++)
		find(w, &filters[i], &want[i]);
	same(w, want, "with more");
	assert_int_equal(access(folder_file(&w->folder, "journal.db-words-000000"), F_OK), 0);
	free(want);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_same, setup, teardown),
		cmocka_unit_test_setup_teardown(test_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old, setup, teardown),
		cmocka_unit_test_setup_teardown(test_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(test_down, setup, teardown),
		cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
	};

	log_open("test_journal_text", LOG_TO_STDERR, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("journal_text", tests, NULL, NULL);
}
