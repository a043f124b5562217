#include "mail/header.h"

/* One line of a header, found in text from `at`. */
struct line {
	struct str text; /* without CRLF */
	size_t next;     /* where the next one begins */
	enum { LINE_FIELD, LINE_MORE, LINE_EMPTY, LINE_OTHER } kind;
	size_t colon; /* LINE_FIELD */
};

/* False: its CRLF has not come yet. */
static bool
line_end(struct str text, size_t at, bool complete, struct line *out)
{
	const char *from = text.p + at, *lf;

	while ((lf = memchr(from, '\n', text.n - (size_t)(from - text.p))) != NULL) {
		size_t end = (size_t)(lf - text.p);

		if (end > at && text.p[end - 1] == '\r') {
			out->text = str_sub(text, at, end - 1);
			out->next = end + 1;
			return true;
		}
		/* a bare LF ends no line: see mail/eod.h */
		from = lf + 1;
	}
	out->text = str_sub(text, at, text.n);
	out->next = text.n;
	return complete;
}

/*
 * A name is printable ASCII without the colon (RFC 5322 3.6.8); blanks behind it are obsolete
 * (4.5.8).
 */
static bool
field_colon(struct str line, size_t *colon)
{
	size_t name = 0, at;

	while (name < line.n && line.p[name] > ' ' && line.p[name] < 0x7f && line.p[name] != ':')
		name++;
	for (at = name; at < line.n && (line.p[at] == ' ' || line.p[at] == '\t'); at++)
		;
	*colon = at;
	return name > 0 && at < line.n && line.p[at] == ':';
}

static void
line_classify(struct line *line, bool first)
{
	if (line->text.n == 0)
		line->kind = LINE_EMPTY;
	else if (line->text.p[0] == ' ' || line->text.p[0] == '\t')
		line->kind = first ? LINE_OTHER : LINE_MORE;
	else if (field_colon(line->text, &line->colon))
		line->kind = LINE_FIELD;
	else
		line->kind = LINE_OTHER;
}

/* "From a@b.test Thu Jan  1 ...", or the same quoted by ">". */
static bool
mbox_line(struct str line)
{
	while (line.n > 0 && line.p[0] == '>')
		line = str_sub(line, 1, line.n);
	return str_starts(line, STR("From "));
}

static void
field_set(struct field *field, struct str raw, size_t colon)
{
	field->raw = raw;
	field->name = str_trim(str_sub(raw, 0, colon));
	field->value = str_sub(raw, colon + 1, raw.n);
}

/*
 * Walks the header; with field NULL it only counts. Returns the number of fields; *end is
 * where the header ends, *body where the body begins. STR_NPOS: the end is not in text.
 */
static size_t
header_walk(struct str text, bool complete, struct header *out, size_t *body)
{
	struct line line;
	size_t at = 0, start = 0, colon = 0, n = 0;

	for (;; at = line.next) {
		/* all there is was taken */
		bool over = complete && at == text.n;

		if (!over && !line_end(text, at, complete, &line))
			return STR_NPOS;
		if (over)
			line = (struct line){ .next = at };
		if (n == 0 && line.next <= HEADER_MBOX_MAX && line.next > at + line.text.n &&
		    mbox_line(line.text)) {
			out->mbox = line.next;
			continue;
		}
		line_classify(&line, n == 0);
		if (line.kind == LINE_MORE) {
			if (out->field != NULL && n <= out->n)
				field_set(&out->field[n - 1],
				    str_sub(text, start, at + line.text.n), colon);
			continue;
		}
		if (line.kind != LINE_FIELD)
			break;
		start = at;
		colon = line.colon;
		n++;
		if (out->field != NULL && n <= out->n)
			field_set(&out->field[n - 1], line.text, colon);
	}
	out->malformed = line.kind == LINE_OTHER;
	out->block = str_sub(text, 0, at);
	*body = line.kind == LINE_EMPTY ? line.next : at;
	return n;
}

/* WHY: six parameters: three results of one reading, of which callers keep only the header. */
bool
header_split(struct arena *arena, struct str text, bool complete, struct header *out, size_t *body,
    bool *too_many)
{
	size_t n;

	*out = (struct header){ 0 };
	*too_many = false;
	/*
	 * Called again and again as a message arrives: nothing is allocated until the end is there.
	 */
	n = header_walk(text, complete, out, body);
	if (n == STR_NPOS)
		return false;
	*too_many = n > HEADER_FIELDS_MAX;
	out->n = n > HEADER_FIELDS_MAX ? HEADER_FIELDS_MAX : n;
	out->field = ARENA_ARRAY(arena, struct field, out->n);
	header_walk(text, complete, out, body);
	return true;
}

const struct field *
header_find(const struct header *h, const char *name, size_t i)
{
	for (size_t at = 0; at < h->n; at++)
		if (str_eqcase(h->field[at].name, str_of(name)) && i-- == 0)
			return &h->field[at];
	return NULL;
}

size_t
header_count(const struct header *h, const char *name)
{
	size_t count = 0;

	for (size_t at = 0; at < h->n; at++)
		count += str_eqcase(h->field[at].name, str_of(name));
	return count;
}

struct str
header_unfold(struct arena *arena, struct str value)
{
	size_t n = 0;
	char *p;

	value = str_trim(value);
	if (str_find(value, '\n') == STR_NPOS && str_find(value, '\r') == STR_NPOS)
		return value;
	p = arena_alloc(arena, value.n);
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] != '\r' && value.p[i] != '\n')
			p[n++] = value.p[i];
	return (struct str){ p, n };
}
