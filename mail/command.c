#include "mail/command.h"

#include "base/die.h"
#include "mail/utf8.h"

struct verb_row {
	const char *name;
	enum verb verb;
};

/* The first row of a verb is its name. */
static const struct verb_row verbs[] = {
	{ "HELO", VERB_HELO },
	{ "EHLO", VERB_EHLO },
	{ "MAIL", VERB_MAIL },
	{ "RCPT", VERB_RCPT },
	{ "DATA", VERB_DATA },
	{ "RSET", VERB_RSET },
	{ "NOOP", VERB_NOOP },
	{ "QUIT", VERB_QUIT },
	{ "VRFY", VERB_VRFY },
	{ "EXPN", VERB_EXPN },
	{ "HELP", VERB_HELP },
	{ "ETRN", VERB_ETRN },
	{ "AUTH", VERB_AUTH },
	{ "STARTTLS", VERB_STARTTLS },
	{ "BDAT", VERB_BDAT },
	{ "XCLIENT", VERB_XCLIENT },
	{ "XFORWARD", VERB_XFORWARD },
	/* HTTP, its second version's preface, proxies, SIP and RTSP */
	{ "GET", VERB_FOREIGN },
	{ "POST", VERB_FOREIGN },
	{ "CONNECT", VERB_FOREIGN },
	{ "HEAD", VERB_FOREIGN },
	{ "PUT", VERB_FOREIGN },
	{ "DELETE", VERB_FOREIGN },
	{ "PATCH", VERB_FOREIGN },
	{ "TRACE", VERB_FOREIGN },
	{ "OPTIONS", VERB_FOREIGN },
	{ "PRI", VERB_FOREIGN },
	{ "INVITE", VERB_FOREIGN },
	{ "REGISTER", VERB_FOREIGN },
	{ "DESCRIBE", VERB_FOREIGN },
};
#define N_VERBS (sizeof verbs / sizeof *verbs)

const char *
verb_name(enum verb verb)
{
	if (verb == VERB_FOREIGN)
		return "foreign";
	for (size_t i = 0; i < N_VERBS; i++)
		if (verbs[i].verb == verb)
			return verbs[i].name;
	return "unknown";
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Blanks only: a CR here is a bare one, and stays to be refused. */
static struct str
trim_blanks(struct str s)
{
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	while (s.n > 0 && is_blank(s.p[0]))
		s = str_sub(s, 1, s.n);
	return s;
}

void
command_parse(struct str line, struct command *out)
{
	size_t end = 0;

	*out = (struct command){ .verb = VERB_UNKNOWN };
	while (end < line.n && !is_blank(line.p[end]))
		end++;
	out->name = str_sub(line, 0, end);
	out->rest = trim_blanks(str_sub(line, end, line.n));
	for (size_t i = 0; i < N_VERBS; i++)
		if (str_eqcase(out->name, str_of(verbs[i].name)))
			out->verb = verbs[i].verb;
}

static bool
keyword_ok(struct str keyword)
{
	if (keyword.n == 0 || keyword.p[0] == '-')
		return false;
	for (size_t i = 0; i < keyword.n; i++)
		if (!ascii_isalnum(keyword.p[i]) && keyword.p[i] != '-')
			return false;
	return true;
}

/* Printable ASCII without "=" and blank (RFC 5321 4.1.2), and UTF-8 (RFC 6531 3.3). */
static bool
value_ok(struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		if ((unsigned char)value.p[i] <= ' ' || value.p[i] == 0x7f || value.p[i] == '=')
			return false;
	return value.n > 0 && utf8_ok(value);
}

static bool
take_parameter(struct command *c, struct str text, struct err *e)
{
	struct parameter p = { .keyword = text };
	size_t equals = str_find(text, '=');

	if (equals != STR_NPOS) {
		p.keyword = str_sub(text, 0, equals);
		p.value = str_sub(text, equals + 1, text.n);
	}
	if (!keyword_ok(p.keyword) || (p.value.p != NULL && !value_ok(p.value)))
		return err_set(e, ERR_SYNTAX, "syntax error in the parameters");
	if (c->n_parameters == COMMAND_PARAMETERS)
		return err_set(e, ERR_LIMIT, "more than %d parameters", COMMAND_PARAMETERS);
	for (size_t i = 0; i < c->n_parameters; i++)
		if (str_eqcase(c->parameter[i].keyword, p.keyword))
			return err_set(e, ERR_SYNTAX, "a parameter was given twice");
	c->parameter[c->n_parameters++] = p;
	return true;
}

bool
command_path(struct command *c, struct err *e)
{
	bool mail = c->verb == VERB_MAIL;
	struct str rest = c->rest, word = mail ? STR("FROM:") : STR("TO:"), part;

	require(mail || c->verb == VERB_RCPT);
	c->n_parameters = 0;
	c->path_wrong = false;
	if (!str_startscase(rest, word))
		return err_set(e, ERR_SYNTAX, "syntax: %s",
		    mail ? "MAIL FROM:<address>" : "RCPT TO:<address>");
	rest = str_sub(rest, word.n, rest.n);
	if (rest.n > 0 && rest.p[0] == ' ')
		rest = str_sub(rest, 1, rest.n);
	if (rest.n == 0)
		return err_set(e, ERR_SYNTAX, "the address must be in angle brackets");
	c->path_wrong = true;
	if (!mailbox_take(&rest, mail, !mail, &c->path, e))
		return false;
	if (rest.n > 0 && rest.p[0] != ' ')
		return err_set(e, ERR_SYNTAX, "a blank must follow the address");
	c->path_wrong = false;
	while (rest.n > 0) {
		str_pop(&rest, ' ', &part);
		if (part.n > 0 && !take_parameter(c, part, e))
			return false;
	}
	return true;
}

const struct parameter *
command_parameter(const struct command *c, const char *keyword)
{
	for (size_t i = 0; i < c->n_parameters; i++)
		if (str_eqcase(c->parameter[i].keyword, str_of(keyword)))
			return &c->parameter[i];
	return NULL;
}

static bool
is_xchar(char c)
{
	return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

struct str
xtext_encode(struct arena *arena, struct str s)
{
	static const char digits[] = "0123456789ABCDEF";
	char *p = arena_alloc(arena, s.n * 3 + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = s.p[i];

		if (is_xchar(s.p[i])) {
			p[n++] = s.p[i];
			continue;
		}
		p[n++] = '+';
		p[n++] = digits[c >> 4];
		p[n++] = digits[c & 15];
	}
	return (struct str){ p, n };
}

/* -1: not a hexadecimal digit. RFC 3461 has upper case; lower is understood. */
static int
hex_value(struct str s, size_t at)
{
	char c = at < s.n ? ascii_lower(s.p[at]) : '\0';

	if (ascii_isdigit(c))
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool
xtext_decode(struct arena *arena, struct str s, struct str *out)
{
	char *p = arena_alloc(arena, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		int high, low;

		if (is_xchar(s.p[i])) {
			p[n++] = s.p[i];
			continue;
		}
		high = hex_value(s, i + 1);
		low = hex_value(s, i + 2);
		if (s.p[i] != '+' || high < 0 || low < 0)
			return false;
		p[n++] = (char)(high << 4 | low);
		i += 2;
	}
	*out = (struct str){ p, n };
	return true;
}

bool
xtext_printable(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		int high, low;

		if (is_xchar(s.p[i]))
			continue;
		high = hex_value(s, i + 1);
		low = hex_value(s, i + 2);
		if (s.p[i] != '+' || high < 0 || low < 0)
			return false;
		if ((high << 4 | low) < ' ' || (high << 4 | low) > '~')
			return false;
		i += 2;
	}
	return s.n > 0;
}
