#include "db/distinct.h"

#include "db/sketch.h"

enum statement { GET, PUT };

#define KEEP_DAYS 2

const struct table_kind distinct_table = {
	.name = "sketch",
	.sql = {
		[GET] = "SELECT entries FROM sketch WHERE key = ?1",
		[PUT] = "INSERT INTO sketch (key, entries, expires) VALUES (?1, ?2, ?3) "
			"ON CONFLICT (key) DO UPDATE SET entries = excluded.entries, "
			"expires = excluded.expires",
	},
	.cap = { { "1", DISTINCT_ROWS_MAX } },
};

static bool
get(struct table *t, struct str key, struct sketch *s, bool *there, struct err *e)
{
	sqlite3_stmt *stmt = table_statement(t, GET, key);
	struct str blob = { 0 };
	int rc = sqlite3_step(stmt);

	*there = rc == SQLITE_ROW;
	if (*there)
		blob = (struct str){ sqlite3_column_blob(stmt, 0),
			(size_t)sqlite3_column_bytes(stmt, 0) };
	/* One that cannot be read counts as empty: a lost count is no reason to refuse mail. */
	sketch_load(s, blob);
	return dbfile_end(t->file, stmt, rc == SQLITE_ROW || rc == SQLITE_DONE, e);
}

static bool
put(struct table *t, struct str key, const struct sketch *s, int64_t now, struct err *e)
{
	sqlite3_stmt *stmt = table_statement(t, PUT, key);
	unsigned char blob[SKETCH_BLOB_MAX];

	sqlite3_bind_blob(stmt, 2, blob, (int)sketch_save(s, blob), SQLITE_STATIC);
	/* Whole days: the index changes once a day and key. */
	sqlite3_bind_int64(stmt, 3, (now / SKETCH_DAY + KEEP_DAYS + 1) * SKETCH_DAY);
	return dbfile_run(t->file, stmt, e);
}

bool
distinct_answer(
    struct table *t, const struct question *q, int64_t now, struct count_answer *out, struct err *e)
{
	struct sketch s;
	bool there;

	if (!get(t, q->name, &s, &there, e))
		return false;
	sketch_add(&s, now, t->writes ? q->hashes : STR(""), out);
	if (!t->writes || q->hashes.n == 0)
		return true;
	if (!there && !table_room(t, 0, e))
		return false;
	t->census[0].rows += there ? 0 : 1;
	return put(t, q->name, &s, now, e);
}
