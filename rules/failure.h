/*
 * failure: what becomes of a decision that rests on something that did not answer, by the settings `when
 * ... tempfail | pass`. A verdict that turns away stands: it was given for what is known. One that lets
 * in, after rules that asked in vain, is made a tempfail, or stands with a note of what was skipped;
 * either way the trace tells, in an entry of its own behind the rules'. In mode observe nobody is
 * turned away: the tempfail is what would have been said.
 *
 * That a session has asked more questions than it may (ANSWERS_MAX) is no failure of ours but the
 * client's doing, so no setting lets that pass. Pure; memory of the arena given.
 */
#ifndef POSTERN_RULES_FAILURE_H
#define POSTERN_RULES_FAILURE_H

#include "rules/config.h"
#include "rules/ruleset.h"

/* By the facts that the rules looked at; rules that are only observed ask for nobody. */
void failure_judge(const struct config_core *core, struct arena *arena, struct decision *d);
/* A stage waits for nothing, so that there is no decision: fills an empty one. */
void failure_of_stage(const struct config_core *core, struct arena *arena, struct decision *d);

#endif
