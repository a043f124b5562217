/*
 * store_pair: a store of SQLite and one of a real Redis, both empty, that are asked the same; questions and times as if by chance, the same in
 * each run.
 */
#ifndef POSTERN_TESTS_DB_STORE_PAIR_H
#define POSTERN_TESTS_DB_STORE_PAIR_H

#include "db/store_redis.h"
#include "db/store_sqlite.h"
#include "tests/db/redis.h"

#define T0 INT64_C(1700000000) /* seconds */
#define DAY 86400
#define KEYS 4 /* of each kind of row */

struct world {
	struct redis redis;
	struct folder folder; /* of store.db */
	struct store *sqlite, *shared;
	uint64_t random; /* not 0 */
	char hashes[4 * 300];
};

int setup(void **state);
int teardown(void **state);
uint64_t draw(struct world *w);
int64_t below(struct world *w, int64_t n);
/* Seconds to minutes mostly; now and then hours, days, weeks, or back. */
int64_t step(struct world *w);

/* Of any kind; good until the next. */
void make_question(struct world *w, struct question *q);
/* False: make_question() never asks so. */
bool take_is_asked(enum take_what what);
/* Asserts that both give the same answer. at: which step this is, told of one that differs. */
void put_to_both(struct world *w, const struct question *q, int64_t now, int at);
/* The same of a message that was or is delivered. */
void put_delivered(struct world *w, int64_t now);
/* Asserts that both have the same rows. */
void same_rows(struct world *w, int64_t now);

#endif
