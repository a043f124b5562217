#include "mail/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
	struct str text;
	size_t length; /* of the first sequence */
	bool ok, beyond;
} cases[] = {
	{ STR(""), 0, true, false },
	{ STR("abc\r\n\0"), 0, true, false },
	{ STR("\xc3\xa4"), 2, true, true },
	{ STR("\xc2\xa0"), 2, true, true },
	{ STR("\xe2\x82\xac z"), 3, true, true },
	{ STR("\xf0\x9f\x93\xa7"), 4, true, true },
	{ STR("\xf4\x8f\xbf\xbf"), 4, true, true },
	{ STR("a\xc3\xa4\xc3"), 0, false, true },
	{ STR("\xc2\x85"), 0, false, true }, /* C1 */
	{ STR("\xc0\x80"), 0, false, true }, /* overlong */
	{ STR("\xc1\xbf"), 0, false, true },
	{ STR("\xe0\x9f\xbf"), 0, false, true },
	{ STR("\xf0\x8f\xbf\xbf"), 0, false, true },
	{ STR("\xed\xa0\x80"), 0, false, true },     /* a surrogate */
	{ STR("\xf4\x90\x80\x80"), 0, false, true }, /* beyond Unicode */
	{ STR("\xf5\x80\x80\x80"), 0, false, true },
	{ STR("\x80"), 0, false, true },
	{ STR("\xe2\x82"), 0, false, true }, /* cut */
	{ STR("\xe2\x82z"), 0, false, true },
	{ STR("\xff"), 0, false, true },
};

static void
test_cases(void **state)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(utf8_length(cases[i].text), cases[i].length);
		assert_int_equal(utf8_ok(cases[i].text), cases[i].ok);
		assert_int_equal(utf8_beyond_ascii(cases[i].text), cases[i].beyond);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
