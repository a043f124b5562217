/*
 * hold: what transactions hold of a counter until it is known what becomes of them, and the limits that an
 * administrator has set for one; with the judgement whether a limit has room for more. SQLite's half of
 * QUESTION_TAKE (store.h): the counter itself is counter.c's. All within the caller's
 * transaction, on its connection; false and e when the database fails.
 */
#ifndef POSTERN_DB_HOLD_H
#define POSTERN_DB_HOLD_H

#include "db/dbfile.h"
#include "db/window.h"

struct hold_table; /* the statements */

struct hold_table *hold_open(const struct dbfile *file, struct err *e);
void hold_close(struct hold_table **table);

/* What others than the question's holder hold of the key. */
bool hold_others(
    struct hold_table *t, const struct question *q, int64_t now, int64_t *n, struct err *e);
/* q's holder holds q->add from now on, whatever it held before. */
bool hold_put(struct hold_table *t, const struct question *q, int64_t now, struct err *e);
bool hold_drop(struct hold_table *t, const struct question *q, struct err *e);
/* Nobody holds anything of the key. */
bool hold_drop_all(struct hold_table *t, const struct question *q, struct err *e);
/* The limits in force, into out: q's own, or those that were set. */
bool hold_limits(struct hold_table *t, const struct question *q, int64_t now,
    struct take_answer *out, struct err *e);
/* Sets q's limits for q->take.lasts seconds; 0: takes away what was set. */
bool hold_allow(struct hold_table *t, const struct question *q, int64_t now, struct err *e);
/* Removes some of what has expired; *more is set while there may be more. */
bool hold_clean(struct hold_table *t, int64_t now, bool *more, struct err *e);

/*
 * Is there room for n more beside what w counts and others hold (a->held) under the limits a->limit? Fills a->granted and
 * a->free. Pure; w stands at now.
 */
void hold_judge(const struct window *w, int64_t now, int64_t n, struct take_answer *a);

#endif
