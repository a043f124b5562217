#include "mail/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int
set_up(void **state)
{
	*state = calloc(1, sizeof(struct reply));
	reply_init(*state);
	return 0;
}

static int
tear_down(void **state)
{
	reply_free(*state);
	free(*state);
	return 0;
}

/* Lines with "\n" between; true when all were taken. */
static bool
take_all(struct reply *r, const char *text, struct err *e)
{
	struct str rest = str_of(text), line;

	reply_clear(r);
	while (str_pop(&rest, '\n', &line))
		if (!reply_take(r, line, e))
			return false;
	return true;
}

static void
test_takes(void **state)
{
	static const struct {
		const char *text;
		int code;
		size_t lines;
		bool complete;
		const char *first, *enhanced, *raw;
	} cases[] = {
		{ "250 ok", 250, 1, true, "ok", NULL, "250 ok\r\n" },
		{ "250", 250, 1, true, "", NULL, "250\r\n" },
		{ "250 ", 250, 1, true, "", NULL, "250 \r\n" },
		{ "250-a\n250 b", 250, 2, true, "a", NULL, "250-a\r\n250 b\r\n" },
		{ "250-a", 250, 1, false, "a", NULL, "250-a\r\n" },
		{ "250-\n250-", 250, 2, false, "", NULL, "250-\r\n250-\r\n" },
		{ "550 5.1.1 unknown", 550, 1, true, "5.1.1 unknown", "5.1.1", NULL },
		{ "550-5.1.1 a\n550 5.1.2 b", 550, 2, true, "5.1.1 a", "5.1.1", NULL },
		{ "250 2.0.0", 250, 1, true, "2.0.0", "2.0.0", NULL },
		{ "452 4.123.999 x", 452, 1, true, "4.123.999 x", "4.123.999", NULL },
		{ "550 4.1.1 x", 550, 1, true, "4.1.1 x", NULL, NULL },
		{ "550 5.1 x", 550, 1, true, "5.1 x", NULL, NULL },
		{ "550 5.1.1234 x", 550, 1, true, "5.1.1234 x", NULL, NULL },
		{ "550 5.1.1x", 550, 1, true, "5.1.1x", NULL, NULL },
		{ "550 5..1 x", 550, 1, true, "5..1 x", NULL, NULL },
		{ "354 3.0.0 x", 354, 1, true, "3.0.0 x", NULL, NULL },
		{ "571 \xc3\xa4\t!", 571, 1, true, "\xc3\xa4\t!", NULL, NULL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct reply *r = *state;

		assert_true(take_all(r, cases[i].text, NULL));
		assert_int_equal(r->code, cases[i].code);
		assert_int_equal(r->lines, cases[i].lines);
		assert_int_equal(r->complete, cases[i].complete);
		assert_true(str_eq(reply_line(r, 0), str_of(cases[i].first)));
		assert_int_equal(reply_enhanced(r).p == NULL, cases[i].enhanced == NULL);
		assert_true(str_eq(reply_enhanced(r), str_of(cases[i].enhanced)));
		if (cases[i].raw != NULL)
			assert_true(str_eq(buf_str(&r->raw), str_of(cases[i].raw)));
	}
}

static void
test_lines(void **state)
{
	struct reply *r = *state;

	assert_true(take_all(r, "250-mx.example.net\n250-\n250 SIZE 10", NULL));
	assert_true(str_eq(reply_line(r, 0), STR("mx.example.net")));
	assert_true(str_eq(reply_line(r, 1), STR("")));
	assert_true(str_eq(reply_line(r, 2), STR("SIZE 10")));
	reply_clear(r);
	assert_int_equal(r->code, 0);
	assert_null(reply_enhanced(r).p);
}

static void
test_refuses(void **state)
{
	static const char no_reply[] = "not a line of an SMTP reply";
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", no_reply },
		{ "25", no_reply },
		{ "25x ok", no_reply },
		{ "150 ok", no_reply },
		{ "650 ok", no_reply },
		{ "250x", no_reply },
		{ "2500", no_reply },
		{ " 250 ok", no_reply },
		{ "250 o\rk", no_reply },
		{ "250 \x1b[2J", no_reply },
		{ "250-a\n251 b", "a reply whose lines have different codes: 250, 251" },
		{ "250 a\n250 b", "a reply came that was not asked for" },
	};
	struct err e = { 0 };

	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_false(take_all(*state, cases[i].text, &e));
		assert_string_equal(e.text, cases[i].error);
	}
	reply_clear(*state);
	assert_false(reply_take(*state, STR("250 a\0b"), &e));
	assert_string_equal(e.text, no_reply);
}

static void
test_is_bounded(void **state)
{
	static char line[12292];
	struct err e = { 0 };

	memset(line, 'x', sizeof line);
	memcpy(line, "250-", 4);
	for (size_t i = 0; i < REPLY_LINES_MAX; i++)
		assert_true(reply_take(*state, STR("250-x"), &e));
	assert_false(reply_take(*state, STR("250 x"), &e));
	assert_string_equal(e.text, "a reply of more than 128 lines");
	reply_clear(*state);
	assert_false(reply_take(*state, (struct str){ line, 12291 }, &e));
	assert_string_equal(e.text, "a reply line of more than 12292 octets");
	for (size_t i = 0; i < 16; i++)
		assert_true(reply_take(*state, (struct str){ line, 4094 }, &e));
	assert_false(reply_take(*state, STR("250 x"), &e));
	assert_string_equal(e.text, "a reply of more than 65536 octets");
}

static void
test_writes(void **state)
{
	static const struct {
		int code;
		const char *enhanced, *text, *out;
	} cases[] = {
		{ 250, "2.1.0", "ok", "250 2.1.0 ok\r\n" },
		{ 250, "", "ok", "250 ok\r\n" },
		{ 250, "2.1.0", "", "250 2.1.0\r\n" },
		{ 250, "", "a\nb\nc", "250-a\r\n250-b\r\n250 c\r\n" },
		{ 550, "5.7.1", "a\nb", "550-5.7.1 a\r\n550 5.7.1 b\r\n" },
		{ 250, "", "a\n", "250 a\r\n" },
		{ 250, "", "a\r\nb", "250-a\r\n250 b\r\n" },
		{ 250, "", "a\n\nb", "250-a\r\n250-\r\n250 b\r\n" },
		{ 550, "", "a\rb\x1b\x7f\xc3\xa4", "550 a?b????\r\n" },
	};
	struct buf out;

	buf_init(&out, 4096);
	for (size_t i = 0; i < COUNT(cases); i++) {
		buf_clear(&out);
		reply_write(&out, cases[i].code, cases[i].enhanced, str_of(cases[i].text));
		assert_string_equal(out.p, cases[i].out);
	}
	buf_free(&out);
}

/* With and without blanks to cut at. What was written is a reply, and nothing of it is lost. */
static void
test_long_lines_are_cut(void **state)
{
	struct buf out;

	buf_init(&out, 8192);
	for (int blanks = 0; blanks < 2; blanks++) {
		char text[1300];
		struct str rest, line;
		struct reply *r = *state;
		size_t n = 0;

		for (size_t i = 0; i < sizeof text; i++)
			text[i] = blanks && i % 9 == 8 ? ' ' : 'x';
		buf_clear(&out);
		reply_write(&out, 550, "5.7.1", (struct str){ text, sizeof text });
		reply_clear(r);
		rest = buf_str(&out);
		while (str_pop(&rest, '\n', &line) && line.n > 0) {
			assert_true(line.n + 1 <= REPLY_LINE_MAX);
			assert_true(reply_take(r, str_sub(line, 0, line.n - 1), NULL));
			n += line.n - sizeof "550 5.7.1 " + !r->complete * blanks;
		}
		assert_true(r->complete);
		assert_int_equal(r->lines, 3);
		assert_int_equal(n, sizeof text);
	}
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_takes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_lines, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_refuses, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_is_bounded, set_up, tear_down),
		cmocka_unit_test(test_writes),
		cmocka_unit_test_setup_teardown(test_long_lines_are_cut, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
