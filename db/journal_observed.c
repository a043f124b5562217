#include "db/journal_observed.h"

#include "db/journal_file.h"

#define REST \
	"m AS (SELECT session, sender, account, recipients FROM entry " \
	"WHERE time_ms < ?2 AND verdict = 'accept' AND step = 'message' AND observed = ''), " \
	"good AS (SELECT DISTINCT lower(sender) FROM m " \
	"WHERE sender <> '' AND session NOT IN (SELECT session FROM o)), " \
	"written AS (SELECT DISTINCT lower(j.value) FROM m, json_each(" \
	"CASE WHEN json_valid(recipients) THEN recipients ELSE '[]' END) AS j WHERE account <> '') " \
	"SELECT rule, source, said, sender, id, max(time_ms), sum(times), " \
	"sum(times * (session IN (SELECT session FROM m))), lower(sender) IN good, " \
	"lower(sender) IN written FROM p GROUP BY rule, source, said, lower(sender) " \
	"ORDER BY rule, source, said, 7 DESC, sender"

#define OBSERVED "verdict = 'accept' AND observed <> ''"
/* Of a refusal its own rule is told, so that what an observed one would have said of it counts for nothing. */
#define REFUSED "verdict IN ('tempfail', 'reject')"
/* Whatever the place was where the rule stood then. */
#define ITS "(config, rule) IN (SELECT key, value FROM json_each(?3))"

/* The entries it is about come as o: of what (observed, or the verdict) and which. */
#define ABOUT(of, which) \
	"WITH o AS (SELECT id, time_ms, session, config, rule, " of \
	" AS said, sender, times FROM entry WHERE time_ms >= ?1 AND time_ms < ?2 AND " which "), "
/* As p those that are summed up: of one rule, by its place now; or of each, by its place and what stood there. */
#define ONE \
	"p AS (SELECT id, time_ms, session, ?4 AS rule, '' AS source, said, sender, times " \
	"FROM o WHERE " ITS "), "
#define EACH \
	"was AS MATERIALIZED (SELECT revision, json_extract(value, '$.rule') AS place, " \
	"group_concat(DISTINCT CASE substr(json_extract(value, '$.source'), 1, 8) " \
	"WHEN 'observe ' THEN substr(json_extract(value, '$.source'), 9) " \
	"ELSE json_extract(value, '$.source') END) AS source FROM configuration, json_each(" \
	"CASE WHEN json_valid(text) THEN text ELSE '{}' END, '$.rules') " \
	"WHERE revision IN (SELECT config FROM o) AND json_extract(value, '$.observed') " \
	"AND json_extract(value, '$.digest') IS NOT NULL GROUP BY 1, 2), " \
	"p AS (SELECT id, time_ms, session, rule, ifnull(was.source, '') AS source, said, sender, " \
	"times FROM o LEFT JOIN was ON config = revision AND rule = place), "

static const char observed_each[] = ABOUT("observed", OBSERVED) EACH REST;
static const char observed_one[] = ABOUT("observed", OBSERVED) ONE REST;
static const char refused_one[] = ABOUT("verdict", REFUSED " AND " ITS) ONE REST;

#define STRANGERS(which) \
	"SELECT count(*), ifnull(sum(config NOT IN (SELECT revision FROM configuration)), 0) " \
	"FROM entry WHERE time_ms >= ?1 AND time_ms < ?2 AND rule = ?4 AND " which " AND NOT " ITS

static const char observed_strangers[] = STRANGERS(OBSERVED);
static const char refused_strangers[] = STRANGERS(REFUSED);

#define COUNT(which) \
	"SELECT count(*) FROM entry WHERE time_ms >= ?1 AND time_ms < ?2 AND " which " AND " ITS

static const char observed_count[] = COUNT(OBSERVED);
static const char refused_count[] = COUNT(REFUSED);

static sqlite3_stmt *
ask(struct journal *journal, const char *sql, const struct journal_observed_question *q,
    struct err *e)
{
	sqlite3_stmt *stmt;

	if (!dbfile_prepare(&journal->file, sql, &stmt, e))
		return NULL;
	sqlite3_bind_int64(stmt, 1, q->span.since_ms);
	sqlite3_bind_int64(stmt, 2, q->span.until_ms > 0 ? q->span.until_ms : INT64_MAX);
	if (q->stood.n > 0)
		dbfile_bind(stmt, 3, q->stood);
	if (q->rule.n > 0)
		dbfile_bind(stmt, 4, q->rule);
	return stmt;
}

bool
journal_observed(struct journal *journal, const struct journal_observed_question *q,
    void (*row)(void *owner, const struct observed_row *row), void *owner, struct err *e)
{
	const char *sql = q->rule.n == 0 ? observed_each : q->refused ? refused_one : observed_one;
	sqlite3_stmt *stmt = ask(journal, sql, q, e);
	int rc;

	if (stmt == NULL)
		return false;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct observed_row one = {
			.rule = dbfile_text(stmt, 0),
			.source = dbfile_text(stmt, 1),
			.verdict = dbfile_text(stmt, 2),
			.sender = dbfile_text(stmt, 3),
			.n = sqlite3_column_int64(stmt, 6),
			.let_in = sqlite3_column_int64(stmt, 7),
			.elsewhere = sqlite3_column_int(stmt, 8) != 0,
			.written_to = sqlite3_column_int(stmt, 9) != 0,
		};

		str_copy(dbfile_text(stmt, 4), one.id, sizeof(one.id));
		row(owner, &one);
	}
	if (rc != SQLITE_DONE)
		dbfile_failed(&journal->file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE;
}

bool
journal_observed_strangers(struct journal *journal, const struct journal_observed_question *q,
    struct observed_strangers *out, struct err *e)
{
	sqlite3_stmt *stmt =
	    ask(journal, q->refused ? refused_strangers : observed_strangers, q, e);
	bool ok;

	if (stmt == NULL)
		return false;
	ok = sqlite3_step(stmt) == SQLITE_ROW;
	if (ok) {
		out->unknown = sqlite3_column_int64(stmt, 1);
		out->others = sqlite3_column_int64(stmt, 0) - out->unknown;
	} else {
		dbfile_failed(&journal->file, e);
	}
	sqlite3_finalize(stmt);
	return ok;
}

bool
journal_observed_count(
    struct journal *journal, const struct journal_observed_question *q, int64_t *n, struct err *e)
{
	const struct journal_observed_question all = { q->span, STR(""), q->stood, q->refused };
	sqlite3_stmt *stmt = ask(journal, q->refused ? refused_count : observed_count, &all, e);
	bool ok;

	if (stmt == NULL)
		return false;
	ok = sqlite3_step(stmt) == SQLITE_ROW;
	if (ok)
		*n = sqlite3_column_int64(stmt, 0);
	else
		dbfile_failed(&journal->file, e);
	sqlite3_finalize(stmt);
	return ok;
}
