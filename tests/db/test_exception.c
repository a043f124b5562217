#include "db/exception.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "db/store_sqlite.h"
#include "tests/db/folder.h"

#define T0 1700000000

struct world {
	struct folder folder;
	struct store *store;
	struct arena *memory;
	int64_t version; /* of the rows that were read last */
};

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct err e;

	folder_make(&w->folder);
	w->memory = arena_new(1 << 24);
	w->store = store_sqlite.open(folder_file(&w->folder, "store.db"), &e);
	*state = w;
	return w->store == NULL;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	store_sqlite.close(&w->store);
	arena_free(&w->memory);
	folder_remove(&w->folder);
	free(w);
	return 0;
}

static void
ask(struct world *w, struct store_exceptions *x, int64_t now)
{
	struct store_ask one = { .exceptions = x };
	struct err e;

	if (!store_sqlite.ask(w->store, &one, 1, now * 1000, &e))
		fail_msg("%s", e.text);
}

static int64_t
put(struct world *w, int64_t number, const char *key, int64_t expires)
{
	struct store_exceptions x = { .what = EXCEPTIONS_PUT,
		.one = { .number = number,
		    .key = str_of(key),
		    .about = STR("{}"),
		    .expires = expires } };

	ask(w, &x, T0);
	assert_true(x.done);
	return x.one.number;
}

static bool
drop(struct world *w, int64_t number)
{
	struct store_exceptions x = { .what = EXCEPTIONS_DROP, .one = { .number = number } };

	ask(w, &x, T0);
	return x.done;
}

static void
hit(struct world *w, int64_t number, int64_t n, int64_t now)
{
	struct store_exceptions x = { .what = EXCEPTIONS_HIT,
		.one = { .number = number, .hits = n } };

	ask(w, &x, now);
}

/* "1 a 0 0; 2 b 3 17": number, key, hits, last after T0; "same" when nothing changed. */
static const char *
rows(struct world *w)
{
	static char text[400];
	struct store_exceptions x = {
		.what = EXCEPTIONS_READ, .version = w->version, .memory = w->memory
	};
	size_t n = 0;

	ask(w, &x, T0);
	w->version = x.version;
	text[0] = '\0';
	for (const struct store_exception *r = x.rows; r; r = r->next)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%d %.*s %d %d", n ? "; " : "",
		    (int)r->number, STR_ARG(r->key), (int)r->hits,
		    (int)(r->last ? r->last - T0 : 0));
	return x.same ? "same" : text;
}

static void
test_life(void **state)
{
	struct world *w = *state;

	assert_string_equal(rows(w), "");
	assert_string_equal(rows(w), "same");
	assert_int_equal(put(w, 0, "a", 0), 1);
	assert_int_equal(put(w, 0, "b", T0 + 10), 2);
	assert_string_equal(rows(w), "1 a 0 0; 2 b 0 0");
	assert_string_equal(rows(w), "same");
	/* A hit is no reason to read them all again, and the last one is the latest. */
	hit(w, 2, 2, T0 + 9);
	hit(w, 2, 1, T0 + 5);
	hit(w, 77, 1, T0 + 5);
	assert_string_equal(rows(w), "same");
	/* Put once more, it keeps what it has seen. */
	assert_int_equal(put(w, 2, "c", T0 + 20), 2);
	assert_string_equal(rows(w), "1 a 0 0; 2 c 3 9");
	assert_true(drop(w, 2));
	assert_false(drop(w, 2));
	assert_string_equal(rows(w), "1 a 0 0");
	assert_string_equal(rows(w), "same");
	/* Its number is nobody else's. */
	assert_int_equal(put(w, 2, "d", 0), 3);
	assert_string_equal(rows(w), "1 a 0 0; 3 d 0 0");
}

static void
test_clean(void **state)
{
	struct world *w = *state;
	struct err e;

	put(w, 0, "for ever", 0);
	put(w, 0, "short", T0 + 10);
	put(w, 0, "long", T0 + 11);
	assert_string_equal(rows(w), "1 for ever 0 0; 2 short 0 0; 3 long 0 0");
	assert_false(store_sqlite.clean(w->store, (T0 + 10) * INT64_C(1000), &e));
	assert_int_equal(e.code, ERR_NONE);
	assert_string_equal(rows(w), "same");
	w->version = 0;
	assert_string_equal(rows(w), "1 for ever 0 0; 3 long 0 0");
}

static void
test_full(void **state)
{
	struct world *w = *state;
	struct store_exceptions *x = calloc(STORE_EXCEPTIONS_MAX + 1, sizeof(*x));
	struct store_ask *batch = calloc(STORE_EXCEPTIONS_MAX + 1, sizeof(*batch));
	struct err e;

	for (size_t i = 0; i <= STORE_EXCEPTIONS_MAX; i++) {
		x[i] = (struct store_exceptions){ .what = EXCEPTIONS_PUT,
			.one = { .key = STR("k"), .about = STR("{}") } };
		batch[i] = (struct store_ask){ .exceptions = &x[i] };
	}
	assert_true(
	    store_sqlite.ask(w->store, batch, STORE_EXCEPTIONS_MAX + 1, T0 * INT64_C(1000), &e));
	assert_true(x[STORE_EXCEPTIONS_MAX - 1].done);
	assert_false(x[STORE_EXCEPTIONS_MAX].done);
	/* One that is there can still be changed. */
	assert_int_equal(put(w, 5, "other", 0), 5);
	free(batch);
	free(x);
}

static void
test_read_only(void **state)
{
	struct world *w = *state;
	struct err e;

	put(w, 0, "a", 0);
	store_sqlite.close(&w->store);
	w->store = store_sqlite_open_read(folder_file(&w->folder, "store.db"), &e);
	assert_non_null(w->store);
	assert_string_equal(rows(w), "1 a 0 0");
	hit(w, 1, 1, T0);
	assert_false(drop(w, 1));
	w->version = 0;
	assert_string_equal(rows(w), "1 a 0 0");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_life, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clean, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_read_only, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
