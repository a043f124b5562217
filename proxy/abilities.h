/*
 * abilities: what an MTA says it can do in its answer to EHLO (RFC 5321 4.1.1.1), as far as it
 * matters to us, and what we offer to our own clients in ours. What is not in the struct is never
 * offered: an extension that Postern does not carry would be a lie. Pure.
 */
#ifndef POSTERN_PROXY_ABILITIES_H
#define POSTERN_PROXY_ABILITIES_H

#include "mail/reply.h"

/* Attributes of XCLIENT that we can give. */
enum xclient_attribute {
	XCLIENT_NAME = 1 << 0,
	XCLIENT_ADDR = 1 << 1,
	XCLIENT_PORT = 1 << 2,
	XCLIENT_PROTO = 1 << 3,
	XCLIENT_HELO = 1 << 4,
	XCLIENT_LOGIN = 1 << 5,
	XCLIENT_REVERSE_NAME = 1 << 6,
	XCLIENT_DESTADDR = 1 << 7,
	XCLIENT_DESTPORT = 1 << 8,
};

struct abilities {
	bool known;        /* the MTA was reached at least once */
	bool esmtp;        /* it answered EHLO, not only HELO */
	bool size;         /* RFC 1870 */
	uint64_t size_max; /* 0: it names no limit */
	bool eightbit;     /* 8BITMIME, RFC 6152 */
	bool pipelining;   /* RFC 2920 */
	unsigned xclient;  /* set of enum xclient_attribute; 0: not offered */
};

/* From the MTA's complete 250 to EHLO. */
struct abilities abilities_read(const struct reply *reply);
/*
 * The whole answer to a client's EHLO: hostname, then what both we and the MTA carry, then one
 * that is ours alone (NULL: none).
 */
void abilities_write(const struct abilities *mta, const char *hostname, uint64_t size_max,
    const char *ours, struct buf *out);

#endif
