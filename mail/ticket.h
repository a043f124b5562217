/*
 * ticket: a permission that can be carried by anybody: that what was refused as entry `id` of the journal may be
 * let in, for one recipient (or all), until a moment. It is signed (HMAC-SHA256) with a key that only we have, so
 * that nobody else can make one, or change one; it is a secret of whoever it was sent to. As text it has letters, digits,
 * `-`, `_` and `.` only, so that it stands in an address of the web and on a command line as it is. Pure.
 */
#ifndef POSTERN_MAIL_TICKET_H
#define POSTERN_MAIL_TICKET_H

#include "base/arena.h"
#include "base/buf.h"

#define TICKET_KEY_LEAST 32 /* octets */
#define TICKET_MAX 1024     /* octets of one as text */

struct ticket {
	struct str id;
	struct str recipient; /* empty: all of the entry's */
	int64_t until;        /* wall seconds */
};

/* Appends it as text. False: it does not fit. */
bool ticket_write(const struct ticket *t, struct str key, struct buf *out);
enum ticket_state {
	TICKET_GOOD,
	TICKET_NONE,   /* the text is none */
	TICKET_FORGED, /* it is not signed with this key */
	TICKET_EXPIRED,
};

/* now: wall seconds. *out is filled if it is GOOD or EXPIRED; memory of arena. key: TICKET_KEY_LEAST octets or more. */
enum ticket_state ticket_read(
    struct str text, struct str key, int64_t now, struct arena *arena, struct ticket *out);

#endif
