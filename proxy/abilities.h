/*
 * abilities: what an MTA says it can do in its answer to EHLO (RFC 5321 4.1.1.1), as far as it
 * matters to us, and what we offer to our own clients in ours. What is not in the struct is never
 * offered: an extension that Postern does not carry would be a lie. Pure.
 */
#ifndef POSTERN_PROXY_ABILITIES_H
#define POSTERN_PROXY_ABILITIES_H

#include "mail/extension.h"
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
	bool known;          /* the MTA was reached at least once */
	bool esmtp;          /* it answered EHLO, not only HELO */
	bool size;           /* RFC 1870 */
	uint64_t size_max;   /* 0: it names no limit */
	bool pipelining;     /* RFC 2920 */
	bool starttls;       /* RFC 3207 */
	bool chunking;       /* RFC 3030 */
	unsigned extensions; /* set of enum extension (mail/extension.h) */
	char by_least[10];   /* DELIVERBY's shortest time, "" none */
	char priorities[33]; /* MT-PRIORITY's profile, "" none */
	char auth[401];      /* mechanisms that can be relayed, with blanks between */
	uint64_t rcpt_max;   /* LIMITS (RFC 9422); 0: it names none */
	unsigned xclient;    /* set of enum xclient_attribute; 0: not offered */
};

/* From the MTA's complete 250 to EHLO. */
struct abilities abilities_read(const struct reply *reply);
/* What both can do. */
struct abilities abilities_common(const struct abilities *a, const struct abilities *b);

/* Our own part of an answer to EHLO. */
struct offer {
	const char *hostname;
	uint64_t size_max; /* octets of a message */
	uint64_t rcpt_max; /* recipients of a message */
	/* what is ours alone, ended by NULL; NULL: nothing */
	const char *const *ours;
};

/*
 * The whole answer to a client's EHLO: what both we and the MTA carry, with the smaller of both
 * limits, and what is ours alone.
 */
void abilities_write(const struct abilities *mta, const struct offer *offer, struct buf *out);

/* In one line, for a person: "SIZE 1000 8BITMIME XCLIENT"; nothing if it was never reached. */
void abilities_text(const struct abilities *a, struct buf *out);

#endif
