#include "db/census.h"

#include <stdio.h>

#include "base/die.h"

/* Rows that make room together: pushing out one at a time would search for each. */
#define EVICT_ROWS 128

/* Rows that one step of cleaning removes: a few milliseconds. */
#define CLEAN_ROWS 500

#define SQL_MAX 200

static bool
count(struct census *c, const struct census_of *of, struct err *e)
{
	char sql[SQL_MAX];
	sqlite3_stmt *stmt;
	bool ok;

	snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s WHERE %s", of->table, of->where);
	if (!dbfile_prepare(c->file, sql, &stmt, e))
		return false;
	ok = sqlite3_step(stmt) == SQLITE_ROW;
	if (ok)
		c->rows = sqlite3_column_int64(stmt, 0);
	dbfile_end(c->file, stmt, ok, e);
	sqlite3_finalize(stmt);
	return ok;
}

bool
census_open(struct census *c, const struct dbfile *file, const struct census_of *of, bool writes,
    struct err *e)
{
	char evict[SQL_MAX], clean[SQL_MAX];

	*c = (struct census){ .file = file, .most = of->most };
	snprintf(evict, sizeof(evict),
	    "DELETE FROM %s WHERE key IN (SELECT key FROM %s WHERE %s ORDER BY expires LIMIT ?1)",
	    of->table, of->table, of->where);
	snprintf(clean, sizeof(clean),
	    "DELETE FROM %s WHERE key IN (SELECT key FROM %s WHERE %s AND expires < ?1 "
	    "ORDER BY expires LIMIT ?2)",
	    of->table, of->table, of->where);
	return dbfile_prepare(file, evict, &c->evict, e) &&
	    dbfile_prepare(file, clean, &c->clean, e) && (!writes || count(c, of, e));
}

void
census_close(struct census *c)
{
	sqlite3_finalize(c->evict);
	sqlite3_finalize(c->clean);
	*c = (struct census){ 0 };
}

void
census_limit(struct census *c, int64_t most)
{
	require(most > 0);
	c->most = most;
}

void
census_begin(struct census *c)
{
	c->before = c->rows;
}

void
census_undo(struct census *c)
{
	c->rows = c->before;
}

/* Takes rows away; *n: how many. */
static bool
take_away(struct census *c, sqlite3_stmt *stmt, int64_t *n, struct err *e)
{
	if (!dbfile_run(c->file, stmt, e))
		return false;
	*n = sqlite3_changes64(c->file->handle);
	c->rows -= *n;
	return true;
}

bool
census_room(struct census *c, struct err *e)
{
	int64_t excess = c->rows + 1 - c->most, n;

	if (excess <= 0)
		return true;
	sqlite3_bind_int64(c->evict, 1, excess + (c->most > 16 * EVICT_ROWS ? EVICT_ROWS : 0));
	return take_away(c, c->evict, &n, e);
}

bool
census_clean(struct census *c, int64_t now, bool *more, struct err *e)
{
	int64_t n;

	sqlite3_bind_int64(c->clean, 1, now);
	sqlite3_bind_int64(c->clean, 2, CLEAN_ROWS);
	if (!take_away(c, c->clean, &n, e))
		return false;
	*more = *more || n == CLEAN_ROWS;
	return true;
}
