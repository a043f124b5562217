/*
 * chain_world: a journal in a folder of its own that hands and disks can be at while it is closed, and what verifying says of it then.
 */
#ifndef POSTERN_TESTS_DB_CHAIN_WORLD_H
#define POSTERN_TESTS_DB_CHAIN_WORLD_H

#include "db/journal.h"
#include "tests/db/folder.h"

#define T0 1700000000000 /* milliseconds: the time of the first entry */
#define SAID 200

struct world {
	struct folder folder;
	char path[600], head[610];
};

int setup(void **state);
int teardown(void **state);
/* So many entries, a millisecond apart. */
void append(struct journal *j, size_t n);
/* The same, to one that is opened for it. */
void write_some(struct world *w, size_t n);
/* Behind its back. */
void sql(struct world *w, const char *text);

/* As struct journal_check has it: adds to a text of SAID octets the letter of the fault and its entries. */
void note(void *owner, const struct journal_fault *f);
/* said: all that is said. */
struct journal_verdict verify(struct world *w, char said[SAID]);
struct journal_verdict verify_since(struct world *w, int64_t since_ms, char said[SAID]);

/* What a hand did, and what is said of it. */
struct tampered {
	const char *sql, *said;
};
/* Each in a journal of its own, after fill() wrote that. */
void check_tampered(const struct tampered *t, size_t n, void (*fill)(struct world *w));

#endif
