/*
 * journal_clean: retention. What is too old goes from the front, a few entries at a time, so that mail never waits long, and
 * the chain's beginning moves on with it.
 */
#include "base/die.h"
#include "db/journal_file.h"

/* Entries that one step removes: a few milliseconds. */
#define CLEAN_ROWS 300

#define HOUR_MS 3600000

struct old {
	int rows;     /* of the first ones, to be looked at */
	int64_t last; /* serial */
	bool more;    /* there may be */
};

/*
 * The last of the first entries that may go, 0 for none. Those of the future, of a clock that was wrong, go with an old
 * one behind them. BUGS: more than CLEAN_ROWS of them in a row wait for their time.
 */
static bool
find_old(struct journal *j, int64_t now_ms, int64_t before_ms, struct old *old, struct err *e)
{
	sqlite3_stmt *stmt;
	int rc, n = 0;

	old->last = 0;
	old->more = false;
	if (!dbfile_prepare(
		&j->file, "SELECT serial, time_ms FROM entry ORDER BY serial LIMIT ?1", &stmt, e))
		return false;
	sqlite3_bind_int(stmt, 1, old->rows);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t time_ms = sqlite3_column_int64(stmt, 1);

		n++;
		if (time_ms < before_ms) {
			old->last = sqlite3_column_int64(stmt, 0);
			old->more = n == old->rows;
		} else if (time_ms <= now_ms)
			break;
	}
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		dbfile_failed(&j->file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/* A statement about what is up to a serial, or before an hour. */
static bool
up_to(struct journal *j, const char *sql, int64_t last, struct err *e)
{
	sqlite3_stmt *stmt;
	bool ok;

	if (!dbfile_prepare(&j->file, sql, &stmt, e))
		return false;
	sqlite3_bind_int64(stmt, 1, last);
	ok = sqlite3_step(stmt) == SQLITE_DONE;
	if (!ok)
		dbfile_failed(&j->file, e);
	sqlite3_finalize(stmt);
	return ok;
}

static bool
remove_old(struct journal *j, int64_t last, struct err *e)
{
	static const char *const sql[] = {
		("UPDATE anchor SET serial = ?1, hash = (SELECT chain FROM entry WHERE serial = ?1) "
		 "WHERE serial < ?1"),
		"DELETE FROM entry WHERE serial <= ?1",
		"DELETE FROM forgotten WHERE serial <= ?1",
	};

	if (!dbfile_begin(&j->file, e))
		return false;
	for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]); i++)
		if (!up_to(j, sql[i], last, e)) {
			dbfile_rollback(&j->file);
			return false;
		}
	if (dbfile_commit(&j->file, e))
		return true;
	dbfile_rollback(&j->file);
	return false;
}

/* What its entries take: pages in use, of the file. */
static bool
takes(struct journal *j, int64_t *octets, struct err *e)
{
	static const char *const sql[] = { "PRAGMA page_count", "PRAGMA freelist_count",
		"PRAGMA page_size" };
	int64_t number[3] = { 0 };

	for (size_t i = 0; i < 3; i++) {
		sqlite3_stmt *stmt;
		bool ok;

		if (!dbfile_prepare(&j->file, sql[i], &stmt, e))
			return false;
		ok = sqlite3_step(stmt) == SQLITE_ROW;
		if (ok)
			number[i] = sqlite3_column_int64(stmt, 0);
		else
			dbfile_failed(&j->file, e);
		sqlite3_finalize(stmt);
		if (!ok)
			return false;
	}
	*octets = (number[0] - number[1]) * number[2];
	return true;
}

/* About as many as are too many, as all take alike; at most a step. */
static int
rows_beyond(struct journal *j, int64_t octets, int64_t size)
{
	sqlite3_stmt *stmt;
	double entries = 0;

	if (!dbfile_prepare(&j->file,
		"SELECT 1 + (SELECT max(serial) FROM entry) - (SELECT min(serial) FROM entry)",
		&stmt, NULL))
		return CLEAN_ROWS;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		entries = sqlite3_column_double(stmt, 0);
	sqlite3_finalize(stmt);
	entries = 1 + entries * (double)(octets - size) / (double)octets;
	return entries < CLEAN_ROWS ? (int)entries : CLEAN_ROWS;
}

static bool
clean_entries(struct journal *j, int64_t now_ms, const struct journal_retention *stays, bool *more,
    struct err *e)
{
	int64_t before_ms = stays->details_ms > 0 ? now_ms - stays->details_ms : 0, octets = 0;
	struct old old = { .rows = CLEAN_ROWS };

	if (stays->size > 0 && !takes(j, &octets, e))
		return false;
	/* Too large: the first ones go, whatever their age. */
	if (stays->size > 0 && octets > stays->size) {
		before_ms = INT64_MAX;
		old.rows = rows_beyond(j, octets, stays->size);
	}
	if (!find_old(j, now_ms, before_ms, &old, e) ||
	    (old.last > 0 && !remove_old(j, old.last, e)))
		return false;
	*more = old.more;
	return true;
}

/* A day of hours at a time. */
static bool
clean_sums(struct journal *j, int64_t before_hour, struct err *e)
{
	static const char *const sql[] = {
		"DELETE FROM hour WHERE hour < min(?1, (SELECT min(hour) FROM hour) + 24)",
		"DELETE FROM waited WHERE hour < min(?1, (SELECT min(hour) FROM waited) + 24)",
		("DELETE FROM top WHERE kind IN (0, 1, 2, 3) AND hour < "
		 "min(?1, (SELECT min(hour) FROM top WHERE kind = 2) + 24)"),
	};

	for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]); i++)
		if (!up_to(j, sql[i], before_hour, e))
			return false;
	return true;
}

bool
journal_clean(
    struct journal *j, int64_t now_ms, const struct journal_retention *stays, struct err *e)
{
	struct journal_retention r = *stays;
	bool more;

	require(j->append);
	if (r.keep_ms > 0 && (r.details_ms == 0 || r.details_ms > r.keep_ms))
		r.details_ms = r.keep_ms;
	if (!clean_entries(j, now_ms, &r, &more, e))
		return false;
	if (r.keep_ms > 0 && !clean_sums(j, (now_ms - r.keep_ms) / HOUR_MS, e))
		return false;
	/* Freed pages go back to the disk, a few at a time. */
	return dbfile_exec(&j->file, "PRAGMA incremental_vacuum(64)", e) && more;
}
