#include "db/distinct.h"

#include <stdlib.h>

#include "base/die.h"
#include "db/sketch.h"

enum statement { GET, PUT, EVICT, CLEAN, COUNT, STATEMENTS };

static const char *const statement_sql[STATEMENTS] = {
	[GET] = "SELECT entries FROM sketch WHERE key = ?1",
	[PUT] = "INSERT INTO sketch (key, entries, expires) VALUES (?1, ?2, ?3) "
		"ON CONFLICT (key) DO UPDATE SET entries = excluded.entries, "
		"expires = excluded.expires",
	[EVICT] = "DELETE FROM sketch WHERE key IN (SELECT key FROM sketch "
		  "ORDER BY expires LIMIT ?1)",
	[CLEAN] = "DELETE FROM sketch WHERE key IN (SELECT key FROM sketch "
		  "WHERE expires < ?1 ORDER BY expires LIMIT ?2)",
	[COUNT] = "SELECT count(*) FROM sketch",
};

/* Rows that go together when room is made, and in one step of cleaning. */
#define EVICT_ROWS 128
#define CLEAN_ROWS 500

#define KEEP_DAYS 2

struct distinct_table {
	const struct dbfile *file;
	bool writes;
	int64_t rows, before; /* now; when the transaction began */
	int64_t most;
	sqlite3_stmt *statement[STATEMENTS];
};

static bool
count_rows(struct distinct_table *t, struct err *e)
{
	sqlite3_stmt *stmt = t->statement[COUNT];
	bool ok = sqlite3_step(stmt) == SQLITE_ROW;

	if (ok)
		t->rows = sqlite3_column_int64(stmt, 0);
	return dbfile_end(t->file, stmt, ok, e);
}

struct distinct_table *
distinct_open(const struct dbfile *file, bool writes, struct err *e)
{
	struct distinct_table *t = xcalloc(1, sizeof(*t));
	bool ok = true;

	t->file = file;
	t->writes = writes;
	t->most = DISTINCT_ROWS_MAX;
	for (size_t i = 0; ok && i < STATEMENTS; i++)
		ok = dbfile_prepare(file, statement_sql[i], &t->statement[i], e);
	if (!ok || (writes && !count_rows(t, e)))
		distinct_close(&t);
	return t;
}

void
distinct_close(struct distinct_table **table)
{
	if (*table == NULL)
		return;
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize((*table)->statement[i]);
	free(*table);
	*table = NULL;
}

void
distinct_limit(struct distinct_table *t, int64_t rows)
{
	require(rows > 0);
	t->most = rows;
}

void
distinct_begin(struct distinct_table *t)
{
	t->before = t->rows;
}

void
distinct_undo(struct distinct_table *t)
{
	t->rows = t->before;
}

/* Takes rows away; *n: how many. */
static bool
take_away(struct distinct_table *t, sqlite3_stmt *stmt, int64_t *n, struct err *e)
{
	bool ok = sqlite3_step(stmt) == SQLITE_DONE;

	*n = ok ? sqlite3_changes64(t->file->handle) : 0;
	t->rows -= *n;
	return dbfile_end(t->file, stmt, ok, e);
}

static bool
make_room(struct distinct_table *t, struct err *e)
{
	int64_t excess = t->rows + 1 - t->most, n;

	if (excess <= 0)
		return true;
	sqlite3_bind_int64(
	    t->statement[EVICT], 1, excess + (t->most > 16 * EVICT_ROWS ? EVICT_ROWS : 0));
	return take_away(t, t->statement[EVICT], &n, e);
}

static bool
get(struct distinct_table *t, struct str key, struct sketch *s, bool *there, struct err *e)
{
	sqlite3_stmt *stmt = t->statement[GET];
	struct str blob = { 0 };
	int rc;

	dbfile_bind(stmt, 1, key);
	rc = sqlite3_step(stmt);
	*there = rc == SQLITE_ROW;
	if (*there)
		blob = (struct str){ sqlite3_column_blob(stmt, 0),
			(size_t)sqlite3_column_bytes(stmt, 0) };
	/* One that cannot be read counts as empty: a lost count is no reason to refuse mail. */
	sketch_load(s, blob);
	return dbfile_end(t->file, stmt, rc == SQLITE_ROW || rc == SQLITE_DONE, e);
}

static bool
put(struct distinct_table *t, struct str key, const struct sketch *s, int64_t now, struct err *e)
{
	sqlite3_stmt *stmt = t->statement[PUT];
	unsigned char blob[SKETCH_BLOB_MAX];

	dbfile_bind(stmt, 1, key);
	sqlite3_bind_blob(stmt, 2, blob, (int)sketch_save(s, blob), SQLITE_STATIC);
	/* Whole days: the index changes once a day and key. */
	sqlite3_bind_int64(stmt, 3, (now / SKETCH_DAY + KEEP_DAYS + 1) * SKETCH_DAY);
	return dbfile_end(t->file, stmt, sqlite3_step(stmt) == SQLITE_DONE, e);
}

bool
distinct_answer(struct distinct_table *t, const struct question *q, int64_t now,
    struct count_answer *out, struct err *e)
{
	struct sketch s;
	bool there;

	if (!get(t, q->name, &s, &there, e))
		return false;
	sketch_add(&s, now, t->writes ? q->hashes : STR(""), out);
	if (!t->writes || q->hashes.n == 0)
		return true;
	if (!there && !make_room(t, e))
		return false;
	t->rows += there ? 0 : 1;
	return put(t, q->name, &s, now, e);
}

bool
distinct_clean(struct distinct_table *t, int64_t now, bool *more, struct err *e)
{
	sqlite3_stmt *stmt = t->statement[CLEAN];
	int64_t n;

	sqlite3_bind_int64(stmt, 1, now);
	sqlite3_bind_int64(stmt, 2, CLEAN_ROWS);
	if (!take_away(t, stmt, &n, e))
		return false;
	*more = *more || n == CLEAN_ROWS;
	return true;
}
