#include "db/dbfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/db/folder.h"

static const struct migration migrations[] = {
	{ 1, "CREATE TABLE t (x TEXT) STRICT; INSERT INTO t VALUES ('one');" },
	{ 2, "CREATE TABLE u (x TEXT) STRICT;" },
};

static const struct dbfile_kind kind = {
	.name = "ledger",
	.application_id = 4711,
	.synchronous = "FULL",
	.page_size = 4096,
	.migration = migrations,
	.n_migrations = 2,
};

/* The same file as an older and as another program would have it. */
static const struct dbfile_kind older = {
	.name = "ledger",
	.application_id = 4711,
	.synchronous = "FULL",
	.page_size = 1024,
	.migration = migrations,
	.n_migrations = 1,
};
static const struct dbfile_kind other = {
	.name = "almanac",
	.application_id = 4712,
	.synchronous = "NORMAL",
	.page_size = 2048,
	.migration = migrations,
	.n_migrations = 2,
};

static int
setup(void **state)
{
	*state = calloc(1, sizeof(struct folder));
	folder_make(*state);
	return 0;
}

static int
teardown(void **state)
{
	folder_remove(*state);
	free(*state);
	return 0;
}

static void
create(const char *path, const struct dbfile_kind *k)
{
	struct dbfile f;
	struct err e;

	if (!dbfile_open(&f, path, k, &e))
		fail_msg("%s", e.text);
	dbfile_close(&f);
}

/* The error is the path and this text. */
static void
refused(const char *path, const struct dbfile_kind *k, const char *want)
{
	char text[1024];
	struct dbfile f;
	struct err e = { 0 };

	assert_false(dbfile_open(&f, path, k, &e));
	assert_null(f.handle);
	snprintf(text, sizeof(text), "%s: %s", path, want);
	assert_string_equal(e.text, text);
}

static void
refused_read(const char *path, const struct dbfile_kind *k, const char *want)
{
	char text[1024];
	struct dbfile f;
	struct err e = { 0 };

	assert_false(dbfile_open_read(&f, path, k, &e));
	snprintf(text, sizeof(text), "%s: %s", path, want);
	assert_string_equal(e.text, text);
}

static void
pragma_is(struct dbfile *f, const char *sql, const char *want)
{
	sqlite3_stmt *stmt;

	assert_true(dbfile_prepare(f, sql, &stmt, NULL));
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(stmt, 0), want);
	sqlite3_finalize(stmt);
}

static void
test_new(void **state)
{
	const char *path = folder_file(*state, "a.db");
	struct dbfile f;
	struct stat st;

	assert_true(dbfile_open(&f, path, &kind, NULL));
	pragma_is(&f, "PRAGMA journal_mode", "wal");
	pragma_is(&f, "PRAGMA synchronous", "2");
	pragma_is(&f, "PRAGMA auto_vacuum", "2");
	pragma_is(&f, "PRAGMA application_id", "4711");
	pragma_is(&f, "PRAGMA user_version", "2");
	pragma_is(&f, "PRAGMA busy_timeout", "5000");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_true(dbfile_in_place(&f));
	dbfile_close(&f);
	create(path, &kind);
}

/* As it was made, whatever is made by now. */
static void
test_page_size(void **state)
{
	static const struct {
		const struct dbfile_kind *made, *opened;
		const char *page, *wal;
	} cases[] = {
		{ &kind, &kind, "4096", "1024" },
		{ &other, &other, "2048", "2048" },
		{ &older, &kind, "1024", "1024" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char name[] = "0.db";
		struct dbfile f;

		name[0] += (char)i;
		create(folder_file(*state, name), cases[i].made);
		assert_true(dbfile_open(&f, folder_file(*state, name), cases[i].opened, NULL));
		pragma_is(&f, "PRAGMA page_size", cases[i].page);
		pragma_is(&f, "PRAGMA wal_autocheckpoint", cases[i].wal);
		dbfile_close(&f);
	}
}

static void
test_migrates(void **state)
{
	const char *path = folder_file(*state, "a.db");
	struct dbfile f;

	create(path, &older);
	refused_read(path, &kind,
	    "is of an older version (schema 1, not 2): start posternd once, it brings it up to date");
	assert_true(dbfile_open(&f, path, &kind, NULL));
	pragma_is(&f, "SELECT x FROM t", "one");
	pragma_is(&f, "SELECT count(*) FROM u", "0");
	dbfile_close(&f);
}

static void
test_newer(void **state)
{
	const char *path = folder_file(*state, "a.db");
	static const char want[] = "was written by a newer Postern (schema 2, this one knows 1): "
				   "install that one again, or move the file away";

	create(path, &kind);
	refused(path, &older, want);
	refused_read(path, &older, want);
}

static void
test_not_ours(void **state)
{
	const char *path = folder_file(*state, "a.db");
	static const char want[] =
	    "is a database, but no almanac of Postern: move it away, or name "
	    "another folder in `database`";
	struct dbfile f;

	create(path, &kind);
	refused(path, &other, want);
	refused_read(path, &other, want);
	/* It was left as it was. */
	assert_true(dbfile_open(&f, path, &kind, NULL));
	pragma_is(&f, "PRAGMA synchronous", "2");
	dbfile_close(&f);
}

static void
test_no_database(void **state)
{
	static const char text[] =
	    "This is a shopping list, not a database, and long enough so that "
	    "nobody can take it for the beginning of one: eggs, milk, butter.";

	folder_write(*state, "a.db", text, sizeof(text));
	refused(folder_file(*state, "a.db"), &kind,
	    "file is not a database (26): it is no SQLite database: move it away, a new one is made "
	    "at the next start");
	refused_read(folder_file(*state, "a.db"), &kind,
	    "file is not a database (26): it is no SQLite database: move it away, a new one is made "
	    "at the next start");
}

static void
test_damaged(void **state)
{
	const char *path = folder_file(*state, "a.db");
	struct dbfile f;
	struct err e = { 0 };
	FILE *file;

	create(path, &kind);
	file = fopen(path, "r+");
	assert_non_null(file);
	/* The pages behind the first: the tables' content. */
	fseek(file, 4096, SEEK_SET);
	for (int i = 0; i < 4096 * 3; i++)
		fputc(0xa5, file);
	fclose(file);
	assert_false(dbfile_open(&f, path, &kind, &e));
	assert_int_equal(e.code, ERR_DB);
	assert_non_null(strstr(e.text, path));
	assert_non_null(strstr(e.text,
	    "it is damaged: stop posternd, save what can be read with "
	    "sqlite3's .recover, move it away"));
}

static void
test_cut(void **state)
{
	const char *path = folder_file(*state, "a.db");
	struct dbfile f;
	struct err e = { 0 };

	create(path, &kind);
	assert_int_equal(truncate(path, 5000), 0);
	assert_false(dbfile_open(&f, path, &kind, &e));
	assert_non_null(strstr(e.text, "it is damaged"));
}

static void
test_paths(void **state)
{
	struct folder *folder = *state;
	char path[512], want[1024];
	struct dbfile f;
	struct err e = { 0 };

	snprintf(path, sizeof(path), "%s/missing/a.db", folder->path);
	assert_false(dbfile_open(&f, path, &kind, &e));
	snprintf(want, sizeof(want),
	    "%s/missing: No such file or directory: make the folder and give it to the user of "
	    "posternd",
	    folder->path);
	assert_string_equal(e.text, want);

	folder_write(folder, "plain", "x", 1);
	snprintf(path, sizeof(path), "%s/plain/a.db", folder->path);
	assert_false(dbfile_open(&f, path, &kind, &e));
	snprintf(
	    want, sizeof(want), "%s/plain: is no folder: name one in `database`", folder->path);
	assert_string_equal(e.text, want);

	snprintf(path, sizeof(path), "%s/folder.db", folder->path);
	assert_int_equal(mkdir(path, 0700), 0);
	refused(path, &kind, "is no file: move it away");

	refused_read(folder_file(folder, "none.db"), &kind,
	    "No such file or directory: has posternd been started with this `database` folder?");
}

/* What somebody without rights is told; the superuser is none, so a child gives them up. */
static void
as_nobody(const char *path, bool read_only, const char *want)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct dbfile f;
		struct err e = { 0 };
		bool ok;

		if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
			_exit(77);
		ok = read_only ? dbfile_open_read(&f, path, &kind, &e)
			       : dbfile_open(&f, path, &kind, &e);
		if (!ok && strstr(e.text, want))
			_exit(0);
		fprintf(stderr, "# got:    %s\n# wanted: %s\n", ok ? "no error" : e.text, want);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void
test_rights(void **state)
{
	struct folder *folder = *state;
	char want[1024];
	const char *path = folder_file(folder, "a.db");

	assert_int_equal(chmod(folder->path, 0755), 0);
	create(path, &kind);
	/* To read along somebody has to share the index of the write-ahead log, and to make it. */
	assert_int_equal(chmod(path, 0644), 0);
	as_nobody(path, true, "): become root or the user of posternd");
	assert_int_equal(chmod(path, 0400), 0);
	assert_int_equal(chmod(folder->path, 0555), 0);
	snprintf(want, sizeof(want),
	    "%s: Permission denied: let the user of posternd write to this folder", folder->path);
	as_nobody(path, false, want);
	assert_int_equal(chmod(folder->path, 0777), 0);
	snprintf(want, sizeof(want),
	    "%s: Permission denied: let the user of posternd read and write it", path);
	as_nobody(path, false, want);
	assert_int_equal(chmod(path, 0000), 0);
	snprintf(
	    want, sizeof(want), "%s: Permission denied: become root or the user of posternd", path);
	as_nobody(path, true, want);
}

static void
test_replaced(void **state)
{
	const char *path = folder_file(*state, "a.db");
	struct dbfile f;

	assert_true(dbfile_open(&f, path, &kind, NULL));
	assert_true(dbfile_in_place(&f));
	assert_int_equal(unlink(path), 0);
	assert_false(dbfile_in_place(&f));
	folder_write(*state, "a.db", "", 0);
	assert_false(dbfile_in_place(&f));
	dbfile_close(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_new, setup, teardown),
		cmocka_unit_test_setup_teardown(test_page_size, setup, teardown),
		cmocka_unit_test_setup_teardown(test_migrates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_database, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rights, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replaced, setup, teardown),
	};

	return cmocka_run_group_tests_name("dbfile", tests, NULL, NULL);
}
