/*
 * ranking: counts texts and tells the most frequent, in memory that has a bound: once there are RANKING_MOST different ones, those that
 * come new are only counted together.
 */
#ifndef POSTERN_CLI_RANKING_H
#define POSTERN_CLI_RANKING_H

#include "rules/intern.h"

#define RANKING_MOST 50000

struct ranking {
	struct arena *arena;
	struct intern texts;
	int64_t *n; /* by number of the text */
	size_t cap;
	int64_t others;
};

struct ranking_row {
	struct str text;
	int64_t n;
};

void ranking_init(struct ranking *r);
void ranking_free(struct ranking *r);
void ranking_add(struct ranking *r, struct str text, int64_t n);
/* The most frequent into rows, most frequent first, equal ones in the order they came; returns how many. */
size_t ranking_top(const struct ranking *r, struct ranking_row *rows, size_t most);

#endif
