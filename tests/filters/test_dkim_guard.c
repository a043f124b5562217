#include "filters/dkim_guard.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define GOOD "v=1; a=rsa-sha256; d=example.org; s=sel; h=from:to; bh=AAAA; b=AAAABBBBCC=="
#define NOW 1800000000

static const struct {
	const char *value;
	enum dkim_result result;
	const char *reason;
} rows[] = {
	{ GOOD, DKIM_RESULT_PASS, "" },
	{ GOOD "; q=dns/foo:dns/txt", DKIM_RESULT_PASS, "" },
	{ GOOD "; c=relaxed/simple; l=0; x=1800000001; t=1800000000", DKIM_RESULT_PASS, "" },
	{ GOOD "; i=joe@Example.ORG", DKIM_RESULT_PASS, "" },
	{ GOOD "; i==6A=6Fe@mail.example.org", DKIM_RESULT_PASS, "" },
	{ GOOD "; other=1; z=From:joe", DKIM_RESULT_PASS, "" },
	{ "a=ed25519-sha256; v=1; d=example.org; s=a.b; h=From; bh=AAAA; b=A A\r\n A",
	    DKIM_RESULT_PASS, "" },
	/* tags */
	{ "", DKIM_RESULT_PERMERROR, "a tag has no =" },
	{ GOOD "; d=example.org", DKIM_RESULT_PERMERROR, "a tag stands there twice" },
	/* names */
	{ "v=1; a=rsa-sha256; s=sel; h=from; bh=AAAA; b=AAAA", DKIM_RESULT_PERMERROR,
	    "d= is missing" },
	{ "v=1; a=rsa-sha256; d=example.org; h=from; bh=AAAA; b=AAAA", DKIM_RESULT_PERMERROR,
	    "s= is missing" },
	{ "v=1; a=rsa-sha256; d=; s=sel; h=from; bh=AAAA; b=AAAA", DKIM_RESULT_PERMERROR,
	    "d= is not a domain name" },
	{ "v=1; a=rsa-sha256; d=exam ple.org; s=sel; h=from; bh=AAAA; b=AAAA",
	    DKIM_RESULT_PERMERROR, "d= is not a domain name" },
	{ "v=1; a=rsa-sha256; d=org; s=sel; h=from; bh=AAAA; b=AAAA", DKIM_RESULT_PERMERROR,
	    "d= is a top-level domain" },
	{ "v=1; a=rsa-sha256; d=example.org; s=a..b; h=from; bh=AAAA; b=AAAA",
	    DKIM_RESULT_PERMERROR, "s= is not a selector" },
	/* i= */
	{ GOOD "; i=joe@other.org", DKIM_RESULT_PERMERROR, "i= is outside of d=" },
	{ GOOD "; i=joe@badexample.org", DKIM_RESULT_PERMERROR, "i= is outside of d=" },
	{ GOOD "; i=example.org", DKIM_RESULT_PERMERROR, "i= is not an address with one @" },
	{ GOOD "; i=a@b@example.org", DKIM_RESULT_PERMERROR, "i= is not an address with one @" },
	{ GOOD "; i=a=40b@example.org", DKIM_RESULT_PERMERROR, "i= is not an address with one @" },
	{ GOOD "; i=a=40example.org", DKIM_RESULT_PERMERROR, "i= is not an address with one @" },
	{ GOOD "; i=a=00@example.org", DKIM_RESULT_PERMERROR,
	    "i= is not well-formed, or too long" },
	{ GOOD "; i=a=6a@example.org", DKIM_RESULT_PERMERROR,
	    "i= is not well-formed, or too long" },
	{ GOOD "; i=a@example.org=", DKIM_RESULT_PERMERROR, "i= is not well-formed, or too long" },
	/* version, algorithm, canonicalization */
	{ "a=rsa-sha256; d=example.org; s=sel; h=from; bh=AAAA; b=AAAA", DKIM_RESULT_PERMERROR,
	    "v= is missing" },
	{ "v=2; a=rsa-sha256; d=example.org; s=sel; h=from; bh=AAAA; b=AAAA", DKIM_RESULT_PERMERROR,
	    "v= is not 1" },
	{ "v=1; d=example.org; s=sel; h=from; bh=AAAA; b=AAAA", DKIM_RESULT_PERMERROR,
	    "a= is missing" },
	{ "v=1; a=rsa-sha1; d=example.org; s=sel; h=from; bh=AAAA; b=AAAA", DKIM_RESULT_PERMERROR,
	    "rsa-sha1 is not to be used (RFC 8301)" },
	{ "v=1; a=dsa-sha256; d=example.org; s=sel; h=from; bh=AAAA; b=AAAA", DKIM_RESULT_PERMERROR,
	    "a= is not known" },
	{ GOOD "; c=nowsp", DKIM_RESULT_PERMERROR, "c= is not known" },
	{ GOOD "; c=simple/", DKIM_RESULT_PERMERROR, "c= is not known" },
	/* h= */
	{ "v=1; a=rsa-sha256; d=example.org; s=sel; bh=AAAA; b=AAAA", DKIM_RESULT_PERMERROR,
	    "h= is missing" },
	{ "v=1; a=rsa-sha256; d=example.org; s=sel; h=to:from:; bh=AAAA; b=AAAA",
	    DKIM_RESULT_PERMERROR, "h= is not a list of field names" },
	{ "v=1; a=rsa-sha256; d=example.org; s=sel; h=to:subject; bh=AAAA; b=AAAA",
	    DKIM_RESULT_PERMERROR, "h= does not name From" },
	/* times */
	{ GOOD "; t=-1", DKIM_RESULT_PERMERROR, "t= is not a time" },
	{ GOOD "; t=18446744073709551615", DKIM_RESULT_PERMERROR, "t= is not a time" },
	{ GOOD "; x=soon", DKIM_RESULT_PERMERROR, "x= is not a time" },
	{ GOOD "; t=1", DKIM_RESULT_PERMERROR, "t= is before there was mail like this" },
	{ GOOD "; t=1800000002; x=1800000002", DKIM_RESULT_PERMERROR, "x= is not after t=" },
	{ GOOD "; t=1800000300", DKIM_RESULT_PASS, "" },
	{ GOOD "; t=1800000301", DKIM_RESULT_PERMERROR, "made in the future" },
	{ GOOD "; x=1799999700", DKIM_RESULT_PASS, "" },
	{ GOOD "; x=1799999699", DKIM_RESULT_PERMERROR, "expired" },
	/* the rest */
	{ GOOD "; q=http", DKIM_RESULT_PERMERROR, "q= names no way that is known to the key" },
	{ GOOD "; l=-1", DKIM_RESULT_PERMERROR, "l= is not a length" },
	{ GOOD "; l=9223372036854775807", DKIM_RESULT_PERMERROR, "l= is not a length" },
	{ "v=1; a=rsa-sha256; d=example.org; s=sel; h=from; b=AAAA", DKIM_RESULT_PERMERROR,
	    "bh= is missing or no base64" },
	{ "v=1; a=rsa-sha256; d=example.org; s=sel; h=from; bh=AAAA; b=", DKIM_RESULT_PERMERROR,
	    "b= is missing or no base64" },
	{ "v=1; a=rsa-sha256; d=example.org; s=sel; h=from; bh=AAAA; b=!!!!", DKIM_RESULT_PERMERROR,
	    "b= is missing or no base64" },
	/* what the library would hash wrongly */
	{ "v=1; a=rsa-sha256; d=example.org; s=sel; h=from; bh=AAAA; b =AAAA", DKIM_RESULT_NEUTRAL,
	    "well-formed, but not in a way that can be verified here" },
	{ GOOD "; ab=1", DKIM_RESULT_NEUTRAL,
	    "well-formed, but not in a way that can be verified here" },
};

static bool
check(struct arena *arena, const char *value, struct dkim_sig *sig)
{
	const struct dkim_clock clock = { .now = NOW, .drift = 300 };
	struct field *field = ARENA_NEW(arena, struct field);

	field->raw = arena_printf(arena, "DKIM-Signature: %s", value);
	field->name = str_sub(field->raw, 0, 14);
	field->value = str_sub(field->raw, 15, field->raw.n);
	return dkim_guard_check(arena, field, &clock, sig);
}

static void
results_and_reasons(void **state)
{
	struct arena *arena = arena_new(1024 * 1024);
	struct dkim_sig sig;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool passed = check(arena, rows[i].value, &sig);

		if (sig.result != rows[i].result)
			fail_msg("%s: %s", rows[i].value, sig.reason);
		assert_int_equal(passed, rows[i].result == DKIM_RESULT_PASS);
		assert_string_equal(sig.reason, rows[i].reason);
	}
	arena_free(&arena);
}

static void
what_was_read(void **state)
{
	struct arena *arena = arena_new(65536);
	struct dkim_sig sig;

	assert_true(check(arena,
	    "v=1; a=rsa-sha256; d=Example.ORG; s=Sel; c=simple/relaxed; l=17; h=From : to;"
	    " i=j=6Fe@x.example.org; bh=AAAA; b=AA\r\n AA/+12 3456",
	    &sig));
	assert_true(str_eq(sig.domain, STR("example.org")));
	assert_true(str_eq(sig.selector, STR("sel")));
	assert_true(str_eq(sig.identity, STR("joe@x.example.org")));
	assert_true(str_eq(sig.algorithm_name, STR("rsa-sha256")));
	assert_true(str_eq(sig.b, STR("AAAA/+12")));
	assert_true(sig.relaxed_body && sig.has_length);
	assert_int_equal(sig.length, 17);
	assert_int_equal(sig.n_covers, 2);
	assert_true(str_eq(sig.covers[0], STR("From")) && str_eq(sig.covers[1], STR("to")));
	assert_true(sig.harmless);
	/* of those that are turned away, whose they are */
	assert_false(check(arena, "v=2; d=example.org; s=sel; b=ABCDEFGHI", &sig));
	assert_true(str_eq(sig.domain, STR("example.org")));
	assert_true(str_eq(sig.b, STR("ABCDEFGH")));
	assert_true(sig.harmless);
	arena_free(&arena);
}

static void
limits(void **state)
{
	struct arena *arena = arena_new(1024 * 1024);
	struct dkim_sig sig;
	char local[600];

	memset(local, 'i', sizeof(local));
	/* 255 octets in all, then one more */
	local[255 - 12] = '\0';
	assert_true(check(arena, arena_printf(arena, "%s; i=%s@example.org", GOOD, local).p, &sig));
	assert_int_equal(sig.identity.n, DKIM_IDENTITY_MAX);
	local[255 - 12] = 'i';
	local[255 - 11] = '\0';
	assert_false(
	    check(arena, arena_printf(arena, "%s; i=%s@example.org", GOOD, local).p, &sig));
	assert_string_equal(sig.reason, "i= is not well-formed, or too long");
	assert_false(sig.harmless);
	/* selector and domain together */
	memset(local, 's', 60);
	local[60] = '\0';
	assert_false(check(arena,
	    arena_printf(arena,
		"v=1; a=rsa-sha256; s=%s.%s.%s; d=%s.example.org; h=from; bh=AAAA; b=AAAA", local,
		local, local, local)
		.p,
	    &sig));
	assert_string_equal(sig.reason, "s= and d= make too long a name");
	arena_free(&arena);
}

static void
names_of_results(void **state)
{
	assert_string_equal(dkim_result_name(DKIM_RESULT_PASS), "pass");
	assert_string_equal(dkim_result_name(DKIM_RESULT_TEMPERROR), "temperror");
	assert_string_equal(dkim_result_name(DKIM_RESULT_NONE), "none");
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_and_reasons),
		cmocka_unit_test(what_was_read),
		cmocka_unit_test(limits),
		cmocka_unit_test(names_of_results),
	};

	return cmocka_run_group_tests_name("dkim_guard", tests, NULL, NULL);
}
