#include "proxy/master.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "filters/vocabulary.h"
#include "proxy/children.h"
#include "proxy/notify.h"
#include "proxy/rights.h"
#include "proxy/sandbox.h"
#include "proxy/watch.h"

#define END_SPARE_MS 5000 /* after the drain, before SIGKILL */
#define IDLE_MS (3600 * 1000)
#define LOOPS_MOST 64

enum phase {
	PHASE_RUN,
	PHASE_LEAVE, /* a successor took over; the open sessions go on */
	PHASE_END,   /* told to end */
};

struct master {
	struct config *config;
	struct program program;
	struct inherited inherited;
	struct sockets sockets;
	struct notices notices;
	struct children children;
	struct upgrade upgrade;
	struct notify notify;
	struct watch watch;
	sigset_t signals, before;
	int signal_fd;
	int ready;      /* who started us waits here; -1: nobody */
	bool successor; /* we replace another posternd */
	bool was_ready;
	enum phase phase;
	int64_t phase_ms; /* when the phase is over */
	int result;
};

static int64_t
now_ms(void)
{
	return clock_mono_us() / 1000;
}

/* ---- phases ---- */

/* Once nobody is left who could have something to tell. */
static void
end_notices(struct master *m)
{
	if (m->phase != PHASE_RUN && !children_any_serving(&m->children))
		children_signal_notices(&m->children, SIGTERM);
}

static void
end(struct master *m)
{
	if (m->phase == PHASE_END)
		return;
	if (m->phase == PHASE_RUN)
		notify_send(&m->notify, "STOPPING=1\nSTATUS=finishing the open sessions");
	m->phase = PHASE_END;
	m->phase_ms = now_ms() + m->config->core.drain + END_SPARE_MS;
	m->children.ending = true;
	upgrade_cancel(&m->upgrade);
	/* Who connects from now on is refused at once, and tries the next server. */
	sockets_forget(&m->sockets, -1);
	children_signal(&m->children, SIGTERM, SIGNAL_DRAIN);
	end_notices(m);
}

/* The successor has the sockets. What is open goes on as if nothing had happened, for `drain`. */
static void
leave(struct master *m)
{
	log_info(NULL, "event=leave successor=%d", (int)m->upgrade.pid);
	notify_send(&m->notify, "MAINPID=%d\nREADY=1\nSTATUS=running since an upgrade",
	    (int)m->upgrade.pid);
	m->upgrade.pid = 0; /* its own master from now on */
	m->phase = PHASE_LEAVE;
	m->phase_ms = now_ms() + m->config->core.drain;
	m->children.ending = true;
	sockets_handed_over(&m->sockets);
	sockets_forget(&m->sockets, -1);
	children_signal(&m->children, SIGNAL_LEAVE, SIGNAL_LEAVE);
}

static void
look_at_phase(struct master *m)
{
	if (m->phase == PHASE_RUN || now_ms() < m->phase_ms)
		return;
	if (m->phase == PHASE_LEAVE) {
		end(m);
		return;
	}
	if (children_any_serving(&m->children))
		children_signal(&m->children, SIGKILL, SIGKILL);
	else
		children_signal_notices(&m->children, SIGKILL);
	m->phase_ms = now_ms() + END_SPARE_MS;
}

/* Everything runs for the first time. */
static void
become_ready(struct master *m)
{
	m->was_ready = true;
	/* A successor is made known by the one it replaces: before that it would not be believed. */
	if (!m->successor)
		notify_send(&m->notify, "READY=1\nSTATUS=running, rules %s", m->config->revision);
	if (m->ready >= 0 && write(m->ready, "", 1) != 1)
		log_warn(NULL, "event=ready nobody=waiting");
	if (m->ready >= 0)
		close(m->ready);
	m->ready = -1;
}

/* ---- signals ---- */

static void
bury(struct master *m, pid_t pid, int status)
{
	if (children_bury(&m->children, pid, status)) {
		if (children_hopeless(&m->children)) {
			m->result = EXIT_FAILURE;
			end(m);
		}
	} else if (pid == m->upgrade.pid) {
		upgrade_failed(&m->upgrade, status);
	}
}

static void
reap(struct master *m)
{
	bool had_milter = children_any_milter(&m->children);
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		bury(m, pid, status);
	end_notices(m);
	if (m->phase == PHASE_LEAVE && had_milter && !children_any_milter(&m->children))
		children_signal(&m->children, SIGNAL_ALONE, 0);
}

static struct config *
load_again(const struct master *m, struct complaints *complaints)
{
	struct arena *arena = arena_new(64 * 1024);
	struct config_vocabulary vocabulary = stage_vocabulary(arena);
	struct config *config = config_load(m->config->path, &vocabulary, complaints);

	arena_free(&arena);
	return config;
}

/*
 * The worker reads the file again by itself, told by that signal; the master does so too, so that a worker that has to be
 * started again begins with what was in force. Sockets stay as they are. Takes config; NULL: there is none.
 */
static void
reload(struct master *m, struct config *config, int number)
{
	notify_send(&m->notify, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono_us());
	if (config) {
		config_release(&m->config);
		m->config = config;
	}
	children_signal(&m->children, number, 0);
	children_signal_notices(&m->children, SIGNAL_AGAIN);
	if (!m->children.child[0].pid)
		notify_send(&m->notify, "READY=1\nSTATUS=starting the worker again");
}

static void
on_hangup(struct master *m)
{
	struct complaints complaints = { 0 };

	/* What is wrong with it the worker says. */
	reload(m, load_again(m, &complaints), SIGHUP);
	complaints_free(&complaints);
}

static void
log_mistake(const char *path, const struct complaints *complaints)
{
	const struct complaint *first = complaints->item;
	char *why;

	while (first->warning)
		first++;
	why = complaint_print(first);
	log_error(NULL, "event=watch file=\"%s\" result=kept why=\"%s\"", ESC(str_of(path)),
	    ESC(str_of(why)));
	free(why);
}

/* A list that changed is taken; rules that somebody is at work on are not, before somebody says so. */
static void
look_at_lists(struct master *m)
{
	const int64_t wall_ms = clock_wall_ms();
	const char *path = watch_look(&m->watch, m->config, now_ms(), wall_ms);
	struct complaints complaints = { 0 };
	struct config *config;

	if (!path)
		return;
	config = load_again(m, &complaints);
	if (!config) {
		log_mistake(path, &complaints);
	} else if (watch_torn(config, wall_ms)) {
		watch_again(&m->watch);
		config_release(&config);
	} else if (strcmp(config->words, m->config->words) != 0) {
		log_warn(NULL,
		    "event=watch file=\"%s\" result=kept why=\"the configuration itself has changed "
		    "too: reload to take both\"",
		    ESC(str_of(path)));
		config_release(&config);
	} else {
		log_info(NULL, "event=watch file=\"%s\" result=reload", ESC(str_of(path)));
		reload(m, config, SIGNAL_LISTS);
	}
	complaints_free(&complaints);
}

static void
begin_upgrade(struct master *m)
{
	if (m->phase != PHASE_RUN || m->upgrade.pid || !m->was_ready) {
		log_warn(NULL, "event=upgrade problem=\"not now: starting, ending or upgrading\"");
		return;
	}
	if (!upgrade_start(&m->upgrade, &m->program, &m->sockets, &m->before))
		return;
	notify_send(&m->notify, "STATUS=starting the new program");
}

static void
take_signals(struct master *m)
{
	struct signalfd_siginfo info;

	while (read(m->signal_fd, &info, sizeof(info)) == sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGCHLD:
			reap(m);
			break;
		case SIGHUP:
			if (m->phase == PHASE_RUN)
				on_hangup(m);
			break;
		case SIGUSR2:
			begin_upgrade(m);
			break;
		default:
			end(m);
		}
	}
}

/* ---- words of the children ---- */

static void
take_words(struct master *m, struct child *child)
{
	enum word word;

	while (children_hear(child, &word)) {
		if (word == WORD_BEAT)
			notify_send(&m->notify, "WATCHDOG=1");
		else if (word == WORD_LOADED)
			notify_send(
			    &m->notify, "READY=1\nSTATUS=running, rules %s", m->config->revision);
		else if (word == WORD_KEPT)
			notify_send(&m->notify,
			    "READY=1\nSTATUS=running with the rules of before: the log tells of "
			    "errors, or of changes");
	}
	if (!m->was_ready && m->phase == PHASE_RUN && children_all_ready(&m->children))
		become_ready(m);
}

/* ---- the loop ---- */

static int
how_long(struct master *m)
{
	int64_t now = now_ms(), wait = children_start_due(&m->children);
	int64_t upgrade = upgrade_look(&m->upgrade, now);

	if (m->phase == PHASE_RUN && upgrade < wait)
		wait = upgrade;
	if (m->phase == PHASE_RUN && watch_wait(&m->watch, m->config, now) < wait)
		wait = watch_wait(&m->watch, m->config, now);
	if (m->phase != PHASE_RUN && m->phase_ms - now < wait)
		wait = m->phase_ms - now;
	return wait < 0 ? 0 : wait > IDLE_MS ? IDLE_MS : (int)wait;
}

static void
wait_for_all(struct master *m, struct pollfd *fds)
{
	size_t n = m->children.n;

	fds[0] = (struct pollfd){ m->signal_fd, POLLIN, 0 };
	fds[1] = (struct pollfd){ m->upgrade.ready, POLLIN, 0 };
	for (size_t i = 0; i < n; i++)
		fds[i + 2] = (struct pollfd){ m->children.child[i].words, POLLIN, 0 };
	if (poll(fds, n + 2, how_long(m)) < 0)
		return;
	/* Words first: a child that says it is ready and dies has been ready. */
	for (size_t i = 0; i < n; i++)
		if (fds[i + 2].revents)
			take_words(m, &m->children.child[i]);
	if (fds[1].revents && m->phase == PHASE_RUN && upgrade_ready(&m->upgrade))
		leave(m);
	if (fds[0].revents)
		take_signals(m);
	if (m->phase == PHASE_RUN)
		look_at_lists(m);
	look_at_phase(m);
}

static void
supervise(struct master *m)
{
	struct pollfd *fds = xcalloc(m->children.n + 2, sizeof(*fds));

	children_start_due(&m->children);
	while (m->phase == PHASE_RUN || children_any(&m->children))
		wait_for_all(m, fds);
	free(fds);
}

/* ---- start ---- */

static size_t
count_loops(const struct config *config)
{
	long cores =
	    config->core.threads ? (long)config->core.threads : sysconf(_SC_NPROCESSORS_ONLN);

	return cores < 1 ? 1 : cores > LOOPS_MOST ? LOOPS_MOST : (size_t)cores;
}

static bool
prepare(struct master *m, struct err *e)
{
	const struct passwd *user;
	const struct config *config = m->config;

	if (!rights_user(config, &user, e) || !rights_own_folder(config->core.database, user, e) ||
	    !rights_own_folder(config->core.runtime, user, e) || !notices_open(&m->notices, e) ||
	    !sockets_open(&m->sockets, config, &m->inherited, count_loops(config), e))
		return false;
	inherit_close(&m->inherited);
	return rights_give_up(config, &m->sockets, user, e);
}

static void
set_signals(struct master *m)
{
	static const int numbers[] = { SIGCHLD, SIGHUP, SIGTERM, SIGINT, SIGUSR2 };

	sigemptyset(&m->signals);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&m->signals, numbers[i]);
	sigprocmask(SIG_BLOCK, &m->signals, &m->before);
	signal(SIGPIPE, SIG_IGN);
	m->signal_fd = signalfd(-1, &m->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (m->signal_fd < 0)
		die("cannot make a signalfd: %s", strerror(errno));
}

static void
run(struct master *m)
{
	const struct child_world world = {
		.config = &m->config,
		.sockets = &m->sockets,
		.notices = &m->notices,
		.signals_before = m->before,
		.beat_ms = m->notify.watchdog_ms / 2,
		.close_too = { m->signal_fd, m->ready },
	};

	sandbox_enter(SANDBOX_MASTER, m->config);
	children_init(&m->children, &world);
	supervise(m);
	children_free(&m->children);
}

int
master_run(const struct master_start *start)
{
	struct master m = {
		.config = config_use(start->config),
		.program = start->program,
		.inherited = start->inherited,
		.ready = start->ready,
		.successor = start->inherited.ready >= 0,
		.upgrade.ready = -1,
		.sockets.engine = -1,
		.notices = { { -1, -1 }, { -1, -1 } },
	};
	struct err e;

	set_signals(&m);
	notify_open(&m.notify);
	rights_allow_descriptors();
	if (prepare(&m, &e)) {
		run(&m);
	} else {
		log_error(NULL, "event=start problem=\"%s\"", e.text);
		m.result = EXIT_FAILURE;
	}
	/* The one we were to replace goes on with them. */
	if (m.successor && !m.was_ready)
		sockets_handed_over(&m.sockets);
	sockets_close(&m.sockets);
	notices_close(&m.notices);
	inherit_close(&m.inherited);
	notify_close(&m.notify);
	watch_free(&m.watch);
	close(m.signal_fd);
	config_release(&m.config);
	return m.result;
}
