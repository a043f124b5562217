#include "db/table.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/die.h"

/* Rows that make room together: pushing out one at a time would search for each. */
#define EVICT_ROWS 128

/* Rows that one step of cleaning removes: a few milliseconds. */
#define CLEAN_ROWS 500

#define SQL_MAX 200

static bool
count(struct table *t, const struct table_kind *kind, size_t cap, struct err *e)
{
	char sql[SQL_MAX];
	sqlite3_stmt *stmt;
	bool ok;

	snprintf(
	    sql, sizeof(sql), "SELECT count(*) FROM %s WHERE %s", kind->name, kind->cap[cap].where);
	if (!dbfile_prepare(t->file, sql, &stmt, e))
		return false;
	ok = sqlite3_step(stmt) == SQLITE_ROW;
	if (ok)
		t->census[cap].rows = sqlite3_column_int64(stmt, 0);
	dbfile_end(t->file, stmt, ok, e);
	sqlite3_finalize(stmt);
	return ok;
}

static bool
open_census(struct table *t, const struct table_kind *kind, size_t cap, struct err *e)
{
	const char *name = kind->name, *where = kind->cap[cap].where;
	struct census *c = &t->census[cap];
	char evict[SQL_MAX], clean[SQL_MAX];

	c->most = kind->cap[cap].most;
	snprintf(evict, sizeof(evict),
	    "DELETE FROM %s WHERE key IN (SELECT key FROM %s WHERE %s ORDER BY expires LIMIT ?1)",
	    name, name, where);
	snprintf(clean, sizeof(clean),
	    "DELETE FROM %s WHERE key IN (SELECT key FROM %s WHERE %s AND expires < ?1 "
	    "ORDER BY expires LIMIT ?2)",
	    name, name, where);
	return dbfile_prepare(t->file, evict, &c->evict, e) &&
	    dbfile_prepare(t->file, clean, &c->clean, e) && (!t->writes || count(t, kind, cap, e));
}

struct table *
table_open(const struct table_kind *kind, const struct dbfile *file, bool writes, struct err *e)
{
	struct table *t = xcalloc(1, sizeof(*t));
	bool ok = true;

	t->file = file;
	t->writes = writes;
	for (size_t i = 0; ok && i < TABLE_STATEMENTS && kind->sql[i]; i++)
		ok = dbfile_prepare(file, kind->sql[i], &t->statement[i], e);
	for (size_t i = 0; ok && i < TABLE_CAPS && kind->cap[i].where; i++)
		ok = open_census(t, kind, i, e);
	if (!ok)
		table_close(&t);
	return t;
}

void
table_close(struct table **table)
{
	struct table *t = *table;

	if (t == NULL)
		return;
	dbfile_finalize_all(t->statement, TABLE_STATEMENTS);
	for (size_t i = 0; i < TABLE_CAPS; i++) {
		sqlite3_finalize(t->census[i].evict);
		sqlite3_finalize(t->census[i].clean);
	}
	free(t);
	*table = NULL;
}

void
table_limit(struct table *t, size_t cap, int64_t most)
{
	require(most > 0);
	t->census[cap].most = most;
}

void
table_begin(struct table *t)
{
	for (size_t i = 0; i < TABLE_CAPS; i++)
		t->census[i].before = t->census[i].rows;
}

void
table_undo(struct table *t)
{
	for (size_t i = 0; i < TABLE_CAPS; i++)
		t->census[i].rows = t->census[i].before;
}

sqlite3_stmt *
table_statement(struct table *t, size_t which, struct str key)
{
	dbfile_bind(t->statement[which], 1, key);
	return t->statement[which];
}

/* Takes rows away; *n: how many. */
static bool
take_away(struct table *t, struct census *c, sqlite3_stmt *stmt, int64_t *n, struct err *e)
{
	if (!dbfile_run(t->file, stmt, e))
		return false;
	*n = sqlite3_changes64(t->file->handle);
	c->rows -= *n;
	return true;
}

bool
table_room(struct table *t, size_t cap, struct err *e)
{
	struct census *c = &t->census[cap];
	int64_t excess = c->rows + 1 - c->most, n;

	if (excess <= 0)
		return true;
	sqlite3_bind_int64(c->evict, 1, excess + (c->most > 16 * EVICT_ROWS ? EVICT_ROWS : 0));
	return take_away(t, c, c->evict, &n, e);
}

bool
table_clean(struct table *t, int64_t now, bool *more, struct err *e)
{
	for (size_t i = 0; i < TABLE_CAPS && t->census[i].clean; i++) {
		struct census *c = &t->census[i];
		int64_t n;

		sqlite3_bind_int64(c->clean, 1, now);
		sqlite3_bind_int64(c->clean, 2, CLEAN_ROWS);
		if (!take_away(t, c, c->clean, &n, e))
			return false;
		*more = *more || n == CLEAN_ROWS;
	}
	return true;
}
