#include "proxy/worker.h"

#include <event2/event.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "filters/vocabulary.h"
#include "proxy/loop.h"
#include "proxy/sandbox.h"
#include "proxy/watch.h"

#define END_LOOK_MS 20

struct worker {
	struct event_base *base;
	struct config *config;
	struct loop_shared shared;
	struct loop **loop;
	size_t n_loops;
	struct event *end_look, *end_limit, *beat_timer, *lists_again;
	struct worker_tie tie;
	struct loop_beat beat;
	bool milters; /* the milter processes may still come */
	bool leaving, ending;
};

static void
say(const struct worker *w, enum word word)
{
	const char octet = (char)word;

	if (write(w->tie.words, &octet, 1) != 1)
		log_debug(NULL, "event=word nobody=listening");
}

static void
log_complaints(const struct complaints *complaints)
{
	for (size_t i = 0; i < complaints->n; i++) {
		const struct complaint *c = &complaints->item[i];

		log_error(NULL, "event=reload at=%s:%u:%u %s=\"%s\"", c->file, c->line, c->column,
		    c->warning ? "warning" : "error", ESC(str_of(c->text)));
	}
}

static struct config *
load_again(const struct worker *w, struct complaints *complaints)
{
	struct arena *arena = arena_new(64 * 1024);
	struct config_vocabulary vocabulary = stage_vocabulary(arena);
	struct config *config = config_load(w->config->path, &vocabulary, complaints);

	arena_free(&arena);
	/* The same again would come of it. */
	event_del(w->lists_again);
	return config;
}

/* Takes config; NULL: there is none. */
static void
take_up(struct worker *w, struct config *config, const struct complaints *complaints)
{
	log_complaints(complaints);
	if (!config) {
		log_error(NULL, "event=reload result=failed kept=%s: the old rules stay in force",
		    w->config->revision);
		say(w, WORD_KEPT);
	} else {
		slots_know(w->shared.slots, config);
		for (size_t i = 0; i < w->n_loops; i++)
			loop_reload(w->loop[i], config);
		/* Whoever connects after he has read this is judged by it. */
		log_info(NULL, "event=reload result=ok revision=%s before=%s", config->revision,
		    w->config->revision);
		config_release(&w->config);
		w->config = config;
		say(w, WORD_LOADED);
	}
}

static void
on_reload(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	struct complaints complaints = { 0 };

	(void)fd;
	(void)what;
	take_up(w, load_again(w, &complaints), &complaints);
	complaints_free(&complaints);
}

/*
 * Lists only. Since the master looked, somebody may have begun to write one, or to change the rules: the one is waited for, the
 * other is for SIGHUP to take.
 */
static void
on_lists(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval pause = { 1, 0 };
	const int64_t wall_ms = clock_wall_ms();
	struct worker *w = arg;
	struct complaints complaints = { 0 };
	struct config *config = load_again(w, &complaints);
	const char *torn = config ? watch_torn(config, wall_ms) : NULL;

	(void)fd;
	(void)what;
	if (torn) {
		log_info(NULL,
		    "event=reload result=waiting file=\"%s\" why=\"it is being written\"",
		    ESC(str_of(torn)));
		config_release(&config);
		event_add(w->lists_again, &pause);
	} else if (config && strcmp(config->words, w->config->words) != 0) {
		log_warn(NULL,
		    "event=reload result=kept why=\"the configuration itself has changed "
		    "too: reload to take both\"");
		config_release(&config);
		say(w, WORD_KEPT);
	} else {
		take_up(w, config, &complaints);
	}
	complaints_free(&complaints);
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
look_for_the_end(struct worker *w)
{
	const struct timeval look = { 0, END_LOOK_MS * 1000 };

	event_add(w->end_look, &look);
}

static void
on_leave(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)what;
	if (fd == SIGNAL_ALONE)
		w->milters = false;
	if (fd == SIGNAL_LEAVE) {
		log_info(NULL, "event=leave");
		w->leaving = true;
	}
	if (!w->leaving || w->ending)
		return;
	for (size_t i = 0; i < w->n_loops; i++)
		loop_leave(w->loop[i], !w->milters);
	look_for_the_end(w);
}

/* A loop that has not answered the last time is not asked again: nothing is said until it does. */
static void
on_beat(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;

	(void)fd;
	(void)what;
	if (atomic_load(&w->beat.left) > 0)
		return;
	atomic_store(&w->beat.left, w->n_loops);
	for (size_t i = 0; i < w->n_loops; i++)
		loop_ask(w->loop[i], &w->beat);
}

static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
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
	look_for_the_end(w);
	event_add(w->end_limit, &limit);
}

static bool
start_loop(struct worker *w, const struct sockets *sockets, size_t index, struct err *e)
{
	int *proxy = xcalloc(sockets->n_proxy + 1, sizeof(*proxy));
	struct listen *how = xcalloc(sockets->n_proxy + 1, sizeof(*how));
	struct loop_sockets mine = { .proxy = proxy, .how = how, .milter = sockets->engine };

	for (size_t i = 0; i < sockets->n_proxy; i++) {
		if (sockets->proxy[i].loop != index)
			continue;
		how[mine.n_proxy] = sockets->proxy[i].how;
		proxy[mine.n_proxy++] = sockets->proxy[i].fd;
	}
	w->loop[index] = loop_start(&w->shared, w->config, &mine, e);
	free(proxy);
	free(how);
	return w->loop[index];
}

static bool
start_loops(struct worker *w, const struct sockets *sockets, struct err *e)
{
	w->loop = xcalloc(sockets->n_loops, sizeof(*w->loop));
	for (; w->n_loops < sockets->n_loops; w->n_loops++)
		if (!start_loop(w, sockets, w->n_loops, e))
			return false;
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
	struct event *signals[] = {
		on_signal(w, SIGHUP, on_reload),
		on_signal(w, SIGNAL_LISTS, on_lists),
		on_signal(w, SIGTERM, on_end),
		on_signal(w, SIGINT, on_end),
		on_signal(w, SIGNAL_LEAVE, on_leave),
		on_signal(w, SIGNAL_ALONE, on_leave),
	};
	const struct timeval beat = { w->tie.beat_ms / 1000, w->tie.beat_ms % 1000 * 1000 };

	w->end_look = event_new(w->base, -1, EV_PERSIST, on_end_look, w);
	w->end_limit = evtimer_new(w->base, on_end_limit, w);
	w->lists_again = evtimer_new(w->base, on_lists, w);
	w->beat_timer = event_new(w->base, -1, EV_PERSIST, on_beat, w);
	if (w->tie.beat_ms > 0)
		event_add(w->beat_timer, &beat);
	say(w, WORD_READY);
	event_base_dispatch(w->base);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		event_free(signals[i]);
	event_free(w->end_look);
	event_free(w->end_limit);
	event_free(w->lists_again);
	event_free(w->beat_timer);
}

static void
log_ceiling(const struct config_core *core)
{
	struct limits_ceiling c = limits_ceiling(core);

	log_info(NULL, "event=ceiling fixed=%llu session=%llu sessions=%llu held=%llu total=%llu",
	    (unsigned long long)c.fixed, (unsigned long long)c.session,
	    (unsigned long long)c.sessions, (unsigned long long)c.held,
	    (unsigned long long)c.total);
}

int
worker_run(struct config *config, const struct sockets *sockets, const struct worker_tie *tie)
{
	struct worker w = {
		.config = config_use(config),
		.tie = *tie,
		.beat.fd = tie->words,
		.milters = sockets->engine >= 0,
	};
	const struct db_settings settings = {
		.folder = config->core.database,
		.journal = { .keep_ms = config->core.journal_keep,
		    .details_ms = config->core.journal_details,
		    .size = config->core.journal_size },
		.journal_search = config->core.journal_search,
		.full = (size_t)config->core.backlog,
		.redis = config->redis,
	};
	struct err e = { 0 };
	bool started;

	/* Before the first thread, which it then holds for. */
	sandbox_enter(SANDBOX_WORKER, config);
	w.base = event_base_new();
	require(w.base);
	w.shared.notices = tie->notices;
	w.shared.limits = limits_new();
	w.shared.slots = slots_new();
	slots_know(w.shared.slots, config);
	w.shared.db = db_start(&settings, &e);
	started = w.shared.db && start_loops(&w, sockets, &e);
	if (started) {
		log_ceiling(&config->core);
		log_info(NULL, "event=ready loops=%zu revision=%s", w.n_loops, config->revision);
		wait_for_signals(&w);
	} else {
		log_error(NULL, "event=start problem=\"%s\"", e.text);
	}
	stop_loops(&w);
	if (w.shared.db)
		db_stop(&w.shared.db);
	limits_free(&w.shared.limits);
	slots_free(&w.shared.slots);
	event_base_free(w.base);
	config_release(&w.config);
	return started ? 0 : CANNOT_START;
}
