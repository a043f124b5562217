/*
 * db: the one thread that owns the SQLite connections of journal and store. Loops send it requests;
 * it takes all that is waiting, runs it as one transaction for the store and one for the journal
 * (group commit), and sends them back to the loop they came from. Between batches it cleans in
 * small steps. Entries of the journal are on disk when done() is called.
 *
 * A failing database does not stop the thread: requests come back `failed`, the log says so once
 * when it starts and once when it ends. Each batch tries anew; a file that was taken away is made
 * anew.
 *
 * Requests keep their order: those of one link come back in the order they were sent, store and journal
 * each for itself.
 *
 * With a shared store (redis_link.h) each link asks that itself, and the thread's own store is there for the status of the mail
 * servers and for the time that Redis is away: then counters, plans and what was delivered go on in it, if db_link_local()
 * says so, and everything else comes back `failed`.
 */
#ifndef POSTERN_DB_DB_H
#define POSTERN_DB_DB_H

#include "base/queue.h"
#include "db/journal.h"
#include "db/redis_link.h"
#include "db/store.h"

struct db;
struct db_link;
struct event_base;

struct db_settings {
	const char *folder; /* of journal.db and store.db; must exist */
	struct journal_retention journal;
	bool journal_search;                /* keeps an index for it */
	size_t full;                        /* requests; 0: DB_FULL */
	const struct redis_settings *redis; /* the shared store, copied; NULL: there is none */
};

/* Opens both databases (an error here is the start's) and starts the thread. */
struct db *db_start(const struct db_settings *settings, struct err *e);
/* Finishes what is waiting, stops the thread, closes. All links must be gone. */
void db_stop(struct db **db);

/* One per loop. */
struct db_link *db_link_new(struct db *db, struct event_base *base);
/*
 * From the loop's thread, but not from within done(). Requests that are out are freed without done()
 * being called; journal records among them are written all the same. Waits for the batch that the
 * thread is at: for the end of a loop, not for its life.
 */
void db_link_free(struct db_link **link);
/* While the shared store is away: do counters, plans and what was delivered go on here? Else they fail. At first they do. */
void db_link_local(struct db_link *link, bool local);

enum db_what {
	DB_STORE,
	DB_DELIVERED,  /* of the store too, in one order with its questions */
	DB_STATUS,     /* of the store too */
	DB_EXCEPTIONS, /* of the store too */
	DB_JOURNAL,
	DB_CONFIGURATION, /* what a configuration is that records refer to; before them */
	DB_LEAVE,         /* db's own: a link goes away */
	DB_STOP,          /* db's own: the thread is to end */
};

struct db_request {
	struct queue_item item; /* must be first */
	enum db_what what;
	struct answer answer;         /* STORE: answered in place; the request owns its key */
	struct delivered *delivered;  /* DELIVERED: of the request's own memory */
	struct status_report *status; /* STATUS: the request's */
	struct store_exceptions *exceptions; /* EXCEPTIONS: of the request's own memory */
	struct journal_record *record; /* JOURNAL: the request's; NULL once somebody took it over */
	struct str revision, text;     /* CONFIGURATION: of the request's own memory */
	bool failed;
	/* Called on the link's loop; frees or keeps the request. NULL: nobody waits, db frees it. */
	void (*done)(struct db_request *request);
	void *owner;                       /* for done(); only the loop touches it */
	struct db_link *link;              /* db's own */
	struct redis_errand errand;        /* db's own */
	struct db_request *before, *after; /* db's own: the link's requests that are out */
	int64_t sent_us;
	size_t octets; /* what it takes in memory */
};

/* Copies the question. */
struct db_request *db_request_store(const struct question *q);
/* Nothing but the key is set, and what; the reply is empty. */
struct db_request *db_request_delivered(enum delivered_what what, const unsigned char *key);
/* Takes the report over. */
struct db_request *db_request_status(struct status_report *report);
/*
 * All is zero but what. READ: its `memory` is the request's, until whoever reads the rows takes it over and leaves NULL. Texts for PUT
 * are not copied: db's users have none to put.
 */
struct db_request *db_request_exceptions(enum exceptions_what what);
/* Takes the record over, which was made by journal_record_copy(). */
struct db_request *db_request_journal(struct journal_record *record);
/* Copies. Records that are sent behind it may refer to it (db/journal_config.h). */
struct db_request *db_request_configuration(struct str revision, struct str text);
void db_request_free(struct db_request **request);
/*
 * Gives the request away until done() is called with it, from the loop. A record without an id has
 * one then.
 */
void db_send(struct db_link *link, struct db_request *request);
/*
 * Too much waits for the thread: true from `full` requests or DB_FULL_OCTETS on, until there is a
 * quarter of that. Nothing is refused; who goes on sending makes it grow, so the fronts take nothing in
 * meanwhile. The log has a line at each change. From any thread.
 */
#define DB_FULL 20000
#define DB_FULL_OCTETS (64 * 1024 * 1024)
bool db_full(struct db_link *link);
/* How many requests wait, the batch that is under way included. */
size_t db_backlog(struct db *db);

#endif
