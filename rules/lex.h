/*
 * lex: the text of a configuration, cut into tokens. Knows quotes, comments and line ends; knows no
 * words. What cannot be a token is complained about here, once, and comes out as TOKEN_BAD, so that
 * whoever reads the statement can leave it alone. Slices point into the source, which must outlive
 * the tokens. Pure.
 */
#ifndef POSTERN_RULES_LEX_H
#define POSTERN_RULES_LEX_H

#include "base/arena.h"
#include "rules/config.h"

/* Editors leave one in front of a text; it means nothing. */
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

/* A file as it was read. */
struct source {
	const char *file; /* as the admin named it: in complaints */
	/* as seen from the folder of the configuration: in the journal, so that it is the same everywhere */
	struct str name;
	struct str text;
};

enum token_kind {
	TOKEN_END,
	TOKEN_NEWLINE,
	TOKEN_WORD, /* anything without quotes: name, number, 5m, 192.0.2.0/24 */
	TOKEN_TEXT, /* "quoted"; the slice is without its quotes, escapes still in it */
	TOKEN_OPEN, /* { */
	TOKEN_CLOSE,
	TOKEN_LEFT, /* ( */
	TOKEN_RIGHT,
	TOKEN_COMMA,
	TOKEN_SEMICOLON,
	TOKEN_EQ,
	TOKEN_NE,
	TOKEN_LT,
	TOKEN_LE,
	TOKEN_GT,
	TOKEN_GE,
	TOKEN_BAD,
	TOKEN_COMMENT, /* with its #, when the lexer is to give them */
	TOKEN_REGEX, /* /pattern/flags, slashes and all: behind `matches`, and as an item of a list */
};

struct token {
	enum token_kind kind;
	unsigned line, column; /* from 1, in octets */
	struct str text;
	const struct source *source; /* that it stands in; NULL: made up */
};

struct lexer {
	const struct source *source;
	struct complaints *complaints;
	const char *p, *end, *line_start;
	unsigned line;
	bool comments; /* they are tokens */
	bool in_text;  /* inside "${...}": quotes are written \" there */
	bool no_word; /* what came last can be followed by a regular expression: a `/` begins one */
};

void lexer_init(struct lexer *lexer, const struct source *source, struct complaints *complaints);
/* Reads a part of a TOKEN_TEXT (from its octet `from` on) as tokens: what stands in ${...}. */
void lexer_init_text(
    struct lexer *lexer, const struct lexer *whole, const struct token *text, size_t from);
struct token lexer_next(struct lexer *lexer);

bool token_is(const struct token *t, const char *word);
/* As it was written, quotes and all. */
struct str token_raw(const struct token *t);
/* The value of a TOKEN_TEXT: its escapes \" and \\ resolved. */
struct str token_value(const struct token *t, struct arena *arena);
/* "`word`", "\"text\"", "the end of the line": for complaints; escaped and cut. */
#define TOKEN_SHOWN 96
const char *token_show(const struct token *t, char out[TOKEN_SHOWN]);
#define SHOW(t) token_show((t), (char[TOKEN_SHOWN]){ 0 })

#endif
