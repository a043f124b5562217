#include "mail/letter.h"

#include <time.h>

#include <openssl/evp.h>

#include "base/arena.h"
#include "base/escape.h"
#include "mail/mailbox.h"

#define LINE_MAX_OCTETS 998 /* RFC 5322 2.1.1 */
#define BASE64_IN 57        /* octets of a line of 76 */
#define WORD_IN 45          /* octets of an encoded word (RFC 2047 2: 75 in all) */

bool
letter_address(struct str address, struct err *e)
{
	static const char marks[] = "!#$%&'*+-/=?^_`{|}~.";
	size_t at = str_rfind(address, '@');
	struct str local = str_sub(address, 0, at), domain;

	if (at == STR_NPOS || local.n == 0 || local.n > MAILBOX_LOCAL_MAX)
		return err_set(e, ERR_SYNTAX, "an address is written name@example.org");
	domain = str_sub(address, at + 1, address.n);
	for (size_t i = 0; i < local.n; i++)
		if (!ascii_isalnum(local.p[i]) && (!local.p[i] || !strchr(marks, local.p[i])))
			return err_set(e, ERR_SYNTAX, "this address has a name that needs quotes");
	if (domain.n == 0 || domain.n > MAILBOX_DOMAIN_MAX || domain.p[0] == '[' ||
	    !mail_domain_ok(domain))
		return err_set(e, ERR_SYNTAX, "behind the @ of an address stands a domain");
	return true;
}

struct str
letter_clean(struct arena *arena, struct str text)
{
	size_t size = text.n * 10 + 4;
	char *out = arena_alloc(arena, size);

	return str_of(escape_terminal(text, out, size));
}

/* ---- encodings ---- */

static bool
is_plain(struct str text)
{
	size_t line = 0;

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];

		line = c == '\n' ? 0 : line + 1;
		if (c >= 0x7f || (c < 0x20 && c != '\n' && c != '\t') || line > LINE_MAX_OCTETS)
			return false;
	}
	return true;
}

static void
add_base64(struct buf *out, struct str text)
{
	unsigned char line[BASE64_IN / 3 * 4 + 1];
	int n = EVP_EncodeBlock(line, (const unsigned char *)text.p, (int)text.n);

	buf_add(out, (struct str){ (const char *)line, (size_t)n });
}

/* Not in the middle of a character. */
static size_t
piece_of(struct str text, size_t most)
{
	size_t n = text.n < most ? text.n : most;

	while (n > 1 && n < text.n && ((unsigned char)text.p[n] & 0xc0) == 0x80)
		n--;
	return n;
}

static void
add_subject(struct buf *out, struct str subject)
{
	char one_line[LETTER_SUBJECT_MAX * 10 + 4];
	struct str text;

	subject = str_sub(subject, 0, piece_of(subject, LETTER_SUBJECT_MAX));
	text = str_of(escape_terminal(subject, one_line, sizeof(one_line)));
	buf_add(out, STR("Subject:"));
	if (is_plain(text) && str_find(text, '\n') == STR_NPOS && text.n < LINE_MAX_OCTETS - 20) {
		buf_addc(out, ' ');
		buf_add(out, text);
		buf_add(out, STR("\r\n"));
		return;
	}
	while (text.n > 0) {
		size_t n = piece_of(text, WORD_IN);

		buf_add(out, STR(" =?utf-8?B?"));
		add_base64(out, str_sub(text, 0, n));
		buf_add(out, STR("?=\r\n"));
		text = str_sub(text, n, text.n);
	}
}

/* ---- lines ---- */

/* What cannot be in a text is shown; its lines end in CR LF. */
static void
add_lines(struct buf *out, struct str text)
{
	struct str line;

	while (str_pop(&text, '\n', &line)) {
		if (text.p == NULL && line.n == 0)
			break;
		for (size_t i = 0; i < line.n; i++)
			buf_addc(out, line.p[i] == '\r' || line.p[i] == '\0' ? '?' : line.p[i]);
		buf_add(out, STR("\r\n"));
	}
}

static void
add_text(struct buf *out, struct str text)
{
	struct buf lines;
	struct str rest;

	buf_init(&lines, 2 * LETTER_MAX + 2);
	add_lines(&lines, text);
	for (rest = buf_str(&lines); rest.n > 0;) {
		size_t n = rest.n < BASE64_IN ? rest.n : BASE64_IN;

		add_base64(out, str_sub(rest, 0, n));
		buf_add(out, STR("\r\n"));
		rest = str_sub(rest, n, rest.n);
	}
	buf_free(&lines);
}

/* RFC 5322 3.3; the names are not those of a locale. */
static void
add_date(struct buf *out, int64_t now)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t seconds = (time_t)now;
	struct tm tm;

	if (gmtime_r(&seconds, &tm) == NULL)
		return;
	buf_printf(out, "Date: %.3s, %d %.3s %d %02d:%02d:%02d +0000\r\n", days + 3 * tm.tm_wday,
	    tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
	    tm.tm_sec);
}

bool
letter_write(const struct letter *l, struct buf *out)
{
	bool plain = is_plain(l->text);

	buf_printf(out, "From: <%.*s>\r\nTo: <%.*s>\r\n", STR_ARG(l->from), STR_ARG(l->to));
	add_subject(out, l->subject);
	add_date(out, l->now);
	buf_printf(out,
	    "Message-ID: <%.*s@%.*s>\r\nAuto-Submitted: auto-generated\r\n"
	    "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Transfer-Encoding: %s\r\n\r\n",
	    STR_ARG(l->id), STR_ARG(l->host), plain ? "7bit" : "base64");
	if (plain)
		add_lines(out, l->text);
	else
		add_text(out, l->text);
	return !out->over;
}
