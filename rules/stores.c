/*
 * stores: the line `store`, and the shared store that comes of it and of the rows beside it.
 */
#include <openssl/crypto.h>

#include "rules/load.h"

#define PASSWORD_MAX 4096

/* A socket's path in quotes, or an address; *out is zero before. */
static bool
take_place(struct cursor *c, uint16_t port, struct redis_place *out)
{
	out->port = port;
	if (c->t->kind == TOKEN_WORD && ip_parse(c->t->text, &out->ip)) {
		c->t++;
		return !token_is(c->t, "port") || cursor_port(c, &out->port);
	}
	COMPLAIN(c->load, c->t, "an address such as 192.0.2.1 belongs here, not %s", SHOW(c->t));
	return false;
}

/* `sentinel "NAME" at ADDRESS [port NUMBER], ...` */
static bool
take_sentinels(struct cursor *c, struct redis_settings *new)
{
	if (c->t->kind != TOKEN_TEXT || c->t->text.n == 0) {
		COMPLAIN(c->load, c->t,
		    "the name in quotes that the Sentinels have for the master belongs here, not "
		    "%s",
		    SHOW(c->t));
		return false;
	}
	new->sentinel = arena_dup(c->load->arena, token_value(c->t, c->load->arena)).p;
	c->t++;
	if (!cursor_word(c, "at")) {
		COMPLAIN(c->load, c->t, "`at` and an address belong here, not %s", SHOW(c->t));
		return false;
	}
	do {
		if (new->n == REDIS_PLACES_MAX) {
			COMPLAIN(c->load, c->t, "%d Sentinels are enough", REDIS_PLACES_MAX);
			return false;
		}
		if (!take_place(c, REDIS_SENTINEL_PORT, &new->place[new->n++]))
			return false;
	} while (cursor_kind(c, TOKEN_COMMA));
	return true;
}

static bool
take_redis(struct cursor *c, struct redis_settings *new)
{
	if (cursor_word(c, "sentinel"))
		return take_sentinels(c, new);
	new->n = 1;
	if (c->t->kind == TOKEN_TEXT && c->t->text.n > 0 && c->t->text.p[0] == '/') {
		new->place[0].path = arena_dup(c->load->arena, token_value(c->t, c->load->arena)).p;
		c->t++;
		return true;
	}
	if (c->t->kind == TOKEN_WORD && ip_parse(c->t->text, &new->place[0].ip))
		return take_place(c, REDIS_PORT, &new->place[0]);
	COMPLAIN(c->load, c->t,
	    "an address such as 192.0.2.1, the path of a socket in quotes, or `sentinel \"NAME\" at "
	    "ADDRESS` belongs here, not %s",
	    SHOW(c->t));
	return false;
}

void
store_read(struct cursor *c)
{
	struct redis_settings *new;

	if (cursor_word(c, "sqlite")) {
		cursor_end(c);
		return;
	}
	if (!cursor_word(c, "redis")) {
		COMPLAIN(c->load, c->t, "`sqlite` or `redis` belongs here, not %s", SHOW(c->t));
		return;
	}
	new = ARENA_NEW(c->load->arena, struct redis_settings);
	new->sentinel = "";
	if (take_redis(c, new) && cursor_end(c))
		c->load->config->redis = new;
}

/* ---- the rows beside it ---- */

/* So that a row with a slip in it is complained about as a row. */
bool
store_is_row(const struct token *t)
{
	return token_is(t, "store") && t[1].kind == TOKEN_WORD && t[2].kind != TOKEN_END &&
	    !token_is(t + 1, "sqlite") && !token_is(t + 1, "redis");
}

/* Where it was given; NULL: it was not. */
static const struct token *
place_of(const struct load *load, const char *name)
{
	const struct given *g = NULL;

	for (size_t i = 0; i < n_config_settings; i++)
		if (strcmp(config_settings[i].name, name) == 0)
			g = given_find(load, &config_settings[i]);
	return g ? &g->at : NULL;
}

/* What the file holds, without the blanks at its ends. */
static const char *
read_password(struct load *load, const char *row, const char *path)
{
	struct arena *arena;
	const char *password = "";
	struct str text;
	struct err e;

	if (path[0] == '\0')
		return "";
	arena = arena_new(PASSWORD_MAX);
	if (source_take(path, PASSWORD_MAX, arena, &text, &e)) {
		password = arena_dup(load->arena, str_trim(text)).p;
		OPENSSL_cleanse((char *)(uintptr_t)text.p, text.n);
	} else if (load->vocabulary->certificates) {
		COMPLAIN(load, place_of(load, row), "%s", e.text);
	} else {
		load->config->store_secret = arena_dup(load->arena, str_of(e.text)).p;
	}
	arena_free(&arena);
	return password;
}

void
store_finish(struct load *load)
{
	struct config_core *core = &load->config->core;
	struct redis_settings *redis = load->config->redis;

	if (redis == NULL)
		return;
	if (core->store_password[0] && core->store_password_file[0])
		COMPLAIN(load, place_of(load, "store password file"),
		    "`store password` was given already: one of them is enough");
	if (strlen(core->store_prefix) > REDIS_PREFIX_MAX)
		COMPLAIN(load, place_of(load, "store prefix"),
		    "`store prefix` has at most %d octets", REDIS_PREFIX_MAX);
	redis->user = core->store_user;
	redis->password = core->store_password[0]
	    ? core->store_password
	    : read_password(load, "store password file", core->store_password_file);
	redis->sentinel_password =
	    read_password(load, "store sentinel password file", core->store_sentinel_password_file);
	redis->prefix = core->store_prefix;
	redis->number = core->store_number;
	redis->timeout_ms = core->store_timeout;
	if (place_of(load, "when store unavailable") == NULL)
		core->when_store = WHEN_PASS;
}
