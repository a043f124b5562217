/*
 * journal_clean: retention. What is too old goes from the front, a few entries at a time, so that mail never waits long, and
 * the chain's beginning moves on with it.
 */
#include "base/die.h"
#include "db/journal_file.h"

/* Entries that one step removes: a few milliseconds. */
#define CLEAN_ROWS 300

struct old {
	int64_t last; /* serial */
	bool more;    /* there may be */
};

/*
 * The last of the first entries that may go, 0 for none. Those of the future, of a clock that was wrong, go with an old
 * one behind them. BUGS: more than CLEAN_ROWS of them in a row wait for their time.
 */
static bool
find_old(struct journal *j, int64_t now_ms, int64_t keep_ms, struct old *old, struct err *e)
{
	sqlite3_stmt *stmt;
	int rc, n = 0;

	*old = (struct old){ 0 };
	if (!dbfile_prepare(
		&j->file, "SELECT serial, time_ms FROM entry ORDER BY serial LIMIT ?1", &stmt, e))
		return false;
	sqlite3_bind_int(stmt, 1, CLEAN_ROWS);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t time_ms = sqlite3_column_int64(stmt, 1);

		n++;
		if (time_ms < now_ms - keep_ms)
			*old = (struct old){ sqlite3_column_int64(stmt, 0), n == CLEAN_ROWS };
		else if (time_ms <= now_ms)
			break;
	}
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		dbfile_failed(&j->file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/* A statement about the entries up to a serial. */
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
		"UPDATE anchor SET serial = ?1, hash = (SELECT chain FROM entry WHERE serial = ?1) "
		"WHERE serial < ?1",
		"DELETE FROM entry WHERE serial <= ?1",
		"DELETE FROM forgotten WHERE serial <= ?1",
	};

	if (!dbfile_exec(&j->file, "BEGIN IMMEDIATE", e))
		return false;
	for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]); i++)
		if (!up_to(j, sql[i], last, e)) {
			dbfile_rollback(&j->file);
			return false;
		}
	if (dbfile_exec(&j->file, "COMMIT", e))
		return true;
	dbfile_rollback(&j->file);
	return false;
}

bool
journal_clean(struct journal *j, int64_t now_ms, int64_t keep_ms, struct err *e)
{
	struct old old;

	require(j->append);
	if (!find_old(j, now_ms, keep_ms, &old, e) || (old.last > 0 && !remove_old(j, old.last, e)))
		return false;
	/* Freed pages go back to the disk, a few at a time. */
	return dbfile_exec(&j->file, "PRAGMA incremental_vacuum(64)", e) && old.more;
}
