#include "proxy/io_line.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <event2/buffer.h>

#define MAX 8

static const struct {
	const char *pieces[3]; /* as they arrive */
	enum io_line line;     /* after the last of them */
	const char *text, *rest;
} rows[] = {
	{ { "" }, IO_LINE_NONE, NULL, "" },
	{ { "abc" }, IO_LINE_NONE, NULL, "abc" },
	{ { "abc\r" }, IO_LINE_NONE, NULL, "abc\r" },
	{ { "abc\r\n" }, IO_LINE, "abc", "" },
	{ { "abc\r", "\ndef\r\n" }, IO_LINE, "abc", "def\r\n" },
	{ { "\r\n" }, IO_LINE, "", "" },
	{ { "abc\ndef" }, IO_LINE_BARE, "abc", "def" },
	{ { "\n" }, IO_LINE_BARE, "", "" },
	{ { "a\rb\r\n" }, IO_LINE_BARE, "a\rb\r", "" },
	{ { "ab\r\r\n" }, IO_LINE_BARE, "ab\r\r", "" },
	{ { "abcdef\r\n" }, IO_LINE, "abcdef", "" },
	{ { "abcdefg\r\nh" }, IO_LINE_LONG, NULL, "h" },
	{ { "abcdefgh" }, IO_LINE_NONE, NULL, "abcdefgh" },
	{ { "abcdefghi" }, IO_LINE_NONE, NULL, "" },
	{ { "abcdefghi", "j" }, IO_LINE_NONE, NULL, "" },
	{ { "abcdefghi", "j\r\nk" }, IO_LINE_LONG, NULL, "k" },
	{ { "abcdefghi", "j\n", "k\r\n" }, IO_LINE, "k", "" },
};

static void
test_takes_lines(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct evbuffer *input = evbuffer_new();
		enum io_line line = IO_LINE_NONE;
		bool skipping = false;
		struct buf out;
		struct str rest;

		buf_init(&out, 64);
		for (size_t j = 0; j < 3 && rows[i].pieces[j]; j++) {
			evbuffer_add(input, rows[i].pieces[j], strlen(rows[i].pieces[j]));
			line = io_line_take(input, &skipping, MAX, &out);
		}
		rest = (struct str){ (const char *)evbuffer_pullup(input, -1),
			evbuffer_get_length(input) };
		if (line != rows[i].line || !str_eq(rest, str_of(rows[i].rest)) ||
		    (rows[i].text && !str_eq(buf_str(&out), str_of(rows[i].text))))
			fail_msg("row %zu: %d, \"%.*s\", rest \"%.*s\"", i, line, (int)out.n, out.p,
			    STR_ARG(rest));
		buf_free(&out);
		evbuffer_free(input);
	}
}

static void
test_a_nul_is_bare(void **state)
{
	struct evbuffer *input = evbuffer_new();
	bool skipping = false;
	struct buf out;

	buf_init(&out, 64);
	evbuffer_add(input, "a\0b\r\n", 5);
	assert_int_equal(io_line_take(input, &skipping, MAX, &out), IO_LINE_BARE);
	buf_free(&out);
	evbuffer_free(input);
}

/* What was a password is in no memory of the input's any more. */
static void
test_leaves_nothing_behind(void **state)
{
	char memory[] = "secret\r\n";
	struct evbuffer *input = evbuffer_new();
	bool skipping = false;
	struct buf out;

	buf_init(&out, 64);
	evbuffer_add_reference(input, memory, 8, NULL, NULL);
	assert_int_equal(io_line_take(input, &skipping, MAX, &out), IO_LINE);
	for (size_t i = 0; i < sizeof(memory); i++)
		assert_int_equal(memory[i], 0);
	buf_free(&out);
	evbuffer_free(input);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_lines),
		cmocka_unit_test(test_a_nul_is_bare),
		cmocka_unit_test(test_leaves_nothing_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
