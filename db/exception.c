#include "db/exception.h"

#include <stdlib.h>

#include "base/die.h"

enum statement {
	VERSION,
	CHANGED,
	READ,
	COUNT,
	ADD,
	REPLACE,
	DROP,
	HIT,
	CLEAN,
	STATEMENTS,
};

static const char *const statement_sql[STATEMENTS] = {
	[VERSION] = "SELECT version FROM exception_version",
	[CHANGED] = "UPDATE exception_version SET version = version + 1",
	[READ] = "SELECT number, key, about, made, expires, hits, last FROM exception "
		 "ORDER BY number",
	[COUNT] = "SELECT count(*) FROM exception",
	[ADD] = "INSERT INTO exception (key, about, expires, made, hits, last) "
		"VALUES (?1, ?2, ?3, ?4, 0, 0)",
	[REPLACE] = "UPDATE exception SET key = ?1, about = ?2, expires = ?3 WHERE number = ?4",
	[DROP] = "DELETE FROM exception WHERE number = ?1",
	[HIT] = "UPDATE exception SET hits = hits + ?2, last = max(last, ?3) WHERE number = ?1",
	[CLEAN] = "DELETE FROM exception WHERE number IN (SELECT number FROM exception "
		  "WHERE expires > 0 AND expires <= ?1 LIMIT ?2)",
};

struct exception_table {
	const struct dbfile *file;
	sqlite3_stmt *statement[STATEMENTS];
};

/* Rows that one step of cleaning removes. */
#define CLEAN_ROWS 500

struct exception_table *
exception_open(const struct dbfile *file, struct err *e)
{
	struct exception_table *t = xcalloc(1, sizeof(*t));

	t->file = file;
	if (!dbfile_prepare_all(file, statement_sql, STATEMENTS, t->statement, e))
		exception_close(&t);
	return t;
}

void
exception_close(struct exception_table **table)
{
	if (*table == NULL)
		return;
	dbfile_finalize_all((*table)->statement, STATEMENTS);
	free(*table);
	*table = NULL;
}

static bool
finish(struct exception_table *t, enum statement which, struct err *e)
{
	return dbfile_run(t->file, t->statement[which], e);
}

/* Of a statement that gives one number. */
static bool
number(struct exception_table *t, enum statement which, int64_t *out, struct err *e)
{
	sqlite3_stmt *stmt = t->statement[which];
	bool ok = sqlite3_step(stmt) == SQLITE_ROW;

	*out = ok ? sqlite3_column_int64(stmt, 0) : 0;
	return dbfile_end(t->file, stmt, ok, e);
}

static struct store_exception *
row_of(struct arena *memory, sqlite3_stmt *stmt)
{
	struct store_exception *row = ARENA_NEW(memory, struct store_exception);

	row->number = sqlite3_column_int64(stmt, 0);
	row->key = arena_dup(memory, dbfile_text(stmt, 1));
	row->about = arena_dup(memory, dbfile_text(stmt, 2));
	row->made = sqlite3_column_int64(stmt, 3);
	row->expires = sqlite3_column_int64(stmt, 4);
	row->hits = sqlite3_column_int64(stmt, 5);
	row->last = sqlite3_column_int64(stmt, 6);
	return row;
}

static bool
read_rows(struct exception_table *t, struct store_exceptions *x, struct err *e)
{
	sqlite3_stmt *stmt = t->statement[READ];
	struct store_exception **next = &x->rows;
	int64_t known = x->version;
	int rc;

	if (!number(t, VERSION, &x->version, e))
		return false;
	x->rows = NULL;
	x->same = x->version == known;
	if (x->same)
		return true;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		*next = row_of(x->memory, stmt);
		next = &(*next)->next;
	}
	return dbfile_end(t->file, stmt, rc == SQLITE_DONE, e);
}

/* A number that is gone is a row that has expired meanwhile: it comes back as a new one. */
static bool
put(struct exception_table *t, struct store_exceptions *x, int64_t now, struct err *e)
{
	sqlite3_stmt *stmt = t->statement[REPLACE];
	int64_t n;

	dbfile_bind(stmt, 1, x->one.key);
	dbfile_bind(stmt, 2, x->one.about);
	sqlite3_bind_int64(stmt, 3, x->one.expires);
	sqlite3_bind_int64(stmt, 4, x->one.number);
	if (!finish(t, REPLACE, e))
		return false;
	x->done = sqlite3_changes64(t->file->handle) > 0;
	if (x->done)
		return finish(t, CHANGED, e);
	if (!number(t, COUNT, &n, e))
		return false;
	if (n >= STORE_EXCEPTIONS_MAX)
		return true;
	stmt = t->statement[ADD];
	dbfile_bind(stmt, 1, x->one.key);
	dbfile_bind(stmt, 2, x->one.about);
	sqlite3_bind_int64(stmt, 3, x->one.expires);
	sqlite3_bind_int64(stmt, 4, now);
	if (!finish(t, ADD, e))
		return false;
	x->done = true;
	x->one.number = sqlite3_last_insert_rowid(t->file->handle);
	return finish(t, CHANGED, e);
}

static bool
drop(struct exception_table *t, struct store_exceptions *x, struct err *e)
{
	sqlite3_bind_int64(t->statement[DROP], 1, x->one.number);
	if (!finish(t, DROP, e))
		return false;
	x->done = sqlite3_changes64(t->file->handle) > 0;
	return !x->done || finish(t, CHANGED, e);
}

static bool
hit(struct exception_table *t, const struct store_exceptions *x, int64_t now, struct err *e)
{
	sqlite3_bind_int64(t->statement[HIT], 1, x->one.number);
	sqlite3_bind_int64(t->statement[HIT], 2, x->one.hits);
	sqlite3_bind_int64(t->statement[HIT], 3, now);
	return finish(t, HIT, e);
}

bool
exception_ask(struct exception_table *t, struct store_exceptions *x, int64_t now, bool read_only,
    struct err *e)
{
	if (x->what == EXCEPTIONS_READ)
		return read_rows(t, x, e);
	if (read_only)
		return true;
	if (x->what == EXCEPTIONS_PUT)
		return put(t, x, now, e);
	return x->what == EXCEPTIONS_DROP ? drop(t, x, e) : hit(t, x, now, e);
}

/* Nobody needs to hear of it: who holds such a row knows that it has expired. */
bool
exception_clean(struct exception_table *t, int64_t now, bool *more, struct err *e)
{
	sqlite3_bind_int64(t->statement[CLEAN], 1, now);
	sqlite3_bind_int64(t->statement[CLEAN], 2, CLEAN_ROWS);
	if (!finish(t, CLEAN, e))
		return false;
	*more = *more || sqlite3_changes64(t->file->handle) == CLEAN_ROWS;
	return true;
}
