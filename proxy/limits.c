#include "proxy/limits.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/die.h"
#include "base/log.h"

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
