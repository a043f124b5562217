#include "db/redis_greeting.h"

#include <stdio.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"

/* A command of texts. */
static void
say(struct redis_pipe *pipe, const struct redis_sent *what, int n, const char **argument)
{
	struct redis_sent sent = *what;

	sent.sent_us = clock_mono_us();
	require(redis_pipe_say(pipe, &sent, n, argument, NULL));
}

static void
say_auth(struct redis_pipe *pipe, const char *user, const char *password)
{
	const struct redis_sent auth = { .what = SENT_AUTH };
	const char *with_user[] = { "AUTH", user, password };
	const char *without[] = { "AUTH", password };

	if (password[0] == '\0')
		return;
	if (user[0])
		say(pipe, &auth, 3, with_user);
	else
		say(pipe, &auth, 2, without);
}

void
redis_probe(struct redis_pipe *pipe, const struct redis_settings *settings)
{
	char key[REDIS_PREFIX_MAX + sizeof("alive")];
	const char *argument[] = { "SET", key, "1", "EX", "60" };

	snprintf(key, sizeof(key), "%salive", settings->prefix);
	say(pipe, &(struct redis_sent){ .what = SENT_PROBE }, 5, argument);
}

void
redis_greet_sentinel(struct redis_pipe *pipe, const struct redis_settings *s)
{
	const char *master[] = { "SENTINEL", "get-master-addr-by-name", s->sentinel };

	say_auth(pipe, "", s->sentinel_password);
	say(pipe, &(struct redis_sent){ .what = SENT_MASTER }, 3, master);
}

void
redis_greet(struct redis_pipe *pipe, const struct redis_settings *s)
{
	char number[24];
	const char *role[] = { "ROLE" };
	const char *select[] = { "SELECT", number };

	say_auth(pipe, s->user, s->password);
	snprintf(number, sizeof(number), "%lld", (long long)s->number);
	if (s->number > 0)
		say(pipe, &(struct redis_sent){ .what = SENT_SELECT }, 2, select);
	if (s->sentinel[0])
		say(pipe, &(struct redis_sent){ .what = SENT_ROLE }, 1, role);
	for (enum redis_script i = 0; i < REDIS_SCRIPTS; i++) {
		const char *load[] = { "SCRIPT", "LOAD", redis_script_text(i) };

		say(pipe, &(struct redis_sent){ .what = SENT_LOAD, .script = i }, 3, load);
	}
	redis_probe(pipe, s);
}

/* --- replies ------------------------------------------------------------------------------------ */

void
redis_refusal(const char *command, const redisReply *reply, struct err *e)
{
	if (reply->type == REDIS_REPLY_ERROR)
		err_set(e, ERR_DB, "%s: %s", command,
		    ESC(((struct str){ reply->str, reply->len < 200 ? reply->len : 200 })));
	else
		err_set(e, ERR_DB, "%s: its answer is not understood", command);
}

static bool
expect(bool good, const char *command, const redisReply *reply, struct err *e)
{
	if (!good)
		redis_refusal(command, reply, e);
	return good;
}

bool
redis_greeted(const struct redis_sent *s, const redisReply *reply, const struct redis_command *c,
    struct err *e)
{
	bool ok = reply->type == REDIS_REPLY_STATUS && strcmp(reply->str, "OK") == 0;

	switch (s->what) {
	case SENT_AUTH:
		return expect(ok, "AUTH", reply, e);
	case SENT_SELECT:
		return expect(ok, "SELECT", reply, e);
	case SENT_PROBE:
		return expect(ok, "SET", reply, e);
	case SENT_LOAD:
		return expect(
		    reply->type == REDIS_REPLY_STRING && strcmp(reply->str, c->sha[s->script]) == 0,
		    "SCRIPT LOAD", reply, e);
	case SENT_ROLE:
		return redis_is_master(reply, e);
	case SENT_MASTER:
	case SENT_ASK:
		break;
	}
	panic("no part of a greeting");
}
