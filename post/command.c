#include "post/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"

#define SAID_MAX 200 /* octets of standard error that are told */
#define LOOK_MS 20
#define CANNOT_RUN 127

struct running {
	pid_t pid;
	int in, out; /* its standard input; its standard output and error; -1: closed */
	struct str input;
	char said[SAID_MAX];
	size_t n_said;
};

/* In the child: what is open besides is none of the program's. */
static _Noreturn void
become(const struct command_job *job, int in, int out)
{
	char *const argv[] = { (char *)(uintptr_t)job->path, NULL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0);
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
	    dup2(out, STDERR_FILENO) >= 0 && close_range(3, ~0U, 0) == 0 && chdir("/") == 0)
		execve(job->path, argv, job->environment);
	_exit(CANNOT_RUN);
}

static void
close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static bool
start(const struct command_job *job, struct running *r, struct err *e)
{
	int in[2], out[2];

	if (access(job->path, X_OK))
		return err_set(e, ERR_SYSTEM, "%s", strerror(errno));
	if (pipe2(in, O_CLOEXEC))
		return err_set(e, ERR_SYSTEM, "pipe: %s", strerror(errno));
	if (pipe2(out, O_CLOEXEC)) {
		err_set(e, ERR_SYSTEM, "pipe: %s", strerror(errno));
		close(in[0]);
		close(in[1]);
		return false;
	}
	*r = (struct running){ .pid = fork(), .in = in[1], .out = out[0], .input = job->input };
	if (r->pid == 0)
		become(job, in[0], out[1]);
	close(in[0]);
	close(out[1]);
	fcntl(r->in, F_SETFL, O_NONBLOCK);
	fcntl(r->out, F_SETFL, O_NONBLOCK);
	if (r->pid > 0)
		return true;
	err_set(e, ERR_SYSTEM, "fork: %s", strerror(errno));
	close_end(&r->in);
	close_end(&r->out);
	return false;
}

static void
feed(struct running *r)
{
	ssize_t n = write(r->in, r->input.p, r->input.n);

	if (n > 0)
		r->input = str_sub(r->input, (size_t)n, r->input.n);
	if (r->input.n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_end(&r->in);
}

static void
hear(struct running *r)
{
	char octets[512];
	ssize_t n = read(r->out, octets, sizeof(octets));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		close_end(&r->out);
	for (ssize_t i = 0; i < n && r->n_said < SAID_MAX; i++)
		r->said[r->n_said++] = octets[i];
}

/* Until it has ended, or may not go on. */
static bool
attend(struct running *r, const struct wire_limit *limit, int *status, struct err *e)
{
	for (;;) {
		struct pollfd fds[3] = { { r->in, POLLOUT, 0 }, { r->out, POLLIN, 0 },
			{ limit->stop, POLLIN, 0 } };

		if (waitpid(r->pid, status, WNOHANG) == r->pid) {
			if (r->out >= 0)
				hear(r);
			return true;
		}
		if (clock_mono_us() >= limit->until_us)
			return err_set(e, ERR_SYSTEM, "it was not done in time");
		/* It may end without closing what it was given. */
		if (poll(fds, 3, LOOK_MS) <= 0)
			continue;
		if (fds[2].revents)
			return err_set(e, ERR_SYSTEM, "told to end");
		if (fds[0].revents)
			feed(r);
		if (fds[1].revents)
			hear(r);
	}
}

bool
command_run(const struct command_job *job, const struct wire_limit *limit, struct err *e)
{
	struct running r;
	int status = 0;
	bool ended;

	if (!start(job, &r, e))
		return false;
	ended = attend(&r, limit, &status, e);
	/* All of its group, whether it has ended or not. */
	kill(-r.pid, SIGKILL);
	if (!ended)
		waitpid(r.pid, &status, 0);
	close_end(&r.in);
	close_end(&r.out);
	if (!ended || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		return ended;
	return err_set(e, ERR_SYSTEM, "it ended with %s %d%s%s",
	    WIFSIGNALED(status) ? "signal" : "status",
	    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status), r.n_said ? ": " : "",
	    r.n_said ? ESC(str_trim((struct str){ r.said, r.n_said })) : "");
}
