#include "db/migrate.h"

#include <stdio.h>

#include "base/die.h"

int
migrate_version(sqlite3 *handle)
{
	sqlite3_stmt *stmt = NULL;
	int version = -1;

	if (sqlite3_prepare_v2(handle, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		version = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return version;
}

static bool
run(sqlite3 *handle, const struct migration *m)
{
	char number[64];

	/* A pragma takes no bound parameter; the number is our own. */
	snprintf(number, sizeof(number), "PRAGMA user_version = %d", m->number);
	return sqlite3_exec(handle, m->sql, NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_exec(handle, number, NULL, NULL, NULL) == SQLITE_OK &&
	    sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
}

/* False: failed. */
static bool
one(sqlite3 *handle, const struct migration *m, struct err *e)
{
	bool ok;

	if (sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		return err_set(e, ERR_DB, "migration %d: %s", m->number, sqlite3_errmsg(handle));
	/* Another process may have been faster; only now nobody else writes. */
	if (migrate_version(handle) >= m->number) {
		sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL);
		return true;
	}
	ok = run(handle, m);
	if (!ok)
		err_set(e, ERR_DB, "migration %d: %s", m->number, sqlite3_errmsg(handle));
	if (!sqlite3_get_autocommit(handle))
		sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL);
	return ok;
}

bool
migrate(sqlite3 *handle, const struct migration *migration, size_t n, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		require(migration[i].number == (int)i + 1);
		if (migrate_version(handle) < migration[i].number && !one(handle, &migration[i], e))
			return false;
	}
	return true;
}
