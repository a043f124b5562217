/*
 * journal_span: the serials among which a search (journal_search.h) has to look: by time, by id, by how many are wanted.
 */
#include "db/journal_search.h"

/* Ends a statement of one row: its number to *out, or `none` when it is NULL or there is no row. */
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
 * Asked for the lowest serial since then, SQLite would read all entries from the first on; the index of times has only those that are asked for. Clocks
 * go back, so serials are not in its order. Where nearly all are asked for, one of the first entries is it.
 */
bool
journal_since(struct journal *j, int64_t since_ms, int64_t *first, struct err *e)
{
	static const char sql[] =
	    "SELECT ifnull((SELECT min(serial) FROM (SELECT serial, time_ms FROM entry ORDER BY serial LIMIT 1000) "
	    "WHERE time_ms >= ?1), (SELECT min(serial) FROM entry INDEXED BY entry_time WHERE time_ms >= ?1))";
	sqlite3_stmt *stmt;

	if (!dbfile_prepare(&j->file, sql, &stmt, e))
		return false;
	sqlite3_bind_int64(stmt, 1, since_ms);
	return one_number(j, stmt, INT64_MAX, first, e);
}

/* The highest serial before then; as above. */
static bool
until(struct journal *j, int64_t until_ms, int64_t *last, struct err *e)
{
	static const char sql[] =
	    "SELECT ifnull((SELECT max(serial) FROM (SELECT serial, time_ms FROM entry ORDER BY serial DESC LIMIT 1000) "
	    "WHERE time_ms < ?1), (SELECT max(serial) FROM entry INDEXED BY entry_time WHERE time_ms < ?1))";
	sqlite3_stmt *stmt;

	if (!dbfile_prepare(&j->file, sql, &stmt, e))
		return false;
	sqlite3_bind_int64(stmt, 1, until_ms);
	return one_number(j, stmt, 0, last, e);
}

static bool
span_times(struct search *s, struct err *e)
{
	const struct journal_filter *f = s->filter;
	int64_t first = s->first, last = s->last;

	if (f->since_ms > 0 && !journal_since(s->journal, f->since_ms, &first, e))
		return false;
	if (f->until_ms > 0 && !until(s->journal, f->until_ms, &last, e))
		return false;
	s->first = first > s->first ? first : s->first;
	s->last = last < s->last ? last : s->last;
	return true;
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

/* By the serial that it stands for; entries of before there was a key are searched for. */
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

/* The newest of a piece: how many match, up to *left, which is counted down, and the first of them. */
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

/* Moves the beginning on, so that only the newest are left: looks from the end, a file of the index at a time. */
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

/* Entries that come while we read are left to the next reading: this one ends. */
bool
search_span(struct search *s, struct err *e)
{
	const struct journal_filter *f = s->filter;
	sqlite3_stmt *stmt;

	s->first = search_after(f->after_serial);
	if (!dbfile_prepare(&s->journal->file, "SELECT max(serial) FROM entry", &stmt, e) ||
	    !one_number(s->journal, stmt, 0, &s->last, e))
		return false;
	if (!span_times(s, e))
		return false;
	if (f->id.n > 0 && !span_id(s, e))
		return false;
	return f->last == 0 || s->first > s->last || span_newest(s, e);
}
