/*
 * tls: what both sides of a TLS connection need before it begins: the server's certificates, of
 * which the client's SNI chooses one, and the authorities that a client believes. It makes OpenSSL's
 * sessions from them and tells afterwards what was agreed on. It moves no octets: that is the
 * connection's (proxy/io.h).
 *
 * The profile is Mozilla's intermediate one: TLS 1.2 and 1.3, forward secrecy only, no
 * renegotiation, nothing cached but in tickets that the client keeps. Certificates and keys
 * are given as text, so no file is opened here but the system's list of authorities.
 *
 * Made by one thread, then const: any thread may make sessions from it. A session holds what it
 * needs of its context; but a server must outlive the handshakes that it began. Failing: a struct
 * err, with OpenSSL's words.
 */
#ifndef POSTERN_BASE_TLS_H
#define POSTERN_BASE_TLS_H

#include "base/err.h"
#include "base/str.h"

struct ssl_st;
struct tls_server;
struct tls_client;

#define TLS_CIPHERS \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:" \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:" \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:" \
	"DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305"

struct tls_settings {
	bool only_13;        /* not even TLS 1.2 */
	const char *ciphers; /* those of TLS 1.2, in OpenSSL's notation */
	struct str ca;       /* authorities, PEM; empty: the system's */
	bool ask_client;     /* server: ask for the client's certificate, and go on without one */
};

/*
 * settings: must live as long as the server. NULL: no context can be made of them; ERR_SYNTAX: because
 * of their ciphers, anything else: because of their authorities.
 */
struct tls_server *tls_server_new(const struct tls_settings *settings, struct err *e);
void tls_server_free(struct tls_server **server);
/* What is to be said about a certificate that was taken. */
struct tls_notice {
	bool expired, not_yet;
};

/*
 * Adds a certificate: PEM, the server's own first, then those that lead to its authority; and its key.
 * The first that is added is for clients that ask for no name, or for none of ours. One for the
 * same names with a key of another kind (RSA, ECDSA) stands beside the other.
 */
bool tls_server_add(struct tls_server *server, struct str chain, struct str key,
    struct tls_notice *notice, struct err *e);
/* Before its handshake. The caller's to give to a connection, or to SSL_free(). */
struct ssl_st *tls_server_session(const struct tls_server *server);

/* Counted once for the caller; fails as above. */
struct tls_client *tls_client_new(const struct tls_settings *settings, struct err *e);
struct tls_client *tls_client_use(struct tls_client *client);
void tls_client_release(struct tls_client **client);
/*
 * name: of the server, told to it unless it is an address. verify: the handshake fails unless its
 * certificate is for that name (or address) and leads to an authority.
 */
struct ssl_st *tls_client_session(const struct tls_client *client, const char *name, bool verify);

/* What a handshake came to. */
struct tls_outcome {
	const char *version, *cipher; /* static: "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
	char peer[256];               /* common name, if its certificate leads to an authority */
	char fingerprint[65];         /* SHA-256 of its certificate in hex; "": it gave none */
};

void tls_outcome(const struct ssl_st *ssl, struct tls_outcome *out);
/*
 * Why a handshake failed: static words. error: OpenSSL's code, 0 when there is none. The peer's
 * certificate comes before the code, which only says that there was something with it.
 */
const char *tls_reason(const struct ssl_st *ssl, unsigned long error);
/* Tells the peer that no more comes, as far as that can be done at once. */
void tls_goodbye(struct ssl_st *ssl);

#endif
