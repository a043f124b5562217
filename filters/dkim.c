#include "filters/dkim.h"

#include "base/die.h"
#include "filters/dkim_run.h"

/*
 * A pass over the body takes some 6 ms a MiB, and all of them at once when a key comes late. So of
 * a message with a body longer than this only so many good signatures are followed to the end.
 */
#define LONG_BODY (1024 * 1024)
#define LONG_BODY_RUNS 3

/* One DKIM-Signature field that is looked at. */
struct entry {
	struct dkim_sig sig;
	struct dkim_pubkey key;
	bool loose_from;      /* there is a From field that it does not cover */
	struct dkim_run *run; /* NULL: settled */
};

/* What is known of the transaction's message so far; in its arena. */
struct state {
	size_t n_fields; /* DKIM-Signature fields in all */
	struct entry *entry;
	size_t n;
	bool began;        /* the keys were there, the headers are compared */
	unsigned failures; /* keys that could not be had */
	size_t running;    /* signatures that the body decides about */
	uint64_t offset;   /* of the message: what the runs have had */
	bool done;
	enum dkim_result best;
	bool partial;
	struct value domains, unanswered, results; /* lists */
};

static struct state *
state_new(const struct ask *ask)
{
	const struct dkim_conf *conf = ask->conf;
	const struct header *header = &ask->session->txn.message.header;
	struct arena *arena = ask->session->txn.arena;
	struct dkim_clock clock = { .now = ask->now, .drift = conf->drift / 1000 };
	struct state *state = ARENA_NEW(arena, struct state);
	const struct field *field;
	size_t most;

	state->offset = ask->session->txn.message.body;
	state->n_fields = header_count(header, "DKIM-Signature");
	most = (size_t)conf->signatures;
	if (most > state->n_fields)
		most = state->n_fields;
	state->entry = ARENA_ARRAY(arena, struct entry, most);
	/* The upper ones: those were added last, by whoever is nearest. */
	while (state->n < most) {
		field = header_find(header, "DKIM-Signature", state->n);
		require(field != NULL);
		dkim_guard_check(arena, field, &clock, &state->entry[state->n].sig);
		state->n++;
	}
	return state;
}

static struct state *
state_of(struct ask *ask)
{
	require(ask->state != NULL);
	if (!*ask->state)
		*ask->state = state_new(ask);
	return *ask->state;
}

static void
begin(struct ask *ask, struct entry *entry, const struct dns_answer *answer)
{
	const struct dkim_conf *conf = ask->conf;
	struct arena *arena = ask->session->txn.arena;
	struct dkim_cover cover;

	if (!dkim_cover_select(arena, &ask->session->txn.message.header, &entry->sig, &cover))
		return;
	entry->loose_from = cover.loose_from;
	if (!dkim_pubkey_read(arena, answer, conf->key_bits, &entry->sig, &entry->key))
		return;
	entry->run = dkim_run_start(arena, conf->library, &entry->sig, &cover, &entry->key);
}

/* Asks for all keys before it waits for any; when all are there, compares the headers. */
static enum progress
begin_all(struct ask *ask, struct state *state)
{
	struct arena *arena = ask->session->txn.arena;
	const struct dns_answer **answer;
	enum progress all = DONE;

	if (state->began)
		return DONE;
	answer = ARENA_ARRAY(arena, const struct dns_answer *, state->n);
	for (size_t i = 0; i < state->n; i++) {
		const struct dkim_sig *sig = &state->entry[i].sig;

		if (sig->result == DKIM_RESULT_PASS &&
		    ask_dns(ask, dkim_pubkey_name(arena, sig), DNS_TXT, &answer[i]) == PENDING)
			all = PENDING;
	}
	if (all == PENDING)
		return PENDING;
	state->began = true;
	state->failures = ask->failures;
	for (size_t i = 0; i < state->n; i++) {
		if (answer[i])
			begin(ask, &state->entry[i], answer[i]);
		state->running += state->entry[i].run != NULL;
	}
	return DONE;
}

/* The lower ones go. What stays depends on the length alone, not on how the body came. */
static void
thin_out(struct state *state)
{
	size_t kept = 0;

	for (size_t i = 0; i < state->n; i++) {
		struct entry *entry = &state->entry[i];

		if (!entry->run || ++kept <= LONG_BODY_RUNS)
			continue;
		dkim_run_stop(entry->run, "the body is long, and others were verified before");
		entry->run = NULL;
		state->running--;
	}
}

/* Gives the runs what has arrived of the body since the last time. */
static void
feed(const struct message *message, struct state *state)
{
	struct str octets;

	while (state->running > 0) {
		octets = message->at(message->owner, state->offset);
		if (octets.n == 0)
			break;
		state->offset += octets.n;
		for (size_t i = 0; i < state->n; i++)
			if (state->entry[i].run)
				dkim_run_body(state->entry[i].run, octets);
		if (state->running > LONG_BODY_RUNS && state->offset - message->body > LONG_BODY)
			thin_out(state);
	}
}

static void
stage_event(struct ask *ask, enum stage_event event)
{
	struct state *state;

	if (event != EVENT_HEADER && event != EVENT_BODY)
		return;
	state = state_of(ask);
	if (begin_all(ask, state) == DONE && !state->done)
		feed(&ask->session->txn.message, state);
}

/* --- results ---------------------------------------------------------------------------------- */

static void
soften(struct dkim_sig *sig, enum dkim_result result, const char *reason)
{
	if (sig->result != DKIM_RESULT_PASS)
		return;
	sig->result = result;
	sig->reason = reason;
}

/* What a signature that verifies is worth, by RFC and settings. */
static void
finish(const struct ask *ask, struct state *state, struct entry *entry)
{
	const struct dkim_conf *conf = ask->conf;
	struct dkim_sig *sig = &entry->sig;
	bool part;

	if (!entry->run)
		return;
	part = dkim_run_finish(entry->run);
	entry->run = NULL;
	state->partial = state->partial || part;
	if (entry->loose_from)
		soften(sig, DKIM_RESULT_POLICY, "there is a From field that it does not cover");
	if (part && conf->partial == 0)
		soften(sig, DKIM_RESULT_POLICY, "it covers only a part of the body (l=)");
	if (entry->key.testing && conf->testing == 0)
		soften(sig, DKIM_RESULT_NEUTRAL, "the key is for testing only (t=y)");
}

static struct str
describe(struct arena *arena, const struct dkim_sig *sig)
{
	struct str name = STR("(unreadable)");

	if (sig->domain.n > 0)
		name =
		    arena_printf(arena, "%.*s/%.*s", STR_ARG(sig->domain), STR_ARG(sig->selector));
	if (sig->reason[0] == '\0')
		return arena_printf(
		    arena, "%.*s: %s", STR_ARG(name), dkim_result_name(sig->result));
	return arena_printf(
	    arena, "%.*s: %s (%s)", STR_ARG(name), dkim_result_name(sig->result), sig->reason);
}

static bool
has_text(const struct str *item, size_t n, struct str text)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(item[i], text))
			return true;
	return false;
}

static void
collect(const struct ask *ask, struct state *state)
{
	struct arena *arena = ask->session->txn.arena;
	struct str *domain = ARENA_ARRAY(arena, struct str, state->n);
	struct str *open = ARENA_ARRAY(arena, struct str, state->n);
	struct str *result = ARENA_ARRAY(arena, struct str, state->n + 1);
	size_t n_domains = 0, n_open = 0, n_results = 0;

	state->best = DKIM_RESULT_NONE;
	for (size_t i = 0; i < state->n; i++) {
		struct dkim_sig *sig = &state->entry[i].sig;

		finish(ask, state, &state->entry[i]);
		if (sig->result < state->best)
			state->best = sig->result;
		if (sig->result == DKIM_RESULT_PASS && !has_text(domain, n_domains, sig->domain))
			domain[n_domains++] = sig->domain;
		if (sig->result == DKIM_RESULT_TEMPERROR && !has_text(open, n_open, sig->domain))
			open[n_open++] = sig->domain;
		result[n_results++] = describe(arena, sig);
	}
	if (state->n_fields > state->n)
		result[n_results++] =
		    arena_printf(arena, "%zu more were not looked at", state->n_fields - state->n);
	state->domains = (struct value){ .type = VALUE_LIST, .list = { domain, n_domains } };
	state->unanswered = (struct value){ .type = VALUE_LIST, .list = { open, n_open } };
	state->results = (struct value){ .type = VALUE_LIST, .list = { result, n_results } };
	state->done = true;
}

static enum progress
verify(struct ask *ask, struct state **out)
{
	struct state *state = state_of(ask);

	*out = state;
	if (!state->done) {
		if (begin_all(ask, state) == PENDING)
			return PENDING;
		feed(&ask->session->txn.message, state);
		collect(ask, state);
	}
	ask->failures = state->failures;
	return DONE;
}

/* --- facts ------------------------------------------------------------------------------------ */

static enum progress
compute_dkim(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct state *state;

	if (verify(ask, &state) == PENDING)
		return PENDING;
	/* A key that could not be had takes nothing from a signature that verifies. */
	if (state->best != DKIM_RESULT_TEMPERROR)
		ask->failures = 0;
	*out = value_symbol(dkim_result_name(state->best));
	return DONE;
}

static enum progress
compute_domains(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct state *state;

	if (verify(ask, &state) == PENDING)
		return PENDING;
	*out = state->domains;
	return DONE;
}

static enum progress
compute_unanswered(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct state *state;

	if (verify(ask, &state) == PENDING)
		return PENDING;
	*out = state->unanswered;
	return DONE;
}

static enum progress
compute_results(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct state *state;

	if (verify(ask, &state) == PENDING)
		return PENDING;
	*out = state->results;
	return DONE;
}

static enum progress
compute_partial(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct state *state;

	if (verify(ask, &state) == PENDING)
		return PENDING;
	*out = value_bool(state->partial);
	return DONE;
}

static enum progress
compute_signatures(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_number((int64_t)state_of(ask)->n_fields);
	return DONE;
}

/* A key for each signature that is looked at. */
static void
asks_keys(struct costs *costs, const void *conf)
{
	cost_dns(costs, STR("dkim"), 0, (unsigned)((const struct dkim_conf *)conf)->signatures);
}

static void
asks(struct costs *costs, const struct fact_call *call)
{
	asks_keys(costs, call->entry->conf);
}

static const char *const symbols[] = { "none", "pass", "fail", "policy", "neutral", "temperror",
	"permerror", NULL };

static const struct remedy remedies[] = {
	{ "temperror",
	    "Nothing: your mail server tries again by itself. If it stays so, look whether the name servers of the signing domain answer." },
	{ "permerror",
	    "Mend the DKIM signature, or its key in the DNS: one of them cannot be read." },
	{ "policy",
	    "Sign the whole message with DKIM, with a key of 1024 bits or more and SHA-256." },
	{ NULL, NULL },
};

static const struct fact_def facts[] = {
	{
	    .name = "dkim",
	    .remedy =
		"Have your mail signed with DKIM, with a key that is published in the DNS. If it is signed already, look what changes the message behind the signature: a footer, a gateway, a mailing list.",
	    .remedies = remedies,
	    .type = VALUE_SYMBOL,
	    .symbols = symbols,
	    .from = STEP_MESSAGE,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .cost = COST_BODY,
	    .compute = compute_dkim,
	    .asks = asks,
	    .help = "The best result of the message's DKIM signatures (RFC 6376, RFC 8601).",
	},
	{
	    .name = "dkim.domains",
	    .remedy = "Have your mail signed with DKIM as the domain of its From address.",
	    .type = VALUE_LIST,
	    .from = STEP_MESSAGE,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .cost = COST_BODY,
	    .compute = compute_domains,
	    .asks = asks,
	    .help = "The domains whose DKIM signatures pass, in lower case, each once.",
	},
	{
	    .name = "dkim.results",
	    .type = VALUE_LIST,
	    .from = STEP_MESSAGE,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .cost = COST_BODY,
	    .compute = compute_results,
	    .asks = asks,
	    .help = "A line for each DKIM signature: domain/selector, result and reason.",
	},
	{
	    .name = "dkim.partial",
	    .type = VALUE_BOOL,
	    .from = STEP_MESSAGE,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .cost = COST_BODY,
	    .compute = compute_partial,
	    .asks = asks,
	    .help = "A DKIM signature verifies, but covers only a part of the body (l=).",
	},
	{
	    .name = "dkim.signatures",
	    .type = VALUE_NUMBER,
	    .from = STEP_MESSAGE,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .cost = COST_FREE,
	    .compute = compute_signatures,
	    .help = "How many DKIM-Signature fields the message has.",
	},
	{
	    .name = "dkim.unanswered",
	    .type = VALUE_LIST,
	    .from = STEP_MESSAGE,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .cost = COST_BODY,
	    .compute = compute_unanswered,
	    .asks = asks,
	    .help = "The domains of DKIM signatures whose keys could not be had (temperror).",
	},
};

/* --- the rest of the stage -------------------------------------------------------------------- */

static void
add_result(struct authres *authres, const struct dkim_sig *sig)
{
	const struct {
		const char *name;
		struct str value;
	} property[] = {
		{ "d", sig->domain },
		{ "s", sig->selector },
		{ "a", sig->algorithm_name },
		{ "i", sig->identity },
		{ "b", sig->b },
	};

	authres_result(authres, "dkim", str_of(dkim_result_name(sig->result)), str_of(sig->reason));
	for (size_t i = 0; i < sizeof(property) / sizeof(property[0]); i++)
		if (property[i].value.n > 0)
			authres_property(authres, "header", property[i].name, property[i].value);
}

static void
stage_results(const struct ask *ask, struct authres *authres)
{
	const struct state *state = ask->state ? *ask->state : NULL;

	if (!state || !state->done)
		return;
	if (state->n_fields == 0)
		authres_result(authres, "dkim", STR("none"), STR(""));
	for (size_t i = 0; i < state->n; i++)
		add_result(authres, &state->entry[i].sig);
}

static bool
configure(void *settings, struct arena *arena, struct err *e)
{
	struct dkim_conf *conf = settings;

	conf->library = dkim_run_library(e);
	if (!conf->library)
		return false;
	arena_cleanup(arena, dkim_run_library_free, conf->library);
	return true;
}

static const char *const partial_words[] = { "policy", "pass", NULL };
static const char *const testing_words[] = { "neutral", "pass", NULL };

static const struct setting settings[] = {
	{
	    .name = "signatures",
	    .type = SETTING_NUMBER,
	    .offset = offsetof(struct dkim_conf, signatures),
	    .least = 1,
	    .most = 100,
	    .fallback = "10",
	    .help = "How many signatures of a message are looked at, from the top.",
	},
	{
	    .name = "key bits",
	    .type = SETTING_NUMBER,
	    .offset = offsetof(struct dkim_conf, key_bits),
	    .least = 1024,
	    .most = DKIM_RSA_BITS_MAX,
	    .fallback = "1024",
	    .help = "Signatures with shorter RSA keys do not pass.",
	},
	{
	    .name = "drift",
	    .type = SETTING_DURATION,
	    .offset = offsetof(struct dkim_conf, drift),
	    .least = 0,
	    .most = 24 * 3600 * 1000,
	    .fallback = "300s",
	    .help = "How far the clocks of signers may be off, for t= and x=.",
	},
	{
	    .name = "partial",
	    .type = SETTING_WORD,
	    .offset = offsetof(struct dkim_conf, partial),
	    .fallback = "policy",
	    .words = partial_words,
	    .help = "The result of a good signature that covers only a part of the body (l=).",
	},
	{
	    .name = "testing",
	    .type = SETTING_WORD,
	    .offset = offsetof(struct dkim_conf, testing),
	    .fallback = "neutral",
	    .words = testing_words,
	    .help = "The result of a good signature whose key is marked as a test (t=y).",
	},
};

const struct stage dkim_stage = {
	.abi = STAGE_ABI,
	.name = "dkim",
	.help = "Verifies DKIM signatures (RFC 6376, RFC 8301, RFC 8463).",
	.facts = facts,
	.n_facts = sizeof(facts) / sizeof(facts[0]),
	.settings = settings,
	.n_settings = sizeof(settings) / sizeof(settings[0]),
	.conf_size = sizeof(struct dkim_conf),
	.configure = configure,
	.event = stage_event,
	.early = asks_keys,
	.results = stage_results,
};
