#include "mail/letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
write_letter(struct str subject, struct str text, struct buf *out)
{
	const struct letter letter = {
		.from = STR("postmaster@example.org"),
		.to = STR("alice@example.org"),
		.subject = subject,
		.text = text,
		.id = STR("k7"),
		.host = STR("mx.example.org"),
		.now = 1767322800,
	};

	buf_init(out, 100000);
	assert_true(letter_write(&letter, out));
}

static void
test_whole(void **state)
{
	static const char wanted[] = "From: <postmaster@example.org>\r\n"
				     "To: <alice@example.org>\r\n"
				     "Subject: 80% used\r\n"
				     "Date: Fri, 2 Jan 2026 03:00:00 +0000\r\n"
				     "Message-ID: <k7@mx.example.org>\r\n"
				     "Auto-Submitted: auto-generated\r\n"
				     "MIME-Version: 1.0\r\n"
				     "Content-Type: text/plain; charset=utf-8\r\n"
				     "Content-Transfer-Encoding: 7bit\r\n"
				     "\r\n"
				     "one\r\n"
				     "\r\n"
				     ".two\r\n";
	struct buf b;

	write_letter(STR("80% used"), STR("one\n\n.two"), &b);
	assert_string_equal(b.p, wanted);
	buf_free(&b);
	write_letter(STR("80% used"), STR("one\n\n.two\n"), &b);
	assert_string_equal(b.p, wanted);
	buf_free(&b);
}

static void
test_subjects(void **state)
{
	static const struct {
		const char *subject, *field;
	} cases[] = {
		{ "a\r\nBcc: x@example.net", "Subject: a\\x0d\\x0aBcc: x@example.net\r\nDate:" },
		{ "a\nb", "Subject: a\\x0ab\r\nDate:" },
		{ "\x1b[31m", "Subject: \\x1b[31m\r\nDate:" },
		{ "Gr\xc3\xbc\xc3\x9f", "Subject: =?utf-8?B?R3LDvMOf?=\r\nDate:" },
		/* what turns the order of letters round is shown, not sent */
		{ "a\xe2\x80\xae"
		  "b",
		    "Subject: a\\u{202e}b\r\nDate:" },
		{ "\xff", "Subject: \\xff\r\nDate:" },
		/* words of 45 octets, not cut within a character */
		{ "0123456789012345678901234567890123456789abcd\xc3\xbcx",
		    "Subject: =?utf-8?B?MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OWFiY2Q=?="
		    "\r\n =?utf-8?B?w7x4?=\r\nDate:" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf b;
		const char *field;

		write_letter(str_of(cases[i].subject), STR("x"), &b);
		field = strstr(b.p, "Subject:");
		assert_non_null(field);
		assert_memory_equal(field, cases[i].field, strlen(cases[i].field));
		buf_free(&b);
	}
}

static void
test_texts(void **state)
{
	static const struct {
		const char *text, *body;
	} cases[] = {
		{ "a\rb\n", "7bit\r\n\r\na?b\r\n" },
		{ "", "7bit\r\n\r\n" },
		{ "Gr\xc3\xbc\xc3\x9f\n", "base64\r\n\r\nR3LDvMOfDQo=\r\n" },
	};
	char line[1100];
	struct buf b;

	for (size_t i = 0; i < COUNT(cases); i++) {
		write_letter(STR("x"), str_of(cases[i].text), &b);
		if (strchr(cases[i].text, '\r') == NULL)
			assert_string_equal(strstr(b.p, "Encoding: ") + 10, cases[i].body);
		else /* a lone CR cannot be 7bit */
			assert_non_null(strstr(b.p, "base64\r\n\r\nYT9iDQo=\r\n"));
		buf_free(&b);
	}
	/* longer than a line may be */
	memset(line, 'a', sizeof(line));
	write_letter(STR("x"), (struct str){ line, sizeof(line) }, &b);
	assert_non_null(strstr(b.p, "Encoding: base64\r\n\r\n"));
	buf_free(&b);
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *address;
		bool ok;
	} cases[] = {
		{ "alice@example.org", true },
		{ "a.b+c=d@mail.example.org", true },
		{ "alice", false },
		{ "@example.org", false },
		{ "alice@", false },
		{ "alice@[192.0.2.1]", false },
		{ "a b@example.org", false },
		{ "a\r\nb@example.org", false },
		{ "a>b@example.org", false },
		{ "a@b@example.org", false },
		{ "\"a\"@example.org", false },
		{ "j\xc3\xb6rg@example.org", false },
		{ "a@ex ample.org", false },
		{ "a@example.org>", false },
	};
	struct err e;

	for (size_t i = 0; i < COUNT(cases); i++)
		if (letter_address(str_of(cases[i].address), &e) != cases[i].ok)
			fail_msg("%s", cases[i].address);
}

static void
test_clean(void **state)
{
	struct arena *arena = arena_new(SIZE_MAX);

	assert_string_equal(letter_clean(arena, STR("a\r\nb\x07")).p, "a\\x0d\\x0ab\\x07");
	assert_string_equal(letter_clean(arena, STR("")).p, "");
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_subjects),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_clean),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
