#include "proxy/proxied.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/log.h"

struct proxied {
	struct proxied *next, **at; /* in front->proxied */
	struct proxy_front *front;
	struct event *event;
	int fd;
	struct endpoints direct; /* the connection as it is */
	struct listen how;
	int64_t until_us; /* monotonic */
	size_t n;
	char text[PROXY_HEADER_MAX];
};

static const struct tally_kind no_header = { STEP_CONNECT, SAID_NO_PROXY_HEADER };

void
proxied_free(struct proxied *p)
{
	*p->at = p->next;
	if (p->next)
		p->next->at = p->at;
	front_leave(p->front);
	event_free(p->event);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

static void
give_up(struct proxied *p, const char *why)
{
	log_warn(NULL, "event=proxy-header ip=%s result=closed why=\"%s\"",
	    IP_TEXT(&p->direct.client_ip), why);
	gate_limit(p->front->gate, &no_header);
	proxied_free(p);
}

/* The header is complete: a session can begin. */
static void
admit(struct proxied *p, enum proxy_header kind, const struct endpoints *told)
{
	struct proxy_front *front = p->front;
	struct endpoints ends = kind == PROXY_HEADER_LOCAL ? p->direct : *told;
	struct listen how = p->how;
	int fd = p->fd;

	log_debug(NULL, "event=proxy-header proxy=%s ip=%s kind=%s", IP_TEXT(&p->direct.client_ip),
	    IP_TEXT(&ends.client_ip),
	    kind == PROXY_HEADER_LOCAL         ? "local"
		: kind == PROXY_HEADER_UNKNOWN ? "unknown"
					       : "client");
	p->fd = -1;
	proxied_free(p);
	front_admit(front, fd, &ends, &how);
}

static void
wait_on(struct proxied *p)
{
	int64_t left = p->until_us - clock_mono_us();
	struct timeval tv = { .tv_sec = left / 1000000, .tv_usec = left % 1000000 };

	if (left <= 0)
		give_up(p, "its header did not come in time");
	else
		event_add(p->event, &tv);
}

/* Takes what is surely the header's: all that was seen, or up to its end. */
static void
look(struct proxied *p)
{
	struct endpoints told;
	enum proxy_header kind;
	struct err e;
	ssize_t n = recv(p->fd, p->text + p->n, sizeof(p->text) - p->n, MSG_PEEK);
	size_t used, seen = p->n;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		wait_on(p);
		return;
	}
	if (n <= 0) {
		/* A check that we are there; not worth a line. */
		proxied_free(p);
		return;
	}
	p->n += (size_t)n;
	kind = proxy_header_read((struct str){ p->text, p->n }, &told, &used, &e);
	if (kind == PROXY_HEADER_WRONG) {
		give_up(p, e.text);
		return;
	}
	if (kind == PROXY_HEADER_MORE)
		used = p->n;
	if (recv(p->fd, p->text + seen, used - seen, 0) != (ssize_t)(used - seen))
		give_up(p, "its header could not be taken");
	else if (kind == PROXY_HEADER_MORE)
		wait_on(p);
	else
		admit(p, kind, &told);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	if (what & EV_READ)
		look(arg);
	else
		give_up(arg, "its header did not come in time");
}

void
proxied_new(
    struct proxy_front *front, int fd, const struct endpoints *direct, const struct listen *how)
{
	struct proxied *p = xcalloc(1, sizeof(*p));

	p->front = front;
	p->fd = fd;
	p->direct = *direct;
	p->how = *how;
	p->until_us = clock_mono_us() + gate_config(front->gate)->core.timeout_proxy_header * 1000;
	p->event = event_new(gate_base(front->gate), fd, EV_READ, on_event, p);
	if (p->event == NULL)
		die("no memory for an event");
	p->next = front->proxied;
	p->at = &front->proxied;
	if (p->next)
		p->next->at = &p->next;
	front->proxied = p;
	wait_on(p);
}
