/*
 * journal_clock: how far the clock went back at most while entries were written, as `clock_back` in `meta`: an entry is no more than that earlier than any
 * before it. So from the place of a moment in the index of times it is known where in the order of serials all that matters lies. A journal of
 * before this was kept does not have it.
 */
#include "db/journal_file.h"

bool
journal_clock_prepare(struct journal *j, struct err *e)
{
	return dbfile_exec(&j->file,
		   "INSERT INTO meta (name, value) SELECT 'clock_back', 0 "
		   "WHERE NOT EXISTS (SELECT 1 FROM entry) "
		   "AND NOT EXISTS (SELECT 1 FROM meta WHERE name = 'clock_back')",
		   e) &&
	    dbfile_prepare(&j->file, "SELECT max(time_ms) FROM entry", &j->latest, e) &&
	    dbfile_prepare(&j->file,
		"UPDATE meta SET value = ?1 WHERE name = 'clock_back' AND value < ?1",
		&j->clock_back, e);
}

bool
journal_clock_note(
    struct journal *j, struct journal_record *const *records, size_t n, struct err *e)
{
	bool ok = sqlite3_step(j->latest) == SQLITE_ROW;
	int64_t latest = ok ? sqlite3_column_int64(j->latest, 0) : 0, back = 0;

	if (!dbfile_end(&j->file, j->latest, ok, e))
		return false;
	for (size_t i = 0; i < n; i++) {
		int64_t time_ms = records[i]->time_ms;

		back = latest - time_ms > back ? latest - time_ms : back;
		latest = time_ms > latest ? time_ms : latest;
	}
	if (back == 0)
		return true;
	sqlite3_bind_int64(j->clock_back, 1, back);
	return dbfile_run(&j->file, j->clock_back, e);
}
