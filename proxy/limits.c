#include "proxy/limits.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/die.h"
#include "base/log.h"
#include "db/backlog.h"
#include "mail/session.h"
#include "proxy/io.h"

#define KIB(n) ((uint64_t)(n) << 10)
#define MIB(n) ((uint64_t)(n) << 20)

/* An arena takes its limit, and is looked at after a step: a last block, and what the step takes. */
#define BLOCK KIB(64)
#define CONN_MOST (SESSION_CONN_LIMIT + BLOCK + KIB(64))
/* The answers of the DNS that are under way when it is found full, and the fields of a header. */
#define TXN_MOST (SESSION_TXN_LIMIT + BLOCK + KIB(512) + KIB(128))
/* Towards the client and towards the MTA, with what is read or written at once. */
#define BUFFERS (4 * (IO_INPUT_MAX + IO_OUTPUT_LOW))
#define TLS KIB(128)    /* both sides */
#define FIELDS KIB(256) /* those that go in front of a message */
#define STAGES KIB(192) /* what libraries keep of it beside its header */
#define ITSELF KIB(64)  /* the structs, the window of a file */
/* Copies of a header: while it comes in, for the rules, for the library that verifies signatures. */
#define HEADERS 4

#define WORKER MIB(96) /* program, libraries, both databases, counters of peers */
#define A_LOOP MIB(64) /* the resolver's caches, memory of a pass of the rules */

struct limits {
	_Atomic size_t sessions;
	_Atomic bool stressed;
	struct spool_total held;
	struct peers *peers;
};

struct limits *
limits_new(void)
{
	struct limits *limits = xcalloc(1, sizeof(*limits));

	limits->peers = peers_new();
	return limits;
}

void
limits_free(struct limits **limits)
{
	struct limits *l = *limits;

	if (l == NULL)
		return;
	peers_free(&l->peers);
	free(l);
	*limits = NULL;
}

/* Between the two marks it stays as it is, so that it does not flutter. */
static void
look_for_stress(struct limits *l, const struct config_core *core, size_t sessions)
{
	uint64_t high = (uint64_t)(core->sessions * core->stress_sessions + 99) / 100;
	bool on = high > 0 && sessions >= high;
	bool off = high == 0 || sessions < high - high / 8;
	bool before = on ? false : true;

	if (on == off || !atomic_compare_exchange_strong(&l->stressed, &before, on))
		return;
	if (on)
		log_warn(NULL,
		    "event=stress state=on sessions=%zu of=%lld: clients get less time until there are fewer",
		    sessions, (long long)core->sessions);
	else
		log_info(NULL, "event=stress state=off sessions=%zu of=%lld", sessions,
		    (long long)core->sessions);
}

bool
limits_enter(struct limits *limits, const struct config_core *core)
{
	size_t sessions = atomic_fetch_add(&limits->sessions, 1) + 1;

	if (sessions > (size_t)core->sessions) {
		atomic_fetch_sub(&limits->sessions, 1);
		return false;
	}
	look_for_stress(limits, core, sessions);
	return true;
}

void
limits_leave(struct limits *limits, const struct config_core *core)
{
	size_t sessions = atomic_fetch_sub(&limits->sessions, 1);

	require(sessions > 0);
	look_for_stress(limits, core, sessions - 1);
}

size_t
limits_sessions(const struct limits *limits)
{
	return atomic_load(&limits->sessions);
}

bool
limits_stressed(const struct limits *limits)
{
	return atomic_load_explicit(&limits->stressed, memory_order_relaxed);
}

struct peers *
limits_peers(struct limits *limits)
{
	return limits->peers;
}

struct spool_total *
limits_held(struct limits *limits)
{
	return &limits->held;
}

struct limits_ceiling
limits_ceiling(const struct config_core *core)
{
	long loops = core->threads > 0 ? (long)core->threads : sysconf(_SC_NPROCESSORS_ONLN);
	struct limits_ceiling c = {
		.fixed = WORKER + (uint64_t)(loops > 0 ? loops : 1) * A_LOOP + BACKLOG_OCTETS,
		.session = CONN_MOST + TXN_MOST + BUFFERS + TLS + FIELDS + STAGES + ITSELF +
		    HEADERS * (uint64_t)core->header_size,
		.sessions = (uint64_t)core->sessions,
		.held = (uint64_t)core->memory_held,
	};

	c.total = c.fixed + c.session * c.sessions + c.held;
	return c;
}
