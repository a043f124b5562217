#include "rules/format.h"

#include "rules/format_lines.h"
#include "rules/rule.h"

/* --- what the tree says of tokens ------------------------------------------------------------------ */

static void
mark_tree(struct format *f, const struct statement *s)
{
	for (; s != NULL; s = s->next) {
		f->start[f->n_starts++] = s->token[0].text.p;
		if (!s->block)
			continue;
		/* what ends the statement is the brace */
		f->brace[f->n_braces++] = s->token[s->n].text.p;
		mark_tree(f, s->body);
	}
}

static size_t
count_tree(const struct statement *s)
{
	size_t n = 0;

	for (; s != NULL; s = s->next)
		n += 1 + count_tree(s->body);
	return n;
}

/* Where a `;` is all that keeps a statement from going on the one before it. */
static void
check_begins(const struct source *source, struct complaints *complaints, const struct statement *s,
    bool inside)
{
	for (; s != NULL; s = s->next) {
		const struct token *t = s->token;

		if (token_is(t, "and") || token_is(t, "or") ||
		    (token_is(t, "if") && !(inside && s->block)))
			complain(
			    complaints, source, t, "no statement begins with %s here", SHOW(t));
		check_begins(source, complaints, s->body, true);
	}
}

/* Rules, too, are read, so that a file with a mistake in its grammar is left alone. */
static void
read_rules(const struct source *source, struct complaints *complaints, struct arena *arena,
    const struct statement *s)
{
	struct config config = { 0 };
	struct load load = {
		.arena = arena, .complaints = complaints, .source = source, .config = &config
	};
	struct rule *rules = NULL;

	for (; s != NULL; s = s->next) {
		if (token_is(s->token, "at"))
			at_read(&load, s, &rules);
		else if (token_is(s->token, "define"))
			define_read(&load, s);
	}
}

/* --- what is laid out ------------------------------------------------------------------------------- */

static void
lex_all(struct format *f, const struct source *source, struct complaints *complaints)
{
	struct lexer lexer;
	size_t cap = source->text.n + 1;
	unsigned newlines = 0;

	f->item = ARENA_ARRAY(f->arena, struct item, cap);
	lexer_init(&lexer, source, complaints);
	lexer.comments = true;
	for (;;) {
		struct token t = lexer_next(&lexer);

		if (t.kind == TOKEN_END)
			return;
		if (t.kind == TOKEN_NEWLINE) {
			newlines++;
			continue;
		}
		f->item[f->n++] = (struct item){ .t = t, .newlines = newlines };
		newlines = 0;
	}
}

/* What goes on over a line's end ends at a `;` all the same: without it, two statements would be one. */
static const struct token *
needed_behind(const struct item *item, size_t n)
{
	const struct token *t;

	while (n > 0 && item[n - 1].t.kind == TOKEN_COMMENT)
		n--;
	t = n > 0 ? &item[n - 1].t : NULL;
	return t != NULL &&
		(t->kind == TOKEN_COMMA || token_is(t, "if") || token_is(t, "and") ||
		    token_is(t, "or"))
	    ? t
	    : NULL;
}

/* Statements and blocks; `;` between statements is left out. */
static void
mark_items(struct format *f, const struct source *source, struct complaints *complaints)
{
	size_t starts = 0, braces = 0, n = 0, depth = 0, open[BLOCKS_MAX + 1];
	size_t inner = 0; /* parentheses and lists */

	for (size_t i = 0; i < f->n; i++) {
		struct item item = f->item[i];

		if (item.t.kind == TOKEN_SEMICOLON && inner == 0) {
			const struct token *t = needed_behind(f->item, n);

			if (t != NULL)
				complain(complaints, source, &item.t, "%s and `;`: one is too much",
				    SHOW(t));
			if (i + 1 < f->n && f->item[i + 1].newlines < item.newlines)
				f->item[i + 1].newlines = item.newlines;
			continue;
		}
		if (starts < f->n_starts && item.t.text.p == f->start[starts]) {
			item.start = true;
			if (inner > 0)
				complain(complaints, source, &item.t,
				    "`)` is missing before this: a `(` is still open");
			inner = 0;
			starts++;
		}
		if (item.t.kind == TOKEN_RIGHT && inner == 0)
			complain(complaints, source, &item.t, "`)` without a `(` before it");
		if (braces < f->n_braces && item.t.text.p == f->brace[braces] &&
		    item.t.kind == TOKEN_OPEN) {
			item.opens = true;
			inner = 0;
			braces++;
			open[depth++] = n;
		} else if (item.t.kind == TOKEN_OPEN || item.t.kind == TOKEN_LEFT) {
			inner++;
		} else if (item.t.kind == TOKEN_CLOSE && inner == 0 && depth > 0) {
			item.closes = true;
			f->item[open[--depth]].partner = n;
			item.partner = open[depth];
		} else if (item.t.kind == TOKEN_CLOSE || item.t.kind == TOKEN_RIGHT) {
			inner -= inner > 0;
		}
		f->item[n++] = item;
	}
	f->n = n;
}

/* --- the same afterwards ---------------------------------------------------------------------------- */

static bool
same_tree(const struct statement *a, const struct statement *b)
{
	for (; a != NULL && b != NULL; a = a->next, b = b->next) {
		if (a->n != b->n || a->block != b->block)
			return false;
		for (size_t i = 0; i < a->n; i++)
			if (a->token[i].kind != b->token[i].kind ||
			    !str_eq(a->token[i].text, b->token[i].text))
				return false;
		if (!same_tree(a->body, b->body))
			return false;
	}
	return a == NULL && b == NULL;
}

/* The comments of both in their order, whatever is between them. */
static bool
same_comments(struct format *f, const struct source *source, struct complaints *complaints)
{
	struct lexer lexer;
	struct token t;
	size_t i = 0;

	lexer_init(&lexer, source, complaints);
	lexer.comments = true;
	while ((t = lexer_next(&lexer)).kind != TOKEN_END) {
		if (t.kind != TOKEN_COMMENT)
			continue;
		while (i < f->n && f->item[i].t.kind != TOKEN_COMMENT)
			i++;
		if (i == f->n || !str_eq(f->item[i++].t.text, t.text))
			return false;
	}
	while (i < f->n && f->item[i].t.kind != TOKEN_COMMENT)
		i++;
	return i == f->n;
}

bool
format_text(const struct source *source, struct complaints *complaints, struct arena *arena,
    struct str *out)
{
	struct format f = { .arena = arena };
	struct source made = *source;
	const struct statement *first;
	size_t n;

	first = tree_read(source, complaints, arena);
	/* then none is bad */
	if (complaints->errors == 0)
		read_rules(source, complaints, arena, first);
	if (complaints->errors == 0)
		check_begins(source, complaints, first, false);
	if (complaints->errors > 0)
		return false;
	n = count_tree(first);
	f.start = ARENA_ARRAY(arena, const char *, n);
	f.brace = ARENA_ARRAY(arena, const char *, n);
	mark_tree(&f, first);
	lex_all(&f, source, complaints);
	mark_items(&f, source, complaints);
	if (complaints->errors > 0)
		return false;
	made.text = format_lines(&f);
	if (!same_tree(first, tree_read(&made, complaints, arena)) ||
	    !same_comments(&f, &made, complaints) || complaints->errors > 0) {
		complain(complaints, source, NULL,
		    "cannot be formatted without changing what it says; `postern check` may tell why");
		return false;
	}
	*out = made.text;
	return true;
}
