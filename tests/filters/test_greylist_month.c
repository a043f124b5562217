/* Ten days of the month that bench/greylist plays in full: what greylisting promises, beside a plain triplet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "bench/month.h"

static void
test_less_delay_and_no_more_junk(void **state)
{
	static const uint64_t seeds[] = { 1, 2026 };

	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++) {
		struct month_settings settings = { .seed = seeds[i], .days = 10, .scale = 100 };
		struct month_result ours, plain;

		month_run(&settings, &ours, &plain);
		assert_int_equal(ours.legitimate, plain.legitimate);
		assert_int_equal(ours.legitimate, 4000);
		assert_int_equal(ours.lost, 0);
		assert_int_equal(ours.beyond, 0);
		assert_true(plain.beyond > 0);
		if (5 * ours.delayed > plain.delayed)
			fail_msg("%zu delayed of %zu, %zu by the plain triplet", ours.delayed,
			    ours.legitimate, plain.delayed);
		if (ours.junk_in > plain.junk_in)
			fail_msg("%zu of %zu junk let in, %zu by the plain triplet", ours.junk_in,
			    ours.junk, plain.junk_in);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_less_delay_and_no_more_junk) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
