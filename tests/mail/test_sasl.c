#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mail/sasl.h"

/* ---- names ---- */

static void
test_names(void **state)
{
	static const struct {
		const char *name;
		bool ok, relayable;
	} cases[] = {
		{ "PLAIN", true, true },
		{ "scram-sha-256", true, true },
		{ "X_MINE-1", true, true },
		{ "EXTERNAL", true, false },
		{ "external", true, false },
		{ "SCRAM-SHA-1-PLUS", true, false },
		{ "ABCDEFGHIJKLMNOPQRST", true, true },
		{ "ABCDEFGHIJKLMNOPQRSTU", false, true },
		{ "", false, true },
		{ "A B", false, true },
		{ "PL\xc3\xa4IN", false, true },
		{ "PLAIN=", false, true },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(sasl_mechanism_ok(str_of(cases[i].name)), cases[i].ok);
		assert_int_equal(sasl_relayable(str_of(cases[i].name)), cases[i].relayable);
	}
	assert_true(sasl_lists(STR("PLAIN LOGIN"), STR("login")));
	assert_false(sasl_lists(STR("PLAIN LOGIN"), STR("LOG")));
	assert_false(sasl_lists(STR(""), STR("LOGIN")));
}

/* ---- base64 ---- */

static void
test_base64(void **state)
{
	static const struct {
		const char *text, *decoded; /* NULL: it is none */
	} cases[] = {
		{ "", "" },
		{ "YQ==", "a" },
		{ "YWI=", "ab" },
		{ "YWJj", "abc" },
		{ "+/+/", "\xfb\xff\xbf" },
		{ "YWJjZA==", "abcd" },
		{ "YWJ", NULL },
		{ "YQ=", NULL },
		{ "====", NULL },
		{ "Y===", NULL },
		{ "YQ==YQ==", NULL },
		{ "YW J", NULL },
		{ "YW-_", NULL },
		{ "=YQ=", NULL },
		{ "*", NULL },
	};
	struct buf out;

	buf_init(&out, 100);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct str text = str_of(cases[i].text);

		assert_int_equal(sasl_base64_ok(text), cases[i].decoded != NULL);
		assert_int_equal(sasl_decode(text, &out), cases[i].decoded != NULL);
		if (cases[i].decoded)
			assert_true(str_eq(buf_str(&out), str_of(cases[i].decoded)));
	}
	buf_free(&out);
	buf_init(&out, 2);
	assert_false(sasl_decode(STR("YWJj"), &out));
	assert_true(sasl_decode(STR("YWI="), &out));
	buf_free(&out);
}

/* ---- accounts ---- */

#define MESSAGE(literal) \
	{ \
		(literal), sizeof(literal) - 1 \
	}
#define NTLM_BEGIN \
	"NTLMSSP\0\3\0\0\0" \
	"123456789012345678901234"
#define NTLM_NAME(n) \
	n "\0" n "\0" \
	  "\x40\0\0\0" \
	  "1234567890123456"

static void
test_accounts(void **state)
{
	static const struct {
		const char *mechanism;
		struct str says[3];
		const char *account;
		bool for_another;
	} cases[] = {
		{ "PLAIN", { MESSAGE("\0alice\0secret") }, "alice", false },
		{ "plain", { MESSAGE("alice\0alice\0secret") }, "alice", false },
		{ "PLAIN", { MESSAGE("boss\0alice\0secret") }, "alice", true },
		{ "PLAIN", { MESSAGE("\0alice\0a\0b") }, "alice", false },
		{ "PLAIN", { MESSAGE("\0alice") }, "", false },
		{ "PLAIN", { MESSAGE("alice") }, "", false },
		{ "PLAIN", { MESSAGE("\0\0secret") }, "", false },
		{ "PLAIN", { MESSAGE("\0al\nice\0secret") }, "", false },
		{ "PLAIN", { MESSAGE("\0al\xff\0secret") }, "", false },
		{ "PLAIN", { MESSAGE("\0m\xc3\xbcller\0secret") }, "m\xc3\xbcller", false },
		{ "PLAIN", { MESSAGE("\0boss\0x"), MESSAGE("\0alice\0secret") }, "", false },
		{ "LOGIN", { MESSAGE("alice"), MESSAGE("secret") }, "alice", false },
		{ "LOGIN", { MESSAGE("alice") }, "", false },
		{ "LOGIN", { MESSAGE("boss"), MESSAGE("alice"), MESSAGE("secret") }, "", false },
		{ "CRAM-MD5", { MESSAGE("alice smith 0a1b") }, "alice smith", false },
		{ "CRAM-MD5", { MESSAGE("alice") }, "", false },
		{ "DIGEST-MD5", { MESSAGE("username=\"alice\",realm=\"x\"") }, "alice", false },
		{ "DIGEST-MD5", { MESSAGE("realm=\"a,username=b\", username=alice ") }, "alice ",
		    false },
		{ "DIGEST-MD5", { MESSAGE("username=\"a\\\"b\\\\\",authzid=\"boss\"") }, "a\"b\\",
		    true },
		{ "DIGEST-MD5", { MESSAGE("username=\"alice") }, "alice", false },
		{ "DIGEST-MD5", { MESSAGE("username") }, "", false },
		{ "SCRAM-SHA-1", { MESSAGE("n,,n=alice,r=x"), MESSAGE("c=biws,r=x,p=y") }, "alice",
		    false },
		{ "SCRAM-SHA-512", { MESSAGE("y,a=boss,n=al=2cice=3D,r=x"), MESSAGE("c") },
		    "al,ice=", true },
		{ "SCRAM-SHA-1", { MESSAGE("n,a=alice,n=alice,r=x"), MESSAGE("c") }, "alice",
		    false },
		{ "SCRAM-SHA-1", { MESSAGE("n,,n=al=20ice,r=x"), MESSAGE("c") }, "", false },
		{ "SCRAM-SHA-1", { MESSAGE("n,,m=x,n=alice,r=x"), MESSAGE("c") }, "", false },
		{ "SCRAM-SHA-1", { MESSAGE("n,,n=alice,r=x") }, "", false },
		{ "SCRAM-SHA-1", { MESSAGE("n,b=c,n=alice"), MESSAGE("c") }, "", false },
		{ "OAUTHBEARER", { MESSAGE("n,a=alice@x.example,\1auth=Bearer t\1\1") },
		    "alice@x.example", false },
		{ "OAUTHBEARER", { MESSAGE("n,,\1auth=Bearer t\1\1") }, "", false },
		{ "XOAUTH2", { MESSAGE("user=alice@x.example\1auth=Bearer t\1\1") },
		    "alice@x.example", false },
		{ "XOAUTH2", { MESSAGE("auth=Bearer t\1\1") }, "", false },
		{ "NTLM", { MESSAGE("1"), MESSAGE(NTLM_BEGIN NTLM_NAME("\5") "\0\0\0\0alice") },
		    "alice", false },
		{ "NTLM", { MESSAGE("1"), MESSAGE(NTLM_BEGIN NTLM_NAME("\4") "\1\0\0\0a\0l\0") },
		    "al", false },
		{ "NTLM", { MESSAGE("1"), MESSAGE(NTLM_BEGIN NTLM_NAME("\6") "\0\0\0\0alice") }, "",
		    false },
		{ "NTLM", { MESSAGE("1"), MESSAGE("NTLMSSP\0\3\0\0\0") }, "", false },
		{ "GSSAPI", { MESSAGE("alice") }, "", false },
		{ "ANONYMOUS", { MESSAGE("alice") }, "", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sasl s;

		sasl_begin(&s, str_of(cases[i].mechanism));
		for (size_t k = 0; k < 3; k++) {
			sasl_take(&s, cases[i].says[k]);
			/* What is empty does not count. */
			sasl_take(&s, STR(""));
		}
		assert_true(str_eq(sasl_account(&s), str_of(cases[i].account)));
		assert_int_equal(s.for_another, cases[i].for_another);
	}
}

static void
test_mechanism_in_capitals(void **state)
{
	struct sasl s;

	sasl_begin(&s, STR("Scram-Sha-1_x"));
	assert_string_equal(s.mechanism, "SCRAM-SHA-1_X");
}

/* Nothing of a password is in the struct. */
static void
test_keeps_no_password(void **state)
{
	static const struct str says[] = { MESSAGE("\0alice\0secret"), MESSAGE("secret") };
	static const char *const mechanisms[] = { "PLAIN", "LOGIN", "CRAM-MD5" };
	struct sasl s;

	for (size_t i = 0; i < 3; i++) {
		sasl_begin(&s, str_of(mechanisms[i]));
		sasl_take(&s, i == 1 ? STR("alice") : says[0]);
		sasl_take(&s, says[1]);
		assert_null(memmem(&s, sizeof(s), "secret", 6));
	}
}

static void
test_long_names(void **state)
{
	char message[400];
	struct sasl s;

	memset(message, 'a', sizeof(message));
	message[0] = message[SASL_ACCOUNT_MAX + 1] = '\0';
	sasl_begin(&s, STR("PLAIN"));
	sasl_take(&s, (struct str){ message, sizeof(message) });
	assert_int_equal(sasl_account(&s).n, SASL_ACCOUNT_MAX);
	message[SASL_ACCOUNT_MAX + 1] = 'a';
	message[SASL_ACCOUNT_MAX + 2] = '\0';
	sasl_begin(&s, STR("PLAIN"));
	sasl_take(&s, (struct str){ message, sizeof(message) });
	assert_int_equal(sasl_account(&s).n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_accounts),
		cmocka_unit_test(test_mechanism_in_capitals),
		cmocka_unit_test(test_keeps_no_password),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
