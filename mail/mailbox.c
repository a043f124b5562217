#include "mail/mailbox.h"

#include "base/addr.h"
#include "mail/utf8.h"

/* The text being read, and how far. */
struct reader {
	struct str text;
	size_t at;
};

static int
peek(const struct reader *r)
{
	return r->at < r->text.n ? (unsigned char)r->text.p[r->at] : -1;
}

static bool
take(struct reader *r, char c)
{
	if (peek(r) != (unsigned char)c)
		return false;
	r->at++;
	return true;
}

static size_t
take_utf8(struct reader *r)
{
	size_t n = utf8_length(str_sub(r->text, r->at, r->text.n));

	r->at += n;
	return n;
}

static bool
is_atext(int c)
{
	return c > 0 && c < 0x80 && (ascii_isalnum((char)c) || strchr("!#$%&'*+-/=?^_`{|}~", c));
}

/* atom *("." atom), each with UTF-8 in it (RFC 6531 3.3). */
static bool
take_dot_string(struct reader *r)
{
	do {
		size_t start = r->at;

		while (is_atext(peek(r)) || take_utf8(r) > 0)
			if (is_atext(peek(r)))
				r->at++;
		if (r->at == start)
			return false;
	} while (take(r, '.'));
	return true;
}

static bool
take_quoted_string(struct reader *r)
{
	r->at++;
	for (;;) {
		int c = peek(r);

		if (c == '"') {
			r->at++;
			return true;
		}
		if (c == '\\') {
			r->at++;
			c = peek(r);
			if (c < ' ' || c > '~')
				return false;
			r->at++;
		} else if (c >= ' ' && c <= '~') {
			r->at++;
		} else if (take_utf8(r) == 0) {
			return false;
		}
	}
}

/* "192.0.2.1" or "IPv6:2001:db8::1", what is between the brackets (RFC 5321 4.1.3). */
static bool
literal_ok(struct str inside)
{
	struct ip ip;

	if (str_startscase(inside, STR("IPv6:"))) {
		inside = str_sub(inside, 5, inside.n);
		return str_find(inside, ':') != STR_NPOS && ip_parse(inside, &ip);
	}
	return str_find(inside, ':') == STR_NPOS && ip_parse(inside, &ip);
}

static bool
label_ok(struct str label, bool utf8)
{
	if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n;) {
		size_t n = 1;

		if (!ascii_isalnum(label.p[i]) && label.p[i] != '-' && label.p[i] != '_')
			n = utf8 ? utf8_length(str_sub(label, i, label.n)) : 0;
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

static bool
domain_ok(struct str domain, bool utf8)
{
	struct str rest = domain, label;

	if (domain.n == 0 || domain.n > MAILBOX_DOMAIN_MAX)
		return false;
	if (domain.p[0] == '[')
		return domain.n > 2 && domain.p[domain.n - 1] == ']' &&
		    literal_ok(str_sub(domain, 1, domain.n - 1));
	/* an empty last label is not popped as a part */
	if (domain.p[domain.n - 1] == '.')
		return false;
	while (str_pop(&rest, '.', &label))
		if (!label_ok(label, utf8))
			return false;
	return true;
}

bool
mail_domain_ok(struct str domain)
{
	return domain_ok(domain, false);
}

/* What could be a domain or literal, up to where it ends; whether it is one is domain_ok()'s. */
static struct str
take_domain(struct reader *r)
{
	size_t start = r->at;

	if (take(r, '[')) {
		while (peek(r) > ' ' && peek(r) <= '~' && peek(r) != '>' && peek(r) != ']')
			r->at++;
		take(r, ']');
	} else {
		while (peek(r) > ' ' && peek(r) != 0x7f && !strchr("<>@,:;\"()[]\\", peek(r)))
			r->at++;
	}
	return str_sub(r->text, start, r->at);
}

/* "@one,@two:" is accepted and dropped (RFC 5321 4.1.1.3, appendix C). */
static bool
drop_route(struct reader *r)
{
	if (peek(r) != '@')
		return true;
	do {
		if (!take(r, '@') || !domain_ok(take_domain(r), true))
			return false;
	} while (take(r, ','));
	return take(r, ':');
}

/* What stands between the angle brackets, both excluded, when it is not empty. */
static bool
take_address(struct reader *r, bool postmaster_ok, struct mailbox *out, struct err *e)
{
	size_t start;
	bool local_ok;

	if (!drop_route(r))
		return err_set(e, ERR_SYNTAX, "syntax error in the source route of the address");
	start = r->at;
	local_ok = peek(r) == '"' ? take_quoted_string(r) : take_dot_string(r);
	out->local = str_sub(r->text, start, r->at);
	if (!local_ok)
		return err_set(e, ERR_SYNTAX, "syntax error in the local part of the address");
	out->domain = str_sub(r->text, r->at, r->at);
	if (take(r, '@')) {
		out->domain = take_domain(r);
		if (!domain_ok(out->domain, true))
			return err_set(e,
			    out->domain.n > MAILBOX_DOMAIN_MAX ? ERR_LIMIT : ERR_SYNTAX,
			    "the domain of the address is not valid");
	} else if (!postmaster_ok || !str_eqcase(out->local, STR("postmaster"))) {
		return err_set(e, ERR_SYNTAX, "the address has no domain");
	}
	out->address = str_sub(r->text, start, r->at);
	out->utf8 = utf8_beyond_ascii(out->address);
	return true;
}

bool
mailbox_take(struct str *rest, bool null_ok, bool postmaster_ok, struct mailbox *out, struct err *e)
{
	/* One more than may be, to see that it is too long. */
	struct reader r = { str_sub(*rest, 0, MAILBOX_PATH_MAX + 1), 0 };

	*out = (struct mailbox){ 0 };
	if (!take(&r, '<'))
		return err_set(e, ERR_SYNTAX, "the address must be in angle brackets");
	if (peek(&r) == '>') {
		if (!null_ok)
			return err_set(e, ERR_SYNTAX, "the address is empty");
		out->null = true;
		out->address = out->local = out->domain = str_sub(r.text, 1, 1);
	} else if (!take_address(&r, postmaster_ok, out, e)) {
		if (r.at > MAILBOX_PATH_MAX)
			err_set(
			    e, ERR_LIMIT, "the address is longer than %d octets", MAILBOX_PATH_MAX);
		return false;
	}
	if (r.at >= MAILBOX_PATH_MAX)
		return err_set(
		    e, ERR_LIMIT, "the address is longer than %d octets", MAILBOX_PATH_MAX);
	if (!take(&r, '>'))
		return err_set(e, ERR_SYNTAX, "syntax error at the end of the address");
	*rest = str_sub(*rest, r.at, rest->n);
	return true;
}

struct str
mailbox_key(struct arena *arena, const struct mailbox *m)
{
	struct str key;
	char *p;

	if (m->domain.n == 0)
		return arena_dup(arena, m->local);
	key.n = m->local.n + 1 + m->domain.n;
	p = arena_alloc(arena, key.n + 1);
	memcpy(p, m->local.p, m->local.n);
	p[m->local.n] = '@';
	for (size_t i = 0; i < m->domain.n; i++)
		p[m->local.n + 1 + i] = ascii_lower(m->domain.p[i]);
	key.p = p;
	return key;
}
