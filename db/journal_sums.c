/*
 * journal_sums: the sums of hours. What each hour had of each verdict is written with the entries, a few rows a batch. Who and what was
 * refused most is summed up behind them, in steps, and trimmed: while an hour lasts to RUNNING of a kind
 * when there are more than ROOM, once it is over to KEPT. Reading takes the sums of whole hours, and entries where there are no
 * sums yet or the span cuts an hour.
 */
#include "db/journal_sums.h"

#include "base/die.h"

#define HOUR_MS 3600000
#define LATEST (INT64_MAX / HOUR_MS * HOUR_MS)

/* Entries in one step: a few milliseconds. */
#define STEP 1000

#define ROOM 10000
#define RUNNING 1000
#define KEPT 100

#define REFUSED "verdict IN ('tempfail', 'reject')"

/* --- with the entries --------------------------------------------------------------------------- */

bool
journal_sums_prepare(struct journal *j, struct err *e)
{
	return dbfile_prepare(&j->file,
	    "INSERT INTO hour (hour, verdict, n) VALUES (?1, ?2, ?3) "
	    "ON CONFLICT DO UPDATE SET n = n + excluded.n",
	    &j->add_hour, e);
}

static bool
flush(struct journal *j, struct journal_sums *sums, struct err *e)
{
	for (; sums->n > 0; sums->n--) {
		const struct journal_hour_sum *sum = &sums->sum[sums->n - 1];

		sqlite3_bind_int64(j->add_hour, 1, sum->hour);
		dbfile_bind(j->add_hour, 2, str_of(sum->verdict));
		sqlite3_bind_int64(j->add_hour, 3, sum->times);
		if (!dbfile_end(&j->file, j->add_hour, sqlite3_step(j->add_hour) == SQLITE_DONE, e))
			return false;
	}
	return true;
}

bool
journal_sums_add(
    struct journal *j, struct journal_sums *sums, const struct journal_record *r, struct err *e)
{
	int64_t hour = r->time_ms / HOUR_MS, times = r->times > 0 ? r->times : 1;
	size_t i = 0;

	while (i < sums->n &&
	    (sums->sum[i].hour != hour || strcmp(sums->sum[i].verdict, r->verdict) != 0))
		i++;
	if (i == JOURNAL_SUMS) {
		if (!flush(j, sums, e))
			return false;
		i = 0;
	}
	if (i == sums->n)
		sums->sum[sums->n++] = (struct journal_hour_sum){ hour, r->verdict, 0 };
	sums->sum[i].times += times;
	return true;
}

bool
journal_sums_write(struct journal *j, struct journal_sums *sums, struct err *e)
{
	return flush(j, sums, e);
}

/* --- behind the entries ------------------------------------------------------------------------- */

#define SUM_UP(kind, column) \
	"INSERT INTO top (kind, hour, key, n) SELECT " kind ", time_ms / 3600000, " column \
	", sum(times) FROM entry WHERE serial > ?1 AND serial <= ?2 AND " REFUSED \
	" GROUP BY 2, 3 ON CONFLICT DO UPDATE SET n = n + excluded.n"

/* Sums of the hours from ?3 to before ?4; of the hours in between, what is not summed up yet; the ends. */
#define TOP(kind, column) \
	"SELECT key, sum(n) AS times FROM (" \
	"SELECT key, n FROM top WHERE kind = " kind " AND hour >= ?3 AND hour < ?4 " \
	"UNION ALL SELECT " column ", times FROM entry WHERE serial > " \
	"(SELECT value FROM meta WHERE name = 'summed') AND +time_ms >= ?3 * 3600000 " \
	"AND +time_ms < ?4 * 3600000 AND " REFUSED " UNION ALL SELECT " column \
	", times FROM entry WHERE time_ms >= ?1 AND time_ms < min(?2, ?3 * 3600000) AND " REFUSED \
	" UNION ALL SELECT " column \
	", times FROM entry WHERE time_ms >= max(?1, ?4 * 3600000) AND time_ms < ?2 AND " REFUSED \
	") GROUP BY key ORDER BY times DESC, key LIMIT ?5"

static const struct {
	const char *column, *sum_up, *top;
} tops[] = {
	{ "sender", SUM_UP("0", "sender"), TOP("0", "sender") },
	{ "client_ip", SUM_UP("1", "client_ip"), TOP("1", "client_ip") },
	{ "rule", SUM_UP("2", "rule"), TOP("2", "rule") },
	{ "text", SUM_UP("3", "text"), TOP("3", "text") },
};
#define TOPS (sizeof(tops) / sizeof(tops[0]))

/* The first column of the one row that sql gives; parameters ?1, ?2. */
static bool
one(struct journal *j, const char *sql, const int64_t parameter[2], int64_t *out, struct err *e)
{
	sqlite3_stmt *stmt;
	int rc;

	*out = 0;
	if (!dbfile_prepare(&j->file, sql, &stmt, e))
		return false;
	for (int i = 0; parameter && i < 2 && i < sqlite3_bind_parameter_count(stmt); i++)
		sqlite3_bind_int64(stmt, i + 1, parameter[i]);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(stmt, 0);
	else if (rc != SQLITE_DONE)
		dbfile_failed(&j->file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

/* One statement without rows; n parameters. */
static bool
run(struct journal *j, const char *sql, const int64_t *parameter, int n, struct err *e)
{
	sqlite3_stmt *stmt;
	bool ok;

	if (!dbfile_prepare(&j->file, sql, &stmt, e))
		return false;
	for (int i = 0; i < n; i++)
		sqlite3_bind_int64(stmt, i + 1, parameter[i]);
	ok = sqlite3_step(stmt) == SQLITE_DONE;
	if (!ok)
		dbfile_failed(&j->file, e);
	sqlite3_finalize(stmt);
	return ok;
}

#define WAITED "max(0, time_ms / 1000 - json_extract(a.value, '$.first')) "
#define WAITED_FROM \
	"FROM entry, json_each(CASE WHEN json_valid(answers) THEN answers ELSE '[]' END) AS a "
/*
 * Whoever was known already waited for nothing: most of the mail, whose answers need not be taken apart. Of each word the first
 * letter is looked for, so none begins with a quote.
 */
#define WAITED_IF \
	"verdict = 'accept' AND step = 'message' AND instr(answers, '" JOURNAL_WAITED "') > 0 " \
	"AND (instr(answers, 'retried\"') > 0 OR instr(answers, 'forget\"') > 0) " \
	"AND substr(json_extract(a.value, '$.seen'), 1, length('" JOURNAL_WAITED \
	"')) = '" JOURNAL_WAITED "' " \
	"AND json_extract(a.value, '$.look_only') IS NULL AND json_extract(a.value, '$.first') > 0 " \
	"AND (json_extract(a.value, '$.state') = 'retried' " \
	"OR (json_extract(a.value, '$.state') = 'early' AND json_extract(a.value, '$.forget'))) "

/* Leaves the most frequent `kept` of each kind in the hours from first to before last. */
static bool
trim(struct journal *j, int64_t first, int64_t last, int64_t kept, struct err *e)
{
	static const char sql[] =
	    "DELETE FROM top WHERE (kind, hour, key) IN (SELECT kind, hour, key FROM "
	    "(SELECT kind, hour, key, row_number() OVER (PARTITION BY kind, hour ORDER BY n DESC, key) "
	    "AS place FROM top WHERE kind = ?1 AND hour >= ?2 AND hour < ?3) WHERE place > ?4)";

	for (size_t i = 0; i < TOPS; i++)
		if (!run(j, sql, (const int64_t[]){ (int64_t)i, first, last, kept }, 4, e))
			return false;
	return true;
}

/* Hours that are over get small; one that lasts does when it grows large. */
static bool
trim_some(struct journal *j, int64_t newest_hour, struct err *e)
{
	int64_t begun, most = 0;

	if (!one(j, "SELECT value FROM meta WHERE name = 'top_hour'", NULL, &begun, e))
		return false;
	if (newest_hour > begun) {
		const int64_t hour[] = { newest_hour };

		/* One that was a little late is let in, and trimmed with the next. */
		return trim(j, begun - 1, newest_hour, KEPT, e) &&
		    run(j, "UPDATE meta SET value = ?1 WHERE name = 'top_hour'", hour, 1, e);
	}
	for (size_t i = 0; i < TOPS; i++) {
		int64_t n;

		if (!one(j, "SELECT count(*) FROM top WHERE kind = ?1 AND hour = ?2",
			(const int64_t[]){ (int64_t)i, newest_hour }, &n, e))
			return false;
		most = n > most ? n : most;
	}
	return most <= ROOM || trim(j, newest_hour, newest_hour + 1, RUNNING, e);
}

static bool
sum_up(struct journal *j, const int64_t span[2], struct err *e)
{
	int64_t hour;

	for (size_t i = 0; i < TOPS; i++)
		if (!run(j, tops[i].sum_up, span, 2, e))
			return false;
	return run(j,
		   "INSERT INTO waited (hour, seconds, n) SELECT hour, waited, count(*) FROM "
		   "(SELECT time_ms / 3600000 AS hour, " WAITED "AS waited " WAITED_FROM
		   "WHERE serial > ?1 AND serial <= ?2 AND " WAITED_IF
		   ") WHERE true GROUP BY 1, 2 ON CONFLICT DO UPDATE SET n = n + excluded.n",
		   span, 2, e) &&
	    run(j, "UPDATE meta SET value = ?2 WHERE name = 'summed' AND ?1 >= 0", span, 2, e) &&
	    one(j, "SELECT max(time_ms) / 3600000 FROM entry WHERE serial > ?1 AND serial <= ?2",
		span, &hour, e) &&
	    trim_some(j, hour, e);
}

bool
journal_sum_up(struct journal *j, struct err *e)
{
	int64_t span[2], newest;

	if (!one(j, "SELECT value FROM meta WHERE name = 'summed'", NULL, &span[0], e) ||
	    !one(j, "SELECT max(serial) FROM entry", NULL, &newest, e) || newest <= span[0])
		return false;
	span[1] = newest - span[0] > STEP ? span[0] + STEP : newest;
	if (!dbfile_begin(&j->file, e))
		return false;
	if (sum_up(j, span, e) && dbfile_commit(&j->file, e))
		return span[1] < newest;
	dbfile_rollback(&j->file);
	return false;
}

/* --- reading ------------------------------------------------------------------------------------ */

/* A span as whole hours from first to before last, and what is cut off at its ends; in milliseconds since 1970. */
struct hours {
	int64_t since_ms, until_ms, first, last;
};

/*
 * An end that cuts an hour is taken whole when nothing is behind it, or when only sums are left of that hour.
 */
static bool
hours_of(struct journal *j, const struct journal_span *span, struct hours *h, struct err *e)
{
	const int64_t none[] = { LATEST, 0 };
	int64_t oldest, newest;

	if (!one(j, "SELECT ifnull((SELECT time_ms FROM entry ORDER BY serial LIMIT 1), ?1)", none,
		&oldest, e) ||
	    !one(j, "SELECT ifnull(max(time_ms), 0) FROM entry", NULL, &newest, e))
		return false;
	*h = (struct hours){ span->since_ms, span->until_ms > 0 ? span->until_ms : LATEST,
		(span->since_ms + HOUR_MS - 1) / HOUR_MS, 0 };
	h->last = h->until_ms / HOUR_MS;
	if (h->until_ms > newest && h->until_ms % HOUR_MS != 0)
		h->until_ms = ++h->last * HOUR_MS;
	if (h->first * HOUR_MS > h->since_ms && h->first * HOUR_MS <= oldest)
		h->since_ms = --h->first * HOUR_MS;
	/* All inside of one hour. */
	if (h->first > h->last)
		h->first = h->last = h->until_ms / HOUR_MS + 1;
	return true;
}

static void
bind_hours(sqlite3_stmt *stmt, const struct hours *h)
{
	sqlite3_bind_int64(stmt, 1, h->since_ms);
	sqlite3_bind_int64(stmt, 2, h->until_ms);
	sqlite3_bind_int64(stmt, 3, h->first);
	sqlite3_bind_int64(stmt, 4, h->last);
}

static bool
sums_done(struct journal *j, sqlite3_stmt *stmt, int rc, struct err *e)
{
	if (rc != SQLITE_DONE)
		dbfile_failed(&j->file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE;
}

#define OF_VERDICT(word) "sum(n * (verdict = '" word "'))"

bool
journal_hours(struct journal *j, const struct journal_span *span,
    void (*hour)(void *owner, int64_t hour_ms, const int64_t counts[JOURNAL_VERDICTS]), void *owner,
    struct err *e)
{
	static const char sql[] =
	    "SELECT hour, " OF_VERDICT("accept") ", " OF_VERDICT("tempfail") ", " OF_VERDICT("reject") ", " OF_VERDICT(
		"defer") ", " OF_VERDICT("left") " FROM ("
						 "SELECT hour, verdict, n FROM hour WHERE hour >= ?3 AND hour < ?4 "
						 "UNION ALL SELECT time_ms / 3600000, verdict, times FROM entry "
						 "WHERE time_ms >= ?1 AND time_ms < min(?2, ?3 * 3600000) "
						 "UNION ALL SELECT time_ms / 3600000, verdict, times FROM entry "
						 "WHERE time_ms >= max(?1, ?4 * 3600000) AND time_ms < ?2) GROUP BY 1 ORDER BY 1";
	struct hours h;
	sqlite3_stmt *stmt;
	int rc;

	if (!hours_of(j, span, &h, e) || !dbfile_prepare(&j->file, sql, &stmt, e))
		return false;
	bind_hours(stmt, &h);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		int64_t counts[JOURNAL_VERDICTS];

		for (int i = 0; i < JOURNAL_VERDICTS; i++)
			counts[i] = sqlite3_column_int64(stmt, i + 1);
		hour(owner, sqlite3_column_int64(stmt, 0) * HOUR_MS, counts);
	}
	return sums_done(j, stmt, rc, e);
}

bool
journal_top(struct journal *j, const struct journal_ranking *ranking,
    void (*row)(void *owner, const struct journal_sum *sum), void *owner, struct err *e)
{
	const char *sql = NULL;
	sqlite3_stmt *stmt;
	struct hours h;
	int rc;

	for (size_t i = 0; i < TOPS; i++)
		if (strcmp(tops[i].column, ranking->column) == 0)
			sql = tops[i].top;
	require(sql);
	if (!hours_of(j, &ranking->span, &h, e) || !dbfile_prepare(&j->file, sql, &stmt, e))
		return false;
	bind_hours(stmt, &h);
	sqlite3_bind_int64(stmt, 5, (int64_t)ranking->most);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct journal_sum sum = { dbfile_text(stmt, 0), sqlite3_column_int64(stmt, 1) };

		row(owner, &sum);
	}
	return sums_done(j, stmt, rc, e);
}

bool
journal_waits(struct journal *j, const struct journal_span *span,
    void (*row)(void *owner, int64_t seconds, int64_t n), void *owner, struct err *e)
{
	static const char sql[] =
	    "SELECT seconds, sum(n) FROM ("
	    "SELECT seconds, n FROM waited WHERE hour >= ?3 AND hour < ?4 "
	    "UNION ALL SELECT " WAITED ", 1 " WAITED_FROM
	    "WHERE serial > (SELECT value FROM meta WHERE name = 'summed') "
	    "AND +time_ms >= ?3 * 3600000 AND +time_ms < ?4 * 3600000 AND " WAITED_IF
	    "UNION ALL SELECT " WAITED ", 1 " WAITED_FROM
	    "WHERE time_ms >= ?1 AND time_ms < min(?2, ?3 * 3600000) AND " WAITED_IF
	    "UNION ALL SELECT " WAITED ", 1 " WAITED_FROM
	    "WHERE time_ms >= max(?1, ?4 * 3600000) AND time_ms < ?2 AND " WAITED_IF
	    ") GROUP BY 1 ORDER BY 1";
	sqlite3_stmt *stmt;
	struct hours h;
	int rc;

	if (!hours_of(j, span, &h, e) || !dbfile_prepare(&j->file, sql, &stmt, e))
		return false;
	bind_hours(stmt, &h);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW)
		row(owner, sqlite3_column_int64(stmt, 0), sqlite3_column_int64(stmt, 1));
	return sums_done(j, stmt, rc, e);
}
