/*
 * io_socket: what io asks of the socket itself: octets from and to it, in the clear, and what the kernel knows of the
 * connection. Never waits, and keeps nothing: a socket and a bufferevent's buffers are all it is given, and errors are the
 * system's, in errno. For io.h alone.
 */
#ifndef POSTERN_PROXY_IO_SOCKET_H
#define POSTERN_PROXY_IO_SOCKET_H

#include <sys/types.h>

#include "proxy/proxy_header.h"

struct evbuffer;

/* Reads once, at most `most` octets. As recv(). */
ssize_t io_socket_receive(int fd, struct evbuffer *input, size_t most);
/* Sends what it can. last: the end of our output follows, with which it waits to be one packet. As send(). */
ssize_t io_socket_send(int fd, struct evbuffer *output, bool last);
/* Small things go out at once: replies and commands are awaited. */
void io_socket_no_delay(int fd);

/* See io.h, which has them for a connection. */
bool io_socket_pending(int fd);
bool io_socket_peer_ended(int fd);
bool io_socket_position(int fd, uint64_t *sent, uint64_t *acknowledged);
struct endpoints io_socket_ends(int fd);

#endif
