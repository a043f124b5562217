#include "proxy/io.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <openssl/ssl.h>

#include "base/die.h"
#include "base/tls.h"
#include "proxy/io_socket.h"

/* Read at once: little, as most lines are short and some never end; much, from who sends much. */
#define READ_LITTLE 4096
#define READ_MUCH IO_INPUT_MAX

/*
 * WHY the output is sent by us: a bufferevent waits for the socket to become writable before each
 * write, which nearly every socket is at once. That took two epoll_ctl() and a round of the loop for
 * each reply. Now what was written in one turn goes out together right after it; only what the
 * socket does not take is left to the bufferevent, whose EV_WRITE is enabled only then.
 *
 * WHY the input is read by us, in the clear: a bufferevent asks the kernel how much there is before
 * each read, and takes the socket off the epoll set whenever reading is off, which it is during
 * each short wait. Ours stays there until something arrives that is not wanted yet, which is rare.
 */
struct io {
	struct bufferevent *bev;
	struct event *readable; /* in the clear; NULL: nothing was to be read yet */
	bool armed;             /* it is added */
	struct event *deadline; /* made when first set */
	struct event *flush;    /* active: there is output to be sent */
	void (*on)(void *owner, enum io_event event);
	void *owner;
	struct event_base *base;
	const char *why;
	struct ssl_st *ssl; /* the bufferevent's; NULL: in the clear */
	bool connecting;    /* nothing can be sent yet */
	bool failed;        /* connecting failed inside io_connect() */
	bool skipping;      /* within a line that is too long */
	bool shaking;       /* the handshake is under way */
	bool reading;       /* the owner wants input */
	bool much;          /* the last time there was more than a few lines of it */
	bool finishing;     /* the end of our output goes with the last of it */
	bool full;          /* TLS: IO_INPUT_MAX waits to be taken */
	bool ended;         /* nothing more comes: looking again would only tell so again */
};

static void on_input(evutil_socket_t fd, short what, void *arg);

static void
arm(struct io *io)
{
	if (io->readable == NULL)
		io->readable = event_new(
		    io->base, bufferevent_getfd(io->bev), EV_READ | EV_PERSIST, on_input, io);
	if (io->readable == NULL || event_add(io->readable, NULL) != 0)
		die("no memory for an event");
	io->armed = true;
}

static void
disarm(struct io *io)
{
	event_del(io->readable);
	io->armed = false;
}

/*
 * A bufferevent of TLS that a high watermark stops in the middle of a record goes on when the socket
 * is readable again, which it may never be. So none is set there: it takes whole records, and
 * is stopped between them, here. While the handshake is under way reading is its own matter.
 */
static void
apply_reading(struct io *io)
{
	bool wanted = io->reading && !io->full && !io->ended;

	if (io->shaking)
		return;
	if (!io->ssl) {
		if (wanted && !io->armed && !io->connecting)
			arm(io);
	} else if (wanted) {
		bufferevent_enable(io->bev, EV_READ);
	} else {
		bufferevent_disable(io->bev, EV_READ);
	}
}

static void
look_whether_full(struct io *io)
{
	bool full = io_available(io) >= IO_INPUT_MAX;

	if (full == io->full)
		return;
	io->full = full;
	apply_reading(io);
}

static void
on_readable(struct bufferevent *bev, void *arg)
{
	struct io *io = arg;

	look_whether_full(io);
	io->on(io->owner, IO_READABLE);
}

static void
finish(struct io *io)
{
	evutil_socket_t fd = bufferevent_getfd(io->bev);

	io->finishing = false;
	if (io->ssl)
		tls_goodbye(io->ssl);
	if (fd >= 0)
		(void)shutdown(fd, SHUT_WR);
}

/* The bufferevent has sent what the socket had not taken. */
static void
on_writable(struct bufferevent *bev, void *arg)
{
	struct io *io = arg;

	if (io_unsent(io) == 0 && !io->ssl)
		bufferevent_disable(bev, EV_WRITE);
	if (io_unsent(io) == 0 && io->finishing)
		finish(io);
	io->on(io->owner, IO_DRAINED);
}

/*
 * After a large piece the bufferevent goes on: its next event comes from the next round of the
 * loop, so that a message that goes out as fast as it can be written does not hold up all others.
 */
static void
on_flush(evutil_socket_t fd, short what, void *arg)
{
	struct io *io = arg;
	struct evbuffer *output = bufferevent_get_output(io->bev);
	ssize_t sent;

	if (io->ssl || io->connecting || (bufferevent_get_enabled(io->bev) & EV_WRITE))
		return;
	sent = io_socket_send(bufferevent_getfd(io->bev), output, io->finishing);
	/* Also after an error, for the bufferevent to find it and to tell. */
	if (evbuffer_get_length(output) > 0 || sent >= IO_OUTPUT_LOW) {
		bufferevent_enable(io->bev, EV_WRITE);
		return;
	}
	if (io->finishing)
		finish(io);
	io->on(io->owner, IO_DRAINED);
}

/* The words that can come of a socket; strerror() is not for threads. */
static const char *
error_words(int error)
{
	const char *words = strerrordesc_np(error);

	return words ? words : "unknown error";
}

static const char *
tls_words(struct io *io)
{
	unsigned long error = bufferevent_get_openssl_error(io->bev);

	if (error == 0 && EVUTIL_SOCKET_ERROR() != 0 && !io->shaking)
		return error_words(EVUTIL_SOCKET_ERROR());
	return tls_reason(io->ssl, error);
}

static void
on_end(struct io *io)
{
	io->why = "end of input";
	io->ended = true;
	io->on(io->owner, IO_ENDED);
}

static void
on_connected(struct io *io)
{
	if (!io->shaking) {
		io_socket_no_delay(bufferevent_getfd(io->bev));
		io->connecting = false;
		apply_reading(io);
		io->on(io->owner, IO_CONNECTED);
		return;
	}
	io->shaking = false;
	apply_reading(io);
	io->on(io->owner, IO_SECURED);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct io *io = arg;

	if (what & BEV_EVENT_CONNECTED) {
		on_connected(io);
		return;
	}
	if (io->shaking || (io->ssl && (what & BEV_EVENT_ERROR))) {
		io->why = tls_words(io);
		io->on(io->owner, IO_CLOSED);
	} else if (what & BEV_EVENT_ERROR) {
		io->why = error_words(EVUTIL_SOCKET_ERROR());
		io->on(io->owner, IO_CLOSED);
	} else if (what & BEV_EVENT_EOF) {
		/* In TLS the end of input stops the output too, which can still go out. */
		bufferevent_enable(io->bev, EV_WRITE);
		on_end(io);
	}
}

/* In the clear. */
static void
on_input(evutil_socket_t fd, short what, void *arg)
{
	struct io *io = arg;
	ssize_t n;

	if (!io->reading || io->full || io->ended) {
		disarm(io);
		return;
	}
	n = io_socket_receive(
	    fd, bufferevent_get_input(io->bev), io->much ? READ_MUCH : READ_LITTLE);
	if (n > 0) {
		io->much = n >= READ_LITTLE;
		on_readable(io->bev, io);
	} else if (n == 0) {
		disarm(io);
		on_end(io);
	} else if (errno != EAGAIN && errno != EINTR) {
		io->ended = true;
		disarm(io);
		io->why = error_words(errno);
		io->on(io->owner, IO_CLOSED);
	}
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct io *io = arg;

	io->on(io->owner, io->failed ? IO_CLOSED : IO_TIMEOUT);
}

struct io *
io_new(struct event_base *base, int fd, void (*on)(void *owner, enum io_event event), void *owner)
{
	struct io *io = xcalloc(1, sizeof(*io));

	io->on = on;
	io->owner = owner;
	io->base = base;
	io->why = "";
	/* Deferred, so that on() never runs inside a call of the owner's. */
	io->bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	if (io->bev == NULL)
		die("no memory for a connection");
	bufferevent_setcb(io->bev, on_readable, on_writable, on_event, io);
	bufferevent_setwatermark(io->bev, EV_WRITE, IO_OUTPUT_LOW, 0);
	bufferevent_disable(io->bev, EV_READ | EV_WRITE);
	io->flush = event_new(base, -1, 0, on_flush, io);
	if (io->flush == NULL)
		die("no memory for an event");
	return io;
}

void
io_free(struct io **io)
{
	struct io *i = *io;

	if (i == NULL)
		return;
	if (i->deadline)
		event_free(i->deadline);
	event_free(i->flush);
	if (i->readable)
		event_free(i->readable);
	if (i->ssl)
		tls_goodbye(i->ssl);
	bufferevent_free(i->bev);
	free(i);
	*io = NULL;
}

void
io_farewell(struct io **io, struct str last)
{
	evutil_socket_t fd = bufferevent_getfd((*io)->bev);

	if (fd < 0 || io_unsent(*io) > 0 || (*io)->shaking)
		;
	else if ((*io)->ssl)
		(void)SSL_write((*io)->ssl, last.p, (int)last.n);
	else
		(void)send(fd, last.p, last.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	io_free(io);
}

void
io_connect(struct io *io, const struct sockaddr *address)
{
	int length = address->sa_family == AF_INET6 ? (int)sizeof(struct sockaddr_in6)
						    : (int)sizeof(struct sockaddr_in);

	io->connecting = true;
	if (bufferevent_socket_connect(io->bev, address, length) == 0)
		return;
	/* Told from the loop like every other failure. */
	io->why = error_words(EVUTIL_SOCKET_ERROR());
	bufferevent_setcb(io->bev, NULL, NULL, NULL, NULL);
	io->failed = true;
	io_deadline(io, 1);
}

void
io_tls(struct io *io, struct ssl_st *ssl)
{
	const int options = BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS;
	evutil_socket_t fd = bufferevent_getfd(io->bev);

	require(io->ssl == NULL && io_unsent(io) == 0 && io_available(io) == 0);
	if (io->readable)
		event_free(io->readable);
	io->readable = NULL;
	/* Callbacks of the old one that are due already find nothing to call. */
	bufferevent_setcb(io->bev, NULL, NULL, NULL, NULL);
	bufferevent_disable(io->bev, EV_READ | EV_WRITE);
	bufferevent_setfd(io->bev, -1);
	bufferevent_free(io->bev);
	io->bev = bufferevent_openssl_socket_new(io->base, fd, ssl,
	    SSL_is_server(ssl) ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING, options);
	if (io->bev == NULL)
		die("no memory for a connection");
	io->ssl = ssl;
	io->shaking = true;
	bufferevent_setcb(io->bev, on_readable, on_writable, on_event, io);
	bufferevent_setwatermark(io->bev, EV_WRITE, IO_OUTPUT_LOW, 0);
	bufferevent_enable(io->bev, EV_WRITE);
}

const struct ssl_st *
io_ssl(const struct io *io)
{
	return io->ssl;
}

bool
io_pending(const struct io *io)
{
	return io_available(io) > 0 || io_socket_pending(bufferevent_getfd(io->bev));
}

void
io_read(struct io *io, bool on)
{
	io->reading = on;
	apply_reading(io);
}

size_t
io_available(const struct io *io)
{
	return evbuffer_get_length(bufferevent_get_input(io->bev));
}

enum io_line
io_take_line(struct io *io, size_t max, struct buf *out)
{
	enum io_line line = io_line_take(bufferevent_get_input(io->bev), &io->skipping, max, out);

	look_whether_full(io);
	return line;
}

struct str
io_peek(struct io *io)
{
	struct evbuffer_iovec piece = { 0 };

	evbuffer_peek(bufferevent_get_input(io->bev), -1, NULL, &piece, 1);
	return (struct str){ piece.iov_base, piece.iov_len };
}

void
io_drop(struct io *io, size_t n)
{
	evbuffer_drain(bufferevent_get_input(io->bev), n);
	look_whether_full(io);
}

void
io_write(struct io *io, struct str octets)
{
	if (bufferevent_write(io->bev, octets.p, octets.n) < 0)
		die("no memory for output");
	/* What is written inside of TLS is the bufferevent's alone to send. */
	if (!io->ssl)
		event_active(io->flush, EV_TIMEOUT, 0);
}

static void
wipe_and_free(const void *octets, size_t n, void *owner)
{
	explicit_bzero(owner, n);
	free(owner);
}

void
io_write_secret(struct io *io, struct str octets)
{
	char *copy = xmalloc(octets.n);

	memcpy(copy, octets.p, octets.n);
	if (evbuffer_add_reference(
		bufferevent_get_output(io->bev), copy, octets.n, wipe_and_free, copy) < 0)
		die("no memory for output");
	if (!io->ssl)
		event_active(io->flush, EV_TIMEOUT, 0);
}

size_t
io_unsent(const struct io *io)
{
	return evbuffer_get_length(bufferevent_get_output(io->bev));
}

bool
io_peer_ended(const struct io *io)
{
	return io_socket_peer_ended(bufferevent_getfd(io->bev));
}

bool
io_position(const struct io *io, uint64_t *sent, uint64_t *acknowledged)
{
	return io_socket_position(bufferevent_getfd(io->bev), sent, acknowledged);
}

void
io_finish(struct io *io)
{
	io->finishing = true;
	if (io_unsent(io) == 0)
		finish(io);
}

void
io_deadline(struct io *io, int64_t ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	if (io->deadline == NULL && ms > 0) {
		io->deadline = evtimer_new(io->base, on_deadline, io);
		if (io->deadline == NULL)
			die("no memory for a timer");
	}
	if (io->deadline == NULL)
		return;
	if (ms > 0)
		evtimer_add(io->deadline, &tv);
	else
		evtimer_del(io->deadline);
}

const char *
io_why(const struct io *io)
{
	return io->why;
}

struct endpoints
io_ends(const struct io *io)
{
	return io_socket_ends(bufferevent_getfd(io->bev));
}
