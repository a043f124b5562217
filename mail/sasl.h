/*
 * sasl: what of a SASL dialogue (RFC 4422, as SMTP carries it: RFC 4954) can be known to who stands
 * between client and server: whether a name is one of a mechanism, whether a line is base64, and
 * as whom the client authenticates. It proves nothing: that is the server's, and what is learnt here
 * counts only once that has said yes. Passwords pass through its arguments and are not kept. Pure.
 */
#ifndef POSTERN_MAIL_SASL_H
#define POSTERN_MAIL_SASL_H

#include "base/buf.h"

#define SASL_LINE_MAX 12288   /* of base64, its CRLF included (RFC 4954 4) */
#define SASL_MECHANISM_MAX 20 /* RFC 4422 3.1 */
#define SASL_ACCOUNT_MAX 255

/* A-Z, 0-9, hyphen and underscore, in either case; at least one. */
bool sasl_mechanism_ok(struct str name);
/*
 * It works through somebody in between. EXTERNAL does not, which means the certificate of the very
 * connection, nor does what ends in -PLUS, which is bound to it.
 */
bool sasl_relayable(struct str name);
/* Of a list with blanks between, in either case. */
bool sasl_lists(struct str list, struct str name);
/* base64 in whole groups (RFC 4648 4); an empty text is. */
bool sasl_base64_ok(struct str text);
/* out: emptied first. False: it is no base64, or does not fit. */
bool sasl_decode(struct str text, struct buf *out);

struct sasl {
	char mechanism[SASL_MECHANISM_MAX + 1]; /* upper case */
	int row;                                /* of those whose messages are understood; -1 */
	unsigned said;                          /* messages of the client that were not empty */
	bool for_another;                       /* it asks to act as somebody else */
	char account[SASL_ACCOUNT_MAX + 1];     /* as it claims; "" while not known */
};

/* name: sasl_mechanism_ok() */
void sasl_begin(struct sasl *s, struct str name);
/* The next message of the client, decoded. */
void sasl_take(struct sasl *s, struct str message);
/*
 * Whom the server's yes has proven: the identity that authenticated, not the one it wants to act as, which servers
 * may ignore. "" when it cannot be known, also when there was more in the dialogue than belongs to it: then
 * the server may have understood another message than we did. With OAUTHBEARER and
 * XOAUTH2 it is the name that the client gave beside its token, which the server has to compare.
 */
struct str sasl_account(const struct sasl *s);

#endif
