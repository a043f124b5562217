#include "tests/filters/spf_oracle.h"

#include "filters/spf_macro.h"
#include "filters/spf_record.h"

/* What a term comes to; an error ends everything. */
enum match { MATCH_NO, MATCH_YES, MATCH_TEMPERROR, MATCH_PERMERROR };

static enum spf_result check(struct spf_oracle *o, struct str domain, bool included);

static bool
can_be_asked(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] < ' ' || name.p[i] > '~')
			return false;
	return dns_name_ok(name) && !str_ends(name, STR("."));
}

/* A name that cannot be in the DNS: nothing there, and it is not counted (4.8). */
static bool
look(struct spf_oracle *o, struct str name, enum dns_type type, struct dns_answer *out)
{
	*out = (struct dns_answer){ .status = DNS_NXDOMAIN };
	if (!can_be_asked(name))
		return false;
	o->look(o->owner, name, type, out);
	return true;
}

static enum dns_type
address_type(const struct spf_oracle *o)
{
	return o->query->client.version == 6 ? DNS_AAAA : DNS_A;
}

/* The first bits of both are the same, looked at one by one. */
static bool
same_bits(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	for (unsigned i = 0; i < bits; i++)
		if (((a[i / 8] ^ b[i / 8]) >> (7 - i % 8)) & 1)
			return false;
	return true;
}

static bool
any_address(const struct spf_oracle *o, const struct spf_term *t, const struct dns_answer *answer)
{
	bool six = o->query->client.version == 6;

	for (size_t i = 0; answer->status == DNS_OK && i < answer->n; i++)
		if (same_bits((const unsigned char *)answer->rr[i].data.p, o->query->client.b,
			six ? t->bits6 : t->bits4))
			return true;
	return false;
}

/* 5.5: which names lead back, of ten at most; *nothing: the PTR question was a void one. */
static size_t
validated_names(struct spf_oracle *o, struct str *out, bool *nothing)
{
	struct dns_answer ptr, address;
	size_t n = 0;

	look(o, dns_reverse_name(o->arena, &o->query->client), DNS_PTR, &ptr);
	*nothing = ptr.status == DNS_NXDOMAIN || ptr.status == DNS_NODATA;
	for (size_t i = 0; ptr.status == DNS_OK && i < ptr.n && i < 10; i++) {
		look(o, ptr.rr[i].data, address_type(o), &address);
		if (address.status == DNS_OK && dns_has_ip(&address, &o->query->client))
			out[n++] = ptr.rr[i].data;
	}
	return n;
}

static bool
is_below(struct str name, struct str domain)
{
	return str_eqcase(name, domain) ||
	    (name.n > domain.n && domain.n > 0 && str_endscase(name, domain) &&
		name.p[name.n - domain.n - 1] == '.');
}

static struct str
expand(struct spf_oracle *o, struct str spec, struct str domain)
{
	const struct spf_query *q = o->query;
	struct spf_values v = { .client = q->client,
		.local = q->local.n > 0 ? q->local : STR("postmaster"),
		.domain = q->domain,
		.current = domain,
		.validated = STR("unknown"),
		.helo = q->helo,
		.receiver = q->receiver,
		.now = q->now };
	struct str name[10];
	bool nothing;
	size_t n = 0;

	if (spec.p == NULL)
		return domain;
	if (spf_macro_uses(spec, "p"))
		n = validated_names(o, name, &nothing);
	/* 7.3: the domain itself before one below it before any. */
	if (n > 0)
		v.validated = name[0];
	for (size_t i = n; i-- > 0;)
		if (is_below(name[i], domain))
			v.validated = name[i];
	for (size_t i = 0; i < n; i++)
		if (str_eqcase(name[i], domain))
			v.validated = name[i];
	return spf_macro_name(o->arena, spec, &v);
}

/* MATCH_YES: there is an answer with records. Voids are counted (4.6.4). */
static enum match
look_for(struct spf_oracle *o, struct str name, enum dns_type type, struct dns_answer *out)
{
	if (!look(o, name, type, out))
		return MATCH_NO;
	if (out->status == DNS_TEMPFAIL)
		return MATCH_TEMPERROR;
	if (out->status == DNS_OK)
		return MATCH_YES;
	return ++o->voids > 2 ? MATCH_PERMERROR : MATCH_NO;
}

static enum match
match_mx(struct spf_oracle *o, const struct spf_term *t, struct str name)
{
	struct dns_answer mx, address;
	enum match found = look_for(o, name, DNS_MX, &mx);

	if (found != MATCH_YES)
		return found;
	if (mx.n > 10)
		return MATCH_PERMERROR;
	for (size_t i = 0; i < mx.n; i++) {
		look(o, mx.rr[i].data, address_type(o), &address);
		if (address.status == DNS_TEMPFAIL)
			return MATCH_TEMPERROR;
		if (any_address(o, t, &address))
			return MATCH_YES;
	}
	return MATCH_NO;
}

static enum match
match_ptr(struct spf_oracle *o, struct str domain)
{
	struct str name[10];
	bool nothing;
	size_t n = validated_names(o, name, &nothing);

	if (nothing && ++o->voids > 2)
		return MATCH_PERMERROR;
	for (size_t i = 0; i < n; i++)
		if (is_below(name[i], domain))
			return MATCH_YES;
	return MATCH_NO;
}

/* The table of 5.2. */
static enum match
match_include(enum spf_result result)
{
	switch (result) {
	case SPF_PASS:
		return MATCH_YES;
	case SPF_FAIL:
	case SPF_SOFTFAIL:
	case SPF_NEUTRAL:
		return MATCH_NO;
	case SPF_TEMPERROR:
		return MATCH_TEMPERROR;
	default:
		return MATCH_PERMERROR;
	}
}

static enum match
match_term(struct spf_oracle *o, const struct spf_term *t, struct str domain)
{
	const struct ip *client = &o->query->client;
	struct dns_answer answer;
	enum match found;
	struct str name;

	if (t->kind == SPF_ALL)
		return MATCH_YES;
	if (t->kind == SPF_IP4 || t->kind == SPF_IP6)
		return client->version == t->network.version &&
			same_bits(
			    client->b, t->network.b, t->network.version == 6 ? t->bits6 : t->bits4)
		    ? MATCH_YES
		    : MATCH_NO;
	if (++o->terms > 10)
		return MATCH_PERMERROR;
	name = expand(o, t->spec, domain);
	switch (t->kind) {
	case SPF_A:
		found = look_for(o, name, address_type(o), &answer);
		if (found == MATCH_YES && !any_address(o, t, &answer))
			found = MATCH_NO;
		return found;
	case SPF_MX:
		return match_mx(o, t, name);
	case SPF_PTR:
		return match_ptr(o, name);
	case SPF_EXISTS:
		return look_for(o, name, DNS_A, &answer);
	default:
		return match_include(check(o, name, true));
	}
}

static enum spf_result
of_qualifier(char qualifier)
{
	return qualifier == '+' ? SPF_PASS
	    : qualifier == '-'  ? SPF_FAIL
	    : qualifier == '~'  ? SPF_SOFTFAIL
				: SPF_NEUTRAL;
}

/* 4.5. *text: of the only record. */
static enum spf_result
find_record(struct spf_oracle *o, struct str domain, struct str *text)
{
	struct dns_answer answer;
	size_t n = 0;

	look(o, domain, DNS_TXT, &answer);
	if (answer.status == DNS_TEMPFAIL)
		return SPF_TEMPERROR;
	for (size_t i = 0; answer.status == DNS_OK && i < answer.n; i++)
		if (spf_record_is(answer.rr[i].data)) {
			*text = answer.rr[i].data;
			n++;
		}
	return n == 0 ? SPF_NONE : n == 1 ? SPF_PASS : SPF_PERMERROR;
}

static enum spf_result
check(struct spf_oracle *o, struct str domain, bool included)
{
	struct spf_record record;
	struct str text;
	enum spf_result result = find_record(o, domain, &text);
	struct err e;

	if (result != SPF_PASS)
		return result;
	if (!spf_record_parse(o->arena, text, &record, &e))
		return SPF_PERMERROR;
	for (size_t i = 0; i < record.n_terms; i++) {
		enum match found = match_term(o, &record.term[i], domain);

		if (found == MATCH_TEMPERROR || found == MATCH_PERMERROR)
			return found == MATCH_TEMPERROR ? SPF_TEMPERROR : SPF_PERMERROR;
		if (found == MATCH_NO)
			continue;
		if (!included)
			o->term = record.term[i].text;
		return of_qualifier(record.term[i].qualifier);
	}
	if (record.redirect.spec.p == NULL)
		return SPF_NEUTRAL;
	if (++o->terms > 10)
		return SPF_PERMERROR;
	result = check(o, expand(o, record.redirect.spec, domain), included);
	return result == SPF_NONE ? SPF_PERMERROR : result;
}

enum spf_result
spf_oracle_check(struct spf_oracle *o, struct str *term)
{
	enum spf_result result;

	o->terms = o->voids = 0;
	o->term = STR("");
	result = check(o, arena_lower(o->arena, o->query->domain), false);
	*term = o->term;
	return result;
}
