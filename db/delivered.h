/*
 * delivered: what was delivered (struct delivered in store.h): SQLite's rows of it. A message is kept for DELIVERED_KEEP; a second PUT leaves the first
 * reply and its times as they are. Beyond a cap those go that would expire first. All within the caller's transaction, on its connection;
 * false and e when the database fails.
 */
#ifndef POSTERN_DB_DELIVERED_H
#define POSTERN_DB_DELIVERED_H

#include "db/store.h"
#include "db/table.h"

/* A gigabyte at worst. */
#define DELIVERED_ROWS_MAX 1000000

extern const struct table_kind delivered_table;

bool delivered_answer(struct table *t, struct delivered *d, int64_t now, struct err *e);

#endif
