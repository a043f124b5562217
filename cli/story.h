/*
 * story: tells how a verdict came about, for a person: the session, each rule looked at with the
 * facts it asked for, and the answers behind them. `why` tells it from the journal, `test` from a
 * session that was played; both have it as the JSON texts of rules/record.h.
 */
#ifndef POSTERN_CLI_STORY_H
#define POSTERN_CLI_STORY_H

#include "cli/cli.h"

/* The verdict with whom it was for. */
void story_head(struct cli *cli, const struct journal_record *r);
/* The rules of the step, the one that decided marked; then all facts, then all answers. */
void story_rules(struct cli *cli, const struct journal_record *r);
void story_facts(struct cli *cli, const struct journal_record *r);
void story_answers(struct cli *cli, const struct journal_record *r);

#endif
