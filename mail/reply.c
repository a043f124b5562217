#include "mail/reply.h"

#include "base/die.h"

#define LINE_MOST (12288 + 4) /* a challenge of RFC 4954 4; who reads others sets less */
#define RAW_MOST (64 * 1024)
#define PREFIX 4 /* code and separator */

void
reply_init(struct reply *r)
{
	*r = (struct reply){ 0 };
	buf_init(&r->raw, RAW_MOST);
}

void
reply_free(struct reply *r)
{
	buf_wipe(&r->raw);
	buf_free(&r->raw);
	*r = (struct reply){ 0 };
}

void
reply_clear(struct reply *r)
{
	/* A server may repeat what it was told in AUTH. */
	buf_wipe(&r->raw);
	r->code = 0;
	r->lines = 0;
	r->complete = false;
}

/* 200 to 599; 0: no code. The second digit is not held to RFC 5321's 0 to 5: 571 is in use. */
static int
line_code(struct str line)
{
	if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || !ascii_isdigit(line.p[1]) ||
	    !ascii_isdigit(line.p[2]))
		return 0;
	return (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
}

/* Text that may be relayed: no controls but HTAB. */
static bool
text_ok(struct str line)
{
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = line.p[i];

		if ((c < ' ' && c != '\t') || c == 0x7f)
			return false;
	}
	return true;
}

bool
reply_take(struct reply *r, struct str line, struct err *e)
{
	int code = line_code(line);

	if (r->complete)
		return err_set(e, ERR_SYNTAX, "a reply came that was not asked for");
	if (line.n + 2 > LINE_MOST)
		return err_set(e, ERR_LIMIT, "a reply line of more than %d octets", LINE_MOST);
	if (code == 0 || (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-') || !text_ok(line))
		return err_set(e, ERR_SYNTAX, "not a line of an SMTP reply");
	if (r->lines > 0 && code != r->code)
		return err_set(e, ERR_SYNTAX, "a reply whose lines have different codes: %d, %d",
		    r->code, code);
	if (r->lines == REPLY_LINES_MAX)
		return err_set(e, ERR_LIMIT, "a reply of more than %d lines", REPLY_LINES_MAX);
	if (r->raw.n + line.n + 2 > RAW_MOST)
		return err_set(e, ERR_LIMIT, "a reply of more than %d octets", RAW_MOST);
	buf_add(&r->raw, line);
	buf_add(&r->raw, STR("\r\n"));
	r->code = code;
	r->lines++;
	r->complete = line.n == 3 || line.p[3] == ' ';
	return true;
}

struct str
reply_line(const struct reply *r, size_t i)
{
	struct str rest = buf_str(&r->raw), line;

	require(i < r->lines);
	do
		str_pop(&rest, '\n', &line);
	while (i-- > 0);
	line.n--; /* CR */
	return str_sub(line, PREFIX, line.n);
}

/* "5" "." 1*3DIGIT "." 1*3DIGIT at the start of s; its length, or 0. */
static size_t
enhanced_length(struct str s)
{
	size_t at = 1;

	for (int part = 0; part < 2; part++) {
		size_t digits = 0;

		if (at >= s.n || s.p[at++] != '.')
			return 0;
		while (at < s.n && ascii_isdigit(s.p[at])) {
			at++;
			digits++;
		}
		if (digits < 1 || digits > 3)
			return 0;
	}
	return at == s.n || s.p[at] == ' ' ? at : 0;
}

struct str
reply_enhanced_of(int code, struct str line)
{
	size_t n;

	/* RFC 2034 4: of the code's class, and there are only 2, 4 and 5 */
	if (line.n == 0 || line.p[0] != '0' + code / 100 || line.p[0] == '3')
		return (struct str){ 0 };
	n = enhanced_length(line);
	return n > 0 ? str_sub(line, 0, n) : (struct str){ 0 };
}

struct str
reply_enhanced(const struct reply *r)
{
	return r->lines > 0 ? reply_enhanced_of(r->code, reply_line(r, 0)) : (struct str){ 0 };
}

struct reply_writer {
	struct buf *out;
	int code;
	struct str enhanced;
};

static void
write_line(const struct reply_writer *w, struct str text, bool last)
{
	buf_printf(w->out, "%03d%c", w->code, last ? ' ' : '-');
	buf_add(w->out, w->enhanced);
	if (w->enhanced.n > 0 && text.n > 0)
		buf_addc(w->out, ' ');
	for (size_t i = 0, from = 0; i <= text.n; i++) {
		if (i < text.n && text.p[i] >= ' ' && text.p[i] < 0x7f)
			continue;
		buf_add(w->out, str_sub(text, from, i));
		if (i < text.n)
			buf_addc(w->out, '?');
		from = i + 1;
	}
	buf_add(w->out, STR("\r\n"));
}

/* The first n octets at most, cut at a blank where there is one in the second half. */
static struct str
cut_piece(struct str *part, size_t room)
{
	struct str piece = str_sub(*part, 0, room);
	size_t blank;

	if (part->n <= room) {
		*part = str_sub(*part, part->n, part->n);
		return piece;
	}
	blank = str_rfind(piece, ' ');
	if (blank != STR_NPOS && blank > room / 2) {
		*part = str_sub(*part, blank + 1, part->n);
		return str_sub(piece, 0, blank);
	}
	*part = str_sub(*part, room, part->n);
	return piece;
}

void
reply_write(struct buf *out, int code, const char *enhanced, struct str text)
{
	struct reply_writer w = { out, code, str_of(enhanced) };
	size_t room = REPLY_LINE_MAX - 2 - PREFIX - (w.enhanced.n > 0 ? w.enhanced.n + 1 : 0);
	struct str rest = str_trim(text), part;

	require(code >= 200 && code <= 599 && w.enhanced.n < 12);
	if (rest.n == 0)
		write_line(&w, rest, true);
	while (rest.n > 0) {
		str_pop(&rest, '\n', &part);
		part = str_trim(part);
		do {
			struct str piece = cut_piece(&part, room);

			write_line(&w, piece, part.n == 0 && rest.n == 0);
		} while (part.n > 0);
	}
}
