#include "db/journal_config.h"

#include <stdlib.h>

#include "base/die.h"
#include "db/journal_file.h"

/* Sessions of an old configuration may go on for so long. */
#define LINGER_MS (INT64_C(2) * 86400000)

static const char sql_text[] = "SELECT text FROM configuration WHERE revision = ?1";

void
configurations_add(struct configurations *all, struct str revision, struct str text)
{
	struct configuration *c = all->known;

	for (size_t i = 0; i < all->n; i++)
		if (str_eq(str_of(c[i].revision), revision))
			return;
	if (all->n == CONFIGURATIONS_MAX) {
		free(c[0].text);
		memmove(c, c + 1, --all->n * sizeof(*c));
	}
	c += all->n++;
	*c = (struct configuration){ .text = xmalloc(text.n + 1) };
	str_copy(revision, c->revision, sizeof(c->revision));
	memcpy(c->text, text.p, text.n);
	c->text[text.n] = '\0';
}

void
configurations_free(struct configurations *all)
{
	for (size_t i = 0; i < all->n; i++)
		free(all->known[i].text);
	*all = (struct configurations){ 0 };
}

void
configurations_forget(struct configurations *all)
{
	for (size_t i = 0; i < all->n; i++)
		all->known[i].in = NULL;
}

/* One that comes into force again counts from now. */
static bool
store_one(struct journal *j, const struct configuration *c, int64_t now_ms, struct err *e)
{
	static const char sql[] =
	    "INSERT INTO configuration (revision, time_ms, text) VALUES (?1, ?2, ?3) "
	    "ON CONFLICT (revision) DO UPDATE SET time_ms = excluded.time_ms";
	sqlite3_stmt *stmt;
	bool ok;

	if (!dbfile_prepare(&j->file, sql, &stmt, e))
		return false;
	dbfile_bind(stmt, 1, str_of(c->revision));
	sqlite3_bind_int64(stmt, 2, now_ms);
	dbfile_bind(stmt, 3, str_of(c->text));
	ok = sqlite3_step(stmt) == SQLITE_DONE;
	if (!ok)
		dbfile_failed(&j->file, e);
	sqlite3_finalize(stmt);
	j->rows = (struct config_rows){ 0 };
	return ok;
}

bool
configurations_store(struct configurations *all, struct journal *j, int64_t now_ms, struct err *e)
{
	for (size_t i = 0; i < all->n; i++) {
		if (all->known[i].in == j)
			continue;
		if (!store_one(j, &all->known[i], now_ms, e))
			return false;
		all->known[i].in = j;
	}
	return true;
}

bool
journal_configuration(
    struct journal *j, struct arena *arena, struct str revision, struct str *text, struct err *e)
{
	sqlite3_stmt *stmt;
	int rc;

	*text = STR("");
	if (!dbfile_prepare(&j->file, sql_text, &stmt, e))
		return false;
	dbfile_bind(stmt, 1, revision);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*text = arena_dup(arena, dbfile_text(stmt, 0));
	else if (rc != SQLITE_DONE)
		dbfile_failed(&j->file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

bool
journal_configurations(struct journal *j,
    void (*row)(void *owner, struct str revision, struct str text), void *owner, struct err *e)
{
	sqlite3_stmt *stmt;
	int rc;

	if (!dbfile_prepare(&j->file, "SELECT revision, text FROM configuration", &stmt, e))
		return false;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		row(owner, dbfile_text(stmt, 0), dbfile_text(stmt, 1));
	if (rc != SQLITE_DONE)
		dbfile_failed(&j->file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE;
}

/* --- as links cover them ------------------------------------------------------------------------ */

struct config_row *
config_rows_find(struct config_rows *rows, struct str revision)
{
	for (size_t i = 0; i < CONFIG_ROWS; i++)
		if (str_eq(str_of(rows->row[i].revision), revision))
			return &rows->row[i];
	return NULL;
}

struct config_row *
config_rows_read(struct journal *j, struct config_rows *rows, struct str revision, struct err *e)
{
	struct config_row *row = &rows->row[rows->next];
	struct chain_cell cell[2] = { { .text = revision } };
	sqlite3_stmt *stmt;
	int rc;

	if (!dbfile_prepare(&j->file, sql_text, &stmt, e))
		return NULL;
	*row = (struct config_row){ 0 };
	str_copy(revision, row->revision, sizeof(row->revision));
	dbfile_bind(stmt, 1, revision);
	rc = sqlite3_step(stmt);
	rows->next = (rows->next + 1) % CONFIG_ROWS;
	row->there = rc == SQLITE_ROW;
	if (row->there) {
		cell[1].text = dbfile_text(stmt, 0);
		chain_content(j->chain, cell, 2, &row->digest);
	} else if (rc != SQLITE_DONE) {
		dbfile_failed(&j->file, e);
	}
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? row : NULL;
}

/* --- retention ---------------------------------------------------------------------------------- */

/* Never before the entries that refer to it, which a clock that was wrong may keep: their links cover it. */
bool
journal_configurations_clean(struct journal *j, int64_t before_ms, struct err *e)
{
	static const char sql[] =
	    "DELETE FROM configuration AS old WHERE EXISTS (SELECT 1 FROM configuration AS next "
	    "WHERE next.time_ms > old.time_ms AND next.time_ms < "
	    "min(?1, ifnull((SELECT min(time_ms) FROM entry), ?1)) - ?2)";
	sqlite3_stmt *stmt;
	bool ok;

	if (!dbfile_prepare(&j->file, sql, &stmt, e))
		return false;
	sqlite3_bind_int64(stmt, 1, before_ms);
	sqlite3_bind_int64(stmt, 2, LINGER_MS);
	ok = sqlite3_step(stmt) == SQLITE_DONE;
	if (!ok)
		dbfile_failed(&j->file, e);
	sqlite3_finalize(stmt);
	j->rows = (struct config_rows){ 0 };
	return ok;
}
