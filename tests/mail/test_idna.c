#include "mail/idna.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
names_as_the_dns_has_them(void **state)
{
	static const struct {
		struct str name;
		const char *ascii; /* NULL: none */
	} cases[] = {
		{ STR("example.org"), "example.org" },
		{ STR("Example.ORG."), "example.org" },
		{ STR("a_b.example.org"), "a_b.example.org" },
		{ STR("xn--bcher-kva.example"), "xn--bcher-kva.example" },
		{ STR("b\xc3\xbc"
		      "cher.example"),
		    "xn--bcher-kva.example" },
		{ STR("B\xc3\x9c"
		      "CHER.Example"),
		    "xn--bcher-kva.example" },
		/* u and a combining diaeresis are one letter */
		{ STR("bu\xcc\x88"
		      "cher.example"),
		    "xn--bcher-kva.example" },
		{ STR("stra\xc3\x9f"
		      "e.example"),
		    "xn--strae-oqa.example" },
		{ STR("\xe2\x98\x95.example"), NULL },
		/* full-width letters, another full stop, a soft hyphen that nobody sees */
		{ STR("\xef\xbd\x85xample.org"), "example.org" },
		{ STR("example\xe3\x80\x82org"), "example.org" },
		{ STR("exam\xc2\xadple.org"), "example.org" },
		/* no names */
		{ STR(""), NULL },
		{ STR("."), NULL },
		{ STR("a..b"), NULL },
		{ STR("example.org.."), NULL },
		{ STR("\xff.example"), NULL },
		{ STR("\xc3.example"), NULL },
		{ STR("a\0.example"), NULL },
		{ STR("b\xc3\xbc\0cher.example"), NULL },
		{ STR("\xd7\x90"
		      "a.example"),
		    NULL }, /* writes to the left and to the right */
		{ STR("a\xe2\x80\xae.example"), NULL },
	};
	struct arena *arena = arena_new(64 * 1024);

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str out = { 0 };
		bool ok = idna_to_ascii(arena, cases[i].name, &out);

		if (ok != (cases[i].ascii != NULL) || (ok && !str_eq(out, str_of(cases[i].ascii))))
			fail_msg(
			    "case %zu: %s %.*s", i, ok ? "gives" : "gives nothing", STR_ARG(out));
	}
	arena_free(&arena);
}

static void
what_is_too_long(void **state)
{
	struct arena *arena = arena_new(64 * 1024);
	char name[2048];
	struct str out;

	memset(name, 'a', sizeof(name));
	assert_false(idna_to_ascii(arena, (struct str){ name, 64 }, &out));
	assert_true(idna_to_ascii(arena, (struct str){ name, 63 }, &out));
	memcpy(name, "\xc3\xbc", 2);
	assert_false(idna_to_ascii(arena, (struct str){ name, 64 }, &out));
	assert_false(idna_to_ascii(arena, (struct str){ name, sizeof(name) }, &out));
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_as_the_dns_has_them),
		cmocka_unit_test(what_is_too_long),
	};

	return cmocka_run_group_tests_name("idna", tests, NULL, NULL);
}
