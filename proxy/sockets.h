/*
 * sockets: what posternd listens on, bound by the master before it gives up its rights. Each proxy
 * address is bound once a loop (SO_REUSEPORT: the kernel spreads connections), so a worker that
 * is started again finds the same sockets. The engine's local socket is where the milter process
 * meets the worker.
 */
#ifndef POSTERN_PROXY_SOCKETS_H
#define POSTERN_PROXY_SOCKETS_H

#include "rules/config.h"

struct sockets {
	size_t n_loops, n_proxy; /* proxy has n_loops * n_proxy, those of one loop together */
	int *proxy;
	struct listen *how; /* n_proxy: what the configuration said of each */
	int engine;         /* -1: no milter */
	char engine_path[108];
};

/* Opens all, or none. */
bool sockets_open(struct sockets *s, const struct config *config, size_t n_loops, struct err *e);
void sockets_close(struct sockets *s);
/* In a child that does not use them: closes its copies; engine_path stays to be read. */
void sockets_forget(struct sockets *s);

#endif
