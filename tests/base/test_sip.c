/* SipHash-2-4 against the vectors of its authors: the key is 00 01 .. 0f, the text 00 01 02 ... */
#include "base/sip.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
test_vectors(void **state)
{
	static const uint64_t key[2] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
	static const uint64_t text[3] = { 0x0706050403020100, 0x0f0e0d0c0b0a0908,
		0x1716151413121110 };
	static const uint64_t expected[] = { 0x726fdb47dd0e0e31, 0x93f5f5799a932462,
		0x3f2acc7f57c29bdb, 0xb8ad50c6f649af94 };

	for (size_t n = 0; n < sizeof(expected) / sizeof(expected[0]); n++)
		assert_int_equal(sip_hash(key, text, n), expected[n]);
}

static void
test_the_key_matters(void **state)
{
	static const uint64_t one[2] = { 1, 2 }, other[2] = { 1, 3 }, word = 7;

	assert_true(sip_hash(one, &word, 1) != sip_hash(other, &word, 1));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_the_key_matters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
