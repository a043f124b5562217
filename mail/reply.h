/*
 * reply: an SMTP reply (RFC 5321 4.2), read from a server or made for a client. Pure.
 */
#ifndef POSTERN_MAIL_REPLY_H
#define POSTERN_MAIL_REPLY_H

#include "base/buf.h"
#include "base/err.h"

#define REPLY_LINE_MAX \
	512 /* RFC 5321 4.5.3.1.5, with CRLF; longer ones are taken, up to a challenge of AUTH */
#define REPLY_LINES_MAX 128

/*
 * A reply as it arrives. raw keeps its octets, all lines with CRLF, so that it can be relayed word
 * for word.
 */
struct reply {
	struct buf raw;
	int code; /* of the last line; 0 while nothing was read */
	size_t lines;
	bool complete;
};

void reply_init(struct reply *r);
void reply_free(struct reply *r);
void reply_clear(struct reply *r);
/*
 * Takes one line (without CRLF). False when it is not a reply line, or its code differs from the
 * lines before, or the reply is too long: the connection is then not to be trusted any more.
 */
bool reply_take(struct reply *r, struct str line, struct err *e);
/* The text of line i, without code and separator. */
struct str reply_line(const struct reply *r, size_t i);
/* The enhanced code (RFC 2034) at the start of the first line's text, or p == NULL. */
struct str reply_enhanced(const struct reply *r);
/* The same of a text that stood behind this code. */
struct str reply_enhanced_of(int code, struct str line);

/*
 * Writes a reply: one line for each "\n"-separated part of text, each with the enhanced code (if
 * not ""). Lines longer than RFC 5321 4.5.3.1.5 are cut into several. Octets that are not printable
 * ASCII become '?'.
 */
void reply_write(struct buf *out, int code, const char *enhanced, struct str text);

#endif
