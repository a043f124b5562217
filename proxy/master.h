/*
 * master: the first process. Binds the sockets, gives up its rights, starts the worker and one
 * milter process a `listen milter` line, starts again what dies, and passes signals on. It reads
 * nothing that comes from the network. When the master itself dies, the kernel ends its children.
 */
#ifndef POSTERN_PROXY_MASTER_H
#define POSTERN_PROXY_MASTER_H

#include "rules/config.h"

/*
 * Runs until SIGTERM or SIGINT; returns the exit code. ready: gets one octet when mail can come
 * (then it is closed), or -1.
 */
int master_run(struct config *config, int ready);

#endif
