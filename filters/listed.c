/*
 * listed: is the client's address, or a name that it goes by, on a DNS block or allow list (RFC 5782)?
 * One question a list, and the rules say which lists. An answer outside of 127.0.0.0/8 comes from a parked domain, one in
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

/* The answers that count: from first to last, as numbers. */
struct codes {
	uint32_t first, last;
};

static uint32_t
number_of(const struct ip *ip)
{
	return (uint32_t)ip->b[0] << 24 | (uint32_t)ip->b[1] << 16 | (uint32_t)ip->b[2] << 8 |
	    ip->b[3];
}

/* "127.0.0.2..11" and "127.0.0.2..127.0.0.11": of the short form the other octets are the first's. */
static bool
parse_range(struct str text, struct codes *out)
{
	struct ip first, last;
	uint64_t octet;
	struct str end;
	size_t dots = 0;

	while (dots + 1 < text.n && (text.p[dots] != '.' || text.p[dots + 1] != '.'))
		dots++;
	end = str_sub(text, dots + 2, text.n);
	if (!ip_parse(str_sub(text, 0, dots), &first) || first.version != 4)
		return false;
	last = first;
	if (str_to_u64(end, 255, &octet))
		last.b[3] = (uint8_t)octet;
	else if (!ip_parse(end, &last) || last.version != 4)
		return false;
	*out = (struct codes){ number_of(&first), number_of(&last) };
	return out->first <= out->last;
}

/* An answer, a network of them, or a range. */
static bool
parse_codes(struct str text, struct codes *out)
{
	struct cidr cidr;

	if (!cidr_parse(text, &cidr, NULL))
		return parse_range(text, out);
	if (cidr.ip.version != 4)
		return false;
	out->first = number_of(&cidr.ip);
	out->last =
	    cidr.bits == 0 ? UINT32_MAX : out->first | (uint32_t)(0xffffffffULL >> cidr.bits);
	return true;
}

/* from: the first argument that is a code. */
static bool
code_wanted(const struct fact_call *call, size_t from, const struct ip *code)
{
	uint32_t number = number_of(code);
	struct codes wanted;

	for (size_t i = from; i < call->n_args; i++) {
		if (parse_codes(call->arg[i].text, &wanted) && number >= wanted.first &&
		    number <= wanted.last)
			return true;
	}
	return call->n_args <= from;
}

/* The least of the codes that count, so that the order of the records does not matter. */
static bool
least_code(
    const struct fact_call *call, size_t from, const struct dns_answer *answer, struct ip *least)
{
	bool found = false;

	if (!answer || answer->status != DNS_OK)
		return false;
	for (size_t i = 0; i < answer->n; i++) {
		struct ip code = { .version = 4 };

		if (!is_listing(&answer->rr[i]))
			continue;
		memcpy(code.b, answer->rr[i].data.p, 4);
		if (!code_wanted(call, from, &code))
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
	*out = value_bool(least_code(call, 1, answer, &code));
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
	if (least_code(call, 1, answer, &code))
		*out = value_text(arena_dup(ask->arena, str_of(IP_TEXT(&code))));
	return DONE;
}

/* *name is not set when there is none: a bounce has no sender. */
static enum progress
name_of(struct ask *ask, struct str which, struct str *name)
{
	const struct session *s = ask->session;
	struct value v;

	*name = STR("");
	if (str_eq(which, STR("sender"))) {
		*name = s->txn.sender.domain;
	} else if (str_eq(which, STR("helo"))) {
		*name = s->helo;
	} else {
		if (fact_get_named(ask, "client.name", &v) == PENDING)
			return PENDING;
		if (v.type == VALUE_TEXT)
			*name = v.text;
	}
	return DONE;
}

/*
 * Lists of names answer for what stands in front of their zone. An address literal is no name, and
 * some lists take every question about an address for abuse.
 */
static enum progress
compute_name(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct dns_answer *answer;
	struct str name, zone = call->arg[0].text;
	struct ip ip;

	if (name_of(ask, call->arg[1].text, &name) == PENDING)
		return PENDING;
	*out = value_bool(false);
	if (str_ends(zone, STR(".")))
		zone.n--;
	if (name.n == 0 || name.n + 1 + zone.n > DNS_NAME_MAX || !dns_name_ok(name) ||
	    ip_parse(name, &ip))
		return DONE;
	name = arena_lower(
	    ask->arena, arena_printf(ask->arena, "%.*s.%.*s", STR_ARG(name), STR_ARG(zone)));
	if (ask_dns(ask, name, DNS_A, &answer) == PENDING)
		return PENDING;
	*out = value_bool(least_code(call, 2, answer, &ip));
	return DONE;
}

static bool
check_code(struct str text, struct err *e)
{
	struct codes codes;

	if (!parse_codes(text, &codes) || codes.first >> 24 != 127 || codes.last >> 24 != 127)
		return err_set(e, ERR_SYNTAX,
		    "\"%s\" is not an answer of a block list: write an address, a range or a "
		    "network of 127.0.0.0/8, such as 127.0.0.2 or 127.0.0.2..11",
		    ESC(text));
	if (codes.first >> 8 == 0x7fffff)
		return err_set(e, ERR_SYNTAX,
		    "\"%s\" is how a block list says that it does not serve us; it is never taken "
		    "for a listing",
		    ESC(text));
	return true;
}

static bool
check_zone_and_codes(const struct fact_call *call, size_t from, struct err *e)
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
	for (size_t i = from; i < call->n_args; i++) {
		if (!check_code(call->arg[i].text, e))
			return false;
	}
	return true;
}

static bool
check_listed(const struct fact_call *call, struct err *e)
{
	return check_zone_and_codes(call, 1, e);
}

static bool
check_name(const struct fact_call *call, struct err *e)
{
	return check_zone_and_codes(call, 2, e);
}

/* Lists are asked by name, whatever the case and with or without the final dot. */
static struct str
zone_group(struct costs *costs, const struct fact_call *call, const char *what)
{
	struct str zone = arena_lower(costs->arena, call->arg[0].text);

	if (str_ends(zone, STR(".")))
		zone.n--;
	return arena_printf(costs->arena, "%s %.*s", what, STR_ARG(zone));
}

static void
asks_zone(struct costs *costs, const struct fact_call *call)
{
	cost_dns(costs, zone_group(costs, call, "listed"), 1, 1);
}

static void
asks_name(struct costs *costs, const struct fact_call *call)
{
	struct str zone = zone_group(costs, call, "listed.name"), which = call->arg[1].text;

	if (str_eq(which, STR("client")))
		cost_fact(costs, "client.name");
	cost_dns(
	    costs, arena_printf(costs->arena, "%.*s %.*s", STR_ARG(zone), STR_ARG(which)), 1, 1);
}

static const struct fact_param zone_and_codes[] = {
	{ .name = "zone", .type = VALUE_TEXT },
	{ .name = "code", .type = VALUE_TEXT, .optional = true },
	{ .name = "code", .type = VALUE_TEXT, .optional = true },
	{ .name = "code", .type = VALUE_TEXT, .optional = true },
	{ .name = NULL },
};
static const char *const names[] = { "helo", "sender", "client", NULL };
static const struct fact_param zone_name_codes[] = {
	{ .name = "zone", .type = VALUE_TEXT },
	{ .name = "name", .type = VALUE_SYMBOL, .symbols = names },
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
	    .remedy =
		"${client.ip} is on a public block list. Find out why (the site of the list says so, and often it is a program on your side that sends unwanted mail), mend that, and ask there to be removed.",
	    .type = VALUE_BOOL,
	    .params = zone_and_codes,
	    .from = STEP_CONNECT,
	    .to = STEP_MESSAGE,
	    .life = LIFE_SESSION,
	    .cost = COST_DNS,
	    .compute = compute_listed,
	    .asks = asks_zone,
	    .check = check_listed,
	    .help = "Whether the client's address is on this DNS block list, with one of these "
		    "answers if any are named.",
	},
	{
	    .name = "listed.code",
	    .remedy =
		"${client.ip} is on a public block list. Ask at the site of that list to be removed, once the reason is mended.",
	    .type = VALUE_TEXT,
	    .params = zone_only,
	    .from = STEP_CONNECT,
	    .to = STEP_MESSAGE,
	    .life = LIFE_SESSION,
	    .cost = COST_DNS,
	    .compute = compute_code,
	    .asks = asks_zone,
	    .check = check_listed,
	    .help = "The answer of this DNS block list, such as 127.0.0.2; of several the least.",
	},
	{
	    .name = "listed.name",
	    .remedy =
		"A name of yours is on a public block list. Ask at the site of that list to have it removed, once the reason is mended.",
	    .type = VALUE_BOOL,
	    .params = zone_name_codes,
	    .from = STEP_MAIL,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .cost = COST_DNS,
	    .compute = compute_name,
	    .asks = asks_name,
	    .check = check_name,
	    .help = "Whether a list of names has the one of HELO, the sender's domain, or the "
		    "client's confirmed name, with one of these answers if any are named.",
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
