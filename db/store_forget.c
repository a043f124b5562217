/*
 * store_forget: takes a person out of the built-in store: whatever row names the address goes.
 */
#include "db/person.h"
#include "db/store_sqlite.h"

static const struct {
	const char *count, *remove;
} named[] = {
#define OF_KEY(table) \
	{ \
		"SELECT count(*) FROM " table " WHERE holds_person(key, ?1)", \
		    "DELETE FROM " table " WHERE holds_person(key, ?1)" \
	}
	OF_KEY("seen"),
	OF_KEY("counter"),
	OF_KEY("hold"),
	OF_KEY("allowance"),
	OF_KEY("sketch"),
	{ "SELECT count(*) FROM exception WHERE holds_person(key, ?1) OR holds_person(about, ?1)",
	    "DELETE FROM exception WHERE holds_person(key, ?1) OR holds_person(about, ?1)" },
	{ "SELECT count(*) FROM delivered WHERE holds_person(reply, ?1)",
	    "DELETE FROM delivered WHERE holds_person(reply, ?1)" },
};

static bool
forget_one(
    const struct dbfile *file, const char *sql, struct str address, int64_t *n, struct err *e)
{
	sqlite3_stmt *stmt;
	int rc;

	if (!dbfile_prepare(file, sql, &stmt, e))
		return false;
	dbfile_bind(stmt, 1, address);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*n += sqlite3_column_int64(stmt, 0);
	else if (rc == SQLITE_DONE)
		*n += sqlite3_changes64(file->handle);
	else
		dbfile_failed(file, e);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW || rc == SQLITE_DONE;
}

bool
store_sqlite_forget(struct store *s, struct str address, bool look_only, int64_t *n, struct err *e)
{
	const struct dbfile *file = store_sqlite_file(s);

	*n = 0;
	if (!person_function(file->handle))
		return dbfile_failed(file, e);
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
		if (!forget_one(file, look_only ? named[i].count : named[i].remove, address, n, e))
			return false;
	/* Whoever runs reads the exceptions again. */
	return look_only || *n == 0 ||
	    dbfile_exec(file, "UPDATE exception_version SET version = version + 1", e);
}
