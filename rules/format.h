/*
 * format: a configuration in its usual form: four blanks for each block, one between tokens, long lines
 * broken, what belongs together aligned. Where somebody ended a line it ends, and comments stay where
 * they are; so formatting twice is formatting once. What is said stays the same token for token, which is
 * looked at before the text is given back. Pure.
 */
#ifndef POSTERN_RULES_FORMAT_H
#define POSTERN_RULES_FORMAT_H

#include "rules/lex.h"

#define FORMAT_WIDTH 100

/* False and complaints: the text has mistakes, and is to be left alone. Memory of the arena. */
bool format_text(const struct source *source, struct complaints *complaints, struct arena *arena,
    struct str *out);

#endif
