#include "filters/key.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_networks(void **state)
{
	static const struct {
		const char *ip; /* NULL: none */
		int bits4, bits6;
		const char *key;
	} cases[] = {
		{ "192.0.2.77", 24, 64, "192.0.2.0/24" },
		{ "192.0.2.77", 32, 64, "192.0.2.77/32" },
		{ "192.0.2.77", 25, 64, "192.0.2.0/25" },
		{ "192.0.2.177", 25, 64, "192.0.2.128/25" },
		{ "192.0.2.77", 1, 64, "128.0.0.0/1" },
		{ "::ffff:192.0.2.77", 24, 64, "192.0.2.0/24" },
		{ "2001:db8:1:2:3:4:5:6", 24, 64, "2001:db8:1:2::/64" },
		{ "2001:db8:1:2:3:4:5:6", 24, 128, "2001:db8:1:2:3:4:5:6/128" },
		{ "2001:db8:1:2:3:4:5:6", 24, 47, "2001:db8::/47" },
		{ NULL, 24, 64, "local" },
	};
	struct arena *arena = arena_new(1 << 16);

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip ip = { 0 };
		struct str key;

		assert_true(cases[i].ip == NULL || ip_parse(str_of(cases[i].ip), &ip));
		key = key_network(arena, &ip, cases[i].bits4, cases[i].bits6);
		if (!str_eq(key, str_of(cases[i].key)))
			fail_msg("%.*s", STR_ARG(key));
	}
	arena_free(&arena);
}

/* A key that fits stays; of a longer one the end is the digest, in 200 octets in all. */
static void
test_bounds(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	char text[2000];
	struct str key, again;

	memset(text, 'x', sizeof text);
	assert_ptr_equal(key_bound(arena, (struct str){ text, KEY_MAX }).p, text);
	assert_int_equal(key_bound(arena, STR("")).n, 0);
	for (size_t n = KEY_MAX + 1; n < sizeof text; n += 97) {
		key = key_bound(arena, (struct str){ text, n });
		assert_int_equal(key.n, KEY_MAX);
		assert_memory_equal(key.p, text, KEY_MAX - 65);
		assert_int_equal(key.p[KEY_MAX - 65], '~');
		for (size_t i = KEY_MAX - 64; i < KEY_MAX; i++)
			assert_non_null(strchr("0123456789abcdef", key.p[i]));
		/* the same key gives the same; one octet more or another one does not */
		again = key_bound(arena, (struct str){ text, n });
		assert_true(str_eq(key, again));
		again = key_bound(arena, (struct str){ text, n + 1 });
		assert_false(str_eq(key, again));
		text[n - 1] = 'y';
		again = key_bound(arena, (struct str){ text, n });
		assert_false(str_eq(key, again));
		text[n - 1] = 'x';
	}
	arena_free(&arena);
}

/* The digest is SHA-256 of all of it: entries of a store outlive the program that wrote them. */
static void
test_digest(void **state)
{
	struct arena *arena = arena_new(1 << 16);
	char text[1000];
	struct str key;

	memset(text, 'a', sizeof text);
	key = key_bound(arena, (struct str){ text, sizeof text });
	assert_true(str_ends(
	    key, STR("~41edece42d63e8d9bf515a9ba6932e1c20cbc9f5a5d134645adb5db1b9737ea3")));
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_digest),
	};

	return cmocka_run_group_tests_name("key", tests, NULL, NULL);
}
