#include "filters/mime_walk.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/die.h"
#include "filters/mime_field.h"

/* Of one kind in one part that are looked at. */
#define FIELDS 4
/* Memory to read one part's header in. */
#define SCRATCH_LIMIT (512 * 1024)

enum place {
	PLACE_HEADER, /* of a part */
	PLACE_BODY,   /* or in front of the first part, or behind the last */
};

/* Its texts lie in here: a message opens levels by the thousand, and they come and go. */
struct level {
	struct boundary {
		char p[MIME_BOUNDARY];
		size_t n;
	} boundary[MIME_TEXTS];
	size_t n;
	bool digest; /* parts are messages unless they say something else (RFC 2046 5.1.5) */
};

struct mime_walk {
	struct arena *arena, *scratch;
	struct mime_found found;
	struct level level[MIME_DEPTH];
	size_t depth;
	size_t headers; /* of parts and messages, read so far */
	enum place place;
	struct buf block;  /* the part's header so far */
	size_t line_began; /* PLACE_HEADER: where in block the present line begins */
	/* What the present line begins with; enough of it to compare boundaries. */
	char line[MIME_BOUNDARY + 8];
	size_t line_n;   /* octets of the line so far, also beyond those */
	bool line_plain; /* it is no boundary: its rest is only passed over */
};

const char *
mime_defect_name(enum mime_defect defect)
{
	static const char *const names[MIME_DEFECTS] = {
		[MIME_BOUNDARY_LIKE] = "boundary-like",
		[MIME_BOUNDARY_MISSING] = "boundary-missing",
		[MIME_BOUNDARY_REPEATED] = "boundary-repeated",
		[MIME_ENCODED] = "encoded",
		[MIME_FIELD_REPEATED] = "field-repeated",
		[MIME_HEADER_LONG] = "header-long",
		[MIME_NAMES_DIFFER] = "names-differ",
		[MIME_PARAMETER_REPEATED] = "parameter-repeated",
		[MIME_TOO_DEEP] = "too-deep",
		[MIME_TOO_MANY] = "too-many",
		[MIME_TYPE_BAD] = "type-bad",
		[MIME_UNFINISHED] = "unfinished",
	};

	return names[defect];
}

static void
note(struct mime_walk *w, enum mime_defect defect)
{
	w->found.defects |= 1u << defect;
}

static void
keep(struct mime_walk *w, struct mime_texts *texts, struct str text)
{
	if (texts->n >= MIME_KEPT)
		return;
	for (size_t i = 0; i < texts->n; i++)
		if (str_eq(texts->item[i], text))
			return;
	if (!texts->item)
		texts->item = ARENA_ARRAY(w->arena, struct str, MIME_KEPT);
	texts->item[texts->n++] = arena_dup(w->arena, text);
}

/* --- a part's header -------------------------------------------------------------------------- */

/* What its fields say; of each kind all of them. */
struct part {
	struct mime_field type[FIELDS], disposition[FIELDS];
	size_t n_types, n_dispositions;
	bool encoded;
};

static void
read_encoding(struct mime_walk *w, const struct header *header, struct part *part)
{
	const struct field *field;

	for (size_t i = 0; (field = header_find(header, "Content-Transfer-Encoding", i)); i++) {
		struct str word = str_trim(field->value);

		part->encoded = part->encoded || str_eqcase(word, STR("base64")) ||
		    str_eqcase(word, STR("quoted-printable"));
		if (i > 0)
			note(w, MIME_FIELD_REPEATED);
	}
}

static size_t
read_fields(struct mime_walk *w, const struct header *header, const char *name,
    struct mime_field out[FIELDS])
{
	size_t n = header_count(header, name);
	bool type = str_eq(str_of(name), STR("Content-Type"));

	if (n > 1)
		note(w, MIME_FIELD_REPEATED);
	for (size_t i = 0; i < n && i < FIELDS; i++) {
		struct str value = header_find(header, name, i)->value;

		(type ? mime_field_type : mime_field_disposition)(w->scratch, value, &out[i]);
		if (out[i].repeated)
			note(w, MIME_PARAMETER_REPEATED);
		if (type && out[i].word.n == 0)
			note(w, MIME_TYPE_BAD);
	}
	return n < FIELDS ? n : FIELDS;
}

static void
add_boundaries(struct level *level, const struct mime_field *type)
{
	level->digest = level->digest || str_eq(type->word, STR("multipart/digest"));
	for (size_t k = 0; k < type->n_boundaries && level->n < MIME_TEXTS; k++) {
		struct boundary *boundary = &level->boundary[level->n];

		boundary->n = type->boundary[k].n;
		if (boundary->n > MIME_BOUNDARY)
			continue;
		memcpy(boundary->p, type->boundary[k].p, boundary->n);
		level->n++;
	}
}

/* Another multipart opens: with the boundaries of all its fields. */
static void
open_level(struct mime_walk *w, const struct part *part)
{
	struct level *level = &w->level[w->depth];

	if (w->depth == MIME_DEPTH) {
		note(w, MIME_TOO_DEEP);
		return;
	}
	*level = (struct level){ .n = 0 };
	for (size_t i = 0; i < part->n_types; i++)
		add_boundaries(level, &part->type[i]);
	if (level->n == 0)
		note(w, MIME_BOUNDARY_MISSING);
	else if (level->n > 1)
		note(w, MIME_BOUNDARY_REPEATED);
	w->depth += level->n > 0;
}

/* Names of both fields, each once; false: there are none. */
static bool
keep_names(struct mime_walk *w, const struct part *part)
{
	struct str first = STR("");

	for (size_t i = 0; i < part->n_dispositions + part->n_types; i++) {
		const struct mime_field *field = i < part->n_dispositions
		    ? &part->disposition[i]
		    : &part->type[i - part->n_dispositions];

		for (size_t k = 0; k < field->n_names; k++) {
			keep(w, &w->found.names, field->name[k]);
			if (first.n > 0 && !str_eq(first, field->name[k]))
				note(w, MIME_NAMES_DIFFER);
			first = field->name[k];
		}
	}
	return first.n > 0;
}

static void
keep_leaf(struct mime_walk *w, const struct part *part, struct str type)
{
	bool attachment = keep_names(w, part);

	for (size_t i = 0; i < part->n_dispositions; i++)
		attachment = attachment || str_eq(part->disposition[i].word, STR("attachment"));
	w->found.parts++;
	w->found.attachments += attachment;
	if (attachment)
		keep(w, &w->found.attached, type);
}

static bool
is_message(struct str type)
{
	return str_eq(type, STR("message/rfc822")) || str_eq(type, STR("message/global"));
}

/* What a header says of the body behind it; of several types, each. */
static void
take_header(struct mime_walk *w, const struct header *header)
{
	const bool digest = w->depth > 0 && w->level[w->depth - 1].digest;
	struct str type = digest ? STR("message/rfc822") : STR("text/plain");
	bool multipart = false, message = digest;
	struct part part = { 0 };

	read_encoding(w, header, &part);
	part.n_types = read_fields(w, header, "Content-Type", part.type);
	part.n_dispositions = read_fields(w, header, "Content-Disposition", part.disposition);
	for (size_t i = 0; i < part.n_types; i++)
		if (part.type[i].word.n > 0) {
			type = part.type[i].word;
			keep(w, &w->found.types, type);
			multipart = multipart || str_starts(type, STR("multipart/"));
			message = (message && !digest) || is_message(type);
		}
	if (part.n_types == 0)
		keep(w, &w->found.types, type);
	if ((multipart || message) && part.encoded)
		note(w, MIME_ENCODED);
	if (multipart)
		open_level(w, &part);
	else
		keep_leaf(w, &part, type);
	w->place = message ? PLACE_HEADER : PLACE_BODY;
}

/* The header of a part, or of a message within this one, is complete. */
static void
end_header(struct mime_walk *w)
{
	struct header header;
	size_t body;
	bool too_many = false;

	w->place = PLACE_BODY;
	if (w->headers++ >= MIME_PARTS) {
		note(w, MIME_TOO_MANY);
		w->depth = 0;
	} else if (header_split(w->scratch, buf_str(&w->block), true, &header, &body, &too_many)) {
		take_header(w, &header);
	}
	if (w->block.over || too_many)
		note(w, MIME_HEADER_LONG);
	arena_reset(w->scratch);
	buf_clear(&w->block);
	w->line_began = 0;
}

/* --- lines ------------------------------------------------------------------------------------ */

enum match { MATCH_NONE, MATCH_OPEN, MATCH_CLOSE };

/* The line, without its end, as a boundary of this level (RFC 2046 5.1.1). */
static enum match
match(struct mime_walk *w, const struct level *level, struct str line)
{
	struct str rest = str_sub(line, 2, line.n);

	for (size_t i = 0; i < level->n; i++) {
		struct str boundary = { level->boundary[i].p, level->boundary[i].n };
		struct str after;

		if (!str_starts(rest, boundary))
			continue;
		after = str_sub(rest, boundary.n, rest.n);
		if (str_trim(after).n == 0)
			return MATCH_OPEN;
		if (str_starts(after, STR("--")) && str_trim(str_sub(after, 2, after.n)).n == 0)
			return MATCH_CLOSE;
		note(w, MIME_BOUNDARY_LIKE);
	}
	return MATCH_NONE;
}

/* Whether the line was a boundary, of whichever level; what lies within that level ends there. */
static bool
take_boundary(struct mime_walk *w, struct str line)
{
	for (size_t i = w->depth; i-- > 0;) {
		enum match found = match(w, &w->level[i], line);

		if (found == MATCH_NONE)
			continue;
		if (w->place == PLACE_HEADER) {
			w->block.n = w->line_began;
			end_header(w);
		}
		if (w->depth == 0)
			return true;
		if (w->depth > i + 1)
			note(w, MIME_UNFINISHED);
		w->depth = found == MATCH_CLOSE ? i : i + 1;
		w->place = found == MATCH_CLOSE ? PLACE_BODY : PLACE_HEADER;
		return true;
	}
	return false;
}

static void
end_line(struct mime_walk *w)
{
	struct str line = { w->line, w->line_n < sizeof(w->line) ? w->line_n : sizeof(w->line) };
	bool boundary =
	    w->line_n <= sizeof(w->line) && str_starts(line, STR("--")) && take_boundary(w, line);

	if (!boundary && w->place == PLACE_HEADER && str_trim(line).n == 0)
		end_header(w);
	w->line_began = w->block.n;
	w->line_n = 0;
	w->line_plain = false;
}

/* A piece of a line, its end included if that is in it. */
static void
take_piece(struct mime_walk *w, struct str piece)
{
	for (size_t i = 0; i < piece.n && w->line_n + i < sizeof(w->line) && !w->line_plain; i++)
		w->line[w->line_n + i] = piece.p[i];
	w->line_n += piece.n;
	if (w->place == PLACE_HEADER)
		buf_add(&w->block, piece);
}

void
mime_walk_body(struct mime_walk *w, struct str octets)
{
	while (octets.n > 0 && (w->depth > 0 || w->place == PLACE_HEADER)) {
		const char *end = memchr(octets.p, '\n', octets.n);
		size_t n = end ? (size_t)(end - octets.p) + 1 : octets.n;

		if (w->line_n == 0 && w->place == PLACE_BODY)
			w->line_plain = octets.p[0] != '-';
		take_piece(w, str_sub(octets, 0, n));
		if (end)
			end_line(w);
		octets = str_sub(octets, n, octets.n);
	}
}

/* --- begin and end ---------------------------------------------------------------------------- */

static void
release(void *object)
{
	struct mime_walk *w = object;

	buf_free(&w->block);
	arena_free(&w->scratch);
	free(w);
}

struct mime_walk *
mime_walk_new(struct arena *arena, const struct header *header)
{
	struct mime_walk *w = xcalloc(1, sizeof(*w));

	w->arena = arena;
	w->scratch = arena_new(SCRATCH_LIMIT);
	buf_init(&w->block, MIME_HEADER);
	arena_cleanup(arena, release, w);
	take_header(w, header);
	arena_reset(w->scratch);
	return w;
}

const struct mime_found *
mime_walk_end(struct mime_walk *w)
{
	if (w->line_n > 0)
		end_line(w);
	if (w->place == PLACE_HEADER && w->block.n > 0)
		end_header(w);
	if (w->depth > 0)
		note(w, MIME_UNFINISHED);
	w->depth = 0;
	w->place = PLACE_BODY;
	return &w->found;
}
