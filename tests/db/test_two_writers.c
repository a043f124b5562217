/* Two processes at the same files, as while one posternd replaces another: nothing is lost or doubled. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "db/journal.h"
#include "db/store_sqlite.h"
#include "tests/db/folder.h"

#define PROCESSES 2
#define BATCHES 60
#define LARGEST 4
#define NOW INT64_C(1700000000000)

static int
setup(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	folder_make(folder);
	*state = folder;
	return 0;
}

static int
teardown(void **state)
{
	folder_remove(*state);
	free(*state);
	return 0;
}

/* How many records all batches of one process have. */
static int64_t
records_each(void)
{
	int64_t n = 0;

	for (size_t i = 0; i < BATCHES; i++)
		n += 1 + (int64_t)(i % LARGEST);
	return n;
}

static bool
append_batch(struct journal *j, size_t n)
{
	struct journal_record record[LARGEST], *all[LARGEST];

	for (size_t i = 0; i < n; i++) {
		record[i] = (struct journal_record){ .time_ms = NOW,
			.front = "proxy",
			.step = "rcpt",
			.verdict = "reject",
			.code = 550,
			.client_ip = STR("192.0.2.1") };
		all[i] = &record[i];
	}
	return journal_append(j, all, n, NULL);
}

static bool
write_journal(const char *path)
{
	struct journal *j = journal_open(path, NULL);
	bool ok = j != NULL;

	for (size_t i = 0; ok && i < BATCHES; i++)
		ok = append_batch(j, 1 + i % LARGEST);
	journal_close(&j);
	return ok;
}

static bool
write_store(const char *path)
{
	const struct question q = { .kind = QUESTION_COUNT, .name = STR("rate:x"), .add = 1 };
	struct store *store = store_sqlite.open(path, NULL);
	bool ok = store != NULL;

	for (size_t i = 0; ok && i < BATCHES; i++) {
		struct answer a = { .question = q };
		struct store_ask ask = { &q, &a };

		ok = store_sqlite.ask(store, &ask, 1, NOW, NULL);
	}
	store_sqlite.close(&store);
	return ok;
}

/* All begin with no file, at the same moment. */
static void
run_together(const char *path, bool (*work)(const char *path))
{
	pid_t pid[PROCESSES];
	int go[2], status;
	char octet;

	assert_int_equal(pipe(go), 0);
	for (size_t i = 0; i < PROCESSES; i++) {
		pid[i] = fork();
		assert_true(pid[i] >= 0);
		if (pid[i] > 0)
			continue;
		close(go[1]);
		_exit(read(go[0], &octet, 1) == 0 && work(path) ? 0 : 1);
	}
	close(go[0]);
	close(go[1]);
	for (size_t i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
}

static int64_t
number(const char *path, const char *sql)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;
	int64_t n;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

static void
test_journal(void **state)
{
	const char *path = folder_file(*state, "journal.db");
	int64_t n = PROCESSES * records_each();

	run_together(path, write_journal);
	assert_int_equal(number(path, "SELECT count(*) FROM entry"), n);
	assert_int_equal(number(path, "SELECT count(DISTINCT serial) FROM entry"), n);
	assert_int_equal(number(path, "SELECT min(serial) FROM entry"), 1);
	assert_int_equal(number(path, "SELECT max(serial) FROM entry"), n);
	assert_int_equal(number(path, "SELECT count(DISTINCT id) FROM entry"), n);
}

static void
test_store(void **state)
{
	const struct question q = { .kind = QUESTION_COUNT, .name = STR("rate:x") };
	struct answer a = { .question = q };
	struct store_ask ask = { &q, &a };
	const char *path = folder_file(*state, "store.db");
	struct store *store;

	run_together(path, write_store);
	store = store_sqlite.open(path, NULL);
	assert_non_null(store);
	assert_true(store_sqlite.ask(store, &ask, 1, NOW, NULL));
	assert_int_equal(a.count.hour, PROCESSES * BATCHES);
	store_sqlite.close(&store);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_journal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store, setup, teardown),
	};

	return cmocka_run_group_tests_name("two_writers", tests, NULL, NULL);
}
