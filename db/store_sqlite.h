/*
 * store_sqlite: what the SQLite backend has beyond store.h: a look that changes nothing, for the
 * command line, and the caps on rows. Keys come from strangers: whoever floods the store pushes out
 * waiting rows, oldest first; what is proven stays. Proven rows have a cap of their own, under which
 * those make room that would expire first.
 *
 * What a question of SEEN does (times in seconds):
 *   no row                                SEEN_FIRST: a row that waits, for `retry` at most
 *   waiting, younger than delay           SEEN_EARLY, `wait` says how long still
 *   waiting, older than retry             as if there were no row
 *   waiting, in between                   SEEN_RETRIED: proven now, hits 1, for `remember`
 *   proven, not expired                   SEEN_PROVEN: one hit more, for another `remember`, never
 *                                         for less than it had
 *   prove, and not proven before          SEEN_RETRIED, whatever was there
 *   look_only                             what it would be, nothing is changed; no row: SEEN_NEVER
 *   forget                                as look_only, and the row is gone
 * Of the answer, `first` and `last` are the row's as they were before; for SEEN_FIRST `first` is now and
 * `last` 0. A clock that was set back makes a row as young as can be, never older.
 *
 * A delivered message is kept for DELIVERED_KEEP; a second PUT leaves the first reply and its times as they are.
 *
 * A counter lives 14 to 15 days from its last use, a sketch 2 to 3; reading is no use.
 */
#ifndef POSTERN_DB_STORE_SQLITE_H
#define POSTERN_DB_STORE_SQLITE_H

#include "db/dbfile.h"
#include "db/store.h"

/* Defaults of the caps: about 1 GB each at worst. */
#define STORE_WAITING_MAX 5000000
#define STORE_PROVEN_MAX 5000000
#define STORE_COUNTERS_MAX 5000000
#define STORE_DELIVERED_MAX 1000000

#define STORE_COUNTER_DAYS 14

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
 * Removes all rows whose key or text names a mail address, and exceptions that do; counts them in *n. look_only: only counts. Keys that
 * are too long to be kept are digests, which do not tell; they expire.
 */
bool store_sqlite_forget(
    struct store *store, struct str address, bool look_only, int64_t *n, struct err *e);
/* Its file, for store_forget.c. */
const struct dbfile *store_sqlite_file(const struct store *store);
/* status_read_dns() of an open store. */
bool store_sqlite_dns(struct store *store, int64_t since_ms, struct status_dns *sum, struct err *e);
/* False when the file was taken away from under the store. */
bool store_sqlite_in_place(const struct store *store);

#endif
