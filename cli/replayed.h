/*
 * replayed: what the subcommands that replay the journal share: it is told of the configurations of then, and hands events to stages.
 */
#ifndef POSTERN_CLI_REPLAYED_H
#define POSTERN_CLI_REPLAYED_H

#include "base/err.h"
#include "db/journal.h"
#include "rules/replay.h"

/* The replay knows the revision from here on; false and e: the journal could not be read. */
bool replayed_learn(
    struct replay *replay, struct journal *journal, struct str revision, struct err *e);
/* For replay_new(). */
void replayed_tell(
    const struct config *config, struct session *s, enum replay_event event, int64_t now);

#endif
