/*
 * text: the texts of rules: "Blocked: ${client.ip} is listed". What a fact brings in comes from the
 * network: control characters become '?', and it is cut; the rest is for whoever writes the text
 * somewhere to escape.
 */
#include "rules/eval.h"

#define ARGUMENT_TOKENS (2 * FACT_PARAMS + 8)

/* The fact after "${"; *from is moved behind its "}". */
static bool
read_fact(struct load *load, const struct token *text, size_t *from, struct operand *out)
{
	struct token token[ARGUMENT_TOKENS + 1];
	struct lexer whole, lexer;
	struct cursor c = { load, token };
	size_t n = 0;

	lexer_init(&whole, text->source ? text->source : load->source, load->complaints);
	lexer_init_text(&lexer, &whole, text, *from);
	for (;;) {
		token[n] = lexer_next(&lexer);
		if (token[n].kind == TOKEN_BAD)
			return false;
		if (token[n].kind == TOKEN_CLOSE || token[n].kind == TOKEN_END ||
		    n == ARGUMENT_TOKENS)
			break;
		n++;
	}
	if (token[n].kind != TOKEN_CLOSE) {
		COMPLAIN(load, &token[0],
		    token[n].kind == TOKEN_END ? "the `}` of this `${` is missing in the text"
					       : "too much stands in this `${`");
		return false;
	}
	token[n].kind = TOKEN_END;
	*from = (size_t)(lexer.p - text->text.p);
	if (n == 0 || token[0].kind != TOKEN_WORD) {
		COMPLAIN(load, &token[0], "the name of a fact belongs into ${}");
		return false;
	}
	return operand_parse(&c, out) && cursor_end(&c);
}

/* The literal up to the next "${" (whose place is *from then) or the text's end. */
static struct str
read_literal(struct load *load, struct str raw, size_t *from)
{
	char *out = arena_alloc(load->arena, raw.n - *from + 1);
	size_t i = *from, n = 0;

	while (i < raw.n && !(raw.p[i] == '$' && i + 1 < raw.n && raw.p[i + 1] == '{')) {
		bool more = i + 1 < raw.n;

		if (more && (raw.p[i] == '\\' || (raw.p[i] == '$' && raw.p[i + 1] == '$')))
			i++;
		out[n++] = raw.p[i++];
	}
	*from = i;
	return (struct str){ out, n };
}

/* --- a dollar alone --------------------------------------------------------------------------------- */

static bool
is_known(const struct load *load, struct str name)
{
	return str_eq(name, STR("score")) || str_eq(name, STR("hostname")) ||
	    fact_find(&load->config->facts, name) != NULL;
}

/* The fact that a text goes on with, whatever stands behind its name; "": none. */
static struct str
fact_at(const struct load *load, struct str rest)
{
	struct str name = { rest.p, 0 };
	size_t dot;

	while (name.n < rest.n &&
	    (ascii_isalnum(rest.p[name.n]) || rest.p[name.n] == '_' || rest.p[name.n] == '.'))
		name.n++;
	while (name.n > 0 && !is_known(load, name)) {
		dot = str_rfind(name, '.');
		name.n = dot == STR_NPOS ? 0 : dot;
	}
	return name;
}

/* As in a shell: whoever writes "$helo" wants the name and not the word. */
static void
warn_of_dollars(struct load *load, const struct token *text)
{
	struct str raw = text->text;

	for (size_t i = 0; i + 1 < raw.n; i++) {
		struct str name = fact_at(load, str_sub(raw, i + 1, raw.n));
		struct token at = *text;

		if (raw.p[i] != '$' || name.n == 0) {
			/* what is escaped is meant */
			i += raw.p[i] == '\\' || (raw.p[i] == '$' && raw.p[i + 1] == '$');
			continue;
		}
		at.column += (unsigned)(1 + i);
		REMARK(load, &at, LINT_BARE_DOLLAR,
		    "`$%.*s` stays as it is written: " MEND
		    "write `${%.*s}` for the fact, `$$%.*s` for these words",
		    STR_ARG(name), STR_ARG(name), STR_ARG(name));
	}
}

struct piece *
text_parse(struct load *load, const struct token *text)
{
	struct piece *first = NULL, **end = &first;
	struct str raw = text->text;
	size_t from = 0;

	if (str_trim(raw).n == 0) {
		COMPLAIN(load, text, "an empty text explains nothing");
		return NULL;
	}
	if (raw.n > TEXT_MAX) {
		COMPLAIN(load, text, "this text has %zu octets; %d are allowed", raw.n, TEXT_MAX);
		return NULL;
	}
	while (from < raw.n) {
		struct piece *piece = ARENA_NEW(load->arena, struct piece);

		piece->literal = read_literal(load, raw, &from);
		if (from < raw.n) {
			from += 2;
			piece->expands = true;
			if (!read_fact(load, text, &from, &piece->operand))
				return NULL;
		}
		*end = piece;
		end = &piece->next;
	}
	if (load->vocabulary && load->vocabulary->lint)
		warn_of_dollars(load, text);
	return first;
}

/* Not in the middle of a character, which has four octets at most. */
static size_t
cut(struct str s)
{
	size_t n = EXPANSION_MAX;

	if (s.n <= n)
		return s.n;
	while (n > EXPANSION_MAX - 4 && ((unsigned char)s.p[n] & 0xc0) == 0x80)
		n--;
	return n > EXPANSION_MAX - 4 ? n : EXPANSION_MAX;
}

static void
add_value(struct buf *out, const struct value *value)
{
	struct buf b;

	if (value->type == VALUE_NONE) {
		buf_add(out, STR("unknown"));
		return;
	}
	buf_init(&b, 64 * 1024);
	value_print(value, &b);
	for (size_t i = 0, n = cut(buf_str(&b)); i < n; i++) {
		unsigned char c = (unsigned char)b.p[i];

		buf_addc(out, c < 0x20 || c == 0x7f ? '?' : (char)c);
	}
	buf_free(&b);
}

enum progress
text_expand(struct evaluation *ev, const struct piece *text, struct str *out)
{
	enum progress progress = DONE;
	struct buf b;

	/* a text of TEXT_MAX octets has room for 100 facts at most: ${x} */
	buf_init(&b, TEXT_MAX + TEXT_MAX / 4 * (EXPANSION_MAX + 8));
	for (; text != NULL && progress == DONE; text = text->next) {
		const struct value *value;

		buf_add(&b, text->literal);
		if (!text->expands)
			continue;
		value = evaluation_value(ev, &text->operand);
		progress = value ? DONE : PENDING;
		if (value)
			add_value(&b, value);
	}
	if (progress == DONE)
		*out = arena_dup(ev->arena, buf_str(&b));
	buf_free(&b);
	return progress;
}
