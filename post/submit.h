/*
 * submit: hands a mail of our own to a mail server, as a submission client does (RFC 6409): STARTTLS if it is
 * asked for, AUTH PLAIN if there is a password, an empty sender, one recipient. Waits; not for a loop.
 */
#ifndef POSTERN_POST_SUBMIT_H
#define POSTERN_POST_SUBMIT_H

#include "mail/letter.h"
#include "mail/submission.h"
#include "post/wire.h"

struct submit_mail {
	struct str from; /* of the envelope; empty: <> */
	struct str to;
	struct str octets; /* lines ended by CR LF */
};

/*
 * True: the server has taken it. forever: it was refused for good, so that trying again is of no use. e has the
 * server's words, escaped.
 */
bool submit(const struct submission *server, const struct submit_mail *mail,
    const struct wire_limit *limit, bool *forever, struct err *e);

/* The same for a letter: from an empty sender, under an id of its own (letter->id is not looked at). */
bool submit_letter(const struct submission *server, const struct letter *letter,
    const struct wire_limit *limit, bool *forever, struct err *e);

#endif
