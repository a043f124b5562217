#include "mail/idna.h"

#include <idn2.h>

#include "base/dns.h"

/* What is longer is no name, and not worth the library's time. */
#define NAME_MOST 1024

static bool
is_ascii(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

bool
idna_to_ascii(struct arena *arena, struct str name, struct str *out)
{
	uint8_t *ascii = NULL;

	if (name.n == 0 || name.n > NAME_MOST || str_find(name, '\0') != STR_NPOS)
		return false;
	if (is_ascii(name)) {
		*out = arena_lower(arena, name);
	} else {
		const char *copy = arena_dup(arena, name).p;

		if (idn2_lookup_u8((const uint8_t *)copy, &ascii,
			IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
			return false;
		*out = arena_lower(arena, str_of((const char *)ascii));
		idn2_free(ascii);
	}
	if (str_ends(*out, STR(".")))
		out->n--;
	return out->n > 0 && dns_name_ok(*out) && !str_ends(*out, STR("."));
}

bool
idna_to_utf8(struct arena *arena, struct str ascii, struct str *out)
{
	const char *copy = arena_dup(arena, ascii).p;
	char *letters = NULL;

	if (ascii.n > NAME_MOST || idn2_to_unicode_8z8z(copy, &letters, 0) != IDN2_OK)
		return false;
	*out = arena_dup(arena, str_of(letters));
	idn2_free(letters);
	return out->n > 0;
}
