/*
 * pool: the mail servers behind the proxy, as one loop sees them: which are well, how many
 * connections each has, and which gets the next one: of those that take mail for the recipient and are well, the one
 * with the fewest connections for its weight; one on standby only when no other has room. Each has a probe of its own.
 * Without knowledge to the contrary a server is taken to be well, and when none is, all are tried.
 *
 * `connections` of a server holds for the whole process (slots.h). Who finds all servers that would do full waits in
 * the pool's queue, first come first served within a loop, and costs a few octets there; nobody passes those who
 * wait, of whichever loop. Freed connections go to the loop that freed them if no other waits, else to
 * who looks first, which each does every 20 ms.
 *
 * Counted: a member that was taken keeps its pool's memory until it is left, also when a reload has
 * put another pool in its place; so does a quest that waits. One loop.
 */
#ifndef POSTERN_PROXY_POOL_H
#define POSTERN_PROXY_POOL_H

#include "proxy/probe.h"

struct pool;
struct pool_member;

/*
 * The servers of the configuration, which is held; slots must know them and outlive the pool. before: the pool that
 * this one replaces, or NULL; what is known of servers that are in both stays known. Fails when a host's name has
 * no address.
 */
struct pool *pool_new(struct event_base *base, struct config *config, struct slots *slots,
    const struct pool *before, struct err *e);
/* Ends its probes and what is parked. */
void pool_free(struct pool **pool);
bool pool_empty(const struct pool *pool);
/* Calls told(owner) from the loop, once, when each server has answered or failed to. */
void pool_tell(struct pool *pool, void (*told)(void *owner), void *owner);
/* What all that are well can do; when none is well, all that were ever reached. */
struct abilities pool_abilities(const struct pool *pool);

/* The members that take mail for a mailbox (NULL: none in particular): a set, good for this pool only. */
uint32_t pool_route(const struct pool *pool, const struct mailbox *to);
bool pool_serves(const struct pool_member *member, const struct mailbox *to);

struct pool_taken {
	struct pool_member *member;
	struct backend_link *link; /* that had another client: backend_resume(); NULL: open one */
};

/* Somebody's search for a connection: zeroed at its beginning, then only what is the owner's is set. */
struct pool_quest {
	uint32_t wanted; /* members that will do, each time that it is asked for */
	/* After POOL_WAIT, from the loop: it is taken; or, without a member, time is up or left() said so. */
	void (*got)(void *owner, const struct pool_taken *taken);
	bool (*left)(void *owner); /* he who waits has gone */
	void *owner;
	/* the pool's */
	unsigned serial; /* of the pool in which `tried` was */
	uint32_t tried, waits_for;
	int64_t since_us;  /* monotonic: when it first had to wait; 0: it had not */
	struct pool *pool; /* in whose queue it is */
	struct pool_quest *next, **at;
};

enum pool_answer {
	POOL_TAKEN,
	POOL_WAIT, /* got() will be called */
	POOL_NONE, /* all were tried */
};

enum pool_answer pool_take(struct pool *pool, struct pool_quest *quest, struct pool_taken *taken);
/* Out of the queue, if it is in one. */
void pool_give_up(struct pool_quest *quest);
/* The connection was closed. */
void pool_leave(struct pool_member **member);
/* The client needs it no more; nothing went wrong: parks it, or closes it. dirty: a transaction may be open. */
void pool_keep(struct pool_member **member, struct backend_link **link, bool dirty);
const struct backend_target *pool_target(const struct pool_member *member);
struct tls_client *pool_tls(const struct pool_member *member);
/* A connection was answered by it with these; or could not be made. */
void pool_learn(struct pool_member *member, const struct abilities *abilities);
void pool_failed(struct pool_member *member, const char *why);
/* It took a message. */
void pool_delivered(struct pool_member *member);

/* What is known of one server, for `postern backends`; texts are good until the next turn of the loop. */
struct pool_news {
	const struct backend *conf;
	const char *label;
	struct slot_counts counts;
	struct probe_news health;
	const struct abilities *abilities;
};
size_t pool_size(const struct pool *pool);
struct pool_news pool_news(const struct pool *pool, size_t i);

#endif
