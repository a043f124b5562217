#include "mail/template.h"

struct piece {
	struct str literal; /* before the place */
	size_t name;        /* its index; SIZE_MAX: there is none, the text ends */
	struct piece *next;
};

struct template
{
	struct piece *first;
};

static size_t
find_name(struct str name, const char *const *names)
{
	for (size_t i = 0; names[i] != NULL; i++)
		if (str_eq(name, str_of(names[i])))
			return i;
	return SIZE_MAX;
}

static const struct template *
refuse(struct str text, size_t at, struct str name, struct template_fault *fault)
{
	*fault = (struct template_fault){ .line = 1, .column = 1, .name = name };
	for (size_t i = 0; i < at; i++) {
		fault->column++;
		if (text.p[i] == '\n') {
			fault->line++;
			fault->column = 1;
		}
	}
	return NULL;
}

/* The literal up to the next "${", whose index *from is then, or to the end. */
static struct str
take_literal(struct str text, size_t *from, struct arena *arena)
{
	char *out = arena_alloc(arena, text.n - *from + 1);
	size_t n = 0;

	while (*from < text.n) {
		bool dollar = text.p[*from] == '$' && *from + 1 < text.n;

		if (dollar && text.p[*from + 1] == '{')
			break;
		if (dollar && text.p[*from + 1] == '$')
			++*from;
		out[n++] = text.p[(*from)++];
	}
	return (struct str){ out, n };
}

const struct template *
template_read(
    struct str text, const char *const *names, struct arena *arena, struct template_fault *fault)
{
	struct template *t = ARENA_NEW(arena, struct template);
	struct piece **end = &t->first;

	for (size_t at = 0; at < text.n;) {
		struct piece *piece = ARENA_NEW(arena, struct piece);
		struct str rest, name;
		size_t close;

		piece->literal = take_literal(text, &at, arena);
		piece->name = SIZE_MAX;
		*end = piece;
		end = &piece->next;
		if (at == text.n)
			break;
		rest = str_sub(text, at + 2, text.n);
		close = str_find(rest, '}');
		if (close == STR_NPOS || str_find(str_sub(rest, 0, close), '\n') != STR_NPOS)
			return refuse(text, at, STR(""), fault);
		name = str_sub(rest, 0, close);
		piece->name = find_name(name, names);
		if (piece->name == SIZE_MAX)
			return refuse(text, at, name, fault);
		at += 2 + close + 1;
	}
	return t;
}

void
template_fill(const struct template *t, const struct str *value, struct buf *out)
{
	for (const struct piece *piece = t->first; piece != NULL; piece = piece->next) {
		buf_add(out, piece->literal);
		if (piece->name != SIZE_MAX)
			buf_add(out, value[piece->name]);
	}
}
