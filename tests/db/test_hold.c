/* QUESTION_TAKE against the SQLite store: limits are kept to the one, whoever asks, and whoever dies. */
#include "db/hold.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "db/store_sqlite.h"
#include "tests/db/store_world.h"

#define T0 1700000000 /* begins a bin of each window */
#define KEY "rate:messages:account:alice"
#define LASTS 1200

static struct question
question(enum take_what what, uint64_t holder, int64_t n, int64_t day)
{
	return (struct question){ .kind = QUESTION_TAKE,
		.name = STR(KEY),
		.add = n,
		.take = { .what = what, .holder = holder, .lasts = LASTS, .limit.day = day } };
}

static struct answer
ask(struct store *store, struct question q, int64_t after)
{
	struct answer a = { .question = q };
	struct store_ask one = { &a.question, &a };
	struct err e;

	if (!store_sqlite.ask(store, &one, 1, (T0 + after) * 1000, &e))
		fail_msg("%s", e.text);
	return a;
}

static struct answer
take(struct store *store, enum take_what what, uint64_t holder, int64_t n, int64_t after)
{
	return ask(store, question(what, holder, n, 3), after);
}

/* --- one after the other: a limit of 3 a day -------------------------------------------------- */

struct move {
	int64_t after; /* T0 */
	enum take_what what;
	uint64_t holder;
	int64_t n;
	bool granted;
	int64_t held, day; /* by others; counted */
};

static const struct story {
	const char *name;
	struct move move[9];
	size_t n;
} stories[] = {
	{ "what is held fills the limit as what is counted does",
	    { { 0, TAKE_HOLD, 1, 1, true, 0, 0 }, { 0, TAKE_HOLD, 2, 1, true, 1, 0 },
		{ 0, TAKE_HOLD, 3, 1, true, 2, 0 }, { 0, TAKE_HOLD, 4, 1, false, 3, 0 },
		{ 1, TAKE_SETTLE, 1, 1, true, 2, 1 }, { 1, TAKE_HOLD, 4, 1, false, 2, 1 },
		{ 1, TAKE_FREE, 2, 0, true, 1, 1 }, { 1, TAKE_HOLD, 4, 1, true, 1, 1 },
		{ 1, TAKE_HOLD, 5, 1, false, 2, 1 } },
	    9 },
	{ "holding again is no second hold, and a refusal leaves the first",
	    { { 0, TAKE_HOLD, 1, 1, true, 0, 0 }, { 0, TAKE_HOLD, 1, 1, true, 0, 0 },
		{ 0, TAKE_HOLD, 1, 3, true, 0, 0 }, { 0, TAKE_HOLD, 1, 4, false, 0, 0 },
		{ 0, TAKE_LOOK, 2, 1, false, 3, 0 }, { 0, TAKE_SETTLE, 1, 2, true, 0, 2 },
		{ 0, TAKE_LOOK, 2, 1, true, 0, 2 } },
	    7 },
	{ "who settles what was never granted is counted all the same",
	    { { 0, TAKE_SETTLE, 1, 3, true, 0, 3 }, { 0, TAKE_HOLD, 2, 1, false, 0, 3 },
		{ 0, TAKE_SETTLE, 2, 1, true, 0, 4 } },
	    3 },
	{ "a holder that died is forgotten when its time is over, not before",
	    { { 0, TAKE_HOLD, 1, 3, true, 0, 0 }, { LASTS - 1, TAKE_HOLD, 2, 1, false, 3, 0 },
		{ LASTS, TAKE_HOLD, 2, 1, true, 0, 0 } },
	    3 },
	{ "what is kept lasts on",
	    { { 0, TAKE_HOLD, 1, 3, true, 0, 0 }, { LASTS - 1, TAKE_KEEP, 1, 2, true, 0, 0 },
		{ LASTS + 1, TAKE_LOOK, 2, 1, true, 2, 0 },
		{ LASTS + 1, TAKE_LOOK, 2, 2, false, 2, 0 } },
	    4 },
	{ "the administrator begins anew",
	    { { 0, TAKE_SETTLE, 1, 2, true, 0, 2 }, { 0, TAKE_HOLD, 2, 1, true, 0, 2 },
		{ 0, TAKE_RESET, 0, 0, true, 1, 0 }, { 0, TAKE_LOOK, 3, 3, true, 0, 0 } },
	    4 },
};

static void
test_stories(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(stories) / sizeof(stories[0]); i++) {
		struct question reset = question(TAKE_RESET, 0, 0, 0);

		ask(w->store, reset, 0);
		for (size_t j = 0; j < stories[i].n; j++) {
			const struct move *m = &stories[i].move[j];
			struct answer a = take(w->store, m->what, m->holder, m->n, m->after);

			if (a.take.granted != m->granted || a.take.held != m->held ||
			    a.count.day != m->day)
				fail_msg("%s, %zu: granted %d, held %jd, counted %jd",
				    stories[i].name, j, a.take.granted, (intmax_t)a.take.held,
				    (intmax_t)a.count.day);
		}
	}
}

/* --- when there is room again ----------------------------------------------------------------- */

static void
test_free_is_told_to_the_second(void **state)
{
	struct world *w = *state;
	struct answer a;

	take(w->store, TAKE_SETTLE, 1, 1, 0);
	take(w->store, TAKE_SETTLE, 1, 2, 7000);
	a = take(w->store, TAKE_HOLD, 2, 1, 50000);
	assert_false(a.take.granted);
	/* the first one's half hour begins at T0 - T0 % 1800, and is out 49 of them later */
	assert_int_equal(a.take.free, (T0 / 1800 + 49) * 1800 - T0 - 50000);
	assert_false(take(w->store, TAKE_LOOK, 2, 1, 50000 + a.take.free - 1).take.granted);
	assert_true(take(w->store, TAKE_LOOK, 2, 1, 50000 + a.take.free).take.granted);
	/* two need the second one out as well */
	a = take(w->store, TAKE_HOLD, 2, 2, 50000);
	assert_int_equal(a.take.free, ((T0 + 7000) / 1800 + 49) * 1800 - T0 - 50000);
	assert_true(take(w->store, TAKE_LOOK, 2, 2, 50000 + a.take.free).take.granted);
	/* never */
	a = take(w->store, TAKE_HOLD, 2, 4, 50000);
	assert_false(a.take.granted);
	assert_int_equal(a.take.free, 0);
}

static void
test_each_window_is_kept(void **state)
{
	struct world *w = *state;
	struct question q = question(TAKE_HOLD, 2, 1, 100);
	struct answer a;

	q.take.limit.minute = 2;
	q.take.limit.hour = 3;
	take(w->store, TAKE_SETTLE, 1, 2, 0);
	a = ask(w->store, q, 5);
	assert_false(a.take.granted);
	assert_int_equal(a.take.free, (T0 / 10 + 7) * 10 - T0 - 5);
	take(w->store, TAKE_SETTLE, 1, 1, 5);
	/* in a minute and in an hour: the longer wait */
	a = ask(w->store, q, 5);
	assert_int_equal(a.take.free, (T0 / 120 + 31) * 120 - T0 - 5);
	assert_int_equal(a.take.limit.hour, 3);
	/* what comes at once: ten to twenty seconds */
	q.take.limit = (struct take_limits){ .burst = 2, .hour = 10 };
	take(w->store, TAKE_SETTLE, 1, 2, 29);
	a = ask(w->store, q, 29);
	assert_false(a.take.granted);
	assert_int_equal(a.take.free, 11);
	assert_int_equal(a.count.burst, 2);
	assert_false(ask(w->store, q, 39).take.granted);
	assert_true(ask(w->store, q, 40).take.granted);
	/* the limit of all numbers neither refuses nor overflows */
	q.take.limit = (struct take_limits){ INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX };
	assert_true(ask(w->store, q, 40).take.granted);
}

static void
test_an_administrators_limits(void **state)
{
	struct world *w = *state;
	struct question allow = question(TAKE_ALLOW, 0, 0, 10);
	struct answer a;

	take(w->store, TAKE_SETTLE, 1, 3, 0);
	assert_false(take(w->store, TAKE_LOOK, 2, 1, 0).take.granted);
	ask(w->store, allow, 0);
	a = take(w->store, TAKE_LOOK, 2, 7, 0);
	assert_true(a.take.granted);
	assert_int_equal(a.take.limit.day, 10);
	assert_int_equal(a.take.until, T0 + LASTS);
	assert_false(take(w->store, TAKE_LOOK, 2, 8, 0).take.granted);
	/* until then, and until it is taken back */
	assert_false(take(w->store, TAKE_LOOK, 2, 1, LASTS).take.granted);
	assert_true(take(w->store, TAKE_LOOK, 2, 1, LASTS - 1).take.granted);
	allow.take.lasts = 0;
	ask(w->store, allow, 1);
	a = take(w->store, TAKE_LOOK, 2, 1, 1);
	assert_false(a.take.granted);
	assert_int_equal(a.take.until, 0);
}

static void
test_reading_changes_nothing(void **state)
{
	struct world *w = *state;
	struct err e;
	struct store *reader;

	take(w->store, TAKE_SETTLE, 1, 2, 0);
	reader = store_sqlite_open_read(folder_file(&w->folder, "store.db"), &e);
	assert_non_null(reader);
	for (int i = 0; i < 3; i++)
		assert_true(take(reader, TAKE_HOLD, 10 + (uint64_t)i, 1, 0).take.granted);
	assert_int_equal(take(reader, TAKE_SETTLE, 10, 5, 0).count.day, 2);
	store_sqlite.close(&reader);
	assert_int_equal(take(w->store, TAKE_LOOK, 9, 1, 0).take.held, 0);
}

static void
test_what_expired_is_removed(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };

	take(w->store, TAKE_HOLD, 1, 2, 0);
	store_sqlite.clean(w->store, (T0 + LASTS) * 1000LL, &e);
	assert_int_equal(e.code, ERR_NONE);
	/* it is gone, even for a clock that was set back */
	assert_int_equal(take(w->store, TAKE_LOOK, 9, 1, 0).take.held, 0);
}

/* --- many at once ----------------------------------------------------------------------------- */

/*
 * A process that takes and settles until it is refused, telling of each that was granted before it settles it: what is told
 * and not settled is what a mail server took when we died.
 */
static void
take_all(const char *path, uint64_t holder, int64_t limit, int tell)
{
	struct err e;
	struct store *store = store_sqlite.open(path, &e);

	if (store == NULL)
		_exit(1);
	for (uint64_t i = 0;; i++) {
		struct question q = question(TAKE_HOLD, holder + i, 1, limit);

		if (!ask(store, q, 0).take.granted)
			break;
		q.take.what = TAKE_KEEP;
		q.take.lasts = 88200;
		ask(store, q, 0);
		if (write(tell, "x", 1) != 1)
			_exit(1);
		q.take.what = TAKE_SETTLE;
		ask(store, q, 0);
	}
	_exit(0);
}

#define PROCESSES 4

static int64_t
run_all(struct world *w, int64_t limit, int64_t kill_at)
{
	const char *path = folder_file(&w->folder, "store.db");
	pid_t child[PROCESSES];
	int64_t told = 0;
	int tell[2];
	char octet;

	store_sqlite.close(&w->store);
	assert_int_equal(pipe(tell), 0);
	for (int i = 0; i < PROCESSES; i++) {
		child[i] = fork();
		if (child[i] == 0) {
			close(tell[0]);
			take_all(path, (uint64_t)(i + 1) << 32, limit, tell[1]);
		}
	}
	close(tell[1]);
	while (read(tell[0], &octet, 1) == 1)
		if (++told == kill_at)
			for (int i = 0; i < PROCESSES / 2; i++)
				kill(child[i], SIGKILL);
	close(tell[0]);
	for (int i = 0; i < PROCESSES; i++)
		waitpid(child[i], NULL, 0);
	return told;
}

static void
preload(struct world *w, int64_t n)
{
	take(w->store, TAKE_SETTLE, 1, n, 0);
}

static void
reopen(struct world *w)
{
	struct err e;

	w->store = store_sqlite.open(folder_file(&w->folder, "store.db"), &e);
	assert_non_null(w->store);
}

static void
test_exact_with_many_at_once(void **state)
{
	static const int64_t limits[] = { 1000, 24000 };
	struct world *w = *state;

	for (size_t i = 0; i < 2; i++) {
		ask(w->store, question(TAKE_RESET, 0, 0, 0), 0);
		preload(w, limits[i] - 200);
		assert_int_equal(run_all(w, limits[i], 0), 200);
		reopen(w);
		assert_int_equal(take(w->store, TAKE_LOOK, 1, 1, 0).count.day, limits[i]);
	}
}

/* What the killed ones told of is not given out again; what they held may be, later. */
static void
test_never_over_when_killed(void **state)
{
	struct world *w = *state;
	int64_t told, left;
	struct answer a;

	preload(w, 800);
	told = run_all(w, 1000, 60);
	reopen(w);
	a = ask(w->store, question(TAKE_LOOK, 1, 1, 1000), 0);
	assert_int_equal(a.count.day + a.take.held, 1000);
	assert_in_range(told, 200 - PROCESSES / 2, 200);
	/* when the short holds are over, exactly what was not told of is free again */
	a = ask(w->store, question(TAKE_LOOK, 1, 1, 1000), LASTS);
	left = 1000 - a.count.day - a.take.held;
	assert_in_range(left, 0, 200 - told);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stories, setup, teardown),
		cmocka_unit_test_setup_teardown(test_free_is_told_to_the_second, setup, teardown),
		cmocka_unit_test_setup_teardown(test_each_window_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_administrators_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reading_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_expired_is_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exact_with_many_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_over_when_killed, setup, teardown),
	};

	return cmocka_run_group_tests_name("hold", tests, NULL, NULL);
}
