/*
 * shared_resolver: a resolver and how many use it: the gate of its loop, and each session that began
 * with it. After a reload with other settings the old one lives until its last session is over.
 * One loop.
 */
#ifndef POSTERN_PROXY_SHARED_RESOLVER_H
#define POSTERN_PROXY_SHARED_RESOLVER_H

#include "base/resolver.h"
#include "rules/config.h"

struct shared_resolver {
	struct resolver *resolver;
	struct resolver_settings settings;
	size_t users;
};

/* As the configuration says; counted once for the caller. NULL and e when it cannot be. */
struct shared_resolver *shared_resolver_new(
    struct event_base *base, const struct config *config, struct err *e);
struct shared_resolver *shared_resolver_use(struct shared_resolver *shared);
void shared_resolver_release(struct shared_resolver **shared);
/* Would a new one be the same? */
bool shared_resolver_suits(const struct shared_resolver *shared, const struct config *config);

#endif
