/*
 * waits: how long greylisting has delayed what was let in, out of the journal: from the first attempt of sender and
 * recipient to the message that was taken. For `postern stats`.
 */
#ifndef POSTERN_CLI_WAITS_H
#define POSTERN_CLI_WAITS_H

#include "cli/cli.h"

/* A line for a person, nothing when nothing waited; or a member of the JSON object that is open. */
bool waits_print(
    struct cli *cli, struct journal *journal, const struct journal_span *span, struct err *e);

#endif
