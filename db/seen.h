/*
 * seen: SQLite's half of QUESTION_SEEN (store.h): a row a key, which waits or is proven. Keys come from strangers: whoever floods the table
 * pushes out waiting rows, those first that would expire first; what is proven stays, under a cap of its own. All within the caller's
 * transaction, on its connection; false and e when the database fails.
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
 */
#ifndef POSTERN_DB_SEEN_H
#define POSTERN_DB_SEEN_H

#include "db/table.h"
#include "mail/question.h"

/* Half a gigabyte to one each at worst. */
#define SEEN_WAITING_MAX 5000000
#define SEEN_PROVEN_MAX 5000000

#define SEEN_CAP_WAITING 0
#define SEEN_CAP_PROVEN 1

extern const struct table_kind seen_table;

bool seen_answer(
    struct table *t, const struct question *q, int64_t now, struct seen_answer *out, struct err *e);

#endif
