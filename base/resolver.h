/*
 * resolver: asks the DNS through libunbound's event interface, on the event base of one loop; used
 * by that loop only. Every lookup has a deadline of its own, whatever libunbound does meanwhile.
 * The cache, DNSSEC and recursion are libunbound's. In forward mode every name goes to the
 * forwarder (libunbound's built-in local zones are removed), and nothing is validated.
 *
 * Each question that is out takes a descriptor and some 16 KiB. A resolver uses at most 8192 at
 * a time, and at most half of the descriptors that the process may have (raise RLIMIT_NOFILE
 * first); the other questions wait, and their deadlines run.
 *
 * A lookup belongs to the caller and must stay where it is, with its name and arena, until it is
 * done or cancelled. An answer at hand is given back in the call itself; otherwise done() is
 * called from the loop, never from within resolver_start(). done() may start other lookups, free
 * this one, or free the resolver.
 */
#ifndef POSTERN_BASE_RESOLVER_H
#define POSTERN_BASE_RESOLVER_H

#include "base/dns.h"
#include "base/err.h"

struct event;
struct event_base;
struct resolver;

struct resolver_settings {
	bool forward;  /* else: recursion from the root */
	char host[64]; /* of the forwarder: an address */
	uint16_t port;
	unsigned deadline_ms;   /* for one question; default 5000 */
	char trust_anchor[256]; /* file of the root's key; empty: no validation */
};

struct lookup {
	struct str name;               /* in; must outlive the lookup */
	enum dns_type type;            /* in */
	struct arena *arena;           /* in: where the answer is put */
	void (*done)(struct lookup *); /* in */
	void *owner;                   /* in: for done() */
	struct dns_answer answer;      /* out */
	/* the resolver's own: */
	struct resolver *resolver;
	struct lookup *next, *prev; /* of those waiting */
	struct event *deadline;
	int id;
	bool waiting;
	bool inside; /* resolver_start() has not returned yet */
};

struct resolver_counts {
	uint64_t asked, at_hand, timeouts, failures;
};

struct resolver *resolver_new(
    struct event_base *base, const struct resolver_settings *settings, struct err *e);
/* Cancels whatever is still waiting. */
void resolver_free(struct resolver **resolver);
/* True: lookup->answer is filled and done() will not be called. False: done() will be. */
bool resolver_start(struct resolver *resolver, struct lookup *lookup);
/* After this done() is not called. Does nothing to a lookup that is not waiting. */
void resolver_cancel(struct lookup *lookup);
struct resolver_counts resolver_counts(const struct resolver *resolver);

#endif
