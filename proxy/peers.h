/*
 * peers: how many connections each client and each network has, and what each client did in the last
 * minute, for the whole worker. A client is an IPv4 address or an IPv6 /64 network, for that is
 * what one machine is given; what a network is, the caller says.
 *
 * Shared by all loops without a lock: tables of atomic counters of a fixed size (10 MiB of addresses,
 * of which only what was touched takes memory), several rows of them, in each of which a client has
 * one cell by a keyed hash. The smallest of its cells is its count. Nothing is ever refused room, and
 * nobody can choose addresses that share cells. The error is on one side: a number of connections is
 * never too low, and is too high only for who shares a cell with somebody in every row; of a rate, each
 * loop may let in one too many, when several look at once. Never fails.
 *
 * Exact tables were turned down: they have to be locked, or to say what becomes of who finds no room.
 */
#ifndef POSTERN_PROXY_PEERS_H
#define POSTERN_PROXY_PEERS_H

#include "base/addr.h"

struct peers;

/* Whose counters: to be kept from enter to leave, whatever becomes of the settings meanwhile. */
struct peer {
	uint64_t client, network;
};

/* How many bits of an address are its network. */
struct peer_network {
	unsigned ipv4, ipv6;
};

struct peer_sessions {
	size_t client, network;
};

enum peer_rate { PEER_CONNECTIONS, PEER_MESSAGES, PEER_RECIPIENTS, PEER_ERRORS, PEER_RATES };

/* What a rate may be set to. */
#define PEER_RATE_MOST 1000000

struct peers *peers_new(void);
/* No loop uses it any more. */
void peers_free(struct peers **peers);
struct peer peers_of(
    const struct peers *peers, const struct ip *ip, const struct peer_network *network);
/* Counts a connection in; returns how many there are now. */
struct peer_sessions peers_enter(struct peers *peers, const struct peer *peer);
void peers_leave(struct peers *peers, const struct peer *peer);

/*
 * The last minute is the present one of the clock, and of the one before it the part that is not yet
 * 60 s ago, as if its events had been spread evenly.
 * peers_wait: after how many seconds there will be fewer than `most`; 0: there are. now_us: monotonic.
 * peers_count: the same, and counts one more if there are.
 */
unsigned peers_wait(const struct peers *peers, const struct peer *peer, enum peer_rate rate,
    int64_t most, int64_t now_us);
unsigned peers_count(struct peers *peers, const struct peer *peer, enum peer_rate rate,
    int64_t most, int64_t now_us);

#endif
