/*
 * How many questions to the store one loop gets answered in a second, with some hundred under way at any time: SQLite by way of
 * the db thread, or Redis by the loop's own connection. bench/run has it do so.
 *
 *   bench/store FOLDER [SOCKET OF REDIS] SECONDS
 */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "db/db.h"

#define KEYS 100000
#define UNDER_WAY 256

/* As messages ask: of each greylist, counters, a plan. */
enum { SEEN, COUNT, READ, HOLD, SETTLE, KINDS };

struct bench {
	struct event_base *base;
	struct db_link *link;
	int64_t end_us, done, failed, longest_us;
	uint64_t holder;
};

static void send_one(struct bench *b, unsigned kind);

static void
back(struct db_request *r)
{
	struct bench *b = r->owner;
	int64_t took_us = clock_mono_us() - r->sent_us;
	unsigned kind = (unsigned)r->answer.question.serial;

	b->done++;
	b->failed += r->failed;
	if (took_us > b->longest_us)
		b->longest_us = took_us;
	db_request_free(&r);
	if (clock_mono_us() < b->end_us)
		send_one(b, (kind + 1) % KINDS);
	else
		event_base_loopbreak(b->base);
}

static void
send_one(struct bench *b, unsigned kind)
{
	struct question q = { .serial = kind, .add = 1 };
	struct db_request *r;
	char key[64];

	snprintf(key, sizeof(key), "bench:%u:192.0.2.%ld", kind == SETTLE ? HOLD : kind,
	    random() % KEYS);
	q.name = str_of(key);
	q.kind = kind == SEEN ? QUESTION_SEEN : kind <= READ ? QUESTION_COUNT : QUESTION_TAKE;
	q.seen = (struct seen_question){ .delay = 300, .retry = 86400, .remember = 86400 };
	if (kind == READ)
		q.add = 0;
	q.take = (struct take_question){ .what = kind == HOLD ? TAKE_HOLD : TAKE_SETTLE,
		.holder = b->holder++,
		.lasts = 60,
		.limit = { .day = 1000 } };
	r = db_request_store(&q);
	r->done = back;
	r->owner = b;
	db_send(b->link, r);
}

static double
microseconds(const struct timeval *tv)
{
	return (double)tv->tv_sec * 1000000 + (double)tv->tv_usec;
}

int
main(int argc, char **argv)
{
	struct redis_settings redis = { .n = 1,
		.sentinel = "",
		.user = "",
		.password = "",
		.sentinel_password = "",
		.prefix = "bench:",
		.timeout_ms = 5000 };
	struct db_settings settings = { 0 };
	struct bench b = { 0 };
	struct rusage used;
	int64_t began_us;
	struct db *db;
	struct err e;

	if (argc < 3)
		return 2;
	settings.folder = argv[1];
	redis.place[0].path = argv[2];
	if (argc > 3)
		settings.redis = &redis;
	db = db_start(&settings, &e);
	if (db == NULL) {
		fprintf(stderr, "%s\n", e.text);
		return 1;
	}
	b.base = event_base_new();
	b.link = db_link_new(db, b.base);
	began_us = clock_mono_us();
	b.end_us = began_us + (int64_t)(atof(argv[argc - 1]) * 1000000);
	for (unsigned i = 0; i < UNDER_WAY; i++)
		send_one(&b, i % KINDS);
	event_base_loop(b.base, EVLOOP_NO_EXIT_ON_EMPTY);
	getrusage(RUSAGE_SELF, &used);
	printf(
	    "{\"rate\": %.0f, \"longest_ms\": %.1f, \"failed\": %lld, \"done\": %lld, \"cpu_us\": %.2f}\n",
	    (double)b.done * 1000000 / (double)(clock_mono_us() - began_us),
	    (double)b.longest_us / 1000, (long long)b.failed, (long long)b.done,
	    (microseconds(&used.ru_utime) + microseconds(&used.ru_stime)) / (double)b.done);
	db_link_free(&b.link);
	db_stop(&db);
	event_base_free(b.base);
	return b.failed > 0;
}
