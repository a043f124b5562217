#include "db/store_sqlite.h"

#include <stdlib.h>

#include "base/die.h"
#include "db/counter.h"
#include "db/delivered.h"
#include "db/distinct.h"
#include "db/exception.h"
#include "db/hold.h"
#include "db/row_sqlite.h"
#include "db/schema.h"
#include "db/seen.h"

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
	/*
	 * Small: keys come in any order, so that nearly each row that is written is a page, and that costs by its octets. Half of
	 * SQLite's own is a third less for a count; a quarter is no better, as the counters of who sends every day would not fit.
	 */
	.page_size = 2048,
	.migration = migrations,
	.n_migrations = sizeof(migrations) / sizeof(migrations[0]),
};

enum { SEEN, COUNTERS, SKETCHES, DELIVERED, TABLES };

static const struct table_kind *const kinds[TABLES] = {
	[SEEN] = &seen_table,
	[COUNTERS] = &counter_table,
	[SKETCHES] = &distinct_table,
	[DELIVERED] = &delivered_table,
};

struct store {
	struct dbfile file;
	bool read_only;
	struct table *table[TABLES];
	struct hold_table *holds;
	struct exception_table *exceptions;
};

/* --- questions ---------------------------------------------------------------------------------- */

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
	if (!counter_add(s->table[COUNTERS], q, now, &w, e) ||
	    !hold_others(s->holds, q, now, &out->held, e) || !hold_limits(s->holds, q, now, out, e))
		return false;
	if (judged)
		hold_judge(&w, now, q->add, out);
	if (q->take.what == TAKE_RESET && !counter_reset(s->table[COUNTERS], q->name, &w, now, e))
		return false;
	window_totals(&w, &ask->answer->count);
	return s->read_only || take_change(s, ask, now, e);
}

static bool
answer_question(struct store *s, const struct store_ask *ask, int64_t now, struct err *e)
{
	switch (ask->question->kind) {
	case QUESTION_SEEN:
		return seen_answer(s->table[SEEN], ask->question, now, &ask->answer->seen, e);
	case QUESTION_COUNT:
		return counter_answer(
		    s->table[COUNTERS], ask->question, now, &ask->answer->count, e);
	case QUESTION_TAKE:
		return answer_take(s, ask, now, e);
	case QUESTION_DISTINCT:
		return distinct_answer(
		    s->table[SKETCHES], ask->question, now, &ask->answer->count, e);
	case QUESTION_DNS:
		break;
	}
	panic("a question of the DNS in the store");
}

static bool
answer(struct store *s, const struct store_ask *ask, int64_t now, struct err *e)
{
	if (ask->status)
		return status_write(&s->file, ask->status, e);
	if (ask->exceptions)
		return exception_ask(s->exceptions, ask->exceptions, now, s->read_only, e);
	if (ask->delivered)
		return delivered_answer(s->table[DELIVERED], ask->delivered, now, e);
	return answer_question(s, ask, now, e);
}

/* --- the backend -------------------------------------------------------------------------------- */

/* Nothing of the batch has happened; what is counted beside the tables belongs to it, too. */
static bool
undo(struct store *s)
{
	dbfile_rollback(&s->file);
	for (size_t i = 0; i < TABLES; i++)
		table_undo(s->table[i]);
	return false;
}

static bool
store_sqlite_ask(struct store *s, struct store_ask *batch, size_t n, int64_t now, struct err *e)
{
	if (n == 0)
		return true;
	for (size_t i = 0; i < TABLES; i++)
		table_begin(s->table[i]);
	if (!dbfile_begin(&s->file, e))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!answer(s, &batch[i], now / 1000, e))
			return undo(s);
	return dbfile_commit(&s->file, e) || undo(s);
}

static bool
store_sqlite_clean(struct store *s, int64_t now, struct err *e)
{
	bool more = false, ok = true;
	struct err unwanted;

	require(!s->read_only);
	e = e ? e : &unwanted;
	*e = (struct err){ 0 };
	now /= 1000;
	for (size_t i = 0; ok && i < TABLES; i++)
		ok = table_clean(s->table[i], now, &more, e);
	/* Freed pages go back to the disk, a few at a time. */
	return ok && hold_clean(s->holds, now, &more, e) &&
	    exception_clean(s->exceptions, now, &more, e) &&
	    dbfile_exec(&s->file, "PRAGMA incremental_vacuum(64)", e) && more;
}

static void
store_sqlite_close(struct store **store)
{
	struct store *s = *store;

	if (s == NULL)
		return;
	for (size_t i = 0; i < TABLES; i++)
		table_close(&s->table[i]);
	hold_close(&s->holds);
	exception_close(&s->exceptions);
	dbfile_close(&s->file);
	free(s);
	*store = NULL;
}

static struct store *
open_either(const char *path, bool read_only, struct err *e)
{
	struct store *s = xcalloc(1, sizeof(*s));
	const struct dbfile *file = &s->file;
	bool ok = read_only ? dbfile_open_read(&s->file, path, &kind, e)
			    : dbfile_open(&s->file, path, &kind, e);

	s->read_only = read_only;
	for (size_t i = 0; ok && i < TABLES; i++)
		ok = (s->table[i] = table_open(kinds[i], file, !read_only, e)) != NULL;
	ok = ok && (s->holds = hold_open(file, e)) != NULL &&
	    (s->exceptions = exception_open(file, e)) != NULL;
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
	table_limit(s->table[SEEN], SEEN_CAP_WAITING, waiting);
	table_limit(s->table[COUNTERS], 0, counters);
}

void
store_sqlite_limit_proven(struct store *s, int64_t proven)
{
	table_limit(s->table[SEEN], SEEN_CAP_PROVEN, proven);
}

void
store_sqlite_limit_delivered(struct store *s, int64_t delivered)
{
	table_limit(s->table[DELIVERED], 0, delivered);
}

void
store_sqlite_limit_sketches(struct store *s, int64_t sketches)
{
	table_limit(s->table[SKETCHES], 0, sketches);
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

const struct dbfile *
store_sqlite_file(const struct store *s)
{
	return &s->file;
}

const struct store_backend store_sqlite = {
	.name = "sqlite",
	.open = store_sqlite_open,
	.close = store_sqlite_close,
	.ask = store_sqlite_ask,
	.clean = store_sqlite_clean,
	.list = row_sqlite_list,
	.counters = row_sqlite_counters,
	.each = row_sqlite_each,
	.merge = row_sqlite_merge,
};
