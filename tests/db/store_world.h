/*
 * store_world: an empty SQLite store in a folder of its own; set-up and tear-down of the tests that ask one.
 */
#ifndef POSTERN_TESTS_DB_STORE_WORLD_H
#define POSTERN_TESTS_DB_STORE_WORLD_H

#include "tests/db/folder.h"

struct world {
	struct folder folder;
	struct store *store; /* store_sqlite's, of store.db */
};

int setup(void **state);
int teardown(void **state);

#endif
