#include "db/journal.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/die.h"
#include "db/journal_file.h"
#include "db/schema.h"

/* Entries that one step of cleaning removes: a few milliseconds. */
#define CLEAN_ROWS 300

/* How often an id that is taken is drawn anew: with 31^6 ids even two clashes in a row are rare. */
#define ID_TRIES 20

static const struct migration migrations[] = {
	{ 1, schema_journal_1 },
};

const struct dbfile_kind journal_kind = {
	.name = "journal",
	.application_id = 0x50734a31,
	/* The promise: what a client was told is on disk. */
	.synchronous = "FULL",
	.migration = migrations,
	.n_migrations = sizeof(migrations) / sizeof(migrations[0]),
};

#define TEXT(column, member) \
	{ \
		COLUMN_##column, offsetof(struct journal_record, member) \
	}

const struct journal_text journal_texts[JOURNAL_TEXTS] = {
	TEXT(SESSION, session),
	TEXT(CLIENT_IP, client_ip),
	TEXT(CLIENT_NAME, client_name),
	TEXT(HELO, helo),
	TEXT(ACCOUNT, account),
	TEXT(SENDER, sender),
	TEXT(RECIPIENTS, recipients),
	TEXT(ENHANCED, enhanced),
	TEXT(TEXT, text),
	TEXT(RULE, rule),
	TEXT(QUEUE_ID, queue_id),
	TEXT(FACTS, facts),
	TEXT(TRACE, trace),
	TEXT(ANSWERS, answers),
	TEXT(OBSERVED, observed),
	TEXT(CONFIG, config),
};

/* --- opening ------------------------------------------------------------------------------------ */

struct journal *
journal_open(const char *path, struct err *e)
{
	static const char append[] =
	    "INSERT INTO entry (" JOURNAL_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
	    "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)";
	struct journal *j = xcalloc(1, sizeof(*j));

	_Static_assert(COLUMNS == 26, "a parameter for each column");
	if (!dbfile_open(&j->file, path, &journal_kind, e) ||
	    !dbfile_prepare(&j->file, append, &j->append, e) ||
	    !dbfile_prepare(
		&j->file, "SELECT value FROM meta WHERE name = 'serial'", &j->get_serial, e) ||
	    !dbfile_prepare(
		&j->file, "UPDATE meta SET value = ?1 WHERE name = 'serial'", &j->set_serial, e) ||
	    !dbfile_prepare(&j->file,
		"DELETE FROM entry WHERE serial IN (SELECT serial FROM entry WHERE time_ms < ?1 "
		"ORDER BY time_ms LIMIT ?2)",
		&j->clean, e))
		journal_close(&j);
	return j;
}

void
journal_close(struct journal **journal)
{
	struct journal *j = *journal;

	if (j == NULL)
		return;
	sqlite3_finalize(j->append);
	sqlite3_finalize(j->get_serial);
	sqlite3_finalize(j->set_serial);
	sqlite3_finalize(j->clean);
	dbfile_close(&j->file);
	free(j);
	*journal = NULL;
}

bool
journal_in_place(const struct journal *j)
{
	return dbfile_in_place(&j->file);
}

/* --- records ------------------------------------------------------------------------------------ */

size_t
journal_record_size(const struct journal_record *r)
{
	size_t size = sizeof(*r);

	for (size_t i = 0; i < JOURNAL_TEXTS; i++)
		size += journal_text_const(r, i)->n;
	return size;
}

struct journal_record *
journal_record_copy(const struct journal_record *r)
{
	struct journal_record *copy = xmalloc(journal_record_size(r));
	char *p;

	*copy = *r;
	p = (char *)(copy + 1);
	for (size_t i = 0; i < JOURNAL_TEXTS; i++) {
		struct str *text = journal_text_of(copy, i);

		if (text->n > 0)
			memcpy(p, text->p, text->n);
		text->p = p;
		p += text->n;
	}
	return copy;
}

/* --- ids ---------------------------------------------------------------------------------------- */

/*
 * Random, so that an id tells nobody how much mail there is, and short, so that it can be read out on the
 * telephone: hence no 0 and o, no 1, l and i.
 */
static void
draw_id(char id[8])
{
	static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789";
	uint64_t number;

	_Static_assert(sizeof(letters) == 31 + 1, "31 letters and digits");
	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		die("the system gives no random numbers");
	/* 31^6 is so far below 2^64 that the remainder favours no letter noticeably. */
	for (int i = 0; i < 6; i++, number /= 31)
		id[i] = letters[number % 31];
	id[6] = '\0';
}

/* --- appending ---------------------------------------------------------------------------------- */

static bool
end(struct journal *j, sqlite3_stmt *stmt, bool ok, struct err *e)
{
	if (!ok)
		dbfile_failed(&j->file, e);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return ok;
}

static bool
get_serial(struct journal *j, int64_t *serial, struct err *e)
{
	bool ok = sqlite3_step(j->get_serial) == SQLITE_ROW;

	if (ok)
		*serial = sqlite3_column_int64(j->get_serial, 0);
	return end(j, j->get_serial, ok, e);
}

static bool
set_serial(struct journal *j, int64_t serial, struct err *e)
{
	sqlite3_bind_int64(j->set_serial, 1, serial);
	return end(j, j->set_serial, sqlite3_step(j->set_serial) == SQLITE_DONE, e);
}

static void
bind(sqlite3_stmt *stmt, struct journal_record *r)
{
	/* Parameters count from 1. */
	sqlite3_bind_int64(stmt, COLUMN_SERIAL + 1, r->serial);
	sqlite3_bind_int64(stmt, COLUMN_TIME + 1, r->time_ms);
	dbfile_bind(stmt, COLUMN_FRONT + 1, str_of(r->front));
	dbfile_bind(stmt, COLUMN_STEP + 1, str_of(r->step));
	dbfile_bind(stmt, COLUMN_VERDICT + 1, str_of(r->verdict));
	sqlite3_bind_int(stmt, COLUMN_CODE + 1, r->code);
	sqlite3_bind_int(stmt, COLUMN_TOOK + 1, r->took_us);
	sqlite3_bind_int64(stmt, COLUMN_SIZE + 1, r->size);
	sqlite3_bind_int64(stmt, COLUMN_TIMES + 1, r->times > 0 ? r->times : 1);
	for (size_t i = 0; i < JOURNAL_TEXTS; i++)
		dbfile_bind(stmt, (int)journal_texts[i].column + 1, *journal_text_of(r, i));
}

static bool
append_one(struct journal *j, struct journal_record *r, struct err *e)
{
	bool drawn = r->id[0] == '\0';
	int rc = SQLITE_CONSTRAINT_UNIQUE;

	bind(j->append, r);
	for (int i = 0; rc == SQLITE_CONSTRAINT_UNIQUE && i < (drawn ? ID_TRIES : 1); i++) {
		if (drawn)
			draw_id(r->id);
		sqlite3_reset(j->append);
		dbfile_bind(j->append, COLUMN_ID + 1, str_of(r->id));
		rc = sqlite3_step(j->append);
	}
	if (rc != SQLITE_DONE && drawn)
		r->id[0] = '\0';
	return end(j, j->append, rc == SQLITE_DONE, e);
}

/* Takes back what was filled in so far. given: which ids were the caller's. */
static bool
undo(struct journal *j, struct journal_record *const *records, const bool *given, size_t n)
{
	dbfile_rollback(&j->file);
	for (size_t i = 0; i < n; i++) {
		records[i]->serial = 0;
		if (!given[i])
			records[i]->id[0] = '\0';
	}
	return false;
}

bool
journal_append(struct journal *j, struct journal_record *const *records, size_t n, struct err *e)
{
	int64_t serial;
	bool *given, ok;
	size_t done = 0;

	require(j->append);
	if (n == 0)
		return true;
	if (!dbfile_exec(&j->file, "BEGIN IMMEDIATE", e))
		return false;
	given = xcalloc(n, sizeof(*given));
	ok = get_serial(j, &serial, e);
	for (; ok && done < n; done++) {
		given[done] = records[done]->id[0] != '\0';
		records[done]->serial = ++serial;
		ok = append_one(j, records[done], e);
	}
	ok = ok && set_serial(j, serial, e) && dbfile_exec(&j->file, "COMMIT", e);
	if (!ok)
		undo(j, records, given, done);
	free(given);
	return ok;
}

bool
journal_clean(struct journal *j, int64_t now_ms, int64_t keep_ms, struct err *e)
{
	bool ok;
	int64_t removed;

	require(j->clean);
	sqlite3_bind_int64(j->clean, 1, now_ms - keep_ms);
	sqlite3_bind_int64(j->clean, 2, CLEAN_ROWS);
	ok = sqlite3_step(j->clean) == SQLITE_DONE;
	removed = ok ? sqlite3_changes64(j->file.handle) : 0;
	if (!end(j, j->clean, ok, e))
		return false;
	/* Freed pages go back to the disk, a few at a time. */
	return dbfile_exec(&j->file, "PRAGMA incremental_vacuum(64)", e) && removed == CLEAN_ROWS;
}
