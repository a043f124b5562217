/*
 * store: where greylist entries and counters live. One const struct per backend; the db thread runs
 * SQLite's, on its own connection; those of loops for Redis do not come here, but to redis_link.h. A
 * backend waits for its answers: not to be called from a loop thread.
 */
#ifndef POSTERN_DB_STORE_H
#define POSTERN_DB_STORE_H

#include "base/arena.h"
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

/*
 * An exception from the rules that an administrator has made. `key` says what is excepted, for those who decide
 * (mail/exception.h), `about` the rest, for people (JSON); a backend understands neither.
 */
struct store_exception {
	int64_t number; /* never given twice */
	struct str key, about;
	int64_t made;    /* wall seconds, as all here */
	int64_t expires; /* 0: never */
	int64_t hits, last;
	struct store_exception *next;
};

/*
 * All that the command line writes and each posternd reads. There are few of them, so they are read whole, and only when
 * they have changed: `version` is another number after each PUT and DROP that changed something.
 *   READ  version: in, that of the rows the asker has, 0 for none; out, the present one. `same` if they are equal. Else
 *         rows, from `memory`, in the order of their numbers. Rows that have expired may be among them.
 *   PUT   one.number's row gets one.key, .about and .expires, and keeps the rest. If there is none (0 is nobody's number)
 *         a new row is made with the next number, which becomes one.number. done: false if there was no room.
 *   DROP  one.number's row goes away. done: it was there.
 *   HIT   adds one.hits to those of one.number's row, whose last is now; no such row: nothing. No new version.
 */
#define STORE_EXCEPTIONS_MAX 5000

enum exceptions_what { EXCEPTIONS_READ, EXCEPTIONS_PUT, EXCEPTIONS_DROP, EXCEPTIONS_HIT };

struct store_exceptions {
	enum exceptions_what what;
	int64_t version;
	bool same;
	struct arena *memory; /* READ: the asker's */
	struct store_exception *rows;
	struct store_exception one;
	bool done;
};

/* What forgetting a person (db/person.h) took out of a store. */
struct store_forgotten {
	int64_t rows;
	bool lingers; /* as of struct journal_forgotten */
};

/* What was read, as rules look at it; NULL: there are none. Takes the memory over when there are. */
struct exceptions;
struct exceptions *store_exceptions_take(struct store_exceptions *x);

struct store_ask {
	const struct question *question;     /* SEEN, COUNT, TAKE or DISTINCT */
	struct answer *answer;               /* seen or count is filled */
	struct delivered *delivered;         /* in the place of both; NULL */
	const struct status_report *status;  /* in the place of all; NULL */
	struct store_exceptions *exceptions; /* likewise */
};

/* A row of SEEN as it stands. Times are wall seconds. */
struct store_seen {
	struct str key;
	int64_t first, last, hits;
	bool proven;
	int64_t expires; /* a waiting row is looked at with the question's own `retry` */
};

/*
 * A row of the store as it is moved to another backend (store_row.h). What transactions hold is not among them, for they settle
 * it where they hold it; nor is the status of mail servers.
 */
enum store_kind {
	STORE_SEEN,
	STORE_COUNTER,
	STORE_SKETCH,
	STORE_LIMIT,
	STORE_DELIVERED,
	STORE_KINDS
};

struct store_row {
	enum store_kind kind;
	struct str key;         /* of DELIVERED the digest */
	struct store_seen seen; /* SEEN: all but its key */
	struct str
	    octets; /* COUNTER, SKETCH: the blob of window.h, of sketch.h; DELIVERED: the reply */
	struct take_limits limit; /* LIMIT */
	int64_t ready;            /* DELIVERED: when it counts */
	int64_t expires;          /* wall seconds */
};

/*
 * QUESTION_TAKE, exactly. A key's counter is that of QUESTION_COUNT. Beside it there are what holders hold of it (n, and
 * when that expires), and limits that an administrator has set (until when). With `held` = all that others than the
 * question's holder hold and that has not expired, and for each of the windows burst, minute, hour and day that has a limit
 * (the administrator's while there are such, else the question's; 0: none):
 *   HOLD    granted if sum + held + n <= limit in each; then the holder holds n for `lasts` seconds, in the place of what
 *           it held. Else nothing changes, what it held included.
 *   KEEP    the holder holds n for `lasts` seconds; granted.
 *   SETTLE  the holder holds nothing, n are added to the counter as by COUNT; granted.
 *   FREE    the holder holds nothing; granted.
 *   LOOK    as HOLD, and nothing changes.
 *   ALLOW   the limits are this key's for `lasts` seconds; with 0 seconds it has none of its own any more.
 *   RESET   the counter's sums are 0, and its history's `n` and `today`; nothing is held any more. What is usual and the
 *           administrator's limits stay.
 * Each is one atomic step; n is 0 or more. The answer's counts are those after it. `free`: of the windows that lack room
 * the longest wait, for each how long until so much of what is counted has slid out that n fit, what others hold being taken
 * as counted now; 0 if n alone is more than one of the limits. A holder that dies settles nothing: what it holds fills the
 * limits until it expires, and is then as if it had never been.
 */
/*
 * QUESTION_COUNT, exactly: the counter moves on to now, q->add is counted there, and the answer is what window_totals()
 * tells then (window.h, and history.h for what is usual). With add 0 nothing is written.
 *
 * QUESTION_DISTINCT, exactly: sketch_add() (sketch.h); without hashes nothing is written. A key's sketch is nothing to do with
 * its counter. It is forgotten when two to three days have passed since its last use.
 */
struct store_backend {
	const char *name; /* "sqlite" */
	/* where: a path, or an address. Creates and migrates what is there. */
	struct store *(*open)(const char *where, struct err *e);
	void (*close)(struct store **store);
	/*
	 * now: wall milliseconds. SQLite: one transaction, and false says that nothing of the batch was done. Redis: each
	 * question is one, and false says that some may not have been done.
	 */
	bool (*ask)(
	    struct store *store, struct store_ask *batch, size_t n, int64_t now, struct err *e);
	/* Removes some of what has expired, a small step; true while there may be more. */
	bool (*clean)(struct store *store, int64_t now, struct err *e);
	/*
	 * Calls row() for the rows of SEEN whose key is longer than prefix and begins with it, in the order of keys (their octets), until it
	 * returns false; the row is valid during the call. Read in lots, so that nobody's slow terminal keeps a
	 * transaction open: what changes meanwhile may or may not be among them. A row that has expired may be.
	 */
	bool (*list)(struct store *store, struct str prefix,
	    bool (*row)(void *owner, const struct store_seen *row), void *owner, struct err *e);
	/* The same for the keys of counters (COUNT, TAKE). */
	bool (*counters)(struct store *store, struct str prefix,
	    bool (*row)(void *owner, struct str key), void *owner, struct err *e);
	/* Calls row() for all rows of a kind until it returns false, in any order, in lots as list() does; a row may come twice. */
	bool (*each)(struct store *store, enum store_kind kind,
	    bool (*row)(void *owner, const struct store_row *row), void *owner, struct err *e);
	/* Merges rows into those that are there (store_row_merge()), each for itself. *changed is added to. */
	bool (*merge)(struct store *store, const struct store_row *rows, size_t n, int64_t *changed,
	    struct err *e);
};

extern const struct store_backend store_sqlite;

#endif
