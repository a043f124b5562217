#include "filters/greylist_name.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void
test_parents(void **state)
{
	static const struct {
		const char *ip, *name, *want;
	} cases[] = {
		/* one label is taken off, no more */
		{ "192.0.2.1", "mail.example.org", "example.org" },
		{ "192.0.2.1", "MX1.Example.ORG", "example.org" },
		{ "192.0.2.1", "out7.mail.example.org", "mail.example.org" },
		{ "192.0.2.1", "example.org", "example.org" },
		{ "192.0.2.1", "mail-ej1-x62.google.com", "google.com" },
		{ "192.0.2.1", "mail.example.org.", "example.org" },
		/* below what may be anybody's */
		{ "192.0.2.1", "mail.example.co.uk", "example.co.uk" },
		{ "192.0.2.1", "example.co.uk", "example.co.uk" },
		{ "192.0.2.1", "mx.abc.de", "mx.abc.de" },
		{ "192.0.2.1", "abc.de", "" },
		{ "192.0.2.1", "mail.example.info.pl", "example.info.pl" },
		{ "192.0.2.1", "mail.beispiel.de", "beispiel.de" },
		{ "192.0.2.1", "localhost", "" },
		{ "192.0.2.1", "", "" },
		/* the address in it: decimal, reversed, padded, by its end, hexadecimal */
		{ "192.0.2.77", "c-192-0-2-77.isp.example", "" },
		{ "192.0.2.77", "77.2.0.192.isp.example", "" },
		{ "192.0.2.77", "h192000002077.isp.example", "" },
		{ "192.0.2.77", "x077.isp.example", "" },
		{ "192.0.2.77", "mx77.example.org", "" },
		{ "192.0.2.7", "mx7.example.org", "example.org" },
		{ "192.0.2.77", "pC000024D.dip0.isp.example", "" },
		{ "192.0.2.77", "a.77.b192.isp.example", "" },
		{ "2001:db8::a1b2:3c4d", "x-a1b2.isp.example", "" },
		{ "2001:db8::1", "mail1.example.org", "example.org" },
		{ "2001:db8:1:2:3:4:5abc:1", "n5abc.example.org", "" },
		/* what providers call their customers */
		{ "192.0.2.1", "abc.dyn.isp.example", "" },
		{ "192.0.2.1", "static-a.isp.example", "" },
		{ "192.0.2.1", "pool1.isp.example", "" },
		{ "192.0.2.1", "vps3.hoster.example", "" },
		{ "192.0.2.1", "ns3012345.hoster.example", "" },
		{ "192.0.2.1", "dynamite.example.org", "example.org" },
	};
	struct arena *arena = arena_new(65536);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str got;
		struct ip ip;

		assert_true(ip_parse(str_of(cases[i].ip), &ip));
		got = greylist_parent(arena, str_of(cases[i].name), &ip);
		if (!str_eq(got, str_of(cases[i].want)))
			fail_msg("%s: \"%.*s\" is not \"%s\"", cases[i].name, STR_ARG(got),
			    cases[i].want);
	}
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_parents) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
