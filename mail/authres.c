#include "mail/authres.h"

#include "base/die.h"
#include "mail/mailbox.h"

#define TEXT_MOST (16 * 1024)
#define TAIL 16 /* always free: what authres_finish() adds */
#define VALUE_MOST 512
#define COLUMNS 77 /* below 78 (RFC 5322 2.1.1) */
#define TAB 8
#define FIELD "Authentication-Results: "

/* RFC 2045 5.1: what stands unquoted. */
static bool
is_token_char(char c)
{
	return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static bool
is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_token_char(s.p[i]))
			return false;
	return s.n > 0;
}

void
authres_init(struct authres *a, const char *authserv_id)
{
	*a = (struct authres){ 0 };
	require(is_token(str_of(authserv_id)));
	buf_init(&a->text, TEXT_MOST);
	buf_add(&a->text, STR(FIELD));
	buf_add(&a->text, str_of(authserv_id));
}

void
authres_free(struct authres *a)
{
	buf_free(&a->text);
	*a = (struct authres){ 0 };
}

/* Columns in use in the line that is being written. */
static size_t
column(const struct buf *text)
{
	struct str all = buf_str(text);
	size_t lf = str_rfind(all, '\n');

	return lf == STR_NPOS ? all.n : all.n - lf - 1 + TAB - 1;
}

/*
 * Adds a word behind a blank, or on a line of its own if it does not fit there; all of it or
 * nothing.
 */
static bool
add_word(struct authres *a, struct str separator, struct str word)
{
	if (a->text.n + separator.n + word.n + 3 + TAIL > TEXT_MOST)
		return false;
	buf_add(&a->text, separator);
	if (separator.n > 0 || column(&a->text) + 1 + word.n > COLUMNS)
		buf_add(&a->text, STR("\r\n\t"));
	else
		buf_addc(&a->text, ' ');
	buf_add(&a->text, word);
	return true;
}

/* local@domain may stand as it is (RFC 8601 2.2 pvalue) when its local part is a dot-atom. */
static bool
is_plain_address(struct str value)
{
	struct str text, rest;
	struct mailbox m;
	char path[MAILBOX_PATH_MAX + 1];

	if (value.n == 0 || value.n + 2 > MAILBOX_PATH_MAX || value.p[0] == '"' ||
	    value.p[0] == '@' || value.p[value.n - 1] == ']')
		return false;
	path[0] = '<';
	memcpy(path + 1, value.p, value.n);
	path[value.n + 1] = '>';
	text = rest = (struct str){ path, value.n + 2 };
	return mailbox_take(&rest, false, false, &m, NULL) && rest.n == 0 && !m.utf8 &&
	    m.address.n == text.n - 2;
}

static bool
can_be_quoted(struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] < ' ' || value.p[i] >= 0x7f)
			return false;
	return value.n <= VALUE_MOST;
}

/* The value as it may stand after "=". False: it cannot. */
static bool
add_value(struct buf *out, struct str value)
{
	if (!can_be_quoted(value))
		return false;
	if (is_token(value) || is_plain_address(value))
		return buf_add(out, value);
	buf_addc(out, '"');
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == '"' || value.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, value.p[i]);
	}
	return buf_addc(out, '"');
}

void
authres_result(struct authres *a, const char *method, struct str result, struct str reason)
{
	struct buf word;

	require(is_token(str_of(method)));
	a->left_out = true;
	if (!is_token(result) || result.n > VALUE_MOST)
		return;
	buf_init(&word, VALUE_MOST * 3);
	buf_printf(&word, "%s=", method);
	buf_add(&word, result);
	if (!word.over && add_word(a, STR(";"), buf_str(&word))) {
		a->left_out = false;
		a->n++;
	}
	buf_clear(&word);
	buf_add(&word, STR("reason="));
	if (!a->left_out && reason.n > 0 && add_value(&word, reason) && !word.over)
		add_word(a, STR(""), buf_str(&word));
	buf_free(&word);
}

void
authres_property(struct authres *a, const char *ptype, const char *property, struct str value)
{
	struct buf word;

	require(is_token(str_of(ptype)) && is_token(str_of(property)));
	if (a->left_out || a->n == 0)
		return;
	buf_init(&word, VALUE_MOST * 3);
	buf_printf(&word, "%s.%s=", ptype, property);
	if (add_value(&word, value) && !word.over)
		add_word(a, STR(""), buf_str(&word));
	buf_free(&word);
}

struct str
authres_finish(struct authres *a)
{
	if (a->n == 0)
		buf_add(&a->text, STR("; none"));
	buf_add(&a->text, STR("\r\n"));
	return buf_str(&a->text);
}

/* Past a comment, nested ones included; an unterminated one reaches to the end. */
static size_t
skip_comment(struct str s, size_t at)
{
	size_t depth = 0;

	for (; at < s.n; at++) {
		if (s.p[at] == '\\')
			at++;
		else if (s.p[at] == '(')
			depth++;
		else if (s.p[at] == ')' && --depth == 0)
			return at + 1;
	}
	return s.n;
}

/* Past comments, blanks, folding; and controls, which some reader might skip. */
static size_t
skip_cfws(struct str s, size_t at)
{
	while (at < s.n) {
		unsigned char c = s.p[at];

		if (c == '(')
			at = skip_comment(s, at);
		else if (c <= ' ' || c == 0x7f)
			at++;
		else
			break;
	}
	return at;
}

/* Compares what is between the quotes, without the backslashes and without folding. */
static bool
quoted_is(struct str s, size_t at, struct str id)
{
	size_t n = 0;

	for (at++; at < s.n && s.p[at] != '"'; at++) {
		if (s.p[at] == '\\')
			at++;
		if (at >= s.n || s.p[at] == '\r' || s.p[at] == '\n')
			continue;
		if (n >= id.n || ascii_lower(s.p[at]) != ascii_lower(id.p[n]))
			return false;
		n++;
	}
	return n == id.n;
}

/*
 * More is taken for a claim than RFC 8601 2.2 would: a final dot, and whatever follows the id
 * that cannot be of it ("mx.example.org/1"). Taking away one too many of such fields harms nobody.
 */
bool
authres_claims(struct str value, const char *authserv_id)
{
	struct str id = str_of(authserv_id), token;
	size_t start = skip_cfws(value, 0), end = start;

	if (start < value.n && value.p[start] == '"')
		return quoted_is(value, start, id);
	while (end < value.n && is_token_char(value.p[end]))
		end++;
	token = str_sub(value, start, end);
	if (token.n > 0 && token.p[token.n - 1] == '.')
		token.n--;
	return str_eqcase(token, id);
}
