/*
 * received: what Postern puts in front of a message that it lets in: the Received field (RFC 5321
 * 4.4), the Authentication-Results it is given, and the fields that rules added; and which parts of
 * the message's own header stay behind: fields that claim to be our Authentication-Results (RFC 8601
 * 5). Everything else of the message goes on octet for octet. Pure.
 */
#ifndef POSTERN_PROXY_RECEIVED_H
#define POSTERN_PROXY_RECEIVED_H

#include "base/buf.h"
#include "mail/session.h"

/* A part of the message that is not sent on: [from, to). */
struct hole {
	uint64_t from, to;
};

struct holes {
	struct hole *hole; /* ascending */
	size_t n;
};

/* The Received field, ending in CRLF. now: wall seconds. */
void received_write(const struct session *s, int64_t now, struct buf *out);
/* A field of the rules, ending in CRLF: its value on one line, printable ASCII only. */
void received_added(const struct added_field *field, struct buf *out);
/* The forged fields of the message's header. Memory of the transaction. */
struct holes received_forged(const struct session *s, const char *authserv_id);

#endif
