/*
 * parking: the links to one mail server that no client has, until the next one comes. A link comes in only in
 * good order (backend_reusable), is freed of an open transaction by RSET first, and stays for as long as the
 * server's `reuse` says; what the server ends or spoils meanwhile goes without a word. Few of them, the
 * newest is taken first, so that those too many run out. One loop, one server.
 */
#ifndef POSTERN_PROXY_PARKING_H
#define POSTERN_PROXY_PARKING_H

#include "proxy/backend.h"

#define PARKING_MOST 16

struct parking;

struct parking_plan {
	const struct config_core *core; /* must outlive the parking */
	int64_t reuse;                  /* ms; 0: nothing is kept */
	void (*gone)(void *owner);      /* one has ended, by itself: from the loop */
	void *owner;
};

struct parking *parking_new(const struct parking_plan *plan);
/* Ends all of them; gone() is not called. */
void parking_free(struct parking **parking);
/* Takes the link, if it can be kept: else false. dirty: a transaction may be open there. */
bool parking_put(struct parking *parking, struct backend_link **link, bool dirty);
/* For backend_resume(); NULL: none is ready. */
struct backend_link *parking_take(struct parking *parking);
/* All that are kept; those of them that can be taken. */
size_t parking_count(const struct parking *parking);
size_t parking_ready(const struct parking *parking);
/* Ends one of them; false: there is none. */
bool parking_drop(struct parking *parking);

#endif
