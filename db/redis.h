/*
 * redis: where the shared store is and how to talk to it, as postern.conf says; what both ways of asking it share, the
 * loops' (redis_link.h) and the command line's (store_redis.h). Of hiredis its contexts and its reader are used, and not
 * async.h: that one asserts that a server says nothing unasked, so that a confused one would end the process.
 */
#ifndef POSTERN_DB_REDIS_H
#define POSTERN_DB_REDIS_H

#include "base/addr.h"
#include "base/arena.h"
#include "base/err.h"

struct redisContext;

#define REDIS_PLACES_MAX 8
#define REDIS_PORT 6379
#define REDIS_SENTINEL_PORT 26379
#define REDIS_PREFIX_MAX 100

/* A socket of this machine, or an address. */
struct redis_place {
	const char *path; /* NULL: ip and port */
	struct ip ip;
	uint16_t port;
};

/* Texts are never NULL; empty: there is none. */
struct redis_settings {
	struct redis_place place[REDIS_PLACES_MAX]; /* the server, or the Sentinels */
	size_t n;
	const char *sentinel; /* the name of the master that they watch */
	const char *user, *password, *sentinel_password;
	const char *prefix; /* of all keys */
	int64_t number;     /* of the database in Redis */
	int64_t timeout_ms; /* for an answer, before a session goes on without */
};

/* A copy that is arena's. */
const struct redis_settings *redis_settings_copy(
    struct arena *arena, const struct redis_settings *settings);

#define REDIS_PLACE_TEXT 160
/* "10.0.0.5 port 6379", or the path; returns out. */
const char *redis_place_text(const struct redis_place *place, char out[REDIS_PLACE_TEXT]);

/*
 * A context on a socket that does not block, whose connection may still be under way; NULL and e when that failed at once.
 * redisFree() is the caller's.
 */
struct redisContext *redis_begin(const struct redis_place *place, struct err *e);

/* Of an array that a Sentinel gives as the master's place. */
struct redisReply;
bool redis_master_of(const struct redisReply *reply, struct redis_place *out, struct err *e);
/* ROLE says that this is the master. */
bool redis_is_master(const struct redisReply *reply, struct err *e);
/* An error reply of a server that cannot serve us now, rather than one about a single key. */
bool redis_error_is_server(const struct redisReply *reply);

#endif
