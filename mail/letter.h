/*
 * letter: a mail that Postern writes itself, as text for RFC 5322: header fields and a plain text. All that
 * is in it may be a stranger's: no octet of subject or text can end a field or begin another one, and what a
 * terminal or a mail program would obey is shown, not sent (base/escape.h). It says that a program wrote it
 * (RFC 3834), so that nothing answers it. Pure: moment and name of the message are arguments.
 */
#ifndef POSTERN_MAIL_LETTER_H
#define POSTERN_MAIL_LETTER_H

#include "base/buf.h"
#include "base/err.h"

#define LETTER_MAX (1024 * 1024) /* octets of a text */
#define LETTER_SUBJECT_MAX 500   /* octets of a subject; it is cut */

struct letter {
	struct str from, to; /* addresses that letter_address() has taken */
	struct str subject;
	struct str text; /* lines ended by LF */
	struct str id;   /* of the message: letters and digits, with what host it is unique */
	struct str host; /* a domain */
	int64_t now;     /* wall seconds */
};

/*
 * May it stand in a field and in an envelope? "local@domain" in ASCII, no address literal, no quotes: what
 * is sent for us has to pass any mail server.
 */
bool letter_address(struct str address, struct err *e);
/* Appends the message, lines ended by CR LF. False: it did not fit. */
bool letter_write(const struct letter *letter, struct buf *out);
/*
 * A text by strangers made fit for a letter: escaped as for a terminal (base/escape.h), on one line. Returns
 * memory of arena.
 */
struct arena;
struct str letter_clean(struct arena *arena, struct str text);

#endif
