#include "db/journal.h"

#include <stdlib.h>

#include "base/addr.h"
#include "base/die.h"
#include "db/journal_search.h"

/* --- opening ------------------------------------------------------------------------------------ */

/* in_network(address, network) for SQL: 1, 0. */
static void
in_network(sqlite3_context *context, int n, sqlite3_value **value)
{
	struct str text[2];
	struct cidr network;
	struct ip ip;

	for (int i = 0; i < n && i < 2; i++) {
		text[i].p = (const char *)sqlite3_value_text(value[i]);
		text[i].n = text[i].p ? (size_t)sqlite3_value_bytes(value[i]) : 0;
	}
	sqlite3_result_int(context,
	    ip_parse(text[0], &ip) && cidr_parse(text[1], &network, NULL) &&
		cidr_has(&network, &ip));
}

struct journal *
journal_open_read(const char *path, struct err *e)
{
	struct journal *j = xcalloc(1, sizeof(*j));
	const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;

	j->head = -1;
	j->chain = chain_new();
	if (!dbfile_open_read(&j->file, path, &journal_kind, e)) {
		journal_close(&j);
		return NULL;
	}
	if (sqlite3_create_function_v2(j->file.handle, "in_network", 2, flags, NULL, in_network,
		NULL, NULL, NULL) != SQLITE_OK) {
		dbfile_failed(&j->file, e);
		journal_close(&j);
	} else if (!journal_read_key(j, e)) {
		journal_close(&j);
	}
	return j;
}

int64_t
journal_version(struct journal *j)
{
	sqlite3_stmt *stmt;
	int64_t version = -1;

	if (!dbfile_prepare(&j->file, "PRAGMA data_version", &stmt, NULL))
		return -1;
	if (sqlite3_step(stmt) == SQLITE_ROW)
		version = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return version;
}

/* --- rows --------------------------------------------------------------------------------------- */

/* The static text that a column's words are in a record. */
static const char *
word(struct str text)
{
	static const char *const words[] = { "proxy", "milter", "connect", "helo", "mail", "rcpt",
		"message", "accept", "tempfail", "reject", "defer", "left", "postern", "change",
		"quota", "forget", "journal", "allow", "block", "lists", "" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (str_eq(text, str_of(words[i])))
			return words[i];
	return "unknown";
}

static void
fill(sqlite3_stmt *stmt, struct journal_record *r)
{
	*r = (struct journal_record){
		.serial = sqlite3_column_int64(stmt, COLUMN_SERIAL),
		.time_ms = sqlite3_column_int64(stmt, COLUMN_TIME),
		.front = word(dbfile_text(stmt, COLUMN_FRONT)),
		.step = word(dbfile_text(stmt, COLUMN_STEP)),
		.verdict = word(dbfile_text(stmt, COLUMN_VERDICT)),
		.code = sqlite3_column_int(stmt, COLUMN_CODE),
		.took_us = sqlite3_column_int(stmt, COLUMN_TOOK),
		.size = sqlite3_column_int64(stmt, COLUMN_SIZE),
		.times = sqlite3_column_int64(stmt, COLUMN_TIMES),
	};
	str_copy(dbfile_text(stmt, COLUMN_ID), r->id, sizeof(r->id));
	for (size_t i = 0; i < JOURNAL_TEXTS; i++)
		*journal_text_of(r, i) = dbfile_text(stmt, (int)journal_texts[i].column);
}

/* --- reading ------------------------------------------------------------------------------------ */

/* Entries are copied out in lots: nobody's slow terminal holds a read transaction open. */
#define LOT 200

struct lot {
	struct journal_record *record[LOT];
	size_t n;
};

struct reader {
	bool (*row)(void *owner, const struct journal_record *r);
	void *owner;
};

/* The next lot, which *rest moves behind; *n below LOT says that it was the last. */
static bool
lot(const struct search *s, struct piece *rest, sqlite3_stmt *stmt, struct lot *out, struct err *e)
{
	struct journal_record r;
	int rc = SQLITE_DONE;

	search_bind(stmt, s, rest, LOT);
	for (out->n = 0; out->n < LOT && (rc = sqlite3_step(stmt)) == SQLITE_ROW; out->n++) {
		fill(stmt, &r);
		out->record[out->n] = journal_record_copy(&r);
		rest->first = search_after(r.serial);
	}
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		dbfile_failed(&s->journal->file, e);
	sqlite3_reset(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/* All of a piece; *more becomes false when row() wants no more. */
static bool
read_piece(const struct search *s, const struct piece *p, const struct reader *reader, bool *more,
    struct err *e)
{
	static const char plain[] = SEARCH_ENTRIES(JOURNAL_COLUMNS, "");
	static const char indexed[] = SEARCH_WORDS(JOURNAL_COLUMNS, "");
	struct piece rest = *p;
	struct lot read = { .n = LOT };
	sqlite3_stmt *stmt;
	bool ok;

	ok = dbfile_prepare(&s->journal->file, p->indexed ? indexed : plain, &stmt, e);
	while (ok && *more && read.n == LOT && rest.first <= rest.last) {
		ok = lot(s, &rest, stmt, &read, e);
		for (size_t i = 0; i < read.n; i++) {
			*more = *more && reader->row(reader->owner, read.record[i]);
			free(read.record[i]);
		}
	}
	sqlite3_finalize(stmt);
	return ok;
}

static bool
read_all(struct search *s, const struct reader *reader, struct err *e)
{
	bool ok = true, more = true;

	while (ok && more && s->first <= s->last) {
		struct piece p = search_piece(s, s->first, s->last);

		ok = read_piece(s, &p, reader, &more, e);
		search_piece_end(s, &p);
		s->first = search_after(p.last);
	}
	return ok;
}

bool
journal_read(struct journal *j, const struct journal_filter *filter,
    bool (*row)(void *owner, const struct journal_record *r), void *owner, struct err *e)
{
	const struct reader reader = { row, owner };
	struct search s;
	bool ok = search_begin(&s, j, filter, e) && search_span(&s, e) && read_all(&s, &reader, e);

	search_end(&s);
	return ok;
}
