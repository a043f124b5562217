#include "cli/pager.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/die.h"

/* Leave when all fits on the screen, let colours through, and leave the text where it is; of one's own ways the colours only. */
static void
set_less(void)
{
	const char *own = getenv("LESS");
	char *less;

	if (asprintf(&less, "%s%s", own ? "-R " : "FRX", own ? own : "") < 0)
		die("no memory for the environment");
	setenv("LESS", less, 1);
	free(less);
}

/* Never returns. */
static void
become(const char *command, int fd, int out)
{
	dup2(fd, 0);
	dup2(out, 1);
	close(fd);
	set_less();
	if (command)
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	execlp("less", "less", (char *)NULL);
	execlp("more", "more", (char *)NULL);
	execlp("cat", "cat", (char *)NULL);
	_exit(127);
}

/* The pager is left: nobody looks at what is still being looked for. */
static void
left(int number)
{
	signal(SIGPIPE, SIG_DFL);
	raise(SIGPIPE);
}

/*
 * Ctrl-C is the pager's, which may go on then: were we to end without it, it and the shell would read from the same terminal.
 */
static void
guard(struct pager *pager)
{
	const struct sigaction ignored = { .sa_handler = SIG_IGN },
			       child = { .sa_handler = left, .sa_flags = SA_NOCLDSTOP };

	sigaction(SIGINT, &ignored, &pager->interrupted);
	sigaction(SIGCHLD, &child, &pager->child);
}

static void
unguard(const struct pager *pager)
{
	sigaction(SIGINT, &pager->interrupted, NULL);
	sigaction(SIGCHLD, &pager->child, NULL);
}

static bool
is_wanted(const struct cli *cli, const char *command)
{
	return cli->width > 0 && !cli->dumb &&
	    (command == NULL ||
		(command[strspn(command, " ")] != '\0' && strcmp(command, "cat") != 0));
}

void
pager_begin(struct pager *pager, struct cli *cli)
{
	const char *command = getenv("PAGER");
	int fd[2];

	*pager = (struct pager){ 0 };
	if (!is_wanted(cli, command))
		return;
	fflush(cli->out);
	if (pipe(fd) != 0)
		return;
	guard(pager);
	pager->pid = fork();
	if (pager->pid == 0) {
		sigaction(SIGINT, &pager->interrupted, NULL);
		close(fd[1]);
		become(command, fd[0], fileno(cli->out));
	}
	close(fd[0]);
	if (pager->pid < 0) {
		close(fd[1]);
		unguard(pager);
		return;
	}
	pager->out = cli->out;
	pager->err = cli->err;
	cli->out = fdopen(fd[1], "w");
	if (cli->out == NULL)
		die("no memory for a stream");
	/* What is wrong is told in the same place, not across it. */
	if (isatty(fileno(cli->err)))
		cli->err = cli->out;
}

void
pager_end(struct pager *pager, struct cli *cli)
{
	if (!pager->out)
		return;
	sigaction(SIGCHLD, &pager->child, NULL);
	fclose(cli->out);
	cli->out = pager->out;
	cli->err = pager->err;
	waitpid(pager->pid, NULL, 0);
	unguard(pager);
}
