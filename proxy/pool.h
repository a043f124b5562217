/*
 * pool: the mail servers behind the proxy, as one loop sees them: which are well, how many
 * connections each has, and which gets the next one: of those that are well, the one with the fewest
 * connections for its weight; one on standby only when no other is well. Each has a probe of its own.
 * Without knowledge to the contrary a server is taken to be well, and when none is, all are tried.
 *
 * Counted: a member that was taken keeps its pool's memory until it is left, also when a reload has
 * put another pool in its place. One loop; connections of other loops are not seen.
 */
#ifndef POSTERN_PROXY_POOL_H
#define POSTERN_PROXY_POOL_H

#include "proxy/probe.h"

struct pool;
struct pool_member;

/*
 * The servers of the configuration, which is held. before: the pool that this one replaces, or NULL;
 * what is known of servers that are in both stays known. Fails when a host's name has no address.
 */
struct pool *pool_new(
    struct event_base *base, struct config *config, const struct pool *before, struct err *e);
/* Ends its probes. */
void pool_free(struct pool **pool);
bool pool_empty(const struct pool *pool);
/* Calls told(owner) from the loop, once, when each server has answered or failed to. */
void pool_tell(struct pool *pool, void (*told)(void *owner), void *owner);
/* What all that are well can do; when none is well, all that were ever reached. */
struct abilities pool_abilities(const struct pool *pool);

/* tried: a set of the members that were taken already; NULL: there is no other. */
struct pool_member *pool_take(struct pool *pool, uint32_t *tried);
void pool_leave(struct pool_member **member);
const struct backend_target *pool_target(const struct pool_member *member);
struct tls_client *pool_tls(const struct pool_member *member);
/* A connection was answered by it with these; or could not be made. */
void pool_learn(struct pool_member *member, const struct abilities *abilities);
void pool_failed(struct pool_member *member, const char *why);

#endif
