#include "db/counter.h"

#define DAY 86400

enum statement { GET, PUT };

const struct table_kind counter_table = {
	.name = "counter",
	.sql = {
		[GET] = "SELECT bins, expires FROM counter WHERE key = ?1",
		[PUT] = "INSERT INTO counter (key, bins, expires) VALUES (?1, ?2, ?3) "
			"ON CONFLICT (key) DO UPDATE SET bins = excluded.bins, "
			"expires = excluded.expires",
	},
	.cap = { { "1", COUNTER_ROWS_MAX } },
};

static bool
get(struct table *t, struct str key, struct window *w, bool *there, struct err *e)
{
	sqlite3_stmt *stmt = table_statement(t, GET, key);
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
put(struct table *t, struct str key, const struct window *w, int64_t now, struct err *e)
{
	sqlite3_stmt *stmt = table_statement(t, PUT, key);
	unsigned char blob[WINDOW_BLOB_MAX];
	size_t n = window_save(w, blob);

	sqlite3_bind_blob(stmt, 2, blob, (int)n, SQLITE_STATIC);
	/* Whole days: the index changes once a day and key, not with every count. */
	sqlite3_bind_int64(stmt, 3, (now / DAY + COUNTER_DAYS + 1) * DAY);
	return dbfile_run(t->file, stmt, e);
}

bool
counter_add(struct table *t, const struct question *q, int64_t now, struct window *w, struct err *e)
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
	if (!there && !table_room(t, 0, e))
		return false;
	if (!put(t, key, w, now, e))
		return false;
	t->census[0].rows += there ? 0 : 1;
	return true;
}

bool
counter_answer(
    struct table *t, const struct question *q, int64_t now, struct count_answer *out, struct err *e)
{
	struct window w;

	if (!counter_add(t, q, now, &w, e))
		return false;
	window_totals(&w, out);
	return true;
}

bool
counter_reset(struct table *t, struct str key, struct window *w, int64_t now, struct err *e)
{
	window_reset(w);
	/* No row has nothing in it: a key nobody knows stays unknown. */
	return w->history.since == 0 || !t->writes || put(t, key, w, now, e);
}
