/*
 * tree: the tokens of a configuration, grouped into statements. It knows where a statement ends and
 * what stands in braces, and nothing of what a statement means; so a mistake inside one cannot
 * reach the next, and one run finds them all. Missing and surplus braces are complained about here.
 *
 * A statement ends with its line, or with `;` inside of braces. It goes on over a line's end
 * inside of parentheses or inner braces, after a comma, `and`, `or` or `if`, and before `if`,
 * `and` or `or`; but an `if` with a block of its own begins a statement.
 */
#ifndef POSTERN_RULES_TREE_H
#define POSTERN_RULES_TREE_H

#include "rules/lex.h"

#define BLOCKS_MAX 16 /* blocks within blocks */

struct statement {
	struct token *token; /* without line ends; one TOKEN_END follows the last */
	size_t n;            /* never 0 */
	bool bad;            /* complained about already: leave it alone */
	bool block;          /* has braces: the statements in them follow */
	struct statement *body;
	struct statement *next;
};

/* NULL: there is no statement, or blocks are nested too deeply. Memory of the arena. */
struct statement *tree_read(
    const struct source *source, struct complaints *complaints, struct arena *arena);

#endif
