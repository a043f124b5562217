/*
 * master: the first process. Has the sockets, gives up its rights, starts the worker and one milter
 * process a `listen milter` line, starts again what dies, passes signals on, tells the service
 * manager, and starts a successor when the program is to be replaced. It reads nothing that comes
 * from the network. When the master itself dies, the kernel ends its children.
 */
#ifndef POSTERN_PROXY_MASTER_H
#define POSTERN_PROXY_MASTER_H

#include "proxy/inherit.h"
#include "proxy/upgrade.h"
#include "rules/config.h"

struct master_start {
	struct config *config;
	struct program program;
	struct inherited inherited;
	int ready; /* gets one octet when mail can come (then it is closed), or -1 */
};

/* Runs until SIGTERM or SIGINT, or until a successor has taken over; returns the exit code. */
int master_run(const struct master_start *start);

#endif
