#include "proxy/tally.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct tally_kind sessions = { STEP_CONNECT, SAID_SESSIONS };
static const struct tally_kind lines = { STEP_HELO, SAID_LINE_TOO_LONG };

struct fixture {
	struct event_base *base;
	char folder[64];
	struct db *db;
	struct db_link *link;
	struct tally *tally;
};

static int
set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct db_settings settings = { .journal = { .keep_ms = 86400000 } };
	struct err e;

	snprintf(f->folder, sizeof(f->folder), "/tmp/postern-tally-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	settings.folder = f->folder;
	f->base = event_base_new();
	f->db = db_start(&settings, &e);
	assert_non_null(f->db);
	f->link = db_link_new(f->db, f->base);
	f->tally = tally_new(f->base, f->link);
	*state = f;
	return 0;
}

/* What was sent is on disk once the thread has ended. */
static void
finish(struct fixture *f)
{
	tally_free(&f->tally);
	db_link_free(&f->link);
	db_stop(&f->db);
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;
	char command[96];

	event_base_free(f->base);
	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

struct seen {
	size_t n;
	int64_t times[4];
	int code[4];
};

static bool
row(void *owner, const struct journal_record *r)
{
	struct seen *seen = owner;

	assert_in_range(seen->n, 0, 3);
	seen->times[seen->n] = r->times;
	seen->code[seen->n++] = r->code;
	return true;
}

static struct seen
journal(struct fixture *f)
{
	const struct journal_filter all = { 0 };
	struct seen seen = { 0 };
	struct journal *journal;
	char path[96];
	struct err e;

	snprintf(path, sizeof(path), "%s/journal.db", f->folder);
	journal = journal_open_read(path, &e);
	assert_non_null(journal);
	assert_true(journal_read(journal, &all, row, &seen, &e));
	journal_close(&journal);
	return seen;
}

static void
test_a_flood_is_one_entry_of_each_kind(void **state)
{
	struct fixture *f = *state;
	struct seen seen;

	for (int i = 0; i < 1000; i++)
		tally_count(f->tally, &sessions);
	tally_count(f->tally, &lines);
	tally_send(f->tally);
	tally_count(f->tally, &lines);
	finish(f);
	seen = journal(f);
	assert_int_equal(seen.n, 3);
	assert_int_equal(seen.times[0], 1000);
	assert_int_equal(seen.code[0], 421);
	assert_int_equal(seen.times[1], 1);
	assert_int_equal(seen.code[1], 500);
	assert_int_equal(seen.times[2], 1);
}

static void
test_nothing_counted_is_nothing_written(void **state)
{
	struct fixture *f = *state;

	tally_send(f->tally);
	finish(f);
	assert_int_equal(journal(f).n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    test_a_flood_is_one_entry_of_each_kind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_nothing_counted_is_nothing_written, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
