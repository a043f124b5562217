#include "db/delivered.h"

enum statement { GET, ADD, READY, DROP };

const struct table_kind delivered_table = {
	.name = "delivered",
	.sql = {
		[GET] = "SELECT reply FROM delivered WHERE key = ?1 AND expires >= ?2 "
			"AND ready <= ?2",
		[ADD] = "INSERT INTO delivered (key, reply, expires, ready) "
			"VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO NOTHING",
		[READY] = "UPDATE delivered SET ready = 0 WHERE key = ?1",
		[DROP] = "DELETE FROM delivered WHERE key = ?1",
	},
	.cap = { { "1", DELIVERED_ROWS_MAX } },
};

static bool
look(struct table *t, struct delivered *d, int64_t now, struct err *e)
{
	sqlite3_stmt *stmt = t->statement[GET];
	int rc;

	sqlite3_bind_blob(stmt, 1, d->key, DELIVERED_KEY, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, now);
	rc = sqlite3_step(stmt);
	d->found = rc == SQLITE_ROW;
	d->n = 0;
	if (d->found) {
		size_t n = (size_t)sqlite3_column_bytes(stmt, 0);

		d->n = n < DELIVERED_REPLY_MAX ? n : DELIVERED_REPLY_MAX;
		if (d->n > 0)
			memcpy(d->reply, sqlite3_column_blob(stmt, 0), d->n);
	}
	return dbfile_end(t->file, stmt, rc == SQLITE_ROW || rc == SQLITE_DONE, e);
}

static bool
put(struct table *t, const struct delivered *d, int64_t now, struct err *e)
{
	sqlite3_stmt *stmt = t->statement[ADD];

	if (!table_room(t, 0, e))
		return false;
	sqlite3_bind_blob(stmt, 1, d->key, DELIVERED_KEY, SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 2, d->reply, (int)d->n, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, now + DELIVERED_KEEP);
	sqlite3_bind_int64(stmt, 4, now + DELIVERED_UNSURE);
	if (!dbfile_run(t->file, stmt, e))
		return false;
	t->census[0].rows += sqlite3_changes64(t->file->handle);
	return true;
}

static bool
unheard(struct table *t, const struct delivered *d, struct err *e)
{
	sqlite3_stmt *stmt = t->statement[READY];

	sqlite3_bind_blob(stmt, 1, d->key, DELIVERED_KEY, SQLITE_STATIC);
	return dbfile_run(t->file, stmt, e);
}

static bool
forget(struct table *t, const struct delivered *d, struct err *e)
{
	sqlite3_stmt *stmt = t->statement[DROP];

	sqlite3_bind_blob(stmt, 1, d->key, DELIVERED_KEY, SQLITE_STATIC);
	if (!dbfile_run(t->file, stmt, e))
		return false;
	t->census[0].rows -= sqlite3_changes64(t->file->handle);
	return true;
}

bool
delivered_answer(struct table *t, struct delivered *d, int64_t now, struct err *e)
{
	if (d->what == DELIVERED_LOOK)
		return look(t, d, now, e);
	if (!t->writes)
		return true;
	if (d->what == DELIVERED_PUT)
		return put(t, d, now, e);
	return d->what == DELIVERED_UNHEARD ? unheard(t, d, e) : forget(t, d, e);
}
