/*
 * worker: the process that handles mail: the db thread and the loops. It is forked by the master,
 * which holds the sockets; when it dies it takes its sessions along and no mail. Its main thread
 * only waits for signals: SIGHUP reloads, SIGTERM drains and ends.
 */
#ifndef POSTERN_PROXY_WORKER_H
#define POSTERN_PROXY_WORKER_H

#include "proxy/sockets.h"

/* Exit code of a worker that could not even start; the master does not try that again. */
#define WORKER_CANNOT_START 78

/*
 * Runs until told to end; returns the exit code. ready: a descriptor that gets one octet when mail
 * can come, or -1.
 */
int worker_run(struct config *config, const struct sockets *sockets, int ready);

#endif
