/*
 * io_line: one line off the front of a buffer of input, the same for both dialogues, the client's and the MTA's. Knows no
 * connection: what is pending, and whether more is read, is io.h's. What ends a message is mail/eod.h's alone. On any loop.
 */
#ifndef POSTERN_PROXY_IO_LINE_H
#define POSTERN_PROXY_IO_LINE_H

#include "base/buf.h"

struct evbuffer;

enum io_line {
	IO_LINE_NONE, /* not yet complete */
	IO_LINE,      /* ended by CR LF */
	IO_LINE_BARE, /* ended by LF alone, or a CR or NUL stands in it */
	IO_LINE_LONG, /* over the maximum: its octets are gone */
};

/*
 * Takes a line of at most max octets, its end included, without its end. Nothing of it stays behind in the input: it may be
 * a password. skipping: the input's own, false at first; the rest of a line that is too long is to come.
 */
enum io_line io_line_take(struct evbuffer *input, bool *skipping, size_t max, struct buf *out);

#endif
