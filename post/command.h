/*
 * command: runs a program that an administrator named, without a shell: with variables of its own beside
 * PATH, a text on its standard input, and bounded time; then it and all that it started in its process group are
 * killed. What it says on standard error is told in e. Waits; not for a loop.
 */
#ifndef POSTERN_POST_COMMAND_H
#define POSTERN_POST_COMMAND_H

#include "post/wire.h"

struct command_job {
	const char *path;
	char *const *environment; /* "NAME=value", ended by NULL */
	struct str input;
};

/* True: it ended with 0. */
bool command_run(const struct command_job *job, const struct wire_limit *limit, struct err *e);

#endif
