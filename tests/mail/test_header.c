#include "mail/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int
set_up(void **state)
{
	*state = arena_new(1 << 20);
	return 0;
}

static int
tear_down(void **state)
{
	arena_free((struct arena **)state);
	return 0;
}

static void
test_splits(void **state)
{
	static const struct {
		const char *text;
		size_t fields, body, block;
		bool complete, malformed;
	} cases[] = {
		{ "A: b\r\n\r\nbody", 1, 8, 6, false, false },
		{ "A: b\r\nC:d\r\n\r\nbody\r\n\r\n", 2, 13, 11, false, false },
		{ "\r\nbody", 0, 2, 0, false, false },
		{ "A: b\r\n c\r\n\td\r\n\r\n", 1, 16, 14, false, false },
		{ "A : b\r\n\r\n", 1, 9, 7, false, false },
		{ "A:\r\n\r\n", 1, 6, 4, false, false },
		{ "A: b\r\n  \r\n\r\n", 1, 12, 10, false, false },
		/* complete without an empty line */
		{ "A: b\r\n", 1, 6, 6, true, false },
		{ "A: b", 1, 4, 4, true, false },
		{ "A: b\r\n c", 1, 8, 8, true, false },
		{ "", 0, 0, 0, true, false },
		{ "A", 0, 0, 0, true, true },
		/* not a field: the header ends before it */
		{ "A: b\r\nno field\r\n\r\n", 1, 6, 6, false, true },
		/* lines of mailbox files */
		{ "From a@b Mon Jan  1 00:00:00\r\nA: b\r\n\r\n", 1, 38, 36, false, false },
		{ "From a\r\n>From b\r\nA: b\r\n\r\n", 1, 25, 23, false, false },
		{ "From a\r\n A: b\r\n\r\n", 0, 8, 8, false, true },
		{ "A: b\r\nFrom a\r\n\r\n", 1, 6, 6, false, true },
		{ "From: a\r\n\r\n", 1, 11, 9, false, false },
		{ "From a", 0, 0, 0, true, true },
		{ " A: b\r\n\r\n", 0, 0, 0, false, true },
		{ ": b\r\n\r\n", 0, 0, 0, false, true },
		{ "\xc3\xa4: b\r\n\r\n", 0, 0, 0, false, true },
		/* a bare LF or CR ends no line */
		{ "A: b\nC: d\r\n\r\n", 1, 13, 11, false, false },
		{ "A: b\n\nC: d\r\n\r\n", 1, 14, 12, false, false },
		{ "A: b\rC: d\r\n\r\n", 1, 13, 11, false, false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str text = str_of(cases[i].text);
		struct header h;
		size_t body;
		bool too_many;

		assert_true(header_split(*state, text, cases[i].complete, &h, &body, &too_many));
		assert_int_equal(h.n, cases[i].fields);
		assert_int_equal(body, cases[i].body);
		assert_int_equal(h.block.n, cases[i].block);
		assert_int_equal(h.malformed, cases[i].malformed);
		assert_false(too_many);
	}
}

static void
test_waits_for_the_end(void **state)
{
	struct str text = STR("A: b\r\n c\r\nD: e\r\n\r\n");

	for (size_t n = 0; n <= text.n; n++) {
		struct header h;
		size_t body;
		bool too_many;

		assert_int_equal(
		    header_split(*state, str_sub(text, 0, n), false, &h, &body, &too_many),
		    n == text.n);
	}
}

static void
test_fields(void **state)
{
	struct str text = STR("From: a\r\nReceived: one\r\n\ttwo\r\nRECEIVED :three\r\n\r\n");
	struct header h;
	size_t body;
	bool too_many;

	assert_true(header_split(*state, text, false, &h, &body, &too_many));
	assert_int_equal(h.n, 3);
	assert_true(str_eq(h.field[1].raw, STR("Received: one\r\n\ttwo")));
	assert_true(str_eq(h.field[1].value, STR(" one\r\n\ttwo")));
	assert_true(str_eq(h.field[2].name, STR("RECEIVED")));
	assert_true(str_eq(h.field[2].value, STR("three")));
	assert_ptr_equal(header_find(&h, "received", 0), &h.field[1]);
	assert_ptr_equal(header_find(&h, "received", 1), &h.field[2]);
	assert_null(header_find(&h, "received", 2));
	assert_null(header_find(&h, "To", 0));
	assert_int_equal(header_count(&h, "Received"), 2);
	assert_int_equal(header_count(&h, "Receive"), 0);
}

static void
test_too_many_fields(void **state)
{
	struct buf text;

	buf_init(&text, 1 << 20);
	for (size_t extra = 0; extra < 2; extra++) {
		struct header h;
		size_t body;
		bool too_many;

		buf_clear(&text);
		for (size_t i = 0; i < HEADER_FIELDS_MAX + extra; i++)
			buf_add(&text, STR("A: b\r\n c\r\n"));
		buf_add(&text, STR("\r\n"));
		assert_true(header_split(*state, buf_str(&text), false, &h, &body, &too_many));
		assert_int_equal(too_many, extra == 1);
		assert_int_equal(h.n, HEADER_FIELDS_MAX);
		assert_int_equal(body, text.n);
		assert_int_equal(h.block.n, text.n - 2);
		assert_true(str_eq(h.field[h.n - 1].value, STR(" b\r\n c")));
	}
	buf_free(&text);
}

static void
test_unfolds(void **state)
{
	static const struct {
		const char *value, *unfolded;
	} cases[] = {
		{ "", "" },
		{ " a b ", "a b" },
		{ " a\r\n b\r\n\tc", "a b\tc" },
		{ "\r\n a", "a" },
		{ "a\nb\rc", "abc" },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_true(str_eq(
		    header_unfold(*state, str_of(cases[i].value)), str_of(cases[i].unfolded)));
}

static void
test_from_domains(void **state)
{
	static const struct {
		const char *value, *domains; /* with ", " between */
	} cases[] = {
		{ " a@b.example", "b.example" },
		{ " A <a@B.Example>", "b.example" },
		{ " \"a@b\" <c@d>", "d" },
		{ " \"a \\\" <x@y>\" <c@d>", "d" },
		{ " (a@b) c@d (e@f)", "d" },
		{ " (a (b@c) d) e@f", "f" },
		{ " (a \\) b@c) e@f", "f" },
		{ " =?utf-8?q?a=40b?= <c@d>", "d" },
		{ " \"c@x\"@d", "d" },
		{ " a@b, c@d,e@f", "b, d, f" },
		{ " a@b, c@B", "b" },
		{ " Friends: a@b, C <c@d>;, e@f", "b, d, f" },
		{ " undisclosed-recipients:;", "" },
		{ " <@route.one,@route.two:c@d>", "d" },
		{ " A\r\n <a\r\n @b.\r\n example>", "b, b.example" },
		{ " a@b (comment) . (comment) example (comment)", "b, b.example" },
		{ " a(x)@(y)b", "b" },
		{ " a@[192.0.2.1]", "[192.0.2.1]" },
		{ " a@\xc3\xb6.example", "\xc3\xb6.example" },
		{ " a@b.example.", "b.example" },
		{ " John Q. Public <a@b>", "b" },
		/* nothing to be found */
		{ "", "" },
		{ " ", "" },
		{ " a", "" },
		{ " <>", "" },
		{ " <a>", "" },
		{ " @b", "" },
		{ " <@b>", "" },
		{ " a@", "" },
		{ " a@.b", "" },
		{ " a@b..c", "" },
		{ " \"a@b\"", "" },
		/* not well-formed: every reading counts */
		{ " a@b <c@d>", "b, d" },
		{ " a@b <a@b>", "b" },
		{ " <a@b> <c@d>", "b, d" },
		{ " <a@b>c@d", "b, d" },
		{ " <a@b", "b" },
		{ " <a@b@c>", "b, c" },
		{ " a@b (<c@d>", "b, d" },
		{ " \"a@b <c@d>", "b, d" },
		{ " a@b;c@d", "b, d" },
		{ " a@[x <c@d>", "d" },
		{ " a@bank\x01.evil.example", "bank, bank.evil.example" },
		{ " a@ba\x01nk.example", "ba, bank.example" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str domain[8];
		struct buf all;
		size_t n =
		    header_from_domains(*state, str_of(cases[i].value), domain, COUNT(domain));

		buf_init(&all, 1024);
		for (size_t k = 0; k < n; k++) {
			if (k > 0)
				buf_add(&all, STR(", "));
			buf_add(&all, domain[k]);
		}
		buf_addc(&all, '\0');
		assert_string_equal(all.p, cases[i].domains);
		buf_free(&all);
	}
}

static void
test_from_domains_are_bounded(void **state)
{
	struct str domain[2];
	struct buf text;

	assert_int_equal(header_from_domains(*state, STR("a@b, c@d, e@f"), domain, 2), 2);
	assert_int_equal(header_from_domains(*state, STR("a@b"), domain, 0), 0);
	assert_int_equal(header_from_domains(*state, STR("a@b\0.c"), domain, 2), 2);
	assert_true(str_eq(domain[0], STR("b")));
	assert_true(str_eq(domain[1], STR("b.c")));
	/* a domain of more than 255 octets is none; nor does it take what is not there */
	buf_init(&text, 1 << 20);
	buf_add(&text, STR("a@b"));
	for (size_t i = 0; i < 200; i++)
		buf_add(&text, STR(".c"));
	assert_int_equal(header_from_domains(*state, buf_str(&text), domain, 2), 0);
	/* openings without end take linear time */
	buf_clear(&text);
	for (size_t i = 0; i < 200000; i++)
		buf_add(&text, STR("\"\\"));
	assert_int_equal(header_from_domains(*state, buf_str(&text), domain, 2), 0);
	buf_clear(&text);
	for (size_t i = 0; i < 500000; i++)
		buf_addc(&text, '(');
	assert_int_equal(header_from_domains(*state, buf_str(&text), domain, 2), 0);
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_splits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_waits_for_the_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_fields, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_too_many_fields, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unfolds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_from_domains, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_from_domains_are_bounded, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
