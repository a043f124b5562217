/*
 * listed: is the client's address on a DNS block list (RFC 5782)? One question a list, and the
 * rules say which lists. An answer outside of 127.0.0.0/8 comes from a parked domain, one in
 * 127.255.255.0/24 from an operator who refuses to serve us: neither says anything of the client.
 * A list that does not answer lists nobody.
 */
#include "filters/stage.h"

#include "base/escape.h"

/* What fits in front of it: 32 nibbles of an IPv6 address, each with its dot. */
#define ZONE_MAX (DNS_NAME_MAX - 64)

static bool
is_listing(const struct dns_rr *rr)
{
	const unsigned char *b = (const unsigned char *)rr->data.p;

	return rr->data.n == 4 && b[0] == 127 && !(b[1] == 255 && b[2] == 255);
}

/* "2.0.0.192.zen.example" for 192.0.0.2. */
static struct str
question_name(struct arena *arena, const struct ip *ip, struct str zone)
{
	struct str name = dns_reverse_name(arena, ip);
	struct str suffix = ip->version == 4 ? STR("in-addr.arpa") : STR("ip6.arpa");

	if (str_ends(zone, STR(".")))
		zone.n--;
	return arena_printf(arena, "%.*s%.*s", STR_ARG(str_sub(name, 0, name.n - suffix.n)),
	    STR_ARG(arena_lower(arena, zone)));
}

/* *out is NULL when there can be no answer. */
static enum progress
look(struct ask *ask, const struct fact_call *call, const struct dns_answer **out)
{
	const struct ip *ip = &ask->session->client_ip;

	*out = NULL;
	if (ip->version == 0)
		return DONE;
	return ask_dns(ask, question_name(ask->arena, ip, call->arg[0].text), DNS_A, out);
}

static bool
code_wanted(const struct fact_call *call, const struct ip *code)
{
	struct cidr wanted;

	for (size_t i = 1; i < call->n_args; i++) {
		if (cidr_parse(call->arg[i].text, &wanted, NULL) && cidr_has(&wanted, code))
			return true;
	}
	return call->n_args <= 1;
}

/* The least of the codes that count, so that the order of the records does not matter. */
static bool
least_code(const struct fact_call *call, const struct dns_answer *answer, struct ip *least)
{
	bool found = false;

	if (!answer || answer->status != DNS_OK)
		return false;
	for (size_t i = 0; i < answer->n; i++) {
		struct ip code = { .version = 4 };

		if (!is_listing(&answer->rr[i]))
			continue;
		memcpy(code.b, answer->rr[i].data.p, 4);
		if (!code_wanted(call, &code))
			continue;
		if (!found || memcmp(code.b, least->b, 4) < 0)
			*least = code;
		found = true;
	}
	return found;
}

static enum progress
compute_listed(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct dns_answer *answer;
	struct ip code;

	if (look(ask, call, &answer) == PENDING)
		return PENDING;
	*out = value_bool(least_code(call, answer, &code));
	return DONE;
}

static enum progress
compute_code(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct dns_answer *answer;
	struct ip code;

	*out = (struct value){ .type = VALUE_NONE };
	if (look(ask, call, &answer) == PENDING)
		return PENDING;
	if (least_code(call, answer, &code))
		*out = value_text(arena_dup(ask->arena, str_of(IP_TEXT(&code))));
	return DONE;
}

static bool
check_code(struct str text, struct err *e)
{
	struct cidr cidr;

	if (!cidr_parse(text, &cidr, NULL) || cidr.ip.version != 4 || cidr.ip.b[0] != 127)
		return err_set(e, ERR_SYNTAX,
		    "\"%s\" is not an answer of a block list: write an address or a network of "
		    "127.0.0.0/8, such as \"127.0.0.2\"",
		    ESC(text));
	if (cidr.bits >= 24 && cidr.ip.b[1] == 255 && cidr.ip.b[2] == 255)
		return err_set(e, ERR_SYNTAX,
		    "\"%s\" is how a block list says that it does not serve us; it is never taken "
		    "for a listing",
		    ESC(text));
	return true;
}

static bool
check_listed(const struct fact_call *call, struct err *e)
{
	struct str zone = call->arg[0].text;

	if (!dns_name_ok(zone) || !mail_domain_ok(zone) || str_find(zone, '[') != STR_NPOS)
		return err_set(e, ERR_SYNTAX,
		    "\"%s\" is not the name of a block list: write a domain, such as "
		    "\"zen.spamhaus.org\"",
		    ESC(zone));
	if (zone.n > ZONE_MAX)
		return err_set(e, ERR_LIMIT,
		    "the name of a block list has at most %d octets, so that an address fits in "
		    "front of it",
		    ZONE_MAX);
	for (size_t i = 1; i < call->n_args; i++) {
		if (!check_code(call->arg[i].text, e))
			return false;
	}
	return true;
}

static const struct fact_param zone_and_codes[] = {
	{ .name = "zone", .type = VALUE_TEXT },
	{ .name = "code", .type = VALUE_TEXT, .optional = true },
	{ .name = "code", .type = VALUE_TEXT, .optional = true },
	{ .name = "code", .type = VALUE_TEXT, .optional = true },
	{ .name = NULL },
};
static const struct fact_param zone_only[] = {
	{ .name = "zone", .type = VALUE_TEXT },
	{ .name = NULL },
};

static const struct fact_def facts[] = {
	{
	    .name = "listed",
	    .type = VALUE_BOOL,
	    .params = zone_and_codes,
	    .from = STEP_CONNECT,
	    .to = STEP_MESSAGE,
	    .life = LIFE_SESSION,
	    .cost = COST_DNS,
	    .compute = compute_listed,
	    .check = check_listed,
	    .help = "Whether the client's address is on this DNS block list, with one of these "
		    "answers if any are named.",
	},
	{
	    .name = "listed.code",
	    .type = VALUE_TEXT,
	    .params = zone_only,
	    .from = STEP_CONNECT,
	    .to = STEP_MESSAGE,
	    .life = LIFE_SESSION,
	    .cost = COST_DNS,
	    .compute = compute_code,
	    .check = check_listed,
	    .help = "The answer of this DNS block list, such as 127.0.0.2; of several the least.",
	},
};

extern const struct stage listed_stage;
const struct stage listed_stage = {
	.abi = STAGE_ABI,
	.name = "listed",
	.help = "Looks the client's address up in DNS block lists.",
	.facts = facts,
	.n_facts = sizeof(facts) / sizeof(facts[0]),
};
