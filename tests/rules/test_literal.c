#include "rules/literal.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NO INT64_MIN /* it is none */

struct row {
	const char *text;
	int64_t value;
};

static void
check(const struct row *row, size_t n, bool (*read)(struct str s, int64_t *out))
{
	for (size_t i = 0; i < n; i++) {
		int64_t value = 77;
		bool ok = read(str_of(row[i].text), &value);

		if (ok != (row[i].value != NO))
			fail_msg("\"%s\": %s", row[i].text, ok ? "taken" : "not taken");
		if (ok && value != row[i].value)
			fail_msg("\"%s\": %" PRId64, row[i].text, value);
	}
}

static void
test_numbers(void **state)
{
	static const struct row rows[] = {
		{ "0", 0 },
		{ "100", 100 },
		{ "007", 7 },
		{ "-3", -3 },
		{ "-0", 0 },
		{ "9223372036854775807", INT64_MAX },
		{ "-9223372036854775807", -INT64_MAX },
		{ "9223372036854775808", NO },
		{ "-9223372036854775808", NO },
		{ "99999999999999999999999", NO },
		{ "", NO },
		{ "-", NO },
		{ "--1", NO },
		{ "+1", NO },
		{ "1.0", NO },
		{ "1k", NO },
		{ "0x10", NO },
		{ "1 ", NO },
		{ " 1", NO },
	};

	check(rows, COUNT(rows), literal_number);
}

static void
test_sizes(void **state)
{
	static const struct row rows[] = {
		{ "0", 0 },
		{ "1", 1 },
		{ "256k", 256 * 1024 },
		{ "10M", 10 * 1024 * 1024 },
		{ "1G", 1 << 30 },
		{ "0G", 0 },
		{ "9223372036854775807", INT64_MAX },
		{ "9223372036854775808", NO },
		/* the last that fits, and one more */
		{ "9007199254740991k", INT64_C(9007199254740991) * 1024 },
		{ "9007199254740992k", NO },
		{ "8796093022207M", INT64_C(8796093022207) << 20 },
		{ "8796093022208M", NO },
		{ "8589934591G", INT64_C(8589934591) << 30 },
		{ "8589934592G", NO },
		{ "", NO },
		{ "k", NO },
		{ "-1k", NO },
		{ "10K", NO },
		{ "10m", NO },
		{ "10kk", NO },
		{ "1.5M", NO },
		{ "10MB", NO },
	};

	check(rows, COUNT(rows), literal_size);
}

static void
test_durations(void **state)
{
	static const struct row rows[] = {
		{ "0", 0 },
		{ "0s", 0 },
		{ "500ms", 500 },
		{ "30s", 30000 },
		{ "5m", 300000 },
		{ "2h", 7200000 },
		{ "36d", INT64_C(36) * 86400000 },
		{ "9223372036854775807ms", INT64_MAX },
		{ "9223372036854775808ms", NO },
		{ "9223372036854775s", INT64_C(9223372036854775) * 1000 },
		{ "9223372036854776s", NO },
		{ "106751991167d", INT64_C(106751991167) * 86400000 },
		{ "106751991168d", NO },
		{ "", NO },
		{ "5", NO },
		{ "00", NO },
		{ "s", NO },
		{ "ms", NO },
		{ "-5s", NO },
		{ "5 s", NO },
		{ "1h30m", NO },
		{ "5S", NO },
		{ "5w", NO },
		{ "1.5h", NO },
	};

	check(rows, COUNT(rows), literal_duration);
}

static void
test_percents(void **state)
{
	static const struct row rows[] = {
		{ "0%", 0 },
		{ "80%", 80 },
		{ "100%", 100 },
		{ "101%", NO },
		{ "80", NO },
		{ "%", NO },
		{ "", NO },
		{ "-1%", NO },
		{ "8%%", NO },
		{ "99.5%", NO },
	};

	check(rows, COUNT(rows), literal_percent);
}

static void
test_reals(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		double value;
	} cases[] = {
		{ "5", true, 5 },
		{ "2.5", true, 2.5 },
		{ "-0.25", true, -0.25 },
		{ "0.001", true, 0.001 },
		{ "1.050", true, 1.05 },
		{ "9223372036854775807", true, 9223372036854775807.0 },
		{ "9223372036854775808", false, 0 },
		{ "0.9223372036854775808", false, 0 },
		{ "", false, 0 },
		{ "-", false, 0 },
		{ ".5", false, 0 },
		{ "5.", false, 0 },
		{ "1.2.3", false, 0 },
		{ "1e5", false, 0 },
		{ "1.-5", false, 0 },
		{ "nan", false, 0 },
		{ "inf", false, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		double value = 0, wrong;

		if (literal_real(str_of(cases[i].text), &value) != cases[i].ok)
			fail_msg("\"%s\"", cases[i].text);
		wrong = value - cases[i].value;
		if (cases[i].ok && (wrong > 1e-12 || wrong < -1e-12))
			fail_msg("\"%s\": %.17g", cases[i].text, value);
	}
	/* a text that is nowhere is none either */
	assert_false(literal_real((struct str){ NULL, 0 }, &(double){ 0 }));
}

static void
test_words(void **state)
{
	static const struct {
		const char *text;
		bool enhanced, numeric;
	} cases[] = {
		{ "5.7.1", true, true },
		{ "4.0.0", true, true },
		{ "5.999.999", true, true },
		{ "5.1000.1", false, true },
		{ "5.7.01", false, true },
		{ "05.7.1", false, true },
		{ "2.0.0", false, true },
		{ "6.0.0", false, true },
		{ "5.7", false, true },
		{ "5.7.", false, true },
		{ "5.7.1.", false, true },
		{ "5.7.1.1", false, true },
		{ "5..1", false, true },
		{ ".5.7.1", false, false },
		{ "5.7.x", false, true },
		{ "", false, false },
		{ "-", false, false },
		{ "-3", false, true },
		{ "-x", false, false },
		{ "x1", false, false },
		{ "192.0.2.1", false, true },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str s = str_of(cases[i].text);

		if (literal_enhanced(s) != cases[i].enhanced ||
		    literal_numeric(s) != cases[i].numeric)
			fail_msg("\"%s\"", cases[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_percents),
		cmocka_unit_test(test_reals),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests_name("literal", tests, NULL, NULL);
}
