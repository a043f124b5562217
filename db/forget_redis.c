/*
 * forget_redis: takes a person out of the shared store: whatever row names the address goes.
 */
#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "db/person.h"
#include "db/redis_script.h"
#include "db/store_redis.h"

#define EXCEPTIONS_MEMORY (64 * 1024 * 1024)

struct forgetting {
	struct store *store;
	const char *kind;
	bool by_value;   /* the value names it, not the key */
	bool greylisted; /* the key may have a stem */
	const struct person *person;
	bool look_only;
	int64_t n;
	struct buf key;
	struct err e;
};

/* GET or DEL of f->key; NULL: Redis is gone, and f->e tells. */
static redisReply *
call(struct forgetting *f, const char *command)
{
	const char *argument[] = { command, f->key.p };
	const size_t length[] = { strlen(command), f->key.n };

	store_redis_say(f->store, 2, argument, length);
	return store_redis_reply(f->store, &f->e);
}

static bool
names_it(struct forgetting *f, struct str key)
{
	redisReply *reply;
	bool named;

	if (!f->by_value)
		return f->greylisted ? person_greylisted(f->person, key)
				     : person_named(f->person, key);
	reply = call(f, "GET");
	named = reply && reply->type == REDIS_REPLY_STRING &&
	    person_named(f->person, (struct str){ reply->str, reply->len });
	freeReplyObject(reply);
	return named;
}

static bool
found(void *owner, struct str key)
{
	struct forgetting *f = owner;
	redisReply *reply;

	redis_key(&f->key, store_redis_prefix(f->store), f->kind, key);
	if (!names_it(f, key))
		return f->e.code == ERR_NONE;
	f->n++;
	if (f->look_only)
		return true;
	reply = call(f, "DEL");
	freeReplyObject(reply);
	return reply != NULL;
}

static bool
forget_exceptions(struct forgetting *f)
{
	struct store_exceptions all = { .what = EXCEPTIONS_READ,
		.memory = arena_new(EXCEPTIONS_MEMORY) };
	struct store_ask ask = { .exceptions = &all };
	bool ok = store_redis.ask(f->store, &ask, 1, 0, &f->e);

	for (const struct store_exception *x = ok ? all.rows : NULL; ok && x; x = x->next) {
		struct store_exceptions drop = { .what = EXCEPTIONS_DROP, .one = *x };

		if (!person_named(f->person, x->key) && !person_named(f->person, x->about))
			continue;
		f->n++;
		ask.exceptions = &drop;
		ok = f->look_only || store_redis.ask(f->store, &ask, 1, 0, &f->e);
	}
	arena_free(&all.memory);
	return ok;
}

bool
store_redis_forget(struct store *store, const struct person *person, bool look_only,
    struct store_forgotten *out, struct err *e)
{
	static const char *const kinds[] = {
		"seen:", "count:", "hold:", "limit:", "sketch:", "delivered:"
	};
	struct forgetting f = { .store = store, .person = person, .look_only = look_only };
	bool ok = true;

	buf_init(&f.key, 1 << 15);
	for (size_t i = 0; ok && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct redis_walk walk = { .kind = kinds[i], .found = found, .owner = &f };

		f.kind = kinds[i];
		f.by_value = strcmp(kinds[i], "delivered:") == 0;
		f.greylisted = strcmp(kinds[i], "seen:") == 0;
		ok = store_redis_scan(store, &walk, &f.e) && f.e.code == ERR_NONE;
	}
	ok = ok && forget_exceptions(&f);
	*out = (struct store_forgotten){ .rows = f.n };
	buf_free(&f.key);
	if (!ok && e)
		*e = f.e;
	return ok;
}
