#include "proxy/worker.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "filters/vocabulary.h"
#include "proxy/loop.h"

#define END_LOOK_MS 20

struct worker {
	struct event_base *base;
	struct config *config;
	struct db *db;
	struct loop **loop;
	size_t n_loops;
	struct event *end_look, *end_limit;
	bool ending;
};

static void
log_complaints(const struct complaints *complaints)
{
	for (size_t i = 0; i < complaints->n; i++) {
		const struct complaint *c = &complaints->item[i];

		log_error(NULL, "event=reload at=%s:%u:%u %s=\"%s\"", c->file, c->line, c->column,
		    c->warning ? "warning" : "error", ESC(str_of(c->text)));
	}
}

static void
on_reload(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct complaints complaints = { 0 };
	struct arena *arena = arena_new(64 * 1024);
	struct config_vocabulary vocabulary = stage_vocabulary(arena);
	struct config *config = config_load(w->config->path, &vocabulary, &complaints);

	(void)fd;
	(void)what;
	log_complaints(&complaints);
	if (!config) {
		log_error(NULL, "event=reload result=failed kept=%s: the old rules stay in force",
		    w->config->revision);
	} else {
		log_info(NULL, "event=reload result=ok revision=%s before=%s", config->revision,
		    w->config->revision);
		for (size_t i = 0; i < w->n_loops; i++)
			loop_reload(w->loop[i], config);
		config_release(&w->config);
		w->config = config;
	}
	complaints_free(&complaints);
	arena_free(&arena);
}

static void
on_end_look(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	for (size_t i = 0; i < w->n_loops; i++)
		if (!loop_ended(w->loop[i]))
			return;
	event_base_loopbreak(w->base);
}

static void
on_end_limit(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	log_warn(NULL, "event=drain result=\"time is up, closing what is open\"");
	for (size_t i = 0; i < w->n_loops; i++)
		loop_stop(w->loop[i]);
}

static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	const struct timeval look = { 0, END_LOOK_MS * 1000 };
	const struct timeval limit = { w->config->core.drain / 1000,
		w->config->core.drain % 1000 * 1000 };

	(void)fd;
	(void)what;
	if (w->ending)
		return;
	w->ending = true;
	log_info(NULL, "event=drain");
	for (size_t i = 0; i < w->n_loops; i++)
		loop_drain(w->loop[i]);
	event_add(w->end_look, &look);
	event_add(w->end_limit, &limit);
}

static bool
start_loops(struct worker *w, const struct sockets *sockets, struct err *e)
{
	w->loop = xcalloc(sockets->n_loops, sizeof(*w->loop));
	for (size_t i = 0; i < sockets->n_loops; i++) {
		const struct loop_sockets mine = {
			.proxy = sockets->proxy + i * sockets->n_proxy,
			.how = sockets->how,
			.n_proxy = sockets->n_proxy,
			.milter = sockets->engine,
		};

		w->loop[i] = loop_start(w->db, w->config, &mine, e);
		if (!w->loop[i])
			return false;
		w->n_loops++;
	}
	return true;
}

static void
stop_loops(struct worker *w)
{
	for (size_t i = 0; i < w->n_loops; i++)
		loop_stop(w->loop[i]);
	for (size_t i = 0; i < w->n_loops; i++)
		loop_join(&w->loop[i]);
	free(w->loop);
}

static struct event *
on_signal(struct worker *w, int number, event_callback_fn fn)
{
	struct event *event = evsignal_new(w->base, number, fn, w);

	require(event);
	event_add(event, NULL);
	return event;
}

static void
wait_for_signals(struct worker *w)
{
	struct event *hup = on_signal(w, SIGHUP, on_reload);
	struct event *term = on_signal(w, SIGTERM, on_end);
	struct event *interrupt = on_signal(w, SIGINT, on_end);

	w->end_look = event_new(w->base, -1, EV_PERSIST, on_end_look, w);
	w->end_limit = evtimer_new(w->base, on_end_limit, w);
	event_base_dispatch(w->base);
	event_free(hup);
	event_free(term);
	event_free(interrupt);
	event_free(w->end_look);
	event_free(w->end_limit);
}

int
worker_run(struct config *config, const struct sockets *sockets, int ready)
{
	struct worker w = { .config = config_use(config), .base = event_base_new() };
	const struct db_settings settings = {
		.folder = config->core.database,
		.journal_keep_ms = config->core.journal_keep,
	};
	struct err e = { 0 };
	bool started;

	require(w.base);
	w.db = db_start(&settings, &e);
	started = w.db && start_loops(&w, sockets, &e);
	if (started) {
		log_info(NULL, "event=ready loops=%zu revision=%s", w.n_loops, config->revision);
		if (ready >= 0 && write(ready, "", 1) != 1)
			log_warn(NULL, "event=ready nobody=waiting");
		wait_for_signals(&w);
	} else {
		log_error(NULL, "event=start problem=\"%s\"", e.text);
	}
	stop_loops(&w);
	if (w.db)
		db_stop(&w.db);
	event_base_free(w.base);
	config_release(&w.config);
	return started ? 0 : WORKER_CANNOT_START;
}
