/*
 * lint: what of a configuration can be loaded and is hardly meant: what nothing uses, conditions that are always true or
 * never, rules that another one always comes before, and questions that need not be asked. Each is a warning with its place
 * and how it is mended. Pure.
 */
#ifndef POSTERN_RULES_LINT_H
#define POSTERN_RULES_LINT_H

#include "rules/rule.h"

/* Behind rules_check(), when there was no error. */
void lint_check(struct load *load, const struct ruleset *rules);

#endif
