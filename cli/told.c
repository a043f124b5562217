#include "cli/told.h"

#include "mail/reply.h"
#include "mail/said.h"

/* The mail server ended its connection to us; the client's goes on. */
static struct told
told_by_us(struct arena *arena)
{
	const struct saying *row = said_row(SAID_MTA_AWAY);
	struct told told = { row->code, str_of(row->enhanced), { 0 } };
	struct buf b;

	buf_init(&b, 1024);
	said_text(SAID_MTA_AWAY, NULL, &b);
	told.text = arena_dup(arena, buf_str(&b));
	buf_free(&b);
	return told;
}

struct told
told_of(struct arena *arena, const struct journal_record *r)
{
	struct told told = { r->code, r->enhanced, r->text };

	if (r->code == 0)
		return (struct told){ 0 };
	if (str_eq(r->rule, STR("backend")) && r->code == 421)
		return told_by_us(arena);
	if (told.enhanced.n == 0) {
		told.enhanced = reply_enhanced_of(r->code, r->text);
		told.text = str_trim(str_sub(r->text, told.enhanced.n, r->text.n));
	}
	return told;
}
