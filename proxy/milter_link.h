/*
 * milter_link: the frames that the milter process and a loop exchange over the engine's local
 * socket, one connection a milter session. A frame is its length (4 octets, network order), a type
 * (one octet) and fields, each a length and octets. Both ends are ours, yet each checks every
 * length. Writes and reads memory only.
 */
#ifndef POSTERN_PROXY_MILTER_LINK_H
#define POSTERN_PROXY_MILTER_LINK_H

#include "base/buf.h"

enum link_type {
	/* to the loop */
	LINK_CONNECT = 'C', /* name, ip, port, server ip */
	LINK_TLS = 'T',     /* version, cipher, the name of a verified certificate; before HELO */
	LINK_HELO = 'H',    /* name */
	LINK_MAIL = 'M',    /* path, account, size, mechanism of AUTH; a verdict is due */
	LINK_RCPT = 'R',    /* path, queue id; a verdict is due */
	LINK_UNKNOWN = 'U', /* path: the MTA refuses it */
	LINK_FIELD = 'L',   /* name, value with LF for line ends */
	LINK_EOH = 'N',
	LINK_BODY = 'B', /* octets */
	LINK_END = 'E',  /* queue id; a verdict is due */
	LINK_ABORT = 'A',
	/* to the milter process */
	LINK_DELETE = 'D',  /* name, index (1 is the first of that name) */
	LINK_INSERT = 'F',  /* name, value; at the top */
	LINK_VERDICT = 'V', /* "c" go on, "r" refuse; code, enhanced, text */
};

#define LINK_FIELDS 4
#define LINK_FRAME_MAX (2 * 1024 * 1024) /* libmilter's largest chunk is 1 MiB */

struct link_frame {
	enum link_type type;
	size_t n;
	struct str field[LINK_FIELDS]; /* those that are not there are empty */
};

/* False when it does not fit into out. */
bool link_write(struct buf *out, const struct link_frame *frame);

enum link_read { LINK_WHOLE, LINK_MORE, LINK_BROKEN };

/*
 * Reads a frame from the front of in; its fields point into in. *used is how many octets it took,
 * or with LINK_MORE how many there must be before it is worth asking again.
 */
enum link_read link_read(struct str in, struct link_frame *out, size_t *used);

#endif
