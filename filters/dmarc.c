/*
 * dmarc: the stage. It takes the author's domain from the From field, what the stages spf and dkim
 * have verified, and asks dmarc_check whether they belong together. A message whose From names
 * several domains, in one field or more, never passes: each domain is checked as if it were the
 * only one, and if one fails, the message does, by the strongest policy among those
 * (RFC 9989 11.5). docs/stages/dmarc.md tells what the facts are for.
 */
#include <libpsl.h>

#include "filters/dmarc_check.h"
#include "filters/stage.h"
#include "mail/idna.h"

/* Author domains that are checked; a message with more is not worth the questions. */
#define AUTHORS 4
/* From fields in which they are looked for. */
#define FIELDS 4

struct dmarc_conf {
	int64_t standard; /* 0: RFC 9989, 1: RFC 7489 */
	const psl_ctx_t *suffixes;
};

/* What is known of the transaction's message; in its arena. */
struct state {
	struct str author[AUTHORS + 1];
	size_t n;
	const char *problem; /* static: there is no author to check; NULL */
	bool done;
	unsigned failures;
	struct str from; /* the author domain that the outcome is about */
	struct dmarc_outcome outcome;
};

static enum progress
dns(void *owner, struct str name, enum dns_type type, const struct dns_answer **out)
{
	return ask_dns(owner, name, type, out);
}

/* --- the author ------------------------------------------------------------------------------- */

static void
add_author(struct state *state, struct str domain)
{
	for (size_t i = 0; i < state->n; i++)
		if (str_eq(state->author[i], domain))
			return;
	if (state->n <= AUTHORS)
		state->author[state->n++] = domain;
}

static void
read_field(struct arena *arena, const struct field *field, struct state *state)
{
	struct str domain[AUTHORS + 1], ascii;
	size_t n = header_from_domains(arena, field->value, domain, AUTHORS + 1);

	for (size_t i = 0; i < n; i++) {
		if (domain[i].p[0] == '[')
			state->problem = "an address in the From field has no domain";
		else if (idna_to_ascii(arena, domain[i], &ascii))
			add_author(state, ascii);
		else
			state->problem = "a domain in the From field is none";
	}
}

static struct state *
state_new(const struct ask *ask)
{
	const struct header *header = &ask->session->txn.message.header;
	struct arena *arena = ask->session->txn.arena;
	struct state *state = ARENA_NEW(arena, struct state);
	const struct field *field;

	for (size_t i = 0; i < FIELDS && (field = header_find(header, "From", i)) != NULL; i++)
		read_field(arena, field, state);
	if (header_count(header, "From") > FIELDS || state->n > AUTHORS)
		state->problem = "From names too many domains";
	else if (header_count(header, "From") > 1)
		state->problem = "there are several From fields";
	else if (state->n > 1)
		state->problem = "From names several domains";
	else if (state->n == 0 && state->problem == NULL)
		state->problem = "From names no domain";
	if (state->n > AUTHORS)
		state->n = AUTHORS;
	return state;
}

static struct state *
state_of(struct ask *ask)
{
	if (!*ask->state)
		*ask->state = state_new(ask);
	return *ask->state;
}

/* --- identifiers ------------------------------------------------------------------------------ */

static size_t
texts_in(const struct value *value)
{
	return value->type == VALUE_LIST ? value->list.n : 0;
}

struct identifiers {
	struct arena *arena;
	struct dmarc_identifier *list;
	size_t n;
};

static void
add_identifier(struct identifiers *ids, struct str domain, bool verified, bool dkim)
{
	struct dmarc_identifier id = { .verified = verified, .dkim = dkim };

	if (domain.n > 0 && domain.p[0] != '[' && idna_to_ascii(ids->arena, domain, &id.domain))
		ids->list[ids->n++] = id;
}

static void
add_signatures(struct identifiers *ids, const struct value *domains, bool verified)
{
	for (size_t i = 0; i < texts_in(domains); i++)
		add_identifier(ids, domains->list.item[i], verified, true);
}

static bool
is_word(const struct value *value, const char *word)
{
	return value->type == VALUE_SYMBOL && str_eq(value->text, str_of(word));
}

/* The facts of others, all asked for before the first is waited for. */
static enum progress
collect_identifiers(struct ask *ask, struct dmarc_query *query)
{
	struct identifiers ids = { .arena = ask->session->txn.arena };
	struct value spf, spf_domain, passed, open;
	bool pending = false;

	pending |= fact_get_named(ask, "spf", &spf) == PENDING;
	pending |= fact_get_named(ask, "spf.domain", &spf_domain) == PENDING;
	pending |= fact_get_named(ask, "dkim.domains", &passed) == PENDING;
	pending |= fact_get_named(ask, "dkim.unanswered", &open) == PENDING;
	if (pending)
		return PENDING;
	ids.list = ARENA_ARRAY(
	    ids.arena, struct dmarc_identifier, 1 + texts_in(&passed) + texts_in(&open));
	if (is_word(&spf, "pass") || is_word(&spf, "temperror"))
		add_identifier(&ids, spf_domain.text, is_word(&spf, "pass"), false);
	add_signatures(&ids, &passed, true);
	add_signatures(&ids, &open, false);
	query->identifier = ids.list;
	query->n = ids.n;
	return DONE;
}

/* --- the outcome ------------------------------------------------------------------------------ */

static bool
is_worse(const struct dmarc_outcome *a, const struct dmarc_outcome *b)
{
	if (a->result != b->result)
		return a->result < b->result;
	return a->policy > b->policy;
}

static void
keep_worst(struct state *state, size_t i, const struct dmarc_outcome *outcome)
{
	if (i > 0 && !is_worse(outcome, &state->outcome))
		return;
	state->outcome = *outcome;
	state->from = state->author[i];
}

/* A message that the RFC knows no author of can fail for one of them, but not pass. */
static void
object(struct state *state)
{
	if (state->problem == NULL ||
	    (state->n > 0 && state->outcome.result <= DMARC_RESULT_TEMPERROR))
		return;
	state->outcome.result = DMARC_RESULT_PERMERROR;
	state->outcome.reason = state->problem;
	state->outcome.by_spf = state->outcome.by_dkim = false;
}

static struct dmarc_query
query_new(struct ask *ask)
{
	const struct dmarc_conf *conf = ask->conf;

	return (struct dmarc_query){ .suffixes = conf->suffixes, .dns = dns, .owner = ask };
}

static enum progress
evaluate(struct ask *ask, struct state *state)
{
	struct dmarc_query query = query_new(ask);
	struct dmarc_outcome outcome[AUTHORS];
	bool pending = false;

	state->outcome = (struct dmarc_outcome){ .percent = DMARC_PERCENT_NONE };
	if (state->n > 0 && collect_identifiers(ask, &query) == PENDING)
		pending = true;
	for (size_t i = 0; i < state->n; i++) {
		query.author = state->author[i];
		pending |= dmarc_check(ask->session->txn.arena, &query, &outcome[i]) == PENDING;
	}
	if (pending)
		return PENDING;
	for (size_t i = 0; i < state->n; i++)
		keep_worst(state, i, &outcome[i]);
	object(state);
	/* What did not answer matters only where nothing else could be said. */
	if (state->outcome.result == DMARC_RESULT_TEMPERROR)
		state->failures = ask->failures;
	state->done = true;
	return DONE;
}

static enum progress
outcome_of(struct ask *ask, struct state **out)
{
	struct state *state = state_of(ask);

	*out = state;
	if (!state->done && evaluate(ask, state) == PENDING)
		return PENDING;
	ask->failures = state->failures;
	return DONE;
}

static void
stage_event(struct ask *ask, enum stage_event event)
{
	struct dmarc_query query = query_new(ask);
	struct state *state;
	struct value spf;

	if (event != EVENT_HEADER)
		return;
	state = state_of(ask);
	for (size_t i = 0; i < state->n; i++) {
		query.author = state->author[i];
		dmarc_check_early(ask->session->txn.arena, &query);
	}
	fact_get_named(ask, "spf", &spf);
}

/* --- facts ------------------------------------------------------------------------------------ */

static enum progress
compute_dmarc(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct state *state;

	if (outcome_of(ask, &state) == PENDING)
		return PENDING;
	*out = value_symbol(dmarc_result_name(state->outcome.result));
	return DONE;
}

static enum progress
compute_aligned_by(struct ask *ask, const struct fact_call *call, struct value *out)
{
	static const char *const words[2][2] = { { "none", "dkim" }, { "spf", "both" } };
	struct state *state;

	if (outcome_of(ask, &state) == PENDING)
		return PENDING;
	*out = value_symbol(words[state->outcome.by_spf][state->outcome.by_dkim]);
	return DONE;
}

static enum progress
compute_policy(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct state *state;

	if (outcome_of(ask, &state) == PENDING)
		return PENDING;
	*out = value_symbol(dmarc_policy_name(state->outcome.policy));
	return DONE;
}

static enum progress
compute_text(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct str name = str_of(call->entry->def->name);
	struct state *state;

	if (outcome_of(ask, &state) == PENDING)
		return PENDING;
	if (str_eq(name, STR("dmarc.domain")))
		*out = value_text(state->outcome.domain);
	else if (str_eq(name, STR("dmarc.organization")))
		*out = value_text(state->outcome.organization);
	else if (str_eq(name, STR("dmarc.from")))
		*out = value_text(state->from);
	else
		*out = value_text(str_of(state->outcome.reason ? state->outcome.reason : ""));
	return DONE;
}

static enum progress
compute_percent(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct state *state;

	if (outcome_of(ask, &state) == PENDING)
		return PENDING;
	*out = (struct value){ .type = VALUE_NONE };
	if (state->outcome.percent != DMARC_PERCENT_NONE)
		*out = value_number(state->outcome.percent);
	return DONE;
}

static enum progress
compute_testing(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct state *state;

	if (outcome_of(ask, &state) == PENDING)
		return PENDING;
	*out = value_bool(state->outcome.testing);
	return DONE;
}

/* By RFC 7489 a record stands in two places at most. */
#define PLACES_7489 2

static void
asks_authors(struct costs *costs, const struct dmarc_conf *conf)
{
	unsigned places = conf->standard == 0 ? DMARC_QUERIES : PLACES_7489;

	cost_dns(costs, STR("dmarc"), 1, AUTHORS * places);
}

/* What is noted when the header is complete: the authors' records, and SPF. */
static void
asks_early(struct costs *costs, const void *conf)
{
	asks_authors(costs, conf);
	cost_fact(costs, "spf");
}

/* Domains that SPF and DKIM can bring. */
static unsigned
identifiers_most(const struct costs *costs)
{
	for (size_t i = 0; i < costs->n; i++)
		if (str_eq(costs->group[i].name, STR("dkim")))
			return 1 + costs->group[i].most;
	return 1;
}

/*
 * For each author whether it exists, and for each identifier a walk: those of one for several authors are the same. It ends in the author's organization,
 * whose names were asked for already: one at least.
 */
static void
asks(struct costs *costs, const struct fact_call *call)
{
	const struct dmarc_conf *conf = call->entry->conf;
	unsigned walks;

	asks_authors(costs, conf);
	cost_fact(costs, "spf");
	cost_fact(costs, "dkim.domains");
	walks = identifiers_most(costs);
	if (walks > AUTHORS * DMARC_WALKS)
		walks = AUTHORS * DMARC_WALKS;
	if (conf->standard == 0)
		cost_dns(costs, STR("dmarc alignment"), 0, AUTHORS + walks * (DMARC_QUERIES - 1));
}

static const char *const results[] = { "pass", "fail", "none", "temperror", "permerror", NULL };
static const char *const policies[] = { "none", "quarantine", "reject", NULL };
static const char *const mechanisms[] = { "none", "spf", "dkim", "both", NULL };

static const struct remedy remedies[] = {
	{ "none", "Publish a DMARC record for ${dmarc.from}." },
	{ "temperror",
	    "Nothing: your mail server tries again by itself. If it stays so, look whether the name servers of ${dmarc.from} answer." },
	{ "permerror",
	    "Mend the DMARC record of ${dmarc.from}, and send messages with exactly one From field." },
	{ NULL, NULL },
};

#define OF_MESSAGE \
	.from = STEP_MESSAGE, .to = STEP_MESSAGE, .life = LIFE_TRANSACTION, .cost = COST_BODY, \
	.asks = asks

static const struct fact_def facts[] = {
	{ .name = "dmarc",
	    .remedy =
		"Have your mail signed with DKIM as ${dmarc.from}, or send it through a server that the SPF record of ${dmarc.from} names, with a sender's address of that domain.",
	    .remedies = remedies,
	    .type = VALUE_SYMBOL,
	    .symbols = results,
	    OF_MESSAGE,
	    .compute = compute_dmarc,
	    .help = "Whether what SPF or DKIM verified belongs to the domain in From (RFC 9989)." },
	{ .name = "dmarc.aligned_by",
	    .type = VALUE_SYMBOL,
	    .symbols = mechanisms,
	    OF_MESSAGE,
	    .compute = compute_aligned_by,
	    .help = "What the domain in From was verified by." },
	{ .name = "dmarc.domain",
	    .type = VALUE_TEXT,
	    OF_MESSAGE,
	    .compute = compute_text,
	    .help = "The domain whose DMARC record applies; empty when there is none." },
	{ .name = "dmarc.from",
	    .type = VALUE_TEXT,
	    OF_MESSAGE,
	    .compute = compute_text,
	    .help = "The domain in From that dmarc is about, in A-labels; of several the worst." },
	{ .name = "dmarc.organization",
	    .type = VALUE_TEXT,
	    OF_MESSAGE,
	    .compute = compute_text,
	    .help = "The organizational domain of the domain in From." },
	{ .name = "dmarc.percent",
	    .most = 100,
	    .type = VALUE_NUMBER,
	    OF_MESSAGE,
	    .compute = compute_percent,
	    .help = "pct= of the record, which RFC 9989 does not know any more; unknown without." },
	{ .name = "dmarc.policy",
	    .type = VALUE_SYMBOL,
	    .symbols = policies,
	    OF_MESSAGE,
	    .compute = compute_policy,
	    .help = "What the record asks to be done with mail that fails; one level less while "
		    "it is being tested (t=y)." },
	{ .name = "dmarc.reason",
	    .type = VALUE_TEXT,
	    OF_MESSAGE,
	    .compute = compute_text,
	    .help = "Why dmarc is not pass, in words." },
	{ .name = "dmarc.testing",
	    .type = VALUE_BOOL,
	    OF_MESSAGE,
	    .compute = compute_testing,
	    .help = "Whether the record says that its policy is being tested (t=y)." },
};

/* --- the rest of the stage -------------------------------------------------------------------- */

static void
stage_results(const struct ask *ask, struct authres *authres)
{
	const struct state *state = ask->state ? *ask->state : NULL;
	const struct dmarc_outcome *outcome;

	if (!state || !state->done)
		return;
	outcome = &state->outcome;
	authres_result(authres, "dmarc", str_of(dmarc_result_name(outcome->result)),
	    str_of(outcome->reason ? outcome->reason : ""));
	if (state->from.n > 0)
		authres_property(authres, "header", "from", state->from);
	if (outcome->domain.n > 0)
		authres_property(
		    authres, "policy", "dmarc", str_of(dmarc_policy_name(outcome->policy)));
}

static void
free_suffixes(void *suffixes)
{
	psl_free(suffixes);
}

static bool
configure(void *settings, struct arena *arena, struct err *e)
{
	struct dmarc_conf *conf = settings;
	psl_ctx_t *suffixes;

	if (conf->standard == 0)
		return true;
	/* Debian's list (publicsuffix), or the one in the library if that is newer. */
	suffixes = psl_latest(NULL);
	if (suffixes == NULL)
		return err_set(e, ERR_SYSTEM,
		    "there is no list of public suffixes for RFC 7489: install the package "
		    "publicsuffix");
	arena_cleanup(arena, free_suffixes, suffixes);
	conf->suffixes = suffixes;
	return true;
}

static const char *const standards[] = { "rfc9989", "rfc7489", NULL };

static const struct setting settings[] = {
	{
	    .name = "standard",
	    .type = SETTING_WORD,
	    .offset = offsetof(struct dmarc_conf, standard),
	    .fallback = "rfc9989",
	    .words = standards,
	    .help = "By which rules: `option dmarc rfc7489` at the top of the file says the same.",
	},
};

/* Whose events are needed too, so that keys and bodies do not wait for the end of the message. */
static const char *const uses[] = { "spf", "dkim", NULL };

extern const struct stage dmarc_stage;
const struct stage dmarc_stage = {
	.abi = STAGE_ABI,
	.name = "dmarc",
	.help = "DMARC: does the mail come from the domain in From? (RFC 9989)",
	.facts = facts,
	.n_facts = sizeof(facts) / sizeof(facts[0]),
	.settings = settings,
	.n_settings = sizeof(settings) / sizeof(settings[0]),
	.conf_size = sizeof(struct dmarc_conf),
	.uses = uses,
	.configure = configure,
	.event = stage_event,
	.early = asks_early,
	.results = stage_results,
};
