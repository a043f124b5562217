#include "proxy/proxy_front.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/log.h"
#include "proxy/proxied.h"

#define REPLY_LONGEST (16 * 1024)
#define REOPEN_MS 500
#define PROBE_MS 1000      /* the first clients wait so long for the first probe */
#define SHED_EACH_MS 1000  /* when full, look for idle clients so often */
#define SHED_IDLE_MS 20000 /* and send away who said nothing for so long */

struct listener {
	struct listener *next;
	struct evconnlistener *ev;
	struct proxy_front *front;
	struct listen how;
};

/* A loop's share of the sessions. */
static size_t
share(const struct config_core *core)
{
	int64_t loops = core->threads > 0 ? core->threads : (int64_t)sysconf(_SC_NPROCESSORS_ONLN);
	int64_t each = (core->sessions + loops - 1) / (loops > 0 ? loops : 1);

	return each > 0 ? (size_t)each : 1;
}

/* WHY: the gate shows its configuration as const; counting its users changes nothing that is read. */
static struct config *
hold_config(struct gate *gate)
{
	return config_use((struct config *)(uintptr_t)gate_config(gate));
}

static void
accept_on(struct proxy_front *front)
{
	front->accepting = true;
	for (struct listener *l = front->listeners; l; l = l->next)
		evconnlistener_enable(l->ev);
}

static void
accept_off(struct proxy_front *front, int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	front->accepting = false;
	for (struct listener *l = front->listeners; l; l = l->next)
		evconnlistener_disable(l->ev);
	evtimer_add(front->reopen, &tv);
}

static void
on_reopen(evutil_socket_t fd, short what, void *arg)
{
	accept_on(arg);
}

/* The first clients waited in the kernel's queue, for EHLO depends on what the MTA can do. */
static void
on_probed(void *owner)
{
	struct proxy_front *front = owner;

	evtimer_del(front->reopen);
	accept_on(front);
}

struct proxy_front *
proxy_front_new(struct gate *gate, struct err *e)
{
	struct config *config = hold_config(gate);
	struct pool *pool = pool_new(gate_base(gate), config, NULL, e);
	struct proxy_front *front;

	if (pool == NULL) {
		config_release(&config);
		return NULL;
	}
	front = xcalloc(1, sizeof(*front));
	front->gate = gate;
	front->config = config;
	front->pool = pool;
	front->most_clients = share(&front->config->core);
	front->peers = peers_new();
	pool_tell(front->pool, on_probed, front);
	front->reopen = evtimer_new(gate_base(gate), on_reopen, front);
	if (front->reopen == NULL)
		die("no memory for a timer");
	if (!pool_empty(front->pool))
		accept_off(front, PROBE_MS);
	else
		accept_on(front);
	buf_init(&front->line, COMMAND_MAIL_MAX);
	buf_init(&front->out, REPLY_LONGEST);
	return front;
}

#define TOO_MANY "Too many connections, try again later"

static const struct tally_kind too_many_sessions = { "limit: sessions", STEP_CONNECT, 421, "4.7.0",
	TOO_MANY };
static const struct tally_kind too_many_of_client = { "limit: sessions per client", STEP_CONNECT,
	421, "4.7.0", TOO_MANY };

static const struct tally_kind no_proxy = { "limit: not a proxy", STEP_CONNECT, 554, "5.7.1",
	"Only proxies may connect here" };

/*
 * One line, sent as far as it goes at once, and the end. No session was begun. Where TLS comes first
 * there is no line: a handshake would be too much.
 */
static void
turn_away(struct proxy_front *front, int fd, const struct endpoints *ends, const struct listen *how,
    const struct tally_kind *kind)
{
	log_debug(NULL, "event=limit ip=%s limit=\"%s\"", IP_TEXT(&ends->client_ip), kind->why);
	gate_limit(front->gate, kind);
	if (!how->tls) {
		reply_write(&front->out, kind->code, kind->enhanced, str_of(kind->text));
		(void)send(fd, front->out.p, front->out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
		buf_clear(&front->out);
	}
	close(fd);
}

/* When there is no room, those who only hold a connection open make some. */
static void
shed(struct proxy_front *front)
{
	int64_t now = clock_mono_us();
	struct client *next;

	if (now - front->shed_us < SHED_EACH_MS * 1000)
		return;
	front->shed_us = now;
	for (struct client *c = front->clients; c; c = next) {
		next = c->next;
		if (!client_idles(c, SHED_IDLE_MS))
			continue;
		client_reply(c, 421, "4.3.2", "Too many connections, try again later");
		client_close(c, "idle while there was no room");
		client_turn(c);
	}
}

static uint16_t
port_of(const struct sockaddr *sa)
{
	return ntohs(sa->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)sa)->sin6_port
					       : ((const struct sockaddr_in *)sa)->sin_port);
}

/* The connection as it is. */
static struct endpoints
direct_ends(int fd, const struct sockaddr *peer)
{
	struct sockaddr_storage own = { 0 };
	socklen_t length = sizeof(own);
	struct endpoints ends = { .client_ip = ip_from_sockaddr(peer),
		.client_port = port_of(peer) };

	if (getsockname(fd, (struct sockaddr *)&own, &length) == 0) {
		ends.server_ip = ip_from_sockaddr((struct sockaddr *)&own);
		ends.server_port = port_of((struct sockaddr *)&own);
	}
	return ends;
}

static bool
is_trusted(const struct proxy_front *front, const struct ip *ip)
{
	return list_has(
	    gate_config(front->gate)->trusted, &(struct value){ .type = VALUE_IP, .ip = *ip });
}

void
front_admit(
    struct proxy_front *front, int fd, const struct endpoints *ends, const struct listen *how)
{
	const struct config_core *core = &gate_config(front->gate)->core;
	const struct ip *ip = &ends->client_ip;

	if (peers_enter(front->peers, ip) > (size_t)core->sessions_per_client &&
	    !is_trusted(front, ip)) {
		peers_leave(front->peers, ip);
		turn_away(front, fd, ends, how, &too_many_of_client);
		return;
	}
	client_new(front, fd, ends, how);
}

static void
on_accept(
    struct evconnlistener *ev, evutil_socket_t fd, struct sockaddr *peer, int length, void *arg)
{
	const struct listener *listener = arg;
	struct proxy_front *front = listener->front;
	struct endpoints ends = direct_ends(fd, peer);

	if (front->n_clients >= front->most_clients) {
		shed(front);
		turn_away(front, fd, &ends, &listener->how, &too_many_sessions);
	} else if (!listener->how.from_proxies) {
		front_admit(front, fd, &ends, &listener->how);
	} else if (is_trusted(front, &ends.client_ip)) {
		proxied_new(front, fd, &ends, &listener->how);
	} else {
		log_warn(NULL,
		    "event=proxy-header ip=%s result=closed why=\"it is not in `trust`\"",
		    IP_TEXT(&ends.client_ip));
		turn_away(front, fd, &ends, &listener->how, &no_proxy);
	}
}

/* Without descriptors, accepting would fail over and over; what waits in the queue can wait. */
static void
on_accept_error(struct evconnlistener *ev, void *arg)
{
	const struct listener *listener = arg;
	const char *words = strerrordesc_np(EVUTIL_SOCKET_ERROR());

	log_error(NULL, "event=accept why=\"%s\"", words ? words : "unknown");
	accept_off(listener->front, REOPEN_MS);
}

bool
proxy_front_listen(struct proxy_front *front, int fd, const struct listen *how, struct err *e)
{
	struct listener *listener = xcalloc(1, sizeof(*listener));
	struct evconnlistener *ev = evconnlistener_new(gate_base(front->gate), on_accept, listener,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 0, fd);

	if (ev == NULL) {
		free(listener);
		return err_set(e, ERR_SYSTEM, "the loop does not take the listening socket");
	}
	evconnlistener_set_error_cb(ev, on_accept_error);
	*listener = (struct listener){ .ev = ev, .front = front, .how = *how };
	listener->next = front->listeners;
	front->listeners = listener;
	if (front->accepting)
		evconnlistener_enable(ev);
	return true;
}

void
proxy_front_stop_accepting(struct proxy_front *front)
{
	evtimer_del(front->reopen);
	while (front->listeners) {
		struct listener *l = front->listeners;

		front->listeners = l->next;
		evconnlistener_free(l->ev);
		free(l);
	}
}

size_t
proxy_front_sessions(const struct proxy_front *front)
{
	return front->n_clients;
}

void
proxy_front_drain(struct proxy_front *front)
{
	struct client *next;

	front->draining = true;
	while (front->proxied)
		proxied_free(front->proxied);
	for (struct client *c = front->clients; c; c = next) {
		next = c->next;
		client_turn(c);
	}
}

void
proxy_front_dismiss(struct proxy_front *front)
{
	struct client *next;

	for (struct client *c = front->clients; c; c = next) {
		next = c->next;
		if (c->state < CLIENT_CLOSING) {
			client_reply(c, 421, "4.3.2", "Service is shutting down, try again later");
			client_close(c, "shutdown, time was up");
		}
		client_turn(c);
	}
}

void
proxy_front_reload(struct proxy_front *front)
{
	struct config *old = front->config;
	struct pool *pool;
	struct err e;

	front->config = hold_config(front->gate);
	pool = pool_new(gate_base(front->gate), front->config, front->pool, &e);
	if (pool) {
		pool_free(&front->pool);
		front->pool = pool;
	} else {
		log_error(NULL, "event=reload problem=backend kept=old why=\"%s\"", e.text);
	}
	front->most_clients = share(&front->config->core);
	config_release(&old);
}

void
proxy_front_free(struct proxy_front **front)
{
	struct proxy_front *f = *front;

	if (f == NULL)
		return;
	proxy_front_stop_accepting(f);
	while (f->proxied)
		proxied_free(f->proxied);
	while (f->clients)
		client_free(f->clients);
	event_free(f->reopen);
	pool_free(&f->pool);
	peers_free(&f->peers);
	buf_free(&f->line);
	buf_free(&f->out);
	config_release(&f->config);
	free(f);
	*front = NULL;
}
