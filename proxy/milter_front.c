#include "proxy/milter_front.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/die.h"
#include "base/log.h"
#include "proxy/milter_session.h"
#include "proxy/spool.h"

#define SLOWED_MS 20

struct milter_front {
	struct gate *gate;
	struct limits *limits;
	struct event *accept;
	struct event *slowed; /* runs while too much waits for the db thread */
	int fd;
	struct milter_session *sessions;
	size_t n;
	bool draining;
};

static void
close_session(struct milter_session *ms)
{
	*ms->back = ms->next;
	if (ms->next)
		ms->next->back = ms->back;
	ms->front->n--;
	gate_close(&ms->gs);
	spool_free(&ms->spool);
	buf_free(&ms->header);
	bufferevent_free(ms->io);
	free(ms);
}

/* While draining: between messages, and the last verdict has left. */
static bool
over(const struct milter_session *ms)
{
	return ms->front->draining && !ms->deciding && !gate_session(ms->gs)->txn.open &&
	    evbuffer_get_length(bufferevent_get_output(ms->io)) == 0;
}

/* Too much waits for the db thread: frames stay where they are until it has caught up. */
static bool
slowed(struct milter_front *front)
{
	const struct timeval look = { 0, SLOWED_MS * 1000 };

	if (!db_full(gate_link(front->gate)))
		return false;
	if (!evtimer_pending(front->slowed, NULL))
		evtimer_add(front->slowed, &look);
	return true;
}

/* Takes frames until one has to wait, the connection is empty, or broken. */
static void
handle_frames(struct milter_session *ms)
{
	struct evbuffer *in = bufferevent_get_input(ms->io);
	bool held;

	while (!(held = slowed(ms->front)) && !ms->deciding) {
		size_t have = evbuffer_get_length(in), used;
		struct link_frame frame;
		struct str octets = { (const char *)evbuffer_pullup(in, -1), have };
		enum link_read read = link_read(octets, &frame, &used);
		bool sound = read == LINK_WHOLE && milter_session_take(ms, &frame);

		if (read == LINK_MORE)
			break;
		if (!sound) {
			log_error(gate_session(ms->gs)->id,
			    "event=milter problem=\"events out of order\" type=%d", frame.type);
			close_session(ms);
			return;
		}
		evbuffer_drain(in, used);
	}
	if (over(ms)) {
		close_session(ms);
		return;
	}
	if (ms->deciding || held)
		bufferevent_disable(ms->io, EV_READ);
	else
		bufferevent_enable(ms->io, EV_READ);
}

static void
on_slowed(evutil_socket_t fd, short what, void *arg)
{
	struct milter_front *front = arg;
	struct milter_session *next;

	for (struct milter_session *ms = front->sessions; ms; ms = next) {
		next = ms->next;
		handle_frames(ms);
	}
}

static void
resume(void *owner)
{
	struct milter_session *ms = owner;

	milter_verdict_resume(ms);
	if (!ms->deciding)
		handle_frames(ms);
}

static void
on_read(struct bufferevent *io, void *arg)
{
	(void)io;
	handle_frames(arg);
}

static void
on_written(struct bufferevent *io, void *arg)
{
	struct milter_session *ms = arg;

	(void)io;
	if (over(ms))
		close_session(ms);
}

static void
on_event(struct bufferevent *io, short what, void *arg)
{
	(void)io;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		close_session(arg);
}

/* ---- the front ---- */

static void
open_session(struct milter_front *front, int fd)
{
	const struct config *config = gate_config(front->gate);
	struct milter_session *ms = xcalloc(1, sizeof(*ms));

	ms->front = front;
	ms->limits = front->limits;
	ms->gs = gate_open(front->gate, FRONT_MILTER, resume, ms);
	buf_init(&ms->header, (size_t)config->core.header_size);
	ms->io = bufferevent_socket_new(gate_base(front->gate), fd, BEV_OPT_CLOSE_ON_FREE);
	require(ms->io);
	ms->next = front->sessions;
	ms->back = &front->sessions;
	if (front->sessions)
		front->sessions->back = &ms->next;
	front->sessions = ms;
	front->n++;
	bufferevent_setcb(ms->io, on_read, on_written, on_event, ms);
	bufferevent_setwatermark(ms->io, EV_READ, 0, LINK_FRAME_MAX + 64);
	bufferevent_enable(ms->io, EV_READ | EV_WRITE);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct milter_front *front = arg;
	int connection;

	(void)what;
	/* The socket is shared: another loop may have been faster. */
	connection = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (connection >= 0)
		open_session(front, connection);
	else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
		log_error(NULL, "event=accept front=milter problem=\"%s\"", strerror(errno));
}

struct milter_front *
milter_front_new(struct gate *gate, struct limits *limits)
{
	struct milter_front *front = xcalloc(1, sizeof(*front));

	front->gate = gate;
	front->limits = limits;
	front->slowed = evtimer_new(gate_base(gate), on_slowed, front);
	require(front->slowed);
	front->fd = -1;
	return front;
}

bool
milter_front_listen(struct milter_front *front, int fd, struct err *e)
{
	front->fd = fd;
	front->accept =
	    event_new(gate_base(front->gate), fd, EV_READ | EV_PERSIST, on_accept, front);
	if (!front->accept || event_add(front->accept, NULL))
		return err_set(e, ERR_LIBRARY, "libevent does not take the engine's socket");
	return true;
}

void
milter_front_stop_accepting(struct milter_front *front)
{
	if (front->accept)
		event_free(front->accept);
	front->accept = NULL;
}

size_t
milter_front_sessions(const struct milter_front *front)
{
	return front->n;
}

void
milter_front_drain(struct milter_front *front)
{
	struct milter_session *next;

	front->draining = true;
	for (struct milter_session *ms = front->sessions; ms; ms = next) {
		next = ms->next;
		ms->hurry = true;
		gate_hurry(ms->gs);
		if (over(ms))
			close_session(ms);
	}
}

void
milter_front_free(struct milter_front **front)
{
	struct milter_front *f = *front;

	if (!f)
		return;
	milter_front_stop_accepting(f);
	while (f->sessions)
		close_session(f->sessions);
	event_free(f->slowed);
	free(f);
	*front = NULL;
}
