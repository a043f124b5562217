#include "tests/filters/dkim_post.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "base/die.h"

/* --- the world -------------------------------------------------------------------------------- */

static int
entry_order(const void *a, const void *b)
{
	const struct fact_entry *x = a, *y = b;

	return strcmp(x->def->name, y->def->name);
}

struct post *
post_new(void)
{
	struct post *post = xcalloc(1, sizeof(*post));
	struct fact_entry *entry;
	struct err e;

	post->arena = arena_new(64 * 1024 * 1024);
	post->conf = (struct dkim_conf){ .signatures = 10, .key_bits = 1024, .drift = 300000 };
	if (!dkim_stage.configure(&post->conf, post->arena, &e))
		fail_msg("%s", e.text);
	entry = ARENA_ARRAY(post->arena, struct fact_entry, dkim_stage.n_facts);
	for (size_t i = 0; i < dkim_stage.n_facts; i++)
		entry[i] = (struct fact_entry){ .def = &dkim_stage.facts[i], .conf = &post->conf };
	qsort(entry, dkim_stage.n_facts, sizeof(*entry), entry_order);
	post->table = (struct fact_table){ .entry = entry, .n = dkim_stage.n_facts };
	post->now = 1800000000;
	session_init(&post->session, FRONT_PROXY, &post->table, 1);
	return post;
}

void
post_free(struct post **post)
{
	session_free(&(*post)->session);
	arena_free(&(*post)->arena);
	free(*post);
	*post = NULL;
}

static struct post_key *
add_key(struct post *post, const char *name)
{
	struct post_key *key = ARENA_NEW(post->arena, struct post_key);

	key->name = arena_lower(post->arena, str_of(name));
	key->next = post->keys;
	post->keys = key;
	return key;
}

void
post_key(struct post *post, const char *name, const char *text)
{
	add_key(post, name)->text = arena_dup(post->arena, str_of(text));
}

void
post_key_fails(struct post *post, const char *name)
{
	add_key(post, name);
}

/* --- sending ---------------------------------------------------------------------------------- */

static struct str
message_at(void *owner, uint64_t offset)
{
	const struct post *post = owner;
	struct str rest = str_sub(post->octets, offset, post->arrived);

	return str_sub(rest, 0, post->piece);
}

static void
answer(struct post *post, struct answer *a)
{
	a->state = ANSWER_HERE;
	a->dns = (struct dns_answer){ .status = DNS_NXDOMAIN };
	a->dns.rr = ARENA_ARRAY(post->arena, struct dns_rr, DNS_RR_MAX);
	for (const struct post_key *key = post->keys; key; key = key->next) {
		if (!str_eq(key->name, a->question.name))
			continue;
		if (!key->text.p) {
			a->dns = (struct dns_answer){ .status = DNS_TEMPFAIL, .why = "timeout" };
			return;
		}
		a->dns.status = DNS_OK;
		a->dns.rr[a->dns.n++].data = key->text;
	}
}

/* Answers the last question that is open, or all. False: there was none. */
static bool
answer_open(struct post *post, bool all)
{
	struct answer *last = NULL;

	for (struct answer *a = post->session.txn.answers.first; a; a = a->next) {
		if (a->state == ANSWER_HERE)
			continue;
		last = a;
		if (all)
			answer(post, a);
	}
	if (last && !all)
		answer(post, last);
	return last;
}

static void
tell(struct post *post, enum stage_event event)
{
	struct ask ask = session_ask(&post->session, STEP_MESSAGE, post->now);

	ask.conf = &post->conf;
	ask.state = &post->session.txn.stage_state[0];
	dkim_stage.event(&ask, event);
}

static void
arrive(struct post *post, enum post_way way)
{
	size_t step = way == POST_OCTETS ? 1 : 97;

	tell(post, EVENT_HEADER);
	if (way == POST_USUAL || way == POST_OCTETS)
		answer_open(post, true);
	while (post->arrived < post->octets.n) {
		post->arrived += step;
		if (post->arrived > post->octets.n)
			post->arrived = post->octets.n;
		post->session.txn.message.size = post->arrived;
		tell(post, EVENT_BODY);
		if (way == POST_KEYS_ODD)
			answer_open(post, false);
	}
}

const char *
post_send(struct post *post, struct str octets, enum post_way way)
{
	struct message *message = &post->session.txn.message;
	struct mailbox sender = { .null = true };
	size_t body;
	bool too_many;

	session_mail(&post->session, &sender);
	post->session.txn.open = true;
	post->octets = octets;
	message->at = message_at;
	message->owner = post;
	if (!header_split(
		post->session.txn.arena, octets, true, &message->header, &body, &too_many))
		fail_msg("the header does not end");
	message->body = body;
	post->arrived = way == POST_SILENT ? octets.n : body;
	post->piece = way == POST_SILENT ? octets.n : 61;
	if (way != POST_SILENT)
		arrive(post, way);
	message->size = octets.n;
	message->complete = true;
	return post_fact(post, "dkim");
}

const char *
post_fact(struct post *post, const char *name)
{
	struct fact_call call = { .entry = fact_find(&post->table, str_of(name)) };
	struct value value;
	struct buf text;
	struct str printed;

	for (;;) {
		struct ask ask = session_ask(&post->session, STEP_MESSAGE, post->now);

		if (fact_get(&ask, &call, &value) == DONE)
			break;
		if (!answer_open(post, false))
			fail_msg("%s is pending without a question", name);
	}
	buf_init(&text, 1024 * 1024);
	value_print(&value, &text);
	printed = arena_dup(post->arena, buf_str(&text));
	buf_free(&text);
	return printed.p;
}

const char *
post_authres(struct post *post)
{
	struct ask ask = session_ask(&post->session, STEP_MESSAGE, post->now);
	struct authres authres;
	struct str text;

	ask.conf = &post->conf;
	ask.state = &post->session.txn.stage_state[0];
	authres_init(&authres, "mx.example");
	dkim_stage.results(&ask, &authres);
	text = authres_finish(&authres);
	text = header_unfold(post->arena, str_sub(text, str_find(text, ':') + 1, text.n));
	text = arena_dup(post->arena, text);
	authres_free(&authres);
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\t')
			((char *)text.p)[i] = ' ';
	return text.p;
}

/* --- signing ---------------------------------------------------------------------------------- */

struct post_signer {
	EVP_PKEY *key;
	bool rsa;
};

static struct post_signer *
signer_new(EVP_PKEY *key, bool rsa)
{
	struct post_signer *signer = xcalloc(1, sizeof(*signer));

	assert_non_null(key);
	signer->key = key;
	signer->rsa = rsa;
	return signer;
}

struct post_signer *
post_signer_rsa(unsigned bits)
{
	return signer_new(EVP_RSA_gen(bits), true);
}

struct post_signer *
post_signer_ed25519(void)
{
	return signer_new(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), false);
}

void
post_signer_free(struct post_signer **signer)
{
	EVP_PKEY_free((*signer)->key);
	free(*signer);
	*signer = NULL;
}

static const char *
base64(struct arena *arena, const unsigned char *p, size_t n)
{
	unsigned char *out = arena_alloc(arena, (n + 2) / 3 * 4 + 1);

	EVP_EncodeBlock(out, p, (int)n);
	return (const char *)out;
}

const char *
post_record(struct post *post, const struct post_signer *signer, const char *more)
{
	unsigned char raw[32], *der = NULL;
	size_t n = sizeof(raw);
	const char *p;
	int length;

	if (signer->rsa) {
		length = i2d_PUBKEY(signer->key, &der);
		assert_true(length > 0);
		p = base64(post->arena, der, (size_t)length);
		OPENSSL_free(der);
	} else {
		assert_int_equal(EVP_PKEY_get_raw_public_key(signer->key, raw, &n), 1);
		p = base64(post->arena, raw, n);
	}
	return arena_printf(
	    post->arena, "v=DKIM1; k=%s; p=%s%s", signer->rsa ? "rsa" : "ed25519", p, more)
	    .p;
}

const char *
post_pem(struct post *post, const struct post_signer *signer)
{
	BIO *bio = BIO_new(BIO_s_mem());
	const char *text;
	char *p;
	long n;

	assert_int_equal(PEM_write_bio_PrivateKey(bio, signer->key, NULL, NULL, 0, NULL, NULL), 1);
	n = BIO_get_mem_data(bio, &p);
	text = arena_dup(post->arena, (struct str){ p, (size_t)n }).p;
	BIO_free(bio);
	return text;
}

const char *
post_raw_key(struct post *post, const struct post_signer *signer)
{
	unsigned char *der = NULL;
	int length = i2d_PublicKey(signer->key, &der);
	const char *p;

	assert_true(length > 0);
	p = base64(post->arena, der, (size_t)length);
	OPENSSL_free(der);
	return p;
}

/* Both kinds sign; Ed25519 signs the hash as if it were the text (RFC 8463 3). */
static const char *
sign(struct post *post, const struct post_signer *signer, struct str text)
{
	unsigned char hash[SHA256_DIGEST_LENGTH], out[1024];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const unsigned char *p = (const unsigned char *)text.p;
	size_t length = text.n, n = sizeof(out);

	if (!signer->rsa) {
		SHA256(p, length, hash);
		p = hash;
		length = sizeof(hash);
	}
	assert_int_equal(
	    EVP_DigestSignInit(ctx, NULL, signer->rsa ? EVP_sha256() : NULL, NULL, signer->key), 1);
	assert_int_equal(EVP_DigestSign(ctx, out, &n, p, length), 1);
	EVP_MD_CTX_free(ctx);
	return base64(post->arena, out, n);
}

const char *
post_sign(struct post *post, const struct post_signer *signer, const char *tags, const char *fields,
    const char *body)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	struct str field, all;

	SHA256((const unsigned char *)body, strlen(body), hash);
	field = arena_printf(post->arena, "DKIM-Signature: %sbh=%s; b=", tags,
	    base64(post->arena, hash, sizeof(hash)));
	all = arena_printf(post->arena, "%s%s", fields, field.p);
	return arena_printf(post->arena, "%s%s\r\n", field.p, sign(post, signer, all)).p;
}
