/*
 * milter_front: sessions that come from an MTA through libmilter. This is the loop's side: it takes
 * the frames of the milter process (milter_link.h), fills sessions with them, asks the gate, and
 * answers where a verdict is due. It never sees libmilter.
 *
 * While a decision waits, nothing more is read from that link, so events keep their order. A link
 * that breaks ends its session; the other side tells the MTA to tempfail.
 */
#ifndef POSTERN_PROXY_MILTER_FRONT_H
#define POSTERN_PROXY_MILTER_FRONT_H

#include "proxy/gate.h"

struct limits;
struct milter_front;

/* limits: all fronts', borrowed. */
struct milter_front *milter_front_new(struct gate *gate, struct limits *limits);
/* fd: bound, listening, not blocking; shared by the loops, and not closed here. */
bool milter_front_listen(struct milter_front *front, int fd, struct err *e);
void milter_front_stop_accepting(struct milter_front *front);
size_t milter_front_sessions(const struct milter_front *front);
/* Sessions between two messages end at once, the others after their message. */
void milter_front_drain(struct milter_front *front);
/* Closes what is open. */
void milter_front_free(struct milter_front **front);

#endif
