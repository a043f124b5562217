/*
 * probe: learns what the MTA can do, so that a client can be greeted and answered before the MTA is
 * connected on its behalf. Asks at start, at intervals, and soon again while the MTA is away; what
 * sessions learn on their way is told here too. Says in the log when the MTA goes and comes back.
 * What was learnt stays while the MTA is away. One whose connections are all in use is not asked: its sessions
 * tell how it is. One loop; never fails.
 */
#ifndef POSTERN_PROXY_PROBE_H
#define POSTERN_PROXY_PROBE_H

#include "proxy/backend.h"
#include "proxy/slots.h"

struct probe;

struct probe_plan {
	struct event_base *base;
	const struct backend_target *target; /* copied */
	const struct config_core *core;
	struct tls_client *tls;
	struct slot *slot;
	int64_t
	    connections; /* the most that the server may have, of which ours is one; 0: any number */
};

/*
 * Starts asking. What the plan names must live until probe_free(). before: what is known of the same server;
 * NULL: nothing.
 */
struct probe *probe_new(const struct probe_plan *plan, const struct probe *before);
/* Calls told(owner) from the loop after each answer, and each failure to get one. */
void probe_tell(struct probe *probe, void (*told)(void *owner), void *owner);
void probe_free(struct probe **probe);
const struct abilities *probe_abilities(const struct probe *probe);
/* The last time it could not be reached, or did not answer as an MTA does. */
bool probe_away(const struct probe *probe);
/* A session could not connect. */
void probe_failed(struct probe *probe, const char *why);
/* A session was answered by the MTA with these. */
void probe_learn(struct probe *probe, const struct abilities *abilities);

/* How it is, and since when. */
struct probe_news {
	bool known; /* it has answered, or failed to */
	bool away;
	int64_t since_ms;    /* wall: it is like that; 0: not known */
	int64_t answered_ms; /* wall: it last answered; 0: never */
	const char *why;     /* away: what happened, escaped; good until the next event */
};
struct probe_news probe_news(const struct probe *probe);

#endif
