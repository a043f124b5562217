#include "db/text_file.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/die.h"
#include "db/dbfile.h"

/* Of the index, 16 KiB each, in one step: a millisecond, unless all entries have the same three letters. */
#define MERGE_PAGES 4

struct text_file {
	sqlite3 *handle;
	int code; /* of what failed */
	bool old; /* what it holds did not all come to the disk */
};

void
text_file_boot(char out[TEXT_BOOT_SIZE])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (f == NULL || fgets(out, TEXT_BOOT_SIZE, f) == NULL)
		out[0] = '\0';
	out[strcspn(out, "\n")] = '\0';
	if (f)
		fclose(f);
}

/* --- statements --------------------------------------------------------------------------------- */

static enum text_step
went(struct text_file *x, bool ok)
{
	if (ok)
		return TEXT_DONE;
	x->code = sqlite3_extended_errcode(x->handle);
	if (!sqlite3_get_autocommit(x->handle))
		sqlite3_exec(x->handle, "ROLLBACK", NULL, NULL, NULL);
	return (x->code & 0xff) == SQLITE_BUSY || (x->code & 0xff) == SQLITE_LOCKED ? TEXT_LATER
										    : TEXT_BROKEN;
}

static bool
run(struct text_file *x, const char *sql)
{
	return sqlite3_exec(x->handle, sql, NULL, NULL, NULL) == SQLITE_OK;
}

static bool
end(sqlite3_stmt *stmt)
{
	int rc;

	do
		rc = sqlite3_step(stmt);
	while (rc == SQLITE_ROW);
	return sqlite3_finalize(stmt) == SQLITE_OK && rc == SQLITE_DONE;
}

static bool
run_text(struct text_file *x, const char *sql, const char *text)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(x->handle, sql, -1, &stmt, NULL) != SQLITE_OK)
		return false;
	dbfile_bind(stmt, 1, str_of(text));
	return end(stmt);
}

static bool
run_numbers(struct text_file *x, const char *sql, int64_t first, int64_t second)
{
	sqlite3_stmt *stmt;

	if (sqlite3_prepare_v2(x->handle, sql, -1, &stmt, NULL) != SQLITE_OK)
		return false;
	sqlite3_bind_int64(stmt, 1, first);
	if (sqlite3_bind_parameter_count(stmt) > 1)
		sqlite3_bind_int64(stmt, 2, second);
	return end(stmt);
}

/* Of one row; -1: it failed. */
static int64_t
number(struct text_file *x, const char *sql)
{
	sqlite3_stmt *stmt;
	int64_t n = -1;

	if (sqlite3_prepare_v2(x->handle, sql, -1, &stmt, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

/* --- opening ------------------------------------------------------------------------------------ */

/* On the disk before anything is filled in: so that a file without its `boot` is none. */
static bool
make(struct text_file *x, const char *boot)
{
	static const char *const sql[] = {
		"PRAGMA page_size = 16384",
		"PRAGMA synchronous = FULL",
		"BEGIN IMMEDIATE",
		("CREATE VIRTUAL TABLE words USING fts5(body, content = '', tokenize = 'trigram', "
		 "detail = none, columnsize = 0)"),
		"INSERT INTO words (words, rank) VALUES ('pgsz', 16000)",
		"INSERT INTO words (words, rank) VALUES ('automerge', 0)",
		"INSERT INTO words (words, rank) VALUES ('crisismerge', 1000)",
		"INSERT INTO words (words, rank) VALUES ('usermerge', 8)",
		"CREATE TABLE done (serial INTEGER PRIMARY KEY) STRICT",
		"CREATE TABLE filled (boot TEXT NOT NULL) STRICT",
	};
	bool ok = true;

	for (size_t i = 0; ok && i < sizeof(sql) / sizeof(sql[0]); i++)
		ok = run(x, sql[i]);
	return ok && run_text(x, "INSERT INTO filled (boot) VALUES (?1)", boot) && run(x, "COMMIT");
}

/* Whether all that was filled in can be in the file. */
static bool
trusted(struct text_file *x, const char *boot)
{
	sqlite3_stmt *stmt;
	bool ok;

	if (text_file_whole(x))
		return true;
	if (sqlite3_prepare_v2(x->handle, "SELECT 1 FROM filled WHERE boot IN ('', ?1)", -1, &stmt,
		NULL) != SQLITE_OK)
		return false;
	dbfile_bind(stmt, 1, str_of(boot));
	ok = sqlite3_step(stmt) == SQLITE_ROW;
	x->old = sqlite3_finalize(stmt) == SQLITE_OK && !ok;
	return ok;
}

/* A file that was begun with waiting goes on so. */
static bool
hurry(struct text_file *x)
{
	int64_t known = number(x, "SELECT count(*) FROM filled WHERE boot <> ''");

	return known >= 0 &&
	    run(x, known ? "PRAGMA synchronous = OFF" : "PRAGMA synchronous = NORMAL");
}

struct text_file *
text_file_open(const char *path, const char *journal, enum text_step *step)
{
	struct text_file *x = xcalloc(1, sizeof(*x));
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
	    SQLITE_OPEN_PRIVATECACHE;
	char boot[TEXT_BOOT_SIZE];
	bool ok;
	int fd;

	text_file_boot(boot);
	/* Made by us, for its mode: it tells who wrote to whom. */
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd >= 0)
		close(fd);
	/* Without write-ahead log: who may only read must be able to. */
	ok = sqlite3_open_v2(path, &x->handle, flags, NULL) == SQLITE_OK &&
	    run(x, "PRAGMA journal_mode = TRUNCATE") &&
	    (number(x, "SELECT count(*) FROM sqlite_schema") != 0 || make(x, boot)) &&
	    trusted(x, boot) && hurry(x) && run_text(x, "ATTACH ?1 AS journal", journal);
	*step = x->old ? TEXT_BROKEN : went(x, ok);
	return x;
}

void
text_file_close(struct text_file **file)
{
	struct text_file *x = *file;

	if (x == NULL)
		return;
	sqlite3_close_v2(x->handle);
	free(x);
	*file = NULL;
}

const char *
text_file_problem(const struct text_file *x)
{
	return x->old ? "the machine went down while it was being filled" : sqlite3_errstr(x->code);
}

/* --- filling ------------------------------------------------------------------------------------ */

int64_t
text_file_last(struct text_file *x)
{
	int64_t last = number(x, "SELECT max(serial) FROM done");

	return last > 0 ? last : 0;
}

bool
text_file_whole(struct text_file *x)
{
	return number(x, "PRAGMA user_version") == 1;
}

enum text_step
text_file_add(struct text_file *x, int64_t first, int64_t last)
{
	static const char add[] = "INSERT INTO words (rowid, body) SELECT serial, " TEXT_BODY(
	    "") " FROM journal.entry WHERE serial BETWEEN ?1 AND ?2";

	return went(x,
	    run(x, "BEGIN") && run_numbers(x, add, first, last) && run(x, "DELETE FROM done") &&
		run_numbers(x, "INSERT INTO done (serial) VALUES (?1)", last, 0) &&
		run(x, "COMMIT"));
}

/* FTS5 tells by the count of changes whether there was anything to merge; a number below 0 means all pieces. */
enum text_step
text_file_merge(struct text_file *x, bool full)
{
	int64_t before = sqlite3_total_changes64(x->handle);
	bool ok = run_numbers(x, "INSERT INTO words (words, rank) VALUES ('merge', ?1)",
	    full ? -MERGE_PAGES : MERGE_PAGES, 0);

	if (ok && sqlite3_total_changes64(x->handle) - before < 2)
		return TEXT_NOTHING;
	return went(x, ok);
}

enum text_step
text_file_finish(struct text_file *x)
{
	return went(x,
	    run(x, "PRAGMA synchronous = FULL") && run(x, "BEGIN IMMEDIATE") &&
		run(x, "PRAGMA user_version = 1") && run(x, "COMMIT"));
}
