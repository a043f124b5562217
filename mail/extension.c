#include "mail/extension.h"

#include "mail/utf8.h"

#define ENVID_MAX 100 /* RFC 3461 4.4 */
#define ORCPT_MAX 500 /* RFC 3461 4.2 */
#define BY_DIGITS 9   /* RFC 2852 4 */
#define AUTH_MAX 500  /* RFC 4954 3 */

static const struct {
	unsigned extension;
	const char *keyword;
} keywords[] = {
	{ EXTENSION_8BITMIME, "8BITMIME" },
	{ EXTENSION_DSN, "DSN" },
	{ EXTENSION_DELIVERBY, "DELIVERBY" },
	{ EXTENSION_MT_PRIORITY, "MT-PRIORITY" },
	{ EXTENSION_SMTPUTF8, "SMTPUTF8" },
	{ EXTENSION_BINARYMIME, "BINARYMIME" },
	{ EXTENSION_VRFY, "VRFY" },
	{ EXTENSION_EXPN, "EXPN" },
	{ EXTENSION_HELP, "HELP" },
	{ EXTENSION_ETRN, "ETRN" },
	{ EXTENSION_AUTH, "AUTH" },
};
#define N_KEYWORDS (sizeof keywords / sizeof *keywords)

unsigned
extension_find(struct str keyword)
{
	for (size_t i = 0; i < N_KEYWORDS; i++)
		if (str_eqcase(keyword, str_of(keywords[i].keyword)))
			return keywords[i].extension;
	return 0;
}

const char *
extension_keyword(unsigned one)
{
	for (size_t i = 0; i < N_KEYWORDS; i++)
		if (keywords[i].extension == one)
			return keywords[i].keyword;
	return "unknown";
}

/* ---- values ---- */

static bool
ret_ok(struct str value)
{
	return str_eqcase(value, STR("FULL")) || str_eqcase(value, STR("HDRS"));
}

static bool
envid_ok(struct str value)
{
	return value.n <= ENVID_MAX && xtext_printable(value);
}

/* NEVER alone, or some of the others. */
static bool
notify_ok(struct str value)
{
	struct str word;

	if (str_eqcase(value, STR("NEVER")))
		return true;
	if (value.n == 0)
		return false;
	while (str_pop(&value, ',', &word))
		if (!str_eqcase(word, STR("SUCCESS")) && !str_eqcase(word, STR("FAILURE")) &&
		    !str_eqcase(word, STR("DELAY")))
			return false;
	return true;
}

/* The type that may hold UTF-8 as it is (RFC 6533 3): what of it is ASCII is xtext. */
static bool
utf8_address_ok(struct str s)
{
	while (s.n > 0) {
		size_t n = utf8_length(s), ascii = 0;

		while (n == 0 && ascii < s.n && (unsigned char)s.p[ascii] < 0x80)
			ascii++;
		if (n == 0 && !xtext_printable(str_sub(s, 0, ascii)))
			return false;
		s = str_sub(s, n + ascii, s.n);
	}
	return true;
}

static unsigned
orcpt_needs(struct str value)
{
	return EXTENSION_DSN | (utf8_beyond_ascii(value) ? EXTENSION_SMTPUTF8 : 0);
}

/* "rfc822;" and an address; other types have other names (RFC 3461 4.2). */
static bool
orcpt_ok(struct str value)
{
	size_t semicolon = str_find(value, ';');

	if (value.n > ORCPT_MAX || semicolon == STR_NPOS || semicolon == 0)
		return false;
	for (size_t i = 0; i < semicolon; i++)
		if (!ascii_isalnum(value.p[i]) && value.p[i] != '-')
			return false;
	if (str_eqcase(str_sub(value, 0, semicolon), STR("utf-8")))
		return semicolon + 1 < value.n &&
		    utf8_address_ok(str_sub(value, semicolon + 1, value.n));
	return xtext_printable(str_sub(value, semicolon + 1, value.n));
}

/* "120;R", "-5;NT": seconds and what becomes of the message then. To return it, some must be left. */
static bool
by_ok(struct str value)
{
	size_t semicolon = str_find(value, ';');
	bool minus = value.n > 0 && value.p[0] == '-';
	struct str digits, mode;
	uint64_t seconds;

	if (semicolon == STR_NPOS)
		return false;
	digits = str_sub(value, minus || value.p[0] == '+', semicolon);
	mode = str_sub(value, semicolon + 1, value.n);
	if (digits.n > BY_DIGITS || !str_to_u64(digits, UINT64_MAX, &seconds))
		return false;
	if (str_eqcase(mode, STR("N")) || str_eqcase(mode, STR("NT")))
		return true;
	return (str_eqcase(mode, STR("R")) || str_eqcase(mode, STR("RT"))) && !minus && seconds > 0;
}

/* -9 to 9 */
static bool
mt_priority_ok(struct str value)
{
	bool minus = value.n == 2 && value.p[0] == '-';

	return (value.n == 1 || minus) && ascii_isdigit(value.p[minus]) &&
	    !(minus && value.p[1] == '0');
}

/* "<>", or an address in xtext (RFC 4954 5); the former is well-formed as the latter. */
static bool
auth_ok(struct str value)
{
	return value.n <= AUTH_MAX && xtext_printable(value);
}

static bool
no_value(struct str value)
{
	return value.p == NULL;
}

static bool
body_ok(struct str value)
{
	return str_eqcase(value, STR("7BIT")) || str_eqcase(value, STR("8BITMIME")) ||
	    str_eqcase(value, STR("BINARYMIME"));
}

static unsigned
body_needs(struct str value)
{
	if (str_eqcase(value, STR("BINARYMIME")))
		return EXTENSION_BINARYMIME;
	return str_eqcase(value, STR("8BITMIME")) ? EXTENSION_8BITMIME : 0;
}

/* ---- parameters ---- */

static const struct parameter_row {
	enum verb verb;
	const char *keyword;
	unsigned extension; /* 0: needs() says */
	unsigned (*needs)(struct str value);
	bool (*ok)(struct str value);
	const char *wrong;
} parameters[] = {
	{ VERB_MAIL, "BODY", 0, body_needs, body_ok, "BODY is 7BIT, 8BITMIME or BINARYMIME" },
	{ VERB_MAIL, "RET", EXTENSION_DSN, NULL, ret_ok, "RET is FULL or HDRS" },
	{ VERB_MAIL, "ENVID", EXTENSION_DSN, NULL, envid_ok,
	    "ENVID is xtext of at most 100 octets" },
	{ VERB_RCPT, "NOTIFY", EXTENSION_DSN, NULL, notify_ok,
	    "NOTIFY is NEVER, or some of SUCCESS, FAILURE and DELAY" },
	{ VERB_RCPT, "ORCPT", 0, orcpt_needs, orcpt_ok,
	    "ORCPT is a type, a semicolon and xtext, of at most 500 octets" },
	{ VERB_MAIL, "BY", EXTENSION_DELIVERBY, NULL, by_ok,
	    "BY is a number of seconds, a semicolon and a mode" },
	{ VERB_MAIL, "MT-PRIORITY", EXTENSION_MT_PRIORITY, NULL, mt_priority_ok,
	    "MT-PRIORITY is a number from -9 to 9" },
	{ VERB_MAIL, "AUTH", EXTENSION_AUTH, NULL, auth_ok,
	    "AUTH is <>, or an address in xtext, of at most 500 octets" },
	{ VERB_MAIL, "SMTPUTF8", EXTENSION_SMTPUTF8, NULL, no_value, "SMTPUTF8 has no value" },
};

enum parameter_kind
extension_parameter(enum verb verb, const struct parameter *p, unsigned *needs, struct err *e)
{
	for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
		const struct parameter_row *row = &parameters[i];

		if (row->verb != verb || !str_eqcase(p->keyword, str_of(row->keyword)))
			continue;
		*needs = row->needs ? row->needs(p->value) : row->extension;
		if (row->ok(p->value))
			return PARAMETER_VALID;
		err_set(e, ERR_SYNTAX, "%s", row->wrong);
		return PARAMETER_INVALID;
	}
	*needs = 0;
	return PARAMETER_UNKNOWN;
}
