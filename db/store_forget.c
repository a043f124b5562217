/*
 * store_forget: takes a person out of the built-in store: whatever row names the address goes.
 */
#include <stdio.h>

#include "db/person.h"
#include "db/store_sqlite.h"

static const struct {
	const char *table, *where;
} named[] = {
	{ "seen", "greylists_person(key)" },
	{ "counter", "holds_person(key)" },
	{ "hold", "holds_person(key)" },
	{ "allowance", "holds_person(key)" },
	{ "sketch", "holds_person(key)" },
	{ "exception", "holds_person(key) OR holds_person(about)" },
	{ "delivered", "holds_person(reply)" },
};

static bool
forget_in(
    const struct dbfile *file, size_t i, bool look_only, struct store_forgotten *out, struct err *e)
{
	sqlite3_stmt *stmt;
	char sql[200];
	int rc;

	snprintf(sql, sizeof(sql), "%s FROM %s WHERE %s", look_only ? "SELECT count(*)" : "DELETE",
	    named[i].table, named[i].where);
	if (!dbfile_prepare(file, sql, &stmt, e))
		return false;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		out->rows += sqlite3_column_int64(stmt, 0);
	else if (rc == SQLITE_DONE)
		out->rows += sqlite3_changes64(file->handle);
	else
		dbfile_failed(file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

bool
store_sqlite_forget(struct store *s, const struct person *person, bool look_only,
    struct store_forgotten *out, struct err *e)
{
	const struct dbfile *file = store_sqlite_file(s);

	*out = (struct store_forgotten){ 0 };
	if (!person_functions(file->handle, person))
		return dbfile_failed(file, e);
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (!forget_in(file, i, look_only, out, e))
			return false;
	if (look_only)
		return true;
	/* Whoever runs reads the exceptions again. */
	if (out->rows > 0 &&
	    !dbfile_exec(file, "UPDATE exception_version SET version = version + 1", e))
		return false;
	out->lingers = !dbfile_empty_log(file);
	return true;
}
