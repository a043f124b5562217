#include "db/row_sqlite.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/die.h"
#include "db/dbfile.h"
#include "db/store_row.h"
#include "db/store_sqlite.h"

/* Rows in one transaction of reading. */
#define LOT 500

/* The columns of each kind are in the order in which read_row() and bind_row() take them. */
static const struct {
	const char *lot, *get, *put;
	int columns; /* behind the key */
} sql[STORE_KINDS] = {
	[STORE_SEEN] = { "SELECT key, first, last, hits, proven, expires FROM seen WHERE key > ?1 ORDER BY key "
			 "LIMIT ?2",
	    "SELECT key, first, last, hits, proven, expires FROM seen WHERE key = ?1",
	    "INSERT OR REPLACE INTO seen (key, first, last, hits, proven, expires) "
	    "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	    5 },
	[STORE_COUNTER] = { "SELECT key, bins, expires FROM counter WHERE key > ?1 ORDER BY key LIMIT ?2",
	    "SELECT key, bins, expires FROM counter WHERE key = ?1",
	    "INSERT OR REPLACE INTO counter (key, bins, expires) VALUES (?1, ?2, ?3)", 2 },
	[STORE_SKETCH] = { "SELECT key, entries, expires FROM sketch WHERE key > ?1 ORDER BY key LIMIT ?2",
	    "SELECT key, entries, expires FROM sketch WHERE key = ?1",
	    "INSERT OR REPLACE INTO sketch (key, entries, expires) VALUES (?1, ?2, ?3)", 2 },
	[STORE_LIMIT] = { "SELECT key, burst, minute, hour, day, expires FROM allowance WHERE key > ?1 ORDER BY key "
			  "LIMIT ?2",
	    "SELECT key, burst, minute, hour, day, expires FROM allowance WHERE key = ?1",
	    "INSERT OR REPLACE INTO allowance (key, burst, minute, hour, day, expires) "
	    "VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	    5 },
	[STORE_DELIVERED] = { "SELECT key, reply, ready, expires FROM delivered WHERE key > ?1 ORDER BY key LIMIT ?2",
	    "SELECT key, reply, ready, expires FROM delivered WHERE key = ?1",
	    "INSERT OR REPLACE INTO delivered (key, reply, ready, expires) "
	    "VALUES (?1, ?2, ?3, ?4)",
	    3 },
};

static struct str
octets(sqlite3_stmt *stmt, int column)
{
	return (struct str){ sqlite3_column_blob(stmt, column),
		(size_t)sqlite3_column_bytes(stmt, column) };
}

/* The texts are SQLite's until the next step. */
static void
read_row(sqlite3_stmt *stmt, enum store_kind kind, struct store_row *row)
{
	*row = (struct store_row){ .kind = kind, .key = octets(stmt, 0) };
	switch (kind) {
	case STORE_SEEN:
		row->seen = (struct store_seen){
			.first = sqlite3_column_int64(stmt, 1),
			.last = sqlite3_column_int64(stmt, 2),
			.hits = sqlite3_column_int64(stmt, 3),
			.proven = sqlite3_column_int64(stmt, 4) != 0,
			.expires = sqlite3_column_int64(stmt, 5),
		};
		break;
	case STORE_LIMIT:
		row->limit = (struct take_limits){
			.burst = sqlite3_column_int64(stmt, 1),
			.minute = sqlite3_column_int64(stmt, 2),
			.hour = sqlite3_column_int64(stmt, 3),
			.day = sqlite3_column_int64(stmt, 4),
		};
		break;
	case STORE_COUNTER:
	case STORE_SKETCH:
	case STORE_DELIVERED:
		row->octets = octets(stmt, 1);
		row->ready = kind == STORE_DELIVERED ? sqlite3_column_int64(stmt, 2) : 0;
		break;
	case STORE_KINDS:
		break;
	}
	row->expires = sqlite3_column_int64(stmt, sql[kind].columns);
}

static void
bind_blob(sqlite3_stmt *stmt, int index, struct str s)
{
	sqlite3_bind_blob(stmt, index, s.n > 0 ? s.p : "", (int)s.n, SQLITE_STATIC);
}

/* Digests are blobs, all other keys text. */
static void
bind_key(sqlite3_stmt *stmt, enum store_kind kind, struct str key)
{
	if (kind == STORE_DELIVERED)
		bind_blob(stmt, 1, key);
	else
		dbfile_bind(stmt, 1, key);
}

static void
bind_row(sqlite3_stmt *stmt, const struct store_row *row)
{
	bind_key(stmt, row->kind, row->key);
	switch (row->kind) {
	case STORE_SEEN:
		sqlite3_bind_int64(stmt, 2, row->seen.first);
		sqlite3_bind_int64(stmt, 3, row->seen.last);
		sqlite3_bind_int64(stmt, 4, row->seen.hits);
		sqlite3_bind_int64(stmt, 5, row->seen.proven);
		break;
	case STORE_LIMIT:
		sqlite3_bind_int64(stmt, 2, row->limit.burst);
		sqlite3_bind_int64(stmt, 3, row->limit.minute);
		sqlite3_bind_int64(stmt, 4, row->limit.hour);
		sqlite3_bind_int64(stmt, 5, row->limit.day);
		break;
	case STORE_COUNTER:
	case STORE_SKETCH:
	case STORE_DELIVERED:
		bind_blob(stmt, 2, row->octets);
		if (row->kind == STORE_DELIVERED)
			sqlite3_bind_int64(stmt, 3, row->ready);
		break;
	case STORE_KINDS:
		break;
	}
	sqlite3_bind_int64(stmt, sql[row->kind].columns + 1, row->expires);
}

/* --- reading ------------------------------------------------------------------------------------ */

struct lot {
	struct arena *memory;
	struct store_row row[LOT];
	size_t n;
};

static bool
read_lot(const struct dbfile *file, sqlite3_stmt *stmt, enum store_kind kind, struct lot *lot,
    struct err *e)
{
	int rc;

	lot->n = 0;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && lot->n < LOT) {
		struct store_row *row = &lot->row[lot->n++];

		read_row(stmt, kind, row);
		row->key = arena_dup(lot->memory, row->key);
		row->octets = arena_dup(lot->memory, row->octets);
	}
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		dbfile_failed(file, e);
	sqlite3_reset(stmt);
	return rc == SQLITE_DONE || rc == SQLITE_ROW;
}

/* Those behind a key, in order, for as long as row() wants more. */
struct walk {
	enum store_kind kind;
	struct str after;
	bool (*row)(void *owner, const struct store_row *row);
	void *owner;
};

static bool
walk(struct store *store, const struct walk *w, struct err *e)
{
	const struct dbfile *file = store_sqlite_file(store);
	struct lot *lot = xcalloc(1, sizeof(*lot));
	sqlite3_stmt *stmt = NULL;
	bool ok = dbfile_prepare(file, sql[w->kind].lot, &stmt, e), more = true;
	struct buf after;

	lot->memory = arena_new(64 * 1024 * 1024);
	lot->n = LOT;
	buf_init(&after, 1 << 20);
	buf_add(&after, w->after);
	while (ok && more && lot->n == LOT) {
		arena_reset(lot->memory);
		bind_key(stmt, w->kind, buf_str(&after));
		sqlite3_bind_int64(stmt, 2, LOT);
		ok = read_lot(file, stmt, w->kind, lot, e);
		for (size_t i = 0; ok && more && i < lot->n; i++)
			more = w->row(w->owner, &lot->row[i]);
		buf_clear(&after);
		if (lot->n > 0)
			buf_add(&after, lot->row[lot->n - 1].key);
	}
	sqlite3_finalize(stmt);
	buf_free(&after);
	arena_free(&lot->memory);
	free(lot);
	return ok;
}

bool
row_sqlite_each(struct store *store, enum store_kind kind,
    bool (*row)(void *owner, const struct store_row *row), void *owner, struct err *e)
{
	return walk(store, &(struct walk){ .kind = kind, .row = row, .owner = owner }, e);
}

/* Who hears of those that begin with `prefix`: of the rows, or of the keys alone. */
struct audience {
	struct str prefix;
	bool (*row)(void *owner, const struct store_seen *row);
	bool (*key)(void *owner, struct str key);
	void *owner;
};

/* In the order of keys they stand together. */
static bool
show(void *owner, const struct store_row *row)
{
	const struct audience *to = owner;
	struct store_seen seen = row->seen;

	if (!str_starts(row->key, to->prefix))
		return false;
	if (to->key)
		return to->key(to->owner, row->key);
	seen.key = row->key;
	return to->row(to->owner, &seen);
}

bool
row_sqlite_list(struct store *store, struct str prefix,
    bool (*row)(void *owner, const struct store_seen *row), void *owner, struct err *e)
{
	struct audience to = { .prefix = prefix, .row = row, .owner = owner };

	return walk(store, &(struct walk){ STORE_SEEN, prefix, show, &to }, e);
}

bool
row_sqlite_counters(struct store *store, struct str prefix,
    bool (*row)(void *owner, struct str key), void *owner, struct err *e)
{
	struct audience to = { .prefix = prefix, .key = row, .owner = owner };

	return walk(store, &(struct walk){ STORE_COUNTER, prefix, show, &to }, e);
}

/* --- writing ------------------------------------------------------------------------------------ */

static bool
merge_one(const struct dbfile *file, sqlite3_stmt *const stmt[2], const struct store_row *row,
    int64_t *changed, struct err *e)
{
	unsigned char blob[WINDOW_BLOB_MAX];
	struct store_row there;
	int rc;

	bind_key(stmt[0], row->kind, row->key);
	rc = sqlite3_step(stmt[0]);
	if (rc == SQLITE_ROW) {
		read_row(stmt[0], row->kind, &there);
		there.key = row->key;
		if (!store_row_merge(&there, row, blob)) {
			sqlite3_reset(stmt[0]);
			return true;
		}
		row = &there;
	}
	/* What there points to is SQLite's until the reset behind the write. */
	bind_row(stmt[1], row);
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		rc = sqlite3_step(stmt[1]);
	*changed += 1;
	if (rc != SQLITE_DONE)
		dbfile_failed(file, e);
	sqlite3_reset(stmt[0]);
	sqlite3_reset(stmt[1]);
	return rc == SQLITE_DONE;
}

bool
row_sqlite_merge(
    struct store *store, const struct store_row *rows, size_t n, int64_t *changed, struct err *e)
{
	const struct dbfile *file = store_sqlite_file(store);
	sqlite3_stmt *stmt[STORE_KINDS][2] = { { NULL } };
	int64_t before = *changed;
	bool ok = dbfile_begin(file, e);

	for (size_t i = 0; ok && i < n; i++) {
		enum store_kind kind = rows[i].kind;

		ok = stmt[kind][0] ||
		    (dbfile_prepare(file, sql[kind].get, &stmt[kind][0], e) &&
			dbfile_prepare(file, sql[kind].put, &stmt[kind][1], e));
		ok = ok && merge_one(file, stmt[kind], &rows[i], changed, e);
	}
	for (int i = 0; i < STORE_KINDS; i++) {
		sqlite3_finalize(stmt[i][0]);
		sqlite3_finalize(stmt[i][1]);
	}
	ok = ok && dbfile_commit(file, e);
	if (!ok) {
		dbfile_rollback(file);
		*changed = before;
	}
	return ok;
}
