/*
 * proxy_front: the SMTP proxy of one loop: its listeners, its clients and their limits, what is known
 * of the MTA. The dialogue with a client is smtp_server's; verdicts are the gate's.
 *
 * Limits are those of the whole worker (limits.h). Trusted clients are held to `sessions` only.
 *
 * While too much waits for the db thread (db_full()), no connection is accepted and no command is run; a
 * message that is coming in, and what the MTA is at, go on.
 */
#ifndef POSTERN_PROXY_PROXY_FRONT_H
#define POSTERN_PROXY_PROXY_FRONT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct gate;
struct limits;
struct listen;
struct proxy_front;
struct slots;

/*
 * On the gate's loop and under its configuration, whose mail servers slots must know; limits and slots: all fronts',
 * borrowed. Fails when the backend's name has no address.
 */
struct proxy_front *proxy_front_new(
    struct gate *gate, struct limits *limits, struct slots *slots, struct err *e);
/* fd: bound, listening, nonblocking; taken over if this succeeds. how: copied. */
bool proxy_front_listen(struct proxy_front *front, int fd, const struct listen *how, struct err *e);
void proxy_front_stop_accepting(struct proxy_front *front);
size_t proxy_front_sessions(const struct proxy_front *front);
/* Sessions are running short (limits_stressed()): clients get less time. */
bool front_stressed(const struct proxy_front *front);
/* Idle clients get 421 at once, the others when their transaction is over. */
void proxy_front_drain(struct proxy_front *front);
/* Time is up: everybody gets 421, whatever they are at. */
void proxy_front_dismiss(struct proxy_front *front);
/* After gate_reload(): new sessions get the new backend and limits. */
void proxy_front_reload(struct proxy_front *front);
/* Closes what is still open. Before gate_free(). */
void proxy_front_free(struct proxy_front **front);

#endif
