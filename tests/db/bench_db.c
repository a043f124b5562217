/*
 * How many entries and questions a second the databases take, by size of the batch; and how many
 * requests a second pass through the thread, waiting included. Built on demand:
 *
 *   make tests/db/bench_db && tests/db/bench_db [seconds of each]
 *
 * In the folder of TMPDIR: name one on the disk that counts.
 */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "db/db.h"
#include "db/store_sqlite.h"
#include "tests/db/folder.h"

#define BATCH_MAX 1000

static const size_t batches[] = { 1, 10, 100, BATCH_MAX };

struct bench {
	struct folder folder;
	int64_t length_us;
	struct event_base *base;
	struct db_link *link;
	int64_t end_us, done, longest_us;
};

static struct journal_record
record(void)
{
	static char json[600];

	/* About what a refusal by SPF has. */
	snprintf(json, sizeof(json), "[\"%0500d\"]", 7);
	return (struct journal_record){
		.time_ms = clock_wall_ms(),
		.front = "proxy",
		.step = "mail",
		.verdict = "reject",
		.client_ip = STR("192.0.2.1"),
		.client_name = STR("mx.example.net"),
		.helo = STR("mx.example.net"),
		.sender = STR("somebody@example.net"),
		.recipients = STR("[\"somebody@example.org\"]"),
		.text = STR("SPF: example.net does not let 192.0.2.1 send"),
		.rule = STR("postern.conf:12"),
		.facts = str_of(json),
		.trace = str_of(json),
		.answers = str_of(json),
	};
}

static void
report(const char *what, size_t batch, int64_t n, int64_t took_us)
{
	printf("%-28s batch %4zu  %9.0f a second\n", what, batch,
	    (double)n * 1000000 / (double)took_us);
}

static void
bench_journal(struct bench *b, size_t batch)
{
	struct journal *j = journal_open(folder_file(&b->folder, "journal.db"), NULL);
	struct journal_record r[BATCH_MAX], *p[BATCH_MAX];
	int64_t began_us = clock_mono_us(), n = 0;

	for (; clock_mono_us() - began_us < b->length_us; n += (int64_t)batch) {
		for (size_t i = 0; i < batch; i++) {
			r[i] = record();
			p[i] = &r[i];
		}
		if (!journal_append(j, p, batch, NULL))
			break;
	}
	report("journal, entries", batch, n, clock_mono_us() - began_us);
	journal_close(&j);
}

static void
bench_store(struct bench *b, size_t batch, enum question_kind kind)
{
	struct store *s = store_sqlite.open(folder_file(&b->folder, "store.db"), NULL);
	static char name[BATCH_MAX][40];
	static struct question q[BATCH_MAX];
	static struct answer a[BATCH_MAX];
	static struct store_ask ask[BATCH_MAX];
	int64_t began_us = clock_mono_us(), n = 0;

	for (; clock_mono_us() - began_us < b->length_us; n += (int64_t)batch) {
		for (size_t i = 0; i < batch; i++) {
			snprintf(name[i], sizeof(name[i]), "key:%ld", random() % 200000);
			q[i] = (struct question){ .kind = kind,
				.name = str_of(name[i]),
				.seen = { 300, 86400, 86400 },
				.add = 1 };
			ask[i] = (struct store_ask){ &q[i], &a[i] };
		}
		if (!store_sqlite.ask(s, ask, batch, clock_wall_ms(), NULL))
			break;
	}
	report(kind == QUESTION_SEEN ? "store, seen, 200000 keys" : "store, count, 200000 keys",
	    batch, n, clock_mono_us() - began_us);
	store_sqlite.close(&s);
}

static void send_one(struct bench *b);

static void
back(struct db_request *r)
{
	struct bench *b = r->owner;
	int64_t now_us = clock_mono_us(), took_us = now_us - r->sent_us;

	db_request_free(&r);
	b->done++;
	if (took_us > b->longest_us)
		b->longest_us = took_us;
	if (now_us < b->end_us)
		send_one(b);
	else
		event_base_loopbreak(b->base);
}

static void
send_one(struct bench *b)
{
	struct journal_record r = record();
	struct db_request *request = db_request_journal(journal_record_copy(&r));

	request->owner = b;
	request->done = back;
	db_send(b->link, request);
}

static void
bench_thread(struct bench *b, size_t in_flight)
{
	struct db *db = db_start(&(struct db_settings){ .folder = b->folder.path }, NULL);
	int64_t began_us = clock_mono_us();

	b->base = event_base_new();
	b->link = db_link_new(db, b->base);
	b->end_us = began_us + b->length_us;
	b->done = b->longest_us = 0;
	for (size_t i = 0; i < in_flight; i++)
		send_one(b);
	event_base_loop(b->base, EVLOOP_NO_EXIT_ON_EMPTY);
	printf("journal through the thread  %5zu out  %9.0f a second, longest %.1f ms\n", in_flight,
	    (double)b->done * 1000000 / (double)(clock_mono_us() - began_us),
	    (double)b->longest_us / 1000);
	db_link_free(&b->link);
	event_base_free(b->base);
	db_stop(&db);
}

int
main(int argc, char **argv)
{
	struct bench b = { .length_us = 1000000 };
	uint64_t seconds;

	if (argc > 1 && str_to_u64(str_of(argv[1]), 3600, &seconds))
		b.length_us = (int64_t)seconds * 1000000;
	log_open("bench_db", LOG_TO_STDERR, LOG_LEVEL_ERROR);
	folder_make(&b.folder);
	for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
		bench_journal(&b, batches[i]);
	for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
		bench_store(&b, batches[i], QUESTION_SEEN);
	for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
		bench_store(&b, batches[i], QUESTION_COUNT);
	for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
		bench_thread(&b, batches[i]);
	folder_remove(&b.folder);
	return 0;
}
