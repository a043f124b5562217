#include "rules/failure.h"

struct cause {
	enum failure failure; /* 0: of a stage */
	struct str rule;      /* in the journal */
	struct str setting;
	struct verdict verdict;
};

#define TEMPFAIL(enhanced_, text_) \
	{ \
		.kind = VERDICT_TEMPFAIL, .code = 451, .enhanced = enhanced_, \
		.text = { text_, sizeof(text_) - 1 }, \
	}
#define TEXT(text_) \
	{ \
		text_, sizeof(text_) - 1 \
	}

/* The first that applies is the one that is told. */
static const struct cause causes[] = {
	{ FAILURE_QUESTIONS, TEXT("limit: questions"),
	    TEXT("more questions than a session may ask"),
	    TEMPFAIL("4.3.2", "Too much to check in this session, try again later") },
	{ FAILURE_STORE, TEXT("failure: store"), TEXT("when store unavailable"),
	    TEMPFAIL("4.3.0", "Local problem, try again later") },
	{ FAILURE_DNS, TEXT("failure: dns"), TEXT("when dns unavailable"),
	    TEMPFAIL("4.4.3", "The DNS does not answer, try again later") },
};
static const struct cause of_stage = { 0, TEXT("failure: stage"), TEXT("when stage fails"),
	TEMPFAIL("4.3.0", "Local problem, try again later") };

static enum when
chosen(const struct config_core *core, const struct cause *cause)
{
	switch (cause->failure) {
	case FAILURE_DNS:
		return (enum when)core->when_dns;
	case FAILURE_STORE:
		return (enum when)core->when_store;
	case FAILURE_QUESTIONS:
		return WHEN_TEMPFAIL;
	}
	return (enum when)core->when_stage;
}

/* Observed rules count for nobody, unless all are observed. */
static bool
counts(const struct config_core *core, const struct trace_entry *entry)
{
	return !entry->observed || core->mode == 1;
}

static bool
rests_on(const struct trace_entry *entry, size_t i, enum failure failure)
{
	return (entry->fact[i]->failures & failure) != 0;
}

static bool
holds(const struct trace_entry *entry, const struct fact *fact)
{
	for (size_t i = 0; i < entry->n_facts; i++)
		if (entry->fact[i] == fact)
			return true;
	return false;
}

/* The facts of d that rest on it, each once, into entry. */
static void
collect(const struct config_core *core, const struct cause *cause, const struct decision *d,
    struct arena *arena, struct trace_entry *entry)
{
	size_t most = 0;

	for (size_t i = 0; i < d->trace.n; i++)
		most += d->trace.entry[i].n_facts;
	entry->fact = ARENA_ARRAY(arena, const struct fact *, most + 1);
	for (size_t i = 0; i < d->trace.n; i++) {
		const struct trace_entry *from = &d->trace.entry[i];

		for (size_t k = 0; k < from->n_facts && counts(core, from); k++) {
			if (rests_on(from, k, cause->failure) && !holds(entry, from->fact[k]))
				entry->fact[entry->n_facts++] = from->fact[k];
		}
	}
}

static bool
lets_in(const struct decision *d)
{
	return d->verdict.kind == VERDICT_ACCEPT || d->verdict.kind == VERDICT_ACCEPT_SESSION;
}

/* entry: with its facts. What is turned away already is not turned away once more. */
static void
apply(const struct config_core *core, const struct cause *cause, struct arena *arena,
    struct decision *d, struct trace_entry *entry)
{
	bool pass = chosen(core, cause) == WHEN_PASS;
	struct trace_rule *shown = ARENA_NEW(arena, struct trace_rule);

	entry->rule = shown;
	shown->id = cause->rule;
	shown->source = cause->failure == FAILURE_QUESTIONS
	    ? cause->setting
	    : arena_printf(arena, "%.*s %s", STR_ARG(cause->setting), pass ? "pass" : "tempfail");
	shown->action = pass ? "pass" : "tempfail";
	entry->hit = true;
	entry->observed = !pass && core->mode == 1;
	decision_trace(d, arena, entry);
	if (pass)
		return;
	if (core->mode != 1) {
		d->verdict = cause->verdict;
		d->verdict.rule = cause->rule;
	} else if (d->observed.kind == VERDICT_ACCEPT) {
		d->observed = cause->verdict;
		d->observed.rule = cause->rule;
	}
}

void
failure_judge(const struct config_core *core, struct arena *arena, struct decision *d)
{
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		struct trace_entry entry = { 0 };

		if (!lets_in(d))
			return;
		if ((d->failures & causes[i].failure) == 0)
			continue;
		collect(core, &causes[i], d, arena, &entry);
		if (entry.n_facts > 0)
			apply(core, &causes[i], arena, d, &entry);
	}
}

void
failure_of_stage(const struct config_core *core, struct arena *arena, struct decision *d)
{
	struct trace_entry entry = { 0 };

	*d = (struct decision){ 0 };
	apply(core, &of_stage, arena, d, &entry);
}
