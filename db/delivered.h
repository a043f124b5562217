/*
 * delivered: what was delivered (struct delivered in store.h): SQLite's rows of it. A message is kept for DELIVERED_KEEP; a second PUT leaves the first
 * reply and its times as they are. Beyond a cap those go that would expire first. All within the caller's transaction, on its connection;
 * false and e when the database fails.
 */
#ifndef POSTERN_DB_DELIVERED_H
#define POSTERN_DB_DELIVERED_H

#include "db/dbfile.h"
#include "db/store.h"

/* A gigabyte at worst. */
#define DELIVERED_ROWS_MAX 1000000

struct delivered_table; /* the statements, and how many rows there are */

/* writes: answers change the table. */
struct delivered_table *delivered_open(const struct dbfile *file, bool writes, struct err *e);
void delivered_close(struct delivered_table **table);
/* Sets the cap. */
void delivered_limit(struct delivered_table *t, int64_t rows);
/* A transaction begins; it was rolled back. */
void delivered_begin(struct delivered_table *t);
void delivered_undo(struct delivered_table *t);
bool delivered_answer(struct delivered_table *t, struct delivered *d, int64_t now, struct err *e);
/* Removes some of what has expired; *more is set while there may be more. */
bool delivered_clean(struct delivered_table *t, int64_t now, bool *more, struct err *e);

#endif
