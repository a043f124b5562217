#include "cli/narrowest.h"

#include "base/escape.h"
#include "rules/exception.h"

/* --- who ----------------------------------------------------------------------------------------- */

static struct str
domain_of(struct str address)
{
	size_t at = str_rfind(address, '@');

	return at == STR_NPOS ? STR("") : str_sub(address, at + 1, address.n);
}

/* One is the other, or below it. */
static bool
akin(struct str a, struct str b)
{
	struct str longer = a.n > b.n ? a : b, shorter = a.n > b.n ? b : a;

	if (shorter.n == 0 || !str_endscase(longer, shorter))
		return false;
	return longer.n == shorter.n || longer.p[longer.n - shorter.n - 1] == '.';
}

static bool
is_own(const struct evidence *v, struct str domain)
{
	if (akin(domain, domain_of(v->sender)))
		return true;
	for (size_t i = 0; i < v->n_authors; i++)
		if (akin(domain, v->author[i]))
			return true;
	return false;
}

/* The signature of the sender or author; *own: there is one. Else anybody's; "": none. */
static struct str
signer(const struct evidence *v, bool *own)
{
	*own = true;
	for (size_t i = 0; i < v->n_dkim; i++)
		if (is_own(v, v->dkim[i]))
			return v->dkim[i];
	*own = false;
	return v->n_dkim > 0 ? v->dkim[0] : STR("");
}

static struct str
claimed(struct arena *arena, const struct evidence *v)
{
	if (!v->mail)
		return STR("");
	return v->sender.n > 0 ? arena_lower(arena, domain_of(v->sender)) : STR("<>");
}

static bool
wants(const char *by, const char *what)
{
	return by == NULL || strcmp(by, what) == 0;
}

static bool
by_client(struct arena *arena, const struct evidence *v, struct exception *x)
{
	x->proof = EXCEPTION_CLIENT;
	x->client = (struct cidr){ v->client, v->client.version == 4 ? 32 : 128 };
	if (x->kind == EXCEPTION_ALLOW)
		x->sender = claimed(arena, v);
	return true;
}

bool
narrowest_proof(struct arena *arena, const struct evidence *v, const char *by, struct exception *x,
    struct err *e)
{
	bool own;
	struct str signed_by = signer(v, &own);

	if (signed_by.n > 0 && wants(by, "dkim") && (own || by || v->spf.n == 0)) {
		x->proof = EXCEPTION_DKIM;
		x->domain = arena_lower(arena, signed_by);
		if (!own)
			x->sender = claimed(arena, v);
		return true;
	}
	if (v->spf.n > 0 && wants(by, "spf")) {
		x->proof = EXCEPTION_SPF;
		x->domain = v->spf;
		return true;
	}
	if (v->client.version != 0 && wants(by, "client"))
		return by_client(arena, v, x);
	if (by && !wants(by, "dkim") && !wants(by, "spf") && !wants(by, "client"))
		return err_set(
		    e, ERR_SYNTAX, "--by is dkim, spf or client, not %s", ESC(str_of(by)));
	return by
	    ? err_set(e, ERR_SYNTAX,
		  "%s proves nobody in this entry: what no rule had asked for by then is not known",
		  by)
	    : err_set(e, ERR_SYNTAX,
		  "it names no client, and nothing in it proves a sender: there is nobody to except");
}

/* --- which rule ---------------------------------------------------------------------------------- */

/* Why what is no rule cannot be excepted from, and what can be done. */
static const struct {
	const char *begin, *why;
} others[] = {
	{ "backend", "the mail server behind refused it, and decides for itself" },
	{ "limit: ", "no rule refused it but a limit; see the settings in postern.conf(5)" },
	{ "failure: ", "no rule refused it: something did not answer, and the sender tries again" },
	{ "policy", "it was only to come in a message of its own, and the sender does so" },
};

bool
narrowest_rule(
    const struct evidence *v, const struct journal_record *r, struct exception *x, struct err *e)
{
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (str_starts(r->rule, str_of(others[i].begin)))
			return err_set(e, ERR_SYNTAX, "%s", others[i].why);
	if (str_starts(r->rule, STR(EXCEPTION_PREFIX)))
		return err_set(e, ERR_SYNTAX,
		    "it was blocked by hand: `postern lists remove %s` undoes that",
		    ESC(str_sub(r->rule, strlen(EXCEPTION_PREFIX), r->rule.n)));
	if (!v->refused)
		return err_set(e, ERR_SYNTAX, "it was not refused: there is nothing to undo");
	x->rule = v->digest;
	x->place = r->rule;
	if (v->digest.n == 0)
		return err_set(e, ERR_SYNTAX,
		    "the journal does not tell how %s read then; name a rule of today with --rule, or let "
		    "the sender pass --any-rule",
		    ESC(r->rule));
	return true;
}
