/*
 * pager: shows what a subcommand prints a screen at a time, as git does: with $PAGER, else less, else more. Only where
 * out is a terminal that can do more than print; "cat" or an empty $PAGER turn it off. While it is there Ctrl-C is its own, and when it
 * is left the program ends, whatever it does.
 */
#ifndef POSTERN_CLI_PAGER_H
#define POSTERN_CLI_PAGER_H

#include <signal.h>
#include <sys/types.h>

#include "cli/cli.h"

struct pager {
	FILE *out, *err; /* what was cli->out and cli->err before; NULL: there is no pager */
	pid_t pid;
	struct sigaction interrupted, child; /* what was done about these signals before */
};

/* From here on cli->out leads to the pager, and cli->err if it is a terminal, if there is to be one. */
void pager_begin(struct pager *pager, struct cli *cli);
/* Waits until it has been left. */
void pager_end(struct pager *pager, struct cli *cli);

#endif
