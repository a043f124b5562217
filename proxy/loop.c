#include "proxy/loop.h"

#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/die.h"
#include "base/log.h"
#include "proxy/gate.h"
#include "proxy/milter_front.h"
#include "proxy/proxy_front.h"
#include "proxy/words.h"

#define DRAIN_LOOK_MS 50
#define LAST_TURNS 8    /* of a loop that ends */
#define GOODBYE_MS 1000 /* for the last 421 to leave */

struct loop {
	pthread_t thread;
	struct event_base *base;
	struct queue *orders;
	struct gate *gate;
	struct proxy_front *proxy;
	struct milter_front *milter;
	struct event *draining; /* looks whether the last session is over */
	struct event *lines;    /* active: there are lines for the log */
	atomic_bool ended;
};

struct order {
	struct queue_item item; /* must be first */
	enum { ORDER_RELOAD, ORDER_LEAVE, ORDER_ALONE, ORDER_ASK, ORDER_DRAIN, ORDER_STOP } what;
	struct config *config;
	struct loop_beat *beat;
};

static size_t
sessions(const struct loop *loop)
{
	return proxy_front_sessions(loop->proxy) + milter_front_sessions(loop->milter);
}

static void
look_whether_over(evutil_socket_t fd, short what, void *arg)
{
	struct loop *loop = arg;

	(void)fd;
	(void)what;
	if (sessions(loop) == 0)
		event_base_loopbreak(loop->base);
}

static void
end_when_over(struct loop *loop)
{
	const struct timeval look = { 0, DRAIN_LOOK_MS * 1000 };

	event_add(loop->draining, &look);
	look_whether_over(-1, 0, loop);
}

static void
leave(struct loop *loop, bool alone)
{
	proxy_front_stop_accepting(loop->proxy);
	if (!alone)
		return;
	milter_front_stop_accepting(loop->milter);
	end_when_over(loop);
}

static void
drain(struct loop *loop)
{
	proxy_front_stop_accepting(loop->proxy);
	milter_front_stop_accepting(loop->milter);
	proxy_front_drain(loop->proxy);
	milter_front_drain(loop->milter);
	end_when_over(loop);
}

static void
stop(struct loop *loop)
{
	const struct timeval goodbye = { GOODBYE_MS / 1000, GOODBYE_MS % 1000 * 1000 };

	drain(loop);
	proxy_front_dismiss(loop->proxy);
	event_base_loopexit(loop->base, &goodbye);
	look_whether_over(-1, 0, loop);
}

static void
answer(struct loop_beat *beat)
{
	const char word = WORD_BEAT;

	/* A full pipe has beats enough. */
	if (atomic_fetch_sub(&beat->left, 1) == 1 && write(beat->fd, &word, 1) != 1)
		return;
}

static void
obey(struct loop *loop, struct order *order)
{
	switch (order->what) {
	case ORDER_RELOAD:
		gate_reload(loop->gate, order->config);
		proxy_front_reload(loop->proxy);
		config_release(&order->config);
		break;
	case ORDER_LEAVE:
		leave(loop, false);
		break;
	case ORDER_ALONE:
		leave(loop, true);
		break;
	case ORDER_ASK:
		answer(order->beat);
		break;
	case ORDER_DRAIN:
		drain(loop);
		break;
	case ORDER_STOP:
		stop(loop);
		break;
	}
}

static void
take_orders(void *owner, struct queue_item *items)
{
	struct loop *loop = owner;

	while (items) {
		struct order *order = (struct order *)items;

		items = items->next;
		obey(loop, order);
		free(order);
	}
}

static void
give_order(struct loop *loop, int what, struct config *config)
{
	struct order *order = xcalloc(1, sizeof(*order));

	order->what = what;
	order->config = config;
	queue_push(loop->orders, &order->item);
}

/* Orders that came after the end. */
static void
drop_orders(struct queue_item *items)
{
	while (items) {
		struct order *order = (struct order *)items;

		items = items->next;
		if (order->config)
			config_release(&order->config);
		free(order);
	}
}

static void
loop_free(struct loop **loop)
{
	struct loop *l = *loop;

	proxy_front_free(&l->proxy);
	milter_front_free(&l->milter);
	gate_free(&l->gate);
	event_free(l->draining);
	event_free(l->lines);
	drop_orders(queue_take(l->orders));
	queue_free(&l->orders);
	/*
	 * Connections that were closed a moment ago have callbacks under way that hold their memory,
	 * and their ends are callbacks again, of a later turn each.
	 */
	for (int turn = 0; turn < LAST_TURNS; turn++)
		event_base_loop(l->base, EVLOOP_NONBLOCK);
	event_base_free(l->base);
	free(l);
	*loop = NULL;
}

static bool
open_fronts(struct loop *loop, const struct loop_shared *shared, const struct loop_sockets *sockets,
    struct err *e)
{
	loop->proxy = proxy_front_new(loop->gate, shared->limits, shared->slots, e);
	if (!loop->proxy)
		return false;
	for (size_t i = 0; i < sockets->n_proxy; i++)
		if (!proxy_front_listen(loop->proxy, sockets->proxy[i], &sockets->how[i], e))
			return false;
	loop->milter = milter_front_new(loop->gate, shared->limits);
	return sockets->milter < 0 || milter_front_listen(loop->milter, sockets->milter, e);
}

static void
lines_wait(void *owner)
{
	struct loop *loop = owner;

	event_active(loop->lines, EV_TIMEOUT, 0);
}

static void
write_lines(evutil_socket_t fd, short what, void *arg)
{
	log_flush();
}

static void *
run(void *arg)
{
	struct loop *loop = arg;

	pthread_setname_np(pthread_self(), "postern-loop");
	log_gather(lines_wait, loop);
	event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
	log_gather_end();
	atomic_store(&loop->ended, true);
	return NULL;
}

static bool
start_thread(struct loop *loop, struct err *e)
{
	sigset_t all, before;
	int failed;

	/* Signals are the worker's main thread's. */
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	failed = pthread_create(&loop->thread, NULL, run, loop);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return !failed || err_set(e, ERR_SYSTEM, "cannot start a thread: %s", strerror(failed));
}

struct loop *
loop_start(const struct loop_shared *shared, struct config *config,
    const struct loop_sockets *sockets, struct err *e)
{
	struct loop *loop = xcalloc(1, sizeof(*loop));

	loop->base = event_base_new();
	if (!loop->base)
		die("libevent gives no event base");
	loop->orders = queue_new(loop->base, take_orders, loop);
	loop->draining = event_new(loop->base, -1, EV_PERSIST, look_whether_over, loop);
	loop->lines = event_new(loop->base, -1, 0, write_lines, loop);
	if (!loop->draining || !loop->lines)
		die("no memory for an event");
	loop->gate = gate_new(loop->base, shared->db, config, e);
	if (loop->gate)
		gate_tell_by(loop->gate, shared->notices);
	if (!loop->gate || !open_fronts(loop, shared, sockets, e) || !start_thread(loop, e))
		loop_free(&loop);
	return loop;
}

void
loop_reload(struct loop *loop, struct config *config)
{
	give_order(loop, ORDER_RELOAD, config_use(config));
}

void
loop_leave(struct loop *loop, bool alone)
{
	give_order(loop, alone ? ORDER_ALONE : ORDER_LEAVE, NULL);
}

void
loop_ask(struct loop *loop, struct loop_beat *beat)
{
	struct order *order = xcalloc(1, sizeof(*order));

	order->what = ORDER_ASK;
	order->beat = beat;
	queue_push(loop->orders, &order->item);
}

void
loop_drain(struct loop *loop)
{
	give_order(loop, ORDER_DRAIN, NULL);
}

void
loop_stop(struct loop *loop)
{
	give_order(loop, ORDER_STOP, NULL);
}

bool
loop_ended(const struct loop *loop)
{
	return atomic_load(&loop->ended);
}

void
loop_join(struct loop **loop)
{
	pthread_join((*loop)->thread, NULL);
	loop_free(loop);
}
