/*
 * past_of: entries of the journal that are made up, and what is thought over of them under a text of rules; with the facts of
 * the fake vocabulary.
 */
#ifndef POSTERN_TESTS_RULES_PAST_OF_H
#define POSTERN_TESTS_RULES_PAST_OF_H

#include "rules/change.h"

/* NULL: it cannot be used; the first complaint is in *why. */
struct config *try_config(const char *rules, char why[256]);
/* Asserts that there is nothing to complain about. */
struct config *config_of(const char *rules);
/*
 * facts: as the entry has them. trace: all of it, or what stands behind its head, beginning with a comma; "". NULL: the entry does not hold
 * what it takes.
 */
struct past *past_of(struct arena *arena, const struct config *config, enum step step,
    const char *facts, const char *trace);
/* How many facts the smallest of them has, those left aside that are an administrator's; SIZE_MAX: there is none. */
size_t past_smallest(const struct changes *all);

#endif
