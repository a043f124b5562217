/*
 * db: the one thread that owns the SQLite connections of journal and store. Loops send it requests;
 * it takes all that is waiting, runs it as one transaction for the store and one for the journal
 * (group commit), and sends them back to the loop they came from. Between batches it cleans in
 * small steps. Entries of the journal are on disk when done() is called.
 *
 * A failing database does not stop the thread: requests come back `failed`, the log says so once
 * when it starts and once when it ends. Each batch tries anew; a file that was taken away is made
 * anew.
 */
#ifndef POSTERN_DB_DB_H
#define POSTERN_DB_DB_H

#include "db/db_link.h"
#include "db/journal.h"
#include "db/redis.h"

struct db;

struct db_settings {
	const char *folder; /* of journal.db and store.db; must exist */
	struct journal_retention journal;
	bool journal_search;                /* keeps an index for it */
	size_t full;                        /* requests; 0: BACKLOG_REQUESTS */
	const struct redis_settings *redis; /* the shared store, copied; NULL: there is none */
};

/* Opens both databases (an error here is the start's) and starts the thread. */
struct db *db_start(const struct db_settings *settings, struct err *e);
/* Finishes what is waiting, stops the thread, closes. All links must be gone. */
void db_stop(struct db **db);

/* How many requests wait, the batch that is under way included. */
size_t db_backlog(struct db *db);

#endif
