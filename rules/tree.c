#include "rules/tree.h"

#include <stdlib.h>

#include "base/die.h"
#include "rules/complaint.h"

struct tree {
	const struct source *source;
	struct complaints *complaints;
	struct arena *arena;
	struct token *all; /* of the file, line ends included, TOKEN_END last */
	size_t n;
	struct token *kept; /* room for those of the statements */
	size_t at;
	size_t depth; /* blocks that are open */
	bool over;    /* too many of them: the rest is not read */
};

/* What the first word of a statement says of the braces in it. */
enum shape {
	SHAPE_TOP,  /* they hold its block */
	SHAPE_LINE, /* they hold a list */
	SHAPE_HEAD, /* they hold a list behind `in`, else its block */
};

/* Whether a token begins what can only be a rule: there, something before it was left open. */
static bool
begins_rule(const struct token *t)
{
	static const char *const words[] = { "observe", "accept", "tempfail", "reject", "mark",
		"add", "delay" };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (token_is(t, words[i]))
			return true;
	return false;
}

static bool
joins(const struct token *t)
{
	return token_is(t, "if") || token_is(t, "and") || token_is(t, "or");
}

/* A block at the top of the file: found inside of another, that other was never closed. */
static bool
begins_block(const struct token *t)
{
	return (token_is(t, "at") || token_is(t, "list") || token_is(t, "plan")) &&
	    t[1].kind == TOKEN_WORD && t[2].kind == TOKEN_OPEN;
}

static const struct token *
skip_newlines(const struct token *t)
{
	while (t->kind == TOKEN_NEWLINE)
		t++;
	return t;
}

/* What is open inside of the statement being read. */
struct depth {
	size_t parens, braces;
};

static bool
opens_list(const struct token *brace)
{
	return token_is(brace - 1, "in");
}

/* Whether a line's end behind t is none of the condition of an `if`. */
static bool
condition_goes_on(const struct token *t)
{
	const struct token *next = skip_newlines(t);

	return t[-1].kind == TOKEN_COMMA || joins(&t[-1]) || token_is(next, "and") ||
	    token_is(next, "or") || next->kind == TOKEN_OPEN;
}

/*
 * Whether this `if` heads a block, rather than ending the rule before it. A condition holds no `if`, so
 * that each token is looked at once, however many lines begin with one.
 */
static bool
heads_block(const struct token *t)
{
	size_t parens = 0, braces = 0;

	if (!token_is(t, "if"))
		return false;
	for (t++; t->kind != TOKEN_END && !token_is(t, "if"); t++) {
		if (t->kind == TOKEN_OPEN && braces == 0 && !opens_list(t))
			return true;
		braces += t->kind == TOKEN_OPEN;
		parens += t->kind == TOKEN_LEFT;
		parens -= t->kind == TOKEN_RIGHT && parens > 0;
		if (braces == 0 && (t->kind == TOKEN_CLOSE || t->kind == TOKEN_SEMICOLON))
			return false;
		braces -= t->kind == TOKEN_CLOSE;
		if (t->kind == TOKEN_NEWLINE && parens + braces == 0 && !condition_goes_on(t))
			return false;
	}
	return false;
}

static bool
goes_on(const struct tree *tree, const struct statement *s, struct depth depth, enum shape shape)
{
	const struct token *next = skip_newlines(&tree->all[tree->at]);
	const struct token *last = s->n > 0 ? &s->token[s->n - 1] : NULL;

	if (last == NULL)
		return false;
	/* no block at the top of the file has parentheses: one that is open there is a mistake */
	if (shape != SHAPE_TOP && depth.parens + depth.braces > 0)
		return !begins_rule(next) && !begins_block(next);
	if (last->kind == TOKEN_COMMA || joins(last))
		return true;
	if (next->kind == TOKEN_OPEN)
		return shape != SHAPE_LINE;
	return joins(next) && !heads_block(next);
}

/* inside: of a block. */
static enum shape
shape_of(const struct token *first, bool inside)
{
	if (token_is(first, "define"))
		return SHAPE_LINE;
	if (!inside)
		return SHAPE_TOP;
	return token_is(first, "if") || token_is(first, "else") || token_is(first, "for")
	    ? SHAPE_HEAD
	    : SHAPE_LINE;
}

static void
keep(struct tree *tree, struct statement *s)
{
	s->token[s->n++] = tree->all[tree->at++];
}

/*
 * Takes tokens up to the statement's end. True: a block opens there (its `{` is the next token).
 */
static bool
read_head(struct tree *tree, struct statement *s, enum shape shape)
{
	struct depth depth = { 0, 0 };

	for (;;) {
		const struct token *t = &tree->all[tree->at];

		switch (t->kind) {
		case TOKEN_END:
			return false;
		case TOKEN_NEWLINE:
			if (!goes_on(tree, s, depth, shape))
				return false;
			tree->at++;
			continue;
		case TOKEN_SEMICOLON:
			if (depth.parens + depth.braces == 0)
				return false;
			break;
		case TOKEN_OPEN:
			if (shape != SHAPE_LINE && depth.braces == 0 &&
			    (shape == SHAPE_TOP || s->n == 0 || !opens_list(t)))
				return true;
			depth.braces++;
			break;
		case TOKEN_CLOSE:
			if (depth.braces == 0)
				return false;
			depth.braces--;
			break;
		case TOKEN_LEFT:
			depth.parens++;
			break;
		case TOKEN_RIGHT:
			depth.parens -= depth.parens > 0;
			break;
		case TOKEN_BAD:
			s->bad = true;
			tree->at++;
			continue;
		default:
			break;
		}
		keep(tree, s);
	}
}

static struct statement *read_body(struct tree *tree, const struct token *open);

static void
give_up(struct tree *tree, const struct token *open)
{
	complain(tree->complaints, tree->source, open,
	    "nested too deeply: blocks go %d levels deep", BLOCKS_MAX);
	tree->at = tree->n - 1;
	tree->over = true;
}

static struct statement *
read_statement(struct tree *tree, bool inside)
{
	struct statement *s = ARENA_NEW(tree->arena, struct statement);
	struct token *end;

	s->token = tree->kept;
	s->block = read_head(tree, s, shape_of(&tree->all[tree->at], inside));
	end = &s->token[s->n];
	*end = tree->all[tree->at];
	end->kind = TOKEN_END;
	tree->kept = end + 1;
	if (s->block) {
		const struct token *open = &tree->all[tree->at++];

		if (s->n == 0)
			complain(
			    tree->complaints, tree->source, open, "`{` without a name before it");
		if (tree->depth++ == BLOCKS_MAX)
			give_up(tree, open);
		s->body = read_body(tree, open);
		tree->depth--;
	}
	return s;
}

/* Up to its `}`, or to where that is seen to be missing. */
static struct statement *
read_body(struct tree *tree, const struct token *open)
{
	struct statement *first = NULL, **end = &first;

	for (;;) {
		const struct token *t = &tree->all[tree->at];

		if (t->kind == TOKEN_CLOSE) {
			tree->at++;
			return first;
		}
		if (t->kind == TOKEN_END && tree->over)
			return first;
		if (t->kind == TOKEN_END) {
			complain(tree->complaints, tree->source, open,
			    "this block is never closed: its `}` is missing");
			return first;
		}
		if (begins_block(t)) {
			complain(tree->complaints, tree->source, t,
			    "`}` is missing before this: the block of line %u is still open",
			    open->line);
			return first;
		}
		if (t->kind == TOKEN_NEWLINE || t->kind == TOKEN_SEMICOLON) {
			tree->at++;
			continue;
		}
		*end = read_statement(tree, true);
		if ((*end)->n > 0)
			end = &(*end)->next;
		else
			*end = NULL;
	}
}

static void
lex_all(struct tree *tree)
{
	struct lexer lexer;
	size_t cap = 0;

	lexer_init(&lexer, tree->source, tree->complaints);
	do {
		if (tree->n == cap) {
			cap = cap ? cap * 2 : 256;
			tree->all = xrealloc(tree->all, cap * sizeof *tree->all);
		}
		tree->all[tree->n] = lexer_next(&lexer);
		/* empty lines are nothing to remember */
		if (tree->n > 0 && tree->all[tree->n].kind == TOKEN_NEWLINE &&
		    tree->all[tree->n - 1].kind == TOKEN_NEWLINE)
			tree->n--;
	} while (tree->all[tree->n++].kind != TOKEN_END);
}

struct statement *
tree_read(const struct source *source, struct complaints *complaints, struct arena *arena)
{
	struct tree tree = { .source = source, .complaints = complaints, .arena = arena };
	struct statement *first = NULL, **end = &first;

	lex_all(&tree);
	/* each statement keeps its tokens and an end; it is begun by one token at least */
	tree.kept = ARENA_ARRAY(arena, struct token, 2 * tree.n + 1);
	while (tree.all[tree.at].kind != TOKEN_END) {
		const struct token *t = &tree.all[tree.at];

		if (t->kind == TOKEN_NEWLINE || t->kind == TOKEN_SEMICOLON) {
			tree.at++;
		} else if (t->kind == TOKEN_CLOSE) {
			complain(complaints, source, t, "`}` without a `{` before it");
			tree.at++;
		} else {
			*end = read_statement(&tree, false);
			if ((*end)->n > 0)
				end = &(*end)->next;
			else
				*end = NULL;
		}
	}
	free(tree.all);
	return tree.over ? NULL : first;
}
