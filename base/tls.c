#include "base/tls.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/addr.h"
#include "base/die.h"

#define GROUPS "X25519:prime256v1:secp384r1"
#define CHAIN_MAX 16   /* certificates in one chain */
#define NAMES_MAX 1000 /* in one certificate */

/* A context for each certificate, or for two with the same names and keys of different kinds. */
struct identity {
	SSL_CTX *ctx;
	char **name; /* lower case; "*.example.org" */
	size_t n_names;
};

struct tls_server {
	const struct tls_settings *settings;
	struct identity *identity;
	size_t n;
};

struct tls_client {
	SSL_CTX *ctx;
	_Atomic unsigned users;
};

/* ---- errors ---- */

static const char *
reason_words(unsigned long error)
{
	const char *words = ERR_reason_error_string(error);

	return words ? words : "unknown error";
}

/* The first error says the most; the rest is how it went through the library. */
static bool
refuse(struct err *e, const char *what)
{
	unsigned long error = ERR_get_error();

	ERR_clear_error();
	return err_set(e, ERR_LIBRARY, "%s: %s", what, reason_words(error));
}

const char *
tls_reason(const struct ssl_st *ssl, unsigned long error)
{
	long verified = SSL_get_verify_result(ssl);

	if (verified != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
	    !SSL_is_server(ssl))
		return X509_verify_cert_error_string(verified);
	return error ? reason_words(error) : "the other side gave up";
}

/* ---- contexts ---- */

static bool
set_authorities(SSL_CTX *ctx, struct str pem, struct err *e)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	BIO *bio;
	X509 *authority;
	size_t n = 0;

	if (pem.n == 0)
		return SSL_CTX_set_default_verify_paths(ctx) == 1 ||
		    refuse(e, "the system's authorities cannot be read");
	bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	while (bio && (authority = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL) {
		n += (size_t)X509_STORE_add_cert(store, authority);
		X509_free(authority);
	}
	BIO_free(bio);
	if (n == 0)
		return refuse(e, "it holds no certificate of an authority");
	/* The end of the text is reported as an error too. */
	ERR_clear_error();
	return true;
}

static bool
set_profile(SSL_CTX *ctx, const struct tls_settings *settings, struct err *e)
{
	SSL_CTX_set_options(
	    ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	/* Passwords come this way. */
	SSL_CTX_set_options(ctx, SSL_OP_CLEANSE_PLAINTEXT);
	/* 16 KiB instead of 49 for a connection at rest. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_dh_auto(ctx, 1);
	if (SSL_CTX_set_min_proto_version(
		ctx, settings->only_13 ? TLS1_3_VERSION : TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set1_groups_list(ctx, GROUPS) != 1)
		return refuse(e, "the library does not know what Postern needs");
	if (SSL_CTX_set_cipher_list(ctx, settings->ciphers) != 1) {
		ERR_clear_error();
		return err_set(e, ERR_SYNTAX, "it leaves no cipher to choose from");
	}
	return true;
}

/* A certificate that was asked for is looked at afterwards; without one the session goes on. */
static int
accept_any(int ok, X509_STORE_CTX *store)
{
	return 1;
}

static SSL_CTX *
context_new(const SSL_METHOD *method, const struct tls_settings *settings, struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (ctx == NULL)
		die("no memory for TLS");
	if (!set_profile(ctx, settings, e))
		SSL_CTX_free(ctx), ctx = NULL;
	return ctx;
}

static SSL_CTX *
server_context_new(const struct tls_settings *settings, struct err *e)
{
	static const unsigned char whose[] = "postern";
	SSL_CTX *ctx = context_new(TLS_server_method(), settings, e);

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_session_id_context(ctx, whose, sizeof(whose) - 1);
	if (!settings->ask_client)
		return ctx;
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, accept_any);
	if (!set_authorities(ctx, settings->ca, e))
		SSL_CTX_free(ctx), ctx = NULL;
	return ctx;
}

/* ---- names ---- */

static void
add_name(struct identity *id, const ASN1_STRING *text)
{
	const char *p = (const char *)ASN1_STRING_get0_data(text);
	size_t n = (size_t)ASN1_STRING_length(text);
	char *name;

	if (n == 0 || n > 255 || memchr(p, '\0', n) || id->n_names == NAMES_MAX)
		return;
	name = xcalloc(1, n + 1);
	for (size_t i = 0; i < n; i++)
		name[i] = ascii_lower(p[i]);
	id->name = xrealloc(id->name, (id->n_names + 1) * sizeof(*id->name));
	id->name[id->n_names++] = name;
}

/* RFC 6125 6.4.4: the common name counts only where no other name is. */
static void
read_names(struct identity *id, X509 *certificate)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type == GEN_DNS)
			add_name(id, name->d.dNSName);
	}
	if (names == NULL && at >= 0)
		add_name(id, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	GENERAL_NAMES_free(names);
}

static void
identity_clear(struct identity *id)
{
	for (size_t i = 0; i < id->n_names; i++)
		free(id->name[i]);
	free(id->name);
	SSL_CTX_free(id->ctx);
	*id = (struct identity){ 0 };
}

static bool
same_names(const struct identity *a, const struct identity *b)
{
	if (a->n_names != b->n_names || a->n_names == 0)
		return false;
	for (size_t i = 0; i < a->n_names; i++)
		if (strcmp(a->name[i], b->name[i]) != 0)
			return false;
	return true;
}

/* A wildcard stands for one label, the first. */
static bool
name_is(const char *pattern, const char *name, bool wildcards)
{
	const char *dot = strchr(name, '.');

	if (strncmp(pattern, "*.", 2) != 0)
		return !wildcards && strcasecmp(pattern, name) == 0;
	return wildcards && dot && dot > name && strcasecmp(pattern + 1, dot) == 0;
}

static const struct identity *
find_identity(const struct tls_server *server, const char *name)
{
	for (int wildcards = 0; wildcards < 2; wildcards++)
		for (size_t i = 0; i < server->n; i++)
			for (size_t k = 0; k < server->identity[i].n_names; k++)
				if (name_is(server->identity[i].name[k], name, wildcards))
					return &server->identity[i];
	return NULL;
}

static int
choose(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const struct identity *id = name ? find_identity(arg, name) : NULL;

	if (id == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	if (SSL_get_SSL_CTX(ssl) != id->ctx)
		SSL_set_SSL_CTX(ssl, id->ctx);
	return SSL_TLSEXT_ERR_OK;
}

/* ---- the server's side ---- */

struct tls_server *
tls_server_new(const struct tls_settings *settings, struct err *e)
{
	struct tls_server *server;
	SSL_CTX *tried = server_context_new(settings, e);

	if (tried == NULL)
		return NULL;
	SSL_CTX_free(tried);
	server = xcalloc(1, sizeof(*server));
	server->settings = settings;
	return server;
}

void
tls_server_free(struct tls_server **server)
{
	struct tls_server *s = *server;

	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++)
		identity_clear(&s->identity[i]);
	free(s->identity);
	free(s);
	*server = NULL;
}

/* A daemon has nobody to ask for a passphrase. */
static int
no_passphrase(char *out, int size, int writing, void *arg)
{
	*(bool *)arg = true;
	return -1;
}

static EVP_PKEY *
read_key(struct str pem, struct err *e)
{
	bool asked = false;
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked) : NULL;

	BIO_free(bio);
	if (key == NULL && asked) {
		ERR_clear_error();
		err_set(
		    e, ERR_LIBRARY, "the key is locked with a passphrase; store it without one");
	} else if (key == NULL) {
		refuse(e, "there is no private key in PEM form");
	}
	return key;
}

/* Into a stack of its own: the server's certificate first. */
static STACK_OF(X509) * read_chain(struct str pem, struct err *e)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	BIO *bio = BIO_new_mem_buf(pem.p, (int)pem.n);
	X509 *one;

	if (chain == NULL || bio == NULL)
		die("no memory for TLS");
	while (sk_X509_num(chain) < CHAIN_MAX &&
	    (one = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL)
		if (sk_X509_push(chain, one) <= 0)
			die("no memory for TLS");
	BIO_free(bio);
	if (sk_X509_num(chain) > 0) {
		ERR_clear_error();
		return chain;
	}
	refuse(e, "there is no certificate in PEM form");
	sk_X509_free(chain);
	return NULL;
}

static bool
use_certificate(SSL_CTX *ctx, STACK_OF(X509) * chain, EVP_PKEY *key, struct err *e)
{
	X509 *own = sk_X509_value(chain, 0);

	if (X509_check_private_key(own, key) != 1) {
		ERR_clear_error();
		return err_set(e, ERR_LIBRARY, "the key is not that of the first certificate");
	}
	if (SSL_CTX_use_certificate(ctx, own) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1)
		return refuse(e, "the certificate cannot be used");
	for (int i = 1; i < sk_X509_num(chain); i++)
		if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(chain, i)) != 1)
			return refuse(e, "a certificate of the chain cannot be used");
	return true;
}

/* The identity that has these names with a key of another kind; NULL. */
static struct identity *
find_twin(struct tls_server *server, const struct identity *new, const EVP_PKEY *key)
{
	for (size_t i = 0; i < server->n; i++) {
		struct identity *id = &server->identity[i];
		const EVP_PKEY *other = SSL_CTX_get0_privatekey(id->ctx);

		if (same_names(id, new) && EVP_PKEY_get_base_id(other) != EVP_PKEY_get_base_id(key))
			return id;
	}
	return NULL;
}

static bool
add_identity(struct tls_server *server, STACK_OF(X509) * chain, EVP_PKEY *key, struct err *e)
{
	struct identity new = { .ctx = server_context_new(server->settings, e) }, *twin;

	if (new.ctx == NULL || !use_certificate(new.ctx, chain, key, e)) {
		identity_clear(&new);
		return false;
	}
	read_names(&new, sk_X509_value(chain, 0));
	twin = find_twin(server, &new, key);
	if (twin) {
		identity_clear(&new);
		return use_certificate(twin->ctx, chain, key, e);
	}
	SSL_CTX_set_tlsext_servername_callback(new.ctx, choose);
	SSL_CTX_set_tlsext_servername_arg(new.ctx, server);
	server->identity = xrealloc(server->identity, (server->n + 1) * sizeof(*server->identity));
	server->identity[server->n++] = new;
	return true;
}

bool
tls_server_add(struct tls_server *server, struct str chain, struct str key,
    struct tls_notice *notice, struct err *e)
{
	STACK_OF(X509) *certificates = read_chain(chain, e);
	EVP_PKEY *pkey = certificates ? read_key(key, e) : NULL;
	bool ok = pkey && add_identity(server, certificates, pkey, e);

	if (ok) {
		const X509 *own = sk_X509_value(certificates, 0);

		*notice = (struct tls_notice){
			.expired = X509_cmp_current_time(X509_get0_notAfter(own)) < 0,
			.not_yet = X509_cmp_current_time(X509_get0_notBefore(own)) > 0,
		};
	}
	EVP_PKEY_free(pkey);
	sk_X509_pop_free(certificates, X509_free);
	return ok;
}

static SSL *
session_new(SSL_CTX *ctx)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl == NULL)
		die("no memory for TLS");
	return ssl;
}

struct ssl_st *
tls_server_session(const struct tls_server *server)
{
	SSL *ssl;

	require(server->n > 0);
	ssl = session_new(server->identity[0].ctx);
	SSL_set_accept_state(ssl);
	return ssl;
}

/* ---- the client's side ---- */

struct tls_client *
tls_client_new(const struct tls_settings *settings, struct err *e)
{
	SSL_CTX *ctx = context_new(TLS_client_method(), settings, e);
	struct tls_client *client;

	if (ctx && !set_authorities(ctx, settings->ca, e))
		SSL_CTX_free(ctx), ctx = NULL;
	if (ctx == NULL)
		return NULL;
	client = xcalloc(1, sizeof(*client));
	client->ctx = ctx;
	atomic_init(&client->users, 1);
	return client;
}

struct tls_client *
tls_client_use(struct tls_client *client)
{
	if (client)
		atomic_fetch_add_explicit(&client->users, 1, memory_order_relaxed);
	return client;
}

void
tls_client_release(struct tls_client **client)
{
	struct tls_client *c = *client;

	*client = NULL;
	if (c == NULL || atomic_fetch_sub_explicit(&c->users, 1, memory_order_acq_rel) != 1)
		return;
	SSL_CTX_free(c->ctx);
	free(c);
}

struct ssl_st *
tls_client_session(const struct tls_client *client, const char *name, bool verify)
{
	SSL *ssl = session_new(client->ctx);
	struct ip ip;
	bool address = ip_parse(str_of(name), &ip);

	SSL_set_connect_state(ssl);
	/* RFC 6066 3: a server name is no address. */
	if (!address && SSL_set_tlsext_host_name(ssl, name) != 1)
		die("no memory for TLS");
	if (!verify)
		return ssl;
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) != 1
		    : SSL_set1_host(ssl, name) != 1)
		die("no memory for TLS");
	return ssl;
}

/* ---- afterwards ---- */

static void
write_fingerprint(const X509 *certificate, char out[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (X509_digest(certificate, EVP_sha256(), digest, &n) != 1 || n != 32)
		return;
	for (unsigned i = 0; i < n; i++) {
		out[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		out[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	out[64] = '\0';
}

static void
write_name(const X509 *certificate, char *out, size_t size)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;
	int n;

	if (at < 0)
		return;
	n = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
	if (n > 0)
		str_copy((struct str){ (const char *)text, (size_t)n }, out, size);
	OPENSSL_free(text);
}

void
tls_outcome(const struct ssl_st *ssl, struct tls_outcome *out)
{
	X509 *peer = SSL_get0_peer_certificate(ssl);

	*out = (struct tls_outcome){
		.version = SSL_get_version(ssl),
		.cipher = SSL_get_cipher_name(ssl),
	};
	if (peer == NULL)
		return;
	write_fingerprint(peer, out->fingerprint);
	if (SSL_get_verify_result(ssl) == X509_V_OK)
		write_name(peer, out->peer, sizeof(out->peer));
}

void
tls_goodbye(struct ssl_st *ssl)
{
	if (SSL_is_init_finished(ssl) && !(SSL_get_shutdown(ssl) & SSL_SENT_SHUTDOWN))
		(void)SSL_shutdown(ssl);
	ERR_clear_error();
}
