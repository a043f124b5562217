#include "filters/dmarc_check.h"

#include <libpsl.h>

#include "base/die.h"

const char *
dmarc_result_name(enum dmarc_result result)
{
	static const char *const names[] = { "fail", "temperror", "permerror", "none", "pass" };

	return names[result];
}

/* --- names and records ------------------------------------------------------------------------ */

static enum progress
read_step(struct arena *arena, const struct dmarc_query *query, struct dmarc_step *step)
{
	const struct dns_answer *answer;

	if (query->dns(query->owner, dmarc_walk_question(arena, step->name), DNS_TXT, &answer) ==
	    PENDING)
		return PENDING;
	dmarc_step_read(step, answer);
	return DONE;
}

/* The names at which a record for that domain may stand. */
static void
begin_walk(struct arena *arena, const struct dmarc_query *query, struct str domain,
    struct dmarc_walk *walk)
{
	const char *found;

	dmarc_walk_begin(domain, walk);
	if (query->suffixes == NULL)
		return;
	/*
	 * By RFC 7489 there are two places, and the list says which the second is (6.6.3). A
	 * public suffix stands for itself.
	 */
	found = psl_registrable_domain(query->suffixes, arena_dup(arena, domain).p);
	walk->n = 1;
	if (found != NULL && strlen(found) < domain.n)
		walk->step[walk->n++].name = str_sub(domain, domain.n - strlen(found), domain.n);
}

/* Asks for everything before it waits for any. */
static enum progress
ask_walk(struct arena *arena, const struct dmarc_query *query, struct dmarc_walk *walk)
{
	enum progress all = DONE;

	for (size_t i = 0; i < walk->n; i++)
		if (read_step(arena, query, &walk->step[i]) == PENDING)
			all = PENDING;
	return all;
}

/* False: not known. */
static bool
organization_of(const struct dmarc_query *query, const struct dmarc_walk *walk, struct str *out)
{
	if (query->suffixes == NULL)
		return dmarc_walk_organization(walk, out);
	*out = walk->step[walk->n - 1].name;
	return true;
}

/* The same for the record that applies; *out is NULL when there is none. */
static bool
policy_of(
    const struct dmarc_query *query, const struct dmarc_walk *walk, const struct dmarc_step **out)
{
	if (query->suffixes == NULL)
		return dmarc_walk_policy(walk, out);
	for (size_t i = 0; i < walk->n; i++) {
		*out = &walk->step[i];
		if (walk->step[i].state != DMARC_STEP_NOTHING)
			return walk->step[i].state == DMARC_STEP_RECORD;
	}
	*out = NULL;
	return true;
}

/* --- alignment -------------------------------------------------------------------------------- */

enum aligned { ALIGNED_NO, ALIGNED_YES, ALIGNED_UNKNOWN };

/* What is known of the author when alignment is judged. */
struct author {
	struct arena *arena;
	const struct dmarc_query *query;
	struct str organization; /* "" not known */
	const struct dmarc_record *record;
	size_t walks; /* that identifiers have cost */
};

static struct str
last_label(struct str name)
{
	size_t dot = str_rfind(name, '.');

	return dot == STR_NPOS ? name : str_sub(name, dot + 1, name.n);
}

/*
 * 4.10.2. The organizational domain is the same only for names at or below it, so others cost no
 * question; for itself it is always that.
 */
static enum progress
align(struct author *author, const struct dmarc_identifier *id, enum aligned *out)
{
	const struct dmarc_query *query = author->query;
	bool strict = id->dkim ? author->record->strict_dkim : author->record->strict_spf;
	struct dmarc_walk walk;
	struct str organization;

	*out = ALIGNED_YES;
	if (str_eq(id->domain, query->author))
		return DONE;
	*out = ALIGNED_NO;
	if (strict || !str_eq(last_label(id->domain), last_label(query->author)))
		return DONE;
	*out = ALIGNED_UNKNOWN;
	if (author->organization.n == 0)
		return DONE;
	*out = ALIGNED_YES;
	if (str_eq(id->domain, author->organization))
		return DONE;
	*out = ALIGNED_NO;
	if (!dmarc_within(id->domain, author->organization) || ++author->walks > DMARC_WALKS)
		return DONE;
	begin_walk(author->arena, query, id->domain, &walk);
	if (query->suffixes == NULL && ask_walk(author->arena, query, &walk) == PENDING)
		return PENDING;
	if (!organization_of(query, &walk, &organization))
		*out = ALIGNED_UNKNOWN;
	else if (str_eq(organization, author->organization))
		*out = ALIGNED_YES;
	return DONE;
}

static enum progress
align_all(struct author *author, struct dmarc_outcome *out, bool *unsure)
{
	const struct dmarc_query *query = author->query;
	enum progress all = DONE;
	enum aligned aligned;

	for (size_t i = 0; i < query->n; i++) {
		const struct dmarc_identifier *id = &query->identifier[i];

		if (align(author, id, &aligned) == PENDING)
			all = PENDING;
		else if (aligned == ALIGNED_UNKNOWN || (aligned == ALIGNED_YES && !id->verified))
			*unsure = true;
		else if (aligned == ALIGNED_YES && id->dkim)
			out->by_dkim = true;
		else if (aligned == ALIGNED_YES)
			out->by_spf = true;
	}
	return all;
}

/* --- policy ----------------------------------------------------------------------------------- */

/*
 * p= for the domain at which the record stands; for others sp= or np=, as they exist or not, which
 * any question about the name itself tells (RFC 8020). *unsure: it was not answered; the milder one.
 */
static enum progress
choose_policy(const struct dmarc_query *query, const struct dmarc_step *step,
    enum dmarc_policy *out, bool *unsure)
{
	const struct dmarc_record *record = &step->record;
	const struct dns_answer *answer;

	*out = record->policy;
	if (str_eq(step->name, query->author))
		return DONE;
	*out = record->sub;
	if (query->suffixes != NULL || record->absent == record->sub)
		return DONE;
	if (query->dns(query->owner, query->author, DNS_TXT, &answer) == PENDING)
		return PENDING;
	if (answer->status == DNS_NXDOMAIN)
		*out = record->absent;
	else if (answer->status == DNS_TEMPFAIL) {
		*unsure = true;
		if (record->absent < record->sub)
			*out = record->absent;
	}
	return DONE;
}

/* --- the check -------------------------------------------------------------------------------- */

static void
settle(struct dmarc_outcome *out, enum dmarc_result result, const char *reason)
{
	out->result = result;
	out->reason = reason;
}

static void
judge(struct dmarc_outcome *out, bool ids_unsure, bool policy_unsure)
{
	if (out->by_spf || out->by_dkim)
		settle(out, DMARC_RESULT_PASS, "");
	else if (ids_unsure)
		settle(out, DMARC_RESULT_TEMPERROR,
		    "the DNS did not tell whether an identifier is aligned");
	else if (policy_unsure)
		settle(out, DMARC_RESULT_TEMPERROR,
		    "the DNS did not tell whether the author's domain exists");
	else
		settle(out, DMARC_RESULT_FAIL,
		    "no identifier that SPF or DKIM verified is aligned with the author's domain");
}

void
dmarc_check_early(struct arena *arena, const struct dmarc_query *query)
{
	struct dmarc_walk walk;

	begin_walk(arena, query, query->author, &walk);
	ask_walk(arena, query, &walk);
}

enum progress
dmarc_check(struct arena *arena, const struct dmarc_query *query, struct dmarc_outcome *out)
{
	struct author author = { .arena = arena, .query = query };
	bool ids_unsure = false, policy_unsure = false;
	const struct dmarc_step *step;
	struct dmarc_walk walk;
	enum progress aligned, chosen;

	*out = (struct dmarc_outcome){ .percent = DMARC_PERCENT_NONE };
	begin_walk(arena, query, query->author, &walk);
	if (ask_walk(arena, query, &walk) == PENDING)
		return PENDING;
	if (organization_of(query, &walk, &author.organization))
		out->organization = author.organization;
	else
		author.organization = STR("");
	if (!policy_of(query, &walk, &step)) {
		settle(out, DMARC_RESULT_TEMPERROR, "the DNS did not tell the policy");
		return DONE;
	}
	if (step == NULL) {
		settle(out, DMARC_RESULT_NONE, "there is no policy");
		return DONE;
	}
	out->domain = step->name;
	if (!step->record.usable) {
		settle(out, DMARC_RESULT_PERMERROR, "the policy record says no policy");
		return DONE;
	}
	author.record = &step->record;
	out->percent = step->record.percent;
	out->testing = step->record.testing && query->suffixes == NULL;
	aligned = align_all(&author, out, &ids_unsure);
	chosen = choose_policy(query, step, &out->policy, &policy_unsure);
	if (aligned == PENDING || chosen == PENDING)
		return PENDING;
	if (out->testing)
		out->policy = dmarc_policy_tested(out->policy);
	judge(out, ids_unsure, policy_unsure);
	return DONE;
}
