#include "tests/db/redis.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "tests/base/port.h"

#define TRIES 2000 /* of 5 ms */

bool
redis_installed(void)
{
	return access("/usr/bin/redis-server", X_OK) == 0;
}

void
redis_make(struct redis *r)
{
	folder_make(&r->folder);
	r->port = port_claim();
	snprintf(r->socket, sizeof(r->socket), "%s", folder_file(&r->folder, "redis.sock"));
	redis_start(r);
}

static bool
answers(const struct redis *r)
{
	redisContext *c = redisConnectUnix(r->socket);
	redisReply *reply = c->err ? NULL : redisCommand(c, "PING");
	bool ok = reply && (strncmp(reply->str, "LOADING", 7) != 0);

	freeReplyObject(reply);
	redisFree(c);
	return ok;
}

void
redis_start(struct redis *r)
{
	char port[16];
	const char *argument[32] = { "redis-server", "--port", port, "--bind", "127.0.0.1",
		"--unixsocket", r->socket, "--save", "", "--appendonly", "no", "--dir",
		r->folder.path, "--daemonize", "no", "--logfile", "redis.log" };
	int n = 17;

	snprintf(port, sizeof(port), "%d", r->port);
	for (int i = 0; r->more[i]; i++)
		argument[n++] = r->more[i];
	unlink(r->socket);
	r->pid = fork();
	if (r->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv("/usr/bin/redis-server", (char *const *)(uintptr_t)argument);
		_exit(1);
	}
	for (int i = 0; i < TRIES && !answers(r); i++)
		usleep(5000);
	assert_true(answers(r));
}

void
redis_kill(struct redis *r)
{
	if (r->pid > 0) {
		kill(r->pid, SIGKILL);
		waitpid(r->pid, NULL, 0);
	}
	r->pid = 0;
}

void
redis_remove(struct redis *r)
{
	redis_kill(r);
	folder_remove(&r->folder);
}

struct redis_settings
redis_settings_of(const struct redis *r)
{
	return (struct redis_settings){
		.place = { { .path = r->socket } },
		.n = 1,
		.sentinel = "",
		.user = "",
		.password = "",
		.sentinel_password = "",
		.prefix = "postern:",
		.timeout_ms = 50,
	};
}

void
redis_say(const struct redis *r, char *out, size_t size, int n, const char **argument)
{
	redisContext *c = redisConnectUnix(r->socket);
	redisReply *reply = redisCommandArgv(c, n, argument, NULL);

	assert_non_null(reply);
	assert_int_not_equal(reply->type, REDIS_REPLY_ERROR);
	if (out && reply->type == REDIS_REPLY_INTEGER)
		snprintf(out, size, "%lld", reply->integer);
	else if (out)
		snprintf(out, size, "%.*s", (int)reply->len, reply->str ? reply->str : "");
	freeReplyObject(reply);
	redisFree(c);
}
