#include "cli/pager.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Never returns. */
static void
become(const char *command, int fd, int out)
{
	dup2(fd, 0);
	dup2(out, 1);
	close(fd);
	/* Leave when all fits on the screen, let colours through, and leave the text where it is. */
	setenv("LESS", "FRX", 0);
	if (command)
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
	execlp("less", "less", (char *)NULL);
	execlp("more", "more", (char *)NULL);
	execlp("cat", "cat", (char *)NULL);
	_exit(127);
}

void
pager_begin(struct pager *pager, struct cli *cli)
{
	const char *command = getenv("PAGER");
	int fd[2];

	*pager = (struct pager){ 0 };
	if (cli->width == 0 || (command && (!*command || strcmp(command, "cat") == 0)))
		return;
	fflush(cli->out);
	if (pipe(fd) != 0)
		return;
	pager->pid = fork();
	if (pager->pid == 0) {
		close(fd[1]);
		become(command, fd[0], fileno(cli->out));
	}
	close(fd[0]);
	if (pager->pid < 0) {
		close(fd[1]);
		return;
	}
	pager->out = cli->out;
	cli->out = fdopen(fd[1], "w");
	/* No memory for it: what is printed goes where it would have gone. */
	if (!cli->out) {
		close(fd[1]);
		cli->out = pager->out;
	}
}

void
pager_end(struct pager *pager, struct cli *cli)
{
	int status;

	if (!pager->out)
		return;
	if (cli->out != pager->out)
		fclose(cli->out);
	cli->out = pager->out;
	waitpid(pager->pid, &status, 0);
}
