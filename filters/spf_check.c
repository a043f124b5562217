#include "filters/spf_check.h"

#include "base/die.h"
#include "base/escape.h"
#include "filters/spf_eval.h"
#include "filters/spf_run.h"

const char *
spf_result_name(enum spf_result result)
{
	static const char *const names[SPF_RESULTS] = { "none", "neutral", "pass", "fail",
		"softfail", "temperror", "permerror" };

	return names[result];
}

/*
 * Section 4.3: a name that can be in the DNS and has more than one label. What no host is called (a
 * literal, an address, blanks) is not asked for either.
 */
static bool
domain_ok(struct str domain)
{
	struct str last = str_sub(domain, str_rfind(domain, '.') + 1, domain.n);
	bool digits = true;

	if (!dns_name_ok(domain) || str_find(domain, '.') == STR_NPOS)
		return false;
	for (size_t i = 0; i < domain.n; i++)
		if (!ascii_isalnum(domain.p[i]) && strchr("-_.", domain.p[i]) == NULL)
			return false;
	for (size_t i = 0; i < last.n; i++)
		digits = digits && ascii_isdigit(last.p[i]);
	return !digits;
}

static struct str
keep(struct arena *arena, struct str s)
{
	return s.p == NULL ? s : arena_dup(arena, s);
}

/* What a run in its scratch memory has found, for the caller. */
static enum progress
outcome_take(const struct spf_run *run, struct arena *arena, struct spf_outcome *out)
{
	if (run->state == SPF_WAITING)
		return PENDING;
	require(run->state == SPF_ENDED);
	out->domain = arena_lower(arena, run->query->domain);
	out->result = run->result;
	out->problem = keep(arena, run->problem);
	if (out->problem.p == NULL && run->term != NULL)
		out->mechanism = arena_dup(arena, run->term->text);
	if (out->result == SPF_FAIL && run->top != NULL) {
		out->exp = keep(arena, run->top->record.exp);
		out->exp_domain = arena_dup(arena, run->top->domain);
	}
	return DONE;
}

enum progress
spf_check(struct arena *arena, const struct spf_query *query, struct spf_outcome *out)
{
	const struct spf_frame *frame;
	struct spf_query q = *query;
	struct spf_run *run;
	enum progress done;

	if (str_ends(q.domain, STR(".")))
		q.domain.n--;
	*out = (struct spf_outcome){ .result = SPF_NONE };
	if (!domain_ok(q.domain) || q.client.version == 0) {
		out->domain = arena_lower(arena, q.domain);
		out->problem = STR("there is no domain to check");
		return DONE;
	}
	run = spf_run_new(&q);
	frame = spf_run_open(run, arena_lower(run->arena, q.domain), false);
	if (frame != NULL)
		spf_eval(run, frame);
	done = outcome_take(run, arena, out);
	spf_run_free(&run);
	return done;
}

/* Section 6.2: whatever is wrong with the explanation, there is none then. */
static bool
explanation_find(struct spf_run *run, const struct spf_outcome *o, struct str *out)
{
	const struct spf_term term = { .spec = o->exp };
	const struct spf_frame frame = { .domain = o->exp_domain };
	const struct spf_target target = { .term = &term, .frame = &frame };
	const struct dns_answer *answer;
	struct spf_values values;
	struct str name, text;

	if (!spf_run_name(run, &target, &name))
		return false;
	answer = spf_run_ask(run, name, DNS_TXT);
	if (answer == NULL || answer->status != DNS_OK || answer->n != 1)
		return false;
	text = answer->rr[0].data;
	if (!spf_macro_check(text, SPF_MACRO_EXPLANATION, NULL) ||
	    !spf_run_values(run, text, o->exp_domain, &values))
		return false;
	*out = spf_macro_text(run->arena, text, &values, SPF_EXPLANATION_MAX);
	return true;
}

enum progress
spf_explain(struct arena *arena, const struct spf_query *query, const struct spf_outcome *outcome,
    struct str *out)
{
	struct spf_query q = *query;
	enum progress done = DONE;
	struct spf_run *run;
	struct str text;

	*out = (struct str){ 0 };
	if (outcome->exp.p == NULL)
		return DONE;
	if (str_ends(q.domain, STR(".")))
		q.domain.n--;
	run = spf_run_new(&q);
	if (explanation_find(run, outcome, &text))
		*out = arena_dup(arena, text);
	else if (run->state == SPF_WAITING)
		done = PENDING;
	spf_run_free(&run);
	return done;
}
