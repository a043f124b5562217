/*
 * server: a server on 127.0.0.1 for one connection, played by a thread: it says the script's texts, one at
 * once and one for each line it hears (a message counts as one line), and keeps what it heard. NULL: it
 * closes; "": it says nothing more and waits for the other side to go.
 */
#ifndef POSTERN_TESTS_POST_SERVER_H
#define POSTERN_TESTS_POST_SERVER_H

#include <pthread.h>

#include "base/buf.h"

#define SERVER_SCRIPT 12

struct server {
	int fd;
	uint16_t port;
	const char *const *script;
	bool http; /* hears a request with its body, and says the script's first text */
	struct buf heard;
	pthread_t thread;
};

void server_start(struct server *s, const char *const *script, bool http);
/* Waits for the connection's end. */
void server_stop(struct server *s);

#endif
