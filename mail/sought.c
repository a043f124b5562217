#include "mail/sought.h"

#include "mail/idna.h"
#include "mail/utf8.h"

#define SCRATCH_MAX 16384

struct str
sought_ascii(struct str text, char out[SOUGHT_MAX])
{
	size_t at = str_rfind(text, '@'),
	       from = at == STR_NPOS ? str_starts(text, STR(".")) : at + 1;
	struct str domain = str_sub(text, from, text.n), ascii;
	struct arena *scratch;

	if (!utf8_beyond_ascii(domain) || str_find(domain, '.') == STR_NPOS || from > LIST_TEXT_MAX)
		return text;
	scratch = arena_new(SCRATCH_MAX);
	if (idna_to_ascii(scratch, domain, &ascii) && ascii.n <= MAILBOX_DOMAIN_MAX) {
		memcpy(out, text.p, from);
		memcpy(out + from, ascii.p, ascii.n);
		text = (struct str){ out, from + ascii.n };
	}
	arena_free(&scratch);
	return text;
}

/* Of what is longer than any item only the end, where its domain is. */
static struct str
lower_end(struct str text, char room[SOUGHT_MAX])
{
	struct str end = str_sub(text, text.n > SOUGHT_MAX ? text.n - SOUGHT_MAX : 0, text.n);

	for (size_t i = 0; i < end.n; i++)
		room[i] = ascii_lower(end.p[i]);
	return (struct str){ room, end.n };
}

struct str
sought_parent(struct str domain)
{
	size_t dot = str_find(domain, '.');

	return dot == STR_NPOS ? STR("") : str_sub(domain, dot + 1, domain.n);
}

void
sought_make(struct sought *sought, struct str text)
{
	struct str ascii = sought_ascii(text, sought->room);
	struct str end = lower_end(ascii, sought->room);
	bool whole = end.n == ascii.n;
	size_t at = str_rfind(end, '@');
	struct str domain = str_sub(end, at == STR_NPOS ? 0 : at + 1, end.n);

	if (domain.n > 0 && domain.p[domain.n - 1] == '.')
		domain.n--;
	if (domain.n > MAILBOX_DOMAIN_MAX)
		domain.n = 0;
	sought->given = text;
	sought->text = whole ? end : STR("");
	sought->domain = domain;
	sought->lengths = sought->text.n > 0 ? sought_length(sought->text) : 0;
	for (; domain.n > 0; domain = sought_parent(domain))
		sought->lengths |= sought_length(domain);
}
