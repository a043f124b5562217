#include "db/counter.h"

#include <stdlib.h>

#include "base/die.h"
#include "db/census.h"

#define DAY 86400

enum statement { GET, PUT, STATEMENTS };

static const char *const statement_sql[STATEMENTS] = {
	[GET] = "SELECT bins, expires FROM counter WHERE key = ?1",
	[PUT] = "INSERT INTO counter (key, bins, expires) VALUES (?1, ?2, ?3) "
		"ON CONFLICT (key) DO UPDATE SET bins = excluded.bins, "
		"expires = excluded.expires",
};

static const struct census_of all_rows = { "counter", "1", COUNTER_ROWS_MAX };

struct counter_table {
	const struct dbfile *file;
	bool writes;
	struct census rows;
	sqlite3_stmt *statement[STATEMENTS];
};

struct counter_table *
counter_open(const struct dbfile *file, bool writes, struct err *e)
{
	struct counter_table *t = xcalloc(1, sizeof(*t));

	t->file = file;
	t->writes = writes;
	if (!dbfile_prepare_all(file, statement_sql, STATEMENTS, t->statement, e) ||
	    !census_open(&t->rows, file, &all_rows, writes, e))
		counter_close(&t);
	return t;
}

void
counter_close(struct counter_table **table)
{
	if (*table == NULL)
		return;
	dbfile_finalize_all((*table)->statement, STATEMENTS);
	census_close(&(*table)->rows);
	free(*table);
	*table = NULL;
}

void
counter_limit(struct counter_table *t, int64_t rows)
{
	census_limit(&t->rows, rows);
}

void
counter_begin(struct counter_table *t)
{
	census_begin(&t->rows);
}

void
counter_undo(struct counter_table *t)
{
	census_undo(&t->rows);
}

static sqlite3_stmt *
begin(struct counter_table *t, enum statement which, struct str key)
{
	dbfile_bind(t->statement[which], 1, key);
	return t->statement[which];
}

static bool
get(struct counter_table *t, struct str key, struct window *w, bool *there, struct err *e)
{
	sqlite3_stmt *stmt = begin(t, GET, key);
	int rc = sqlite3_step(stmt);

	*there = rc == SQLITE_ROW;
	/* A blob that cannot be read counts as empty: a lost count is no reason to refuse mail. */
	if (*there)
		window_load(w,
		    (struct str){
			sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0) });
	else
		*w = (struct window){ 0 };
	return dbfile_end(t->file, stmt, rc == SQLITE_ROW || rc == SQLITE_DONE, e);
}

static bool
put(struct counter_table *t, struct str key, const struct window *w, int64_t now, struct err *e)
{
	sqlite3_stmt *stmt = begin(t, PUT, key);
	unsigned char blob[WINDOW_BLOB_MAX];
	size_t n = window_save(w, blob);

	sqlite3_bind_blob(stmt, 2, blob, (int)n, SQLITE_STATIC);
	/* Whole days: the index changes once a day and key, not with every count. */
	sqlite3_bind_int64(stmt, 3, (now / DAY + COUNTER_DAYS + 1) * DAY);
	return dbfile_run(t->file, stmt, e);
}

bool
counter_add(
    struct counter_table *t, const struct question *q, int64_t now, struct window *w, struct err *e)
{
	bool adds = q->kind == QUESTION_COUNT || q->take.what == TAKE_SETTLE;
	int64_t add = adds && t->writes ? q->add : 0;
	struct str key = q->name;
	bool there;

	if (!get(t, key, w, &there, e))
		return false;
	window_add(w, now, add);
	if (add <= 0)
		return true;
	if (!there && !census_room(&t->rows, e))
		return false;
	if (!put(t, key, w, now, e))
		return false;
	t->rows.rows += there ? 0 : 1;
	return true;
}

bool
counter_answer(struct counter_table *t, const struct question *q, int64_t now,
    struct count_answer *out, struct err *e)
{
	struct window w;

	if (!counter_add(t, q, now, &w, e))
		return false;
	window_totals(&w, out);
	return true;
}

bool
counter_reset(struct counter_table *t, struct str key, struct window *w, int64_t now, struct err *e)
{
	window_reset(w);
	/* No row has nothing in it: a key nobody knows stays unknown. */
	return w->history.since == 0 || !t->writes || put(t, key, w, now, e);
}

bool
counter_clean(struct counter_table *t, int64_t now, bool *more, struct err *e)
{
	return census_clean(&t->rows, now, more, e);
}
