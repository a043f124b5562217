#include "db/distinct.h"

#include <stdlib.h>

#include "base/die.h"
#include "db/census.h"
#include "db/sketch.h"

enum statement { GET, PUT, STATEMENTS };

static const char *const statement_sql[STATEMENTS] = {
	[GET] = "SELECT entries FROM sketch WHERE key = ?1",
	[PUT] = "INSERT INTO sketch (key, entries, expires) VALUES (?1, ?2, ?3) "
		"ON CONFLICT (key) DO UPDATE SET entries = excluded.entries, "
		"expires = excluded.expires",
};

static const struct census_of all_rows = { "sketch", "1", DISTINCT_ROWS_MAX };

#define KEEP_DAYS 2

struct distinct_table {
	const struct dbfile *file;
	bool writes;
	struct census rows;
	sqlite3_stmt *statement[STATEMENTS];
};

struct distinct_table *
distinct_open(const struct dbfile *file, bool writes, struct err *e)
{
	struct distinct_table *t = xcalloc(1, sizeof(*t));

	t->file = file;
	t->writes = writes;
	if (!dbfile_prepare_all(file, statement_sql, STATEMENTS, t->statement, e) ||
	    !census_open(&t->rows, file, &all_rows, writes, e))
		distinct_close(&t);
	return t;
}

void
distinct_close(struct distinct_table **table)
{
	if (*table == NULL)
		return;
	dbfile_finalize_all((*table)->statement, STATEMENTS);
	census_close(&(*table)->rows);
	free(*table);
	*table = NULL;
}

void
distinct_limit(struct distinct_table *t, int64_t rows)
{
	census_limit(&t->rows, rows);
}

void
distinct_begin(struct distinct_table *t)
{
	census_begin(&t->rows);
}

void
distinct_undo(struct distinct_table *t)
{
	census_undo(&t->rows);
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
	return dbfile_run(t->file, stmt, e);
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
	if (!there && !census_room(&t->rows, e))
		return false;
	t->rows.rows += there ? 0 : 1;
	return put(t, q->name, &s, now, e);
}

bool
distinct_clean(struct distinct_table *t, int64_t now, bool *more, struct err *e)
{
	return census_clean(&t->rows, now, more, e);
}
