/*
 * journal_span: the serials among which a search (journal_search.h) has to
 * look: by time, by id, by how many are wanted.
 */
#include "db/journal_search.h"

/* Ends a statement of one row: its number to *out, or `none` when it is NULL or
 * there is no row. */
static bool
one_number(struct journal *j, sqlite3_stmt *stmt, int64_t none, int64_t *out, struct err *e)
{
	int rc = sqlite3_step(stmt);

	*out = none;
	if (rc == SQLITE_ROW && sqlite3_column_type(stmt, 0) != SQLITE_NULL)
		*out = sqlite3_column_int64(stmt, 0);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		dbfile_failed(&j->file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/*
 * Asked for the lowest serial since then, SQLite would read all entries from
 * the first on; the index of times has only those that are asked for. Clocks go
 * back, so serials are not in its order. Where nearly all are asked for, one of
 * the first entries is it, or a lower one than need be.
 */
static const char lowest[] =
    "SELECT ifnull((SELECT min(serial) FROM (SELECT serial, time_ms FROM entry "
    "ORDER BY serial LIMIT 1000) "
    "WHERE time_ms >= ?1 AND time_ms < ?2), (SELECT min(serial) FROM entry INDEXED BY "
    "entry_time WHERE time_ms >= ?1 "
    "AND time_ms < ?2))";

/* The highest one; as above. */
static const char highest[] =
    "SELECT ifnull((SELECT max(serial) FROM (SELECT serial, time_ms FROM entry "
    "ORDER BY serial DESC LIMIT 1000) "
    "WHERE time_ms >= ?1 AND time_ms < ?2), (SELECT max(serial) FROM entry INDEXED BY entry_time "
    "WHERE time_ms >= ?1 "
    "AND time_ms < ?2))";

/* An end of the serials of a time; when there are none the last is before the
 * first. */
static bool
end_of(struct journal *j, const char *sql, const struct journal_span *time, int64_t *out,
    struct err *e)
{
	int64_t none = sql == lowest ? INT64_MAX : 0;
	sqlite3_stmt *stmt;

	if (!dbfile_prepare(&j->file, sql, &stmt, e))
		return false;
	sqlite3_bind_int64(stmt, 1, time->since_ms);
	sqlite3_bind_int64(stmt, 2, time->until_ms > 0 ? time->until_ms : INT64_MAX);
	return one_number(j, stmt, none, out, e);
}

bool
journal_since(struct journal *j, int64_t since_ms, int64_t *first, struct err *e)
{
	return end_of(j, lowest, &(struct journal_span){ .since_ms = since_ms }, first, e);
}

/* All that is told by the index alone, unless a clock went back by more than that. */
#define CLOCK_BACK_MOST (3600 * 1000LL)

static bool
place_of(struct journal *j, const char *sql, int64_t time_ms, int64_t *serial, struct err *e)
{
	sqlite3_stmt *stmt;

	if (!dbfile_prepare(&j->file, sql, &stmt, e))
		return false;
	sqlite3_bind_int64(stmt, 1, time_ms);
	return one_number(j, stmt, *serial, serial, e);
}

/* What lies before an entry is no more than `back` later than it. */
static bool
ends_near(struct journal *j, const struct journal_span *time, int64_t back, int64_t ends[2],
    struct err *e)
{
	static const char before[] = "SELECT serial + 1 FROM entry INDEXED BY entry_time "
				     "WHERE time_ms < ?1 ORDER BY time_ms DESC LIMIT 1";
	static const char behind[] = "SELECT serial - 1 FROM entry INDEXED BY entry_time "
				     "WHERE time_ms >= ?1 ORDER BY time_ms LIMIT 1";

	return (time->since_ms <= back ||
		   place_of(j, before, time->since_ms - back, &ends[0], e)) &&
	    (time->until_ms <= 0 || time->until_ms > INT64_MAX - back ||
		place_of(j, behind, time->until_ms + back, &ends[1], e));
}

static bool
span_times(struct search *s, struct err *e)
{
	const struct journal_span time = { s->filter->since_ms, s->filter->until_ms };
	int64_t ends[2] = { s->first, s->last }, back = -1;
	bool ok =
	    place_of(s->journal, "SELECT value FROM meta WHERE name = 'clock_back' AND value <= ?1",
		CLOCK_BACK_MOST, &back, e);

	if (ok && back >= 0) {
		ok = ends_near(s->journal, &time, back, ends, e);
	} else {
		ok = ok && (time.since_ms <= 0 || end_of(s->journal, lowest, &time, &ends[0], e)) &&
		    (time.until_ms <= 0 || end_of(s->journal, highest, &time, &ends[1], e));
	}
	s->first = ends[0] > s->first ? ends[0] : s->first;
	s->last = ends[1] < s->last ? ends[1] : s->last;
	return ok;
}

static bool
serial_of(struct search *s, const char *sql, int64_t serial, int64_t *out, struct err *e)
{
	sqlite3_stmt *stmt;

	if (!dbfile_prepare(&s->journal->file, sql, &stmt, e))
		return false;
	dbfile_bind(stmt, 1, s->filter->id);
	if (serial > 0)
		sqlite3_bind_int64(stmt, 2, serial);
	return one_number(s->journal, stmt, 0, out, e);
}

/* By the serial that it stands for; entries of before there was a key are
 * searched for. */
static bool
span_id(struct search *s, struct err *e)
{
	int64_t newest = journal_newest(s->journal), serial = 0, found = 0;

	if (journal_id_read(&s->journal->key, s->filter->id, &serial) && serial <= newest) {
		serial += (newest - serial) / JOURNAL_IDS * JOURNAL_IDS;
		if (!serial_of(s, "SELECT serial FROM entry WHERE id = ?1 AND serial = ?2", serial,
			&found, e))
			return false;
	}
	if (found == 0 &&
	    !serial_of(s, "SELECT max(serial) FROM entry WHERE id = ?1", 0, &found, e))
		return false;
	if (found < s->first)
		s->first = INT64_MAX;
	else
		s->first = s->last = found;
	return true;
}

/* The newest of a piece: how many match, up to *left, which is counted down,
 * and the first of them. */
static bool
newest_of(struct search *s, const struct piece *p, int64_t *left, int64_t *serial, struct err *e)
{
	static const char plain[] =
	    "SELECT count(*), min(serial) FROM (" SEARCH_ENTRIES("serial", "DESC") ")";
	static const char indexed[] =
	    "SELECT count(*), min(serial) FROM (" SEARCH_WORDS("serial", "DESC") ")";
	sqlite3_stmt *stmt;
	int rc;

	if (!dbfile_prepare(&s->journal->file, p->indexed ? indexed : plain, &stmt, e))
		return false;
	search_bind(stmt, s, p, *left);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW && sqlite3_column_int64(stmt, 0) > 0) {
		*left -= sqlite3_column_int64(stmt, 0);
		*serial = sqlite3_column_int64(stmt, 1);
	}
	if (rc != SQLITE_ROW)
		dbfile_failed(&s->journal->file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW;
}

/* Moves the beginning on, so that only the newest are left: looks from the end,
 * a file of the index at a time. */
static bool
span_newest(struct search *s, struct err *e)
{
	int64_t left = (int64_t)s->filter->last, found = INT64_MAX, last = s->last;
	bool ok = true;

	while (ok && left > 0 && last >= s->first) {
		int64_t first =
		    s->words.n > 0 ? last / JOURNAL_TEXT_SERIALS * JOURNAL_TEXT_SERIALS : s->first;
		struct piece p = search_piece(s, first > s->first ? first : s->first, last);
		/* What the index does not have yet is newer. */
		struct piece tail = { p.last + 1, last, false };

		first = p.first;
		if (tail.first <= tail.last)
			ok = newest_of(s, &tail, &left, &found, e);
		if (ok && left > 0)
			ok = newest_of(s, &p, &left, &found, e);
		search_piece_end(s, &p);
		last = first - 1;
	}
	s->first = found;
	return ok;
}

static int64_t
serial(struct journal *j, const char *sql)
{
	sqlite3_stmt *stmt;
	int64_t serial;

	if (!dbfile_prepare(&j->file, sql, &stmt, NULL) || !one_number(j, stmt, 0, &serial, NULL))
		return 0;
	return serial;
}

int64_t
journal_newest(struct journal *j)
{
	return serial(j, "SELECT max(serial) FROM entry");
}

int64_t
journal_oldest(struct journal *j)
{
	return serial(j, "SELECT min(serial) FROM entry");
}

/* Entries that come while we read are left to the next reading: this one ends.
 */
bool
search_span(struct search *s, struct err *e)
{
	const struct journal_filter *f = s->filter;
	sqlite3_stmt *stmt;

	s->first = search_after(f->after_serial);
	if (!dbfile_prepare(&s->journal->file, "SELECT max(serial) FROM entry", &stmt, e) ||
	    !one_number(s->journal, stmt, 0, &s->last, e))
		return false;
	if ((f->since_ms > 0 || f->until_ms > 0) && !span_times(s, e))
		return false;
	if (f->id.n > 0 && !span_id(s, e))
		return false;
	return f->last == 0 || s->first > s->last || span_newest(s, e);
}
