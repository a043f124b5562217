/*
 * journal_verify: walks the chain and says what does not fit. Reads in lots, so that no read transaction stays open;
 * what is appended meanwhile is walked too, up to the newest there was when it began.
 */
#include <stdlib.h>

#include "base/die.h"
#include "db/journal_file.h"

#define LOT 500

/* Behind the columns of the entry and its link. */
enum { COLUMN_CONTENT = COLUMN_CHAIN + 1, COLUMN_TELLER, COLUMN_TOLD };

struct walk {
	struct journal *journal;
	const struct journal_check *check;
	struct journal_verdict *out;
	sqlite3_stmt *lot, *list;
	int64_t serial, last;   /* walked so far; to walk */
	struct chain_hash link; /* of the one walked last */
	bool linked;            /* that is known */
	bool head_known;
	struct head head;
	struct config_rows rows;
	struct journal_fault front; /* entries that are not chained; last 0: none */
};

static void
say(struct walk *w, enum journal_fault_kind kind, int64_t first, int64_t last, int64_t time_ms)
{
	struct journal_fault fault = { kind, first, last, time_ms, "" };

	w->out->faults++;
	w->check->fault(w->check->owner, &fault);
}

/* --- what entries refer to ---------------------------------------------------------------------- */

/*
 * Of entries that do not fit, once it is known why: one behind them does, so they were altered; or not one does to the end,
 * so it is their configuration (or each of them).
 */
static void
settle(struct walk *w, struct config_row *row, bool altered)
{
	struct journal_fault fault = { JOURNAL_ALTERED, row->first, row->last, row->time_ms, "" };

	if (row->first == 0)
		return;
	if (!altered) {
		fault.kind = row->there ? JOURNAL_CONFIG_ALTERED : JOURNAL_CONFIG_GONE;
		str_copy(str_of(row->revision), fault.config, sizeof(fault.config));
	}
	row->first = 0;
	w->out->faults++;
	w->check->fault(w->check->owner, &fault);
}

static struct config_row *
row_of(struct walk *w, sqlite3_stmt *row, struct err *e)
{
	struct str revision = dbfile_text(row, COLUMN_CONFIG);
	struct config_row *known = config_rows_find(&w->rows, revision);

	if (known)
		return known;
	settle(w, &w->rows.row[w->rows.next], false);
	return config_rows_read(w->journal, &w->rows, revision, e);
}

/* A link of before configurations were covered fits, too. */
static bool
fits(struct walk *w, struct config_row *row, const struct chain_hash *content,
    const struct chain_hash *link)
{
	struct chain_hash due;

	if (row->there) {
		chain_link(w->journal->chain, &w->link, content, &row->digest, &due);
		row->fits = row->fits || chain_same(&due, link);
		if (chain_same(&due, link))
			return true;
	}
	chain_link(w->journal->chain, &w->link, content, NULL, &due);
	return chain_same(&due, link);
}

/* --- one entry ---------------------------------------------------------------------------------- */

/* Of whom or what it is, nothing is left. For entries that were emptied when their remains were not told. */
static bool
is_empty(sqlite3_stmt *row)
{
	for (int i = COLUMN_SESSION; i <= COLUMN_ANSWERS; i++) {
		struct str text = dbfile_text(row, i);

		if (i != COLUMN_ENHANCED && i != COLUMN_RULE && i != COLUMN_TEXT && text.n > 2)
			return false;
	}
	return dbfile_text(row, COLUMN_SUBJECT).n == 0 &&
	    str_eq(dbfile_text(row, COLUMN_TEXT), STR(JOURNAL_FORGOTTEN));
}

/* What is left of an emptied entry is what the entry that tells of it says. */
static bool
is_left(sqlite3_stmt *row, const struct chain_hash *left)
{
	struct str told = dbfile_text(row, COLUMN_TOLD);
	char text[CHAIN_TEXT];

	if (sqlite3_column_type(row, COLUMN_TOLD) == SQLITE_NULL)
		return false;
	return told.n > 0 ? str_eq(told, str_of(chain_print(left, text))) : is_empty(row);
}

/* The digest of what it said, from the entry or from what was kept of it. */
static void
content_of(struct walk *w, sqlite3_stmt *row, struct chain_hash *content)
{
	int64_t serial = sqlite3_column_int64(row, COLUMN_SERIAL);
	struct chain_cell cell[COLUMNS];
	struct chain_hash here;

	journal_cells(row, cell);
	chain_content(w->journal->chain, cell, COLUMNS, &here);
	if (!journal_hash(row, COLUMN_CONTENT, content))
		*content = here;
	else if (is_left(row, &here))
		w->out->forgotten++;
	else
		say(w, JOURNAL_FORGED, serial, serial, sqlite3_column_int64(row, COLUMN_TIME));
}

/* An entry that tells of forgotten ones: there are no others in its name. */
static bool
check_list(struct walk *w, sqlite3_stmt *row, struct err *e)
{
	int64_t serial = sqlite3_column_int64(row, COLUMN_SERIAL);
	int rc;

	if (!str_eq(dbfile_text(row, COLUMN_RULE), STR(JOURNAL_FORGET)))
		return true;
	sqlite3_bind_int64(w->list, 1, serial);
	dbfile_bind(w->list, 2, dbfile_text(row, COLUMN_FACTS));
	rc = sqlite3_step(w->list);
	if (rc == SQLITE_ROW && sqlite3_column_int64(w->list, 0) > 0)
		say(w, JOURNAL_FORGED, serial, serial, sqlite3_column_int64(row, COLUMN_TIME));
	return dbfile_end(&w->journal->file, w->list, rc == SQLITE_ROW, e);
}

static void
check_gap(struct walk *w, sqlite3_stmt *row, bool fits)
{
	int64_t serial = sqlite3_column_int64(row, COLUMN_SERIAL);
	bool said = fits && str_eq(dbfile_text(row, COLUMN_RULE), STR(JOURNAL_TORN));

	say(w, said ? JOURNAL_MISSING : JOURNAL_REMOVED, w->serial + 1, serial - 1,
	    sqlite3_column_int64(row, COLUMN_TIME));
}

/* Its link does not fit, and there is no gap before it. */
static void
misfit(struct walk *w, struct config_row *known, int64_t serial, int64_t time_ms)
{
	if (known->fits || known->revision[0] == '\0') {
		say(w, JOURNAL_ALTERED, serial, serial, time_ms);
		return;
	}
	if (known->first == 0) {
		known->first = serial;
		known->time_ms = time_ms;
	}
	known->last = serial;
}

static bool
check_link(struct walk *w, sqlite3_stmt *row, const struct chain_hash *link, struct err *e)
{
	int64_t serial = sqlite3_column_int64(row, COLUMN_SERIAL);
	int64_t time_ms = sqlite3_column_int64(row, COLUMN_TIME);
	struct config_row *known = row_of(w, row, e);
	struct chain_hash content;
	bool whole;

	if (!known)
		return false;
	content_of(w, row, &content);
	whole = !w->linked || fits(w, known, &content, link);
	if (w->linked && serial != w->serial + 1)
		check_gap(w, row, whole);
	else if (!whole)
		misfit(w, known, serial, time_ms);
	if (w->linked && whole)
		settle(w, known, true);
	if (w->head_known && serial == w->head.serial && !chain_same(link, &w->head.link))
		say(w, JOURNAL_REBUILT, serial, serial, time_ms);
	return true;
}

/* In front of the chain: of before there was one; or somebody took it from them. */
static void
unchained(struct walk *w, int64_t serial, int64_t time_ms)
{
	if (w->out->unchained++ == 0) {
		w->front.first = serial;
		w->front.time_ms = time_ms;
	}
	w->front.last = serial;
}

static void
end_unchained(struct walk *w)
{
	if (w->front.last != 0)
		say(w, JOURNAL_UNCHAINED, w->front.first, w->front.last, w->front.time_ms);
	w->front.last = 0;
}

static bool
check_entry(struct walk *w, sqlite3_stmt *row, struct err *e)
{
	int64_t serial = sqlite3_column_int64(row, COLUMN_SERIAL);
	struct chain_hash link = { 0 };

	w->out->entries++;
	if (w->out->first == 0)
		w->out->first = serial;
	w->out->last = serial;
	if (serial > w->serial) {
		journal_hash(row, COLUMN_CHAIN, &link);
		end_unchained(w);
		if (!check_link(w, row, &link, e))
			return false;
		w->link = link;
		w->linked = true;
		w->serial = serial;
	} else {
		unchained(w, serial, sqlite3_column_int64(row, COLUMN_TIME));
	}
	return check_list(w, row, e);
}

/* --- all ---------------------------------------------------------------------------------------- */

static bool
lot(struct walk *w, int64_t *behind, size_t *n, struct err *e)
{
	bool ok = true;
	int rc = SQLITE_DONE;

	sqlite3_bind_int64(w->lot, 1, *behind);
	sqlite3_bind_int64(w->lot, 2, w->last);
	for (*n = 0; ok && (rc = sqlite3_step(w->lot)) == SQLITE_ROW; (*n)++) {
		*behind = sqlite3_column_int64(w->lot, COLUMN_SERIAL);
		ok = check_entry(w, w->lot, e);
	}
	return dbfile_end(&w->journal->file, w->lot, !ok || rc == SQLITE_DONE, e) && ok;
}

/* One number and perhaps a hash. */
static bool
one(struct walk *w, const char *sql, int64_t parameter, int64_t *number, struct err *e)
{
	sqlite3_stmt *stmt;
	int rc;

	if (!dbfile_prepare(&w->journal->file, sql, &stmt, e))
		return false;
	sqlite3_bind_int64(stmt, 1, parameter);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		*number = sqlite3_column_int64(stmt, 0);
		w->linked = journal_hash(stmt, 1, &w->link);
	}
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		dbfile_failed(&w->journal->file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/* Where to begin: behind the anchor, or behind the entry before the first since then. */
static bool
begin(struct walk *w, int64_t *behind, struct err *e)
{
	int64_t first = 0, lowest = 1, since_ms = w->check->since_ms;

	if (!one(w, "SELECT max(serial), NULL FROM entry", 0, &w->last, e) ||
	    !one(w, "SELECT ifnull(min(serial), 1), NULL FROM entry", 0, &lowest, e))
		return false;
	/* No number of ours, and in front of all that is walked. */
	if (lowest < 1)
		say(w, JOURNAL_UNCHAINED, lowest, 0, 0);
	if (since_ms > 0 && !journal_since(w->journal, since_ms, &first, e))
		return false;
	if (!one(w, "SELECT serial, hash FROM anchor", 0, &w->serial, e))
		return false;
	*behind = 0;
	if (first <= w->serial + 1)
		return true;
	*behind = first - 1;
	return one(w,
	    "SELECT serial, chain FROM entry WHERE serial < ?1 ORDER BY serial DESC LIMIT 1", first,
	    &w->serial, e);
}

static void
check_end(struct walk *w)
{
	/* Read anew: what is known to be the end may have been written meanwhile. */
	if (w->head_known && w->head.serial > w->serial && w->head.serial > w->last)
		say(w, JOURNAL_CUT, (w->serial > w->last ? w->serial : w->last) + 1, w->head.serial,
		    0);
}

static enum journal_head
look_at_head(struct walk *w)
{
	switch (head_look(w->journal->head_path, &w->head)) {
	case HEAD_NONE:
		return JOURNAL_HEAD_GONE;
	case HEAD_BROKEN:
		return JOURNAL_HEAD_BROKEN;
	case HEAD_GOOD:
		break;
	}
	return w->head.journal == w->journal->itself ? JOURNAL_HEAD_KNOWN : JOURNAL_HEAD_OTHER;
}

static bool
walk(struct walk *w, struct err *e)
{
	int64_t behind;
	size_t n = LOT;

	if (!begin(w, &behind, e))
		return false;
	while (n > 0)
		if (!lot(w, &behind, &n, e))
			return false;
	end_unchained(w);
	for (size_t i = 0; i < CONFIG_ROWS; i++)
		settle(w, &w->rows.row[i], false);
	check_end(w);
	w->out->newest.serial = w->serial;
	chain_print(&w->link, w->out->newest.link);
	return true;
}

bool
journal_verify(struct journal *j, const struct journal_check *check, struct journal_verdict *out,
    struct err *e)
{
	static const char lot_sql[] =
	    "SELECT " JOURNAL_COLUMNS ", chain, content, teller, "
	    "(SELECT ifnull(json_extract(iif(json_valid(t.facts), t.facts, '{}'), "
	    "'$.left.\"' || f.serial || '\"'), '') "
	    "FROM entry AS t WHERE t.serial = f.teller AND t.rule = '" JOURNAL_FORGET "') "
	    "FROM entry LEFT JOIN forgotten AS f USING (serial) "
	    "WHERE serial > ?1 AND serial <= ?2 ORDER BY serial LIMIT 500";
	static const char list_sql[] =
	    "SELECT count(*) FROM forgotten WHERE teller = ?1 AND serial NOT IN "
	    "(SELECT value FROM json_each(iif(json_valid(?2), ?2, '{}'), '$.serials'))";
	struct walk w = { .journal = j, .check = check, .out = out };
	bool ok;

	*out = (struct journal_verdict){ 0 };
	/* Before the newest is looked for: others may be writing. */
	out->head = look_at_head(&w);
	w.head_known = out->head == JOURNAL_HEAD_KNOWN;
	ok = dbfile_prepare(&j->file, lot_sql, &w.lot, e) &&
	    dbfile_prepare(&j->file, list_sql, &w.list, e) && walk(&w, e);
	/* Whoever opens a journal for writing makes its head, and one without a chain has none. */
	if (out->head == JOURNAL_HEAD_GONE && w.serial == 0)
		out->head = JOURNAL_HEAD_NONE;
	sqlite3_finalize(w.lot);
	sqlite3_finalize(w.list);
	return ok;
}
