/*
 * backend: our side of one connection to the MTA: connecting, handing over the client's identity
 * (XCLIENT or the PROXY protocol), commands and their replies one at a time, the octets of a message.
 * It knows what a reply is, not what it means for a client: that is its owner's.
 *
 * Nothing the MTA does can hurt: a reply that is not one, octets that nobody asked for, silence
 * and the end of the connection all arrive as BACKEND_LOST. After that, and whenever backend_usable()
 * says no, the link can only be freed. on() is called from the loop only, never inside a call of the
 * owner's, and the owner may free the link in it. One loop.
 *
 * With STARTTLS configured, nothing but EHLO and STARTTLS itself is said before the handshake, and
 * nothing that was heard before it counts. Where it is opportunistic, a handshake that fails is followed
 * by a new connection in the clear; where it is not, what cannot be secured is lost.
 *
 * With XCLIENT configured, an MTA that does not offer it to us is as good as lost: it would
 * take every stranger for ourselves, whom it trusts.
 */
#ifndef POSTERN_PROXY_BACKEND_H
#define POSTERN_PROXY_BACKEND_H

#include <netinet/in.h>

#include "mail/session.h"
#include "proxy/abilities.h"
#include "rules/config.h"

struct event_base;
struct backend_link;
struct tls_client;

#define BACKEND_ADDRESSES 4
#define BACKEND_OUTPUT_MAX (128 * 1024) /* stop writing a message while so much is unsent */

/* Where the MTA is: `backend` of the configuration with its name resolved. */
struct backend_target {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} address[BACKEND_ADDRESSES]; /* tried in this order */
	size_t n;
	enum handoff handoff;
	enum starttls starttls;
	bool lmtp;
	char name[256];  /* for which its certificate has to be */
	char label[288]; /* host and port, fit for a log */
};

enum backend_event {
	BACKEND_READY,   /* it knows us and the client: commands can be sent */
	BACKEND_REPLY,   /* to the command or the message: backend_reply() */
	BACKEND_DRAINED, /* more of the message can be written */
	BACKEND_LOST,    /* backend_why() */
};

struct backend_order {
	struct event_base *base;
	const struct backend_target *target; /* copied */
	const struct config_core *core;      /* must outlive the link */
	struct tls_client *tls;              /* NULL if starttls is off; counted */
	const struct session *session;       /* on whose behalf; NULL: only our own (a probe) */
	void (*on)(void *owner, enum backend_event event);
	void *owner;
};

/* Resolves the host, which may block if it is a name: at start and reload only. */
bool backend_target_find(struct backend_target *target, const struct backend *conf, struct err *e);

struct backend_link *backend_open(const struct backend_order *order);
/* Says QUIT when nothing is under way, and closes. */
void backend_free(struct backend_link **link);
bool backend_usable(const struct backend_link *link);
/*
 * A link that was one client's can be another's: XCLIENT makes the MTA forget the first, once no transaction is open
 * there (RSET). That holds only while nothing has gone wrong on it, nobody has authenticated himself, the connection is
 * secured if it has to be, the MTA offers XCLIENT as it did at first, and the link is not worn out.
 */
#define BACKEND_TRANSACTIONS 100 /* of one link that changes clients */
bool backend_reusable(const struct backend_link *link);
/*
 * Takes it from its client: of the order, on, owner and core count. After idle_ms it is BACKEND_LOST, as when the MTA ends
 * it. In the meantime commands can be given.
 */
void backend_park(struct backend_link *link, const struct backend_order *order, int64_t idle_ms);
/* Gives it to a client: BACKEND_READY follows, or BACKEND_LOST. */
void backend_resume(struct backend_link *link, const struct backend_order *order);

/*
 * A client has said AUTH on it: it is that client's for good, and no link to another server can
 * take its place.
 */
bool backend_bound(const struct backend_link *link);
/* What the MTA offered in this very session. */
const struct abilities *backend_abilities(const struct backend_link *link);
/*
 * It speaks LMTP (RFC 2033): as it answers a message once for each recipient, and a client hears one
 * answer, the owner gives it messages for one recipient only.
 */
bool backend_lmtp(const struct backend_link *link);
/* Valid until the next command. */
const struct reply *backend_reply(const struct backend_link *link);
/* It was lost because nothing could be connected, whoever the client is. */
bool backend_unreachable(const struct backend_link *link);
/* Why it was lost, fit for a log: escaped. */
const char *backend_why(const struct backend_link *link);

/*
 * command: without CRLF; printable ASCII only, or UTF-8 to an MTA that offered SMTPUTF8; anything
 * else is our fault: panic. BACKEND_REPLY follows.
 */
void backend_command(struct backend_link *link, struct str command);
/*
 * The same for AUTH and for what the client says in its dialogue, of which nothing stays in memory. While the MTA
 * waits for the client (334), nothing else can be said, and the link waits as long as the owner lets it.
 * backend_idle() has to say yes: a keepalive may be under way.
 */
void backend_auth(struct backend_link *link, struct str line);
bool backend_idle(const struct backend_link *link);
/* XCLIENT: the MTA takes LOGIN; it was told the account of the session. */
bool backend_login_offered(const struct backend_link *link);
bool backend_login_told(const struct backend_link *link);
/*
 * A transaction is open there, or the client is authenticated: the link is kept alive by NOOP,
 * however long the client takes.
 * Otherwise it is given up after half a minute of silence.
 */
void backend_hold(struct backend_link *link, bool hold);

/* After a 354: the message's octets in wire form (mail/eod.h writes them), then the end. */
void backend_stream(struct backend_link *link);
void backend_write(struct backend_link *link, struct str octets);
size_t backend_unsent(const struct backend_link *link);
/*
 * Without asking first: the message as one chunk of n octets (BDAT, RFC 3030), which are then
 * written as they are. True: now; false: after the next BACKEND_DRAINED.
 */
bool backend_chunk(struct backend_link *link, uint64_t n);
/* The last octets (the final dot) are written: BACKEND_REPLY follows. */
void backend_end(struct backend_link *link);

#endif
