/*
 * tell: hands an event on to the stages that a configuration uses, as the gate does, for sessions that are only played. What
 * they ask stays noted in the session.
 */
#ifndef POSTERN_CLI_TELL_H
#define POSTERN_CLI_TELL_H

#include "filters/stage.h"
#include "rules/config.h"

void tell_stages(
    const struct config *config, struct session *s, enum stage_event event, int64_t now);

#endif
