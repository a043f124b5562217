/*
 * submission: the mail server that takes what Postern itself writes, and how it is spoken to. A description only: post/submit.h
 * speaks to it. Const after load.
 */
#ifndef POSTERN_MAIL_SUBMISSION_H
#define POSTERN_MAIL_SUBMISSION_H

#include "base/str.h"

struct tls_client;

/* Whether the connection is secured, and who the server has to be then. */
enum submission_tls {
	SUBMISSION_CLEAR,
	SUBMISSION_IF_OFFERED,
	SUBMISSION_TLS,
	SUBMISSION_VERIFY,
};

struct submission {
	const char *host; /* NULL: there is none */
	uint16_t port;
	enum submission_tls tls;
	const char *name; /* VERIFY: for which its certificate has to be; NULL: host */
	const struct tls_client *client; /* unless CLEAR */
	const char *user;                /* NULL: no AUTH */
	struct str password;             /* of it; said over TLS only, or to a loopback address */
	const char *helo;                /* how we call ourselves */
};

#endif
