/*
 * db_request: something that a loop wants done by the store or the journal, on its way there and back. Whoever makes it owns it until
 * db_send() (db/db_link.h), and again from done() on; it has copies of all it needs, or owns what it was given.
 */
#ifndef POSTERN_DB_DB_REQUEST_H
#define POSTERN_DB_DB_REQUEST_H

#include "base/queue.h"
#include "db/journal.h"
#include "db/redis_link.h"
#include "db/store.h"

struct db_link;

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
	bool no_hurry; /* nobody waits: it leaves with the next that is sent, or in 20 ms */
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
/* As the store is asked it; borrows from the request. */
struct store_ask db_request_ask(struct db_request *request);
/* It was carried out, or was not: what its sender reads of that. */
void db_request_done(struct db_request *request, bool ok);

#endif
