#include "db/redis.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

#include "base/die.h"
#include "base/escape.h"

const struct redis_settings *
redis_settings_copy(struct arena *arena, const struct redis_settings *settings)
{
	struct redis_settings *copy = ARENA_NEW(arena, struct redis_settings);
	const char **text[] = { &copy->sentinel, &copy->user, &copy->password,
		&copy->sentinel_password, &copy->prefix };

	*copy = *settings;
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		*text[i] = arena_dup(arena, str_of(*text[i])).p;
	for (size_t i = 0; i < copy->n; i++)
		if (copy->place[i].path)
			copy->place[i].path = arena_dup(arena, str_of(copy->place[i].path)).p;
	return copy;
}

const char *
redis_place_text(const struct redis_place *place, char out[REDIS_PLACE_TEXT])
{
	if (place->path)
		return escape_text(str_of(place->path), out, REDIS_PLACE_TEXT);
	snprintf(out, REDIS_PLACE_TEXT, "%s port %u", IP_TEXT(&place->ip), place->port);
	return out;
}

/* --- connecting --------------------------------------------------------------------------------- */

union address {
	struct sockaddr sa;
	struct sockaddr_un un;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static bool
address_of(const struct redis_place *place, union address *a, socklen_t *n)
{
	*a = (union address){ 0 };
	if (place->path) {
		a->un.sun_family = AF_UNIX;
		*n = sizeof(a->un);
		return str_copy(str_of(place->path), a->un.sun_path, sizeof(a->un.sun_path));
	}
	if (place->ip.version == 4) {
		a->in.sin_family = AF_INET;
		a->in.sin_port = htons(place->port);
		memcpy(&a->in.sin_addr, place->ip.b, sizeof(a->in.sin_addr));
		*n = sizeof(a->in);
	} else {
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_port = htons(place->port);
		memcpy(&a->in6.sin6_addr, place->ip.b, sizeof(a->in6.sin6_addr));
		*n = sizeof(a->in6);
	}
	return true;
}

/* Why not redisConnectNonBlock(): it asks the resolver of libc, of an address too. */
struct redisContext *
redis_begin(const struct redis_place *place, struct err *e)
{
	char where[REDIS_PLACE_TEXT];
	const int on = 1;
	union address a;
	socklen_t n;
	redisContext *c;
	int fd, saved;

	redis_place_text(place, where);
	if (!address_of(place, &a, &n)) {
		err_set(e, ERR_LIMIT, "%s: the path of a socket has at most 107 octets", where);
		return NULL;
	}
	fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && a.sa.sa_family != AF_UNIX)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (fd < 0 || (connect(fd, &a.sa, n) != 0 && errno != EINPROGRESS)) {
		saved = errno;
		if (fd >= 0)
			close(fd);
		err_set(e, ERR_SYSTEM, "cannot connect to %s: %s", where, strerror(saved));
		return NULL;
	}
	c = redisConnectFd(fd);
	if (c == NULL)
		die("no memory for a connection to Redis");
	c->flags &= ~REDIS_BLOCK;
	return c;
}

/* --- replies ------------------------------------------------------------------------------------ */

static struct str
text_of(const redisReply *reply)
{
	bool text = reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS ||
	    reply->type == REDIS_REPLY_ERROR;

	return text ? (struct str){ reply->str, reply->len } : (struct str){ 0 };
}

bool
redis_master_of(const struct redisReply *reply, struct redis_place *out, struct err *e)
{
	struct str ip, port;
	uint64_t number;

	if (reply->type == REDIS_REPLY_NIL)
		return err_set(e, ERR_DB, "the Sentinel knows no master of that name");
	if (reply->type == REDIS_REPLY_ERROR)
		return err_set(e, ERR_DB, "the Sentinel says: %s", ESC(text_of(reply)));
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2)
		return err_set(e, ERR_DB, "the Sentinel's answer is not understood");
	ip = text_of(reply->element[0]);
	port = text_of(reply->element[1]);
	*out = (struct redis_place){ 0 };
	if (!ip_parse(ip, &out->ip))
		return err_set(e, ERR_DB,
		    "the Sentinel names the master \"%s\", which is no address: set "
		    "`sentinel announce-hostnames no`",
		    ESC(ip));
	if (!str_to_u64(port, 65535, &number) || number == 0)
		return err_set(e, ERR_DB, "the Sentinel's answer is not understood");
	out->port = (uint16_t)number;
	return true;
}

bool
redis_is_master(const struct redisReply *reply, struct err *e)
{
	struct str role;

	if (reply->type == REDIS_REPLY_ERROR)
		return err_set(e, ERR_DB, "ROLE: %s", ESC(text_of(reply)));
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0)
		return err_set(e, ERR_DB, "the answer to ROLE is not understood");
	role = text_of(reply->element[0]);
	return str_eq(role, STR("master")) ||
	    err_set(e, ERR_DB, "it is no master but \"%s\"", ESC(role));
}

static bool
holds(struct str text, struct str word)
{
	for (size_t i = 0; i + word.n <= text.n; i++)
		if (str_eq(str_sub(text, i, i + word.n), word))
			return true;
	return false;
}

/* Anywhere in the text: until Redis 7 an error within a script is told as one of the script. */
bool
redis_error_is_server(const struct redisReply *reply)
{
	static const char *const words[] = { "LOADING", "READONLY", "MASTERDOWN", "NOREPLICAS",
		"OOM ", "MISCONF", "NOAUTH", "NOPERM", "BUSY ", "CLUSTERDOWN", "MOVED ",
		"WRONGPASS", "max number of clients", "unknown command" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (holds(text_of(reply), str_of(words[i])))
			return true;
	return false;
}
