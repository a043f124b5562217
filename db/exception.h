/*
 * exception: the exceptions from the rules that an administrator has made, as rows of SQLite: its half of what
 * store.h says of them. All within the caller's transaction, on its connection; false and e when the
 * database fails.
 */
#ifndef POSTERN_DB_EXCEPTION_H
#define POSTERN_DB_EXCEPTION_H

#include "db/dbfile.h"
#include "db/store.h"

struct exception_table; /* the statements */

struct exception_table *exception_open(const struct dbfile *file, struct err *e);
void exception_close(struct exception_table **table);

/* now: wall seconds. read_only: nothing is changed, and what would be is said. */
bool exception_ask(struct exception_table *t, struct store_exceptions *x, int64_t now,
    bool read_only, struct err *e);
/* Removes some of what has expired; *more is set while there may be more. */
bool exception_clean(struct exception_table *t, int64_t now, bool *more, struct err *e);

#endif
