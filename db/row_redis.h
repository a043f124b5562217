/*
 * row_redis: the rows of the shared store as texts of Redis, for listing them and for moving them to another backend
 * and back (store_row.h): its half of `list`, `each` and `merge` in store.h.
 */
#ifndef POSTERN_DB_ROW_REDIS_H
#define POSTERN_DB_ROW_REDIS_H

#include "base/buf.h"
#include "db/store.h"

bool row_redis_list(struct store *store, struct str prefix,
    bool (*row)(void *owner, const struct store_seen *row), void *owner, struct err *e);
bool row_redis_counters(struct store *store, struct str prefix,
    bool (*row)(void *owner, struct str key), void *owner, struct err *e);
bool row_redis_each(struct store *store, enum store_kind kind,
    bool (*row)(void *owner, const struct store_row *row), void *owner, struct err *e);
bool row_redis_merge(
    struct store *store, const struct store_row *rows, size_t n, int64_t *changed, struct err *e);

/* The text of a row as the scripts have it (db/redis/), without its key; false: it is none. Octets point into text. */
bool row_redis_parse(enum store_kind kind, struct str text, struct store_row *row);
void row_redis_print(const struct store_row *row, struct buf *out);

#endif
