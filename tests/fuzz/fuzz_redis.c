#include "db/redis_script.h"

#include <stdlib.h>

#include <hiredis/hiredis.h>

#include "db/redis.h"
#include "db/row_redis.h"
#include "db/store_row.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void *(*whole_array)(const redisReadTask *task, int elements);

/* As the link has it: no memory for what is only said to come. */
static void *
small_array(const redisReadTask *task, int elements)
{
	return elements > 64 ? NULL : whole_array(task, elements);
}

static void
take(const redisReply *reply, uint8_t which)
{
	struct question q = { .kind = which % 2 ? QUESTION_SEEN : QUESTION_COUNT };
	struct answer answer;
	struct delivered delivered = { .what = (enum delivered_what)(which / 4 % 4) };
	struct store_exceptions exceptions = { .what = (enum exceptions_what)(which / 4 % 4),
		.memory = arena_new(1 << 20) };
	struct store_ask ask = { .question = &q, .answer = &answer };
	struct redis_place place;

	if (which % 4 == 3)
		q.kind = QUESTION_TAKE;
	redis_answer_take(reply, &ask);
	ask.delivered = &delivered;
	if (redis_answer_take(reply, &ask) && delivered.n > DELIVERED_REPLY_MAX)
		abort();
	ask.delivered = NULL;
	ask.exceptions = &exceptions;
	redis_answer_take(reply, &ask);
	for (const struct store_exception *x = exceptions.rows; x && x->next; x = x->next)
		if (x->number > x->next->number)
			abort();
	redis_master_of(reply, &place, NULL);
	redis_is_master(reply, NULL);
	redis_error_is_server(reply);
	arena_free(&exceptions.memory);
}

/* A row's text, and what becomes of two of them: merging a second time changes nothing. */
static void
merge(enum store_kind kind, struct str text)
{
	struct str half = str_sub(text, 0, text.n / 2), rest = str_sub(text, text.n / 2, text.n);
	struct store_row a = { .kind = kind }, b = { .kind = kind };
	unsigned char blob[WINDOW_BLOB_MAX], again[WINDOW_BLOB_MAX];

	if (!row_redis_parse(kind, half, &a) || !row_redis_parse(kind, rest, &b))
		return;
	store_row_merge(&a, &b, blob);
	if (store_row_merge(&a, &b, again))
		abort();
}

/* The first octet: what was asked. The others: what Redis says. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	redisReader *reader = redisReaderCreate();
	redisReplyObjectFunctions make = *reader->fn;
	void *reply = NULL;

	if (size > 0) {
		whole_array = make.createArray;
		make.createArray = small_array;
		reader->fn = &make;
		redisReaderFeed(reader, (const char *)data + 1, size - 1);
		while (redisReaderGetReply(reader, &reply) == REDIS_OK && reply) {
			take(reply, data[0]);
			freeReplyObject(reply);
			reply = NULL;
		}
		for (int kind = 0; kind < STORE_KINDS; kind++)
			merge((enum store_kind)kind,
			    (struct str){ (const char *)data + 1, size - 1 });
	}
	redisReaderFree(reader);
	return 0;
}
