#include "proxy/proxy_front.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>

#include "base/die.h"
#include "base/log.h"
#include "proxy/smtp_server.h"

#define REPLY_LONGEST (16 * 1024)
#define REOPEN_MS 500

struct listener {
	struct listener *next;
	struct evconnlistener *ev;
};

/* A loop's share of the sessions. */
static size_t
share(const struct config_core *core)
{
	int64_t loops = core->threads > 0 ? core->threads : (int64_t)sysconf(_SC_NPROCESSORS_ONLN);
	int64_t each = (core->sessions + loops - 1) / (loops > 0 ? loops : 1);

	return each > 0 ? (size_t)each : 1;
}

static bool
find_backend(const struct config *config, struct backend_target *target, struct err *e)
{
	*target = (struct backend_target){ 0 };
	return !config->has_backend || backend_target_find(target, &config->backend, e);
}

/* WHY: the gate shows its configuration as const; counting its users changes nothing that is read. */
static struct config *
hold_config(struct gate *gate)
{
	return config_use((struct config *)(uintptr_t)gate_config(gate));
}

static void
listen_again(evutil_socket_t fd, short what, void *arg)
{
	struct proxy_front *front = arg;

	for (struct listener *l = front->listeners; l; l = l->next)
		evconnlistener_enable(l->ev);
}

struct proxy_front *
proxy_front_new(struct gate *gate, struct err *e)
{
	struct backend_target target;
	struct proxy_front *front;

	if (!find_backend(gate_config(gate), &target, e))
		return NULL;
	front = xcalloc(1, sizeof(*front));
	front->gate = gate;
	front->config = hold_config(gate);
	front->target = target;
	front->most_clients = share(&front->config->core);
	front->peers = peers_new();
	front->probe = probe_new(gate_base(gate), &front->target, &front->config->core);
	front->reopen = evtimer_new(gate_base(gate), listen_again, front);
	if (front->reopen == NULL)
		die("no memory for a timer");
	buf_init(&front->line, COMMAND_MAIL_MAX);
	buf_init(&front->out, REPLY_LONGEST);
	return front;
}

/* Too many: one line, sent as far as it goes at once, and the end. No session was begun. */
static void
turn_away(struct proxy_front *front, int fd, const struct ip *ip, const char *limit)
{
	struct str line = STR("421 4.7.0 Too many connections, try again later\r\n");

	log_info(NULL, "event=limit ip=%s limit=\"%s\"", IP_TEXT(ip), limit);
	gate_counts(front->gate)->limits++;
	(void)send(fd, line.p, line.n, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(fd);
}

static void
on_accept(
    struct evconnlistener *ev, evutil_socket_t fd, struct sockaddr *peer, int length, void *arg)
{
	struct proxy_front *front = arg;
	const struct config *config = gate_config(front->gate);
	struct value ip = { .type = VALUE_IP, .ip = ip_from_sockaddr(peer) };

	if (front->n_clients >= front->most_clients) {
		turn_away(front, fd, &ip.ip, "sessions");
		return;
	}
	if (peers_enter(front->peers, &ip.ip) > (size_t)config->core.sessions_per_client &&
	    !list_has(config->trusted, &ip)) {
		peers_leave(front->peers, &ip.ip);
		turn_away(front, fd, &ip.ip, "sessions per client");
		return;
	}
	client_new(front, fd, peer);
}

/* Without descriptors, accepting would fail over and over; what waits in the queue can wait. */
static void
on_accept_error(struct evconnlistener *ev, void *arg)
{
	struct proxy_front *front = arg;
	struct timeval tv = { .tv_usec = REOPEN_MS * 1000 };
	const char *words = strerrordesc_np(EVUTIL_SOCKET_ERROR());

	log_error(NULL, "event=accept why=\"%s\"", words ? words : "unknown");
	for (struct listener *l = front->listeners; l; l = l->next)
		evconnlistener_disable(l->ev);
	evtimer_add(front->reopen, &tv);
}

bool
proxy_front_listen(struct proxy_front *front, int fd, struct err *e)
{
	struct evconnlistener *ev = evconnlistener_new(gate_base(front->gate), on_accept, front,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	struct listener *listener;

	if (ev == NULL)
		return err_set(e, ERR_SYSTEM, "the loop does not take the listening socket");
	evconnlistener_set_error_cb(ev, on_accept_error);
	listener = xcalloc(1, sizeof(*listener));
	listener->ev = ev;
	listener->next = front->listeners;
	front->listeners = listener;
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
	for (struct client *c = front->clients; c; c = next) {
		next = c->next;
		client_turn(c);
	}
}

void
proxy_front_reload(struct proxy_front *front)
{
	struct config *old = front->config;
	struct backend_target target;
	struct err e;

	front->config = hold_config(front->gate);
	if (find_backend(front->config, &target, &e))
		front->target = target;
	else
		log_error(NULL, "event=reload problem=backend kept=old why=\"%s\"", e.text);
	front->most_clients = share(&front->config->core);
	probe_retarget(front->probe, &front->target, &front->config->core);
	config_release(&old);
}

void
proxy_front_free(struct proxy_front **front)
{
	struct proxy_front *f = *front;

	if (f == NULL)
		return;
	proxy_front_stop_accepting(f);
	while (f->clients)
		client_free(f->clients);
	event_free(f->reopen);
	probe_free(&f->probe);
	peers_free(&f->peers);
	buf_free(&f->line);
	buf_free(&f->out);
	config_release(&f->config);
	free(f);
	*front = NULL;
}
