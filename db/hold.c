#include "db/hold.h"

#include <stdlib.h>

#include "base/die.h"

enum statement {
	OTHERS,
	PUT,
	DROP,
	DROP_ALL,
	LIMITS,
	ALLOW,
	DISALLOW,
	CLEAN_HOLDS,
	CLEAN_ALLOWANCES,
	STATEMENTS,
};

static const char *const statement_sql[STATEMENTS] = {
	/* total() is a real: it does not fail on what no counter can hold. */
	[OTHERS] = "SELECT total(n) FROM hold WHERE key = ?1 AND holder <> ?2 AND expires > ?3",
	[PUT] =
	    "INSERT INTO hold (key, holder, n, expires) VALUES (?1, ?2, ?3, ?4) "
	    "ON CONFLICT (key, holder) DO UPDATE SET n = excluded.n, expires = excluded.expires",
	[DROP] = "DELETE FROM hold WHERE key = ?1 AND holder = ?2",
	[DROP_ALL] = "DELETE FROM hold WHERE key = ?1",
	[LIMITS] =
	    "SELECT minute, hour, day, expires, burst FROM allowance WHERE key = ?1 AND expires > ?2",
	[ALLOW] = "INSERT INTO allowance (key, minute, hour, day, expires, burst) "
		  "VALUES (?1, ?2, ?3, ?4, ?5, ?6) "
		  "ON CONFLICT (key) DO UPDATE SET minute = excluded.minute, "
		  "hour = excluded.hour, day = excluded.day, expires = excluded.expires, "
		  "burst = excluded.burst",
	[DISALLOW] = "DELETE FROM allowance WHERE key = ?1",
	[CLEAN_HOLDS] = "DELETE FROM hold WHERE (key, holder) IN (SELECT key, holder FROM hold "
			"WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
	[CLEAN_ALLOWANCES] = "DELETE FROM allowance WHERE key IN (SELECT key FROM allowance "
			     "WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
};

struct hold_table {
	const struct dbfile *file;
	sqlite3_stmt *statement[STATEMENTS];
};

/* Rows that one step of cleaning removes from each table. */
#define CLEAN_ROWS 500

/* Above what a counter can hold: sums stay far from the end of int64_t. */
#define HELD_MAX ((int64_t)1 << 48)

struct hold_table *
hold_open(const struct dbfile *file, struct err *e)
{
	struct hold_table *t = xcalloc(1, sizeof(*t));

	t->file = file;
	if (!dbfile_prepare_all(file, statement_sql, STATEMENTS, t->statement, e))
		hold_close(&t);
	return t;
}

void
hold_close(struct hold_table **table)
{
	if (*table == NULL)
		return;
	dbfile_finalize_all((*table)->statement, STATEMENTS);
	free(*table);
	*table = NULL;
}

static sqlite3_stmt *
begin(struct hold_table *t, enum statement which, const struct question *q)
{
	dbfile_bind(t->statement[which], 1, q->name);
	return t->statement[which];
}

bool
hold_others(struct hold_table *t, const struct question *q, int64_t now, int64_t *n, struct err *e)
{
	sqlite3_stmt *stmt = begin(t, OTHERS, q);
	double sum = 0;
	bool ok;

	sqlite3_bind_int64(stmt, 2, (int64_t)q->take.holder);
	sqlite3_bind_int64(stmt, 3, now);
	ok = sqlite3_step(stmt) == SQLITE_ROW;
	if (ok)
		sum = sqlite3_column_double(stmt, 0);
	*n = sum < (double)HELD_MAX ? (int64_t)sum : HELD_MAX;
	return dbfile_end(t->file, stmt, ok, e);
}

bool
hold_put(struct hold_table *t, const struct question *q, int64_t now, struct err *e)
{
	sqlite3_stmt *stmt = begin(t, PUT, q);

	sqlite3_bind_int64(stmt, 2, (int64_t)q->take.holder);
	sqlite3_bind_int64(stmt, 3, q->add);
	sqlite3_bind_int64(stmt, 4, now + q->take.lasts);
	return dbfile_run(t->file, stmt, e);
}

bool
hold_drop(struct hold_table *t, const struct question *q, struct err *e)
{
	sqlite3_stmt *stmt = begin(t, DROP, q);

	sqlite3_bind_int64(stmt, 2, (int64_t)q->take.holder);
	return dbfile_run(t->file, stmt, e);
}

bool
hold_drop_all(struct hold_table *t, const struct question *q, struct err *e)
{
	return dbfile_run(t->file, begin(t, DROP_ALL, q), e);
}

bool
hold_limits(struct hold_table *t, const struct question *q, int64_t now, struct take_answer *out,
    struct err *e)
{
	sqlite3_stmt *stmt = begin(t, LIMITS, q);
	int rc;

	sqlite3_bind_int64(stmt, 2, now);
	rc = sqlite3_step(stmt);
	out->limit = q->take.limit;
	out->until = 0;
	if (rc == SQLITE_ROW) {
		out->limit.minute = sqlite3_column_int64(stmt, 0);
		out->limit.hour = sqlite3_column_int64(stmt, 1);
		out->limit.day = sqlite3_column_int64(stmt, 2);
		out->until = sqlite3_column_int64(stmt, 3);
		out->limit.burst = sqlite3_column_int64(stmt, 4);
	}
	return dbfile_end(t->file, stmt, rc == SQLITE_ROW || rc == SQLITE_DONE, e);
}

bool
hold_allow(struct hold_table *t, const struct question *q, int64_t now, struct err *e)
{
	sqlite3_stmt *stmt = begin(t, q->take.lasts > 0 ? ALLOW : DISALLOW, q);

	if (q->take.lasts > 0) {
		sqlite3_bind_int64(stmt, 2, q->take.limit.minute);
		sqlite3_bind_int64(stmt, 3, q->take.limit.hour);
		sqlite3_bind_int64(stmt, 4, q->take.limit.day);
		sqlite3_bind_int64(stmt, 5, now + q->take.lasts);
		sqlite3_bind_int64(stmt, 6, q->take.limit.burst);
	}
	return dbfile_run(t->file, stmt, e);
}

static bool
clean(struct hold_table *t, enum statement which, int64_t now, bool *more, struct err *e)
{
	sqlite3_stmt *stmt = t->statement[which];

	sqlite3_bind_int64(stmt, 1, now);
	sqlite3_bind_int64(stmt, 2, CLEAN_ROWS);
	if (!dbfile_run(t->file, stmt, e))
		return false;
	*more = *more || sqlite3_changes64(t->file->handle) == CLEAN_ROWS;
	return true;
}

bool
hold_clean(struct hold_table *t, int64_t now, bool *more, struct err *e)
{
	return clean(t, CLEAN_HOLDS, now, more, e) && clean(t, CLEAN_ALLOWANCES, now, more, e);
}

/* --- judging ------------------------------------------------------------------------------------ */

struct bid {
	const struct window *w;
	int64_t now, n;
	bool never;
	struct take_answer *a;
};

/* One limit, and when there will be room under it. */
static void
judge(struct bid *b, enum window_span span, int64_t limit)
{
	int64_t used = window_sum(b->w, span) + b->a->held, free;

	if (limit == 0 || (b->n <= limit && used <= limit - b->n))
		return;
	b->a->granted = false;
	if (b->n > limit) {
		b->never = true;
		return;
	}
	free = window_wait(b->w, span, b->now, used - (limit - b->n));
	if (free > b->a->free)
		b->a->free = free;
}

void
hold_judge(const struct window *w, int64_t now, int64_t n, struct take_answer *a)
{
	struct bid b = { .w = w, .now = now, .n = n, .a = a };

	a->granted = true;
	a->free = 0;
	judge(&b, WINDOW_BURST, a->limit.burst);
	judge(&b, WINDOW_MINUTE, a->limit.minute);
	judge(&b, WINDOW_HOUR, a->limit.hour);
	judge(&b, WINDOW_DAY, a->limit.day);
	if (b.never)
		a->free = 0;
}
