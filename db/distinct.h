/*
 * distinct: SQLite's half of QUESTION_DISTINCT (store.h): a row a key, with its sketch. Keys come from strangers: beyond
 * a cap those go that would expire first. All within the caller's transaction, on its connection; false and e
 * when the database fails.
 */
#ifndef POSTERN_DB_DISTINCT_H
#define POSTERN_DB_DISTINCT_H

#include "db/dbfile.h"
#include "mail/question.h"

/* Half a gigabyte at worst. */
#define DISTINCT_ROWS_MAX 500000

struct distinct_table; /* the statements, and how many rows there are */

/* writes: answers change the table. */
struct distinct_table *distinct_open(const struct dbfile *file, bool writes, struct err *e);
void distinct_close(struct distinct_table **table);
/* Sets the cap. */
void distinct_limit(struct distinct_table *t, int64_t rows);
/* A transaction begins; it was rolled back. */
void distinct_begin(struct distinct_table *t);
void distinct_undo(struct distinct_table *t);
bool distinct_answer(struct distinct_table *t, const struct question *q, int64_t now,
    struct count_answer *out, struct err *e);
/* Removes some of what has expired; *more is set while there may be more. */
bool distinct_clean(struct distinct_table *t, int64_t now, bool *more, struct err *e);

#endif
