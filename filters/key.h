/*
 * key: the names under which stages keep things in the store. Keys are made of text that strangers
 * chose, so each has a greatest length; what is longer ends in the SHA-256 of all of it, and two
 * different keys stay different. Pure; memory is the arena's.
 */
#ifndef POSTERN_FILTERS_KEY_H
#define POSTERN_FILTERS_KEY_H

#include "base/addr.h"
#include "base/arena.h"

#define KEY_MAX 200

/* The key itself, or, when it is longer than KEY_MAX, its beginning, "~" and a digest of it all. */
struct str key_bound(struct arena *arena, struct str key);
/* "192.0.2.0/24", "2001:db8::/64"; "local" for a client without an address. */
struct str key_network(struct arena *arena, const struct ip *ip, int64_t bits4, int64_t bits6);

/*
 * The counter of failed authentications of a client (an IPv6 client is its /64), or of an account in
 * any case: "auth:failed:client:192.0.2.1", "auth:failed:account:alice".
 */
struct str key_auth_client(struct arena *arena, const struct ip *ip);
struct str key_auth_account(struct arena *arena, struct str account);

#endif
