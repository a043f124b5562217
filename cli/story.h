/*
 * story: tells an administrator how a verdict came about, out of a tale: in a sentence first, then
 * whom it was for, what would have let it pass, each rule that was tried with the facts it asked for, and
 * the answers behind them. Sentences are broken at 80 columns, lines of a table cut at the terminal's.
 */
#ifndef POSTERN_CLI_STORY_H
#define POSTERN_CLI_STORY_H

#include "cli/tale.h"

/* The verdict with whom it was for, and which rule gave it. */
void story_head(const struct tale *t);
/* What would have let it pass (tale_changes() has looked); and as the members of an object's array. */
void story_changes(const struct tale *t);
void story_changes_json(const struct tale *t, struct buf *out);
/* And how far it was looked, as members of the object around it, if it was. */
void story_searched_json(const struct tale *t, struct buf *b);
/* The rules of each step, the one that decided marked. */
void story_rules(const struct tale *t);
void story_facts(const struct tale *t);
/* story_answers.c */
void story_answers(const struct tale *t);
/* How long each stage took. */
void story_stages(const struct tale *t);
/* What the reply means, and what can be done. */
void story_meaning(const struct tale *t);

/* An empty line, and a line in bold. */
void story_heading(const struct tale *t, const char *text);

#endif
