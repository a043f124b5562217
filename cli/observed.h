/*
 * observed: what rules that are only observed would have refused, or a rule did refuse, and which of that is likely wanted mail: one of our users
 * wrote to the sender before (by the journal, or by what greylisting remembers), or the sender was accepted elsewhere. For
 * `stats --observed`, `promote` and `demote`.
 */
#ifndef POSTERN_CLI_OBSERVED_H
#define POSTERN_CLI_OBSERVED_H

#include "cli/cli.h"
#include "cli/stood.h"

struct observed_question {
	struct journal_span span;
	struct str rule;           /* this one alone; "": all */
	const struct stood *stood; /* where that one stood; NULL: all */
	bool refused;              /* what that one did refuse */
	size_t most;               /* likely false alarms that are shown of each rule */
};

/*
 * Prints it, or as JSON an object a rule. *n: how much that is in all. False: an error was printed.
 */
bool observed_print(
    struct cli *cli, struct journal *journal, const struct observed_question *q, int64_t *n);

#endif
