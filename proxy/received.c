#include "proxy/received.h"

#include <time.h>

#include "base/escape.h"
#include "mail/authres.h"
#include "mail/extension.h"

#define LINE_LONGEST 998 /* RFC 5322 2.1.1, without CRLF */

/* RFC 5322 3.3, in UTC; the names are the standard's and not the locale's. */
static void
write_date(int64_t now, struct buf *out)
{
	static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
		"Sep", "Oct", "Nov", "Dec" };
	time_t t = (time_t)now;
	struct tm tm;

	gmtime_r(&t, &tm);
	buf_printf(out, "%s, %d %s %d %02d:%02d:%02d +0000", days[tm.tm_wday], tm.tm_mday,
	    months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

static const struct recipient *
only_recipient(const struct session *s)
{
	const struct recipient *only = NULL;

	if (s->txn.n_accepted != 1)
		return NULL;
	for (const struct recipient *r = s->txn.recipients; r; r = r->next)
		if (r->state == RECIPIENT_ACCEPTED)
			only = r;
	return only;
}

/* RFC 5321 4.4, RFC 3848, RFC 6531 4.3. */
static const char *
protocol(const struct session *s)
{
	static const char *const utf8[] = { "UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA" };
	static const char *const plain[] = { "ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA" };
	int how = s->tls.on + 2 * session_authenticated(s);

	if (s->txn.needs & EXTENSION_SMTPUTF8)
		return utf8[how];
	return s->esmtp ? plain[how] : "SMTP";
}

/* UTF-8 was looked at by mailbox_take(); without SMTPUTF8 there can be none. */
static void
write_for(const struct session *s, struct str address, struct buf *out)
{
	char text[MAILBOX_PATH_MAX + 1];

	buf_add(out, STR("\r\n\tfor <"));
	if (s->txn.needs & EXTENSION_SMTPUTF8)
		buf_add(out, address);
	else
		buf_add(out, str_of(escape_ascii(address, text, sizeof(text))));
	buf_addc(out, '>');
}

void
received_write(const struct session *s, int64_t now, struct buf *out)
{
	const struct recipient *only = only_recipient(s);
	char helo[256], name[256];

	buf_printf(out, "Received: from %s (",
	    s->helo.n ? escape_ascii(s->helo, helo, sizeof(helo)) : "unknown");
	if (s->client_name.n)
		buf_printf(out, "%s ", escape_ascii(s->client_name, name, sizeof(name)));
	buf_printf(out, "[%s%s])\r\n\tby %.*s with %s id %s.%u",
	    s->client_ip.version == 6 ? "IPv6:" : "", IP_TEXT(&s->client_ip), STR_ARG(s->hostname),
	    protocol(s), s->id, s->txn.serial);
	/* OpenSSL's names have no parentheses. */
	if (s->tls.on)
		buf_printf(
		    out, "\r\n\t(%.*s %.*s)", STR_ARG(s->tls.version), STR_ARG(s->tls.cipher));
	/* More than one would tell each of them of the others. */
	if (only)
		write_for(s, only->mailbox.address, out);
	buf_add(out, STR(";\r\n\t"));
	write_date(now, out);
	buf_add(out, STR("\r\n"));
}

void
received_added(const struct added_field *field, struct buf *out)
{
	char text[LINE_LONGEST + 1];
	size_t room = LINE_LONGEST - 2 - (field->name.n < 200 ? field->name.n : 200);

	buf_add(out, str_sub(field->name, 0, 200));
	buf_printf(out, ": %s\r\n", escape_ascii(str_trim(field->value), text, room));
}

struct holes
received_forged(const struct session *s, const char *authserv_id)
{
	const struct header *h = &s->txn.message.header;
	struct holes holes = { 0 };

	for (size_t i = 0; i < h->n; i++) {
		const struct field *f = &h->field[i];
		const char *end = i + 1 < h->n ? h->field[i + 1].raw.p : h->block.p + h->block.n;

		if (!str_eqcase(f->name, STR("Authentication-Results")) ||
		    !authres_claims(f->value, authserv_id))
			continue;
		if (holes.hole == NULL)
			holes.hole = ARENA_ARRAY(s->txn.arena, struct hole, h->n);
		holes.hole[holes.n++] = (struct hole){
			.from = (uint64_t)(f->raw.p - h->block.p),
			.to = (uint64_t)(end - h->block.p),
		};
	}
	return holes;
}
