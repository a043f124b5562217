#include "rules/replay.h"

#include <stdlib.h>

#include "base/die.h"
#include "mail/exception.h"
#include "rules/replay_session.h"
#include "rules/rule.h"

#define TEXT_LIMIT (16 * 1024 * 1024)
#define SCRATCH_LIMIT (4 * 1024 * 1024)
#define NAME_LONGEST 1024

/* ---- opening ---- */

/* Of the facts of the store, those for which the account's plan has to be found. */
static bool
rests_on_plans(const struct fact_def *def)
{
	static const char *const names[] = { "quota", "upstream", "recipients.allowed" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(def->name, names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

bool
replay_is_about_all(const struct fact_def *def, enum step step)
{
	if (def->life < LIFE_RECIPIENT || strcmp(def->name, "errors") == 0)
		return false;
	return step == STEP_MESSAGE || rests_on_plans(def) ||
	    strncmp(def->name, "recipients", strlen("recipients")) == 0;
}

/* Facts that lie in the message, which nobody kept, and what was not told of the session. */
static bool
lacks(const struct replayed *replayed, const struct fact_call *call)
{
	const struct replay *r = (const struct replay *)replayed;
	const struct fact_def *def = call->entry->def;

	if (def->cost == COST_BODY || (!r->plans_known && rests_on_plans(def)) ||
	    (!r->errors_known && strcmp(def->name, "errors") == 0) ||
	    (r->messages_unknown && strcmp(def->name, "session.messages") == 0) ||
	    (r->joined && replay_is_about_all(def, r->ask.step)) ||
	    (r->entry.mixed && r->ask.step == STEP_RCPT && replay_is_about_all(def, STEP_RCPT)))
		return true;
	return def->from == STEP_MESSAGE &&
	    (r->config->part[call->entry->stage].stage != NULL ||
		strcmp(def->name, "message.size") != 0);
}

/* What the rules ask for is known by its name, with its arguments. */
static void
learn_calls(struct replay *r)
{
	const struct ruleset *rules = r->config->ruleset;
	struct buf name;

	buf_init(&name, NAME_LONGEST);
	for (size_t i = 0; i < rules->n_calls; i++) {
		buf_clear(&name);
		fact_call_print(rules->call[i], &name);
		replay_name(r, buf_str(&name))->call = *rules->call[i];
	}
	buf_free(&name);
}

struct replay *
replay_new(const struct config *config,
    void (*tell)(
	const struct config *config, struct session *s, enum replay_event event, int64_t now))
{
	struct replay *r = xcalloc(1, sizeof(*r));

	r->replayed.lacks = lacks;
	r->ours = hashed_new(config->pseudonym);
	r->strangers = hashed_new(NULL);
	r->config = config;
	r->tell = tell;
	r->world = tell ? replay_world_new() : NULL;
	r->earlier = replay_earlier_new(config->ruleset);
	r->text = arena_new(TEXT_LIMIT);
	r->scratch = arena_new(SCRATCH_LIMIT);
	r->names_arena = arena_new(SIZE_MAX);
	intern_init(&r->names, r->names_arena);
	session_init(&r->session, FRONT_PROXY, &config->facts, config->n_parts);
	buf_init(&r->needs, NAME_LONGEST);
	r->hash = xcalloc(config->n_parts, sizeof(*r->hash));
	for (size_t i = 0; i < config->n_parts; i++)
		r->hash[i] = config_part_hash(config, i);
	learn_calls(r);
	return r;
}

void
replay_free(struct replay **replay)
{
	struct replay *r = *replay;

	if (r == NULL)
		return;
	for (size_t i = 0; i < r->n_eras; i++) {
		free(r->era[i].stages);
		free(r->era[i].files);
	}
	free(r->era);
	free(r->name);
	free(r->hash);
	exceptions_free(&r->entry.exceptions);
	replay_watch_free(r);
	hashed_free(&r->ours);
	hashed_free(&r->strangers);
	replay_world_free(&r->world);
	free(r->earlier);
	intern_free(&r->names);
	buf_free(&r->needs);
	session_free(&r->session);
	arena_free(&r->names_arena);
	arena_free(&r->scratch);
	arena_free(&r->text);
	free(r);
	*replay = NULL;
}

/* ---- an entry ---- */

struct str
replay_source(const struct replay *r, struct str rule)
{
	const struct ruleset *rules = r->config->ruleset;

	for (size_t step = 0; step < STEP_COUNT; step++)
		for (size_t i = 0; i < rules->n[step]; i++)
			if (str_eq(rules->rule[step][i]->shown.id, rule))
				return rules->rule[step][i]->shown.source;
	return STR("");
}

/* It is no verdict about a session's mail. */
static bool
is_aside(const struct journal_record *record)
{
	return record->session.n == 0 || record->times > 1 ||
	    (record->observed.n > 0 && strcmp(record->verdict, "accept") == 0);
}

/* Decides it as far as it goes. False: it is too old. */
static bool
run_entry(struct replay *r, const struct journal_record *record, struct replay_result *out)
{
	*out = (struct replay_result){ .state = REPLAY_DECIDED };
	r->entry.era = replay_era_of(r, record->config);
	require(r->entry.era != NULL);
	if (!replay_read(r, record))
		return false;
	r->entry.touched = out->touched = replay_touches(r);
	replay_begin(r);
	if (replay_run(r, out))
		replay_passed(r, out);
	return true;
}

bool
replay_halt(struct replay *r, const struct journal_record *record, struct replay_result *out)
{
	r->halts = true;
	return run_entry(r, record, out);
}

/* What needs the clear text, or did not fit in, was known to the very same rules then, and so is what they said. */
static void
as_decided(const struct replay *r, struct replay_result *out)
{
	const struct journal_record *record = r->entry.record;

	*out = (struct replay_result){ .state = REPLAY_DECIDED,
		.verdict = record->verdict,
		.step = r->entry.step,
		.rule = record->rule,
		.observed = record->observed.n > 0 };
}

/* That got through now, and did not then. */
static int
more_messages(const struct replay *r, const struct replay_result *now)
{
	if (r->entry.step != STEP_MESSAGE || now->state != REPLAY_DECIDED)
		return 0;
	return replay_is_in(now) - (strcmp(r->entry.record->verdict, "accept") == 0);
}

void
replay_entry(struct replay *r, const struct journal_record *record, struct replay_result *out)
{
	bool over;

	*out = (struct replay_result){ .state = REPLAY_DECIDED };
	if (is_aside(record)) {
		out->state = REPLAY_ASIDE;
		return;
	}
	if (!run_entry(r, record, out)) {
		out->state = REPLAY_TOO_OLD;
		return;
	}
	over = r->session.rules_over;
	if (out->state == REPLAY_UNKNOWN && (r->entry.unreadable || r->entry.cut) &&
	    r->entry.era->same && !r->entry.touched)
		as_decided(r, out);
	if (r->world)
		replay_follow(r, out);
	replay_keep(r, out, over, more_messages(r, out));
}
