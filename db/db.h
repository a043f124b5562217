/*
 * db: the one thread that owns the SQLite connections of journal and store. Loops send it requests;
 * it takes all that is waiting, runs it as one transaction for the store and one for the journal (group commit), and
 * sends them back to the loop they came from. Between batches it cleans in small steps. Entries of the journal are on disk when done() is called.
 *
 * A failing database does not stop the thread: requests come back `failed`, the log says so once when it starts and once when it ends.
 */
#ifndef POSTERN_DB_DB_H
#define POSTERN_DB_DB_H

#include "base/queue.h"
#include "db/journal.h"
#include "db/store.h"

struct db;
struct db_link;
struct event_base;

struct db_settings {
	const char *folder; /* of journal.db and store.db; must exist */
	int64_t journal_keep_ms;
};

/* Opens both databases (an error here is the start's) and starts the thread. */
struct db *db_start(const struct db_settings *settings, struct err *e);
/* Finishes what is waiting, stops the thread, closes. All links must be gone. */
void db_stop(struct db **db);

/* One per loop. */
struct db_link *db_link_new(struct db *db, struct event_base *base);
void db_link_free(struct db_link **link);

struct db_request {
	struct queue_item item; /* must be first */
	enum { DB_STORE, DB_JOURNAL } what;
	struct answer
	    answer; /* STORE: question inside, answered in place; the request owns its key */
	struct journal_record
	    *record; /* JOURNAL: the request's; may be NULL'ed by whoever takes it over */
	bool failed;
	/* Called on the link's loop; frees or keeps the request. NULL: nobody waits, db frees it. */
	void (*done)(struct db_request *request);
	void *owner;          /* for done(); only the loop touches it */
	struct db_link *link; /* db's own */
	int64_t sent_us;
};

/* Copies the question. */
struct db_request *db_request_store(const struct question *q);
/* Takes the record over. */
struct db_request *db_request_journal(struct journal_record *record);
void db_request_free(struct db_request **request);
/* Gives the request away until done() is called with it. */
void db_send(struct db_link *link, struct db_request *request);
/* Requests waiting for the thread: a measure of stress. */
size_t db_backlog(struct db *db);

#endif
