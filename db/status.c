#include "db/status.h"

#include "base/die.h"

static const char forget_sql[] = "DELETE FROM backend WHERE instance = ?1 OR time < ?2";
static const char forget_dns_sql[] = "DELETE FROM resolver WHERE instance = ?1 OR time < ?2";
static const char put_dns_sql[] =
    "INSERT INTO resolver (instance, time, asked, at_hand, timeouts, failures) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
static const char read_dns_sql[] =
    "SELECT sum(asked), sum(at_hand), sum(timeouts), sum(failures) FROM resolver WHERE time >= ?1";
static const char put_sql[] =
    "INSERT INTO backend (label, state, why, route, offers, since, answered, weight, standby, most, "
    "connections, idle, waiting, delivered, instance, place, pid, time) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
static const char read_sql[] =
    "SELECT label, state, why, route, offers, since, answered, weight, standby, most, "
    "connections, idle, waiting, delivered, instance, pid, time FROM backend "
    "ORDER BY time DESC, instance, place";

/* The columns of a row, in the order of all statements: texts, then numbers. */
#define TEXTS 5
#define NUMBERS 9
#define COLUMNS (TEXTS + NUMBERS)

struct status_report *
status_report_new(size_t n)
{
	struct status_report *report = xcalloc(1, sizeof(*report) + n * sizeof(report->row[0]));

	report->n = n;
	return report;
}

static bool
finish(const struct dbfile *file, sqlite3_stmt *stmt, struct err *e)
{
	return sqlite3_step(stmt) == SQLITE_DONE || dbfile_failed(file, e);
}

static bool
forget(
    const struct dbfile *file, const char *sql, const struct status_report *report, struct err *e)
{
	sqlite3_stmt *stmt;
	bool ok;

	if (!dbfile_prepare(file, sql, &stmt, e))
		return false;
	dbfile_bind(stmt, 1, str_of(report->instance));
	sqlite3_bind_int64(stmt, 2, report->time_ms - STATUS_FORGET_MS);
	ok = finish(file, stmt, e);
	sqlite3_finalize(stmt);
	return ok;
}

static void
bind_row(sqlite3_stmt *stmt, const struct status_row *row)
{
	const char *const text[TEXTS] = { row->label, row->state, row->why, row->route,
		row->offers };
	const int64_t number[NUMBERS] = { row->since_ms, row->answered_ms, row->weight,
		row->standby, row->most, row->connections, row->idle, row->waiting,
		row->delivered };

	for (int i = 0; i < TEXTS; i++)
		dbfile_bind(stmt, i + 1, str_of(text[i]));
	for (int i = 0; i < NUMBERS; i++)
		sqlite3_bind_int64(stmt, TEXTS + i + 1, number[i]);
}

static bool
put(const struct dbfile *file, const struct status_report *report, struct err *e)
{
	sqlite3_stmt *stmt;
	bool ok = true;

	if (!dbfile_prepare(file, put_sql, &stmt, e))
		return false;
	for (size_t i = 0; ok && i < report->n; i++) {
		bind_row(stmt, &report->row[i]);
		dbfile_bind(stmt, COLUMNS + 1, str_of(report->instance));
		sqlite3_bind_int64(stmt, COLUMNS + 2, (int64_t)i);
		sqlite3_bind_int64(stmt, COLUMNS + 3, report->pid);
		sqlite3_bind_int64(stmt, COLUMNS + 4, report->time_ms);
		ok = finish(file, stmt, e);
		sqlite3_reset(stmt);
	}
	sqlite3_finalize(stmt);
	return ok;
}

static bool
put_dns(const struct dbfile *file, const struct status_report *report, struct err *e)
{
	const struct status_dns *dns = &report->dns;
	sqlite3_stmt *stmt;
	bool ok;

	if (!dbfile_prepare(file, put_dns_sql, &stmt, e))
		return false;
	dbfile_bind(stmt, 1, str_of(report->instance));
	sqlite3_bind_int64(stmt, 2, report->time_ms);
	sqlite3_bind_int64(stmt, 3, dns->asked);
	sqlite3_bind_int64(stmt, 4, dns->at_hand);
	sqlite3_bind_int64(stmt, 5, dns->timeouts);
	sqlite3_bind_int64(stmt, 6, dns->failures);
	ok = finish(file, stmt, e);
	sqlite3_finalize(stmt);
	return ok;
}

bool
status_write(const struct dbfile *file, const struct status_report *report, struct err *e)
{
	if (!forget(file, forget_sql, report, e) || !forget(file, forget_dns_sql, report, e))
		return false;
	return report->n == 0 || (put(file, report, e) && put_dns(file, report, e));
}

bool
status_read_dns(const struct dbfile *file, int64_t since_ms, struct status_dns *sum, struct err *e)
{
	sqlite3_stmt *stmt;
	bool ok;

	*sum = (struct status_dns){ 0 };
	if (!dbfile_prepare(file, read_dns_sql, &stmt, e))
		return false;
	sqlite3_bind_int64(stmt, 1, since_ms);
	ok = sqlite3_step(stmt) == SQLITE_ROW || dbfile_failed(file, e);
	if (ok)
		*sum = (struct status_dns){ sqlite3_column_int64(stmt, 0),
			sqlite3_column_int64(stmt, 1), sqlite3_column_int64(stmt, 2),
			sqlite3_column_int64(stmt, 3) };
	sqlite3_finalize(stmt);
	return ok;
}

static void
read_row(sqlite3_stmt *stmt, struct status_entry *entry)
{
	struct status_row *row = &entry->row;
	struct {
		char *out;
		size_t size;
	} text[TEXTS] = { { row->label, sizeof(row->label) }, { row->state, sizeof(row->state) },
		{ row->why, sizeof(row->why) }, { row->route, sizeof(row->route) },
		{ row->offers, sizeof(row->offers) } };
	int64_t *const number[NUMBERS] = { &row->since_ms, &row->answered_ms, &row->weight,
		&row->standby, &row->most, &row->connections, &row->idle, &row->waiting,
		&row->delivered };

	/* One that is too long was not written by us, and is left out. */
	for (int i = 0; i < TEXTS; i++)
		str_copy(dbfile_text(stmt, i), text[i].out, text[i].size);
	for (int i = 0; i < NUMBERS; i++)
		*number[i] = sqlite3_column_int64(stmt, TEXTS + i);
	entry->instance = dbfile_text(stmt, COLUMNS);
	entry->pid = sqlite3_column_int64(stmt, COLUMNS + 1);
	entry->time_ms = sqlite3_column_int64(stmt, COLUMNS + 2);
}

bool
status_read(const struct dbfile *file, void (*row)(void *owner, const struct status_entry *entry),
    void *owner, struct err *e)
{
	sqlite3_stmt *stmt;
	int rc;

	if (!dbfile_prepare(file, read_sql, &stmt, e))
		return false;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct status_entry entry = { 0 };

		read_row(stmt, &entry);
		row(owner, &entry);
	}
	if (rc != SQLITE_DONE)
		dbfile_failed(file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE;
}
