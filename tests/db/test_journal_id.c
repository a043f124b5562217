/* Ids of entries: serials there and back, under one key and another. */
#include "db/journal_id.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct journal_key key = { { 0x0123456789abcdef, 0xfedcba9876543210 } };

static void
test_there_and_back(void **state)
{
	static const int64_t serials[] = { 1, 2, 3, 1000, 123456789, JOURNAL_IDS - 1, JOURNAL_IDS };
	char id[8], before[8] = "";
	int64_t back;

	for (size_t i = 0; i < sizeof(serials) / sizeof(serials[0]); i++) {
		journal_id_write(&key, serials[i], id);
		assert_int_equal(strlen(id), 6);
		assert_int_equal(strspn(id, "abcdefghjkmnpqrstuvwxyz23456789"), 6);
		assert_string_not_equal(id, before);
		assert_true(journal_id_read(&key, str_of(id), &back));
		assert_int_equal(back, serials[i]);
		memcpy(before, id, sizeof(id));
	}
}

/* They come again when there is no more, not sooner. */
static void
test_they_come_again(void **state)
{
	char first[8], again[8];

	journal_id_write(&key, 5, first);
	journal_id_write(&key, 5 + (int64_t)JOURNAL_IDS, again);
	assert_string_equal(first, again);
}

/* Neighbours have nothing in common that shows. */
static void
test_neighbours(void **state)
{
	unsigned same[6] = { 0 };
	char id[8], next[8];

	journal_id_write(&key, 1, id);
	for (int64_t serial = 2; serial <= 3100; serial++) {
		journal_id_write(&key, serial, next);
		for (int i = 0; i < 6; i++)
			same[i] += id[i] == next[i];
		memcpy(id, next, sizeof(id));
	}
	/* One in 31 by chance. */
	for (int i = 0; i < 6; i++)
		assert_in_range(same[i], 50, 160);
}

static void
test_another_key(void **state)
{
	static const struct journal_key other = { { 1, 2 } };
	char id[8], not [8];

	journal_id_write(&key, 77, id);
	journal_id_write(&other, 77, not );
	assert_string_not_equal(id, not );
}

static void
test_what_is_no_id(void **state)
{
	static const char *const wrong[] = { "", "abcde", "abcdefg", "abcde0", "abcdel", "ABCDEF",
		"abc ef" };
	int64_t serial;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(journal_id_read(&key, str_of(wrong[i]), &serial));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_they_come_again),
		cmocka_unit_test(test_neighbours),
		cmocka_unit_test(test_another_key),
		cmocka_unit_test(test_what_is_no_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
