/* Certificates are made here, and both sides shake hands in memory. */
#include "base/tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define DAY (24L * 60 * 60)

static const struct tls_settings usual = { .ciphers = TLS_CIPHERS };

/* ---- certificates ---- */

struct made {
	EVP_PKEY *key;
	X509 *x509;
	char chain[8192], pem[8192]; /* certificate and key */
};

static void
to_text(BIO *bio, char *out, size_t size)
{
	int n = BIO_read(bio, out, (int)size - 1);

	out[n > 0 ? n : 0] = '\0';
	BIO_free(bio);
}

struct wish {
	const char *cn;
	const char *names; /* of the extension, or NULL */
	bool rsa;
	const struct made *issuer; /* NULL: itself, an authority */
	long from_day, to_day;     /* from today */
};

static void
add_extension(X509 *x509, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(extension);
	assert_int_equal(X509_add_ext(x509, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static void
make(struct made *m, const struct wish *wish)
{
	static long serial = 1;
	const struct made *issuer = wish->issuer ? wish->issuer : m;
	X509_NAME *name;
	BIO *bio;

	m->key = wish->rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	m->x509 = X509_new();
	X509_set_version(m->x509, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(m->x509), serial++);
	X509_gmtime_adj(X509_getm_notBefore(m->x509), wish->from_day * DAY);
	X509_gmtime_adj(X509_getm_notAfter(m->x509), wish->to_day * DAY);
	name = X509_get_subject_name(m->x509);
	X509_NAME_add_entry_by_txt(
	    name, "CN", MBSTRING_UTF8, (const unsigned char *)wish->cn, -1, -1, 0);
	X509_set_issuer_name(m->x509, X509_get_subject_name(issuer->x509));
	X509_set_pubkey(m->x509, m->key);
	if (wish->names)
		add_extension(m->x509, NID_subject_alt_name, wish->names);
	if (!wish->issuer)
		add_extension(m->x509, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(m->x509, issuer->key, EVP_sha256()) > 0);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, m->x509);
	to_text(bio, m->chain, sizeof(m->chain));
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_PrivateKey(bio, m->key, NULL, NULL, 0, NULL, NULL);
	to_text(bio, m->pem, sizeof(m->pem));
}

static void
unmake(struct made *m)
{
	X509_free(m->x509);
	EVP_PKEY_free(m->key);
}

static struct made authority, plain, wild, twin, stranger;

static int
make_all(void **state)
{
	make(&authority, &(struct wish){ .cn = "Authority", .to_day = 9 });
	make(&plain,
	    &(struct wish){ "mx.example.org", "DNS:MX.example.org,DNS:second.example.org", false,
		&authority, 0, 9 });
	make(&wild,
	    &(struct wish){ "x", "DNS:*.example.org,DNS:example.net", false, &authority, 0, 9 });
	make(&twin,
	    &(struct wish){ "mx.example.org", "DNS:mx.example.org,DNS:second.example.org", true,
		&authority, 0, 9 });
	make(&stranger, &(struct wish){ .cn = "mx.example.org", .to_day = 9 });
	return 0;
}

static int
unmake_all(void **state)
{
	unmake(&authority);
	unmake(&plain);
	unmake(&wild);
	unmake(&twin);
	unmake(&stranger);
	return 0;
}

static bool
add(struct tls_server *server, const struct made *m, struct err *e)
{
	struct tls_notice notice;

	return tls_server_add(server, str_of(m->chain), str_of(m->pem), &notice, e);
}

/* ---- handshakes ---- */

/* True: both say it is done. error: of the client. */
static bool
shake(SSL *client, SSL *server, unsigned long *error)
{
	BIO *a, *b;

	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(client, a, a);
	SSL_set_bio(server, b, b);
	*error = 0;
	for (int i = 0; i < 20; i++) {
		int r;

		ERR_clear_error();
		r = SSL_do_handshake(client);
		if (r != 1 && SSL_get_error(client, r) == SSL_ERROR_SSL)
			*error = ERR_peek_error();
		(void)SSL_do_handshake(server);
		if (*error == 0 && SSL_is_init_finished(client) && SSL_is_init_finished(server))
			return true;
	}
	ERR_clear_error();
	return false;
}

/* Who shows up for a name: the subject's first name, by the certificate. */
static const X509 *
shown_for(const struct tls_server *server, const char *name, const char *ciphers)
{
	static X509 *shown;
	struct tls_settings settings = usual;
	struct tls_client *client;
	SSL *ours, *theirs;
	unsigned long error;
	struct err e;

	settings.ca = str_of(authority.chain);
	client = tls_client_new(&settings, &e);
	assert_non_null(client);
	ours = tls_client_session(client, name, false);
	if (ciphers) {
		SSL_set_max_proto_version(ours, TLS1_2_VERSION);
		SSL_set_cipher_list(ours, ciphers);
	}
	theirs = tls_server_session(server);
	assert_true(shake(ours, theirs, &error));
	X509_free(shown);
	shown = SSL_get1_peer_certificate(ours);
	SSL_free(ours);
	SSL_free(theirs);
	tls_client_release(&client);
	assert_null(client);
	return shown;
}

static void
test_choice(void **state)
{
	const struct {
		const char *name;
		const struct made *shown;
	} cases[] = {
		{ "mx.example.org", &plain }, { "mX.Example.ORG", &plain },
		{ "second.example.org", &plain }, { "third.example.org", &wild },
		{ "third.EXAMPLE.org", &wild }, { "example.net", &wild },
		{ "example.org", &plain },     /* the wildcard is no empty label: the first */
		{ "a.b.example.org", &plain }, /* nor two */
		{ ".example.org", &plain }, { "unknown.example", &plain },
		{ "192.0.2.1", &plain }, /* an address is not told */
	};
	struct err e = { 0 };
	struct tls_server *server = tls_server_new(&usual, &e);

	assert_non_null(server);
	assert_true(add(server, &plain, &e));
	assert_true(add(server, &wild, &e));
	for (size_t i = 0; i < COUNT(cases); i++)
		if (X509_cmp(shown_for(server, cases[i].name, NULL), cases[i].shown->x509) != 0)
			fail_msg("another certificate for %s", cases[i].name);
	tls_server_free(&server);
	assert_null(server);
}

/* RSA and ECDSA for the same names: the client's ciphers choose. */
static void
test_twins(void **state)
{
	struct err e;
	struct tls_server *server = tls_server_new(&usual, &e);
	const X509 *shown;

	assert_true(add(server, &plain, &e));
	assert_true(add(server, &twin, &e));
	shown = shown_for(server, "mx.example.org", "ECDHE-RSA-AES128-GCM-SHA256");
	assert_int_equal(X509_cmp(shown, twin.x509), 0);
	shown = shown_for(server, "mx.example.org", "ECDHE-ECDSA-AES128-GCM-SHA256");
	assert_int_equal(X509_cmp(shown, plain.x509), 0);
	tls_server_free(&server);
}

static void
test_mistakes(void **state)
{
	const struct {
		const char *chain, *key, *said;
	} cases[] = {
		{ "", plain.pem, "there is no certificate in PEM form: no start line" },
		{ "nonsense", plain.pem, "there is no certificate in PEM form: no start line" },
		{ plain.pem, plain.pem, "there is no certificate in PEM form: no start line" },
		{ plain.chain, "", "there is no private key in PEM form: unsupported" },
		{ plain.chain, plain.chain, "there is no private key in PEM form: unsupported" },
		{ plain.chain, wild.pem, "the key is not that of the first certificate" },
		{ plain.chain, twin.pem, "the key is not that of the first certificate" },
	};
	struct err e;
	struct tls_server *server = tls_server_new(&usual, &e);
	struct tls_notice notice;

	for (size_t i = 0; i < COUNT(cases); i++) {
		e = (struct err){ 0 };
		assert_false(tls_server_add(
		    server, str_of(cases[i].chain), str_of(cases[i].key), &notice, &e));
		assert_string_equal(e.text, cases[i].said);
		assert_int_equal(ERR_peek_error(), 0);
	}
	tls_server_free(&server);
}

static void
test_locked(void **state)
{
	struct err e;
	struct tls_server *server = tls_server_new(&usual, &e);
	BIO *bio = BIO_new(BIO_s_mem());
	struct tls_notice notice;
	char pem[4096];

	PEM_write_bio_PKCS8PrivateKey(bio, plain.key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL);
	to_text(bio, pem, sizeof(pem));
	assert_false(tls_server_add(server, str_of(plain.chain), str_of(pem), &notice, &e));
	assert_string_equal(e.text, "the key is locked with a passphrase; store it without one");
	tls_server_free(&server);
}

static void
test_notice(void **state)
{
	const struct {
		long from, to;
		bool expired, not_yet;
	} cases[] = { { -2, -1, true, false }, { 1, 2, false, true }, { -1, 1, false, false } };
	struct err e;
	struct tls_server *server = tls_server_new(&usual, &e);

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct made m;
		struct tls_notice notice;

		make(&m, &(struct wish){ "a", NULL, false, NULL, cases[i].from, cases[i].to });
		assert_true(tls_server_add(server, str_of(m.chain), str_of(m.pem), &notice, &e));
		assert_int_equal(notice.expired, cases[i].expired);
		assert_int_equal(notice.not_yet, cases[i].not_yet);
		unmake(&m);
	}
	tls_server_free(&server);
}

static void
test_settings(void **state)
{
	const struct {
		struct tls_settings settings;
		bool client_only;
		const char *said;
		enum err_code code;
	} cases[] = {
		{ { .ciphers = "nonsense" }, false, "it leaves no cipher to choose from",
		    ERR_SYNTAX },
		{ { .ciphers = "" }, false, "it leaves no cipher to choose from", ERR_SYNTAX },
		{ { .ciphers = TLS_CIPHERS, .ca = { "x", 1 }, .ask_client = true }, false,
		    "it holds no certificate of an authority: no start line", ERR_LIBRARY },
		{ { .ciphers = TLS_CIPHERS, .ca = { "x", 1 } }, true,
		    "it holds no certificate of an authority: no start line", ERR_LIBRARY },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct err e = { 0 };

		if (!cases[i].client_only)
			assert_null(tls_server_new(&cases[i].settings, &e));
		assert_null(tls_client_new(&cases[i].settings, &e));
		assert_string_equal(e.text, cases[i].said);
		assert_int_equal(e.code, cases[i].code);
	}
}

static void
test_versions(void **state)
{
	const struct {
		bool only_13;
		int most;
		const char *version;
	} cases[] = {
		{ false, TLS1_3_VERSION, "TLSv1.3" },
		{ false, TLS1_2_VERSION, "TLSv1.2" },
		{ false, TLS1_1_VERSION, NULL },
		{ true, TLS1_3_VERSION, "TLSv1.3" },
		{ true, TLS1_2_VERSION, NULL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tls_settings settings = usual;
		struct tls_outcome outcome;
		struct tls_server *server;
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		SSL *ours = SSL_new(ctx), *theirs;
		unsigned long error;
		struct err e;

		settings.only_13 = cases[i].only_13;
		server = tls_server_new(&settings, &e);
		assert_true(add(server, &plain, &e));
		theirs = tls_server_session(server);
		SSL_set_connect_state(ours);
		SSL_set_min_proto_version(ours, TLS1_VERSION);
		SSL_set_security_level(ours, 0);
		SSL_set_max_proto_version(ours, cases[i].most);
		assert_int_equal(shake(ours, theirs, &error), cases[i].version != NULL);
		if (cases[i].version) {
			tls_outcome(theirs, &outcome);
			assert_string_equal(outcome.version, cases[i].version);
			assert_string_equal(outcome.cipher, SSL_get_cipher_name(ours));
			assert_string_equal(outcome.peer, "");
			assert_string_equal(outcome.fingerprint, "");
			/* A client cannot make us shake hands for ever. */
			assert_true(SSL_get_options(theirs) & SSL_OP_NO_RENEGOTIATION);
		}
		SSL_free(ours);
		SSL_free(theirs);
		SSL_CTX_free(ctx);
		tls_server_free(&server);
	}
}

static void
test_verify(void **state)
{
	const struct {
		const struct made *shows;
		const char *name;
		bool verify;
		const char *why; /* NULL: it succeeds */
	} cases[] = {
		{ &plain, "mx.example.org", true, NULL },
		{ &plain, "SECOND.example.org", true, NULL },
		{ &wild, "any.example.org", true, NULL },
		{ &plain, "other.example.org", true, "hostname mismatch" },
		{ &plain, "192.0.2.1", true, "IP address mismatch" },
		{ &stranger, "mx.example.org", true, "self-signed certificate" },
		{ &stranger, "mx.example.org", false, NULL },
		{ &plain, "other.example.org", false, NULL },
	};
	struct tls_settings settings = usual;
	struct tls_client *client;
	struct err e;

	settings.ca = str_of(authority.chain);
	client = tls_client_new(&settings, &e);
	assert_non_null(client);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tls_server *server = tls_server_new(&usual, &e);
		SSL *ours = tls_client_session(client, cases[i].name, cases[i].verify), *theirs;
		unsigned long error;

		assert_true(add(server, cases[i].shows, &e));
		theirs = tls_server_session(server);
		assert_int_equal(shake(ours, theirs, &error), cases[i].why == NULL);
		if (cases[i].why)
			assert_string_equal(tls_reason(ours, error), cases[i].why);
		SSL_free(ours);
		SSL_free(theirs);
		tls_server_free(&server);
	}
	tls_client_release(&client);
}

/* A client's certificate is asked for when it shall be, and never insisted on. */
static void
test_client_certificate(void **state)
{
	const struct {
		bool ask;
		const struct made *shows;
		const char *peer;
		bool print;
	} cases[] = {
		{ false, &plain, "", false },
		{ true, NULL, "", false },
		{ true, &plain, "mx.example.org", true },
		{ true, &stranger, "", true },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tls_settings settings = usual;
		SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
		SSL *ours = SSL_new(ctx), *theirs;
		struct tls_outcome outcome;
		struct tls_server *server;
		unsigned long error;
		struct err e;

		settings.ca = str_of(authority.chain);
		settings.ask_client = cases[i].ask;
		server = tls_server_new(&settings, &e);
		assert_true(add(server, &plain, &e));
		SSL_set_connect_state(ours);
		if (cases[i].shows) {
			SSL_use_certificate(ours, cases[i].shows->x509);
			SSL_use_PrivateKey(ours, cases[i].shows->key);
		}
		theirs = tls_server_session(server);
		assert_true(shake(ours, theirs, &error));
		tls_outcome(theirs, &outcome);
		assert_string_equal(outcome.peer, cases[i].peer);
		assert_int_equal(strlen(outcome.fingerprint), cases[i].print ? 64 : 0);
		SSL_free(ours);
		SSL_free(theirs);
		SSL_CTX_free(ctx);
		tls_server_free(&server);
	}
}

/* A session begun outlives its server: a reload takes nothing from it. */
static void
test_reload(void **state)
{
	struct err e;
	struct tls_server *server = tls_server_new(&usual, &e);
	struct tls_client *client, *second;
	struct tls_settings settings = usual;
	SSL *ours, *theirs;
	unsigned long error;
	char octet;

	settings.ca = str_of(authority.chain);
	client = tls_client_new(&settings, &e);
	second = tls_client_use(client);
	assert_true(add(server, &plain, &e));
	ours = tls_client_session(client, "mx.example.org", true);
	theirs = tls_server_session(server);
	assert_true(shake(ours, theirs, &error));
	tls_server_free(&server);
	tls_client_release(&client);
	tls_client_release(&second);
	assert_int_equal(SSL_write(ours, "x", 1), 1);
	assert_int_equal(SSL_read(theirs, &octet, 1), 1);
	tls_goodbye(theirs);
	assert_int_equal(SSL_read(ours, &octet, 1), 0);
	assert_int_equal(SSL_get_error(ours, 0), SSL_ERROR_ZERO_RETURN);
	/* Not shaken hands yet: nothing to say. */
	SSL_free(ours);
	SSL_free(theirs);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_twins),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_locked),
		cmocka_unit_test(test_notice),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_verify),
		cmocka_unit_test(test_client_certificate),
		cmocka_unit_test(test_reload),
	};

	return cmocka_run_group_tests_name("tls", tests, make_all, unmake_all);
}
