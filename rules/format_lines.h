/*
 * format_lines: the tokens of a configuration put into lines. Private to format.
 */
#ifndef POSTERN_RULES_FORMAT_LINES_H
#define POSTERN_RULES_FORMAT_LINES_H

#include "rules/lex.h"

/* A token or a comment, and what the tree says of it. */
struct item {
	struct token t;
	unsigned newlines;  /* before it */
	bool start;         /* of a statement */
	bool opens, closes; /* a block */
	size_t partner;     /* OPENS, CLOSES: the other brace */
	bool several;       /* OPENS, CLOSES: the block has lines of its own */
};

struct format {
	struct arena *arena;
	struct item *item;
	size_t n;
	/* in the order of the text: where statements begin, and the braces of blocks */
	const char **start, **brace;
	size_t n_starts, n_braces;
};

struct str format_lines(struct format *f);

#endif
