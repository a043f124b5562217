/*
 * table: a table of the store in SQLite whose rows fall under caps, all of them or some of them: its statements, how many rows there are under
 * each cap, and what goes when one has expired or there are too many. Keys come from strangers: whoever makes too many pushes out those
 * that would expire first. We are the only writer, so that counting once, at the start, will do. What a row is, and what a question does to
 * one, is in a file for each kind (seen.h, counter.h, distinct.h, delivered.h). All within the caller's transaction, on its connection;
 * false and e when the database fails.
 */
#ifndef POSTERN_DB_TABLE_H
#define POSTERN_DB_TABLE_H

#include "db/dbfile.h"

#define TABLE_STATEMENTS 4
#define TABLE_CAPS 2

/* A const one for each. Its table has the columns key and expires. */
struct table_kind {
	const char *name;
	const char *sql[TABLE_STATEMENTS]; /* NULL: there is none */
	struct {
		const char *where; /* SQL; NULL: there is no such cap */
		int64_t most;
	} cap[TABLE_CAPS];
};

/* The rows under one cap. */
struct census {
	int64_t rows, before; /* now; when the transaction began */
	int64_t most;
	sqlite3_stmt *evict, *clean;
};

struct table {
	const struct dbfile *file;
	bool writes; /* answers change it */
	struct census census[TABLE_CAPS];
	sqlite3_stmt *statement[TABLE_STATEMENTS];
};

/* Counts the rows, if anything is going to be written. */
struct table *table_open(
    const struct table_kind *kind, const struct dbfile *file, bool writes, struct err *e);
void table_close(struct table **table);
/* Sets a cap. */
void table_limit(struct table *t, size_t cap, int64_t most);
/* A transaction begins; it was rolled back. */
void table_begin(struct table *t);
void table_undo(struct table *t);
/* A statement, whose first parameter is the key. */
sqlite3_stmt *table_statement(struct table *t, size_t which, struct str key);
/* Makes room for a row that is about to come. */
bool table_room(struct table *t, size_t cap, struct err *e);
/* Removes some of what has expired; *more is set while there may be more. */
bool table_clean(struct table *t, int64_t now, bool *more, struct err *e);

#endif
