/*
 * row_sqlite: the rows of SQLite's store, for listing them and for moving them to another backend and back (store_row.h): its half of
 * `list`, `counters`, `each` and `merge` in store.h. The census of caps learns of merged rows when the store is opened the next time; until then
 * caps are late.
 */
#ifndef POSTERN_DB_ROW_SQLITE_H
#define POSTERN_DB_ROW_SQLITE_H

#include "db/store.h"

bool row_sqlite_list(struct store *store, struct str prefix,
    bool (*row)(void *owner, const struct store_seen *row), void *owner, struct err *e);
bool row_sqlite_counters(struct store *store, struct str prefix,
    bool (*row)(void *owner, struct str key), void *owner, struct err *e);
bool row_sqlite_each(struct store *store, enum store_kind kind,
    bool (*row)(void *owner, const struct store_row *row), void *owner, struct err *e);
/* All in one transaction. */
bool row_sqlite_merge(
    struct store *store, const struct store_row *rows, size_t n, int64_t *changed, struct err *e);

#endif
