/*
 * lists: `list NAME { ... }`, `trust ...` and lists written in place. An item is a text, an address
 * or network without quotes, or `file "path"`: a file with one item a line.
 */
#include "base/escape.h"
#include "rules/literal.h"
#include "rules/load.h"

struct named_list *
list_find(const struct load *load, struct str name)
{
	struct named_list *l = load->lists;

	while (l != NULL && !str_eq(l->name, name))
		l = l->next;
	return l;
}

static struct named_list *
list_add(struct load *load, struct str name, const struct token *at)
{
	struct named_list *l = ARENA_NEW(load->arena, struct named_list);

	l->name = name;
	l->list = list_new(load->arena, name);
	l->at = *at;
	l->next = load->lists;
	load->lists = l;
	return l;
}

/* What has a slash is a network, or one with something wrong about it. */
static bool
add_item(struct list *list, struct str item, struct err *e)
{
	struct cidr cidr;

	if (str_find(item, '/') == STR_NPOS)
		return list_add_text(list, item, e);
	if (!cidr_parse(item, &cidr, e))
		return false;
	list_add_cidr(list, &cidr);
	return true;
}

struct regex *
regex_take(struct load *load, const struct token *t)
{
	size_t slash = str_rfind(t->text, '/'), at;
	struct regex *regex;
	struct token place = *t;
	struct err e;

	regex = regex_new(load->arena, str_sub(t->text, 1, slash),
	    str_sub(t->text, slash + 1, t->text.n), &at, &e);
	if (regex != NULL)
		return regex;
	place.column += (unsigned)at + 1;
	COMPLAIN(load, &place, "%s", e.text);
	return NULL;
}

/* A regular expression on a line of its own: in it, # is no comment. False: it is none. */
static bool
add_regex_line(struct load *load, struct list *list, struct str line, struct token at)
{
	struct str s = str_trim(line), rest;
	struct regex *regex;

	if (s.n == 0 || s.p[0] != '/')
		return false;
	at.text = str_sub(s, 0, literal_regex(s));
	at.column = (unsigned)(s.p - line.p) + 1;
	rest = str_trim(str_sub(s, at.text.n, s.n));
	if (at.text.n == 0) {
		COMPLAIN(
		    load, &at, "this regular expression never ends: its closing `/` is missing");
	} else if (rest.n > 0 && rest.p[0] != '#') {
		at.column += (unsigned)(rest.p - s.p);
		COMPLAIN(load, &at, "too much stands behind this regular expression");
	} else {
		regex = regex_take(load, &at);
		if (regex != NULL)
			list_add_regex(list, regex);
	}
	return true;
}

static void
add_lines(struct load *load, struct list *list, struct str rest)
{
	struct token at = { .kind = TOKEN_TEXT, .line = 0 };
	struct str line, item;
	struct err e;

	if (str_starts(rest, STR(BYTE_ORDER_MARK)))
		rest = str_sub(rest, 3, rest.n);
	while (str_pop(&rest, '\n', &line)) {
		size_t comment = str_find(line, '#');

		at.line++;
		if (add_regex_line(load, list, line, at))
			continue;
		item = str_trim(comment == STR_NPOS ? line : str_sub(line, 0, comment));
		at.column = (unsigned)(item.p - line.p) + 1;
		if (item.n > 0 && !add_item(list, item, &e))
			COMPLAIN(load, &at, "%s", e.text);
	}
}

static void
add_file(struct load *load, struct list *list, const struct token *t)
{
	const struct source *outer = load->source;
	struct source file = { 0 };
	struct err e;

	if (t->kind != TOKEN_TEXT) {
		COMPLAIN(load, t, "`file` wants the path of a file in quotes, not %s", SHOW(t));
		return;
	}
	if (!source_list(load, token_value(t, load->arena), &file.file, &file.text, &e)) {
		COMPLAIN(load, t, "%s", e.text);
		return;
	}
	for (struct named_list *l = load->lists; l != NULL; l = l->next)
		l->fed |= l->list == list;
	load->source = &file;
	add_lines(load, list, file.text);
	load->source = outer;
}

bool
list_item(struct cursor *c, struct list *list)
{
	const struct token *t = c->t;
	struct cidr cidr;
	struct err e;

	if (cursor_word(c, "file")) {
		add_file(c->load, list, c->t);
		if (c->t->kind != TOKEN_TEXT)
			return false;
		c->t++;
		return true;
	}
	if (cursor_kind(c, TOKEN_REGEX)) {
		const struct regex *regex = regex_take(c->load, t);

		if (regex != NULL)
			list_add_regex(list, regex);
		return true;
	}
	if (cursor_kind(c, TOKEN_TEXT)) {
		if (!add_item(list, token_value(t, c->load->arena), &e))
			COMPLAIN(c->load, t, "%s", e.text);
		return true;
	}
	if (t->kind == TOKEN_WORD && cidr_parse(t->text, &cidr, &e)) {
		c->t++;
		list_add_cidr(list, &cidr);
		return true;
	}
	if (t->kind == TOKEN_WORD &&
	    (str_find(t->text, '/') != STR_NPOS || str_find(t->text, ':') != STR_NPOS))
		COMPLAIN(c->load, t, "%s", e.text);
	else
		COMPLAIN(c->load, t,
		    "an item of a list is a text in quotes, an address, a network, a regular "
		    "expression or `file`, not %s%s",
		    SHOW(t), t->kind == TOKEN_WORD ? ": put it into quotes" : "");
	return false;
}

/* Items with commas between them; a comma after the last does no harm. */
static bool
take_items(struct cursor *c, struct list *list, enum token_kind end)
{
	while (c->t->kind != end) {
		if (!list_item(c, list))
			return false;
		if (c->t->kind != end && !cursor_kind(c, TOKEN_COMMA)) {
			COMPLAIN(c->load, c->t, "`,` or the end of the list belongs here, not %s",
			    SHOW(c->t));
			return false;
		}
	}
	return true;
}

void
list_read(struct load *load, const struct statement *s)
{
	const struct token *name = &s->token[1];
	struct named_list *l, *old;

	if (name->kind != TOKEN_WORD || name[1].kind != TOKEN_END || !s->block) {
		COMPLAIN(load, s->n > 2 ? &s->token[2] : name,
		    "a list is written `list NAME { item, item }`, or `list NAME { file \"PATH\" }`");
		return;
	}
	old = list_find(load, name->text);
	if (str_eq(name->text, STR("trusted"))) {
		COMPLAIN(load, name, "the list `trusted` is what `trust` names");
		return;
	}
	if (old != NULL) {
		COMPLAIN(load, name, "the list `%.*s` is there already, on %s", STR_ARG(name->text),
		    PLACE(&old->at, name));
		return;
	}
	l = list_add(load, name->text, name);
	for (const struct statement *line = s->body; line != NULL; line = line->next) {
		struct cursor c = { load, line->token };

		if (!line->bad)
			take_items(&c, l->list, TOKEN_END);
	}
}

void
trust_read(struct load *load, const struct statement *s)
{
	struct named_list *l = list_find(load, STR("trusted"));
	struct cursor c = { load, s->token + 1 };
	struct cidr cidr;
	struct err e;

	for (;;) {
		if (c.t->kind != TOKEN_WORD) {
			COMPLAIN(
			    load, c.t, "`trust` wants addresses or networks, not %s", SHOW(c.t));
			return;
		}
		if (!cidr_parse(c.t->text, &cidr, &e)) {
			COMPLAIN(load, c.t, "%s", e.text);
			return;
		}
		list_add_cidr(l->list, &cidr);
		c.t++;
		if (c.t->kind == TOKEN_END)
			return;
		if (!cursor_kind(&c, TOKEN_COMMA)) {
			COMPLAIN(load, c.t, "`,` or the end of the line belongs here, not %s",
			    SHOW(c.t));
			return;
		}
	}
}

static struct list *
list_named(struct cursor *c)
{
	const struct token *t = c->t++;
	struct named_list *l = list_find(c->load, t->text);
	struct suggestion near;
	struct cidr cidr;
	struct err e;

	if (l != NULL) {
		l->used = true;
		return l->list;
	}
	if (cidr_parse(t->text, &cidr, &e)) {
		COMPLAIN(c->load, t, "%s is no name of a list: write `{ %.*s }`", SHOW(t),
		    STR_ARG(t->text));
		return NULL;
	}
	suggest_begin(&near, t->text);
	for (l = c->load->lists; l != NULL; l = l->next)
		suggest(&near, l->name);
	COMPLAIN(c->load, t, "there is no list %s%s", SHOW(t), suggest_end(&near));
	return NULL;
}

#define SHOWN_MAX 60 /* octets of a list in braces */

/* As it stands there, in one line: it has no other name. */
static struct str
braces(struct arena *arena, const struct token *open)
{
	const struct token *close = open;
	struct str text;
	struct buf b;

	while (close->kind != TOKEN_CLOSE && close->kind != TOKEN_END)
		close++;
	if (close->kind == TOKEN_END)
		return STR("");
	text = (struct str){ open->text.p, (size_t)(close->text.p - open->text.p) };
	buf_init(&b, SHOWN_MAX + 8);
	for (size_t i = 0; i < text.n && b.n < SHOWN_MAX; i++) {
		bool blank = memchr(" \t\r\n", text.p[i], 4) != NULL;

		if (!blank || b.p[b.n - 1] != ' ')
			buf_addc(&b, blank ? ' ' : text.p[i]);
	}
	buf_add(&b, b.n == SHOWN_MAX ? STR("... }") : STR("}"));
	text = arena_dup(arena, buf_str(&b));
	buf_free(&b);
	return text;
}

struct list *
list_take(struct cursor *c)
{
	const struct token *open = c->t;
	struct list *list;

	if (c->t->kind == TOKEN_WORD)
		return list_named(c);
	if (!cursor_kind(c, TOKEN_OPEN)) {
		COMPLAIN(c->load, c->t, "the name of a list belongs here, not %s", SHOW(c->t));
		return NULL;
	}
	list = list_new(c->load->arena, braces(c->load->arena, open));
	if (!take_items(c, list, TOKEN_CLOSE))
		return NULL;
	c->t++;
	list_finish(list);
	return list;
}

void
lists_finish(struct load *load)
{
	struct config *config = load->config;
	size_t n = 0;

	for (struct named_list *l = load->lists; l != NULL; l = l->next, n++)
		list_finish(l->list);
	config->lists = ARENA_ARRAY(load->arena, const struct list *, n + 1);
	for (struct named_list *l = load->lists; l != NULL; l = l->next)
		config->lists[n - ++config->n_lists] = l->list;
}
