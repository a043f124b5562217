/*
 * redis_link: a loop's own connection to the shared store. Questions go out pipelined, all of one turn of the loop in one
 * write, and their answers come back in order; nobody waits longer than the configured time, whatever Redis does. From the
 * first that got no answer in time, or a connection that broke, the link is away: questions are turned down at once, until Redis has answered
 * some probes in time again. Reconnects by itself, by way of the Sentinels if there are.
 *
 * On one loop; the health that all loops of a process share makes its log say each change once. Whatever the server says is bounded and
 * checked; what is not as it should be ends the connection, never the process.
 */
#ifndef POSTERN_DB_REDIS_LINK_H
#define POSTERN_DB_REDIS_LINK_H

#include <stdatomic.h>

#include "db/redis.h"
#include "db/store.h"

struct event_base;
struct redis_link;

struct redis_health {
	_Atomic size_t away; /* links that are */
};

/* A question on its way; its owner's memory, from redis_link_send() until done(). */
struct redis_errand {
	struct store_ask ask;
	int64_t now;     /* wall seconds */
	int64_t sent_us; /* the link's own */
	/* Called from the loop, never from within a call of the link's. */
	void (*done)(struct redis_errand *errand, bool ok);
	struct redis_errand *next; /* the link's own */
};

/* settings and health outlive it. Begins to connect. */
struct redis_link *redis_link_new(
    struct event_base *base, const struct redis_settings *settings, struct redis_health *health);
/* Questions that are out are dropped without done(). Not from within done(). */
void redis_link_free(struct redis_link **link);
/*
 * Takes the errand, whose done() will be called. False: the link is away, or has too much to do; the errand stays the
 * caller's, and nothing was sent. A question whose errand failed may have been carried out all the same.
 */
bool redis_link_send(struct redis_link *link, struct redis_errand *errand);

#endif
