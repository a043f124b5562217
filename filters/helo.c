/*
 * helo: what the name that a client gave with HELO or EHLO is worth. Its form by RFC 5321 4.1.1.1
 * and 4.1.3, whether it is in the DNS at all, and whether its addresses include the client's. A
 * proper server passes all three; RFC 5321 4.1.4 forbids to refuse mail for the last alone, so what
 * follows from it is for rules to say.
 */
#include "filters/stage.h"

#include "base/dns.h"

static const char *const forms[] = { "name", "bare", "literal", "invalid", NULL };

/* "[192.0.2.1]", "[IPv6:2001:db8::1]" */
static bool
parse_literal(struct str s, struct ip *out)
{
	struct str inner;

	if (s.n < 2 || s.p[0] != '[' || s.p[s.n - 1] != ']')
		return false;
	inner = str_sub(s, 1, s.n - 1);
	if (str_startscase(inner, STR("IPv6:"))) {
		inner = str_sub(inner, 5, inner.n);
		return str_find(inner, ':') != STR_NPOS && ip_parse(inner, out);
	}
	return str_find(inner, ':') == STR_NPOS && ip_parse(inner, out);
}

/* Letters, digits and hyphens, no label of none (RFC 1123 2.1); the last label is no number. */
static bool
is_name(struct str s, size_t *labels)
{
	struct str rest = s, label, last = s;

	*labels = 0;
	if (s.n == 0 || s.n > MAILBOX_DOMAIN_MAX)
		return false;
	while (str_pop(&rest, '.', &label)) {
		if (label.n == 0 || label.n > 63 || label.p[0] == '-' ||
		    label.p[label.n - 1] == '-')
			return false;
		for (size_t i = 0; i < label.n; i++) {
			if (!ascii_isalnum(label.p[i]) && label.p[i] != '-')
				return false;
		}
		last = label;
		++*labels;
	}
	for (size_t i = 0; i < last.n; i++) {
		if (!ascii_isdigit(last.p[i]))
			return true;
	}
	return false;
}

static const char *
form_of(struct str helo)
{
	struct ip ip;
	size_t labels;

	if (parse_literal(helo, &ip))
		return "literal";
	if (!is_name(helo, &labels))
		return "invalid";
	return labels > 1 ? "name" : "bare";
}

static enum progress
compute_form(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_symbol(form_of(ask->session->helo));
	return DONE;
}

/* A and AAAA */
#define ADDRESS_TYPES 2

struct look {
	bool exists, is_client, failed;
};

/* Both families are asked together: a name may have addresses of one only. */
static enum progress
look_up(struct ask *ask, struct look *look)
{
	static const enum dns_type types[ADDRESS_TYPES] = { DNS_A, DNS_AAAA };
	const struct session *s = ask->session;
	struct str name = arena_lower(ask->arena, s->helo);
	enum progress all = DONE;

	*look = (struct look){ 0 };
	for (size_t i = 0; i < ADDRESS_TYPES; i++) {
		const struct dns_answer *answer;

		if (ask_dns(ask, name, types[i], &answer) == PENDING) {
			all = PENDING;
			continue;
		}
		look->failed |= answer->status == DNS_TEMPFAIL;
		look->exists |= answer->status == DNS_OK && answer->n > 0;
		look->is_client |= s->client_ip.version != 0 && dns_has_ip(answer, &s->client_ip);
	}
	return all;
}

/* What was found is not made doubtful by the other question's failure. */
static void
conclude(struct ask *ask, bool yes, bool failed, struct value *out)
{
	if (yes)
		ask->failures = 0;
	if (yes || !failed)
		*out = value_bool(yes);
}

static enum progress
compute_exists(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const char *form = form_of(ask->session->helo);
	struct look look;

	*out = (struct value){ .type = VALUE_NONE };
	if (strcmp(form, "name") != 0 && strcmp(form, "bare") != 0) {
		*out = value_bool(strcmp(form, "literal") == 0);
		return DONE;
	}
	if (look_up(ask, &look) == PENDING)
		return PENDING;
	conclude(ask, look.exists, look.failed, out);
	return DONE;
}

static enum progress
compute_is_client(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct session *s = ask->session;
	const char *form = form_of(s->helo);
	struct look look;
	struct ip ip;

	*out = (struct value){ .type = VALUE_NONE };
	if (strcmp(form, "literal") == 0) {
		*out = value_bool(parse_literal(s->helo, &ip) && ip_eq(&ip, &s->client_ip));
		return DONE;
	}
	if (strcmp(form, "invalid") == 0) {
		*out = value_bool(false);
		return DONE;
	}
	if (look_up(ask, &look) == PENDING)
		return PENDING;
	conclude(ask, look.is_client, look.failed, out);
	return DONE;
}

static void
asks_addresses(struct costs *costs, const struct fact_call *call)
{
	(void)call;
	cost_dns(costs, STR("helo"), ADDRESS_TYPES, ADDRESS_TYPES);
}

static const struct fact_def facts[] = {
	{
	    .name = "helo.exists",
	    .remedy =
		"Let your mail server give its own full name in HELO, one that exists in the DNS. It said ${helo}.",
	    .type = VALUE_BOOL,
	    .from = STEP_HELO,
	    .to = STEP_MESSAGE,
	    .life = LIFE_HELO,
	    .cost = COST_DNS,
	    .compute = compute_exists,
	    .asks = asks_addresses,
	    .help = "Whether the name given in HELO has an address in the DNS; an address literal "
		    "counts as one. Unknown while the DNS does not answer.",
	},
	{
	    .name = "helo.form",
	    .remedy = "Let your mail server give its own full name in HELO. It said ${helo}.",
	    .type = VALUE_SYMBOL,
	    .symbols = forms,
	    .from = STEP_HELO,
	    .to = STEP_MESSAGE,
	    .life = LIFE_HELO,
	    .cost = COST_FREE,
	    .compute = compute_form,
	    .help = "What was given in HELO: a name with a dot, a bare name without, an address "
		    "literal such as [192.0.2.1], or nothing of these (RFC 5321 4.1.3).",
	},
	{
	    .name = "helo.is_client",
	    .remedy =
		"Let your mail server give its own name in HELO, one that leads to ${client.ip} in the DNS. It said ${helo}.",
	    .type = VALUE_BOOL,
	    .from = STEP_HELO,
	    .to = STEP_MESSAGE,
	    .life = LIFE_HELO,
	    .cost = COST_DNS,
	    .compute = compute_is_client,
	    .asks = asks_addresses,
	    .help = "Whether the name given in HELO leads to the client's address. Unknown while "
		    "the DNS does not answer.",
	},
};

extern const struct stage helo_stage;
const struct stage helo_stage = {
	.abi = STAGE_ABI,
	.name = "helo",
	.help = "Looks at the name that the client gave with HELO or EHLO.",
	.facts = facts,
	.n_facts = sizeof(facts) / sizeof(facts[0]),
};
