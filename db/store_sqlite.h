/*
 * store_sqlite: what the SQLite backend has beyond store.h: a look that changes nothing, for the
 * command line, and the caps on rows. A file for each table (seen.h, counter.h, hold.h, distinct.h, delivered.h, exception.h) has what a
 * question does to it.
 */
#ifndef POSTERN_DB_STORE_SQLITE_H
#define POSTERN_DB_STORE_SQLITE_H

#include "db/dbfile.h"
#include "db/store.h"

/* Sets the caps of an open store. */
void store_sqlite_limit(struct store *store, int64_t waiting, int64_t counters);
void store_sqlite_limit_proven(struct store *store, int64_t proven);
void store_sqlite_limit_delivered(struct store *store, int64_t delivered);
void store_sqlite_limit_sketches(struct store *store, int64_t sketches);
/*
 * Opens for reading: each question gets the answer it would get, and changes nothing. A counter is
 * read without what the question would add.
 */
struct store *store_sqlite_open_read(const char *path, struct err *e);
/* status_read() of an open store. */
bool store_sqlite_status(struct store *store,
    void (*row)(void *owner, const struct status_entry *entry), void *owner, struct err *e);
/*
 * Removes all rows whose key or text names a person, and exceptions that do. look_only: only counts. Keys that are too long to be
 * kept are digests, which do not tell; they expire.
 */
struct person;
bool store_sqlite_forget(struct store *store, const struct person *person, bool look_only,
    struct store_forgotten *out, struct err *e);
/* Its file, for store_forget.c. */
const struct dbfile *store_sqlite_file(const struct store *store);
/* status_read_dns() of an open store. */
bool store_sqlite_dns(struct store *store, int64_t since_ms, struct status_dns *sum, struct err *e);
/* False when the file was taken away from under the store. */
bool store_sqlite_in_place(const struct store *store);

#endif
