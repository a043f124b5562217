/* The rows of `postern backends` in the store. */
#include "db/status.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "db/db.h"
#include "db/store_sqlite.h"
#include "tests/db/folder.h"

#define NOW 1700000000000

struct seen {
	struct status_entry entry[8];
	char instance[8][32];
	size_t n;
};

static void
see(void *owner, const struct status_entry *entry)
{
	struct seen *seen = owner;

	assert_true(seen->n < 8);
	assert_true(str_copy(entry->instance, seen->instance[seen->n], 32));
	seen->entry[seen->n++] = *entry;
}

static void
look(struct folder *f, struct seen *seen)
{
	struct err e = { 0 };
	struct store *store = store_sqlite_open_read(folder_file(f, "store.db"), &e);

	*seen = (struct seen){ 0 };
	assert_non_null(store);
	assert_true(store_sqlite_status(store, see, seen, &e));
	store_sqlite.close(&store);
}

static struct status_report *
of(const char *instance, int64_t time_ms, size_t n)
{
	struct status_report *report = status_report_new(n);

	assert_true(str_copy(str_of(instance), report->instance, sizeof(report->instance)));
	report->pid = 7;
	report->time_ms = time_ms;
	for (size_t i = 0; i < n; i++)
		snprintf(report->row[i].label, sizeof(report->row[i].label), "mx%zu", i);
	return report;
}

static void
write_one(struct folder *f, struct status_report *report)
{
	struct err e = { 0 };
	struct store *store = store_sqlite.open(folder_file(f, "store.db"), &e);
	struct store_ask ask = { .status = report };

	assert_non_null(store);
	assert_true(store_sqlite.ask(store, &ask, 1, NOW, &e));
	store_sqlite.close(&store);
	free(report);
}

static void
test_rows(void **state)
{
	struct folder f;
	struct seen seen;
	struct status_report *report;

	folder_make(&f);
	report = of("a", NOW, 2);
	report->row[1] = (struct status_row){ "label", "failing", "why", "route", "offers", 1, 2, 3,
		1, 5, 6, 7, 8, 9 };
	write_one(&f, report);
	look(&f, &seen);
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.entry[0].row.label, "mx0");
	report = of("a", NOW, 2);
	report->row[1] = (struct status_row){ "label", "failing", "why", "route", "offers", 1, 2, 3,
		1, 5, 6, 7, 8, 9 };
	assert_memory_equal(&seen.entry[1].row, &report->row[1], sizeof(report->row[1]));
	free(report);
	assert_string_equal(seen.instance[1], "a");
	assert_int_equal(seen.entry[1].pid, 7);
	assert_int_equal(seen.entry[1].time_ms, NOW);
	folder_remove(&f);
}

/* A loop's rows take the place of its last ones, and of nobody else's; those of the dead go in time. */
static void
test_places(void **state)
{
	struct folder f;
	struct seen seen;

	folder_make(&f);
	write_one(&f, of("a", NOW, 3));
	write_one(&f, of("b", NOW + 5, 1));
	write_one(&f, of("a", NOW + 1, 2));
	look(&f, &seen);
	assert_int_equal(seen.n, 3);
	assert_string_equal(seen.instance[0], "b");
	assert_string_equal(seen.instance[1], "a");
	write_one(&f, of("b", NOW + 6, 0));
	look(&f, &seen);
	assert_int_equal(seen.n, 2);
	write_one(&f, of("b", NOW + STATUS_FORGET_MS + 2, 1));
	look(&f, &seen);
	assert_int_equal(seen.n, 1);
	assert_string_equal(seen.instance[0], "b");
	folder_remove(&f);
}

/* Through the thread, with nobody waiting for it. */
static void
test_thread(void **state)
{
	struct folder f;
	struct seen seen;
	struct err e = { 0 };
	struct db *db;
	struct event_base *base = event_base_new();
	struct db_link *link;

	folder_make(&f);
	db = db_start(&(struct db_settings){ .folder = f.path }, &e);
	assert_non_null(db);
	link = db_link_new(db, base);
	db_send(link, db_request_status(of("a", NOW, 2)));
	db_send(link, db_request_status(of("a", NOW + 1, 1)));
	db_link_free(&link);
	event_base_free(base);
	db_stop(&db);
	look(&f, &seen);
	assert_int_equal(seen.n, 1);
	assert_int_equal(seen.entry[0].time_ms, NOW + 1);
	folder_remove(&f);
}

static void
test_dns(void **state)
{
	struct folder f;
	struct err e = { 0 };
	struct store *store;
	struct status_dns sum;
	struct status_report *report;

	folder_make(&f);
	for (int i = 0; i < 3; i++) {
		report = of(i == 2 ? "old" : i == 1 ? "b" : "a", i == 2 ? NOW - 60000 : NOW, 1);
		report->dns = (struct status_dns){ 100, 80, 3, 2 };
		write_one(&f, report);
	}
	report = of("a", NOW + 1, 1);
	report->dns = (struct status_dns){ 200, 90, 4, 3 };
	write_one(&f, report);
	store = store_sqlite_open_read(folder_file(&f, "store.db"), &e);
	assert_non_null(store);
	assert_true(store_sqlite_dns(store, NOW, &sum, &e));
	assert_int_equal(sum.asked, 300);
	assert_int_equal(sum.at_hand, 170);
	assert_int_equal(sum.timeouts, 7);
	assert_int_equal(sum.failures, 5);
	assert_true(store_sqlite_dns(store, NOW + 5, &sum, &e));
	assert_int_equal(sum.asked, 0);
	store_sqlite.close(&store);
	folder_remove(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_dns),
		cmocka_unit_test(test_thread),
	};

	return cmocka_run_group_tests_name("status", tests, NULL, NULL);
}
