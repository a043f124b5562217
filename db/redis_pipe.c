#include "db/redis_pipe.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/die.h"

/* Of a reply that is not whole yet; of an array other than of exceptions. */
#define REPLY_MAX (16 * 1024)
#define ROWS_MAX (1024 * 1024)
#define ELEMENTS_MAX 64

struct redis_pipe {
	struct event_base *base;
	const struct redis_pipe_user *user;
	void *owner;
	redisContext *c; /* NULL: closed */
	uint64_t opened; /* how often it was */
	bool connected;
	redisReplyObjectFunctions make; /* bounded */
	void *(*make_array)(const redisReadTask *task, int elements);
	struct event *readable, *writable;
	struct redis_sent *sent; /* a ring */
	size_t first, n;
};

/* --- what is out -------------------------------------------------------------------------------- */

size_t
redis_pipe_out(const struct redis_pipe *p)
{
	return p->n;
}

struct redis_sent *
redis_pipe_at(struct redis_pipe *p, size_t i)
{
	return &p->sent[(p->first + i) & (REDIS_PIPE_MAX - 1)];
}

struct redis_sent
redis_pipe_shift(struct redis_pipe *p)
{
	struct redis_sent sent = *redis_pipe_at(p, 0);

	p->first = (p->first + 1) & (REDIS_PIPE_MAX - 1);
	p->n--;
	return sent;
}

bool
redis_pipe_say(struct redis_pipe *p, const struct redis_sent *sent, int n, const char **argument,
    const size_t *length)
{
	if (p->n == REDIS_PIPE_MAX)
		return false;
	if (redisAppendCommandArgv(p->c, n, argument, length) != REDIS_OK)
		die("no memory for a command to Redis");
	*redis_pipe_at(p, p->n++) = *sent;
	event_add(p->writable, NULL);
	return true;
}

/* --- reading ------------------------------------------------------------------------------------ */

/* A hostile length must not make hiredis take memory for it. */
static void *
make_array(const redisReadTask *task, int elements)
{
	struct redis_pipe *p = task->privdata;
	const struct redis_sent *sent = p->n > 0 ? redis_pipe_at(p, 0) : NULL;
	const redisReadTask *parent = task->parent;
	int most = sent && sent->rows ? 2 * (STORE_EXCEPTIONS_MAX + 1) : ELEMENTS_MAX;

	if (elements > most)
		return NULL;
	/* ROLE has an array of replicas, each an array; nothing else is nested. */
	if (parent &&
	    (sent == NULL || sent->what != SENT_ROLE || (parent->parent && parent->parent->parent)))
		return NULL;
	return p->make_array(task, elements);
}

/* False: there is none, or the connection is not what it was and must not be read further here. */
static bool
next_reply(struct redis_pipe *p)
{
	redisContext *c = p->c;
	uint64_t opened = p->opened;
	void *reply = NULL;
	struct redis_sent sent;

	if (redisGetReplyFromReader(c, &reply) != REDIS_OK) {
		p->user->broken(p->owner, "what it says is not understood");
		return false;
	}
	if (reply == NULL) {
		if (c->reader->len - c->reader->pos >
		    (p->n > 0 && redis_pipe_at(p, 0)->rows ? ROWS_MAX : REPLY_MAX))
			p->user->broken(p->owner, "its answer has no end");
		return false;
	}
	if (p->n == 0) {
		freeReplyObject(reply);
		p->user->broken(p->owner, "it says something unasked");
		return false;
	}
	sent = redis_pipe_shift(p);
	p->user->replied(p->owner, &sent, reply);
	freeReplyObject(reply);
	return p->c && p->opened == opened;
}

void
redis_pipe_receive(struct redis_pipe *p)
{
	char problem[300];

	if (p->c == NULL || !p->connected)
		return;
	if (redisBufferRead(p->c) != REDIS_OK) {
		snprintf(problem, sizeof(problem), "the connection broke: %s",
		    p->c->err == REDIS_ERR_IO ? strerror(errno) : "it was closed");
		p->user->broken(p->owner, problem);
		return;
	}
	while (next_reply(p))
		;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	redis_pipe_receive(arg);
}

/* --- connecting and writing --------------------------------------------------------------------- */

/* False: it did not come to a connection. */
static bool
connected(struct redis_pipe *p)
{
	int error = 0;
	socklen_t n = sizeof(error);
	char problem[300];

	if (getsockopt(p->c->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
		error = errno;
	if (error == 0) {
		p->connected = true;
		event_add(p->readable, NULL);
		p->user->connected(p->owner);
		return true;
	}
	snprintf(problem, sizeof(problem), "cannot connect: %s", strerror(error));
	p->user->broken(p->owner, problem);
	return false;
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct redis_pipe *p = arg;
	int done = 0;

	(void)fd;
	(void)what;
	if (!p->connected && !connected(p))
		return;
	if (redisBufferWrite(p->c, &done) != REDIS_OK)
		p->user->broken(p->owner, "the connection broke");
	else if (done)
		event_del(p->writable);
}

bool
redis_pipe_open(struct redis_pipe *p, const struct redis_place *place, struct err *e)
{
	require(p->c == NULL);
	p->c = redis_begin(place, e);
	if (p->c == NULL)
		return false;
	p->opened++;
	p->make = *p->c->reader->fn;
	p->make_array = p->make.createArray;
	p->make.createArray = make_array;
	p->c->reader->fn = &p->make;
	p->c->reader->privdata = p;
	p->readable = event_new(p->base, p->c->fd, EV_READ | EV_PERSIST, on_readable, p);
	p->writable = event_new(p->base, p->c->fd, EV_WRITE | EV_PERSIST, on_writable, p);
	require(p->readable && p->writable);
	event_add(p->writable, NULL);
	return true;
}

void
redis_pipe_close(struct redis_pipe *p)
{
	if (p->c == NULL)
		return;
	event_free(p->readable);
	event_free(p->writable);
	redisFree(p->c);
	p->c = NULL;
	p->connected = false;
}

void
redis_pipe_drain(struct redis_pipe *p, int64_t end_us)
{
	struct pollfd fd = { .events = POLLIN | POLLOUT };
	int64_t left_us;

	while (p->c && p->n > 0 && (left_us = end_us - clock_mono_us()) > 0) {
		fd.fd = p->c->fd;
		if (poll(&fd, 1, (int)(left_us / 1000) + 1) <= 0)
			break;
		if (fd.revents & POLLOUT) {
			on_writable(fd.fd, EV_WRITE, p);
			fd.events = POLLIN;
		}
		if (fd.revents & (POLLIN | POLLERR | POLLHUP))
			redis_pipe_receive(p);
	}
}

/* --- life --------------------------------------------------------------------------------------- */

struct redis_pipe *
redis_pipe_new(struct event_base *base, const struct redis_pipe_user *user, void *owner)
{
	struct redis_pipe *p = xcalloc(1, sizeof(*p));

	p->base = base;
	p->user = user;
	p->owner = owner;
	p->sent = xcalloc(REDIS_PIPE_MAX, sizeof(*p->sent));
	return p;
}

void
redis_pipe_free(struct redis_pipe **pipe)
{
	if (*pipe == NULL)
		return;
	redis_pipe_close(*pipe);
	free((*pipe)->sent);
	free(*pipe);
	*pipe = NULL;
}
