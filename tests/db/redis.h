/*
 * redis: a redis-server of a test's own, on a port and a socket that nobody else has, in a folder that goes away. It dies
 * with the test.
 */
#ifndef POSTERN_TESTS_DB_REDIS_H
#define POSTERN_TESTS_DB_REDIS_H

#include <stdbool.h>
#include <sys/types.h>

#include "db/redis.h"
#include "tests/db/folder.h"

struct redis {
	struct folder folder;
	pid_t pid; /* 0: it does not run */
	int port;
	char socket[300];
	const char *more[9]; /* further arguments, NULL at the end */
};

/* False: it is not installed. */
bool redis_installed(void);
/* Makes the folder and starts it; dies in the test when it does not come up. */
void redis_make(struct redis *r);
void redis_start(struct redis *r);
void redis_kill(struct redis *r);
void redis_remove(struct redis *r);
/* Where it is, all else by default, with a short timeout. */
struct redis_settings redis_settings_of(const struct redis *r);
/* A command of texts by a connection of its own, told to succeed; the reply's text or number into out. */
void redis_say(const struct redis *r, char *out, size_t size, int n, const char **argument);

#endif
