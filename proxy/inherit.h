/*
 * inherit: the listening sockets a posternd was given by whoever started it: by systemd (socket
 * activation: $LISTEN_FDS, $LISTEN_PID, $LISTEN_FDNAMES) or by the posternd that it is to replace. They are told
 * apart by where they listen, so that neither the order nor the names matter. What no `listen`
 * line asks for is closed.
 */
#ifndef POSTERN_PROXY_INHERIT_H
#define POSTERN_PROXY_INHERIT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* Where a socket listens. */
struct endpoint {
	struct sockaddr_storage address;
	socklen_t size;
	bool only_v6; /* of AF_INET6: takes no IPv4 */
};

struct inherited_socket {
	int fd;       /* -1: taken */
	bool foreign; /* a service manager's: its path is not ours to remove */
};

struct inherited {
	struct inherited_socket *socket;
	size_t n;
	int ready; /* the old posternd waits for an octet here; -1: there is none */
};

/* Reads the variables and removes them. In the process they name: before any fork. */
void inherit_read(struct inherited *in);
/* One that listens there, nonblocking and close-on-exec; fd -1: none. It is the caller's then. */
struct inherited_socket inherit_take(struct inherited *in, const struct endpoint *wanted);
/* Closes what nobody took; ready stays. */
void inherit_close(struct inherited *in);

/* ---- for the one that gives ---- */

#define INHERIT_SOCKETS "POSTERN_SOCKETS" /* "5 6 7f": descriptors; f: foreign */
#define INHERIT_READY "POSTERN_READY"

#endif
