#include "db/migrate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const struct migration good[] = {
	{ 1, "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1);" },
	{ 2, "ALTER TABLE a ADD COLUMN y TEXT; UPDATE a SET y = 'two';" },
	{ 3, "CREATE INDEX a_y ON a (y);" },
};

static const struct migration broken[] = {
	{ 1, "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1);" },
	{ 2, "INSERT INTO a VALUES (2); CREATE TABLE b (x); INSERT INTO nowhere VALUES (3);" },
	{ 3, "CREATE TABLE c (x);" },
};

static int
number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt;
	int n;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	n = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

static int
setup(void **state)
{
	return sqlite3_open(":memory:", (sqlite3 **)state) != SQLITE_OK;
}

static int
teardown(void **state)
{
	return sqlite3_close(*state) != SQLITE_OK;
}

static void
test_all(void **state)
{
	assert_int_equal(migrate_version(*state), 0);
	assert_true(migrate(*state, good, 3, NULL));
	assert_int_equal(migrate_version(*state), 3);
	assert_int_equal(number(*state, "SELECT y = 'two' FROM a"), 1);
	/* A second time there is nothing to do. */
	assert_true(migrate(*state, good, 3, NULL));
	assert_int_equal(number(*state, "SELECT count(*) FROM a"), 1);
}

static void
test_from_older(void **state)
{
	for (size_t n = 1; n <= 3; n++) {
		assert_true(migrate(*state, good, n, NULL));
		assert_int_equal(migrate_version(*state), n);
	}
}

static void
test_failing(void **state)
{
	struct err e = { 0 };

	assert_false(migrate(*state, broken, 3, &e));
	assert_int_equal(e.code, ERR_DB);
	assert_string_equal(e.text, "migration 2: no such table: nowhere");
	/* The first holds, of the second nothing has happened, and no transaction is left open. */
	assert_int_equal(migrate_version(*state), 1);
	assert_int_equal(number(*state, "SELECT count(*) FROM a"), 1);
	assert_int_equal(number(*state, "SELECT count(*) FROM sqlite_schema"), 1);
	assert_true(sqlite3_get_autocommit(*state));
	/* The mended program goes on from there. */
	assert_true(migrate(*state, good, 3, &e));
	assert_int_equal(migrate_version(*state), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all, setup, teardown),
		cmocka_unit_test_setup_teardown(test_from_older, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failing, setup, teardown),
	};

	return cmocka_run_group_tests_name("migrate", tests, NULL, NULL);
}
