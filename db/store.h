/*
 * store: where greylist entries and counters live. One const struct per backend; the db thread runs
 * SQLite's, on its own connection. A backend answers a batch of questions as one transaction: all of
 * them, or none. Not to be called from a loop thread.
 */
#ifndef POSTERN_DB_STORE_H
#define POSTERN_DB_STORE_H

#include "base/err.h"
#include "db/status.h"
#include "mail/question.h"

struct store; /* an open one; each backend has its own inside */

#define DELIVERED_KEY 32         /* octets: a SHA-256 */
#define DELIVERED_REPLY_MAX 1000 /* octets of a reply that are kept */
#define DELIVERED_UNSURE 5       /* seconds for a client to show that it has heard */
#define DELIVERED_KEEP 90000     /* seconds: 25 hours, more than a day of trying again */

/*
 * A message that was delivered, by the digest of what it is. After PUT it is found when DELIVERED_UNSURE has
 * passed, or at once after UNHEARD.
 */
enum delivered_what { DELIVERED_LOOK, DELIVERED_PUT, DELIVERED_UNHEARD, DELIVERED_FORGET };

struct delivered {
	enum delivered_what what;
	unsigned char key[DELIVERED_KEY];
	bool found; /* LOOK */
	size_t n;   /* of the reply; PUT: in, LOOK: out */
	char reply[DELIVERED_REPLY_MAX];
};

struct store_ask {
	const struct question *question;    /* SEEN or COUNT */
	struct answer *answer;              /* seen or count is filled */
	struct delivered *delivered;        /* in the place of both; NULL */
	const struct status_report *status; /* in the place of all; NULL */
};

struct store_backend {
	const char *name; /* "sqlite" */
	/* where: a path, or an address. Creates and migrates what is there. */
	struct store *(*open)(const char *where, struct err *e);
	void (*close)(struct store **store);
	/* now: wall milliseconds. False: nothing of the batch was done. */
	bool (*ask)(
	    struct store *store, struct store_ask *batch, size_t n, int64_t now, struct err *e);
	/* Removes some of what has expired, a small step; true while there may be more. */
	bool (*clean)(struct store *store, int64_t now, struct err *e);
};

extern const struct store_backend store_sqlite;

#endif
