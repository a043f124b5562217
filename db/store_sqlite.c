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

struct store {
	struct dbfile file;
	bool read_only;
	struct seen_table *seen;
	struct counter_table *counters;
	struct hold_table *holds;
	struct distinct_table *sketches;
	struct delivered_table *delivered;
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
	if (!counter_add(s->counters, q, now, &w, e) ||
	    !hold_others(s->holds, q, now, &out->held, e) || !hold_limits(s->holds, q, now, out, e))
		return false;
	if (judged)
		hold_judge(&w, now, q->add, out);
	if (q->take.what == TAKE_RESET && !counter_reset(s->counters, q->name, &w, now, e))
		return false;
	window_totals(&w, &ask->answer->count);
	return s->read_only || take_change(s, ask, now, e);
}

static bool
answer_question(struct store *s, const struct store_ask *ask, int64_t now, struct err *e)
{
	switch (ask->question->kind) {
	case QUESTION_SEEN:
		return seen_answer(s->seen, ask->question, now, &ask->answer->seen, e);
	case QUESTION_COUNT:
		return counter_answer(s->counters, ask->question, now, &ask->answer->count, e);
	case QUESTION_TAKE:
		return answer_take(s, ask, now, e);
	case QUESTION_DISTINCT:
		return distinct_answer(s->sketches, ask->question, now, &ask->answer->count, e);
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
		return delivered_answer(s->delivered, ask->delivered, now, e);
	return answer_question(s, ask, now, e);
}

/* --- the backend -------------------------------------------------------------------------------- */

/* What is counted beside the tables belongs to the transaction, too. */
static void
begin(struct store *s)
{
	seen_begin(s->seen);
	counter_begin(s->counters);
	distinct_begin(s->sketches);
	delivered_begin(s->delivered);
}

/* Nothing of the batch has happened. */
static bool
undo(struct store *s)
{
	dbfile_rollback(&s->file);
	seen_undo(s->seen);
	counter_undo(s->counters);
	distinct_undo(s->sketches);
	delivered_undo(s->delivered);
	return false;
}

static bool
store_sqlite_ask(struct store *s, struct store_ask *batch, size_t n, int64_t now, struct err *e)
{
	if (n == 0)
		return true;
	begin(s);
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
	bool more = false;
	struct err unwanted;

	require(!s->read_only);
	e = e ? e : &unwanted;
	*e = (struct err){ 0 };
	now /= 1000;
	/* Freed pages go back to the disk, a few at a time. */
	return seen_clean(s->seen, now, &more, e) && counter_clean(s->counters, now, &more, e) &&
	    delivered_clean(s->delivered, now, &more, e) && hold_clean(s->holds, now, &more, e) &&
	    distinct_clean(s->sketches, now, &more, e) &&
	    exception_clean(s->exceptions, now, &more, e) &&
	    dbfile_exec(&s->file, "PRAGMA incremental_vacuum(64)", e) && more;
}

static void
store_sqlite_close(struct store **store)
{
	struct store *s = *store;

	if (s == NULL)
		return;
	seen_close(&s->seen);
	counter_close(&s->counters);
	hold_close(&s->holds);
	distinct_close(&s->sketches);
	delivered_close(&s->delivered);
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
	ok = ok && (s->seen = seen_open(file, !read_only, e)) != NULL &&
	    (s->counters = counter_open(file, !read_only, e)) != NULL &&
	    (s->holds = hold_open(file, e)) != NULL &&
	    (s->sketches = distinct_open(file, !read_only, e)) != NULL &&
	    (s->delivered = delivered_open(file, !read_only, e)) != NULL &&
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
	seen_limit(s->seen, waiting);
	counter_limit(s->counters, counters);
}

void
store_sqlite_limit_proven(struct store *s, int64_t proven)
{
	seen_limit_proven(s->seen, proven);
}

void
store_sqlite_limit_delivered(struct store *s, int64_t delivered)
{
	delivered_limit(s->delivered, delivered);
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
