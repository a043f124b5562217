/*
 * distinct: SQLite's half of QUESTION_DISTINCT (store.h): a row a key, with its sketch. Keys come from strangers: beyond
 * a cap those go that would expire first. All within the caller's transaction, on its connection; false and e
 * when the database fails.
 */
#ifndef POSTERN_DB_DISTINCT_H
#define POSTERN_DB_DISTINCT_H

#include "db/table.h"
#include "mail/question.h"

/* Half a gigabyte at worst. */
#define DISTINCT_ROWS_MAX 500000

extern const struct table_kind distinct_table;

bool distinct_answer(struct table *t, const struct question *q, int64_t now,
    struct count_answer *out, struct err *e);

#endif
