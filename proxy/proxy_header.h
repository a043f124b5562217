/*
 * proxy_header: the header of the PROXY protocol, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt), by
 * which a proxy in front of us tells whom a connection comes from. Reads octets only; from whom it
 * may come is proxied's. What version 2 adds behind the addresses (TLVs) is skipped. Pure.
 */
#ifndef POSTERN_PROXY_PROXY_HEADER_H
#define POSTERN_PROXY_PROXY_HEADER_H

#include "base/addr.h"

#define PROXY_HEADER_MAX 4096                              /* octets; version 1 has 107 at most */
#define PROXY_HEADER_SIGNATURE STR("\r\n\r\n\0\r\nQUIT\n") /* version 2 begins so */

/* Both ends of a connection. */
struct endpoints {
	struct ip client_ip, server_ip; /* version 0: not known */
	uint16_t client_port, server_port;
};

enum proxy_header {
	PROXY_HEADER_MORE,    /* it goes on behind what is there */
	PROXY_HEADER_WRONG,   /* it is none */
	PROXY_HEADER_CLIENT,  /* the client's connection is told */
	PROXY_HEADER_UNKNOWN, /* there is a client, but its address cannot be told */
	PROXY_HEADER_LOCAL,   /* the proxy speaks for itself, as for a check of our health */
};

/*
 * octets: from the connection's beginning. used: how many of them the header has, when it is
 * complete. e: when it is wrong; fit for a log.
 */
enum proxy_header proxy_header_read(
    struct str octets, struct endpoints *out, size_t *used, struct err *e);

#endif
