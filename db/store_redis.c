#include "db/store_redis.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "db/redis_script.h"
#include "db/row_redis.h"

/* Somebody waits at a terminal; a Redis that is at something else gets its time. */
#define CONNECT_MS 3000
#define ANSWER_S 10

/* Questions that are out at a time. */
#define PIPELINE 200
#define SCAN_COUNT "1000"

struct store {
	struct arena *memory;
	const struct redis_settings *settings;
	redisContext *c;
	struct redis_place place;
	bool read_only;
	struct redis_command command;
};

/* --- one command -------------------------------------------------------------------------------- */

void
store_redis_say(struct store *s, int n, const char **argument, const size_t *length)
{
	if (redisAppendCommandArgv(s->c, n, argument, length) != REDIS_OK)
		die("no memory for a command to Redis");
}

struct redisReply *
store_redis_reply(struct store *s, struct err *e)
{
	char where[REDIS_PLACE_TEXT];
	void *reply = NULL;

	if (s->c->err == 0 && redisGetReply(s->c, &reply) == REDIS_OK && reply)
		return reply;
	err_set(e, ERR_DB, "Redis at %s: %s", redis_place_text(&s->place, where),
	    s->c->err == REDIS_ERR_IO && errno == EAGAIN ? "it does not answer"
							 : ESC(str_of(s->c->errstr)));
	return NULL;
}

const char *
store_redis_prefix(const struct store *s)
{
	return s->settings->prefix;
}

struct redis_command *
store_redis_command(struct store *s)
{
	return &s->command;
}

static bool
is_error(struct store *s, const redisReply *reply, struct err *e)
{
	char where[REDIS_PLACE_TEXT];

	if (reply->type != REDIS_REPLY_ERROR)
		return false;
	err_set(e, ERR_DB, "Redis at %s says: %s", redis_place_text(&s->place, where),
	    ESC(((struct str){ reply->str, reply->len < 300 ? reply->len : 300 })));
	return true;
}

/* A command of texts; NULL and e when there is no reply, or an error. */
static redisReply *
call(struct store *s, int n, const char **argument, struct err *e)
{
	redisReply *reply;

	store_redis_say(s, n, argument, NULL);
	reply = store_redis_reply(s, e);
	if (reply == NULL || !is_error(s, reply, e))
		return reply;
	freeReplyObject(reply);
	return NULL;
}

static bool
call_for_nothing(struct store *s, int n, const char **argument, struct err *e)
{
	redisReply *reply = call(s, n, argument, e);

	freeReplyObject(reply);
	return reply != NULL;
}

/* --- opening ------------------------------------------------------------------------------------ */

static bool
wait_for(redisContext *c)
{
	struct pollfd fd = { .fd = c->fd, .events = POLLOUT };
	int error = 0;
	socklen_t n = sizeof(error);

	if (poll(&fd, 1, CONNECT_MS) != 1) {
		errno = ETIMEDOUT;
		return false;
	}
	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && error != 0)
		errno = error;
	return error == 0;
}

/* From here on it waits. */
static bool
connect_to(struct store *s, const struct redis_place *place, struct err *e)
{
	const struct timeval limit = { ANSWER_S, 0 };
	char where[REDIS_PLACE_TEXT];

	if (s->c)
		redisFree(s->c);
	s->place = *place;
	s->c = redis_begin(place, e);
	if (s->c == NULL)
		return false;
	if (!wait_for(s->c) || fcntl(s->c->fd, F_SETFL, 0) != 0)
		return err_set(e, ERR_SYSTEM, "cannot connect to Redis at %s: %s",
		    redis_place_text(place, where), strerror(errno));
	s->c->flags |= REDIS_BLOCK;
	redisSetTimeout(s->c, limit);
	return true;
}

static bool
auth(struct store *s, const char *user, const char *password, struct err *e)
{
	const char *with_user[] = { "AUTH", user, password };
	const char *without[] = { "AUTH", password };

	if (password[0] == '\0')
		return true;
	return user[0] ? call_for_nothing(s, 3, with_user, e) : call_for_nothing(s, 2, without, e);
}

static bool
ask_sentinel(
    struct store *s, const struct redis_place *sentinel, struct redis_place *master, struct err *e)
{
	const char *argument[] = { "SENTINEL", "get-master-addr-by-name", s->settings->sentinel };
	redisReply *reply;
	bool ok;

	if (!connect_to(s, sentinel, e) || !auth(s, "", s->settings->sentinel_password, e))
		return false;
	reply = call(s, 3, argument, e);
	ok = reply && redis_master_of(reply, master, e);
	freeReplyObject(reply);
	return ok;
}

static bool
greet(struct store *s, struct err *e)
{
	const char *role[] = { "ROLE" };
	const char *select[] = { "SELECT", NULL };
	char number[24];
	redisReply *reply;
	bool ok;

	if (!auth(s, s->settings->user, s->settings->password, e))
		return false;
	snprintf(number, sizeof(number), "%lld", (long long)s->settings->number);
	select[1] = number;
	if (s->settings->number > 0 && !call_for_nothing(s, 2, select, e))
		return false;
	if (s->settings->sentinel[0] == '\0')
		return true;
	reply = call(s, 1, role, e);
	ok = reply && redis_is_master(reply, e);
	freeReplyObject(reply);
	return ok;
}

static bool
reach(struct store *s, struct err *e)
{
	struct redis_place master;
	bool ok = false;

	for (size_t i = 0; !ok && i < s->settings->n; i++) {
		const struct redis_place *place = &s->settings->place[i];

		if (s->settings->sentinel[0])
			ok = ask_sentinel(s, place, &master, e) && connect_to(s, &master, e);
		else
			ok = connect_to(s, place, e);
		ok = ok && greet(s, e);
	}
	return ok;
}

static void
store_redis_close(struct store **store)
{
	struct store *s = *store;

	if (s == NULL)
		return;
	if (s->c)
		redisFree(s->c);
	arena_free(&s->memory);
	free(s);
	*store = NULL;
}

struct store *
store_redis_open(const struct redis_settings *settings, bool read_only, struct err *e)
{
	struct store *s = xcalloc(1, sizeof(*s));

	s->memory = arena_new(65536);
	s->settings = redis_settings_copy(s->memory, settings);
	s->read_only = read_only;
	redis_command_init(&s->command);
	if (!reach(s, e))
		store_redis_close(&s);
	return s;
}

static bool
place_of(const char *where, struct redis_place *out)
{
	struct str s = str_of(where), ip;
	size_t colon = str_rfind(s, ':');
	uint64_t port;

	*out = (struct redis_place){ 0 };
	if (where[0] == '/') {
		out->path = where;
		return true;
	}
	if (colon == STR_NPOS || !str_to_u64(str_sub(s, colon + 1, s.n), 65535, &port))
		return false;
	ip = str_sub(s, 0, colon);
	if (str_starts(ip, STR("[")) && str_ends(ip, STR("]")))
		ip = str_sub(ip, 1, ip.n - 1);
	out->port = (uint16_t)port;
	return ip_parse(ip, &out->ip);
}

static struct store *
store_redis_open_where(const char *where, struct err *e)
{
	struct redis_settings settings = {
		.n = 1,
		.sentinel = "",
		.user = "",
		.password = "",
		.sentinel_password = "",
		.prefix = "postern:",
	};

	if (place_of(where, &settings.place[0]))
		return store_redis_open(&settings, false, e);
	err_set(e, ERR_SYNTAX, "%s: no address with a port, and no path of a socket",
	    ESC(str_of(where)));
	return NULL;
}

/* --- questions ---------------------------------------------------------------------------------- */

/* A store that is only read is not asked for what would change it. */
static bool
is_asked(const struct store *s, const struct store_ask *ask)
{
	if (!s->read_only)
		return true;
	if (ask->delivered)
		return ask->delivered->what == DELIVERED_LOOK;
	return ask->exceptions == NULL || ask->exceptions->what == EXCEPTIONS_READ;
}

static bool
say(struct store *s, const struct store_ask *ask, int64_t now, bool whole, struct err *e)
{
	struct redis_command *c = &s->command;

	if (!redis_command_ask(c, s->settings->prefix, ask, now, s->read_only))
		return err_set(e, ERR_LIMIT, "a key of the store is too long");
	if (whole)
		redis_command_whole(c);
	store_redis_say(s, c->n, c->argument, c->length);
	return true;
}

static bool
knows_not(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ERROR &&
	    str_starts((struct str){ reply->str, reply->len }, STR("NOSCRIPT"));
}

/* *unknown: the script has to be sent. */
static bool
take(struct store *s, const struct store_ask *ask, bool *unknown, struct err *e)
{
	redisReply *reply = store_redis_reply(s, e);
	bool ok;

	*unknown = reply && knows_not(reply);
	ok = reply && (*unknown || !is_error(s, reply, e));
	if (ok && !*unknown && !redis_answer_take(reply, ask))
		ok = err_set(e, ERR_DB, "Redis' answer is not understood");
	freeReplyObject(reply);
	return ok;
}

static bool
ask_lot(struct store *s, struct store_ask *batch, size_t n, int64_t now, struct err *e)
{
	bool unknown[PIPELINE] = { false };
	bool again;

	for (size_t i = 0; i < n; i++)
		if (is_asked(s, &batch[i]) && !say(s, &batch[i], now, false, e))
			return false;
	for (size_t i = 0; i < n; i++)
		if (is_asked(s, &batch[i]) && !take(s, &batch[i], &unknown[i], e))
			return false;
	for (size_t i = 0; i < n; i++)
		if (unknown[i] &&
		    (!say(s, &batch[i], now, true, e) || !take(s, &batch[i], &again, e)))
			return false;
	return true;
}

static bool
store_redis_ask(struct store *s, struct store_ask *batch, size_t n, int64_t now, struct err *e)
{
	bool ok = true;

	for (size_t i = 0; ok && i < n; i += PIPELINE)
		ok = ask_lot(s, batch + i, n - i < PIPELINE ? n - i : PIPELINE, now / 1000, e);
	return ok;
}

/* Redis does it itself. */
static bool
store_redis_clean(struct store *s, int64_t now, struct err *e)
{
	(void)s;
	(void)now;
	if (e)
		*e = (struct err){ 0 };
	return false;
}

/* --- keys --------------------------------------------------------------------------------------- */

/* As a pattern of SCAN, of what begins so. */
static void
pattern(struct buf *out, struct str beginning)
{
	for (size_t i = 0; i < beginning.n; i++) {
		if (strchr("*?[]\\", beginning.p[i]) && beginning.p[i] != '\0')
			buf_addc(out, '\\');
		buf_addc(out, beginning.p[i]);
	}
	buf_addc(out, '*');
}

/* The keys of one step; *cursor: of the next. */
static bool
scan_step(struct store *s, const char *match, struct buf *cursor, redisReply **keys, struct err *e)
{
	const char *argument[] = { "SCAN", cursor->p, "MATCH", match, "COUNT", SCAN_COUNT };
	redisReply *reply = call(s, 6, argument, e);

	*keys = NULL;
	if (reply == NULL)
		return false;
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    reply->element[0]->type != REDIS_REPLY_STRING ||
	    reply->element[1]->type != REDIS_REPLY_ARRAY) {
		freeReplyObject(reply);
		return err_set(e, ERR_DB, "Redis' answer to SCAN is not understood");
	}
	buf_clear(cursor);
	buf_add(cursor, (struct str){ reply->element[0]->str, reply->element[0]->len });
	*keys = reply;
	return true;
}

bool
store_redis_scan(struct store *s, const struct redis_walk *walk, struct err *e)
{
	struct buf match, cursor, whole;
	size_t head = strlen(s->settings->prefix) + strlen(walk->kind);
	redisReply *reply;
	bool ok = true, more = true;

	buf_init(&match, 1 << 16);
	buf_init(&cursor, 64);
	buf_init(&whole, 1 << 15);
	redis_key(&whole, s->settings->prefix, walk->kind, walk->beginning);
	pattern(&match, buf_str(&whole));
	buf_add(&cursor, STR("0"));
	do {
		ok = scan_step(s, match.p, &cursor, &reply, e);
		for (size_t i = 0; ok && more && i < reply->element[1]->elements; i++) {
			const redisReply *key = reply->element[1]->element[i];

			if (key->type == REDIS_REPLY_STRING && key->len >= head)
				more = walk->found(
				    walk->owner, (struct str){ key->str + head, key->len - head });
		}
		freeReplyObject(reply);
	} while (ok && more && strcmp(cursor.p, "0") != 0);
	buf_free(&match);
	buf_free(&cursor);
	buf_free(&whole);
	return ok;
}

/* --- for people --------------------------------------------------------------------------------- */

/* "name:" in what INFO says. */
static struct str
info(struct str text, struct str name)
{
	struct str line;

	while (str_pop(&text, '\n', &line))
		if (str_starts(line, name))
			return str_trim(str_sub(line, name.n, line.n));
	return (struct str){ 0 };
}

bool
store_redis_state(struct store *s, struct redis_state *out, struct err *e)
{
	const char *argument[] = { "INFO" };
	const char *size[] = { "DBSIZE" };
	int64_t began_us = clock_mono_us();
	redisReply *reply = call(s, 1, size, e);
	uint64_t octets = 0;
	struct str version;

	*out = (struct redis_state){ .took_us = clock_mono_us() - began_us };
	redis_place_text(&s->place, out->at);
	if (reply == NULL)
		return false;
	out->keys = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
	freeReplyObject(reply);
	reply = call(s, 1, argument, e);
	if (reply == NULL)
		return false;
	if (reply->type == REDIS_REPLY_STRING) {
		struct str text = { reply->str, reply->len };

		version = info(text, STR("redis_version:"));
		str_copy(str_sub(version, 0, version.n < 31 ? version.n : 31), out->version,
		    sizeof(out->version));
		str_to_u64(info(text, STR("used_memory:")), INT64_MAX, &octets);
		out->octets = (int64_t)octets;
	}
	freeReplyObject(reply);
	return true;
}

const struct store_backend store_redis = {
	.name = "redis",
	.open = store_redis_open_where,
	.close = store_redis_close,
	.ask = store_redis_ask,
	.clean = store_redis_clean,
	.list = row_redis_list,
	.counters = row_redis_counters,
	.each = row_redis_each,
	.merge = row_redis_merge,
};
