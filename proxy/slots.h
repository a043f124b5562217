/*
 * slots: what each mail server has from the whole process: connections, so that a limit holds for all loops
 * together, and clients that wait for one. One table for all loops, without locks: servers are added by the
 * worker's main thread only, before a loop can ask for them, and are never removed; the rest are counts that
 * any thread may change. A server that is named again after a reload is the same one.
 */
#ifndef POSTERN_PROXY_SLOTS_H
#define POSTERN_PROXY_SLOTS_H

#include "rules/config.h"

struct slots;
struct slot; /* of one server */

struct slots *slots_new(void);
void slots_free(struct slots **slots);
/* The main thread, before a loop gets this configuration. */
void slots_know(struct slots *slots, const struct config *config);
/* Of a server that is known. */
struct slot *slots_find(const struct slots *slots, const struct backend *backend);

/* One connection more, unless there are `most` already; 0: no limit. */
bool slot_take(struct slot *slot, int64_t most);
void slot_leave(struct slot *slot);
/* More or fewer clients that wait for it; more or fewer of its connections that nobody has. */
void slot_wait(struct slot *slot, int by);
void slot_idle(struct slot *slot, int by);
/* It took a message. */
void slot_delivered(struct slot *slot);

struct slot_counts {
	int64_t connections; /* probes and idle ones included */
	int64_t idle, waiting;
	int64_t delivered; /* since start */
};
struct slot_counts slot_counts(const struct slot *slot);

#endif
