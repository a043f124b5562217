#include "proxy/proxy_front.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/log.h"
#include "mail/sasl.h"
#include "proxy/proxied.h"
#include "proxy/report.h"

#define REPLY_LONGEST (16 * 1024)
#define REOPEN_MS 500
#define PROBE_MS 1000      /* the first clients wait so long for the first probe */
#define SHED_EACH_MS 1000  /* when full, look for idle clients so often */
#define SHED_IDLE_MS 20000 /* and send away who said nothing for so long */
#define WATCH_MS 1000      /* look so often what other loops and the db thread have changed */
#define WATCH_SLOWED_MS 20 /* while slowed */

struct listener {
	struct listener *next;
	struct evconnlistener *ev;
	struct proxy_front *front;
	struct listen how;
};

/* WHY: the gate shows its configuration as const; counting its users changes nothing that is read. */
static struct config *
hold_config(struct gate *gate)
{
	return config_use((struct config *)(uintptr_t)gate_config(gate));
}

static bool
accepting(const struct proxy_front *front)
{
	return !front->paused && !front->slowed;
}

static void
apply_accepting(struct proxy_front *front)
{
	for (struct listener *l = front->listeners; l; l = l->next)
		(accepting(front) ? evconnlistener_enable : evconnlistener_disable)(l->ev);
}

static void
add_timer(struct event *timer, int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	evtimer_add(timer, &tv);
}

static void
pause_accepting(struct proxy_front *front, int ms)
{
	front->paused = true;
	apply_accepting(front);
	add_timer(front->reopen, ms);
}

static void
on_reopen(evutil_socket_t fd, short what, void *arg)
{
	struct proxy_front *front = arg;

	front->paused = false;
	apply_accepting(front);
}

/* The first clients waited in the kernel's queue, for EHLO depends on what the MTA can do. */
static void
on_probed(void *owner)
{
	struct proxy_front *front = owner;

	evtimer_del(front->reopen);
	on_reopen(-1, 0, front);
}

/* ---- what other threads change ---- */

bool
front_stressed(const struct proxy_front *front)
{
	return limits_stressed(front->limits);
}

/* Once slowed, it is so until the timer finds the queue short, so that all go on at the same time. */
bool
front_slowed(struct proxy_front *front)
{
	if (front->slowed || !db_full(gate_link(front->gate)))
		return front->slowed;
	front->slowed = true;
	apply_accepting(front);
	add_timer(front->watch, WATCH_SLOWED_MS);
	return true;
}

static void
go_on(struct proxy_front *front)
{
	struct client *next;

	front->slowed = false;
	for (struct client *c = front->clients; c; c = next) {
		next = c->next;
		client_turn(c);
	}
	apply_accepting(front);
}

static void
on_watch(evutil_socket_t fd, short what, void *arg)
{
	struct proxy_front *front = arg;

	if (front_stressed(front) != front->stressed) {
		front->stressed = !front->stressed;
		for (struct client *c = front->clients; c; c = c->next)
			time_again(c);
	}
	if (front->slowed && !db_full(gate_link(front->gate)))
		go_on(front);
	add_timer(front->watch, front->slowed ? WATCH_SLOWED_MS : WATCH_MS);
}

/* ---- the front ---- */

struct proxy_front *
proxy_front_new(struct gate *gate, struct limits *limits, struct slots *slots, struct err *e)
{
	struct config *config = hold_config(gate);
	struct pool *pool = pool_new(gate_base(gate), config, slots, NULL, e);
	struct proxy_front *front;

	if (pool == NULL) {
		config_release(&config);
		return NULL;
	}
	front = xcalloc(1, sizeof(*front));
	front->gate = gate;
	front->config = config;
	front->slots = slots;
	front->pool = pool;
	front->limits = limits;
	if (!pool_empty(pool))
		front->report = report_new(gate, &front->pool);
	pool_tell(front->pool, on_probed, front);
	front->reopen = evtimer_new(gate_base(gate), on_reopen, front);
	front->watch = evtimer_new(gate_base(gate), on_watch, front);
	if (front->reopen == NULL || front->watch == NULL)
		die("no memory for a timer");
	if (!pool_empty(front->pool))
		pause_accepting(front, PROBE_MS);
	add_timer(front->watch, WATCH_MS);
	buf_init(&front->line, SASL_LINE_MAX);
	buf_init(&front->out, REPLY_LONGEST);
	return front;
}

/* ---- who is let in ---- */

static const struct tally_kind too_many_sessions = { STEP_CONNECT, SAID_SESSIONS };
static const struct tally_kind too_many_of_client = { STEP_CONNECT, SAID_SESSIONS_CLIENT };
static const struct tally_kind too_many_of_network = { STEP_CONNECT, SAID_SESSIONS_NETWORK };
static const struct tally_kind too_many_a_minute = { STEP_CONNECT, SAID_CONNECTIONS_MINUTE };
static const struct tally_kind too_many_errors = { STEP_CONNECT, SAID_ERRORS_AT_CONNECT };

static const struct tally_kind no_proxy = { STEP_CONNECT, SAID_NO_PROXY };

bool
front_enter(struct proxy_front *front)
{
	if (!limits_enter(front->limits, &front->config->core))
		return false;
	front->n_clients++;
	return true;
}

void
front_leave(struct proxy_front *front)
{
	front->n_clients--;
	limits_leave(front->limits, &front->config->core);
}

struct peer_network
front_network(const struct config_core *core)
{
	return (struct peer_network){ (unsigned)core->network_ipv4, (unsigned)core->network_ipv6 };
}

/*
 * One line, sent as far as it goes at once, and the end. No session was begun. Where TLS comes first
 * there is no line: a handshake would be too much. wait: seconds until it may come again; 0: not known.
 */
static void
turn_away(struct proxy_front *front, const struct arrival *arrival, const struct tally_kind *kind,
    unsigned wait)
{
	char again[40];

	log_debug(NULL, "event=limit ip=%s limit=\"%s\"", IP_TEXT(&arrival->ends->client_ip),
	    said_row(kind->said)->why);
	gate_limit(front->gate, kind);
	if (!arrival->how->tls) {
		snprintf(again, sizeof(again), ", try again in %u s", wait);
		said_reply(kind->said, wait > 0 ? again : NULL, &front->out);
		(void)send(arrival->fd, front->out.p, front->out.n, MSG_DONTWAIT | MSG_NOSIGNAL);
		buf_clear(&front->out);
	}
	close(arrival->fd);
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
		client_reply(c, SAID_SHED);
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

/* The limit that a stranger meets who has just been counted in; NULL: none. */
static const struct tally_kind *
met(struct proxy_front *front, const struct peer *peer, struct peer_sessions n, unsigned *wait)
{
	const struct config_core *core = &gate_config(front->gate)->core;
	struct peers *peers = limits_peers(front->limits);
	int64_t now_us = clock_mono_us();

	*wait = 0;
	if (n.client > (size_t)core->sessions_per_client)
		return &too_many_of_client;
	if (n.network > (size_t)core->sessions_per_network)
		return &too_many_of_network;
	*wait = peers_wait(peers, peer, PEER_ERRORS, core->errors_per_minute, now_us);
	if (*wait > 0)
		return &too_many_errors;
	*wait = peers_count(peers, peer, PEER_CONNECTIONS, core->connections_per_minute, now_us);
	return *wait > 0 ? &too_many_a_minute : NULL;
}

static void
admit(struct proxy_front *front, struct arrival *arrival)
{
	const struct peer_network network = front_network(&gate_config(front->gate)->core);
	const struct ip *ip = &arrival->ends->client_ip;
	struct peers *peers = limits_peers(front->limits);
	const struct tally_kind *kind = NULL;
	struct peer_sessions n;
	unsigned wait = 0;

	arrival->counted = peers_of(peers, ip, &network);
	n = peers_enter(peers, &arrival->counted);
	if (!is_trusted(front, ip))
		kind = met(front, &arrival->counted, n, &wait);
	if (kind == NULL) {
		client_new(front, arrival);
		return;
	}
	peers_leave(peers, &arrival->counted);
	front_leave(front);
	turn_away(front, arrival, kind, wait);
}

static void
full(struct proxy_front *front, const struct arrival *arrival)
{
	shed(front);
	turn_away(front, arrival, &too_many_sessions, 0);
}

void
front_admit(
    struct proxy_front *front, int fd, const struct endpoints *ends, const struct listen *how)
{
	struct arrival arrival = { .fd = fd, .ends = ends, .how = how };

	if (front_enter(front))
		admit(front, &arrival);
	else
		full(front, &arrival);
}

static void
on_accept(
    struct evconnlistener *ev, evutil_socket_t fd, struct sockaddr *peer, int length, void *arg)
{
	const struct listener *listener = arg;
	struct proxy_front *front = listener->front;
	struct endpoints ends = direct_ends(fd, peer);
	struct arrival arrival = { .fd = fd, .ends = &ends, .how = &listener->how };

	if (!listener->how.from_proxies) {
		front_admit(front, fd, &ends, &listener->how);
	} else if (!is_trusted(front, &ends.client_ip)) {
		log_warn(NULL,
		    "event=proxy-header ip=%s result=closed why=\"it is not in `trust`\"",
		    IP_TEXT(&ends.client_ip));
		turn_away(front, &arrival, &no_proxy, 0);
	} else if (front_enter(front)) {
		proxied_new(front, fd, &ends, &listener->how);
	} else {
		full(front, &arrival);
	}
}

/* Without descriptors, accepting would fail over and over; what waits in the queue can wait. */
static void
on_accept_error(struct evconnlistener *ev, void *arg)
{
	const struct listener *listener = arg;
	const char *words = strerrordesc_np(EVUTIL_SOCKET_ERROR());

	log_error(NULL, "event=accept why=\"%s\"", words ? words : "unknown");
	pause_accepting(listener->front, REOPEN_MS);
}

bool
proxy_front_listen(struct proxy_front *front, int fd, const struct listen *how, struct err *e)
{
	struct listener *listener = xcalloc(1, sizeof(*listener));
	struct evconnlistener *ev = evconnlistener_new(gate_base(front->gate), on_accept, listener,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_DISABLED, 0, fd);
	int yes = 1;

	if (ev == NULL) {
		free(listener);
		return err_set(e, ERR_SYSTEM, "the loop does not take the listening socket");
	}
	/* Replies are small and awaited. Connections have it from the listening socket. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	evconnlistener_set_error_cb(ev, on_accept_error);
	*listener = (struct listener){ .ev = ev, .front = front, .how = *how };
	listener->next = front->listeners;
	front->listeners = listener;
	if (accepting(front))
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
			client_reply(c, SAID_SHUTDOWN);
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
	pool = pool_new(gate_base(front->gate), front->config, front->slots, front->pool, &e);
	if (pool) {
		pool_free(&front->pool);
		front->pool = pool;
	} else {
		log_error(NULL, "event=reload problem=backend kept=old why=\"%s\"", e.text);
	}
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
	event_free(f->watch);
	report_free(&f->report);
	pool_free(&f->pool);
	buf_free(&f->line);
	buf_free(&f->out);
	config_release(&f->config);
	free(f);
	*front = NULL;
}
