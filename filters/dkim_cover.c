#include "filters/dkim_cover.h"

static bool
refuse(struct dkim_sig *sig, enum dkim_result result, const char *reason)
{
	sig->result = result;
	sig->reason = reason;
	return false;
}

/* The index of the lowest free field of that name, or header->n. */
static size_t
lowest(const struct header *header, const bool *taken, struct str name, const struct field *self)
{
	for (size_t i = header->n; i-- > 0;)
		if (!taken[i] && &header->field[i] != self &&
		    str_eqcase(header->field[i].name, name))
			return i;
	return header->n;
}

/*
 * The library ends a relaxed field at a NUL, and takes bare CR and LF, VT and FF for blanks: what
 * such octets hide or split would be as good as signed.
 */
static bool
plain(struct str raw)
{
	for (size_t i = 0; i < raw.n; i++) {
		switch (raw.p[i]) {
		case '\0':
		case '\v':
		case '\f':
			return false;
		case '\r':
			if (i + 2 >= raw.n || raw.p[i + 1] != '\n' ||
			    (raw.p[i + 2] != ' ' && raw.p[i + 2] != '\t'))
				return false;
			i++;
			break;
		case '\n':
			return false;
		}
	}
	return true;
}

/*
 * A field that a signature covers is hashed by the library, which also reads it if it is a
 * signature. One that must not be read cannot be left out either: the hash would be another.
 */
static bool
check_field(
    struct arena *arena, const struct field *field, size_t *signatures, struct dkim_sig *sig)
{
	struct dkim_sig other;

	if (!plain(field->raw))
		return refuse(sig, DKIM_RESULT_PERMERROR,
		    "a field that it covers holds octets that no field may");
	if (!str_eqcase(field->name, STR("dkim-signature")))
		return true;
	if (++*signatures > DKIM_COVERED_SIGNATURES)
		return refuse(sig, DKIM_RESULT_NEUTRAL, "covers too many other signatures");
	dkim_guard_check(arena, field, &(struct dkim_clock){ 0 }, &other);
	if (!other.harmless)
		return refuse(sig, DKIM_RESULT_NEUTRAL,
		    "covers another signature that is not fit to be read");
	return true;
}

static bool
take_all(struct arena *arena, const struct header *header, bool *taken, struct dkim_sig *sig)
{
	size_t signatures = 0;

	for (size_t i = 0; i < sig->n_covers; i++) {
		size_t at = lowest(header, taken, sig->covers[i], sig->field);

		if (at < header->n) {
			taken[at] = true;
			if (!check_field(arena, &header->field[at], &signatures, sig))
				return false;
		} else if (str_eqcase(sig->covers[i], STR("dkim-signature"))) {
			/* RFC 6376 3.5 has it hash nothing; the library would take the signature itself. */
			return refuse(
			    sig, DKIM_RESULT_NEUTRAL, "covers another signature that is not there");
		}
	}
	return true;
}

bool
dkim_cover_select(
    struct arena *arena, const struct header *header, struct dkim_sig *sig, struct dkim_cover *out)
{
	bool *taken = ARENA_ARRAY(arena, bool, header->n);
	bool from = false;

	*out = (struct dkim_cover){ 0 };
	if (!take_all(arena, header, taken, sig))
		return false;
	out->field = ARENA_ARRAY(arena, const struct field *, header->n);
	for (size_t i = 0; i < header->n; i++) {
		bool is_from = str_eqcase(header->field[i].name, STR("from"));

		if (taken[i])
			out->field[out->n++] = &header->field[i];
		else if (is_from)
			out->loose_from = true;
		from = from || is_from;
	}
	return from || refuse(sig, DKIM_RESULT_PERMERROR, "the message has no From field");
}
