/*
 * loop: one event loop with its thread, its gate and its fronts. Sessions are born, live and end on
 * one loop; loops share nothing but the db thread's queue and the counters of limits and slots. The worker starts them, tells them of
 * a new configuration and of the end, and waits for them.
 */
#ifndef POSTERN_PROXY_LOOP_H
#define POSTERN_PROXY_LOOP_H

#include "db/db.h"
#include "proxy/limits.h"
#include "proxy/notices.h"
#include "proxy/slots.h"
#include "rules/config.h"

struct loop;

/* The sockets one loop accepts from; the descriptors stay open in the master. */
struct loop_sockets {
	const int *proxy;
	const struct listen *how; /* of each */
	size_t n_proxy;
	int milter; /* shared by all loops; -1: none */
};

/* What all loops share; borrowed. */
struct loop_shared {
	struct db *db;
	struct limits *limits;
	const struct notices *notices;
	struct slots *slots; /* of the mail servers of each configuration that a loop gets */
};

struct loop *loop_start(const struct loop_shared *shared, struct config *config,
    const struct loop_sockets *sockets, struct err *e);
/* From any thread. The loop takes a count of config of its own. */
void loop_reload(struct loop *loop, struct config *config);
/*
 * A successor has the sockets: accepts no more clients, goes on with the sessions it has. alone: the
 * milter processes are gone too; the loop ends when the last session is over.
 */
void loop_leave(struct loop *loop, bool alone);
/*
 * Asks whether the loop turns. The last of all loops to answer writes WORD_BEAT to fd; left counts them
 * down.
 */
struct loop_beat {
	_Atomic size_t left;
	int fd;
};
void loop_ask(struct loop *loop, struct loop_beat *beat);
/* No new sessions; those between messages are ended; the loop ends when the last one is over. */
void loop_drain(struct loop *loop);
/* Ends now: what is open gets 421 and is closed. */
void loop_stop(struct loop *loop);
/* Has the loop come to its end? */
bool loop_ended(const struct loop *loop);
/* Waits for the thread, then frees. */
void loop_join(struct loop **loop);

#endif
