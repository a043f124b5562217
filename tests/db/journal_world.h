/*
 * journal_world: an empty journal in a folder of its own, open for writing and for reading, and numbers as if by chance that are the same in
 * each run; set-up and tear-down of the tests that fill one.
 */
#ifndef POSTERN_TESTS_DB_JOURNAL_WORLD_H
#define POSTERN_TESTS_DB_JOURNAL_WORLD_H

#include "tests/db/folder.h"

struct world {
	struct folder folder;
	struct journal *journal, *reader; /* of journal.db */
	uint32_t random;
};

int setup(void **state);
int teardown(void **state);
/* Both, after they were closed. */
void open_both(struct world *w);
unsigned draw(struct world *w, unsigned below);

#endif
