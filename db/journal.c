#include "db/journal.h"

#include <stdlib.h>

#include "base/die.h"
#include "db/journal_file.h"
#include "db/schema.h"

/* Entries that one step of cleaning removes: a few milliseconds. */
#define CLEAN_ROWS 300

static const struct migration migrations[] = {
	{ 1, schema_journal_1 },
	{ 2, schema_journal_2 },
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

/* --- the key of ids ----------------------------------------------------------------------------- */

static bool
read_word(struct journal *j, const char *name, uint64_t *out, struct err *e)
{
	sqlite3_stmt *stmt;
	bool ok;

	if (!dbfile_prepare(&j->file, "SELECT value FROM meta WHERE name = ?1", &stmt, e))
		return false;
	dbfile_bind(stmt, 1, str_of(name));
	ok = sqlite3_step(stmt) == SQLITE_ROW;
	if (ok)
		*out = (uint64_t)sqlite3_column_int64(stmt, 0);
	else
		dbfile_failed(&j->file, e);
	sqlite3_finalize(stmt);
	return ok;
}

bool
journal_read_key(struct journal *j, struct err *e)
{
	return read_word(j, "id_key_1", &j->key.word[0], e) &&
	    read_word(j, "id_key_2", &j->key.word[1], e);
}

/* --- opening ------------------------------------------------------------------------------------ */

struct journal *
journal_open(const char *path, struct err *e)
{
	static const char append[] =
	    "INSERT INTO entry (" JOURNAL_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
	    "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26)";
	/* Only what is removed may be the newest: then `meta` knows it. */
	static const char newest[] =
	    "SELECT max(value, ifnull((SELECT max(serial) FROM entry), 0)) FROM meta "
	    "WHERE name = 'serial'";
	static const char keep[] = "UPDATE meta SET value = (SELECT max(serial) FROM entry) "
				   "WHERE name = 'serial' AND EXISTS "
				   "(SELECT 1 FROM entry WHERE time_ms < ?1)";
	struct journal *j = xcalloc(1, sizeof(*j));

	_Static_assert(COLUMNS == 26, "a parameter for each column");
	if (!dbfile_open(&j->file, path, &journal_kind, e) || !journal_read_key(j, e) ||
	    !dbfile_prepare(&j->file, append, &j->append, e) ||
	    !dbfile_prepare(&j->file, newest, &j->get_serial, e) ||
	    !dbfile_prepare(&j->file, keep, &j->keep_serial, e) ||
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
	sqlite3_finalize(j->keep_serial);
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

static void
bind(sqlite3_stmt *stmt, struct journal_record *r)
{
	/* Parameters count from 1. */
	sqlite3_bind_int64(stmt, COLUMN_SERIAL + 1, r->serial);
	dbfile_bind(stmt, COLUMN_ID + 1, str_of(r->id));
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
	if (r->id[0] == '\0')
		journal_id_write(&j->key, r->serial, r->id);
	bind(j->append, r);
	return end(j, j->append, sqlite3_step(j->append) == SQLITE_DONE, e);
}

/* Takes back what was filled in so far. */
static bool
undo(struct journal *j, struct journal_record *const *records, size_t n)
{
	char id[8];

	dbfile_rollback(&j->file);
	for (size_t i = 0; i < n; i++) {
		journal_id_write(&j->key, records[i]->serial, id);
		if (strcmp(records[i]->id, id) == 0)
			records[i]->id[0] = '\0';
		records[i]->serial = 0;
	}
	return false;
}

bool
journal_append(struct journal *j, struct journal_record *const *records, size_t n, struct err *e)
{
	int64_t serial;
	size_t done = 0;
	bool ok;

	require(j->append);
	if (n == 0)
		return true;
	if (!dbfile_exec(&j->file, "BEGIN IMMEDIATE", e))
		return false;
	ok = get_serial(j, &serial, e);
	for (; ok && done < n; done++) {
		records[done]->serial = ++serial;
		ok = append_one(j, records[done], e);
	}
	if (!ok || !dbfile_exec(&j->file, "COMMIT", e))
		return undo(j, records, done);
	return true;
}

static bool
keep_serial(struct journal *j, int64_t before_ms, struct err *e)
{
	sqlite3_bind_int64(j->keep_serial, 1, before_ms);
	return end(j, j->keep_serial, sqlite3_step(j->keep_serial) == SQLITE_DONE, e);
}

bool
journal_clean(struct journal *j, int64_t now_ms, int64_t keep_ms, struct err *e)
{
	bool ok;
	int64_t removed;

	require(j->clean);
	if (!keep_serial(j, now_ms - keep_ms, e))
		return false;
	sqlite3_bind_int64(j->clean, 1, now_ms - keep_ms);
	sqlite3_bind_int64(j->clean, 2, CLEAN_ROWS);
	ok = sqlite3_step(j->clean) == SQLITE_DONE;
	removed = ok ? sqlite3_changes64(j->file.handle) : 0;
	if (!end(j, j->clean, ok, e))
		return false;
	/* Freed pages go back to the disk, a few at a time. */
	return dbfile_exec(&j->file, "PRAGMA incremental_vacuum(64)", e) && removed == CLEAN_ROWS;
}
