/*
 * probe: learns what the MTA can do, so that a client can be greeted and answered before the MTA is
 * connected on its behalf. Asks at start, at intervals, and soon again while the MTA is away; what
 * sessions learn on their way is told here too. Says in the log when the MTA goes and comes back.
 * What was learnt stays while the MTA is away. One loop; never fails.
 */
#ifndef POSTERN_PROXY_PROBE_H
#define POSTERN_PROXY_PROBE_H

#include "proxy/backend.h"

struct probe;

/*
 * Starts asking. core and tls must live until probe_free(). before: what is known of the same server; NULL:
 * nothing.
 */
struct probe *probe_new(struct event_base *base, const struct backend_target *target,
    const struct config_core *core, struct tls_client *tls, const struct probe *before);
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

#endif
