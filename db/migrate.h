/*
 * migrate: brings a database to the newest schema, one numbered migration after the other, each in
 * a transaction of its own together with its number (PRAGMA user_version): one that was cut off
 * has not happened. There is no way back; a database with a higher number than the program knows
 * is refused by whoever opens it (dbfile.h).
 */
#ifndef POSTERN_DB_MIGRATE_H
#define POSTERN_DB_MIGRATE_H

#include <sqlite3.h>
#include <stddef.h>

#include "base/err.h"

struct migration {
	int number;      /* 1, 2, 3, ... without gaps */
	const char *sql; /* statements; no BEGIN, no COMMIT */
};

/* The number a database is at; -1 when it cannot be read. */
int migrate_version(sqlite3 *handle);
/* Runs those above the database's number. The error's text says which one failed and why. */
bool migrate(sqlite3 *handle, const struct migration *migration, size_t n, struct err *e);

#endif
