/*
 * peers: how many connections each client has at one loop. A client is an IPv4 address or an IPv6
 * /64 network, for that is what one machine is given. Bounded by the loop's limit on sessions. One
 * loop; never fails.
 */
#ifndef POSTERN_PROXY_PEERS_H
#define POSTERN_PROXY_PEERS_H

#include "base/addr.h"

struct peers;

struct peers *peers_new(void);
void peers_free(struct peers **peers);
/* Counts a connection in; returns how many there are now. */
size_t peers_enter(struct peers *peers, const struct ip *ip);
void peers_leave(struct peers *peers, const struct ip *ip);

#endif
