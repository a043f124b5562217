/*
 * limits: what all loops of a worker count together, so that a limit holds for the process and not
 * for each of its loops: sessions in all, of a client and of a network (peers.h), and what messages
 * hold (spool.h). And stress: whether sessions are running short, in which case the
 * fronts give less time. Made by the worker; any thread may call; no locks. Never fails.
 *
 * What may be is the configuration's to say, which is passed each time: a reload changes it. Sessions are those
 * of the proxy front; how many a milter has is the MTA's to say.
 */
#ifndef POSTERN_PROXY_LIMITS_H
#define POSTERN_PROXY_LIMITS_H

#include "proxy/peers.h"
#include "proxy/spool.h"
#include "rules/config.h"

struct limits;

struct limits *limits_new(void);
/* No loop uses it any more. */
void limits_free(struct limits **limits);

/* Counts a session in, unless there are `sessions` already. */
bool limits_enter(struct limits *limits, const struct config_core *core);
void limits_leave(struct limits *limits, const struct config_core *core);
size_t limits_sessions(const struct limits *limits);

/*
 * From `stress_sessions` percent of `sessions` on, until there are an eighth less than that. The log
 * has a line at each change.
 */
bool limits_stressed(const struct limits *limits);

/*
 * The most memory that a worker of this configuration takes, in octets, whatever its clients do; what it is
 * made of stands in limits.c, and in words in docs/limits.md.
 */
struct limits_ceiling {
	uint64_t fixed;    /* whatever the number of sessions */
	uint64_t session;  /* each */
	uint64_t sessions; /* how many */
	uint64_t held;     /* by messages in memory */
	uint64_t total;
};
struct limits_ceiling limits_ceiling(const struct config_core *core);

struct peers *limits_peers(struct limits *limits);
struct spool_total *limits_held(struct limits *limits);

#endif
