#include "proxy/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/die.h"
#include "base/log.h"
#include "proxy/rights.h"

#define PATIENCE_MS 60000 /* for the new one to be ready */
#define END_MS 10000      /* for it to end when told so */
#define IDLE_MS (3600 * 1000)
#define LIST_MAX 65536

/* The path is read at the start: once the file was replaced, /proc tells of a deleted one. */
void
program_find(struct program *program, char **argv)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[n < 0 ? 0 : n] = '\0';
	program->path = xstrdup(n > 0 ? path : argv[0]);
	program->argv = argv;
}

void
program_free(struct program *program)
{
	free(program->path);
	program->path = NULL;
}

/* ---- in the new process, before it becomes the new program ---- */

static void
pass(struct buf *list, int fd, bool foreign)
{
	if (fd < 0 || fcntl(fd, F_SETFD, 0))
		return;
	buf_printf(list, "%s%d%s", list->n ? " " : "", fd, foreign ? "f" : "");
}

static void
set_number(const char *variable, int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", number);
	setenv(variable, text, 1);
}

static void
pass_all(const struct sockets *sockets, int ready)
{
	struct buf list;

	buf_init(&list, LIST_MAX);
	for (size_t i = 0; i < sockets->n_proxy; i++)
		pass(&list, sockets->proxy[i].fd, sockets->proxy[i].foreign);
	for (size_t i = 0; i < sockets->n_milter; i++)
		pass(&list, sockets->milter[i].fd, sockets->milter[i].foreign);
	buf_addc(&list, '\0');
	setenv(INHERIT_SOCKETS, list.p, 1);
	buf_free(&list);
	fcntl(ready, F_SETFD, 0);
	set_number(INHERIT_READY, ready);
	if (getenv("WATCHDOG_PID"))
		set_number("WATCHDOG_PID", (int)getpid());
}

/* ---- in the old master ---- */

static bool
cannot(const char *what)
{
	log_error(NULL, "event=upgrade result=failed problem=\"%s: %s\"", what, strerror(errno));
	return false;
}

bool
upgrade_start(struct upgrade *u, const struct program *program, const struct sockets *sockets,
    const sigset_t *signals)
{
	int ready[2];
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC))
		return cannot("pipe");
	pid = fork();
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, signals, NULL);
		signal(SIGPIPE, SIG_DFL);
		pass_all(sockets, ready[1]);
		rights_pass_on();
		execv(program->path, program->argv);
		cannot(program->path);
		_exit(EXIT_FAILURE);
	}
	close(ready[1]);
	if (pid < 0) {
		close(ready[0]);
		return cannot("fork");
	}
	*u = (struct upgrade){
		.pid = pid, .ready = ready[0], .patience_ms = clock_mono_us() / 1000 + PATIENCE_MS
	};
	log_info(NULL, "event=upgrade pid=%d program=%s", (int)pid, program->path);
	return true;
}

static void
forget(struct upgrade *u)
{
	if (u->ready >= 0)
		close(u->ready);
	u->ready = -1;
}

bool
upgrade_ready(struct upgrade *u)
{
	char octet;
	bool ready = read(u->ready, &octet, 1) == 1;

	/* When it is not, its death will be told. */
	forget(u);
	if (ready)
		log_info(NULL, "event=upgrade result=ok pid=%d", (int)u->pid);
	return ready;
}

void
upgrade_failed(struct upgrade *u, int status)
{
	log_error(NULL,
	    "event=upgrade result=failed pid=%d %s=%d problem=\"the new posternd did not start, its own "
	    "lines say why; this one goes on\"",
	    (int)u->pid, WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	forget(u);
	u->pid = 0;
}

int64_t
upgrade_look(struct upgrade *u, int64_t now_ms)
{
	if (u->pid == 0)
		return IDLE_MS;
	if (now_ms < u->patience_ms)
		return u->patience_ms - now_ms;
	log_warn(NULL, "event=upgrade problem=\"the new posternd takes too long, ending it\"");
	kill(u->pid, u->told_to_end ? SIGKILL : SIGTERM);
	u->told_to_end = true;
	u->patience_ms = now_ms + END_MS;
	return END_MS;
}

void
upgrade_cancel(struct upgrade *u)
{
	if (u->pid)
		kill(u->pid, SIGTERM);
	forget(u);
}
