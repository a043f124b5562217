#include "db/db.h"

#include <event2/event.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/log.h"
#include "db/backlog.h"
#include "tests/db/folder.h"

struct world {
	struct folder folder;
	struct db *db;
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err e;

	folder_make(&w->folder);
	w->db = db_start(&(struct db_settings){ .folder = w->folder.path }, &e);
	*state = w;
	return w->db == NULL;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	db_stop(&w->db);
	assert_null(w->db);
	folder_remove(&w->folder);
	free(w);
	return 0;
}

static struct db_request *
counting(const char *key, int64_t add)
{
	return db_request_store(
	    &(struct question){ .kind = QUESTION_COUNT, .name = str_of(key), .add = add });
}

static struct db_request *
journalling(const char *sender)
{
	struct journal_record r = {
		.time_ms = 1700000000000,
		.front = "proxy",
		.step = "mail",
		.verdict = "reject",
		.sender = str_of(sender),
	};

	return db_request_journal(journal_record_copy(&r));
}

/* --- one request -------------------------------------------------------------------------------- */

static void
keep_and_stop(struct db_request *r)
{
	struct db_request **kept = r->owner;

	*kept = r;
}

/* Sends and runs the loop until it is back. */
static struct db_request *
round_trip(struct db_link *link, struct event_base *base, struct db_request *r)
{
	struct db_request *back = NULL;

	r->owner = &back;
	r->done = keep_and_stop;
	db_send(link, r);
	assert_null(back);
	while (back == NULL)
		event_base_loop(base, EVLOOP_ONCE);
	assert_ptr_equal(back, r);
	return back;
}

static void
test_round_trip(void **state)
{
	struct world *w = *state;
	struct event_base *base = event_base_new();
	struct db_link *link = db_link_new(w->db, base);
	struct db_request *r;
	char key[] = "key";

	r = counting(key, 3);
	/* The key was copied. */
	key[0] = 'X';
	r = round_trip(link, base, r);
	assert_false(r->failed);
	assert_false(r->answer.failed);
	assert_int_equal(r->answer.state, ANSWER_HERE);
	assert_int_equal(r->answer.count.day, 3);
	assert_true(r->answer.took_us >= 0);
	db_request_free(&r);
	assert_null(r);

	r = round_trip(link, base, counting("key", 0));
	assert_int_equal(r->answer.count.day, 3);
	db_request_free(&r);

	r = round_trip(link, base, journalling("a@example.org"));
	assert_false(r->failed);
	assert_int_equal(strlen(r->record->id), 6);
	assert_int_equal(r->record->serial, 1);
	db_request_free(&r);

	r = round_trip(link, base, db_request_exceptions(EXCEPTIONS_READ));
	assert_false(r->failed || r->exceptions->same);
	assert_true(r->exceptions->version > 0);
	assert_null(r->exceptions->rows);
	db_request_free(&r);
	assert_int_equal(db_backlog(w->db), 0);
	db_link_free(&link);
	assert_null(link);
	event_base_free(base);
}

/* What nobody waits for leaves with what comes behind it, and by itself if nothing does. */
static void
test_no_hurry(void **state)
{
	struct world *w = *state;
	struct event_base *base = event_base_new();
	struct db_link *link = db_link_new(w->db, base);
	struct db_request *lazy = counting("key", 3), *back = NULL, *r;
	int64_t began;

	lazy->no_hurry = true;
	lazy->owner = &back;
	lazy->done = keep_and_stop;
	db_send(link, lazy);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(db_backlog(w->db), 1);
	r = round_trip(link, base, counting("key", 1));
	assert_int_equal(r->answer.count.day, 4);
	assert_ptr_equal(back, lazy);
	db_request_free(&r);
	db_request_free(&lazy);

	lazy = counting("key", 5);
	lazy->no_hurry = true;
	began = clock_mono_us();
	r = round_trip(link, base, lazy);
	assert_true(clock_mono_us() - began >= 15000);
	assert_int_equal(r->answer.count.day, 9);
	db_request_free(&r);

	/* Nor does it stay behind at the end. */
	lazy = counting("key", 1);
	lazy->no_hurry = true;
	db_send(link, lazy);
	db_link_free(&link);
	link = db_link_new(w->db, base);
	r = round_trip(link, base, counting("key", 0));
	assert_int_equal(r->answer.count.day, 10);
	db_request_free(&r);
	db_link_free(&link);
	event_base_free(base);
}

/* --- more than it can take ---------------------------------------------------------------------- */

static sqlite3 *
lock_journal(struct world *w)
{
	sqlite3 *handle;

	assert_int_equal(sqlite3_open(folder_file(&w->folder, "journal.db"), &handle), SQLITE_OK);
	/* The thread may be summing up what came before. */
	sqlite3_busy_timeout(handle, 5000);
	assert_int_equal(sqlite3_exec(handle, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
	return handle;
}

/* Nothing is lost while the journal is locked, but the mark goes up; and down when it is written. */
static void
test_full(void **state)
{
	static const struct {
		size_t octets, mark;
	} cases[] = { { 10, BACKLOG_REQUESTS }, { 4 << 20, BACKLOG_OCTETS / (4 << 20) } };
	struct world *w = *state;
	struct event_base *base = event_base_new();
	struct db_link *link = db_link_new(w->db, base);
	struct journal *reader;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *sender = calloc(1, cases[i].octets + 1);
		sqlite3 *lock = lock_journal(w);

		memset(sender, 'a', cases[i].octets);
		for (size_t n = 1; n <= cases[i].mark; n++) {
			assert_false(db_full(link));
			db_send(link, journalling(sender));
		}
		assert_true(db_full(link));
		assert_int_equal(db_backlog(w->db), cases[i].mark);
		sqlite3_close(lock);
		while (db_full(link))
			event_base_loop(base, EVLOOP_ONCE);
		assert_true(db_backlog(w->db) <= cases[i].mark / 4);
		while (db_backlog(w->db) > 0)
			event_base_loop(base, EVLOOP_ONCE);
		free(sender);
	}
	db_link_free(&link);
	event_base_free(base);
	reader = journal_open_read(folder_file(&w->folder, "journal.db"), NULL);
	assert_int_equal(journal_newest(reader), cases[0].mark + cases[1].mark);
	journal_close(&reader);
}

/* --- many requests over two loops --------------------------------------------------------------- */

#define MANY 10000
#define IN_FLIGHT 300

struct loop {
	pthread_t thread;
	struct db *db;
	struct event_base *base;
	struct db_link *link;
	unsigned id;
	size_t sent, back, failed, wrong;
	int64_t last_serial, last_count;
};

static void send_next(struct loop *loop);

static void
back(struct db_request *r)
{
	struct loop *loop = r->owner;

	loop->failed += r->failed;
	/* In the order they were sent, each kind for itself. */
	if (r->what == DB_JOURNAL) {
		loop->wrong += r->record->serial <= loop->last_serial || r->record->id[0] == '\0';
		loop->last_serial = r->record->serial;
	} else {
		loop->wrong += r->answer.count.day != ++loop->last_count;
	}
	db_request_free(&r);
	loop->back++;
	if (loop->sent < MANY)
		send_next(loop);
	else if (loop->back == MANY)
		event_base_loopbreak(loop->base);
}

static void
send_next(struct loop *loop)
{
	struct db_request *r;
	char key[32];

	snprintf(key, sizeof(key), "loop %u", loop->id);
	r = loop->sent++ % 4 == 0 ? journalling(key) : counting(key, 1);
	r->owner = loop;
	r->done = back;
	db_send(loop->link, r);
}

static void *
loop_main(void *arg)
{
	struct loop *loop = arg;

	loop->base = event_base_new();
	loop->link = db_link_new(loop->db, loop->base);
	for (int i = 0; i < IN_FLIGHT; i++)
		send_next(loop);
	event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
	db_link_free(&loop->link);
	event_base_free(loop->base);
	return NULL;
}

static bool
tally(void *owner, const struct journal_record *r)
{
	int64_t *next = owner;

	assert_int_equal(r->serial, *next);
	(*next)++;
	return true;
}

static void
test_two_loops(void **state)
{
	struct world *w = *state;
	struct loop loop[2] = { { .id = 0 }, { .id = 1 } };
	struct journal *reader;
	int64_t next = 1;

	for (int i = 0; i < 2; i++) {
		loop[i].db = w->db;
		assert_int_equal(pthread_create(&loop[i].thread, NULL, loop_main, &loop[i]), 0);
	}
	for (int i = 0; i < 2; i++) {
		pthread_join(loop[i].thread, NULL);
		assert_int_equal(loop[i].back, MANY);
		assert_int_equal(loop[i].failed, 0);
		assert_int_equal(loop[i].wrong, 0);
		assert_int_equal(loop[i].last_count, MANY * 3 / 4);
	}
	/* 1, 2, 3, ... without gaps, although two loops wrote. */
	reader = journal_open_read(folder_file(&w->folder, "journal.db"), NULL);
	assert_true(journal_read(reader, &(struct journal_filter){ 0 }, tally, &next, NULL));
	assert_int_equal(next, MANY / 2 + 1);
	journal_close(&reader);
}

/* --- links that go away ------------------------------------------------------------------------- */

static void
must_not_come(struct db_request *r)
{
	panic("done() was called after its link was freed");
}

static void
test_link_gone(void **state)
{
	struct world *w = *state;

	for (int round = 0; round < 20; round++) {
		struct event_base *base = event_base_new();
		struct db_link *link = db_link_new(w->db, base);

		for (int i = 0; i < 100; i++) {
			struct db_request *r = i % 2 ? journalling("gone") : counting("gone", 1);

			r->done = i % 3 ? must_not_come : NULL;
			db_send(link, r);
		}
		db_link_free(&link);
		event_base_free(base);
	}
}

static void
test_gone_is_written(void **state)
{
	struct world *w = *state;
	struct event_base *base = event_base_new();
	struct db_link *link = db_link_new(w->db, base);
	struct journal *reader;
	int64_t next = 1;

	for (int i = 0; i < 50; i++)
		db_send(link, journalling("gone"));
	db_link_free(&link);
	event_base_free(base);
	reader = journal_open_read(folder_file(&w->folder, "journal.db"), NULL);
	assert_true(journal_read(reader, &(struct journal_filter){ 0 }, tally, &next, NULL));
	assert_int_equal(next, 51);
	journal_close(&reader);
}

/* Nobody waits: db frees what comes back. */
static void
test_nobody_waits(void **state)
{
	struct world *w = *state;
	struct event_base *base = event_base_new();
	struct db_link *link = db_link_new(w->db, base);
	struct db_request *r;

	for (int i = 0; i < 100; i++)
		db_send(link, counting("k", 1));
	r = round_trip(link, base, counting("k", 0));
	assert_int_equal(r->answer.count.day, 100);
	db_request_free(&r);
	db_link_free(&link);
	event_base_free(base);
}

static void
test_start_refused(void **state)
{
	struct err e = { 0 };

	assert_null(db_start(&(struct db_settings){ .folder = "/nonexistent/postern" }, &e));
	assert_string_equal(e.text,
	    "/nonexistent/postern: No such file or directory: make the folder "
	    "and give it to the user of posternd");
}

/* --- failure while running ---------------------------------------------------------------------- */

/* No file may grow any more: like a full disk, and it holds for the superuser, too. */
static void
disk_full(bool full)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = full ? 0 : limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
test_disk_full(void **state)
{
	struct world *w = *state;
	struct event_base *base = event_base_new();
	struct db_link *link = db_link_new(w->db, base);
	struct db_request *r;

	signal(SIGXFSZ, SIG_IGN);
	r = round_trip(link, base, counting("k", 1));
	assert_false(r->failed);
	db_request_free(&r);

	disk_full(true);
	for (int i = 0; i < 3; i++) {
		r = round_trip(link, base, counting("k", 1));
		assert_true(r->failed);
		assert_true(r->answer.failed);
		db_request_free(&r);
		r = round_trip(link, base, journalling("lost"));
		assert_true(r->failed);
		assert_string_equal(r->record->id, "");
		db_request_free(&r);
	}
	disk_full(false);

	/* Good again with the next request, and nothing of what failed was done. */
	r = round_trip(link, base, counting("k", 1));
	assert_false(r->failed);
	assert_int_equal(r->answer.count.day, 2);
	db_request_free(&r);
	r = round_trip(link, base, journalling("kept"));
	assert_false(r->failed);
	assert_int_equal(r->record->serial, 1);
	db_request_free(&r);
	db_link_free(&link);
	event_base_free(base);
}

/* The files are taken away: they are made anew within a second or so, not written to unseen. */
static void
test_files_removed(void **state)
{
	struct world *w = *state;
	struct event_base *base = event_base_new();
	struct db_link *link = db_link_new(w->db, base);
	int64_t give_up = clock_mono_us() + 20 * 1000000;
	static const char *const names[] = { "store.db", "store.db-wal", "store.db-shm",
		"journal.db", "journal.db-wal", "journal.db-shm" };
	struct db_request *r;
	bool new_store = false, new_journal = false;

	r = round_trip(link, base, counting("k", 1000));
	db_request_free(&r);
	for (int i = 0; i < 5; i++) {
		r = round_trip(link, base, journalling("old"));
		db_request_free(&r);
	}
	for (int i = 0; i < 6; i++)
		unlink(folder_file(&w->folder, names[i]));
	/* Each of the two is looked at on its own. */
	while (!new_store || !new_journal) {
		assert_true(clock_mono_us() < give_up);
		r = round_trip(link, base, counting("k", 1));
		new_store = new_store || (!r->failed && r->answer.count.day < 1000);
		db_request_free(&r);
		r = round_trip(link, base, journalling("new"));
		new_journal = new_journal || (!r->failed && r->record->serial == 1);
		db_request_free(&r);
	}
	assert_int_equal(access(folder_file(&w->folder, "store.db"), F_OK), 0);
	assert_int_equal(access(folder_file(&w->folder, "journal.db"), F_OK), 0);
	db_link_free(&link);
	event_base_free(base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_hurry, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_loops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_link_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_is_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_waits, setup, teardown),
		cmocka_unit_test(test_start_refused),
		cmocka_unit_test_setup_teardown(test_disk_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_files_removed, setup, teardown),
	};

	log_open("test_db", LOG_TO_STDERR, LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("db", tests, NULL, NULL);
}
