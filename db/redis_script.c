#include "db/redis_script.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <hiredis/hiredis.h>
#include <openssl/evp.h>

#include "base/die.h"
#include "db/counter.h"
#include "db/redis_lua.h"

#define COUNTER_SECONDS "1296000" /* 15 days: COUNTER_DAYS and one */
#define SKETCH_SECONDS "259200"   /* 3 days */
#define COUNT_REPLY 10
#define TAKE_REPLY 18
#define DISTINCT_REPLY 3
#define SEEN_REPLY 5
/* Of a row of the exceptions: what the command line takes is far below. */
#define EXCEPTION_MAX (64 * 1024)

_Static_assert(COUNTER_DAYS == 14, "what COUNTER_SECONDS says");

static const char *const texts[REDIS_SCRIPTS] = {
	[REDIS_SEEN] = lua_seen,
	[REDIS_COUNT] = lua_count,
	[REDIS_DISTINCT] = lua_distinct,
	[REDIS_DELIVERED] = lua_delivered,
	[REDIS_EXCEPTIONS] = lua_exceptions,
	[REDIS_SWAP] = lua_swap,
};

/* --- commands ----------------------------------------------------------------------------------- */

void
redis_command_init(struct redis_command *c)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n;

	*c = (struct redis_command){ 0 };
	for (size_t i = 0; i < REDIS_SCRIPTS; i++) {
		/* Redis names scripts by their SHA-1; nothing rests on its strength. */
		if (EVP_Digest(texts[i], strlen(texts[i]), digest, &n, EVP_sha1(), NULL) != 1 ||
		    n * 2 != REDIS_SHA)
			die("cannot compute a SHA-1 digest");
		for (unsigned k = 0; k < n; k++)
			snprintf(c->sha[i] + 2 * k, 3, "%02x", digest[k]);
	}
}

const char *
redis_script_text(enum redis_script script)
{
	return texts[script];
}

/* The caller's text, as it is. */
static void
add(struct redis_command *c, struct str s)
{
	require(c->n < REDIS_ARGUMENTS);
	c->argument[c->n] = s.n > 0 ? s.p : "";
	c->length[c->n++] = s.n;
}

static void
add_number(struct redis_command *c, int64_t number)
{
	char *p = c->text + c->used;
	int n = snprintf(p, sizeof(c->text) - c->used, "%" PRId64, number);

	require(n > 0 && c->used + (size_t)n < sizeof(c->text));
	c->used += (size_t)n;
	add(c, (struct str){ p, (size_t)n });
}

/* How much of `text` the keys may take: the rest is for numbers. */
#define KEYS_MAX 7000

static bool
add_key(struct redis_command *c, const char *prefix, const char *kind, struct str key)
{
	struct str part[] = { str_of(prefix), str_of(kind), key };
	size_t start = c->used;

	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		if (c->used + part[i].n > KEYS_MAX)
			return false;
		if (part[i].n > 0)
			memcpy(c->text + c->used, part[i].p, part[i].n);
		c->used += part[i].n;
	}
	add(c, (struct str){ c->text + start, c->used - start });
	return true;
}

static void
begin(struct redis_command *c, enum redis_script script, const char *keys)
{
	c->n = 0;
	c->used = 0;
	c->script = script;
	add(c, STR("EVALSHA"));
	add(c, (struct str){ c->sha[script], REDIS_SHA });
	add(c, str_of(keys));
}

void
redis_command_whole(struct redis_command *c)
{
	c->argument[0] = "EVAL";
	c->length[0] = 4;
	c->argument[1] = texts[c->script];
	c->length[1] = strlen(texts[c->script]);
}

bool
redis_key(struct buf *out, const char *prefix, const char *kind, struct str key)
{
	buf_clear(out);
	return buf_add(out, str_of(prefix)) && buf_add(out, str_of(kind)) && buf_add(out, key);
}

static struct str
yes(bool b)
{
	return b ? STR("1") : STR("0");
}

static bool
ask_seen(
    struct redis_command *c, const char *prefix, const struct question *q, int64_t now, bool look)
{
	const struct seen_question *s = &q->seen;

	begin(c, REDIS_SEEN, "1");
	if (!add_key(c, prefix, "seen:", q->name))
		return false;
	add_number(c, now);
	add_number(c, s->delay);
	add_number(c, s->retry);
	add_number(c, s->remember);
	add(c,
	    s->forget          ? STR("forget")
		: s->look_only ? STR("look")
		: s->prove     ? STR("prove")
			       : STR("see"));
	add(c, yes(look));
	return true;
}

static bool
ask_count(
    struct redis_command *c, const char *prefix, const struct question *q, int64_t now, bool look)
{
	begin(c, REDIS_COUNT, "1");
	if (!add_key(c, prefix, "count:", q->name))
		return false;
	add_number(c, now);
	add(c, STR("count"));
	add_number(c, q->add);
	add(c, yes(look));
	add(c, STR(COUNTER_SECONDS));
	return true;
}

static bool
ask_take(
    struct redis_command *c, const char *prefix, const struct question *q, int64_t now, bool look)
{
	static const char *const words[] = {
		[TAKE_HOLD] = "hold",
		[TAKE_KEEP] = "keep",
		[TAKE_SETTLE] = "settle",
		[TAKE_FREE] = "free",
		[TAKE_LOOK] = "look",
		[TAKE_ALLOW] = "allow",
		[TAKE_RESET] = "reset",
	};
	const struct take_question *t = &q->take;

	begin(c, REDIS_COUNT, "3");
	if (!add_key(c, prefix, "count:", q->name) || !add_key(c, prefix, "hold:", q->name) ||
	    !add_key(c, prefix, "limit:", q->name))
		return false;
	add_number(c, now);
	add(c, str_of(words[t->what]));
	add_number(c, q->add);
	add(c, yes(look));
	add(c, STR(COUNTER_SECONDS));
	add_number(c, (int64_t)t->holder);
	add_number(c, t->lasts);
	add_number(c, t->limit.burst);
	add_number(c, t->limit.minute);
	add_number(c, t->limit.hour);
	add_number(c, t->limit.day);
	return true;
}

static bool
ask_distinct(
    struct redis_command *c, const char *prefix, const struct question *q, int64_t now, bool look)
{
	begin(c, REDIS_DISTINCT, "1");
	if (!add_key(c, prefix, "sketch:", q->name))
		return false;
	add_number(c, now);
	add(c, q->hashes);
	add(c, yes(look));
	add(c, STR(SKETCH_SECONDS));
	return true;
}

static bool
ask_delivered(struct redis_command *c, const char *prefix, const struct delivered *d, int64_t now)
{
	static const char *const words[] = {
		[DELIVERED_LOOK] = "look",
		[DELIVERED_PUT] = "put",
		[DELIVERED_UNHEARD] = "unheard",
		[DELIVERED_FORGET] = "forget",
	};
	char hex[2 * DELIVERED_KEY + 1];

	for (size_t i = 0; i < DELIVERED_KEY; i++)
		snprintf(hex + 2 * i, 3, "%02x", d->key[i]);
	begin(c, REDIS_DELIVERED, "1");
	if (!add_key(c, prefix, "delivered:", str_of(hex)))
		return false;
	add_number(c, now);
	add(c, str_of(words[d->what]));
	add(c, (struct str){ d->reply, d->what == DELIVERED_PUT ? d->n : 0 });
	add_number(c, DELIVERED_UNSURE);
	add_number(c, DELIVERED_KEEP);
	return true;
}

static bool
ask_exceptions(
    struct redis_command *c, const char *prefix, const struct store_exceptions *x, int64_t now)
{
	static const char *const words[] = {
		[EXCEPTIONS_READ] = "read",
		[EXCEPTIONS_PUT] = "put",
		[EXCEPTIONS_DROP] = "drop",
		[EXCEPTIONS_HIT] = "hit",
	};

	begin(c, REDIS_EXCEPTIONS, "1");
	if (!add_key(c, prefix, "exceptions", STR("")))
		return false;
	add_number(c, now);
	add(c, str_of(words[x->what]));
	add_number(c, x->what == EXCEPTIONS_READ ? x->version : x->one.number);
	if (x->what == EXCEPTIONS_PUT) {
		add(c, x->one.key);
		add(c, x->one.about);
		add_number(c, x->one.expires);
		add_number(c, STORE_EXCEPTIONS_MAX);
	} else if (x->what == EXCEPTIONS_HIT) {
		add_number(c, x->one.hits);
	}
	return true;
}

bool
redis_command_ask(struct redis_command *c, const char *prefix, const struct store_ask *ask,
    int64_t now, bool read_only)
{
	require(ask->status == NULL);
	if (ask->delivered)
		return ask_delivered(c, prefix, ask->delivered, now);
	if (ask->exceptions)
		return ask_exceptions(c, prefix, ask->exceptions, now);
	switch (ask->question->kind) {
	case QUESTION_SEEN:
		return ask_seen(c, prefix, ask->question, now, read_only);
	case QUESTION_COUNT:
		return ask_count(c, prefix, ask->question, now, read_only);
	case QUESTION_TAKE:
		return ask_take(c, prefix, ask->question, now, read_only);
	case QUESTION_DISTINCT:
		return ask_distinct(c, prefix, ask->question, now, read_only);
	case QUESTION_DNS:
		break;
	}
	panic("the store was asked what is no question of its");
}

bool
redis_command_swap(
    struct redis_command *c, struct str key, const struct str *old, struct str new, int64_t seconds)
{
	begin(c, REDIS_SWAP, "1");
	add(c, key);
	add(c, yes(old != NULL));
	add(c, old ? *old : STR(""));
	add(c, new);
	add_number(c, seconds);
	return true;
}

/* --- replies ------------------------------------------------------------------------------------ */

/* An array of exactly n integers. */
static bool
numbers(const redisReply *reply, size_t n, int64_t *out)
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (reply->element[i]->type != REDIS_REPLY_INTEGER)
			return false;
		out[i] = reply->element[i]->integer;
	}
	return true;
}

static bool
take_seen(const redisReply *reply, struct seen_answer *out)
{
	static const enum seen_state states[] = { SEEN_NEVER, SEEN_FIRST, SEEN_EARLY, SEEN_RETRIED,
		SEEN_PROVEN };
	int64_t n[SEEN_REPLY];

	*out = (struct seen_answer){ 0 };
	if (!numbers(reply, SEEN_REPLY, n) || n[0] < 0 || n[0] > 4)
		return false;
	*out = (struct seen_answer){
		.state = states[n[0]], .first = n[1], .last = n[2], .hits = n[3], .wait = n[4]
	};
	return true;
}

static void
counts_of(const int64_t *n, struct count_answer *out)
{
	*out = (struct count_answer){
		.burst = n[0],
		.minute = n[1],
		.hour = n[2],
		.day = n[3],
		.usual = n[4],
		.usual_low = n[5],
		.usual_high = n[6],
		.hours_known = n[7],
		.since = n[8],
		.past = n[9],
	};
}

static bool
take_count(const redisReply *reply, struct count_answer *out)
{
	int64_t n[COUNT_REPLY];

	*out = (struct count_answer){ 0 };
	if (!numbers(reply, COUNT_REPLY, n))
		return false;
	counts_of(n, out);
	return true;
}

static bool
take_take(const redisReply *reply, struct answer *out)
{
	int64_t n[TAKE_REPLY];

	out->count = (struct count_answer){ 0 };
	out->take = (struct take_answer){ 0 };
	if (!numbers(reply, TAKE_REPLY, n))
		return false;
	counts_of(n, &out->count);
	out->take = (struct take_answer){
		.granted = n[10] == 1,
		.held = n[11],
		.free = n[12],
		.limit = { .burst = n[13], .minute = n[14], .hour = n[15], .day = n[16] },
		.until = n[17],
	};
	return true;
}

static bool
take_distinct(const redisReply *reply, struct count_answer *out)
{
	int64_t n[DISTINCT_REPLY];

	*out = (struct count_answer){ 0 };
	if (!numbers(reply, DISTINCT_REPLY, n))
		return false;
	*out = (struct count_answer){ .minute = n[0], .hour = n[1], .day = n[2] };
	return true;
}

static bool
take_delivered(const redisReply *reply, struct delivered *d)
{
	if (d->what != DELIVERED_LOOK)
		return reply->type == REDIS_REPLY_INTEGER || reply->type == REDIS_REPLY_NIL ||
		    reply->type == REDIS_REPLY_STRING;
	d->found = false;
	d->n = 0;
	if (reply->type == REDIS_REPLY_NIL)
		return true;
	if (reply->type != REDIS_REPLY_STRING || reply->len > DELIVERED_REPLY_MAX)
		return false;
	d->found = true;
	d->n = reply->len;
	memcpy(d->reply, reply->str, reply->len);
	return true;
}

static bool
text(const redisReply *reply, struct str *out)
{
	*out = (struct str){ reply->str, reply->len };
	return reply->type == REDIS_REPLY_STRING;
}

static bool
number_of(struct str s, int64_t *out)
{
	uint64_t n;

	*out = 0;
	if (!str_to_u64(s, INT64_MAX, &n))
		return false;
	*out = (int64_t)n;
	return true;
}

/* "made expires hits last LENGTH key about" */
static bool
exception_of(struct str number, struct str s, struct arena *memory, struct store_exception *row)
{
	int64_t length;
	int64_t *const head[] = { &row->made, &row->expires, &row->hits, &row->last, &length };

	if (!number_of(number, &row->number) || s.n > EXCEPTION_MAX)
		return false;
	for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++) {
		size_t blank = str_find(s, ' ');

		if (blank == STR_NPOS || !number_of(str_sub(s, 0, blank), head[i]))
			return false;
		s = str_sub(s, blank + 1, s.n);
	}
	if ((uint64_t)length > s.n)
		return false;
	row->key = arena_dup(memory, str_sub(s, 0, (size_t)length));
	row->about = arena_dup(memory, str_sub(s, (size_t)length, s.n));
	return true;
}

static int
by_number(const void *a, const void *b)
{
	const struct store_exception *const *x = a, *const *y = b;

	return ((*x)->number > (*y)->number) - ((*x)->number < (*y)->number);
}

/* Redis gives them in no order. A row that was not written by us is left out. */
static bool
take_rows(const redisReply *reply, struct store_exceptions *x)
{
	struct store_exception **row = xcalloc(reply->elements, sizeof(struct store_exception *));
	struct str number, s;
	bool ok = true;
	size_t n = 0;

	for (size_t i = 2; ok && i + 1 < reply->elements; i += 2) {
		row[n] = ARENA_NEW(x->memory, struct store_exception);
		ok = text(reply->element[i], &number) && text(reply->element[i + 1], &s);
		n += ok && exception_of(number, s, x->memory, row[n]);
	}
	qsort(row, n, sizeof(row[0]), by_number);
	for (size_t i = n; ok && i > 0; i--) {
		row[i - 1]->next = x->rows;
		x->rows = row[i - 1];
	}
	free(row);
	return ok;
}

static bool
take_exceptions(const redisReply *reply, struct store_exceptions *x)
{
	struct str first, second;

	if (reply->type != REDIS_REPLY_ARRAY || reply->elements < 2 ||
	    !text(reply->element[0], &first) || !text(reply->element[1], &second))
		return false;
	if (x->what == EXCEPTIONS_READ) {
		x->rows = NULL;
		x->same = str_eq(second, STR("1"));
		return number_of(first, &x->version) && take_rows(reply, x);
	}
	if (x->what != EXCEPTIONS_HIT)
		x->done = str_eq(first, STR("1"));
	return number_of(second, &x->one.number);
}

bool
redis_answer_take(const struct redisReply *reply, const struct store_ask *ask)
{
	if (ask->delivered)
		return take_delivered(reply, ask->delivered);
	if (ask->exceptions)
		return take_exceptions(reply, ask->exceptions);
	switch (ask->question->kind) {
	case QUESTION_SEEN:
		return take_seen(reply, &ask->answer->seen);
	case QUESTION_COUNT:
		return take_count(reply, &ask->answer->count);
	case QUESTION_TAKE:
		return take_take(reply, ask->answer);
	case QUESTION_DISTINCT:
		return take_distinct(reply, &ask->answer->count);
	case QUESTION_DNS:
		break;
	}
	return false;
}
