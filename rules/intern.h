/*
 * intern: gives equal texts the same number: 0, 1, 2, ... in the order they came. The texts are
 * copied into the arena that the table was made with; the table itself is freed.
 */
#ifndef POSTERN_RULES_INTERN_H
#define POSTERN_RULES_INTERN_H

#include "base/arena.h"

struct intern {
	struct arena *arena;
	struct str *text; /* by number */
	size_t n, cap;
	size_t *slot; /* number + 1; 0: empty */
	size_t n_slots;
};

void intern_init(struct intern *table, struct arena *arena);
void intern_free(struct intern *table);
/* The number of a text that is there; SIZE_MAX when it is not. */
size_t intern_find(const struct intern *table, struct str text);
/* Adds it when it is not there: then the number is what table->n was. */
size_t intern_add(struct intern *table, struct str text);

#endif
