#include "filters/dkim_pubkey.h"

#include <dlfcn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* 1024 bits; the second is the same as a bare RSAPublicKey. */
#define RSA_HEAD "MIGfMA0GCSqGSIb3DQEBAQUAA4GNAD"
#define RSA_RAW \
	"CBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3" \
	"FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryO" \
	"TIKT+l/K4w3QIDAQAB"
#define RSA_KEY RSA_HEAD RSA_RAW
#define ED_KEY "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static const struct dkim_sig rsa_sig = {
	.result = DKIM_RESULT_PASS,
	.reason = "",
	.algorithm = DKIM_RSA_SHA256,
	.domain = { "example.org", 11 },
	.selector = { "sel", 3 },
	.identity = { "@mail.example.org", 17 },
};

static const struct {
	const char *record;
	bool ed25519;
	enum dkim_result result;
	const char *reason;
	unsigned bits;
} rows[] = {
	{ "v=DKIM1; k=rsa; p=" RSA_KEY, false, DKIM_RESULT_PASS, "", 1024 },
	{ "p=" RSA_KEY, false, DKIM_RESULT_PASS, "", 1024 },
	{ "k=rsa; h=sha1 : sha256; s=email; t=x; p= " RSA_HEAD " " RSA_RAW " ; v=DKIM1;", false,
	    DKIM_RESULT_PASS, "", 1024 },
	{ "v=DKIM1; k=ed25519; p=" ED_KEY, true, DKIM_RESULT_PASS, "", 256 },
	{ "v=DKIM1; k=ed25519; p=" ED_KEY, false, DKIM_RESULT_PERMERROR,
	    "the key is of another kind than the signature", 0 },
	{ "v=DKIM1; p=" RSA_KEY, true, DKIM_RESULT_PERMERROR,
	    "the key is of another kind than the signature", 0 },
	{ "v=DKIM1; k=ed25519; p=AAAA", true, DKIM_RESULT_PERMERROR,
	    "the key is not an Ed25519 key", 0 },
	{ "v=DKIM1; k=dsa; p=AAAA", false, DKIM_RESULT_PERMERROR,
	    "the kind of the key is not known", 0 },
	{ "v=DKIM2; p=" RSA_KEY, false, DKIM_RESULT_PERMERROR,
	    "the key record is of another version", 0 },
	{ "v=DKIM1; h=sha1; p=" RSA_KEY, false, DKIM_RESULT_PERMERROR, "the key is not for sha256",
	    0 },
	{ "v=DKIM1; s=other; p=" RSA_KEY, false, DKIM_RESULT_PERMERROR, "the key is not for mail",
	    0 },
	{ "v=DKIM1; t=y:s; p=" RSA_KEY, false, DKIM_RESULT_PERMERROR,
	    "the key is not for subdomains, and i= is in one", 0 },
	{ "v=DKIM1; p=", false, DKIM_RESULT_PERMERROR, "the key was revoked", 0 },
	{ "v=DKIM1", false, DKIM_RESULT_PERMERROR, "the key record holds no key", 0 },
	{ "v=DKIM1; p=AAAA; p=AAAA", false, DKIM_RESULT_PERMERROR,
	    "the key record is not well-formed", 0 },
	{ "v=DKIM1; p=A!", false, DKIM_RESULT_PERMERROR, "the key is no base64, or too long", 0 },
	{ "v=DKIM1; p=AAAA", false, DKIM_RESULT_PERMERROR, "the key is not an RSA key", 0 },
	/* SEQUENCE of INTEGERs 5 and 3; 5 and 1; a length that points outside */
	{ "p=MAYCAQUCAQM=", false, DKIM_RESULT_PERMERROR,
	    "the key is shorter than 1024 bits (RFC 8301)", 0 },
	{ "p=MAYCAQUCAQE=", false, DKIM_RESULT_PERMERROR, "the key is not an RSA key", 0 },
	{ "p=MIL//wIBBQIBAw==", false, DKIM_RESULT_PERMERROR, "the key is not an RSA key", 0 },
	{ "p=MA4CAQUCCQD//////////w==", false, DKIM_RESULT_PERMERROR,
	    "the key is shorter than 1024 bits (RFC 8301)", 0 },
	{ "p=MA4CAQUCCQH//////////w==", false, DKIM_RESULT_PERMERROR,
	    "the exponent of the key is too long", 0 },
};

static bool
read_one(
    struct arena *arena, struct dns_answer *answer, struct dkim_sig *sig, struct dkim_pubkey *key)
{
	return dkim_pubkey_read(arena, answer, 1024, sig, key);
}

static void
records(void **state)
{
	struct arena *arena = arena_new(1024 * 1024);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dns_rr rr = { .data = str_of(rows[i].record) };
		struct dns_answer answer = { .status = DNS_OK, .n = 1, .rr = &rr };
		struct dkim_sig sig = rsa_sig;
		struct dkim_pubkey key;

		if (rows[i].ed25519)
			sig.algorithm = DKIM_ED25519_SHA256;
		read_one(arena, &answer, &sig, &key);
		if (strcmp(sig.reason, rows[i].reason) != 0)
			fail_msg("%s: %s", rows[i].record, sig.reason);
		assert_int_equal(sig.result, rows[i].result);
		if (sig.result == DKIM_RESULT_PASS)
			assert_int_equal(key.bits, rows[i].bits);
	}
	arena_free(&arena);
}

/* A bare key and a wrapped one are the same to the library. */
static void
canonical_record(void **state)
{
	struct arena *arena = arena_new(1024 * 1024);
	struct dns_rr wrapped = { .data = STR("n=note; p=" RSA_KEY) };
	struct dns_rr raw = { .data = STR("p=MIGJAoGBAOQeU5CgFPNZGIazlXo2k/eJ1jpaTTxrmqF1HrDLlt04"
					  "pvaMtCJj8nXoliLRC/H9vJjMI1vdb3XLcW60AIN/PBD8EL97/y4Gw"
					  "JH7LPUvGP48vqUe+owqszesbiGy1PlCO8c70/OjFnJVgvMF87YR4L"
					  "cincb7aSvI5MgpP6X8rjDdAgMBAAE=") };
	struct dns_answer answer = { .status = DNS_OK, .n = 1, .rr = &wrapped };
	struct dkim_sig sig = rsa_sig;
	struct dkim_pubkey one, other;

	assert_true(read_one(arena, &answer, &sig, &one));
	answer.rr = &raw;
	assert_true(read_one(arena, &answer, &sig, &other));
	assert_true(str_eq(one.record, other.record));
	assert_true(str_starts(one.record, STR("v=DKIM1; k=rsa; p=")));
	assert_true(one.record.n <= DKIM_RECORD_MAX);
	arena_free(&arena);
}

static void
answers(void **state)
{
	static const struct {
		enum dns_status status;
		const char *first, *second;
		enum dkim_result result;
		const char *reason;
	} dns[] = {
		{ DNS_TEMPFAIL, NULL, NULL, DKIM_RESULT_TEMPERROR,
		    "the key could not be had: servfail" },
		{ DNS_NXDOMAIN, NULL, NULL, DKIM_RESULT_PERMERROR, "there is no key" },
		{ DNS_NODATA, NULL, NULL, DKIM_RESULT_PERMERROR, "there is no key" },
		{ DNS_OK, "p=" RSA_KEY, "p=" RSA_KEY, DKIM_RESULT_PASS, "" },
		{ DNS_OK, "v=spf1 -all", "p=" RSA_KEY, DKIM_RESULT_PASS, "" },
		{ DNS_OK, "p=" RSA_KEY, "p=", DKIM_RESULT_PERMERROR,
		    "there are several keys under one name" },
		{ DNS_OK, "v=spf1 -all", "hello", DKIM_RESULT_PERMERROR, "there is no key" },
	};
	struct arena *arena = arena_new(1024 * 1024);

	for (size_t i = 0; i < sizeof(dns) / sizeof(dns[0]); i++) {
		struct dns_rr rr[2] = { { .data = str_of(dns[i].first) },
			{ .data = str_of(dns[i].second) } };
		struct dns_answer answer = { .status = dns[i].status, .why = "servfail", .rr = rr };
		struct dkim_sig sig = rsa_sig;
		struct dkim_pubkey key;

		answer.n = dns[i].first ? 2 : 0;
		read_one(arena, &answer, &sig, &key);
		assert_string_equal(sig.reason, dns[i].reason);
		assert_int_equal(sig.result, dns[i].result);
	}
	arena_free(&arena);
}

static void
name_and_flags(void **state)
{
	struct arena *arena = arena_new(65536);
	struct dns_rr rr = { .data = STR("t=y; p=" RSA_KEY) };
	struct dns_answer answer = { .status = DNS_OK, .n = 1, .rr = &rr };
	struct dkim_sig sig = rsa_sig;
	struct dkim_pubkey key;

	assert_true(str_eq(dkim_pubkey_name(arena, &sig), STR("sel._domainkey.example.org")));
	assert_true(read_one(arena, &answer, &sig, &key));
	assert_true(key.testing);
	assert_false(dkim_pubkey_read(arena, &answer, 2048, &sig, &key));
	assert_int_equal(sig.result, DKIM_RESULT_POLICY);
	assert_string_equal(sig.reason, "the key is shorter than is accepted here");
	arena_free(&arena);
}

static EVP_PKEY *
read_key(const unsigned char *p, int n)
{
	BIO *bio = BIO_new_mem_buf(p, n);
	EVP_PKEY *key = d2i_PUBKEY_bio(bio, NULL);

	BIO_free(bio);
	return key;
}

/* The function in OpenSSL's place gives what OpenSSL's own gives. */
static void
keys_as_openssl_reads_them(void **state)
{
	unsigned char rsa[256], ed[128], *end = ed;
	const unsigned char *at = rsa;
	int n = EVP_DecodeBlock(rsa, (const unsigned char *)RSA_KEY, (int)strlen(RSA_KEY));
	EVP_PKEY *want = d2i_PUBKEY(NULL, &at, n), *got = read_key(rsa, n);

	assert_non_null(want);
	assert_non_null(got);
	assert_int_equal(EVP_PKEY_eq(got, want), 1);
	assert_int_equal(EVP_PKEY_get_bits(got), 1024);
	EVP_PKEY_free(got);
	EVP_PKEY_free(want);
	/* Cut short, and with an INTEGER less */
	assert_null(read_key(rsa, n - 8));
	rsa[n / 2] ^= 0xff;
	rsa[25] = 0x05;
	assert_null(read_key(rsa, n));

	want = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, rsa, 32);
	n = i2d_PUBKEY(want, &end);
	got = read_key(ed, n);
	assert_non_null(got);
	assert_int_equal(EVP_PKEY_eq(got, want), 1);
	EVP_PKEY_free(got);
	EVP_PKEY_free(want);
}

/* And libopendkim finds ours: it looks where dlsym() does. */
static void
is_found_before_openssl(void **state)
{
	EVP_PKEY *(*ours)(BIO *, EVP_PKEY **) = d2i_PUBKEY_bio;
	void *found = dlsym(RTLD_DEFAULT, "d2i_PUBKEY_bio");

	assert_memory_equal(&ours, &found, sizeof(found));
	found = dlsym(RTLD_NEXT, "d2i_PUBKEY_bio");
	assert_non_null(found);
	assert_memory_not_equal(&ours, &found, sizeof(found));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(records),
		cmocka_unit_test(canonical_record),
		cmocka_unit_test(answers),
		cmocka_unit_test(name_and_flags),
		cmocka_unit_test(keys_as_openssl_reads_them),
		cmocka_unit_test(is_found_before_openssl),
	};

	return cmocka_run_group_tests_name("dkim_pubkey", tests, NULL, NULL);
}
