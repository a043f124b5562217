#include "base/escape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_text(void **state)
{
	static const struct {
		struct str in;
		const char *out;
	} cases[] = {
		{ { "", 0 }, "" },
		{ { "plain text", 10 }, "plain text" },
		{ { "a\r\nb\0c\t", 7 }, "a\\x0d\\x0ab\\x00c\\x09" },
		{ { "\x1b[2J\x7f", 5 }, "\\x1b[2J\\x7f" },
		{ { "q\"b\\", 4 }, "q\\x22b\\x5c" },
		{ { "m\xc3\xbcll", 5 }, "m\xc3\xbcll" },
		{ { "\xf0\x9f\x93\xa7", 4 }, "\xf0\x9f\x93\xa7" },
		/* C1, as a character and as a bare octet */
		{ { "\xc2\x9b", 2 }, "\\u{009b}" },
		{ { "\x9b", 1 }, "\\x9b" },
		/* right-to-left override, zero width space, byte order mark, tag */
		{ { "\xe2\x80\xae", 3 }, "\\u{202e}" },
		{ { "\xe2\x80\x8b", 3 }, "\\u{200b}" },
		{ { "\xef\xbb\xbf", 3 }, "\\u{feff}" },
		{ { "\xf3\xa0\x80\x81", 4 }, "\\u{e0001}" },
		/* overlong, surrogate, beyond Unicode, cut, lone continuation */
		{ { "\xc0\xaf", 2 }, "\\xc0\\xaf" },
		{ { "\xe0\x80\xaf", 3 }, "\\xe0\\x80\\xaf" },
		{ { "\xed\xa0\x80", 3 }, "\\xed\\xa0\\x80" },
		{ { "\xf4\x90\x80\x80", 4 }, "\\xf4\\x90\\x80\\x80" },
		{ { "\xf5\x80\x80\x80", 4 }, "\\xf5\\x80\\x80\\x80" },
		{ { "\xe2\x82", 2 }, "\\xe2\\x82" },
		{ { "\xe2\x82z", 3 }, "\\xe2\\x82z" },
		{ { "\x80", 1 }, "\\x80" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_string_equal(ESC(cases[i].in), cases[i].out);
}

static void
test_cuts(void **state)
{
	static const struct {
		const char *in;
		size_t size;
		const char *out;
	} cases[] = {
		{ "abcdefg", 8, "abcdefg" },
		{ "abcdefgh", 8, "abcd..." },
		{ "abc\nefgh", 8, "abc..." },
		{ "\n\n\n\n", 8, "\\x0a..." },
		{ "abcd", 4, "..." },
		{ "abcd", 3, ".." },
		{ "abcd", 1, "" },
		/* never through the middle of a character */
		{ "ab\xc3\xbc\xc3\xbc\xc3\xbc", 8, "ab\xc3\xbc..." },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char out[16];

		memset(out, 'Z', sizeof(out));
		assert_ptr_equal(escape_text(str_of(cases[i].in), out, cases[i].size), out);
		assert_string_equal(out, cases[i].out);
		assert_int_equal(out[cases[i].size], 'Z');
	}
}

static void
test_ascii(void **state)
{
	char out[12];

	assert_string_equal(escape_ascii(STR("a\r\n\x7f\"\\ m\xc3\xbc"), out, 12), "a???\"\\ m??");
	assert_string_equal(escape_ascii(STR("0123456789abc"), out, 12), "01234567...");
}

static void
test_json(void **state)
{
	static const struct {
		struct str in;
		const char *out;
	} cases[] = {
		{ { "", 0 }, "\"\"" },
		{ { "a\"b\\c/", 6 }, "\"a\\\"b\\\\c/\"" },
		{ { "\n\r\0\x7f", 4 }, "\"\\n\\u000d\\u0000\\u007f\"" },
		{ { "m\xc3\xbc", 3 }, "\"m\xc3\xbc\"" },
		{ { "\xff", 1 }, "\"\\u00ff\"" },
		{ { "\xe2\x80\xa8", 3 }, "\"\\u2028\"" },
		{ { "\xf3\xa0\x80\x81", 4 }, "\"\\udb40\\udc01\"" },
	};
	struct buf b;

	buf_init(&b, 100);
	for (size_t i = 0; i < COUNT(cases); i++) {
		buf_clear(&b);
		assert_true(escape_json(&b, cases[i].in));
		assert_string_equal(b.p, cases[i].out);
	}
	buf_free(&b);
	buf_init(&b, 4);
	assert_false(escape_json(&b, STR("abc")));
	buf_free(&b);
}

static void
test_shell(void **state)
{
	static const struct {
		const char *text, *word; /* NULL: none */
	} cases[] = {
		{ "alice@example.org", "alice@example.org" },
		{ "", "''" },
		{ "a b", "'a b'" },
		{ "$(reboot)@example.org", "'$(reboot)@example.org'" },
		{ "it's", "'it'\\''s'" },
		{ "-rf", "'-rf'" },
		{ "=ls", "'=ls'" },
		{ "~x", "'~x'" },
		{ "a\nb", NULL },
		{ "\x1b[2J", NULL },
		{ "\xc3\xbc", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b;

		buf_init(&b, 100);
		assert_int_equal(escape_shell(&b, str_of(cases[i].text)), cases[i].word != NULL);
		if (cases[i].word)
			assert_string_equal(b.p, cases[i].word);
		else
			assert_int_equal(b.n, 0);
		buf_free(&b);
	}
}

static void
test_csv(void **state)
{
	static const struct {
		struct str in;
		const char *out;
	} cases[] = {
		{ { "", 0 }, "\"\"" },
		{ { "a,b", 3 }, "\"a,b\"" },
		{ { "a\"b", 3 }, "\"a\"\"b\"" },
		{ { "=1+1", 4 }, "\"'=1+1\"" },
		{ { "@x", 2 }, "\"'@x\"" },
		{ { "+x", 2 }, "\"'+x\"" },
		{ { "-x", 2 }, "\"'-x\"" },
		{ { "\t=x", 3 }, "\"\\x09=x\"" },
		{ { "a;=1;b=2;;@c", 12 }, "\"a;'=1;b=2;;'@c\"" },
		{ { "a\r\nb", 4 }, "\"a\\x0d\\x0ab\"" },
		{ { "m\xc3\xbc\xff", 4 }, "\"m\xc3\xbc\\xff\"" },
	};
	struct buf b;

	buf_init(&b, 100);
	for (size_t i = 0; i < COUNT(cases); i++) {
		buf_clear(&b);
		assert_true(escape_csv(&b, cases[i].in));
		assert_string_equal(b.p, cases[i].out);
	}
	buf_free(&b);
	buf_init(&b, 4);
	assert_false(escape_csv(&b, STR("abc")));
	buf_free(&b);
}

/* Whatever octets come in: printable out, NUL-terminated, inside its memory. */
static void
test_random_octets(void **state)
{
	uint32_t seed = 1;

	for (int round = 0; round < 20000; round++) {
		char in[24], out[40];
		size_t n, size;

		for (size_t i = 0; i < sizeof(in); i++) {
			seed = seed * 1664525 + 1013904223;
			in[i] = (char)(seed >> 24);
		}
		n = (seed >> 8) % (sizeof(in) + 1);
		size = 1 + (seed >> 16) % (sizeof(out) - 1);
		out[size] = 'Z';
		escape_text((struct str){ in, n }, out, size);
		assert_true(strlen(out) < size);
		assert_int_equal(out[size], 'Z');
		for (const char *p = out; *p; p++)
			assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_cuts),
		cmocka_unit_test(test_ascii),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_shell),
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_random_octets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
