/*
 * sockets: what posternd listens on. The master has it before it gives up its rights, each of it
 * bound or inherited (inherit.h), and keeps it for all workers and milter processes that follow
 * each other, so that the death or the replacement of one refuses nobody.
 *
 * Each proxy address is bound once a loop (SO_REUSEPORT: the kernel spreads connections); an inherited
 * one may have fewer or more sockets, which the loops then share. The engine's local socket is where the milter
 * processes of this master meet its worker; its name holds the master's process id, so that two
 * masters that overlap in an upgrade do not meet.
 */
#ifndef POSTERN_PROXY_SOCKETS_H
#define POSTERN_PROXY_SOCKETS_H

#include "proxy/inherit.h"
#include "rules/config.h"

struct proxy_socket {
	int fd;
	size_t loop;
	struct listen how; /* what the configuration says of it */
	bool foreign;
};

struct milter_socket {
	int fd;
	int family;
	char *address;  /* libmilter's notation */
	char path[108]; /* to be removed at the end; empty: nothing */
	bool foreign;
};

struct sockets {
	size_t n_loops;
	struct proxy_socket *proxy;
	size_t n_proxy;
	struct milter_socket *milter;
	size_t n_milter;
	int engine; /* -1: no milter */
	char engine_path[108];
};

/* Opens all, or none. */
bool sockets_open(struct sockets *s, const struct config *config, struct inherited *in,
    size_t n_loops, struct err *e);
/* Closes all, of milters all but that one (-1: all); paths stay. For children, and at the end. */
void sockets_forget(struct sockets *s, int but_milter);
/* In the worker: closes what is not its own. */
void sockets_forget_milters(struct sockets *s);
/* The sockets go on elsewhere: their paths will not be removed. */
void sockets_handed_over(struct sockets *s);
/* Closes all and removes paths. */
void sockets_close(struct sockets *s);

#endif
