#include "mail/question.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int
set_up(void **state)
{
	*state = arena_new(1 << 20);
	return 0;
}

static int
tear_down(void **state)
{
	arena_free((struct arena **)state);
	return 0;
}

static struct question
dns(const char *name, enum dns_type type)
{
	return (struct question){ .kind = QUESTION_DNS, .name = str_of(name), .type = type };
}

static struct question
count(const char *key, int64_t add, unsigned serial)
{
	return (struct question){
		.kind = QUESTION_COUNT, .name = str_of(key), .add = add, .serial = serial
	};
}

static struct question
seen(const char *key, bool look_only, bool prove)
{
	return (struct question){ .kind = QUESTION_SEEN,
		.name = str_of(key),
		.seen = { .delay = 300, .look_only = look_only, .prove = prove } };
}

static void
test_identity(void **state)
{
	const struct question all[] = {
		dns("a.example", DNS_A),
		dns("a.example", DNS_AAAA),
		dns("b.example", DNS_A),
		dns("a.example.net", DNS_A),
		count("a.example", 0, 0),
		count("a.example", 1, 0),
		count("a.example", 1, 1),
		count("b.example", 1, 0),
		seen("a.example", false, false),
		seen("a.example", true, false),
		seen("a.example", false, true),
		seen("b.example", false, false),
	};
	struct answers a = { 0 };

	for (size_t i = 0; i < COUNT(all); i++) {
		assert_false(answers_holds(&a, &all[i]));
		assert_null(answers_get(&a, *state, &all[i]));
		assert_int_equal(a.total, i + 1);
		assert_int_equal(a.noted, i + 1);
	}
	for (size_t i = 0; i < COUNT(all); i++) {
		assert_null(answers_get(&a, *state, &all[i]));
		assert_true(answers_holds(&a, &all[i]));
	}
	assert_int_equal(a.total, COUNT(all));
	answers_clear(&a);
	assert_int_equal(a.total, 0);
	assert_false(answers_holds(&a, &all[0]));
	assert_null(answers_get(&a, *state, &all[0]));
	assert_int_equal(a.total, 1);
}

static void
test_answers_once_they_are_here(void **state)
{
	const struct question q = dns("a.example", DNS_A), other = dns("b.example", DNS_A);
	struct answers a = { 0 };

	assert_null(answers_peek(&a, &q));
	assert_int_equal(a.total, 0);
	assert_null(answers_get(&a, *state, &q));
	assert_null(answers_get(&a, *state, &other));
	assert_ptr_not_equal(a.first->question.name.p, q.name.p);
	assert_true(str_eq(a.first->question.name, q.name));
	assert_ptr_equal(a.end, &a.first->next->next);
	a.first->state = ANSWER_SENT;
	assert_null(answers_get(&a, *state, &q));
	assert_null(answers_peek(&a, &q));
	a.first->state = ANSWER_HERE;
	assert_ptr_equal(answers_get(&a, *state, &q), a.first);
	assert_ptr_equal(answers_peek(&a, &q), a.first);
	assert_null(answers_peek(&a, &other));
}

static void
test_names_that_are_none(void **state)
{
	const struct question bad[] = { dns("", DNS_A), dns("a..b", DNS_A) };
	struct answers a = { 0 };

	for (size_t i = 0; i < COUNT(bad); i++) {
		const struct answer *answer = answers_get(&a, *state, &bad[i]);

		assert_non_null(answer);
		assert_int_equal(answer->dns.status, DNS_NXDOMAIN);
	}
	assert_int_equal(a.total, 0);
}

static void
test_budget(void **state)
{
	struct answers a = { 0 };
	const struct question known = count("key 7", 1, 0);
	const struct answer *answer;
	struct question q;

	for (unsigned i = 0; i < ANSWERS_MAX; i++) {
		char key[20];

		snprintf(key, sizeof key, "key %u", i);
		q = count(key, 1, 0);
		assert_null(answers_get(&a, *state, &q));
	}
	q = dns("a.example", DNS_A);
	answer = answers_get(&a, *state, &q);
	assert_int_equal(answer->dns.status, DNS_TEMPFAIL);
	assert_string_equal(answer->dns.why, "budget");
	q = count("one more", 1, 0);
	assert_true(answers_get(&a, *state, &q)->failed);
	/* what is in the table is not touched by it */
	assert_null(answers_get(&a, *state, &known));
	assert_int_equal(a.total, ANSWERS_MAX);
}

/* What takes too much memory already asks no more; what it has asked it has. */
static void
test_memory(void **state)
{
	struct answers a = { 0 };
	struct arena *arena = arena_new(1000);
	struct question before = count("before", 1, 0), after = dns("a.example", DNS_A);

	assert_null(answers_get(&a, arena, &before));
	arena_alloc(arena, 2000);
	assert_null(answers_get(&a, arena, &before));
	assert_true(answer_is_over(answers_get(&a, arena, &after)));
	assert_int_equal(a.total, 1);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_identity, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_answers_once_they_are_here, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names_that_are_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_budget, set_up, tear_down),
		cmocka_unit_test(test_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
