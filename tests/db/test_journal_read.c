/* Reading under way: entries that come and go meanwhile, clocks that go back, files that are none. */
#include "db/journal.h"

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/db/journal_world.h"

#define T0 1700000000000 /* milliseconds */
#define HOUR 3600000
#define MINUTE (HOUR / 60)

static void
append(struct world *w, int64_t time_ms, const char *verdict)
{
	struct journal_record r = { .time_ms = time_ms, .verdict = verdict }, *p = &r;

	assert_true(journal_append(w->journal, &p, 1, NULL));
}

/* A reading to whose entries more come. */
struct reading {
	struct world *world;
	size_t rows, clean_at; /* clean_at: at which row all is removed */
	int64_t last;
};

/* Each entry brings forth another one: the reading ends all the same. */
static bool
append_another(void *owner, const struct journal_record *r)
{
	struct reading *reading = owner;
	struct journal *journal = reading->world->journal;

	assert_true(r->serial > reading->last);
	reading->last = r->serial;
	if (++reading->rows == reading->clean_at)
		while (journal_clean(
		    journal, T0 + 2 * HOUR, &(struct journal_retention){ .keep_ms = HOUR }, NULL))
			;
	append(reading->world, T0 + 5 * HOUR, "accept");
	return true;
}

static size_t
read_on(struct world *w, const struct journal_filter *filter, size_t clean_at)
{
	struct reading reading = { .world = w, .clean_at = clean_at };

	assert_true(journal_read(w->reader, filter, append_another, &reading, NULL));
	return reading.rows;
}

static void
test_entries_that_come(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 450; i++)
		append(w, T0, "reject");
	assert_int_equal(read_on(w, &(struct journal_filter){ 0 }, 0), 450);
	assert_int_equal(journal_newest(w->reader), 900);
	/* what came is there for the next */
	assert_int_equal(read_on(w, &(struct journal_filter){ .after_serial = 450 }, 0), 450);
	assert_int_equal(
	    read_on(w, &(struct journal_filter){ .after_serial = INT64_MAX - 1 }, 0), 0);
	assert_int_equal(read_on(w, &(struct journal_filter){ .after_serial = INT64_MAX }, 0), 0);
}

/* Of what is removed under way, the lot that was read is told, the rest is not. */
static void
test_entries_that_go(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 450; i++)
		append(w, T0, "reject");
	assert_int_equal(read_on(w, &(struct journal_filter){ 0 }, 1), 200);
	assert_int_equal(read_on(w, &(struct journal_filter){ .until_ms = T0 + HOUR }, 0), 0);
}

static bool
note_serial(void *owner, const struct journal_record *r)
{
	char *out = owner;

	snprintf(out + strlen(out), 32, "%d ", (int)r->serial);
	return true;
}

/* Time may go back: entries are told in the order they were written, and found by their time. */
static void
test_clock_goes_back(void **state)
{
	static const struct {
		struct journal_filter filter;
		const char *found;
	} cases[] = {
		{ { 0 }, "1 2 3 4 " },
		{ { .since_ms = T0 + 2 * HOUR }, "1 4 " },
		{ { .until_ms = T0 + 2 * HOUR }, "2 3 " },
		{ { .since_ms = T0 + 1, .until_ms = T0 + 3 * HOUR }, "3 " },
		{ { .last = 1, .until_ms = T0 + 2 * HOUR }, "3 " },
		{ { .since_ms = T0 + 3 * HOUR, .after_serial = 1 }, "4 " },
	};
	struct world *w = *state;

	append(w, T0 + 3 * HOUR, "accept");
	append(w, T0, "accept");
	append(w, T0 + HOUR, "accept");
	append(w, T0 + 4 * HOUR, "accept");
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char found[64] = "";

		assert_true(journal_read(w->reader, &cases[i].filter, note_serial, found, NULL));
		if (strcmp(found, cases[i].found) != 0)
			fail_msg("%zu: %s", i, found);
	}
}

/* An entry of each minute, but for moments at which the clock was ahead or behind: more than are looked at first. */
struct minutes {
	int64_t ahead, behind; /* minutes that the wrong ones tell */
	int64_t back;          /* and how far it went back then */
	size_t n;
};

static int64_t
minute_of(const struct minutes *m, int64_t serial)
{
	int64_t told = serial == 1300 || serial == 1301 ? m->ahead
	    : serial == 1700                            ? m->behind
							: serial;

	return T0 + told * MINUTE;
}

#define MINUTES 3000

static bool
count_right(void *owner, const struct journal_record *r)
{
	struct minutes *m = owner;

	assert_int_equal(r->time_ms, minute_of(m, r->serial));
	m->n++;
	return true;
}

static void
check_spans(struct world *w, struct minutes *m)
{
	static const int64_t edges[] = { 0, 20, 1001, 1270, 1300, 1302, 1341, 1660, 1700, 2001,
		2900, 2901, 3000, 5000 };
	size_t n_edges = sizeof(edges) / sizeof(edges[0]);

	for (size_t i = 0; i < n_edges * n_edges; i++) {
		const struct journal_filter filter = { .since_ms = T0 + edges[i / n_edges] * MINUTE,
			.until_ms = T0 + edges[i % n_edges] * MINUTE };
		size_t want = 0;

		for (int64_t serial = 1; serial <= MINUTES; serial++)
			want += minute_of(m, serial) >= filter.since_ms &&
			    minute_of(m, serial) < filter.until_ms;
		m->n = 0;
		assert_true(journal_read(w->reader, &filter, count_right, m, NULL));
		assert_int_equal(m->n, want);
	}
}

static void
change(struct world *w, const char *sql)
{
	sqlite3 *handle;

	assert_int_equal(sqlite3_open(folder_file(&w->folder, "journal.db"), &handle), SQLITE_OK);
	assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(handle);
}

static int64_t
clock_back(struct world *w)
{
	sqlite3 *handle;
	sqlite3_stmt *stmt;
	int64_t value;

	assert_int_equal(sqlite3_open(folder_file(&w->folder, "journal.db"), &handle), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(handle,
			     "SELECT value FROM meta WHERE name = 'clock_back'", -1, &stmt, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	value = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(handle);
	return value;
}

static void
spans_of_time(struct world *w, struct minutes *m)
{
	static struct journal_record record[MINUTES], *p[MINUTES];

	for (size_t i = 0; i < MINUTES; i++) {
		record[i] = (struct journal_record){ .time_ms = minute_of(m, (int64_t)i + 1),
			.verdict = "accept" };
		p[i] = &record[i];
	}
	/* It goes back between two lots, and within one. */
	assert_true(journal_append(w->journal, p, 1301, NULL));
	assert_true(journal_append(w->journal, p + 1301, MINUTES - 1301, NULL));
	assert_int_equal(clock_back(w), m->back * MINUTE);
	check_spans(w, m);
	/* A journal that does not know is searched all the same, and does not come to believe that it does. */
	change(w, "DELETE FROM meta WHERE name = 'clock_back'");
	journal_close(&w->journal);
	w->journal = journal_open(folder_file(&w->folder, "journal.db"), NULL);
	assert_non_null(w->journal);
	check_spans(w, m);
}

static void
test_spans_of_time(void **state)
{
	spans_of_time(*state, &(struct minutes){ .ahead = 1340, .behind = 1660, .back = 39 });
}

static void
test_spans_of_wrong_time(void **state)
{
	spans_of_time(*state, &(struct minutes){ .ahead = 2900, .behind = 20, .back = 2880 });
}

/* Words that this version does not write come out as such, and harm nobody. */
static void
test_unknown_words(void **state)
{
	struct world *w = *state;
	char found[64] = "";

	append(w, T0, "quarantine");
	assert_true(journal_read(w->reader,
	    &(struct journal_filter){ .verdict = STR("quarantine") }, note_serial, found, NULL));
	assert_string_equal(found, "1 ");
}

static void
test_files_that_are_none(void **state)
{
	struct world *w = *state;
	char expected[700];
	struct err e = { 0 };
	const char *path = folder_file(&w->folder, "none.db");

	assert_null(journal_open_read(path, &e));
	assert_non_null(strstr(e.text, path));
	assert_int_not_equal(access(path, F_OK), 0);
	folder_write(&w->folder, "text.db", "this is no database at all, by no means", 39);
	assert_null(journal_open_read(folder_file(&w->folder, "text.db"), &e));
	snprintf(expected, sizeof expected, "%s/text.db", w->folder.path);
	assert_non_null(strstr(e.text, expected));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_entries_that_come, setup, teardown),
		cmocka_unit_test_setup_teardown(test_entries_that_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock_goes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spans_of_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_spans_of_wrong_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unknown_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files_that_are_none, setup, teardown),
	};

	return cmocka_run_group_tests_name("journal_read", tests, NULL, NULL);
}
