/*
 * spf: the stage. Two identities are checked (RFC 7208 2.3, 2.4): MAIL FROM, which for the null
 * sender is postmaster at the HELO name, and HELO by itself. The check is spf_check.h's; here the
 * session becomes its query, and its outcome facts. The sender's outcome is kept for the transaction,
 * as a refusal wants it once more for its words; that of HELO has one fact only.
 */
#include "base/buf.h"
#include "base/escape.h"
#include "filters/spf_check.h"
#include "filters/stage.h"
#include "mail/idna.h"

static enum progress
dns(void *owner, struct str name, enum dns_type type, const struct dns_answer **out)
{
	return ask_dns(owner, name, type, out);
}

static struct spf_query
helo_query(struct ask *ask)
{
	const struct session *s = ask->session;

	return (struct spf_query){ .client = s->client_ip,
		.helo = s->helo,
		.domain = s->helo,
		.receiver = s->hostname,
		.now = ask->now,
		.dns = dns,
		.owner = ask };
}

static struct spf_query
sender_query(struct ask *ask)
{
	const struct mailbox *sender = &ask->session->txn.sender;
	struct spf_query query = helo_query(ask);

	if (!sender->null) {
		query.local = sender->local;
		/* In the DNS a name in UTF-8 has another form (RFC 8616 4); if it has none, so be it. */
		if (!idna_to_ascii(ask->arena, sender->domain, &query.domain))
			query.domain = sender->domain;
	}
	return query;
}

/* The outcome for the sender, and what the answers that it rests on lacked. */
struct state {
	struct spf_outcome outcome;
	unsigned failures;
};

/* NULL: an answer is missing. */
static const struct spf_outcome *
sender_outcome(struct ask *ask)
{
	struct spf_query query = sender_query(ask);
	struct state *state = *ask->state;
	struct spf_outcome outcome;

	if (state == NULL) {
		if (spf_check(ask->session->txn.arena, &query, &outcome) == PENDING)
			return NULL;
		state = ARENA_NEW(ask->session->txn.arena, struct state);
		*state = (struct state){ outcome, ask->failures };
		*ask->state = state;
	}
	ask->failures |= state->failures;
	return &state->outcome;
}

static enum progress
compute_spf(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct spf_outcome *outcome = sender_outcome(ask);

	if (outcome == NULL)
		return PENDING;
	*out = value_symbol(spf_result_name(outcome->result));
	return DONE;
}

static enum progress
compute_helo(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct spf_query query = helo_query(ask);
	struct spf_outcome outcome;

	if (spf_check(ask->arena, &query, &outcome) == PENDING)
		return PENDING;
	*out = value_symbol(spf_result_name(outcome.result));
	return DONE;
}

static enum progress
compute_domain(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct str domain = sender_query(ask).domain;

	if (str_ends(domain, STR(".")))
		domain.n--;
	*out = value_text(arena_lower(ask->arena, domain));
	return DONE;
}

static enum progress
compute_mechanism(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct spf_outcome *outcome = sender_outcome(ask);
	char text[256];

	if (outcome == NULL)
		return PENDING;
	*out = value_text(
	    arena_dup(ask->arena, str_of(escape_ascii(outcome->mechanism, text, sizeof(text)))));
	return DONE;
}

/* What we say ourselves, when the domain says nothing. */
static struct str
own_words(struct arena *arena, const struct ip *client, const struct spf_outcome *o)
{
	const char *domain = escape_ascii(o->domain, (char[256]){ 0 }, 256);
	const char *ip = IP_TEXT(client);

	switch (o->result) {
	case SPF_PASS:
		return arena_printf(arena, "%s is allowed to send mail from %s", ip, domain);
	case SPF_FAIL:
		return arena_printf(arena, "%s is not allowed to send mail from %s", ip, domain);
	case SPF_SOFTFAIL:
		return arena_printf(
		    arena, "%s is probably not allowed to send mail from %s", ip, domain);
	case SPF_NEUTRAL:
		return arena_printf(
		    arena, "%s does not say whether %s may send its mail", domain, ip);
	default:
		return arena_printf(arena, "%.*s", STR_ARG(o->problem));
	}
}

/* Whose words they are is said in front of them (RFC 7208 6.2, 8.4). */
static enum progress
compute_explanation(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct spf_outcome *outcome = sender_outcome(ask);
	struct spf_query query = sender_query(ask);
	char domain[256], text[SPF_EXPLANATION_MAX + 1];
	struct str words;

	if (outcome == NULL || spf_explain(ask->arena, &query, outcome, &words) == PENDING)
		return PENDING;
	if (words.n == 0)
		*out = value_text(own_words(ask->arena, &query.client, outcome));
	else
		*out = value_text(arena_printf(ask->arena, "%s explains: %s",
		    escape_ascii(outcome->exp_domain, domain, sizeof(domain)),
		    escape_ascii(words, text, sizeof(text))));
	return DONE;
}

/* --- Received-SPF (RFC 7208 9.1) --------------------------------------------------------------- */

/* What a rule takes of a fact: a pair that does not fit as a whole is left out. */
#define RECEIVED_MAX 200

static bool
is_dot_atom(struct str value)
{
	for (size_t i = 0; i < value.n; i++)
		if (!ascii_isalnum(value.p[i]) &&
		    (value.p[i] == '\0' || strchr("!#$%&'*+-/=?^_`{|}~.", value.p[i]) == NULL))
			return false;
	return value.n > 0;
}

/* Nothing of it can be taken for anything else; what quotes cannot hold has no pair. */
static void
add_pair(struct buf *out, const char *key, struct str value)
{
	struct buf pair;

	buf_init(&pair, RECEIVED_MAX);
	buf_printf(&pair, " %s=", key);
	if (is_dot_atom(value)) {
		buf_add(&pair, value);
	} else {
		buf_addc(&pair, '"');
		for (size_t i = 0; i < value.n; i++) {
			if (value.p[i] < ' ' || value.p[i] >= 0x7f)
				pair.over = true;
			if (value.p[i] == '"' || value.p[i] == '\\')
				buf_addc(&pair, '\\');
			buf_addc(&pair, value.p[i]);
		}
		buf_addc(&pair, '"');
	}
	buf_addc(&pair, ';');
	if (!pair.over && out->n + pair.n <= RECEIVED_MAX)
		buf_add(out, buf_str(&pair));
	buf_free(&pair);
}

static enum progress
compute_received(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct session *s = ask->session;
	struct spf_query query = sender_query(ask);
	struct str sender = s->txn.sender_key;
	struct spf_outcome outcome;
	struct buf text;

	if (spf_check(ask->arena, &query, &outcome) == PENDING)
		return PENDING;
	if (s->txn.sender.null)
		sender = arena_printf(ask->arena, "postmaster@%.*s", STR_ARG(s->helo));
	buf_init(&text, RECEIVED_MAX);
	buf_add(&text, str_of(spf_result_name(outcome.result)));
	add_pair(&text, "client-ip", str_of(IP_TEXT(&query.client)));
	add_pair(&text, "envelope-from", sender);
	add_pair(&text, "helo", s->helo);
	add_pair(&text, "receiver", s->hostname);
	add_pair(&text, "identity", STR("mailfrom"));
	add_pair(&text, "mechanism", outcome.mechanism.n > 0 ? outcome.mechanism : STR("default"));
	*out = value_text(arena_dup(ask->arena, buf_str(&text)));
	buf_free(&text);
	return DONE;
}

static void
asks_names(struct costs *costs)
{
	cost_dns(costs, STR("spf client's names"), 0, SPF_QUESTIONS_NAMES);
}

static void
asks_sender(struct costs *costs, const struct fact_call *call)
{
	(void)call;
	cost_dns(costs, STR("spf"), 1, SPF_QUESTIONS_TERMS);
	asks_names(costs);
}

static void
asks_helo(struct costs *costs, const struct fact_call *call)
{
	(void)call;
	cost_dns(costs, STR("spf.helo"), 1, SPF_QUESTIONS_TERMS);
	asks_names(costs);
}

static void
asks_explanation(struct costs *costs, const struct fact_call *call)
{
	asks_sender(costs, call);
	cost_dns(costs, STR("spf exp="), 0, SPF_QUESTIONS_EXP);
}

static const char *const results[] = { "none", "neutral", "pass", "fail", "softfail", "temperror",
	"permerror", NULL };

static const struct remedy remedies[] = {
	{ "none", "Publish an SPF record for ${spf.domain} that names ${client.ip}." },
	{ "temperror",
	    "Nothing: your mail server tries again by itself. If it stays so, look whether the name servers of ${spf.domain} answer." },
	{ "permerror",
	    "Mend the SPF record of ${spf.domain}: one record only, no typing errors, at most 10 look-ups, all of which exist." },
	{ NULL, NULL },
};

static const struct remedy helo_remedies[] = {
	{ "none",
	    "Publish an SPF record for ${helo}, the name your server gives in HELO, that names ${client.ip}." },
	{ "temperror",
	    "Nothing: your mail server tries again by itself. If it stays so, look whether the name servers of ${helo} answer." },
	{ "permerror",
	    "Mend the SPF record of ${helo}, the name your server gives in HELO: one record only, no typing errors, at most 10 look-ups, all of which exist." },
	{ NULL, NULL },
};

static const struct fact_def facts[] = {
	{ .name = "spf",
	    .remedy =
		"Let the SPF record of ${spf.domain} name ${client.ip}, or send through a server that it names. If the message was forwarded, ask whoever forwards it to rewrite the sender's address (SRS).",
	    .remedies = remedies,
	    .type = VALUE_SYMBOL,
	    .symbols = results,
	    .from = STEP_MAIL,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .cost = COST_DNS,
	    .compute = compute_spf,
	    .asks = asks_sender,
	    .help =
		"Whether the sender's domain allows the client to send its mail (RFC 7208); for "
		"the null sender the domain is the HELO name." },
	{ .name = "spf.domain",
	    .type = VALUE_TEXT,
	    .from = STEP_MAIL,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .cost = COST_FREE,
	    .compute = compute_domain,
	    .help = "The domain that spf is about." },
	{ .name = "spf.explanation",
	    .type = VALUE_TEXT,
	    .from = STEP_MAIL,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .cost = COST_DNS,
	    .compute = compute_explanation,
	    .asks = asks_explanation,
	    .help = "The result of spf in a sentence: for fail the domain's own explanation, if it "
		    "gives one." },
	{ .name = "spf.helo",
	    .remedy =
		"Let the SPF record of ${helo}, the name your server gives in HELO, name ${client.ip}; or let that server give a name of its own.",
	    .remedies = helo_remedies,
	    .type = VALUE_SYMBOL,
	    .symbols = results,
	    .from = STEP_HELO,
	    .to = STEP_MESSAGE,
	    .life = LIFE_HELO,
	    .cost = COST_DNS,
	    .compute = compute_helo,
	    .asks = asks_helo,
	    .help = "Whether the domain of the HELO name allows the client to use it (RFC 7208)." },
	{ .name = "spf.mechanism",
	    .remedy = "Let the SPF record of ${spf.domain} name ${client.ip}.",
	    .type = VALUE_TEXT,
	    .from = STEP_MAIL,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .cost = COST_DNS,
	    .compute = compute_mechanism,
	    .asks = asks_sender,
	    .help = "The term of the SPF record that decided, as written there, for example "
		    "\"-all\"; empty when none did." },
	{ .name = "spf.received",
	    .type = VALUE_TEXT,
	    .from = STEP_MAIL,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .cost = COST_DNS,
	    .compute = compute_received,
	    .asks = asks_sender,
	    .help = "What a Received-SPF field says (RFC 7208 9.1), for `add header`." },
};

/* The value of a fact that somebody asked for; NULL. */
static const struct value *
known(const struct ask *ask, const char *name)
{
	const struct fact_call call = { .entry = fact_find(ask->table, str_of(name)) };
	const struct fact *fact = call.entry ? fact_known(ask->session, &call) : NULL;

	return fact ? &fact->value : NULL;
}

static void
add_results(const struct ask *ask, struct authres *authres)
{
	const struct session *s = ask->session;
	const struct value *spf = known(ask, "spf"), *helo = known(ask, "spf.helo");
	struct str sender = s->txn.sender_key;

	if (spf != NULL) {
		if (s->txn.sender.null)
			sender = arena_printf(ask->arena, "postmaster@%.*s", STR_ARG(s->helo));
		authres_result(authres, "spf", spf->text, STR(""));
		authres_property(authres, "smtp", "mailfrom", sender);
	}
	if (helo != NULL) {
		authres_result(authres, "spf", helo->text, STR(""));
		authres_property(authres, "smtp", "helo", s->helo);
	}
}

const struct stage spf_stage = {
	.abi = STAGE_ABI,
	.name = "spf",
	.help = "SPF: is the client allowed to send mail from that domain? (RFC 7208)",
	.facts = facts,
	.n_facts = sizeof(facts) / sizeof(facts[0]),
	.results = add_results,
};
