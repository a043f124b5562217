#include "filters/dkim_length.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct {
	struct str body;
	uint64_t simple, relaxed;
} rows[] = {
	{ STR(""), 2, 0 },
	{ STR("\r\n"), 2, 0 },
	{ STR("\r\n\r\n"), 2, 0 },
	{ STR(" \r\n"), 3, 0 },
	{ STR("a"), 3, 3 },
	{ STR("a\r\n"), 3, 3 },
	{ STR("a\r\n\r\n\r\n"), 3, 3 },
	{ STR("a\r\n \r\n"), 6, 3 },
	{ STR("a \t b \r\n"), 8, 5 },
	{ STR(" a\r\n"), 4, 4 },
	{ STR("\r\na\r\n\r\nb\r\n"), 10, 10 },
	{ STR("a\rb\r\n"), 5, 5 },
	{ STR("a\r"), 4, 4 },
	{ STR("a\nb"), 5, 5 },
	/* RFC 6376 3.4.5 */
	{ STR(" C \r\nD \t E\r\n\r\n\r\n"), 12, 9 },
};

static void
lengths_on_any_split(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (size_t split = 0; split <= rows[i].body.n; split++) {
			struct str body = rows[i].body;
			struct dkim_length simple, relaxed;

			dkim_length_init(&simple, false);
			dkim_length_init(&relaxed, true);
			dkim_length_add(&simple, str_sub(body, 0, split));
			dkim_length_add(&relaxed, str_sub(body, 0, split));
			dkim_length_add(&simple, str_sub(body, split, body.n));
			dkim_length_add(&relaxed, str_sub(body, split, body.n));
			assert_int_equal(dkim_length_end(&simple), rows[i].simple);
			assert_int_equal(dkim_length_end(&relaxed), rows[i].relaxed);
		}
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lengths_on_any_split),
	};

	return cmocka_run_group_tests_name("dkim_length", tests, NULL, NULL);
}
