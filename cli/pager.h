/*
 * pager: shows what a subcommand prints a screen at a time, as git does: with $PAGER, else less, else more. Only where
 * out is a terminal; "cat" or an empty $PAGER turn it off.
 */
#ifndef POSTERN_CLI_PAGER_H
#define POSTERN_CLI_PAGER_H

#include <sys/types.h>

#include "cli/cli.h"

struct pager {
	FILE *out; /* what was cli->out before; NULL: there is no pager */
	pid_t pid;
};

/* From here on cli->out leads to the pager, if there is to be one. */
void pager_begin(struct pager *pager, struct cli *cli);
/* Waits until it has been left. */
void pager_end(struct pager *pager, struct cli *cli);

#endif
