#include "tests/fuzz/server.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "base/die.h"

#define HEARD_MOST (16 * 1024 * 1024)
#define LIMIT_S 20

struct server {
	struct event_base *base;
	struct evconnlistener *listener;
	struct event *readable; /* NULL: not connected */
	int fd;
	uint16_t port;
	struct buf input;
	unsigned long moves;
	void (*opened)(void *owner);
	void (*heard)(void *owner, struct buf *input);
	void *owner;
};

void
server_close(struct server *s)
{
	/* The port shall be free again at once: with thousands a second none would be left. */
	const struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	if (s->readable == NULL)
		return;
	event_free(s->readable);
	s->readable = NULL;
	(void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(s->fd);
	buf_clear(&s->input);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct server *s = arg;
	char octets[16384];
	ssize_t n = recv(fd, octets, sizeof(octets), 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		server_close(s);
		return;
	}
	require(buf_add(&s->input, (struct str){ octets, (size_t)n }));
	s->moves++;
	s->heard(s->owner, &s->input);
}

static void
on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int n, void *arg)
{
	struct server *s = arg;

	server_close(s);
	s->fd = fd;
	s->readable = event_new(s->base, fd, EV_READ | EV_PERSIST, on_readable, s);
	require(s->readable && event_add(s->readable, NULL) == 0);
	s->moves++;
	s->opened(s->owner);
}

struct server *
server_new(struct event_base *base, void (*opened)(void *owner),
    void (*heard)(void *owner, struct buf *input), void *owner)
{
	struct server *s = xcalloc(1, sizeof(*s));
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(in);

	s->base = base;
	s->opened = opened;
	s->heard = heard;
	s->owner = owner;
	buf_init(&s->input, HEARD_MOST);
	s->listener = evconnlistener_new_bind(base, on_accept, s,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 64, (struct sockaddr *)&in, sizeof(in));
	require(s->listener);
	require(
	    getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&in, &length) == 0);
	s->port = ntohs(in.sin_port);
	return s;
}

void
server_free(struct server **server)
{
	server_close(*server);
	evconnlistener_free((*server)->listener);
	buf_free(&(*server)->input);
	free(*server);
	*server = NULL;
}

uint16_t
server_port(const struct server *server)
{
	return server->port;
}

void
server_say(struct server *s, struct str octets)
{
	/* What the other side does not read any more is as good as unsaid. */
	if (s->readable)
		(void)send(s->fd, octets.p, octets.n, MSG_NOSIGNAL | MSG_DONTWAIT);
}

unsigned long
server_moves(const struct server *server)
{
	return server->moves;
}

bool
piece_take(struct str *input, struct buf *piece)
{
	buf_clear(piece);
	if (input->n == 0)
		return false;
	while (input->n > 0) {
		char octet = input->p[0];
		bool mark = octet == '\xff';

		*input = str_sub(*input, 1, input->n);
		if (mark && (input->n == 0 || input->p[0] != '\xff'))
			break;
		if (mark)
			*input = str_sub(*input, 1, input->n);
		buf_addc(piece, octet);
	}
	return true;
}

static void
on_limit(evutil_socket_t fd, short what, void *arg)
{
	panic("it did not come to its end");
}

void
turn_until(struct event_base *base, bool (*done)(void *owner), void *owner)
{
	const struct timeval limit = { .tv_sec = LIMIT_S };
	struct event *timer = evtimer_new(base, on_limit, NULL);

	require(timer && evtimer_add(timer, &limit) == 0);
	while (!done(owner))
		event_base_loop(base, EVLOOP_ONCE);
	event_free(timer);
}
