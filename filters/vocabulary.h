/*
 * vocabulary: the built-in stages and the session's own facts in the form in which the
 * configuration is checked against them. Daemon and command line both load files with it, so
 * that both understand the same language. Const after it was made.
 */
#ifndef POSTERN_FILTERS_VOCABULARY_H
#define POSTERN_FILTERS_VOCABULARY_H

#include "base/arena.h"
#include "mail/part.h"

/* All memory from arena, except what is static anyhow. */
struct config_vocabulary stage_vocabulary(struct arena *arena);

#endif
