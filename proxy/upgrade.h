/*
 * upgrade: replaces the running program by the one that now stands at its path, without refusing a connection:
 * a new master is started with our arguments and our listening sockets (inherit.h), reads the
 * configuration and starts its own worker and milter processes. When these are ready it says so on a
 * pipe, and the old master leaves. If it ends before, all stays as it was.
 */
#ifndef POSTERN_PROXY_UPGRADE_H
#define POSTERN_PROXY_UPGRADE_H

#include <signal.h>
#include <sys/types.h>

#include "proxy/sockets.h"

/* How this program was started; found out before anything else is done. */
struct program {
	char *path; /* of its file, even after that was replaced */
	char **argv;
};

struct upgrade {
	pid_t pid;           /* of the new master; 0: none is being started */
	int ready;           /* read end; -1: none */
	int64_t patience_ms; /* monotonic: then it is ended */
	bool told_to_end;
};

void program_find(struct program *program, char **argv);
void program_free(struct program *program);

/* False: it could not even be tried; the log says why. */
bool upgrade_start(struct upgrade *u, const struct program *program, const struct sockets *sockets,
    const sigset_t *signals);
/* The pipe can be read. True: the new one is ready, and pid is its process from now on. */
bool upgrade_ready(struct upgrade *u);
/* The new master ended with that status before it was ready. */
void upgrade_failed(struct upgrade *u, int status);
/* Ends what takes too long; says in how many ms to look again. */
int64_t upgrade_look(struct upgrade *u, int64_t now_ms);
/* Calls it off. */
void upgrade_cancel(struct upgrade *u);

#endif
