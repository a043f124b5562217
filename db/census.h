/*
 * census: the rows of one table that fall under a cap, or some of them, and how many there are. Keys come from strangers: whoever makes too
 * many pushes out those that would expire first. We are the only writer, so that counting once, at the start, will do. All within the
 * caller's transaction, on its connection; false and e when the database fails.
 */
#ifndef POSTERN_DB_CENSUS_H
#define POSTERN_DB_CENSUS_H

#include "db/dbfile.h"

/* Which rows. The table has the columns key and expires. */
struct census_of {
	const char *table;
	const char *where; /* SQL; "1": all of them */
	int64_t most;
};

struct census {
	const struct dbfile *file;
	int64_t rows, before; /* now; when the transaction began */
	int64_t most;
	sqlite3_stmt *evict, *clean;
};

/* Counts them, if anything is going to be written. */
bool census_open(struct census *c, const struct dbfile *file, const struct census_of *of,
    bool writes, struct err *e);
void census_close(struct census *c);
/* Sets the cap. */
void census_limit(struct census *c, int64_t most);
/* A transaction begins; it was rolled back. */
void census_begin(struct census *c);
void census_undo(struct census *c);
/* Makes room for a row that is about to come. */
bool census_room(struct census *c, struct err *e);
/* Removes some of what has expired; *more is set while there may be more. */
bool census_clean(struct census *c, int64_t now, bool *more, struct err *e);

#endif
