/*
 * notices: the way from the loops to the processes that tell people (notice_process.h): a local socket for each,
 * of which the master keeps both ends, so that what waits in it survives the death of either side. It is bounded
 * by the kernel: what finds no room is told of in the log, and nobody waits.
 */
#ifndef POSTERN_PROXY_NOTICES_H
#define POSTERN_PROXY_NOTICES_H

#include "rules/config.h"

/* By the network: mail and webhook. By running the command: which alone may start programs. */
enum notice_process { NOTICE_BY_NETWORK, NOTICE_BY_COMMAND, NOTICE_PROCESSES };

struct notices {
	int in[NOTICE_PROCESSES], out[NOTICE_PROCESSES]; /* -1: closed */
};

bool notices_open(struct notices *n, struct err *e);
void notices_close(struct notices *n);
/* In the worker: keeps the ends that it writes to. */
void notices_keep_in(struct notices *n);
/* In one of the processes: keeps both ends of its own. */
void notices_keep(struct notices *n, enum notice_process process);

/* Does the configuration want that process? */
bool notices_wanted(const struct config *config, enum notice_process process);
/* To every process that is wanted. Never waits. From any thread. */
void notices_send(
    const struct notices *n, const struct config *config, const struct notice *notice);
/* The same to one of them; false: there was no room. */
bool notices_send_to(
    const struct notices *n, enum notice_process process, const struct notice *notice);

#endif
