/*
 * submit: hands a mail of our own to a mail server, as a submission client does (RFC 6409): STARTTLS if it is
 * asked for, AUTH PLAIN if there is a password, an empty sender, one recipient. Waits; not for a loop.
 */
#ifndef POSTERN_POST_SUBMIT_H
#define POSTERN_POST_SUBMIT_H

#include "post/wire.h"

enum submit_tls { SUBMIT_CLEAR, SUBMIT_IF_OFFERED, SUBMIT_TLS, SUBMIT_VERIFY };

struct submit_server {
	const char *host;
	uint16_t port;
	enum submit_tls tls;
	const char *name;                /* VERIFY: for which its certificate has to be */
	const struct tls_client *client; /* unless CLEAR */
	const char *user;                /* NULL: no AUTH */
	struct str password;             /* of it; said over TLS only, or to a loopback address */
	const char *helo;                /* how we call ourselves */
};

struct submit_mail {
	struct str from; /* of the envelope; empty: <> */
	struct str to;
	struct str octets; /* lines ended by CR LF */
};

/*
 * True: the server has taken it. forever: it was refused for good, so that trying again is of no use. e has the
 * server's words, escaped.
 */
bool submit(const struct submit_server *server, const struct submit_mail *mail,
    const struct wire_limit *limit, bool *forever, struct err *e);

#endif
