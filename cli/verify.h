/*
 * verify: `postern log --verify`: walks the journal's chain and tells what does not fit. Ends with CLI_FOUND when all
 * is whole, CLI_NOTHING when something is missing or was altered.
 */
#ifndef POSTERN_CLI_VERIFY_H
#define POSTERN_CLI_VERIFY_H

#include "cli/cli.h"

/* since_ms: only entries from then on; 0: all. */
int verify_journal(struct cli *cli, struct journal *journal, int64_t since_ms);

#endif
