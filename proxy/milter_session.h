/*
 * milter_session: one session of an MTA, as the loop's side of the milter front has it. milter_session.c takes the frames in which its events
 * come and fills the session with them; milter_verdict.c asks the gate, and says what came of it in frames of our own; milter_front.c has the
 * connections and their order. Private to these three.
 */
#ifndef POSTERN_PROXY_MILTER_SESSION_H
#define POSTERN_PROXY_MILTER_SESSION_H

#include "proxy/gate.h"
#include "proxy/milter_link.h"

struct bufferevent;
struct limits;
struct milter_front;

struct milter_session {
	struct milter_front *front;
	struct limits *limits; /* all fronts' */
	struct bufferevent *io;
	struct gate_session *gs;
	struct verdict refused; /* at connect or HELO: told at every MAIL */
	bool refused_helo;      /* at HELO: another one may be let in */
	struct buf header;      /* the header as it arrives */
	struct spool *spool;    /* the message, header included */
	bool header_over;       /* its header is longer than allowed, or the disk is full */
	bool deciding;          /* a frame waits for its verdict */
	enum step step;         /* of that decision */
	bool refusing;          /* it is one of ours, no rule's */
	bool hurry;             /* no question is waited for: the front is being drained */
	struct milter_session *next, **back;
};

/* False: the frame has no business here, and the connection is of no use any more. */
bool milter_session_take(struct milter_session *ms, const struct link_frame *frame);
/* Nothing is left of the message, if there was one. */
void milter_session_reset(struct milter_session *ms);

/* Asks for the verdict of a step: `deciding` until it is there and was told. */
void milter_verdict_begin(struct milter_session *ms, enum step step);
/* Once more, as questions have been answered meanwhile. */
void milter_verdict_resume(struct milter_session *ms);
/* Tells the MTA of a verdict. */
void milter_verdict_tell(struct milter_session *ms, const struct verdict *v);

#endif
