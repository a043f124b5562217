/*
 * handoff: how the MTA learns who the client is: the lines of XCLIENT (Postfix's extension) and of
 * the PROXY protocol. Makes octets out of a session. Values are encoded, so that no octet
 * of a client's can end the line. Pure.
 */
#ifndef POSTERN_PROXY_HANDOFF_H
#define POSTERN_PROXY_HANDOFF_H

#include "base/buf.h"
#include "mail/session.h"
#include "proxy/proxy_header.h"

#define HANDOFF_PROXY_MAX 128 /* the protocol says 107 */

/* "XCLIENT NAME=... ADDR=...", with those attributes only that the MTA offers (abilities.h). */
void handoff_xclient(const struct session *s, unsigned attributes, struct buf *out);
/*
 * "PROXY TCP4 ...\r\n". A client whose address is not known is 0.0.0.0 or ::, which nobody trusts.
 * UNKNOWN, the protocol's word for a connection of the proxy's own, is not used: Postfix refuses it.
 */
void handoff_proxy(const struct endpoints *ends, struct buf *out);
/* The same in the octets of version 2; NULL: LOCAL, as for a probe. */
void handoff_proxy_v2(const struct endpoints *ends, struct buf *out);

#endif
