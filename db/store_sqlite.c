#include "db/store_sqlite.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/die.h"
#include "db/dbfile.h"
#include "db/distinct.h"
#include "db/exception.h"
#include "db/hold.h"
#include "db/row_sqlite.h"
#include "db/schema.h"
#include "db/window.h"

/* Rows that one step of cleaning removes from each table: a few milliseconds. */
#define CLEAN_ROWS 500

/* Rows that make room together: pushing out one at a time would search for each. */
#define EVICT_ROWS 128

/* Rows that are listed at once, and octets of a key: more than any stage makes. */
#define LIST_LOT 200
#define STORE_LIST_KEY 1024

#define DAY 86400

static const struct migration migrations[] = {
	{ 1, schema_store_1 },
	{ 2, schema_store_2 },
	{ 3, schema_store_3 },
	{ 4, schema_store_4 },
	{ 5, schema_store_5 },
	{ 6, schema_store_6 },
};

static const struct dbfile_kind kind = {
	.name = "store",
	.application_id = 0x50735331,
	/* After a crash of the machine some senders wait once more; that is worth the speed. */
	.synchronous = "NORMAL",
	.migration = migrations,
	.n_migrations = sizeof(migrations) / sizeof(migrations[0]),
};

enum statement {
	SEEN_GET,
	SEEN_PUT,
	SEEN_TOUCH,
	SEEN_DROP,
	SEEN_EVICT,
	SEEN_EVICT_PROVEN,
	SEEN_CLEAN_WAITING,
	SEEN_CLEAN_PROVEN,
	SEEN_COUNT,
	SEEN_COUNT_PROVEN,
	SEEN_LIST,
	COUNTER_GET,
	COUNTER_PUT,
	COUNTER_EVICT,
	COUNTER_CLEAN,
	COUNTER_COUNT,
	COUNTER_LIST,
	DELIVERED_GET,
	DELIVERED_ADD,
	DELIVERED_READY,
	DELIVERED_DROP,
	DELIVERED_EVICT,
	DELIVERED_CLEAN,
	DELIVERED_COUNT,
	STATEMENTS,
};

static const char *const statement_sql[STATEMENTS] = {
	[SEEN_GET] = "SELECT first, last, hits, proven, expires FROM seen WHERE key = ?1",
	[SEEN_PUT] = "INSERT INTO seen (key, first, last, hits, proven, expires) "
		     "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key) DO UPDATE SET "
		     "first = excluded.first, last = excluded.last, hits = excluded.hits, "
		     "proven = excluded.proven, expires = excluded.expires",
	/* Without expires the index stays as it is. */
	[SEEN_TOUCH] = "UPDATE seen SET last = ?2 WHERE key = ?1",
	[SEEN_DROP] = "DELETE FROM seen WHERE key = ?1",
	[SEEN_EVICT] = "DELETE FROM seen WHERE key IN (SELECT key FROM seen WHERE proven = 0 "
		       "ORDER BY expires LIMIT ?1)",
	[SEEN_EVICT_PROVEN] = "DELETE FROM seen WHERE key IN (SELECT key FROM seen WHERE "
			      "proven = 1 ORDER BY expires LIMIT ?1)",
	[SEEN_CLEAN_WAITING] = "DELETE FROM seen WHERE key IN (SELECT key FROM seen "
			       "WHERE proven = 0 AND expires < ?1 ORDER BY expires LIMIT ?2)",
	[SEEN_CLEAN_PROVEN] = "DELETE FROM seen WHERE key IN (SELECT key FROM seen "
			      "WHERE proven = 1 AND expires < ?1 ORDER BY expires LIMIT ?2)",
	[SEEN_COUNT] = "SELECT count(*) FROM seen WHERE proven = 0",
	[SEEN_COUNT_PROVEN] = "SELECT count(*) FROM seen WHERE proven = 1",
	[SEEN_LIST] = "SELECT key, first, last, hits, proven, expires FROM seen "
		      "WHERE key > ?1 AND key < ?2 || char(1114111) ORDER BY key LIMIT ?3",
	[COUNTER_GET] = "SELECT bins, expires FROM counter WHERE key = ?1",
	[COUNTER_PUT] = "INSERT INTO counter (key, bins, expires) VALUES (?1, ?2, ?3) "
			"ON CONFLICT (key) DO UPDATE SET bins = excluded.bins, "
			"expires = excluded.expires",
	[COUNTER_EVICT] = "DELETE FROM counter WHERE key IN (SELECT key FROM counter "
			  "ORDER BY expires LIMIT ?1)",
	[COUNTER_CLEAN] = "DELETE FROM counter WHERE key IN (SELECT key FROM counter "
			  "WHERE expires < ?1 ORDER BY expires LIMIT ?2)",
	[COUNTER_COUNT] = "SELECT count(*) FROM counter",
	/* In the columns of SEEN_LIST. */
	[COUNTER_LIST] = "SELECT key, 0, 0, 0, 0, expires FROM counter "
			 "WHERE key > ?1 AND key < ?2 || char(1114111) ORDER BY key LIMIT ?3",
	[DELIVERED_GET] = "SELECT reply FROM delivered WHERE key = ?1 AND expires >= ?2 "
			  "AND ready <= ?2",
	[DELIVERED_ADD] = "INSERT INTO delivered (key, reply, expires, ready) "
			  "VALUES (?1, ?2, ?3, ?4) ON CONFLICT (key) DO NOTHING",
	[DELIVERED_READY] = "UPDATE delivered SET ready = 0 WHERE key = ?1",
	[DELIVERED_DROP] = "DELETE FROM delivered WHERE key = ?1",
	[DELIVERED_EVICT] = "DELETE FROM delivered WHERE key IN (SELECT key FROM delivered "
			    "ORDER BY expires LIMIT ?1)",
	[DELIVERED_CLEAN] = "DELETE FROM delivered WHERE key IN (SELECT key FROM delivered "
			    "WHERE expires < ?1 ORDER BY expires LIMIT ?2)",
	[DELIVERED_COUNT] = "SELECT count(*) FROM delivered",
};

/* A table's rows that fall under a cap; we are the only writer, so that counting once will do. */
struct census {
	int64_t rows, before; /* now; when the transaction began */
	int64_t most;
	enum statement evict;
};

struct store {
	struct dbfile file;
	struct hold_table *holds;
	struct distinct_table *sketches;
	struct exception_table *exceptions;
	sqlite3_stmt *statement[STATEMENTS];
	bool read_only;
	struct census waiting, proven, counters, delivered;
};

/* --- statements --------------------------------------------------------------------------------- */

static sqlite3_stmt *
begin(struct store *s, enum statement which, struct str key)
{
	sqlite3_stmt *stmt = s->statement[which];

	dbfile_bind(stmt, 1, key);
	return stmt;
}

static bool
finish(struct store *s, sqlite3_stmt *stmt, struct err *e)
{
	return dbfile_end(&s->file, stmt, sqlite3_step(stmt) == SQLITE_DONE, e);
}

/* Makes room for a row to come. */
static bool
make_room(struct store *s, struct census *c, struct err *e)
{
	sqlite3_stmt *stmt = s->statement[c->evict];
	int64_t excess = c->rows + 1 - c->most;
	bool ok;

	if (excess <= 0)
		return true;
	sqlite3_bind_int64(stmt, 1, excess + (c->most > 16 * EVICT_ROWS ? EVICT_ROWS : 0));
	ok = sqlite3_step(stmt) == SQLITE_DONE;
	if (ok)
		c->rows -= sqlite3_changes64(s->file.handle);
	return dbfile_end(&s->file, stmt, ok, e);
}

/* --- seen --------------------------------------------------------------------------------------- */

struct seen_row {
	bool there;
	int64_t first, last, hits;
	bool proven;
	int64_t expires;
};

static bool
seen_get(struct store *s, struct str key, struct seen_row *row, struct err *e)
{
	sqlite3_stmt *stmt = begin(s, SEEN_GET, key);
	int rc = sqlite3_step(stmt);

	*row = (struct seen_row){ .there = rc == SQLITE_ROW };
	if (row->there) {
		row->first = sqlite3_column_int64(stmt, 0);
		row->last = sqlite3_column_int64(stmt, 1);
		row->hits = sqlite3_column_int64(stmt, 2);
		row->proven = sqlite3_column_int64(stmt, 3) != 0;
		row->expires = sqlite3_column_int64(stmt, 4);
	}
	return dbfile_end(&s->file, stmt, rc == SQLITE_ROW || rc == SQLITE_DONE, e);
}

static bool
seen_put(struct store *s, struct str key, const struct seen_row *row, struct err *e)
{
	sqlite3_stmt *stmt = begin(s, SEEN_PUT, key);

	sqlite3_bind_int64(stmt, 2, row->first);
	sqlite3_bind_int64(stmt, 3, row->last);
	sqlite3_bind_int64(stmt, 4, row->hits);
	sqlite3_bind_int64(stmt, 5, row->proven);
	sqlite3_bind_int64(stmt, 6, row->expires);
	return finish(s, stmt, e);
}

static bool
seen_touch(struct store *s, struct str key, int64_t now, struct err *e)
{
	sqlite3_stmt *stmt = begin(s, SEEN_TOUCH, key);

	sqlite3_bind_int64(stmt, 2, now);
	return finish(s, stmt, e);
}

/* What the row says at this time: the pure half. */
static void
seen_judge(
    const struct seen_row *row, const struct seen_question *q, int64_t now, struct seen_answer *out)
{
	int64_t age = now - row->first;

	*out = (struct seen_answer){ .state = SEEN_FIRST, .first = now, .wait = q->delay };
	if (!row->there)
		return;
	if (row->proven ? row->expires < now : age > q->retry)
		return;
	out->first = row->first;
	out->last = row->last;
	out->hits = row->hits;
	out->wait = 0;
	if (row->proven) {
		out->state = SEEN_PROVEN;
	} else if (age >= q->delay) {
		out->state = SEEN_RETRIED;
	} else {
		out->state = SEEN_EARLY;
		out->wait = age < 0 ? q->delay : q->delay - age;
	}
}

/* A question on its way. */
struct visit {
	struct store *store;
	const struct question *question;
	struct seen_row row; /* as it was */
	int64_t now;
	struct seen_answer *out;
};

/* The rows that a row is counted among. */
static struct census *
census_of(struct store *s, const struct seen_row *row)
{
	return row->proven ? &s->proven : &s->waiting;
}

/* Writes the row as it is from now on. */
static bool
visit_put(const struct visit *v, const struct seen_row *row, struct err *e)
{
	struct store *s = v->store;
	bool comes = !v->row.there || v->row.proven != row->proven;

	if (comes && !make_room(s, census_of(s, row), e))
		return false;
	if (!seen_put(s, v->question->name, row, e))
		return false;
	if (v->row.there)
		census_of(s, &v->row)->rows--;
	census_of(s, row)->rows++;
	return true;
}

static bool
visit_forget(const struct visit *v, struct err *e)
{
	if (!v->row.there)
		return true;
	if (!finish(v->store, begin(v->store, SEEN_DROP, v->question->name), e))
		return false;
	census_of(v->store, &v->row)->rows--;
	return true;
}

static bool
visit_first(const struct visit *v, struct err *e)
{
	struct seen_row row = {
		.first = v->now,
		.last = v->now,
		.expires = v->now + v->question->seen.retry,
	};

	return visit_put(v, &row, e);
}

static bool
visit_early(const struct visit *v, struct err *e)
{
	struct seen_row row = v->row;

	if (row.first <= v->now)
		return seen_touch(v->store, v->question->name, v->now, e);
	/* The clock was set back: the wait begins now, not in the future. */
	row.first = row.last = v->now;
	row.expires = v->now + v->question->seen.retry;
	return visit_put(v, &row, e);
}

static bool
visit_proven(const struct visit *v, struct err *e)
{
	struct seen_row row = {
		.first = v->out->first,
		.last = v->now,
		.hits = v->out->state == SEEN_PROVEN ? v->row.hits + 1 : 1,
		.proven = true,
		.expires = v->now + v->question->seen.remember,
	};

	if (v->out->state == SEEN_PROVEN && v->row.expires > row.expires)
		row.expires = v->row.expires;
	v->out->hits = row.hits;
	v->out->wait = 0;
	return visit_put(v, &row, e);
}

static bool
answer_seen(struct store *s, const struct store_ask *ask, int64_t now, struct err *e)
{
	struct seen_answer *out = &ask->answer->seen;
	struct visit v = { .store = s, .question = ask->question, .now = now, .out = out };
	const struct seen_question *q = &ask->question->seen;

	if (!seen_get(s, ask->question->name, &v.row, e))
		return false;
	seen_judge(&v.row, q, now, out);
	if (q->look_only || q->forget) {
		if (out->state == SEEN_FIRST)
			*out = (struct seen_answer){ .state = SEEN_NEVER };
		return !q->forget || s->read_only || visit_forget(&v, e);
	}
	if (q->prove && out->state != SEEN_PROVEN)
		out->state = SEEN_RETRIED;
	if (s->read_only)
		return true;
	if (out->state == SEEN_FIRST)
		return visit_first(&v, e);
	if (out->state == SEEN_EARLY)
		return visit_early(&v, e);
	return visit_proven(&v, e);
}

/* --- counters ----------------------------------------------------------------------------------- */

static bool
counter_get(struct store *s, struct str key, struct window *w, bool *there, struct err *e)
{
	sqlite3_stmt *stmt = begin(s, COUNTER_GET, key);
	int rc = sqlite3_step(stmt);

	*there = rc == SQLITE_ROW;
	/* A blob that cannot be read counts as empty: a lost count is no reason to refuse mail. */
	if (*there)
		window_load(w,
		    (struct str){
			sqlite3_column_blob(stmt, 0), (size_t)sqlite3_column_bytes(stmt, 0) });
	else
		*w = (struct window){ 0 };
	return dbfile_end(&s->file, stmt, rc == SQLITE_ROW || rc == SQLITE_DONE, e);
}

static bool
counter_put(struct store *s, struct str key, const struct window *w, int64_t now, struct err *e)
{
	sqlite3_stmt *stmt = begin(s, COUNTER_PUT, key);
	unsigned char blob[WINDOW_BLOB_MAX];
	size_t n = window_save(w, blob);

	sqlite3_bind_blob(stmt, 2, blob, (int)n, SQLITE_STATIC);
	/* Whole days: the index changes once a day and key, not with every count. */
	sqlite3_bind_int64(stmt, 3, (now / DAY + STORE_COUNTER_DAYS + 1) * DAY);
	return finish(s, stmt, e);
}

/* *w: what is counted then. */
static bool
counter_add(
    struct store *s, const struct store_ask *ask, int64_t now, struct window *w, struct err *e)
{
	const struct question *q = ask->question;
	bool adds = q->kind == QUESTION_COUNT || q->take.what == TAKE_SETTLE;
	int64_t add = adds && !s->read_only ? q->add : 0;
	struct str key = q->name;
	bool there;

	if (!counter_get(s, key, w, &there, e))
		return false;
	window_add(w, now, add);
	if (add <= 0)
		return true;
	if (!there && !make_room(s, &s->counters, e))
		return false;
	if (!counter_put(s, key, w, now, e))
		return false;
	s->counters.rows += there ? 0 : 1;
	return true;
}

static bool
answer_count(struct store *s, const struct store_ask *ask, int64_t now, struct err *e)
{
	struct window w;

	if (!counter_add(s, ask, now, &w, e))
		return false;
	window_totals(&w, &ask->answer->count);
	return true;
}

/* *w: as it is from now on. */
static bool
counter_reset(struct store *s, struct str key, struct window *w, int64_t now, struct err *e)
{
	window_reset(w);
	/* No row has nothing in it: a key nobody knows stays unknown. */
	return w->history.since == 0 || s->read_only || counter_put(s, key, w, now, e);
}

/* What a question of TAKE changes, once it is judged. */
static bool
take_change(struct store *s, const struct store_ask *ask, int64_t now, struct err *e)
{
	const struct question *q = ask->question;

	switch (q->take.what) {
	case TAKE_HOLD:
		return !ask->answer->take.granted || hold_put(s->holds, q, now, e);
	case TAKE_KEEP:
		return hold_put(s->holds, q, now, e);
	case TAKE_SETTLE:
	case TAKE_FREE:
		return hold_drop(s->holds, q, e);
	case TAKE_ALLOW:
		return hold_allow(s->holds, q, now, e);
	case TAKE_RESET:
		return hold_drop_all(s->holds, q, e);
	case TAKE_LOOK:
		break;
	}
	return true;
}

static bool
answer_take(struct store *s, const struct store_ask *ask, int64_t now, struct err *e)
{
	const struct question *q = ask->question;
	struct take_answer *out = &ask->answer->take;
	bool judged = q->take.what == TAKE_HOLD || q->take.what == TAKE_LOOK;
	struct window w;

	*out = (struct take_answer){ .granted = true };
	if (!counter_add(s, ask, now, &w, e) || !hold_others(s->holds, q, now, &out->held, e) ||
	    !hold_limits(s->holds, q, now, out, e))
		return false;
	if (judged)
		hold_judge(&w, now, q->add, out);
	if (q->take.what == TAKE_RESET && !counter_reset(s, q->name, &w, now, e))
		return false;
	window_totals(&w, &ask->answer->count);
	return s->read_only || take_change(s, ask, now, e);
}

/* --- delivered ---------------------------------------------------------------------------------- */

static bool
delivered_look(struct store *s, struct delivered *d, int64_t now, struct err *e)
{
	sqlite3_stmt *stmt = s->statement[DELIVERED_GET];
	int rc;

	sqlite3_bind_blob(stmt, 1, d->key, DELIVERED_KEY, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 2, now);
	rc = sqlite3_step(stmt);
	d->found = rc == SQLITE_ROW;
	d->n = 0;
	if (d->found) {
		size_t n = (size_t)sqlite3_column_bytes(stmt, 0);

		d->n = n < DELIVERED_REPLY_MAX ? n : DELIVERED_REPLY_MAX;
		if (d->n > 0)
			memcpy(d->reply, sqlite3_column_blob(stmt, 0), d->n);
	}
	return dbfile_end(&s->file, stmt, rc == SQLITE_ROW || rc == SQLITE_DONE, e);
}

static bool
delivered_put(struct store *s, const struct delivered *d, int64_t now, struct err *e)
{
	sqlite3_stmt *stmt = s->statement[DELIVERED_ADD];
	bool ok;

	if (!make_room(s, &s->delivered, e))
		return false;
	sqlite3_bind_blob(stmt, 1, d->key, DELIVERED_KEY, SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 2, d->reply, (int)d->n, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, now + DELIVERED_KEEP);
	sqlite3_bind_int64(stmt, 4, now + DELIVERED_UNSURE);
	ok = sqlite3_step(stmt) == SQLITE_DONE;
	if (ok)
		s->delivered.rows += sqlite3_changes64(s->file.handle);
	return dbfile_end(&s->file, stmt, ok, e);
}

static bool
delivered_unheard(struct store *s, const struct delivered *d, struct err *e)
{
	sqlite3_stmt *stmt = s->statement[DELIVERED_READY];

	sqlite3_bind_blob(stmt, 1, d->key, DELIVERED_KEY, SQLITE_STATIC);
	return finish(s, stmt, e);
}

static bool
delivered_forget(struct store *s, const struct delivered *d, struct err *e)
{
	sqlite3_stmt *stmt = s->statement[DELIVERED_DROP];
	bool ok;

	sqlite3_bind_blob(stmt, 1, d->key, DELIVERED_KEY, SQLITE_STATIC);
	ok = sqlite3_step(stmt) == SQLITE_DONE;
	if (ok)
		s->delivered.rows -= sqlite3_changes64(s->file.handle);
	return dbfile_end(&s->file, stmt, ok, e);
}

static bool
answer_delivered(struct store *s, struct delivered *d, int64_t now, struct err *e)
{
	if (d->what == DELIVERED_LOOK)
		return delivered_look(s, d, now, e);
	if (s->read_only)
		return true;
	if (d->what == DELIVERED_PUT)
		return delivered_put(s, d, now, e);
	return d->what == DELIVERED_UNHEARD ? delivered_unheard(s, d, e)
					    : delivered_forget(s, d, e);
}

/* --- the backend -------------------------------------------------------------------------------- */

/* Nothing of the batch has happened, in the census either. */
static bool
undo(struct store *s)
{
	dbfile_rollback(&s->file);
	s->waiting.rows = s->waiting.before;
	s->proven.rows = s->proven.before;
	s->counters.rows = s->counters.before;
	s->delivered.rows = s->delivered.before;
	distinct_undo(s->sketches);
	return false;
}

static bool
store_sqlite_ask(struct store *s, struct store_ask *batch, size_t n, int64_t now, struct err *e)
{
	if (n == 0)
		return true;
	s->waiting.before = s->waiting.rows;
	s->proven.before = s->proven.rows;
	s->counters.before = s->counters.rows;
	s->delivered.before = s->delivered.rows;
	distinct_begin(s->sketches);
	if (!dbfile_exec(&s->file, s->read_only ? "BEGIN" : "BEGIN IMMEDIATE", e))
		return false;
	for (size_t i = 0; i < n; i++) {
		bool ok;

		require(batch[i].status || batch[i].delivered || batch[i].exceptions ||
		    batch[i].question->kind != QUESTION_DNS);
		if (batch[i].status)
			ok = status_write(&s->file, batch[i].status, e);
		else if (batch[i].exceptions)
			ok = exception_ask(
			    s->exceptions, batch[i].exceptions, now / 1000, s->read_only, e);
		else if (batch[i].delivered)
			ok = answer_delivered(s, batch[i].delivered, now / 1000, e);
		else if (batch[i].question->kind == QUESTION_SEEN)
			ok = answer_seen(s, &batch[i], now / 1000, e);
		else if (batch[i].question->kind == QUESTION_TAKE)
			ok = answer_take(s, &batch[i], now / 1000, e);
		else if (batch[i].question->kind == QUESTION_DISTINCT)
			ok = distinct_answer(
			    s->sketches, batch[i].question, now / 1000, &batch[i].answer->count, e);
		else
			ok = answer_count(s, &batch[i], now / 1000, e);
		if (!ok)
			return undo(s);
	}
	return dbfile_exec(&s->file, "COMMIT", e) || undo(s);
}

/* *removed: how many rows; the census, if any, is told. */
static bool
clean_table(struct store *s, enum statement which, int64_t now, int64_t *removed, struct err *e)
{
	sqlite3_stmt *stmt = s->statement[which];
	bool ok;

	sqlite3_bind_int64(stmt, 1, now);
	sqlite3_bind_int64(stmt, 2, CLEAN_ROWS);
	ok = sqlite3_step(stmt) == SQLITE_DONE;
	*removed = ok ? sqlite3_changes64(s->file.handle) : 0;
	return dbfile_end(&s->file, stmt, ok, e);
}

static bool
store_sqlite_clean(struct store *s, int64_t now, struct err *e)
{
	int64_t waiting = 0, proven = 0, counters = 0, delivered = 0;
	bool more = false;
	struct err unwanted;

	require(!s->read_only);
	e = e ? e : &unwanted;
	*e = (struct err){ 0 };
	if (clean_table(s, SEEN_CLEAN_WAITING, now / 1000, &waiting, e))
		s->waiting.rows -= waiting;
	if (e->code == ERR_NONE && clean_table(s, SEEN_CLEAN_PROVEN, now / 1000, &proven, e))
		s->proven.rows -= proven;
	if (e->code == ERR_NONE && clean_table(s, COUNTER_CLEAN, now / 1000, &counters, e))
		s->counters.rows -= counters;
	if (e->code == ERR_NONE && clean_table(s, DELIVERED_CLEAN, now / 1000, &delivered, e))
		s->delivered.rows -= delivered;
	if (e->code == ERR_NONE)
		hold_clean(s->holds, now / 1000, &more, e);
	if (e->code == ERR_NONE)
		distinct_clean(s->sketches, now / 1000, &more, e);
	if (e->code == ERR_NONE)
		exception_clean(s->exceptions, now / 1000, &more, e);
	/* Freed pages go back to the disk, a few at a time. */
	if (e->code == ERR_NONE)
		dbfile_exec(&s->file, "PRAGMA incremental_vacuum(64)", e);
	return e->code == ERR_NONE &&
	    (waiting == CLEAN_ROWS || proven == CLEAN_ROWS || counters == CLEAN_ROWS ||
		delivered == CLEAN_ROWS || more);
}

/* --- listing ------------------------------------------------------------------------------------ */

/* Rows at a time, and where the next ones begin. */
struct listing {
	enum statement which;
	struct str prefix;
	struct buf after;
	size_t n; /* below LIST_LOT: they were the last */
	struct store_seen row[LIST_LOT];
	char key[LIST_LOT][STORE_LIST_KEY]; /* of the rows */
};

static void
list_row(struct listing *l, sqlite3_stmt *stmt)
{
	struct str key = dbfile_text(stmt, 0);

	key.n = key.n < STORE_LIST_KEY ? key.n : STORE_LIST_KEY;
	memcpy(l->key[l->n], key.p, key.n);
	l->row[l->n] = (struct store_seen){
		.key = { l->key[l->n], key.n },
		.first = sqlite3_column_int64(stmt, 1),
		.last = sqlite3_column_int64(stmt, 2),
		.hits = sqlite3_column_int64(stmt, 3),
		.proven = sqlite3_column_int64(stmt, 4) != 0,
		.expires = sqlite3_column_int64(stmt, 5),
	};
	l->n++;
}

static bool
list_lot(struct store *s, struct listing *l, struct err *e)
{
	sqlite3_stmt *stmt = begin(s, l->which, buf_str(&l->after));
	int rc = SQLITE_DONE;

	dbfile_bind(stmt, 2, l->prefix);
	sqlite3_bind_int64(stmt, 3, LIST_LOT);
	l->n = 0;
	while (l->n < LIST_LOT && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		list_row(l, stmt);
	if (!dbfile_end(&s->file, stmt, rc == SQLITE_ROW || rc == SQLITE_DONE, e))
		return false;
	if (l->n > 0) {
		buf_clear(&l->after);
		buf_add(&l->after, l->row[l->n - 1].key);
	}
	return true;
}

/* Who is told of the rows: of whole ones, or of their keys. */
struct audience {
	bool (*row)(void *owner, const struct store_seen *row);
	bool (*key)(void *owner, struct str key);
	void *owner;
};

static bool
list(struct store *s, enum statement which, struct str prefix, const struct audience *to,
    struct err *e)
{
	struct listing *l = xcalloc(1, sizeof(*l));
	bool ok = true, more = true;

	l->which = which;
	l->prefix = prefix;
	l->n = LIST_LOT;
	buf_init(&l->after, STORE_LIST_KEY);
	buf_add(&l->after, prefix);
	while (ok && more && l->n == LIST_LOT) {
		ok = list_lot(s, l, e);
		for (size_t i = 0; ok && more && i < l->n; i++)
			more = to->row ? to->row(to->owner, &l->row[i])
				       : to->key(to->owner, l->row[i].key);
	}
	buf_free(&l->after);
	free(l);
	return ok;
}

static bool
store_sqlite_list(struct store *s, struct str prefix,
    bool (*row)(void *owner, const struct store_seen *row), void *owner, struct err *e)
{
	return list(s, SEEN_LIST, prefix, &(struct audience){ .row = row, .owner = owner }, e);
}

static bool
store_sqlite_counters(struct store *s, struct str prefix, bool (*row)(void *owner, struct str key),
    void *owner, struct err *e)
{
	return list(s, COUNTER_LIST, prefix, &(struct audience){ .key = row, .owner = owner }, e);
}

static void
store_sqlite_close(struct store **store)
{
	struct store *s = *store;

	if (s == NULL)
		return;
	for (size_t i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(s->statement[i]);
	hold_close(&s->holds);
	distinct_close(&s->sketches);
	exception_close(&s->exceptions);
	dbfile_close(&s->file);
	free(s);
	*store = NULL;
}

static bool
count_rows(struct store *s, enum statement which, struct census *c, struct err *e)
{
	sqlite3_stmt *stmt = s->statement[which];
	bool ok = sqlite3_step(stmt) == SQLITE_ROW;

	if (ok)
		c->rows = sqlite3_column_int64(stmt, 0);
	return dbfile_end(&s->file, stmt, ok, e);
}

static struct store *
open_either(const char *path, bool read_only, struct err *e)
{
	struct store *s = xcalloc(1, sizeof(*s));
	bool ok;

	s->read_only = read_only;
	s->waiting = (struct census){ .most = STORE_WAITING_MAX, .evict = SEEN_EVICT };
	s->proven = (struct census){ .most = STORE_PROVEN_MAX, .evict = SEEN_EVICT_PROVEN };
	s->counters = (struct census){ .most = STORE_COUNTERS_MAX, .evict = COUNTER_EVICT };
	s->delivered = (struct census){ .most = STORE_DELIVERED_MAX, .evict = DELIVERED_EVICT };
	ok = read_only ? dbfile_open_read(&s->file, path, &kind, e)
		       : dbfile_open(&s->file, path, &kind, e);
	for (size_t i = 0; ok && i < STATEMENTS; i++)
		ok = dbfile_prepare(&s->file, statement_sql[i], &s->statement[i], e);
	ok = ok && (s->holds = hold_open(&s->file, e)) != NULL;
	ok = ok && (s->exceptions = exception_open(&s->file, e)) != NULL;
	ok = ok && (s->sketches = distinct_open(&s->file, !read_only, e)) != NULL;
	ok = ok &&
	    (read_only ||
		(count_rows(s, SEEN_COUNT, &s->waiting, e) &&
		    count_rows(s, SEEN_COUNT_PROVEN, &s->proven, e) &&
		    count_rows(s, COUNTER_COUNT, &s->counters, e) &&
		    count_rows(s, DELIVERED_COUNT, &s->delivered, e)));
	if (!ok)
		store_sqlite_close(&s);
	return s;
}

static struct store *
store_sqlite_open(const char *path, struct err *e)
{
	return open_either(path, false, e);
}

struct store *
store_sqlite_open_read(const char *path, struct err *e)
{
	return open_either(path, true, e);
}

void
store_sqlite_limit(struct store *s, int64_t waiting, int64_t counters)
{
	require(waiting > 0 && counters > 0);
	s->waiting.most = waiting;
	s->counters.most = counters;
}

void
store_sqlite_limit_proven(struct store *s, int64_t proven)
{
	require(proven > 0);
	s->proven.most = proven;
}

void
store_sqlite_limit_delivered(struct store *s, int64_t delivered)
{
	require(delivered > 0);
	s->delivered.most = delivered;
}

void
store_sqlite_limit_sketches(struct store *s, int64_t sketches)
{
	distinct_limit(s->sketches, sketches);
}

bool
store_sqlite_status(struct store *s, void (*row)(void *owner, const struct status_entry *entry),
    void *owner, struct err *e)
{
	return status_read(&s->file, row, owner, e);
}

bool
store_sqlite_dns(struct store *s, int64_t since_ms, struct status_dns *sum, struct err *e)
{
	return status_read_dns(&s->file, since_ms, sum, e);
}

bool
store_sqlite_in_place(const struct store *s)
{
	return dbfile_in_place(&s->file);
}

const struct store_backend store_sqlite = {
	.name = "sqlite",
	.open = store_sqlite_open,
	.close = store_sqlite_close,
	.ask = store_sqlite_ask,
	.clean = store_sqlite_clean,
	.list = store_sqlite_list,
	.counters = store_sqlite_counters,
	.each = row_sqlite_each,
	.merge = row_sqlite_merge,
};

const struct dbfile *
store_sqlite_file(const struct store *s)
{
	return &s->file;
}
