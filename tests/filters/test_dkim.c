#include "filters/dkim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <time.h>

#include "tests/filters/dkim_post.h"
#include "tests/filters/rfc8463.h"

#define TAGS "v=1; a=rsa-sha256; d=example.org; s=sel; h=from:subject; "
#define FIELDS "From: joe@example.org\r\nSubject: dinner\r\n"
#define BODY "We lost the game.\r\n\r\nAre you hungry yet?\r\n"
#define KEY_NAME "sel._domainkey.example.org"

/* Making keys takes long, so all tests share them. */
static struct post_signer *rsa;

static int
make_keys(void **state)
{
	rsa = post_signer_rsa(2048);
	return 0;
}

static int
free_keys(void **state)
{
	post_signer_free(&rsa);
	return 0;
}

static int
begin(void **state)
{
	struct post *post = post_new();

	post_key(post, KEY_NAME, post_record(post, rsa, ""));
	*state = post;
	return 0;
}

static int
end(void **state)
{
	struct post *post = *state;

	post_free(&post);
	return 0;
}

static const char *
send3(struct post *post, const char *above, const char *fields, const char *body)
{
	return post_send(
	    post, arena_printf(post->arena, "%s%s\r\n%s", above, fields, body), POST_USUAL);
}

#define assert_results(post, expected) \
	assert_string_equal(post_fact((post), "dkim.results"), (expected))

/* --- good signatures -------------------------------------------------------------------------- */

static void
rfc8463_example(void **state)
{
	struct post *post = *state;

	post_key(post, RFC8463_ED25519_NAME, RFC8463_ED25519_KEY);
	post_key(post, RFC8463_RSA_NAME, RFC8463_RSA_KEY);
	for (int way = 0; way < POST_WAYS; way++) {
		assert_string_equal(
		    post_send(post, STR(rfc8463_message), (enum post_way)way), "pass");
		assert_results(
		    post, "football.example.com/brisbane: pass, football.example.com/test: pass");
		assert_string_equal(post_fact(post, "dkim.domains"), "football.example.com");
		assert_string_equal(post_fact(post, "dkim.signatures"), "2");
	}
	assert_string_equal(post_authres(post),
	    "mx.example; dkim=pass header.d=football.example.com header.s=brisbane "
	    "header.a=ed25519-sha256 header.i=\"@football.example.com\" header.b=\"/gCrinpc\"; "
	    "dkim=pass header.d=football.example.com header.s=test header.a=rsa-sha256 "
	    "header.i=\"@football.example.com\" header.b=F45dVWDf");
}

static void
all_ways_agree(void **state)
{
	struct post *post = *state;
	struct post_signer *ed = post_signer_ed25519();
	struct str message, broken;

	post_key(post, "ed._domainkey.example.net", post_record(post, ed, ""));
	message =
	    arena_printf(post->arena, "%s%s%s\r\n%s", post_sign(post, rsa, TAGS, FIELDS, BODY),
		post_sign(post, ed,
		    "v=1; a=ed25519-sha256; d=Example.NET; s=ed; c=simple/simple; h=from:from; ",
		    "From: joe@example.org\r\n", BODY),
		FIELDS, BODY);
	broken = arena_printf(post->arena, "%.*sx\r\n", STR_ARG(message));
	for (int way = 0; way < POST_WAYS; way++) {
		assert_string_equal(post_send(post, message, (enum post_way)way), "pass");
		assert_results(post, "example.org/sel: pass, example.net/ed: pass");
		assert_string_equal(post_fact(post, "dkim.domains"), "example.org, example.net");
		assert_string_equal(post_send(post, broken, (enum post_way)way), "fail");
		assert_results(post,
		    "example.org/sel: fail (the body is not the one that was signed), "
		    "example.net/ed: fail (the body is not the one that was signed)");
	}
	post_signer_free(&ed);
}

static void
unsigned_message(void **state)
{
	struct post *post = *state;

	assert_string_equal(send3(post, "", FIELDS, BODY), "none");
	assert_results(post, "");
	assert_string_equal(post_fact(post, "dkim.domains"), "");
	assert_string_equal(post_fact(post, "dkim.signatures"), "0");
	assert_string_equal(post_fact(post, "dkim.partial"), "no");
	assert_string_equal(post_authres(post), "mx.example; dkim=none");
}

static void
body_without_end(void **state)
{
	struct post *post = *state;
	const char *signature = post_sign(post, rsa, TAGS, FIELDS, "no end\r\n");

	assert_string_equal(send3(post, signature, FIELDS, "no end"), "pass");
	signature = post_sign(post, rsa, TAGS, FIELDS, "\r\n");
	assert_string_equal(send3(post, signature, FIELDS, ""), "pass");
	assert_string_equal(send3(post, signature, FIELDS, "\r\n\r\n"), "pass");
	assert_string_equal(send3(post, signature, FIELDS, "\r"), "neutral");
	assert_results(post, "example.org/sel: neutral (the body has a CR or LF alone)");
}

/* A CR or LF alone is found wherever it stands, however the body comes; a CRLF in two is none. */
static void
bare_line_ends(void **state)
{
	static const struct {
		const char *signed_body, *body, *result;
	} cases[] = {
		{ "a\r\nb\r\n", "a\r\nb\r\n", "pass" },
		{ "a\r\nb\r\n", "a\r\nb", "pass" },
		{ "a\r\nb\r\n", "a\nb\r\n", "neutral" },
		{ "a\r\nb\r\n", "a\r\nb\n", "neutral" },
		{ "a\r\nb\r\n", "a\r\nb\r", "neutral" },
		{ "a\r\nb\r\n", "a\r\n\rb\r\n", "neutral" },
		{ "a\r\nb\r\n", "a\r\r\nb\r\n", "neutral" },
		{ "a\r\nb\r\n", "a\r\nb\r\n\n", "neutral" },
		{ "a\r\nb\r\n", "\na\r\nb\r\n", "neutral" },
		{ "a\r\nb\r\n", "a\r\nB\r\n", "fail" },
	};
	struct post *post = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *signature = post_sign(post, rsa, TAGS, FIELDS, cases[i].signed_body);
		struct str message =
		    arena_printf(post->arena, "%s%s\r\n%s", signature, FIELDS, cases[i].body);

		for (enum post_way way = 0; way < POST_WAYS; way++)
			if (strcmp(post_send(post, message, way), cases[i].result) != 0)
				fail_msg("%zu, way %d", i, (int)way);
	}
}

static void
raw_key(void **state)
{
	struct post *post = *state;
	const char *signature = post_sign(
	    post, rsa, "v=1; a=rsa-sha256; d=example.org; s=raw; h=from:subject; ", FIELDS, BODY);

	post_key(post, "raw._domainkey.example.org",
	    arena_printf(post->arena, "v=DKIM1; p=%s", post_raw_key(post, rsa)).p);
	assert_string_equal(send3(post, signature, FIELDS, BODY), "pass");
}

/* --- what is not a pass ----------------------------------------------------------------------- */

/*
 * In one handle of an older library the l= of the upper signature held for the lower one, which
 * has none, and what was appended was as good as signed by example.org.
 */
static void
length_of_another(void **state)
{
	struct post *post = *state;
	struct post_signer *other = post_signer_rsa(1024);
	char tags[128];
	const char *upper, *lower, *body = BODY "Send money.\r\n";

	post_key(post, "s._domainkey.evil.example", post_record(post, other, ""));
	snprintf(tags, sizeof(tags), "v=1; a=rsa-sha256; d=evil.example; s=s; h=from; l=%zu; ",
	    strlen(BODY));
	upper = post_sign(post, other, tags, "From: joe@example.org\r\n", BODY);
	lower = post_sign(post, rsa, TAGS, FIELDS, BODY);
	upper = arena_printf(post->arena, "%s%s", upper, lower).p;
	assert_string_equal(send3(post, upper, FIELDS, body), "policy");
	assert_results(post,
	    "evil.example/s: policy (it covers only a part of the body (l=)), "
	    "example.org/sel: fail (the body is not the one that was signed)");
	assert_string_equal(post_fact(post, "dkim.partial"), "yes");
	assert_string_equal(post_fact(post, "dkim.domains"), "");
	post_signer_free(&other);
}

static void
part_of_the_body(void **state)
{
	struct post *post = *state;
	const char *tags = "v=1; a=rsa-sha256; d=example.org; s=sel; h=from:subject; l=7; ";
	const char *signature = post_sign(post, rsa, tags, FIELDS, "We lost");

	assert_string_equal(send3(post, signature, FIELDS, BODY), "policy");
	assert_string_equal(post_fact(post, "dkim.partial"), "yes");
	post->conf.partial = 1;
	assert_string_equal(send3(post, signature, FIELDS, BODY), "pass");
	assert_string_equal(post_fact(post, "dkim.partial"), "yes");
	assert_string_equal(send3(post, signature, FIELDS, "We\r\n"), "permerror");
	assert_results(post, "example.org/sel: permerror (l= is more than the body has)");
	assert_string_equal(post_fact(post, "dkim.partial"), "no");
	/* all of it, but for blank lines that do not count */
	tags = "v=1; a=rsa-sha256; d=example.org; s=sel; h=from:subject; l=9; ";
	signature = post_sign(post, rsa, tags, FIELDS, "We lost\r\n");
	assert_string_equal(send3(post, signature, FIELDS, "We lost\r\n\r\n\r\n"), "pass");
	assert_string_equal(post_fact(post, "dkim.partial"), "no");
}

static void
second_from(void **state)
{
	struct post *post = *state;
	const char *signature = post_sign(post, rsa, TAGS, FIELDS, BODY);

	assert_string_equal(
	    send3(post, signature, "From: boss@bank.example\r\n" FIELDS, BODY), "policy");
	assert_results(
	    post, "example.org/sel: policy (there is a From field that it does not cover)");
	assert_string_equal(post_fact(post, "dkim.domains"), "");
	assert_string_equal(
	    send3(post, signature, FIELDS "From: boss@bank.example\r\n", BODY), "fail");
	assert_results(post, "example.org/sel: fail (the signature is not of this header)");
}

/* The library leaves out a field with a HTAB before its colon, and would not miss it. */
static void
from_behind_a_tab(void **state)
{
	struct post *post = *state;
	const char *tags = "v=1; a=rsa-sha256; d=example.org; s=sel; h=from:from; ";
	const char *signature = post_sign(post, rsa, tags, "From: joe@example.org\r\n", BODY);

	assert_string_equal(send3(post, signature, FIELDS, BODY), "pass");
	assert_string_equal(
	    send3(post, signature, FIELDS "From\t: boss@bank.example\r\n", BODY), "permerror");
	assert_results(
	    post, "example.org/sel: permerror (a field that it covers is not well-formed)");
}

static void
octets_in_fields(void **state)
{
	static const struct {
		struct str subject;
		const char *dkim;
	} rows[] = {
		{ STR("Subject: dinner\r\n"), "pass" },
		{ STR("Subject: dinner\0for two\r\n"), "permerror" },
		{ STR("Subject: dinner\v\r\n"), "permerror" },
		{ STR("Subject:\ndinner\r\n"), "permerror" },
		{ STR("Subject:\rdinner\r\n"), "permerror" },
		{ STR("Subject: dinner\r\nX-Other: a\0b\r\n"), "pass" },
	};
	struct post *post = *state;
	const char *above = arena_printf(
	    post->arena, "%sFrom: joe@example.org\r\n", post_sign(post, rsa, TAGS, FIELDS, BODY))
				.p;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf message;

		buf_init(&message, 64 * 1024);
		buf_add(&message, str_of(above));
		buf_add(&message, rows[i].subject);
		buf_add(&message, STR("\r\n" BODY));
		assert_string_equal(post_send(post, buf_str(&message), POST_USUAL), rows[i].dkim);
		session_reset(&post->session);
		buf_free(&message);
	}
}

/* --- keys ------------------------------------------------------------------------------------- */

static void
key_not_at_hand(void **state)
{
	struct post *post = *state;
	const char *lower = post_sign(post, rsa, TAGS, FIELDS, BODY);
	const char *upper = post_sign(
	    post, rsa, "v=1; a=rsa-sha256; d=example.org; s=slow; h=from; ", "From: x\r\n", BODY);
	const char *both = arena_printf(post->arena, "%s%s", upper, lower).p;

	post_key_fails(post, "slow._domainkey.example.org");
	assert_string_equal(send3(post, upper, FIELDS, BODY), "temperror");
	assert_results(post, "example.org/slow: temperror (the key could not be had: timeout)");
	/* what follows is of a random signature, and quoted only if it holds a slash */
	assert_true(str_starts(str_of(post_authres(post)),
	    STR("mx.example; dkim=temperror reason=\"the key could not be had: timeout\" "
		"header.d=example.org header.s=slow header.a=rsa-sha256 "
		"header.i=\"@example.org\" header.b=")));
	assert_string_equal(send3(post, both, FIELDS, BODY), "pass");
	assert_results(post,
	    "example.org/slow: temperror (the key could not be had: timeout), "
	    "example.org/sel: pass");
	assert_string_equal(send3(post, both, FIELDS, "changed\r\n"), "temperror");
}

static void
keys(void **state)
{
	static const char tags[] = "v=1; a=rsa-sha256; d=example.org; s=%s; h=from:subject; ";
	static const struct {
		const char *selector, *more, *results;
	} rows[] = {
		{ "test", "; t=y", "neutral (the key is for testing only (t=y))" },
		{ "strict", "; t=s", "pass" },
		{ "notes", "; n=hello world; x=y; g=*", "pass" },
		{ "other", "; s=tlsrpt", "permerror (the key is not for mail)" },
		{ "any", "; s=tlsrpt : *", "pass" },
		{ "twice", "; p=AAAA", "permerror (the key record is not well-formed)" },
	};
	struct post *post = *state;
	char buf[256];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		snprintf(buf, sizeof(buf), "%s._domainkey.example.org", rows[i].selector);
		post_key(post, buf, post_record(post, rsa, rows[i].more));
		snprintf(buf, sizeof(buf), tags, rows[i].selector);
		send3(post, post_sign(post, rsa, buf, FIELDS, BODY), FIELDS, BODY);
		snprintf(buf, sizeof(buf), "example.org/%s: %s", rows[i].selector, rows[i].results);
		assert_results(post, buf);
	}
	post->conf.testing = 1;
	snprintf(buf, sizeof(buf), tags, "test");
	assert_string_equal(
	    send3(post, post_sign(post, rsa, buf, FIELDS, BODY), FIELDS, BODY), "pass");
}

static void
short_keys(void **state)
{
	static const struct {
		unsigned bits;
		int64_t least;
		const char *results;
	} rows[] = {
		{ 768, 1024,
		    "example.org/k: permerror (the key is shorter than 1024 bits (RFC 8301))" },
		{ 1024, 1024, "example.org/k: pass" },
		{ 1024, 2048, "example.org/k: policy (the key is shorter than is accepted here)" },
	};
	const char *tags = "v=1; a=rsa-sha256; d=example.org; s=k; h=from:subject; ";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct post *post = post_new();
		struct post_signer *signer = post_signer_rsa(rows[i].bits);

		post->conf.key_bits = rows[i].least;
		post_key(post, "k._domainkey.example.org", post_record(post, signer, ""));
		send3(post, post_sign(post, signer, tags, FIELDS, BODY), FIELDS, BODY);
		assert_results(post, rows[i].results);
		post_signer_free(&signer);
		post_free(&post);
	}
}

static void
wrong_key(void **state)
{
	struct post *post = *state;
	struct post_signer *other = post_signer_rsa(1024);

	assert_string_equal(
	    send3(post, post_sign(post, other, TAGS, FIELDS, BODY), FIELDS, BODY), "fail");
	assert_results(post, "example.org/sel: fail (the signature is not of this header)");
	post_signer_free(&other);
}

/* The same message, the same keys, another time: the time that counts is that of the decision. */
static void
time_of_the_decision(void **state)
{
	static const struct {
		int64_t now;
		const char *dkim;
	} rows[] = {
		{ 1799999000, "permerror" },
		{ 1799999700, "pass" },
		{ 1800000000, "pass" },
		{ 1800003900, "pass" },
		{ 1800003901, "permerror" },
		{ 1900000000, "permerror" },
	};
	struct post *post = *state;
	const char *signature = post_sign(post, rsa,
	    "v=1; a=rsa-sha256; d=example.org; s=sel; h=from:subject; t=1800000000; x=1800003600; ",
	    FIELDS, BODY);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		post->now = rows[i].now;
		assert_string_equal(send3(post, signature, FIELDS, BODY), rows[i].dkim);
	}
}

/* --- signatures that cover signatures --------------------------------------------------------- */

static void
covers_another(void **state)
{
	struct post *post = *state;
	const char *tags = "v=1; a=rsa-sha256; d=example.org; s=sel; h=dkim-signature:from; ";
	const char *inner, *outer, *both;

	inner = post_sign(post, rsa, TAGS, FIELDS, BODY);
	outer = post_sign(post, rsa, tags,
	    arena_printf(post->arena, "%sFrom: joe@example.org\r\n", inner).p, BODY);
	both = arena_printf(post->arena, "%s%s", outer, inner).p;
	assert_string_equal(send3(post, both, FIELDS, BODY), "pass");
	assert_results(post, "example.org/sel: pass, example.org/sel: pass");
	/* below what it covers, it still does not mean itself */
	both = arena_printf(post->arena, "%s%s", inner, outer).p;
	send3(post, both, FIELDS, BODY);
	assert_results(post, "example.org/sel: pass, example.org/sel: pass");
	/* the one it covers is gone */
	send3(post, outer, FIELDS, BODY);
	assert_results(
	    post, "example.org/sel: neutral (covers another signature that is not there)");
	/* the one it covers is another */
	both = arena_printf(post->arena, "%sDKIM-Signature: v=1; l=3\r\n", outer).p;
	send3(post, both, FIELDS, BODY);
	assert_results(post,
	    "example.org/sel: fail (the signature is not of this header), "
	    "(unreadable): permerror (d= is missing)");
}

static void
covers_what_is_unfit(void **state)
{
	struct post *post = *state;
	const char *tags = "v=1; a=rsa-sha256; d=example.org; s=sel; h=dkim-signature:from; ";
	char inner[600], long_i[301];
	const char *outer;

	memset(long_i, 'i', 300);
	long_i[300] = '\0';
	snprintf(inner, sizeof(inner),
	    "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=x; h=from; i=%s@example.org; "
	    "bh=AAAA; b=AAAA\r\n",
	    long_i);
	outer = post_sign(post, rsa, tags,
	    arena_printf(post->arena, "%sFrom: joe@example.org\r\n", inner).p, BODY);
	send3(post, arena_printf(post->arena, "%s%s", outer, inner).p, FIELDS, BODY);
	assert_results(post,
	    "example.org/sel: neutral (covers another signature that is not fit to be read), "
	    "example.org/x: permerror (i= is not well-formed, or too long)");
	/* one that is covered by nobody harms nobody */
	outer = post_sign(post, rsa, TAGS, FIELDS, BODY);
	send3(post, arena_printf(post->arena, "%s%s", outer, inner).p, FIELDS, BODY);
	assert_results(post,
	    "example.org/sel: pass, "
	    "example.org/x: permerror (i= is not well-formed, or too long)");
}

static void
covers_too_many(void **state)
{
	struct post *post = *state;
	const char *tags = "v=1; a=rsa-sha256; d=example.org; s=sel; "
			   "h=dkim-signature:dkim-signature:dkim-signature:from; ";
	const char *below = "DKIM-Signature: v=1\r\nDKIM-Signature: v=1\r\nDKIM-Signature: v=1\r\n";
	const char *outer = post_sign(post, rsa, tags,
	    arena_printf(post->arena, "%sFrom: joe@example.org\r\n", below).p, BODY);

	post->conf.signatures = 1;
	send3(post, arena_printf(post->arena, "%s%s", outer, below).p, FIELDS, BODY);
	assert_results(post,
	    "example.org/sel: neutral (covers too many other signatures), "
	    "3 more were not looked at");
}

/* --- strangers -------------------------------------------------------------------------------- */

static double
seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* n copies of text. */
static const char *
repeat(struct post *post, const char *text, size_t n)
{
	size_t length = strlen(text);
	char *out = arena_alloc(post->arena, n * length + 1);

	for (size_t i = 0; i < n; i++)
		memcpy(out + i * length, text, length);
	return out;
}

static void
many_signatures(void **state)
{
	struct post *post = *state;
	const char *one = post_sign(post, rsa, TAGS, FIELDS, BODY);
	double began = seconds();

	assert_string_equal(send3(post, repeat(post, one, 12), FIELDS, BODY), "pass");
	assert_string_equal(post_fact(post, "dkim.signatures"), "12");
	assert_non_null(strstr(post_fact(post, "dkim.results"), ", 2 more were not looked at"));
	assert_string_equal(post_fact(post, "dkim.domains"), "example.org");
	/* From is beyond the fields that are listed: nobody can say what was signed */
	assert_string_equal(send3(post, repeat(post, one, 5000), FIELDS, BODY), "permerror");
	assert_string_equal(post_fact(post, "dkim.signatures"), "1000");
	assert_non_null(strstr(post_fact(post, "dkim.results"), ", 990 more were not looked at"));
	assert_true(seconds() - began < 5);
}

static void
long_fields(void **state)
{
	static const struct {
		const char *tag, *unit, *end, *results;
		size_t n;
	} rows[] = {
		{ "i=", "i", "@example.org", "i= is not well-formed, or too long", 300 },
		{ "z=", "From:joe=40example.org|", "x", "the field is too long", 1800 },
		{ "x_y=", "abcdefgh", "", "the field is too long", 10000 },
		{ "h=", "a:", "from", "h= has too many names", 400 },
		{ "h=", "abcdefghijklmnop:", "from", "h= is too long", 250 },
		{ "", "y=;", "", "a tag stands there twice", 2 },
		{ "q=", "dns/x:", "dns/y", "q= names no way that is known to the key", 2000 },
	};
	struct post *post = *state;
	double began = seconds();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *field = arena_printf(post->arena,
		    "DKIM-Signature: v=1; a=rsa-sha256; d=example.org; s=sel; %s%s%s%s; bh=AAAA; "
		    "b=AAAA\r\n",
		    rows[i].tag[0] == 'h' ? "" : "h=from; ", rows[i].tag,
		    repeat(post, rows[i].unit, rows[i].n), rows[i].end)
					.p;

		assert_string_equal(send3(post, field, FIELDS, BODY), "permerror");
		if (!strstr(post_fact(post, "dkim.results"), rows[i].results))
			fail_msg("%zu: %s", i, post_fact(post, "dkim.results"));
	}
	assert_true(seconds() - began < 5);
}

/* All signatures are good, so each would cost a pass over the body. */
static void
long_body(void **state)
{
	struct post *post = *state;
	const char *line = "0123456789 and so on, line for line\r\n";
	const char *body = repeat(post, line, 50000);
	const char *above = "";
	char buf[128];
	double began;

	for (int i = 0; i < 5; i++) {
		snprintf(buf, sizeof(buf),
		    "v=1; a=rsa-sha256; d=example.org; s=sel; l=%d; h=from:subject; ",
		    37 * (i + 1));
		above = arena_printf(post->arena, "%s%s", above,
		    post_sign(post, rsa, buf, FIELDS, repeat(post, line, (size_t)i + 1)))
			    .p;
	}
	/* a bad one in between does not count */
	above = arena_printf(post->arena, "%s%s", post_sign(post, rsa, TAGS, "x", "x"), above).p;
	began = seconds();
	for (int way = POST_SILENT; way < POST_OCTETS; way++) {
		struct str message = arena_printf(post->arena, "%s" FIELDS "\r\n%s", above, body);

		assert_string_equal(post_send(post, message, (enum post_way)way), "policy");
		assert_results(post,
		    "example.org/sel: fail (the signature is not of this header), "
		    "example.org/sel: policy (it covers only a part of the body (l=)), "
		    "example.org/sel: policy (it covers only a part of the body (l=)), "
		    "example.org/sel: policy (it covers only a part of the body (l=)), "
		    "example.org/sel: neutral (the body is long, and others were verified before), "
		    "example.org/sel: neutral (the body is long, and others were verified before)");
	}
	assert_true(seconds() - began < 10);
}

static void
reset_in_between(void **state)
{
	struct post *post = *state;
	const char *signature = post_sign(post, rsa, TAGS, FIELDS, BODY);
	struct ask ask;
	void **stage_state;

	/* The fact is never asked for: the handles of the library go with the transaction. */
	send3(post, signature, FIELDS, BODY);
	stage_state = post->session.txn.stage_state;
	*stage_state = NULL;
	ask = session_ask(&post->session, STEP_MESSAGE, post->now);
	ask.conf = &post->conf;
	ask.state = stage_state;
	dkim_stage.event(&ask, EVENT_HEADER);
	dkim_stage.event(&ask, EVENT_BODY);
	dkim_stage.event(&ask, EVENT_ACCEPTED);
	assert_non_null(*stage_state);
	session_reset(&post->session);
}

static void
no_from(void **state)
{
	struct post *post = *state;
	const char *signature = post_sign(post, rsa, TAGS, "Subject: dinner\r\n", BODY);

	send3(post, signature, "Subject: dinner\r\n", BODY);
	assert_results(post, "example.org/sel: permerror (the message has no From field)");
}

int
main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, begin, end)
	static const struct CMUnitTest tests[] = {
		CASE(rfc8463_example),
		CASE(all_ways_agree),
		CASE(unsigned_message),
		CASE(body_without_end),
		CASE(bare_line_ends),
		CASE(raw_key),
		CASE(length_of_another),
		CASE(part_of_the_body),
		CASE(second_from),
		CASE(from_behind_a_tab),
		CASE(octets_in_fields),
		CASE(key_not_at_hand),
		CASE(keys),
		CASE(short_keys),
		CASE(wrong_key),
		CASE(time_of_the_decision),
		CASE(covers_another),
		CASE(covers_what_is_unfit),
		CASE(covers_too_many),
		CASE(many_signatures),
		CASE(long_fields),
		CASE(long_body),
		CASE(reset_in_between),
		CASE(no_from),
	};

	return cmocka_run_group_tests_name("dkim", tests, make_keys, free_keys);
}
