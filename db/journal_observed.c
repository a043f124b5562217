#include "db/journal_observed.h"

#include "db/journal_file.h"

#define REST \
	"m AS (SELECT session, sender, account, recipients FROM entry " \
	"WHERE time_ms < ?2 AND verdict = 'accept' AND step = 'message' AND observed = ''), " \
	"good AS (SELECT DISTINCT lower(sender) FROM m " \
	"WHERE sender <> '' AND session NOT IN (SELECT session FROM o)), " \
	"written AS (SELECT DISTINCT lower(j.value) FROM m, json_each(" \
	"CASE WHEN json_valid(recipients) THEN recipients ELSE '[]' END) AS j WHERE account <> '') " \
	"SELECT rule, said, sender, id, max(time_ms), sum(times), " \
	"sum(times * (session IN (SELECT session FROM m))), lower(sender) IN good, " \
	"lower(sender) IN written FROM o GROUP BY rule, said, lower(sender) " \
	"ORDER BY rule, said, 6 DESC, sender"

/* The entries it is about come as o: of what (observed, or the verdict) and which. */
#define ABOUT(of, which) \
	"WITH o AS (SELECT id, time_ms, session, rule, " of \
	" AS said, sender, times FROM entry WHERE time_ms >= ?1 AND time_ms < ?2 AND " which \
	"), " REST

/* Of a refusal its own rule is told, so that what an observed one would have said of it counts for nothing. */
static const char observed[] = ABOUT("observed", "verdict = 'accept' AND observed <> ''");
static const char refused[] = ABOUT("verdict", "verdict IN ('tempfail', 'reject') AND rule = ?3");

bool
journal_observed(struct journal *journal, const struct journal_observed_question *q,
    void (*row)(void *owner, const struct observed_row *row), void *owner, struct err *e)
{
	sqlite3_stmt *stmt;
	int rc;

	if (!dbfile_prepare(&journal->file, q->refused_by.n > 0 ? refused : observed, &stmt, e))
		return false;
	sqlite3_bind_int64(stmt, 1, q->span.since_ms);
	sqlite3_bind_int64(stmt, 2, q->span.until_ms > 0 ? q->span.until_ms : INT64_MAX);
	if (q->refused_by.n > 0)
		dbfile_bind(stmt, 3, q->refused_by);
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct observed_row one = {
			.rule = dbfile_text(stmt, 0),
			.verdict = dbfile_text(stmt, 1),
			.sender = dbfile_text(stmt, 2),
			.n = sqlite3_column_int64(stmt, 5),
			.let_in = sqlite3_column_int64(stmt, 6),
			.elsewhere = sqlite3_column_int(stmt, 7) != 0,
			.written_to = sqlite3_column_int(stmt, 8) != 0,
		};

		str_copy(dbfile_text(stmt, 3), one.id, sizeof(one.id));
		row(owner, &one);
	}
	if (rc != SQLITE_DONE)
		dbfile_failed(&journal->file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE;
}
