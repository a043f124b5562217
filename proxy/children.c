#include "proxy/children.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/log.h"
#include "proxy/milter_process.h"
#include "proxy/notice_process.h"
#include "proxy/worker.h"

#define RESTART_MS_LEAST 200
#define RESTART_MS_MOST 30000
#define RESTART_CALM_MS 60000 /* alive for so long: the next death is a first one again */
#define IDLE_MS (3600 * 1000)

static int64_t
now_ms(void)
{
	return clock_mono_us() / 1000;
}

static const char *
name(const struct child *child)
{
	static const char *const notices[] = { "notices", "command" };

	if (child->kind == CHILD_NOTICES)
		return notices[child->process];
	return child->kind == CHILD_MILTER ? "milter" : "worker";
}

void
children_init(struct children *c, const struct child_world *world)
{
	size_t n = 1 + world->sockets->n_milter;

	*c = (struct children){ .world = *world, .n = n + NOTICE_PROCESSES };
	c->child = xcalloc(c->n, sizeof(*c->child));
	for (size_t i = 0; i < c->n; i++) {
		struct child *child = &c->child[i];

		child->words = -1;
		if (i >= n) {
			child->kind = CHILD_NOTICES;
			child->process = (enum notice_process)(i - n);
		} else if (i > 0) {
			child->kind = CHILD_MILTER;
			child->milter = &world->sockets->milter[i - 1];
		}
	}
}

static void
close_words(struct child *child)
{
	if (child->words >= 0)
		close(child->words);
	child->words = -1;
}

void
children_free(struct children *c)
{
	for (size_t i = 0; i < c->n; i++)
		close_words(&c->child[i]);
	free(c->child);
	c->child = NULL;
	c->n = 0;
}

/* ---- in the child ---- */

static int
run_worker(const struct child_world *world, int words)
{
	const struct worker_tie tie = { words, world->beat_ms, world->notices };

	sockets_forget_milters(world->sockets);
	notices_keep_in(world->notices);
	return worker_run(*world->config, world->sockets, &tie);
}

static int
run_milter(const struct child_world *world, const struct milter_socket *milter, int words)
{
	const struct milter_job job = {
		.fd = milter->fd,
		.family = milter->family,
		.address = milter->address,
		.engine_path = world->sockets->engine_path,
		.config = *world->config,
		.words = words,
	};

	sockets_forget(world->sockets, milter->fd);
	notices_close(world->notices);
	return milter_process_run(&job);
}

static int
run_notices(const struct child_world *world, enum notice_process process, int words)
{
	const struct notice_job job = { process, world->notices, *world->config, words };

	sockets_forget(world->sockets, -1);
	notices_keep(world->notices, process);
	return notice_process_run(&job);
}

/* As if it had been started alone. */
static int
be_child(struct children *c, const struct child *child, int words, pid_t master)
{
	const struct child_world *world = &c->world;

	sigprocmask(SIG_SETMASK, &world->signals_before, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (getppid() != master)
		return EXIT_FAILURE;
	for (size_t i = 0; i < c->n; i++)
		close_words(&c->child[i]);
	for (size_t i = 0; i < sizeof(world->close_too) / sizeof(world->close_too[0]); i++)
		if (world->close_too[i] >= 0)
			close(world->close_too[i]);
	switch (child->kind) {
	case CHILD_MILTER:
		return run_milter(world, child->milter, words);
	case CHILD_NOTICES:
		return run_notices(world, child->process, words);
	default:
		return run_worker(world, words);
	}
}

/* ---- in the master ---- */

static bool
wanted(const struct children *c, const struct child *child)
{
	return child->kind != CHILD_NOTICES || notices_wanted(*c->world.config, child->process);
}

static void
start_later(struct child *child, const char *what)
{
	log_error(NULL, "event=%s problem=\"%s\"", what, strerror(errno));
	child->restart_ms = now_ms() + RESTART_MS_MOST;
}

static void
start(struct children *c, struct child *child)
{
	pid_t master = getpid(), pid;
	int words[2];

	if (pipe2(words, O_CLOEXEC | O_NONBLOCK)) {
		start_later(child, "pipe");
		return;
	}
	pid = fork();
	if (pid == 0) {
		close(words[0]);
		exit(be_child(c, child, words[1], master));
	}
	close(words[1]);
	if (pid < 0) {
		close(words[0]);
		start_later(child, "fork");
		return;
	}
	child->words = words[0];
	child->pid = pid;
	child->ready = false;
	child->started_ms = now_ms();
	log_debug(NULL, "event=child-started name=%s pid=%d", name(child), (int)pid);
}

int64_t
children_start_due(struct children *c)
{
	int64_t now = now_ms(), wait = IDLE_MS;

	for (size_t i = 0; i < c->n && !c->ending; i++) {
		struct child *child = &c->child[i];

		if (child->pid || !wanted(c, child))
			continue;
		if (child->restart_ms <= now)
			start(c, child);
		if (!child->pid && child->restart_ms - now < wait)
			wait = child->restart_ms - now;
	}
	return wait > 0 ? wait : 0;
}

bool
children_hear(struct child *child, enum word *out)
{
	char octet;

	if (child->words < 0)
		return false;
	switch (read(child->words, &octet, 1)) {
	case 1:
		*out = (enum word)octet;
		if (*out == WORD_READY)
			child->ready = true;
		return true;
	case 0:
		close_words(child);
		return false;
	default:
		return false;
	}
}

static void
log_death(const struct child *child, int status)
{
	log_error(NULL, "event=child-died name=%s %s=%d restart_in_ms=%lld%s", name(child),
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
	    (long long)child->pause_ms,
	    WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS
		? " problem=\"a system call that its sandbox refuses; the kernel's log names it\""
		: "");
}

static void
died(struct children *c, struct child *child, int status)
{
	int64_t now = now_ms();
	bool first = child->pause_ms == 0;

	child->pid = 0;
	child->ready = false;
	close_words(child);
	if (c->ending)
		return;
	/* It was told to, for another to begin. */
	if (child->kind == CHILD_NOTICES && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		child->restart_ms = now;
		return;
	}
	if (now - child->started_ms > RESTART_CALM_MS)
		child->pause_ms = 0;
	child->pause_ms = child->pause_ms ? child->pause_ms * 2 : RESTART_MS_LEAST;
	if (child->pause_ms > RESTART_MS_MOST)
		child->pause_ms = RESTART_MS_MOST;
	child->restart_ms = now + child->pause_ms;
	if (WIFEXITED(status) && WEXITSTATUS(status) == CANNOT_START && first)
		child->hopeless = true;
	else
		log_death(child, status);
}

bool
children_bury(struct children *c, pid_t pid, int status)
{
	for (size_t i = 0; i < c->n; i++) {
		if (c->child[i].pid != pid)
			continue;
		died(c, &c->child[i], status);
		return true;
	}
	return false;
}

void
children_signal(const struct children *c, int worker, int milter)
{
	for (size_t i = 0; i < c->n; i++) {
		const int number[] = { [CHILD_WORKER] = worker, [CHILD_MILTER] = milter };
		const struct child *child = &c->child[i];

		if (child->kind != CHILD_NOTICES && child->pid && number[child->kind])
			kill(child->pid, number[child->kind]);
	}
}

void
children_signal_notices(const struct children *c, int number)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->child[i].kind == CHILD_NOTICES && c->child[i].pid)
			kill(c->child[i].pid, number);
}

bool
children_any(const struct children *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->child[i].pid)
			return true;
	return false;
}

bool
children_any_serving(const struct children *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->child[i].pid && c->child[i].kind != CHILD_NOTICES)
			return true;
	return false;
}

bool
children_any_milter(const struct children *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->child[i].pid && c->child[i].kind == CHILD_MILTER)
			return true;
	return false;
}

bool
children_all_ready(const struct children *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!c->child[i].ready && wanted(c, &c->child[i]))
			return false;
	return true;
}

bool
children_hopeless(const struct children *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->child[i].hopeless)
			return true;
	return false;
}
