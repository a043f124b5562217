#include "rules/lex.h"

#include <stdio.h>

#include "base/escape.h"
#include "rules/complaint.h"
#include "rules/literal.h"

void
lexer_init(struct lexer *lexer, const struct source *source, struct complaints *complaints)
{
	struct str text = source->text;

	*lexer = (struct lexer){
		.source = source, .complaints = complaints, .line = 1, .no_word = true
	};
	lexer->p = lexer->line_start = text.p;
	lexer->end = text.p + text.n;
	if (str_starts(text, STR(BYTE_ORDER_MARK)))
		lexer->p = lexer->line_start += 3;
}

void
lexer_init_text(
    struct lexer *lexer, const struct lexer *whole, const struct token *text, size_t from)
{
	*lexer = *whole;
	lexer->p = text->text.p + from;
	lexer->end = text->text.p + text->text.n;
	lexer->line = text->line;
	/* one before the text stands its quote, whose column is the token's */
	lexer->line_start = text->text.p - text->column;
	lexer->in_text = true;
	lexer->no_word = false;
}

static struct token
token_at(const struct lexer *lexer, enum token_kind kind, size_t n)
{
	return (struct token){ .kind = kind,
		.line = lexer->line,
		.column = (unsigned)(lexer->p - lexer->line_start) + 1,
		.text = { lexer->p, n },
		.source = lexer->source };
}

static struct token
take(struct lexer *lexer, enum token_kind kind, size_t n)
{
	struct token t = token_at(lexer, kind, n);

	lexer->p += n;
	return t;
}

static struct token
bad(struct lexer *lexer, size_t n, const char *why)
{
	struct token t = take(lexer, TOKEN_BAD, n);

	complain(lexer->complaints, lexer->source, &t, "%s", why);
	return t;
}

/* Letters, digits and what stands inside of names, numbers, addresses, networks, 80% and *. */
static bool
is_word(char c)
{
	return ascii_isalnum(c) || (c != '\0' && strchr("_.-:/%*+", c) != NULL);
}

static bool
is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static void
skip_blanks(struct lexer *lexer)
{
	while (
	    lexer->p < lexer->end && (*lexer->p == ' ' || *lexer->p == '\t' || *lexer->p == '\r'))
		lexer->p++;
	if (lexer->p < lexer->end && *lexer->p == '#' && !lexer->in_text && !lexer->comments)
		while (lexer->p < lexer->end && *lexer->p != '\n')
			lexer->p++;
}

/* Where a text ends: at its closing quote, which is `quote` octets long, or with the line. */
static const char *
text_end(const struct lexer *lexer, const char *p, size_t quote)
{
	for (; p < lexer->end && *p != '\n'; p++) {
		if (*p == '"' && quote == 1)
			break;
		if (*p != '\\')
			continue;
		if (quote == 2 && p + 1 < lexer->end && p[1] == '"')
			break;
		p += p + 1 < lexer->end && p[1] != '\n';
	}
	return p;
}

/* What may not stand in a text; NULL: it is all right. */
static const char *
text_fault(struct str text, size_t *at)
{
	for (size_t i = 0; i < text.n; i++) {
		*at = i;
		if (is_control(text.p[i]))
			return "a text holds no control characters";
		if (text.p[i] != '\\')
			continue;
		if (++i == text.n || (text.p[i] != '"' && text.p[i] != '\\'))
			return "in a text, write \\\\ for a backslash and \\\" for a quote";
	}
	return NULL;
}

/* From its opening quote on. One complaint a text, whatever is wrong in it. */
static struct token
lex_text(struct lexer *lexer, size_t quote)
{
	struct token t = token_at(lexer, TOKEN_TEXT, 0), fault;
	const char *end = text_end(lexer, lexer->p + quote, quote), *why;
	size_t at;

	t.text.p = lexer->p + quote;
	t.text.n = (size_t)(end - t.text.p);
	if (end == lexer->end || *end == '\n') {
		t.kind = TOKEN_BAD;
		complain(lexer->complaints, lexer->source, &t,
		    "this text never ends: its closing quote is missing on this line");
		lexer->p = end;
		return t;
	}
	why = text_fault(t.text, &at);
	if (why != NULL) {
		fault = t;
		fault.column += (unsigned)(quote + at);
		t.kind = TOKEN_BAD;
		complain(lexer->complaints, lexer->source, &fault, "%s", why);
	}
	lexer->p = end + quote;
	return t;
}

static struct token
lex_compare(struct lexer *lexer)
{
	char c = lexer->p[0], next = lexer->p + 1 < lexer->end ? lexer->p[1] : '\0';

	switch (c) {
	case '=':
		if (next == '=')
			return bad(lexer, 2, "`==`: write `=` or `is`");
		return take(lexer, TOKEN_EQ, 1);
	case '!':
		if (next == '=')
			return take(lexer, TOKEN_NE, 2);
		return bad(lexer, 1, "`!`: write `not`");
	case '<':
		if (next == '>')
			return bad(lexer, 2, "`<>`: write `!=` or `is not`");
		return next == '=' ? take(lexer, TOKEN_LE, 2) : take(lexer, TOKEN_LT, 1);
	default:
		return next == '=' ? take(lexer, TOKEN_GE, 2) : take(lexer, TOKEN_GT, 1);
	}
}

static struct token
lex_strange(struct lexer *lexer)
{
	char c = *lexer->p, text[96];
	size_t n = 1;

	if (c == '&' || c == '|') {
		if (lexer->p + 1 < lexer->end && lexer->p[1] == c)
			n = 2;
		snprintf(text, sizeof text, "`%.*s`: write `%s`", (int)n, lexer->p,
		    c == '&' ? "and" : "or");
		return bad(lexer, n, text);
	}
	if (c == '\'') {
		const char *end = memchr(lexer->p + 1, '\'', (size_t)(lexer->end - lexer->p - 1));
		const char *line = memchr(lexer->p, '\n', (size_t)(lexer->end - lexer->p));

		if (end != NULL && (line == NULL || end < line))
			n = (size_t)(end - lexer->p) + 1;
		return bad(lexer, n, "texts stand in double quotes: \"like this\"");
	}
	/* one character, not one octet of it */
	while (n < 4 && lexer->p + n < lexer->end && ((unsigned char)c & 0xc0) == 0xc0 &&
	    ((unsigned char)lexer->p[n] & 0xc0) == 0x80)
		n++;
	snprintf(text, sizeof text, "`%s` has no meaning here; texts stand in double quotes",
	    ESC(((struct str){ lexer->p, n })));
	return bad(lexer, n, text);
}

/* Up to the end of its line, without blanks there. */
static struct token
lex_comment(struct lexer *lexer)
{
	struct str rest = { lexer->p, (size_t)(lexer->end - lexer->p) }, line = rest;

	str_pop(&rest, '\n', &line);
	while (line.n > 0 && strchr(" \t\r", line.p[line.n - 1]) != NULL)
		line.n--;
	return take(lexer, TOKEN_COMMENT, line.n);
}

static struct token
lex_regex(struct lexer *lexer)
{
	struct str rest = { lexer->p, (size_t)(lexer->end - lexer->p) };
	size_t n = literal_regex(rest), line = str_find(rest, '\n');

	if (n > 0)
		return take(lexer, TOKEN_REGEX, n);
	return bad(lexer, line == STR_NPOS ? rest.n : line,
	    "this regular expression never ends: its closing `/` is missing on this line");
}

static struct token
next_token(struct lexer *lexer)
{
	static const char single[] = "{}(),;";
	struct token t;
	size_t n = 0, left;
	const char *s;

	skip_blanks(lexer);
	left = (size_t)(lexer->end - lexer->p);
	if (left == 0)
		return token_at(lexer, TOKEN_END, 0);
	if (*lexer->p == '\n') {
		t = take(lexer, TOKEN_NEWLINE, 1);
		lexer->line++;
		lexer->line_start = lexer->p;
		return t;
	}
	if (*lexer->p == '#' && !lexer->in_text)
		return lex_comment(lexer);
	if (*lexer->p == '/' && lexer->no_word)
		return lex_regex(lexer);
	while (n < left && is_word(lexer->p[n]))
		n++;
	if (n > 0)
		return take(lexer, TOKEN_WORD, n);
	if (*lexer->p == '"' && !lexer->in_text)
		return lex_text(lexer, 1);
	if (*lexer->p == '\\' && lexer->in_text && left > 1 && lexer->p[1] == '"')
		return lex_text(lexer, 2);
	if (*lexer->p == '=' || *lexer->p == '!' || *lexer->p == '<' || *lexer->p == '>')
		return lex_compare(lexer);
	s = *lexer->p == '\0' ? NULL : strchr(single, *lexer->p);
	if (s != NULL)
		return take(lexer, TOKEN_OPEN + (enum token_kind)(s - single), 1);
	return lex_strange(lexer);
}

struct token
lexer_next(struct lexer *lexer)
{
	struct token t = next_token(lexer);

	lexer->no_word = !lexer->in_text &&
	    (t.kind == TOKEN_OPEN || t.kind == TOKEN_COMMA || t.kind == TOKEN_NEWLINE ||
		t.kind == TOKEN_SEMICOLON || token_is(&t, "matches"));
	return t;
}

bool
token_is(const struct token *t, const char *word)
{
	return t->kind == TOKEN_WORD && str_eq(t->text, str_of(word));
}

struct str
token_raw(const struct token *t)
{
	size_t quote = t->kind == TOKEN_TEXT;

	return (struct str){ t->text.p - quote, t->text.n + 2 * quote };
}

struct str
token_value(const struct token *t, struct arena *arena)
{
	char *out = arena_alloc(arena, t->text.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < t->text.n; i++) {
		if (t->text.p[i] == '\\' && i + 1 < t->text.n)
			i++;
		out[n++] = t->text.p[i];
	}
	return (struct str){ out, n };
}

const char *
token_show(const struct token *t, char out[TOKEN_SHOWN])
{
	char text[TOKEN_SHOWN - 8], value[TOKEN_SHOWN];
	size_t n = 0;

	switch (t->kind) {
	case TOKEN_END:
	case TOKEN_NEWLINE:
		return "the end of the line";
	case TOKEN_TEXT:
		for (size_t i = 0; i < t->text.n && n < sizeof value; i++) {
			if (t->text.p[i] == '\\' && i + 1 < t->text.n)
				i++;
			value[n++] = t->text.p[i];
		}
		escape_text((struct str){ value, n }, text, sizeof text);
		snprintf(out, TOKEN_SHOWN, "\"%s\"", text);
		return out;
	default:
		escape_text(t->text, text, sizeof text);
		snprintf(out, TOKEN_SHOWN, "`%s`", text);
		return out;
	}
}
