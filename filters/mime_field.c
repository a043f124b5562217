#include "filters/mime_field.h"

#include <gmime/gmime.h>

#include "mail/header.h"

void
mime_field_start(void)
{
	g_mime_init();
}

/* For GMime: one line, bounded, ended by a NUL, and none before; folding may have brought tabs. */
static const char *
line_of(struct arena *arena, struct str value)
{
	struct str line = str_sub(header_unfold(arena, value), 0, MIME_VALUE_MAX);
	char *copy = arena_alloc(arena, line.n + 1);

	for (size_t i = 0; i < line.n; i++)
		copy[i] = line.p[i] == '\t' ? ' ' : line.p[i] ? line.p[i] : '?';
	copy[line.n] = '\0';
	return copy;
}

/* Octets of what text begins with that can stand in a rule's text; 0: something else is to. */
static size_t
clean_length(const char *text)
{
	gunichar c = g_utf8_get_char_validated(text, -1);

	if (c == (gunichar)-1 || c == (gunichar)-2 || g_unichar_iscntrl(c))
		return 0;
	return (size_t)(g_utf8_next_char(text) - text);
}

/* Takes text over. */
static struct str
take(struct arena *arena, char *text, size_t most)
{
	size_t n = 0;
	char *copy;

	if (!text)
		return STR("");
	copy = arena_alloc(arena, strlen(text) + 1);
	for (const char *p = text; *p;) {
		size_t length = clean_length(p);

		if (n + (length ? length : 1) > most)
			break;
		if (length)
			memcpy(copy + n, p, length);
		else
			copy[n] = '?';
		n += length ? length : 1;
		p += length ? length : 1;
	}
	g_free(text);
	return (struct str){ copy, n };
}

struct str
mime_field_text(struct arena *arena, struct str value)
{
	return take(
	    arena, g_mime_utils_header_decode_text(NULL, line_of(arena, value)), MIME_VALUE_MAX);
}

static bool
add(struct str *texts, size_t *n, struct str text)
{
	bool room = *n < MIME_TEXTS && text.n > 0;

	if (room)
		texts[(*n)++] = text;
	return room;
}

static void
add_parameter(struct arena *arena, GMimeParam *param, struct mime_field *out)
{
	struct str name = str_of(g_mime_param_get_name(param));
	char *value = g_strdup(g_mime_param_get_value(param));

	if (str_eqcase(name, STR("boundary")))
		/* As it is compared: trailing blanks are no part of it (RFC 2046 5.1.1). */
		add(out->boundary, &out->n_boundaries, arena_dup(arena, str_of(g_strchomp(value))));
	else if (str_eqcase(name, STR("name")) || str_eqcase(name, STR("filename"))) {
		add(out->name, &out->n_names, take(arena, value, MIME_NAME_MAX));
		return;
	}
	g_free(value);
}

static void
add_parameters(struct arena *arena, GMimeParamList *list, struct mime_field *out)
{
	int n = g_mime_param_list_length(list);

	for (int i = 0; i < n; i++) {
		GMimeParam *param = g_mime_param_list_get_parameter_at(list, i);

		for (int k = 0; k < i && !out->repeated; k++)
			out->repeated = g_ascii_strcasecmp(g_mime_param_get_name(param),
					    g_mime_param_get_name(
						g_mime_param_list_get_parameter_at(list, k))) == 0;
		add_parameter(arena, param, out);
	}
}

void
mime_field_type(struct arena *arena, struct str value, struct mime_field *out)
{
	const char *line = line_of(arena, value);
	GMimeContentType *type = g_mime_content_type_parse(NULL, line);

	*out = (struct mime_field){ .word = STR("") };
	if (!type)
		return;
	/* Of what it cannot read GMime says application/octet-stream. */
	if (strchr(line, '/'))
		out->word = arena_lower(
		    arena, take(arena, g_mime_content_type_get_mime_type(type), MIME_NAME_MAX));
	add_parameters(arena, g_mime_content_type_get_parameters(type), out);
	g_object_unref(type);
}

void
mime_field_disposition(struct arena *arena, struct str value, struct mime_field *out)
{
	GMimeContentDisposition *d = g_mime_content_disposition_parse(NULL, line_of(arena, value));

	*out = (struct mime_field){ .word = STR("") };
	if (!d)
		return;
	out->word = arena_lower(arena,
	    take(arena, g_strdup(g_mime_content_disposition_get_disposition(d)), MIME_NAME_MAX));
	add_parameters(arena, g_mime_content_disposition_get_parameters(d), out);
	g_object_unref(d);
}
