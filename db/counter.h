/*
 * counter: SQLite's half of QUESTION_COUNT (store.h), and what QUESTION_TAKE counts: a row a key, with its window. Keys come from strangers:
 * beyond a cap those go that would expire first. A counter lives 14 to 15 days from its last use; reading is no use. All within the
 * caller's transaction, on its connection; false and e when the database fails.
 */
#ifndef POSTERN_DB_COUNTER_H
#define POSTERN_DB_COUNTER_H

#include "db/table.h"
#include "db/window.h"
#include "mail/question.h"

/* A gigabyte at worst. */
#define COUNTER_ROWS_MAX 5000000
#define COUNTER_DAYS 14

extern const struct table_kind counter_table;

bool counter_answer(struct table *t, const struct question *q, int64_t now,
    struct count_answer *out, struct err *e);
/* Adds what q does, of COUNT or of TAKE. *w: what is counted then. */
bool counter_add(
    struct table *t, const struct question *q, int64_t now, struct window *w, struct err *e);
/* Nothing is counted any more. *w: as counter_add() filled it, and then as it is from now on. */
bool counter_reset(struct table *t, struct str key, struct window *w, int64_t now, struct err *e);

#endif
