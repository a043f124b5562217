#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
test_set(void **state)
{
	struct err e = { 0 };

	assert_int_equal(e.code, ERR_NONE);
	assert_false(err_set(&e, ERR_LIMIT, "%d of %s", 3, "x"));
	assert_int_equal(e.code, ERR_LIMIT);
	assert_string_equal(e.text, "3 of x");
	/* the next takes the place of the last */
	assert_false(err_set(&e, ERR_DB, "%s", ""));
	assert_int_equal(e.code, ERR_DB);
	assert_string_equal(e.text, "");
	/* who does not want to know */
	assert_false(err_set(NULL, ERR_SYSTEM, "%s", "x"));
}

static void
test_long(void **state)
{
	struct err e;

	assert_false(err_set(&e, ERR_SYNTAX, "%0*d", (int)sizeof e.text - 1, 7));
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
	assert_int_equal(e.text[sizeof e.text - 2], '7');
	assert_false(err_set(&e, ERR_SYNTAX, "%0*d", (int)sizeof e.text, 7));
	assert_int_equal(strlen(e.text), sizeof e.text - 1);
	assert_int_equal(e.text[sizeof e.text - 2], '0');
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
