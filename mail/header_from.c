/*
 * The From field's address list (RFC 5322 3.4, obsolete forms of 4.4 included). DMARC rests on it,
 * and liars write it: what is not well-formed is read so that every domain that some reader could
 * take for the author's is found, rather than the one that suits the liar.
 */
#include "mail/header.h"

#include "mail/mailbox.h"

#define COMMENT_DEPTH 100
/* Openings without an end, each of which is searched for to the end of the text. */
#define UNCLOSED_MAX 100

struct from {
	struct arena *arena;
	struct str text;
	size_t at;
	struct str *out;
	size_t n, max;
	size_t unclosed;
	bool word; /* a word stands before: what follows "@" is its domain */
};

static int
peek(const struct from *f)
{
	return f->at < f->text.n ? (unsigned char)f->text.p[f->at] : -1;
}

static bool
is_atom(int c)
{
	return c > ' ' && c != 0x7f && strchr("()<>@,;:\\\".[]", c) == NULL;
}

/* What is opened here has no end: it is not to hide what follows. */
static void
skip_opening(struct from *f)
{
	f->at = ++f->unclosed > UNCLOSED_MAX ? f->text.n : f->at + 1;
}

/* Past the comment, or, when it has no end, past its parenthesis only. */
static void
skip_comment(struct from *f)
{
	size_t depth = 0;

	for (size_t at = f->at; at < f->text.n && depth < COMMENT_DEPTH; at++) {
		char c = f->text.p[at];

		if (c == '\\')
			at++;
		else if (c == '(')
			depth++;
		else if (c == ')' && --depth == 0) {
			f->at = at + 1;
			return;
		}
	}
	skip_opening(f);
}

/* The same for a quoted string. */
static void
skip_quoted(struct from *f)
{
	for (size_t at = f->at + 1; at < f->text.n; at++) {
		if (f->text.p[at] == '\\') {
			at++;
		} else if (f->text.p[at] == '"') {
			f->at = at + 1;
			return;
		}
	}
	skip_opening(f);
}

/* Comments and whitespace, folding included, and controls: true if there was one of these. */
static bool
skip_cfws(struct from *f)
{
	bool control = false;

	for (;;) {
		int c = peek(f);

		if (c == '(') {
			skip_comment(f);
		} else if (c >= 0 && (c <= ' ' || c == 0x7f)) {
			control |= strchr(" \t\r\n", c) == NULL || c == '\0';
			f->at++;
		} else {
			return control;
		}
	}
}

static bool
domain_well_formed(struct str domain)
{
	struct str rest = domain, label;

	if (domain.p[0] == '[')
		return mail_domain_ok(domain);
	while (str_pop(&rest, '.', &label))
		if (label.n == 0 || label.n > 63)
			return false;
	return true;
}

static void
add_domain(struct from *f, struct str domain)
{
	if (domain.n > 0 && domain.p[domain.n - 1] == '.')
		domain.n--;
	if (domain.n == 0 || !domain_well_formed(domain))
		return;
	for (size_t i = 0; i < f->n; i++)
		if (str_eqcase(f->out[i], domain))
			return;
	if (f->n < f->max)
		f->out[f->n++] = arena_lower(f->arena, domain);
}

/* Takes a literal as it stands; 0: it has no end. */
static size_t
take_literal(struct from *f, char *domain)
{
	size_t start = f->at++;

	while (is_atom(peek(f)) || peek(f) == '.' || peek(f) == ':')
		f->at++;
	if (peek(f) != ']' || f->at - start >= MAILBOX_DOMAIN_MAX)
		return 0;
	f->at++;
	memcpy(domain, f->text.p + start, f->at - start);
	return f->at - start;
}

/* A dot, or an atom. */
static size_t
take_piece(struct from *f, char *domain, size_t n)
{
	bool atom = is_atom(peek(f));

	do {
		if (n <= MAILBOX_DOMAIN_MAX)
			domain[n++] = f->text.p[f->at];
		f->at++;
	} while (atom && is_atom(peek(f)));
	return n;
}

/*
 * After the "@". Between atoms and dots there may be blanks and comments (4.4 obs-domain). Not
 * every reader knows, and some stop at a NUL while others skip it: what stands before is a domain
 * too.
 */
static void
take_domain(struct from *f, bool wanted)
{
	char domain[MAILBOX_DOMAIN_MAX + 1];
	size_t n = 0;
	bool dot = true;

	skip_cfws(f);
	if (peek(f) == '[')
		n = take_literal(f, domain);
	while (n == 0 || domain[0] != '[') {
		size_t before = f->at;
		bool control = skip_cfws(f);

		if (peek(f) != '.' && !(is_atom(peek(f)) && (dot || control)))
			break;
		if (wanted && f->at > before && n <= MAILBOX_DOMAIN_MAX)
			add_domain(f, (struct str){ domain, n });
		dot = peek(f) == '.';
		n = take_piece(f, domain, n);
	}
	if (wanted && n <= MAILBOX_DOMAIN_MAX)
		add_domain(f, (struct str){ domain, n });
}

/* What begins or ends an address; everything else belongs to words. */
static void
take_special(struct from *f, int c)
{
	f->at++;
	switch (c) {
	case '@':
		/* without a word before it, it is of a source route, which is no author */
		take_domain(f, f->word);
		break;
	case '<':
	case '>':
	case ':': /* ends a group's name, or a route */
	case ',':
	case ';':
		f->word = false;
		break;
	default: /* a dot, or what should not be here */
		break;
	}
}

size_t
header_from_domains(struct arena *arena, struct str value, struct str *out, size_t max)
{
	struct from f = { .arena = arena, .text = value, .out = out, .max = max };

	for (skip_cfws(&f); f.at < f.text.n; skip_cfws(&f)) {
		int c = peek(&f);

		if (c == '"') {
			skip_quoted(&f);
			f.word = true;
		} else if (is_atom(c)) {
			while (is_atom(peek(&f)))
				f.at++;
			f.word = true;
		} else {
			take_special(&f, c);
		}
	}
	return f.n;
}
