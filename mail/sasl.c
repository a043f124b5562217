#include "mail/sasl.h"

#include "mail/utf8.h"

#define NTLM_USER 36 /* where an AUTHENTICATE message tells of the user's name */
#define NTLM_FLAGS 60
#define NTLM_UNICODE 1u

/* ---- names ---- */

bool
sasl_mechanism_ok(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!ascii_isalnum(name.p[i]) && name.p[i] != '-' && name.p[i] != '_')
			return false;
	return name.n > 0 && name.n <= SASL_MECHANISM_MAX;
}

bool
sasl_relayable(struct str name)
{
	return !str_eqcase(name, STR("EXTERNAL")) && !str_endscase(name, STR("-PLUS"));
}

bool
sasl_lists(struct str list, struct str name)
{
	struct str word;

	while (str_pop(&list, ' ', &word))
		if (str_eqcase(word, name))
			return true;
	return false;
}

/* ---- base64 ---- */

/* -1: none of its letters. */
static int
letter_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (ascii_isdigit(c))
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* How many `=` it ends in. */
static size_t
padding(struct str text)
{
	size_t n = 0;

	while (n < 2 && n < text.n && text.p[text.n - 1 - n] == '=')
		n++;
	return n;
}

bool
sasl_base64_ok(struct str text)
{
	size_t letters = text.n - padding(text);

	for (size_t i = 0; i < letters; i++)
		if (letter_value(text.p[i]) < 0)
			return false;
	return text.n % 4 == 0;
}

bool
sasl_decode(struct str text, struct buf *out)
{
	size_t left = text.n / 4 * 3 - padding(text);

	buf_clear(out);
	if (!sasl_base64_ok(text))
		return false;
	/* At once, so that growing leaves no copy behind. */
	buf_reserve(out, left);
	for (size_t i = 0; i < text.n; i += 4) {
		unsigned group = 0;

		for (size_t k = 0; k < 4; k++) {
			int value = letter_value(text.p[i + k]);

			group = group << 6 | (unsigned)(value < 0 ? 0 : value);
		}
		for (int shift = 16; shift >= 0 && left > 0; shift -= 8, left--)
			if (!buf_addc(out, (char)(group >> shift & 0xff)))
				return false;
	}
	return true;
}

/* ---- what the mechanisms say ---- */

/* One that is not fit to be an account is as good as none. */
static void
learn(struct sasl *s, struct str account)
{
	for (size_t i = 0; i < account.n; i++)
		if ((unsigned char)account.p[i] < ' ' || account.p[i] == 0x7f)
			return;
	if (utf8_ok(account))
		str_copy(account, s->account, sizeof(s->account));
}

static void
learn_both(struct sasl *s, struct str authenticates, struct str acts_as)
{
	learn(s, authenticates);
	s->for_another = acts_as.n > 0 && !str_eq(acts_as, authenticates);
}

/* RFC 4616: whom it acts as, who it is, its password, with a NUL between. */
static void
plain_says(struct sasl *s, struct str message)
{
	struct str acts_as, authenticates;

	if (str_pop(&message, '\0', &acts_as) && str_pop(&message, '\0', &authenticates) &&
	    message.p != NULL)
		learn_both(s, authenticates, acts_as);
}

/* Name, then password, each asked for. */
static void
login_says(struct sasl *s, struct str message)
{
	learn(s, message);
}

/* RFC 2195: name, blank, digest. */
static void
cram_md5_says(struct sasl *s, struct str message)
{
	size_t blank = str_rfind(message, ' ');

	if (blank != STR_NPOS)
		learn(s, str_sub(message, 0, blank));
}

/* Takes name=value or name="value" off the front; the value without its quotes and backslashes. */
static bool
pop_directive(struct str *rest, struct str *name, char *value, size_t size)
{
	size_t equals, n = 0, i;
	bool quoted;

	while (rest->n > 0 && (rest->p[0] == ',' || rest->p[0] == ' ' || rest->p[0] == '\t'))
		*rest = str_sub(*rest, 1, rest->n);
	equals = str_find(*rest, '=');
	if (equals == STR_NPOS)
		return false;
	*name = str_trim(str_sub(*rest, 0, equals));
	i = equals + 1;
	quoted = i < rest->n && rest->p[i] == '"';
	for (i += quoted; i < rest->n && rest->p[i] != (quoted ? '"' : ','); i++) {
		if (quoted && rest->p[i] == '\\' && i + 1 < rest->n)
			i++;
		if (n + 1 == size)
			return false;
		value[n++] = rest->p[i];
	}
	value[n] = '\0';
	*rest = str_sub(*rest, i + quoted, rest->n);
	return strlen(value) == n;
}

/* RFC 2831 2.1.2 */
static void
digest_md5_says(struct sasl *s, struct str message)
{
	char username[SASL_ACCOUNT_MAX + 1] = "", authzid[SASL_ACCOUNT_MAX + 1] = "", value[512];
	struct str name;

	while (pop_directive(&message, &name, value, sizeof(value))) {
		if (str_eqcase(name, STR("username")))
			str_copy(str_of(value), username, sizeof(username));
		else if (str_eqcase(name, STR("authzid")))
			str_copy(str_of(value), authzid, sizeof(authzid));
	}
	learn_both(s, str_of(username), str_of(authzid));
}

/* RFC 5801 4: commas and equal signs of a name are =2C and =3D. False: it is none. */
static bool
unescape_name(struct str name, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < name.n; i++) {
		struct str three = str_sub(name, i, i + 3);
		char c = name.p[i];

		if (str_eqcase(three, STR("=2C")))
			c = ',';
		else if (str_eqcase(three, STR("=3D")))
			c = '=';
		else if (c == '=' || c == '\0')
			return false;
		if (name.p[i] == '=')
			i += 2;
		if (n + 1 >= size)
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

/*
 * The GS2 header (RFC 5801 4): "n," or "y,", then "a=NAME," or ",". message: what stands behind it. False: there is
 * none. acts_as: "" when nobody is named.
 */
static bool
pop_gs2_header(struct str *message, char *acts_as, size_t size)
{
	struct str flag, name;

	acts_as[0] = '\0';
	if (!str_pop(message, ',', &flag) || !str_pop(message, ',', &name) || message->p == NULL)
		return false;
	return name.n == 0 ||
	    (str_starts(name, STR("a=")) && unescape_name(str_sub(name, 2, name.n), acts_as, size));
}

/* RFC 5802 7: the client's first message. */
static void
scram_says(struct sasl *s, struct str message)
{
	char acts_as[SASL_ACCOUNT_MAX + 1], name[SASL_ACCOUNT_MAX + 1];
	struct str part;

	if (pop_gs2_header(&message, acts_as, sizeof(acts_as)) && str_pop(&message, ',', &part) &&
	    str_starts(part, STR("n=")) &&
	    unescape_name(str_sub(part, 2, part.n), name, sizeof(name)))
		learn_both(s, str_of(name), str_of(acts_as));
}

/* RFC 7628 3.1: who it is, is whom it acts as. */
static void
oauthbearer_says(struct sasl *s, struct str message)
{
	char acts_as[SASL_ACCOUNT_MAX + 1];

	if (pop_gs2_header(&message, acts_as, sizeof(acts_as)))
		learn(s, str_of(acts_as));
}

/* "user=NAME", then "auth=Bearer TOKEN", each ended by a control-A. */
static void
xoauth2_says(struct sasl *s, struct str message)
{
	struct str part;

	while (str_pop(&message, '\1', &part))
		if (str_startscase(part, STR("user="))) {
			learn(s, str_sub(part, 5, part.n));
			return;
		}
}

static unsigned
little_endian(struct str octets, size_t at, size_t n)
{
	unsigned value = 0;

	while (n-- > 0)
		value = value << 8 | (unsigned char)octets.p[at + n];
	return value;
}

/* MS-NLMP 2.2.1.3: names in UTF-16, of which those are understood that are ASCII. */
static void
ntlm_says(struct sasl *s, struct str message)
{
	char name[SASL_ACCOUNT_MAX + 1];
	size_t width, n, at;

	if (message.n < NTLM_FLAGS + 4 || !str_starts(message, STR("NTLMSSP\0\3\0\0\0")))
		return;
	width = little_endian(message, NTLM_FLAGS, 4) & NTLM_UNICODE ? 2 : 1;
	n = little_endian(message, NTLM_USER, 2) / width;
	at = little_endian(message, NTLM_USER + 4, 4);
	if (n > SASL_ACCOUNT_MAX || at > message.n || n * width > message.n - at)
		return;
	for (size_t i = 0; i < n; i++) {
		unsigned unit = little_endian(message, at + i * width, width);

		if (unit < ' ' || unit >= 0x7f)
			return;
		name[i] = (char)unit;
	}
	learn(s, (struct str){ name, n });
}

/* In how many messages the client says all, those left out that are empty; and which has the name. */
static const struct mechanism_row {
	const char *name; /* an ending "*": all that begin so */
	unsigned messages, naming;
	void (*says)(struct sasl *s, struct str message);
} rows[] = {
	{ "PLAIN", 1, 1, plain_says },
	{ "LOGIN", 2, 1, login_says },
	{ "CRAM-MD5", 1, 1, cram_md5_says },
	{ "DIGEST-MD5", 1, 1, digest_md5_says },
	{ "SCRAM-*", 2, 1, scram_says },
	{ "OAUTHBEARER", 1, 1, oauthbearer_says },
	{ "XOAUTH2", 1, 1, xoauth2_says },
	{ "NTLM", 2, 2, ntlm_says },
};

static bool
row_is(const struct mechanism_row *row, struct str name)
{
	struct str pattern = str_of(row->name);

	if (str_ends(pattern, STR("*")))
		return str_startscase(name, str_sub(pattern, 0, pattern.n - 1));
	return str_eqcase(name, pattern);
}

void
sasl_begin(struct sasl *s, struct str name)
{
	*s = (struct sasl){ .row = -1 };
	for (size_t i = 0; i < name.n && i < SASL_MECHANISM_MAX; i++)
		s->mechanism[i] = ascii_lower(name.p[i]) == name.p[i] && ascii_isalpha(name.p[i])
		    ? (char)(name.p[i] - 'a' + 'A')
		    : name.p[i];
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (row_is(&rows[i], name))
			s->row = (int)i;
}

void
sasl_take(struct sasl *s, struct str message)
{
	if (message.n == 0)
		return;
	s->said++;
	if (s->row >= 0 && s->said == rows[s->row].naming)
		rows[s->row].says(s, message);
}

struct str
sasl_account(const struct sasl *s)
{
	if (s->row < 0 || s->said != rows[s->row].messages)
		return STR("");
	return str_of(s->account);
}
