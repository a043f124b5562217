/*
 * propose: limits out of the past. Reads the journal's accepted messages of one account or client, or of every account, sums them up by
 * day, and tells for some candidates how often each would have stopped mail that was let in.
 */
#ifndef POSTERN_CLI_PROPOSE_H
#define POSTERN_CLI_PROPOSE_H

#include "cli/cli.h"

struct propose {
	struct str who;             /* as it was given */
	struct str account, client; /* one of them; all three "": every account */
	int64_t since_ms;
};

/* Prints it. An exit code. */
int propose_limits(struct cli *cli, const struct propose *p);

#endif
