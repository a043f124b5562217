/*
 * milter_talk: what one milter session says to a loop of the worker, and what it is told to do. One connection to the loop (its frames
 * are milter_link.h's), which is made when something is to be said, and made anew for the next message when it broke. Waits, and keeps the MTA patient
 * meanwhile. What libmilter calls, and when, is milter_process.c's business.
 *
 * On whatever thread libmilter has a session, one at a time. When the worker cannot be reached or does not answer in time, the verdict is to tempfail.
 */
#ifndef POSTERN_PROXY_MILTER_TALK_H
#define POSTERN_PROXY_MILTER_TALK_H

#include <libmilter/mfapi.h>

#include "base/buf.h"
#include "proxy/milter_link.h"

/* Texts are the talk's, from malloc(). */
struct milter_talk {
	SMFICTX *ctx;
	int fd;          /* the link; -1: none */
	bool open;       /* a message is under way */
	bool nudged;     /* while this verdict was waited for */
	bool no_reply;   /* the MTA awaits none for the steps without a verdict */
	bool lead_space; /* header values come and go with the blank after the colon */
	struct buf out, in;
	char *name, *ip, *port, *server, *helo; /* told again on a new link */
	char *tls, *cipher, *certificate;       /* likewise; tls NULL: there is none */
};

/* Where all sessions find the loops. Once, before the first session. */
void milter_talk_with(const char *engine_path);

struct milter_talk *milter_talk_new(SMFICTX *ctx);
void milter_talk_free(struct milter_talk **talk);

/* Connects, if there is no connection, and tells what the loop must know of the session so far. */
bool milter_talk_open(struct milter_talk *talk);
/* False: there is no connection, or no longer. */
bool milter_talk_tell(struct milter_talk *talk, const struct link_frame *frame);
/* Tells `helo`, and before it of the TLS that it was said inside of. */
bool milter_talk_helo(struct milter_talk *talk);
/* Waits for a verdict, and does all that comes before it. */
sfsistat milter_talk_verdict(struct milter_talk *talk, int64_t patience_ms);

#endif
