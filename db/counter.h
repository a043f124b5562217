/*
 * counter: SQLite's half of QUESTION_COUNT (store.h), and what QUESTION_TAKE counts: a row a key, with its window. Keys come from strangers:
 * beyond a cap those go that would expire first. A counter lives 14 to 15 days from its last use; reading is no use. All within the
 * caller's transaction, on its connection; false and e when the database fails.
 */
#ifndef POSTERN_DB_COUNTER_H
#define POSTERN_DB_COUNTER_H

#include "db/dbfile.h"
#include "db/window.h"
#include "mail/question.h"

/* A gigabyte at worst. */
#define COUNTER_ROWS_MAX 5000000
#define COUNTER_DAYS 14

struct counter_table; /* the statements, and how many rows there are */

/* writes: answers change the table. */
struct counter_table *counter_open(const struct dbfile *file, bool writes, struct err *e);
void counter_close(struct counter_table **table);
/* Sets the cap. */
void counter_limit(struct counter_table *t, int64_t rows);
/* A transaction begins; it was rolled back. */
void counter_begin(struct counter_table *t);
void counter_undo(struct counter_table *t);
bool counter_answer(struct counter_table *t, const struct question *q, int64_t now,
    struct count_answer *out, struct err *e);
/* Adds what q does, of COUNT or of TAKE. *w: what is counted then. */
bool counter_add(struct counter_table *t, const struct question *q, int64_t now, struct window *w,
    struct err *e);
/* Nothing is counted any more. *w: as counter_add() filled it, and then as it is from now on. */
bool counter_reset(
    struct counter_table *t, struct str key, struct window *w, int64_t now, struct err *e);
/* Removes some of what has expired; *more is set while there may be more. */
bool counter_clean(struct counter_table *t, int64_t now, bool *more, struct err *e);

#endif
