/*
 * rewrite: puts another text in the place of a file that people write: whole or not at all, and with the mode and owner that it had. A
 * link stays one: what it leads to is rewritten.
 */
#ifndef POSTERN_CLI_REWRITE_H
#define POSTERN_CLI_REWRITE_H

#include "base/err.h"
#include "base/str.h"

struct rewriting {
	struct str
	    before; /* what was read of it: when it holds something else by now, nothing is done */
	struct str after;
};

/* Written as .NAME.new beside it first; when that is there already, somebody else is at it, and nothing is done. */
bool rewrite_file(const char *path, const struct rewriting *w, struct err *e);

#endif
