/*
 * store_redis: the shared store as a backend that waits for its answers: for the command line, and for tests. It asks
 * what the loops ask (redis_script.h), and lists and moves rows. `where` of its open() is "10.0.0.5:6379", "[::1]:6379" or
 * the path of a socket, all else as it is by default.
 */
#ifndef POSTERN_DB_STORE_REDIS_H
#define POSTERN_DB_STORE_REDIS_H

#include "db/redis.h"
#include "db/store.h"

extern const struct store_backend store_redis;

/* read_only: each question gets the answer it would get, and changes nothing, as with store_sqlite_open_read(). */
struct store *store_redis_open(
    const struct redis_settings *settings, bool read_only, struct err *e);

/* Who answers, for people. */
struct redis_state {
	char at[REDIS_PLACE_TEXT];
	char version[32];
	int64_t took_us; /* one answer */
	int64_t keys;    /* of all that use this database */
	int64_t octets;  /* of its memory */
};
bool store_redis_state(struct store *store, struct redis_state *out, struct err *e);

/* As store_sqlite_forget(), of what the machines share. */
struct person;
bool store_redis_forget(struct store *store, const struct person *person, bool look_only,
    struct store_forgotten *out, struct err *e);

/*
 * For row_redis.c. Appends a command to be sent; the reply to the first that has none yet, waiting for it (NULL and e: there is none;
 * freeReplyObject() is the caller's).
 */
struct redisReply;
void store_redis_say(struct store *store, int n, const char **argument, const size_t *length);
struct redisReply *store_redis_reply(struct store *store, struct err *e);
const char *store_redis_prefix(const struct store *store);
/* The command of redis_script.h, to be filled; says it whole if its script is not known. */
struct redis_command;
struct redis_command *store_redis_command(struct store *store);
/* A walk through the keys of a kind that begin so. */
struct redis_walk {
	const char *kind; /* behind the prefix: "seen:" */
	struct str beginning;
	bool (*found)(
	    void *owner, struct str key); /* without prefix and kind; false: it is enough */
	void *owner;
};
bool store_redis_scan(struct store *store, const struct redis_walk *walk, struct err *e);

#endif
