#include "db/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/die.h"
#include "base/log.h"
#include "base/sip.h"
#include "db/journal_file.h"
#include "db/journal_sums.h"
#include "db/journal_text.h"
#include "db/schema.h"

static const struct migration migrations[] = {
	{ 1, schema_journal_1 },
	{ 2, schema_journal_2 },
	{ 3, schema_journal_3 },
	{ 4, schema_journal_4 },
	{ 5, schema_journal_5 },
	{ 6, schema_journal_6 },
};

const struct dbfile_kind journal_kind = {
	.name = "journal",
	.application_id = 0x50734a31,
	/* The promise: what a client was told is on disk. */
	.synchronous = "FULL",
	.page_size = 4096,
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
	TEXT(SUBJECT, subject),
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
	static const uint64_t head = 0x68656164;
	int n;

	if (!read_word(j, "id_key_1", &j->key.word[0], e) ||
	    !read_word(j, "id_key_2", &j->key.word[1], e))
		return false;
	j->itself = sip_hash(j->key.word, &head, 1);
	n = asprintf(&j->head_path, "%s-head", j->file.path);
	if (n < 0)
		die("no memory for a path");
	return true;
}

/* --- opening ------------------------------------------------------------------------------------ */

struct journal *
journal_open(const char *path, struct err *e)
{
	static const char append[] =
	    "INSERT INTO entry (" JOURNAL_COLUMNS
	    ", chain) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
	    "?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27, ?28)";
	/*
	 * Where the newest has no link (it is of before there was a chain, or was tampered with, which does not
	 * stop the mail), the chain goes on from its beginning.
	 */
	static const char newest[] =
	    "SELECT max(m.value, a.serial, ifnull(e.serial, 0)), iif(length(e.chain) = 32, e.chain, a.hash) "
	    "FROM meta AS m JOIN anchor AS a LEFT JOIN "
	    "(SELECT serial, chain FROM entry ORDER BY serial DESC LIMIT 1) AS e "
	    "WHERE m.name = 'serial'";
	struct journal *j = xcalloc(1, sizeof(*j));

	_Static_assert(COLUMNS == 27, "a parameter for each column, and one for the link");
	j->head = -1;
	j->text_oldest = -1;
	j->chain = chain_new();
	if (!dbfile_open(&j->file, path, &journal_kind, e) || !journal_read_key(j, e) ||
	    !dbfile_prepare(&j->file, append, &j->append, e) ||
	    !dbfile_prepare(&j->file, newest, &j->newest, e) || !journal_sums_prepare(j, e) ||
	    !journal_clock_prepare(j, e) || !journal_mend(j, e))
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
	sqlite3_finalize(j->newest);
	sqlite3_finalize(j->add_hour);
	sqlite3_finalize(j->latest);
	sqlite3_finalize(j->clock_back);
	dbfile_close(&j->file);
	journal_text_close(j);
	if (j->head >= 0)
		close(j->head);
	free(j->head_path);
	chain_free(&j->chain);
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

bool
journal_hash(sqlite3_stmt *stmt, int column, struct chain_hash *out)
{
	const void *p = sqlite3_column_blob(stmt, column);

	if (p == NULL || sqlite3_column_bytes(stmt, column) != CHAIN_OCTETS)
		return false;
	memcpy(out->octet, p, CHAIN_OCTETS);
	return true;
}

bool
journal_get_newest(struct journal *j, struct head *out, struct err *e)
{
	bool ok = sqlite3_step(j->newest) == SQLITE_ROW;

	out->journal = j->itself;
	if (ok)
		out->serial = sqlite3_column_int64(j->newest, 0);
	if (ok)
		journal_hash(j->newest, 1, &out->link);
	return dbfile_end(&j->file, j->newest, ok, e);
}

void
journal_cells(sqlite3_stmt *row, struct chain_cell cell[COLUMNS])
{
	for (int i = 0; i < COLUMNS; i++) {
		cell[i] = (struct chain_cell){ 0 };
		if (sqlite3_column_type(row, i) == SQLITE_INTEGER)
			cell[i].number = sqlite3_column_int64(row, i);
		else
			cell[i].text = dbfile_text(row, i);
	}
}

static void
cells(const struct journal_record *r, struct chain_cell cell[COLUMNS])
{
	memset(cell, 0, COLUMNS * sizeof(*cell));
	cell[COLUMN_SERIAL].number = r->serial;
	cell[COLUMN_ID].text = str_of(r->id);
	cell[COLUMN_TIME].number = r->time_ms;
	cell[COLUMN_FRONT].text = str_of(r->front);
	cell[COLUMN_STEP].text = str_of(r->step);
	cell[COLUMN_VERDICT].text = str_of(r->verdict);
	cell[COLUMN_CODE].number = r->code;
	cell[COLUMN_TOOK].number = r->took_us;
	cell[COLUMN_SIZE].number = r->size;
	cell[COLUMN_TIMES].number = r->times > 0 ? r->times : 1;
	for (size_t i = 0; i < JOURNAL_TEXTS; i++)
		cell[journal_texts[i].column].text = *journal_text_const(r, i);
}

static bool
is_number(size_t column)
{
	return column == COLUMN_SERIAL || (column >= COLUMN_CODE && column <= COLUMN_TIMES) ||
	    column == COLUMN_TIME;
}

static void
bind(sqlite3_stmt *stmt, const struct chain_cell cell[COLUMNS], const struct chain_hash *link)
{
	/* Parameters count from 1. */
	for (size_t i = 0; i < COLUMNS; i++) {
		if (is_number(i))
			sqlite3_bind_int64(stmt, (int)i + 1, cell[i].number);
		else
			dbfile_bind(stmt, (int)i + 1, cell[i].text);
	}
	sqlite3_bind_blob(stmt, COLUMN_CHAIN + 1, link->octet, CHAIN_OCTETS, SQLITE_STATIC);
}

/* newest: the entry before; then this one. */
static bool
append_one(struct journal *j, struct journal_record *r, struct head *newest, struct err *e)
{
	struct chain_cell cell[COLUMNS];
	const struct config_row *row;
	struct chain_hash content;

	row = config_rows_find(&j->rows, r->config);
	if (!row)
		row = config_rows_read(j, &j->rows, r->config, e);
	if (!row)
		return false;
	r->serial = ++newest->serial;
	if (r->id[0] == '\0')
		journal_id_write(&j->key, r->serial, r->id);
	cells(r, cell);
	chain_content(j->chain, cell, COLUMNS, &content);
	chain_link(
	    j->chain, &newest->link, &content, row->there ? &row->digest : NULL, &newest->link);
	bind(j->append, cell, &newest->link);
	return dbfile_end(&j->file, j->append, sqlite3_step(j->append) == SQLITE_DONE, e);
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

/* Entries are kept without it as well: only that their loss would not show. */
void
journal_write_head(struct journal *j, const struct head *newest)
{
	bool ok = j->head >= 0 && head_write(j->head, newest);

	if (!ok && !j->head_failing)
		log_error(NULL,
		    "event=journal state=headless path=%s: cannot be written; make room on that disk, and let "
		    "the user of posternd write it",
		    j->head_path);
	j->head_failing = !ok;
	j->known = *newest;
}

/* Others append, too; but nothing takes away the newest, or makes another of it. */
static bool
goes_on(const struct journal *j, const struct head *newest)
{
	return newest->serial > j->known.serial ||
	    (newest->serial == j->known.serial && chain_same(&newest->link, &j->known.link));
}

/* The end is not what it was: that comes first. */
static bool
mend_end(struct journal *j, const struct head *newest, struct err *e)
{
	const struct head known = j->known;

	dbfile_rollback(&j->file);
	j->known = (struct head){ 0 };
	return journal_compare(j, newest, &known, e);
}

bool
journal_append_and(struct journal *j, struct journal_record *const *records, size_t n,
    const struct journal_also *also, struct err *e)
{
	struct journal_sums sums = { .n = 0 };
	struct head newest;
	size_t done = 0;
	bool ok;

	require(j->append);
	if (!dbfile_begin(&j->file, e))
		return false;
	ok = (also == NULL || also->sql == NULL || dbfile_exec(&j->file, also->sql, e)) &&
	    journal_get_newest(j, &newest, e);
	if (ok && j->known.serial > 0 && !goes_on(j, &newest))
		return mend_end(j, &newest, e) && journal_append_and(j, records, n, also, e);
	ok = ok &&
	    (also == NULL || also->call == NULL || also->call(also->owner, newest.serial + 1, e)) &&
	    journal_clock_note(j, records, n, e);
	for (; ok && done < n; done++)
		ok = append_one(j, records[done], &newest, e) &&
		    journal_sums_add(j, &sums, records[done], e);
	if (!ok || !journal_sums_write(j, &sums, e) || !dbfile_commit(&j->file, e))
		return undo(j, records, done);
	journal_write_head(j, &newest);
	return true;
}

bool
journal_append(struct journal *j, struct journal_record *const *records, size_t n, struct err *e)
{
	return n == 0 || journal_append_and(j, records, n, NULL, e);
}
