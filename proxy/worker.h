/*
 * worker: the process that handles mail: the db thread and the loops. It is forked by the master,
 * which holds the sockets; when it dies it takes its sessions along and no mail. Its main thread
 * only waits for signals: SIGHUP reloads, SIGTERM drains and ends, those of words.h let it take lists that changed, and leave to a
 * successor.
 */
#ifndef POSTERN_PROXY_WORKER_H
#define POSTERN_PROXY_WORKER_H

#include "proxy/notices.h"
#include "proxy/sockets.h"
#include "proxy/words.h"

/* What ties it to the master. */
struct worker_tie {
	int words;       /* the pipe (words.h) */
	int64_t beat_ms; /* how often to say WORD_BEAT; 0: never */
	const struct notices *notices;
};

/* Runs until told to end; returns the exit code. */
int worker_run(struct config *config, const struct sockets *sockets, const struct worker_tie *tie);

#endif
