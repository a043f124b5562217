#include "mail/ticket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define KEY STR("0123456789abcdef0123456789abcdef")

static void
test_there_and_back(void **state)
{
	static const char *const recipients[] = { "", "a", "ab", "abc", "abcd", "alice@example.org",
		"\xff\xfe.@x y\"", "j\xc3\xb6rg@example.org" };
	struct arena *arena = arena_new(SIZE_MAX);

	for (size_t i = 0; i < COUNT(recipients); i++) {
		const struct ticket t = { STR("k7abcde"), str_of(recipients[i]), 1767322800 };
		struct ticket back;
		struct buf b;

		buf_init(&b, TICKET_MAX);
		assert_true(ticket_write(&t, KEY, &b));
		for (size_t k = 0; k < b.n; k++)
			assert_true(ascii_isalnum(b.p[k]) || strchr("-_.", b.p[k]));
		assert_int_equal(
		    ticket_read(buf_str(&b), KEY, 1767322799, arena, &back), TICKET_GOOD);
		assert_true(str_eq(back.id, t.id) && str_eq(back.recipient, t.recipient));
		assert_true(back.until == t.until);
		assert_int_equal(
		    ticket_read(buf_str(&b), KEY, 1767322800, arena, &back), TICKET_EXPIRED);
		buf_free(&b);
	}
	arena_free(&arena);
}

/* As another implementation signs it: openssl dgst -sha256 -hmac. */
static void
test_known(void **state)
{
	static const char known[] =
	    "k7abcde.1767322800.YWxpY2VAZXhhbXBsZS5vcmc."
	    "33baeee414139587e601bb3f7367001c72143ac72b279f5bb00128445e7430b8";
	const struct ticket t = { STR("k7abcde"), STR("alice@example.org"), 1767322800 };
	struct buf b;

	buf_init(&b, TICKET_MAX);
	assert_true(ticket_write(&t, KEY, &b));
	assert_string_equal(b.p, known);
	buf_free(&b);
}

/* No octet of it can be another. */
static void
test_forged(void **state)
{
	const struct ticket t = { STR("k7abcde"), STR("alice@example.org"), 1767322800 };
	struct arena *arena = arena_new(SIZE_MAX);
	struct ticket back;
	struct buf b;

	buf_init(&b, TICKET_MAX);
	assert_true(ticket_write(&t, KEY, &b));
	for (size_t i = 0; i < b.n; i++) {
		char was = b.p[i];

		b.p[i] = was == '1' ? '2' : '1';
		assert_int_not_equal(
		    ticket_read(buf_str(&b), KEY, 1767000000, arena, &back), TICKET_GOOD);
		b.p[i] = was;
	}
	for (size_t n = 0; n < b.n; n++)
		assert_int_equal(
		    ticket_read(str_sub(buf_str(&b), 0, n), KEY, 1767000000, arena, &back),
		    TICKET_NONE);
	assert_int_equal(ticket_read(buf_str(&b), STR("0123456789abcdef0123456789abcdeg"),
			     1767000000, arena, &back),
	    TICKET_FORGED);
	/* what another part would be */
	assert_int_equal(ticket_read(STR("k.7.x.y.0000000000000000000000000000000000000000000000000"
					 "000000000000000"),
			     KEY, 1, arena, &back),
	    TICKET_NONE);
	buf_free(&b);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_known),
		cmocka_unit_test(test_forged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
