/*
 * backend_link: the inside of a link to the MTA, for its two halves alone: backend_handshake.c brings it
 * from the connection to the moment when both sides know each other and the client; backend.c has its
 * life before and after.
 */
#ifndef POSTERN_PROXY_BACKEND_LINK_H
#define POSTERN_PROXY_BACKEND_LINK_H

#include "base/buf.h"
#include "proxy/backend.h"
#include "proxy/io.h"

#define LINK_COMMAND_LONGEST 4096

enum link_state {
	LINK_CONNECTING,
	LINK_GREETING, /* waits for 220 */
	LINK_EHLO,     /* waits for the reply to our EHLO */
	LINK_HELO,     /* the same, after a refused EHLO */
	LINK_STARTTLS, /* waits for the reply to STARTTLS */
	LINK_HANDSHAKE,
	LINK_XCLIENT,        /* waits for the new greeting */
	LINK_EHLO_AS_CLIENT, /* waits for the reply to EHLO after XCLIENT */
	LINK_IDLE,
	LINK_COMMAND, /* waits for the reply to the owner's command */
	LINK_AUTH,    /* the same, to one of the dialogue of AUTH */
	LINK_NOOP,    /* waits for the reply to a keepalive */
	LINK_STREAM,  /* after 354 */
	LINK_END,     /* after the final dot: waits for the reply */
	LINK_SPOILED, /* after a last reply that was told, not usable any more */
	LINK_LOST,
};

struct backend_link {
	struct backend_order order;
	struct backend_target target;
	size_t next_address;
	enum link_state state;
	struct io *io;
	struct reply reply;
	struct abilities abilities;
	struct buf queued; /* a command that waits for the keepalive's reply */
	bool queued_chunk; /* and it is a BDAT */
	struct buf line;   /* that is being read */
	bool secured;      /* the handshake was made */
	bool clear;        /* it failed before, and that was no condition */
	bool hold;
	bool bound;         /* to the client that authenticated itself on it */
	bool login_offered; /* an attribute of XCLIENT */
	bool login_told;
	bool faulty;           /* some command was refused */
	unsigned transactions; /* so far */
	unsigned xclient;      /* what it offered before there was a client */
	int64_t idle_ms;       /* parked; 0: it has an owner with a client */
	const char *cannot;    /* why no connection could be tried; NULL: it was */
	bool unreachable;      /* no connection came about */
	bool leave;            /* nothing is wrong: say QUIT */
	char why[256];
};

/* ---- backend.c ---- */

void link_on_io(void *owner, enum io_event event);
void link_lose(struct backend_link *link, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The reply that is there is a no to `what`. */
void link_refused(struct backend_link *link, const char *what);
/* Sends a line, whose reply is awaited in that state. */
void link_send(struct backend_link *link, struct str line, enum link_state state);
/* Both know each other. */
void link_ready(struct backend_link *link);

/* ---- backend_handshake.c ---- */

/* Connects to the next of its addresses. */
void link_connect(struct backend_link *link);
void link_connected(struct backend_link *link);
void link_secured(struct backend_link *link);
/* The TLS handshake came to nothing. */
void link_insecure(struct backend_link *link, const char *why);
/* Says XCLIENT for the client of the order. */
void link_hand_over(struct backend_link *link);
/* A reply in one of its states. */
void link_introduce(struct backend_link *link);

#endif
