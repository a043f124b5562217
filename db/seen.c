#include "db/seen.h"

enum statement { GET, PUT, TOUCH, DROP };

const struct table_kind seen_table = {
	.name = "seen",
	.sql = {
		[GET] = "SELECT first, last, hits, proven, expires FROM seen WHERE key = ?1",
		[PUT] = "INSERT INTO seen (key, first, last, hits, proven, expires) "
			"VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (key) DO UPDATE SET "
			"first = excluded.first, last = excluded.last, hits = excluded.hits, "
			"proven = excluded.proven, expires = excluded.expires",
		/* Without expires the index stays as it is. */
		[TOUCH] = "UPDATE seen SET last = ?2 WHERE key = ?1",
		[DROP] = "DELETE FROM seen WHERE key = ?1",
	},
	.cap = { [SEEN_CAP_WAITING] = { "proven = 0", SEEN_WAITING_MAX },
		[SEEN_CAP_PROVEN] = { "proven = 1", SEEN_PROVEN_MAX } },
};

struct seen_row {
	bool there;
	int64_t first, last, hits;
	bool proven;
	int64_t expires;
};

static bool
get(struct table *t, struct str key, struct seen_row *row, struct err *e)
{
	sqlite3_stmt *stmt = table_statement(t, GET, key);
	int rc = sqlite3_step(stmt);

	*row = (struct seen_row){ .there = rc == SQLITE_ROW };
	if (row->there) {
		row->first = sqlite3_column_int64(stmt, 0);
		row->last = sqlite3_column_int64(stmt, 1);
		row->hits = sqlite3_column_int64(stmt, 2);
		row->proven = sqlite3_column_int64(stmt, 3) != 0;
		row->expires = sqlite3_column_int64(stmt, 4);
	}
	return dbfile_end(t->file, stmt, rc == SQLITE_ROW || rc == SQLITE_DONE, e);
}

static bool
put(struct table *t, struct str key, const struct seen_row *row, struct err *e)
{
	sqlite3_stmt *stmt = table_statement(t, PUT, key);

	sqlite3_bind_int64(stmt, 2, row->first);
	sqlite3_bind_int64(stmt, 3, row->last);
	sqlite3_bind_int64(stmt, 4, row->hits);
	sqlite3_bind_int64(stmt, 5, row->proven);
	sqlite3_bind_int64(stmt, 6, row->expires);
	return dbfile_run(t->file, stmt, e);
}

static bool
touch(struct table *t, struct str key, int64_t now, struct err *e)
{
	sqlite3_stmt *stmt = table_statement(t, TOUCH, key);

	sqlite3_bind_int64(stmt, 2, now);
	return dbfile_run(t->file, stmt, e);
}

/* What the row says at this time: the pure half. */
static void
judge(
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
	struct table *table;
	const struct question *question;
	struct seen_row row; /* as it was */
	int64_t now;
	struct seen_answer *out;
};

/* The rows that a row is counted among. */
static size_t
cap_of(const struct seen_row *row)
{
	return row->proven ? SEEN_CAP_PROVEN : SEEN_CAP_WAITING;
}

/* Writes the row as it is from now on. */
static bool
visit_put(const struct visit *v, const struct seen_row *row, struct err *e)
{
	struct table *t = v->table;
	bool comes = !v->row.there || v->row.proven != row->proven;

	if (comes && !table_room(t, cap_of(row), e))
		return false;
	if (!put(t, v->question->name, row, e))
		return false;
	if (v->row.there)
		t->census[cap_of(&v->row)].rows--;
	t->census[cap_of(row)].rows++;
	return true;
}

static bool
visit_forget(const struct visit *v, struct err *e)
{
	if (!v->row.there)
		return true;
	if (!dbfile_run(v->table->file, table_statement(v->table, DROP, v->question->name), e))
		return false;
	v->table->census[cap_of(&v->row)].rows--;
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
		return touch(v->table, v->question->name, v->now, e);
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

bool
seen_answer(struct table *t, const struct question *question, int64_t now, struct seen_answer *out,
    struct err *e)
{
	struct visit v = { .table = t, .question = question, .now = now, .out = out };
	const struct seen_question *q = &question->seen;

	if (!get(t, question->name, &v.row, e))
		return false;
	judge(&v.row, q, now, out);
	if (q->look_only || q->forget) {
		if (out->state == SEEN_FIRST)
			*out = (struct seen_answer){ .state = SEEN_NEVER };
		return !q->forget || !t->writes || visit_forget(&v, e);
	}
	if (q->prove && out->state != SEEN_PROVEN)
		out->state = SEEN_RETRIED;
	if (!t->writes)
		return true;
	if (out->state == SEEN_FIRST)
		return visit_first(&v, e);
	if (out->state == SEEN_EARLY)
		return visit_early(&v, e);
	return visit_proven(&v, e);
}
