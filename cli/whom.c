#include "cli/whom.h"

#include "base/escape.h"
#include "mail/idna.h"
#include "mail/mailbox.h"

/* --- who ----------------------------------------------------------------------------------------- */

static enum whom
by_domain(struct arena *arena, struct str name, struct exception *x, struct err *e)
{
	if (idna_to_ascii(arena, name, &x->domain) && mail_domain_ok(x->domain))
		return WHOM_NAMED;
	err_set(e, ERR_SYNTAX, "\"%s\" is no domain", ESC(name));
	return WHOM_WRONG;
}

/* A sender is a claim: he has to be proven. */
static enum whom
by_nothing(struct str text, struct err *e)
{
	size_t at = str_rfind(text, '@');
	struct str domain = str_sub(text, at == STR_NPOS ? 0 : at + 1, text.n);

	if (str_find(domain, '.') == STR_NPOS || !mail_domain_ok(domain))
		return WHOM_OTHER;
	err_set(e, ERR_SYNTAX,
	    "\"%s\" is what anybody can claim to be: name what has to prove it, dkim:%.*s or spf:%.*s, or "
	    "the client's address",
	    ESC(text), STR_ARG(domain), STR_ARG(domain));
	return WHOM_WRONG;
}

static enum whom
by_client(struct str text, struct exception *x, struct err *e)
{
	x->proof = EXCEPTION_CLIENT;
	if (!cidr_parse(text, &x->client, e))
		return WHOM_WRONG;
	if (x->client.bits > 0)
		return WHOM_NAMED;
	err_set(e, ERR_SYNTAX,
	    "a network of /0 is everybody: that is for a rule, not for an exception");
	return WHOM_WRONG;
}

enum whom
whom_read(struct arena *arena, struct str text, struct exception *x, struct err *e)
{
	struct ip ip;

	if (str_startscase(text, STR("dkim:")) || str_startscase(text, STR("spf:"))) {
		x->proof = str_startscase(text, STR("spf:")) ? EXCEPTION_SPF : EXCEPTION_DKIM;
		return by_domain(arena, str_sub(text, str_find(text, ':') + 1, text.n), x, e);
	}
	if (str_startscase(text, STR("client:")))
		return by_client(str_sub(text, 7, text.n), x, e);
	if (ip_parse(str_sub(text, 0, str_find(text, '/')), &ip))
		return by_client(text, x, e);
	return by_nothing(text, e);
}

/* --- recipients ---------------------------------------------------------------------------------- */

static bool
recipient_ok(struct arena *arena, struct str text)
{
	struct str path = arena_printf(arena, "<%.*s>", STR_ARG(text)), ascii;
	struct mailbox m;
	struct err e;

	if (str_find(text, '@') == STR_NPOS)
		return mail_domain_ok(text) || idna_to_ascii(arena, text, &ascii);
	return mailbox_take(&path, false, true, &m, &e) && path.n == 0;
}

/* Clients may name a domain in either script (RFC 5890), and an exception goes by what they say. */
static bool
other_script(struct arena *arena, struct str *name)
{
	size_t at = str_rfind(*name, '@'), from = at == STR_NPOS ? 0 : at + 1;
	struct str domain = str_sub(*name, from, name->n), ascii, other;

	if (!idna_to_ascii(arena, domain, &ascii))
		return false;
	other = ascii;
	if (str_eqcase(ascii, domain) && !idna_to_utf8(arena, ascii, &other))
		return false;
	*name = arena_printf(arena, "%.*s%.*s", STR_ARG(str_sub(*name, 0, from)), STR_ARG(other));
	return !str_eqcase(other, domain);
}

bool
whom_recipients(
    struct arena *arena, const struct cli_texts *given, struct exception *x, struct err *e)
{
	struct str *all = ARENA_ARRAY(arena, struct str, 2 * given->n + 1);
	size_t n = 0;

	for (size_t i = 0; i < given->n; i++) {
		struct str one = str_of(given->text[i]);

		if (str_eq(one, STR("any")))
			return given->n == 1 ||
			    err_set(e, ERR_SYNTAX, "any is all of them, and goes alone");
		if (!recipient_ok(arena, one))
			return err_set(e, ERR_SYNTAX, "\"%s\" is no address or domain", ESC(one));
		all[n++] = one;
		if (other_script(arena, &one))
			all[n++] = one;
	}
	if (n == 0)
		return true;
	x->recipient = all;
	x->n_recipients = n;
	return true;
}
