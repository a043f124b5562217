/*
 * handoff: how the MTA learns who the client is: the lines of XCLIENT (Postfix's extension) and of
 * the PROXY protocol, version 1. Makes text out of a session. Values are encoded, so that no octet
 * of a client's can end the line. Pure.
 */
#ifndef POSTERN_PROXY_HANDOFF_H
#define POSTERN_PROXY_HANDOFF_H

#include "base/buf.h"
#include "mail/session.h"

#define HANDOFF_PROXY_MAX 128 /* the protocol says 107 */

/* "XCLIENT NAME=... ADDR=...", with those attributes only that the MTA offers (abilities.h). */
void handoff_xclient(const struct session *s, unsigned attributes, struct buf *out);
/* "PROXY TCP4 ...\r\n"; "PROXY UNKNOWN\r\n" without a session, as for a probe. */
void handoff_proxy(const struct session *s, struct buf *out);

#endif
