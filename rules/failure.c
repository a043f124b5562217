#include "rules/failure.h"

#include "mail/said.h"

struct cause {
	enum failure failure; /* 0: of a stage */
	enum said said;
	struct str setting;
};

#define TEXT(text_) \
	{ \
		text_, sizeof(text_) - 1 \
	}

/* The first that applies is the one that is told. */
static const struct cause causes[] = {
	{ FAILURE_QUESTIONS, SAID_QUESTIONS, TEXT("more questions than a session may ask") },
	{ FAILURE_STORE, SAID_STORE, TEXT("when store unavailable") },
	{ FAILURE_DNS, SAID_DNS, TEXT("when dns unavailable") },
};
static const struct cause of_stage = { 0, SAID_STAGE, TEXT("when stage fails") };

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
	const struct verdict v = said_verdict(cause->said);

	entry->rule = shown;
	shown->id = v.rule;
	shown->source = cause->failure == FAILURE_QUESTIONS
	    ? cause->setting
	    : arena_printf(arena, "%.*s %s", STR_ARG(cause->setting), pass ? "pass" : "tempfail");
	shown->action = pass ? "pass" : "tempfail";
	entry->hit = true;
	entry->observed = !pass && core->mode == 1;
	decision_trace(d, arena, entry);
	if (pass)
		return;
	if (core->mode != 1)
		d->verdict = v;
	else if (d->observed.kind == VERDICT_ACCEPT)
		d->observed = v;
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
