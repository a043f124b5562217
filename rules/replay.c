#include "rules/replay.h"

#include <stdlib.h>

#include "base/die.h"
#include "mail/exception.h"
#include "rules/exception.h"
#include "rules/failure.h"
#include "rules/policy.h"
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

/* Facts that lie in the message, which nobody kept. */
static bool
lacks(const struct replayed *replayed, const struct fact_call *call)
{
	const struct replay *r = (const struct replay *)replayed;
	const struct fact_def *def = call->entry->def;

	if (def->cost == COST_BODY || (!r->plans_known && rests_on_plans(def)))
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
	intern_free(&r->names);
	buf_free(&r->needs);
	session_free(&r->session);
	arena_free(&r->names_arena);
	arena_free(&r->scratch);
	arena_free(&r->text);
	free(r);
	*replay = NULL;
}

/* ---- deciding ---- */

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

static bool
refuses(const struct verdict *v)
{
	return v->kind == VERDICT_TEMPFAIL || v->kind == VERDICT_REJECT;
}

/* Something that was asked for has its answer now. */
static bool
answered(struct replay *r)
{
	bool any;

	replay_answers(r);
	any = replay_resolve(r, &r->session.answers);
	return replay_resolve(r, &r->session.txn.answers) || any;
}

/* DONE, or PENDING: for want of r->replayed.missing. */
static enum progress
decide(struct replay *r, struct decision *d)
{
	const struct ruleset *rules = r->config->ruleset;

	for (;;) {
		struct ask ask = r->ask;

		arena_reset(r->scratch);
		r->replayed.missing = NULL;
		if (r->session.hashed)
			hashed_clear(r->session.hashed);
		if (ruleset_decide(rules, &ask, r->scratch, d) == DONE &&
		    policy_decide(rules, &ask, r->scratch, d) == DONE)
			break;
		if (!answered(r))
			return PENDING;
	}
	failure_judge(&r->config->core, r->scratch, d);
	return DONE;
}

const struct fact *
replay_fact(struct replay *r, const struct fact_call *call)
{
	struct ask ask = r->ask;
	struct value value;

	while (fact_get(&ask, call, &value) != DONE)
		if (!answered(r))
			return NULL;
	return fact_known(&r->session, call);
}

static void
unknown(struct replay *r, enum step step, struct replay_result *out)
{
	const struct fact_call *call = r->replayed.missing, *hashed = NULL;

	if (r->session.hashed)
		hashed = hashed_stuck(r->session.hashed);
	buf_clear(&r->needs);
	if (call || hashed)
		fact_call_print(call ? call : hashed, &r->needs);
	if (hashed && !call)
		buf_add(&r->needs, STR(", hashed"));
	r->entry.unreadable = hashed && !call;
	call = call ? call : hashed;
	out->state = REPLAY_UNKNOWN;
	out->step = step;
	out->needs = call ? buf_str(&r->needs) : STR("a stage's own");
}

/* The seconds at which a step was decided; without one, those of the entry. */
static int64_t
now_of(const struct replay *r, const struct json *step)
{
	if (step == NULL)
		return r->entry.record->time_ms / 1000;
	return r->session.began_ms / 1000 + replay_number(step, "after");
}

/* The last object of the trace about a step of the connection; NULL. */
static const struct json *
told(const struct replay *r, enum step step)
{
	const struct json *found = NULL;

	for (const struct json *s = r->entry.steps; s; s = s->next)
		if (str_eq(json_text(s, "at"), str_of(step_name(step))))
			found = s;
	return found;
}

static void
own_facts(struct replay *r, enum step step, const struct json *t)
{
	replay_facts(r, step, json_get(t, "own"), json_get(t, "lost"), LIVES_ALL);
}

static void
entry_facts(struct replay *r, enum step step, unsigned lives)
{
	replay_facts(r, step, r->entry.facts, json_get(r->entry.head, "lost"), lives);
}

/* Runs one step. False: it ends here, and *out says how. */
static bool
run_step(struct replay *r, enum step step, const struct json *t, struct decision *d,
    struct replay_result *out)
{
	enum progress progress;

	*d = (struct decision){ 0 };
	r->session.n_errors = (unsigned)replay_number(t ? t : r->entry.head, "errors");
	r->ask = session_ask(&r->session, step, now_of(r, t));
	r->score = r->session.txn.score;
	r->marks = r->session.txn.marks;
	if (r->as_then)
		return true;
	progress = decide(r, d);
	if (r->watch && !r->entry.forced)
		replay_tell(r, step, t, d);
	if (progress == PENDING) {
		unknown(r, step, out);
		return false;
	}
	out->observed = out->observed || d->observed.kind >= VERDICT_TEMPFAIL;
	if (!refuses(&d->verdict)) {
		decision_apply(&r->session, d);
		return true;
	}
	out->verdict = verdict_word(&d->verdict);
	out->step = step;
	out->rule = d->verdict.rule;
	return false;
}

/* ---- the steps of a connection ---- */

/* The last one that rules were asked about; another may have come since. */
static void
begin_helo(struct replay *r, const struct json *t, const struct session_tls *tls)
{
	const struct json *name = json_get(t, "helo");

	session_helo(&r->session, name ? name->text : r->entry.record->helo,
	    json_yes(name ? t : r->entry.head, "esmtp"));
	if (name == NULL || json_yes(t, "tls"))
		r->session.tls = *tls;
}

static bool
run_connection(struct replay *r, struct replay_result *out)
{
	const struct journal_record *record = r->entry.record;
	struct session *s = &r->session;
	struct session_tls tls = s->tls;
	const struct json *t = told(r, STEP_CONNECT);
	bool last = r->entry.step == STEP_CONNECT;
	struct decision d;

	if (!last && !json_yes(t, "tls"))
		s->tls = (struct session_tls){ 0 };
	own_facts(r, STEP_CONNECT, t);
	entry_facts(r, STEP_CONNECT, LIVES(LIFE_SESSION) | (last ? LIVES(LIFE_HELO) : 0));
	if (!run_step(r, STEP_CONNECT, t, &d, out))
		return false;
	t = told(r, STEP_HELO);
	if (last || (record->helo.n == 0 && t == NULL))
		return true;
	begin_helo(r, t, &tls);
	entry_facts(r, STEP_HELO, LIVES(LIFE_HELO) | LIVES_NEW);
	own_facts(r, STEP_HELO, t);
	if (!run_step(r, STEP_HELO, t, &d, out))
		return false;
	s->tls = tls;
	if (json_get(t, "helo"))
		session_helo(s, record->helo, json_yes(r->entry.head, "esmtp"));
	return true;
}

/* ---- the steps of a transaction ---- */

static struct mailbox
mailbox_of(struct replay *r, struct str address)
{
	struct str path = arena_printf(r->text, "<%.*s>", STR_ARG(address));
	struct mailbox mailbox;

	if (mailbox_take(&path, true, true, &mailbox, NULL))
		return mailbox;
	return (struct mailbox){ .address = address, .local = address };
}

static bool
run_mail(struct replay *r, struct replay_result *out)
{
	const struct json *t = told(r, STEP_MAIL), *head = r->entry.head;
	struct session *s = &r->session;
	const struct mailbox sender = mailbox_of(r, r->entry.record->sender);
	struct decision d;

	s->txn.serial = (unsigned)replay_number(head, "txn") - 1;
	session_mail(s, &sender);
	s->txn.size_declared = (uint64_t)replay_number(head, "declared");
	entry_facts(r, STEP_MAIL,
	    LIVES(LIFE_HELO) | LIVES(LIFE_TRANSACTION) |
		(r->entry.step == STEP_MAIL ? LIVES_RECIPIENT : 0));
	own_facts(r, STEP_MAIL, t);
	if (!run_step(r, STEP_MAIL, t, &d, out))
		return false;
	s->txn.open = true;
	return true;
}

static enum recipient_state
state_of(const struct json *t)
{
	struct str state = json_text(t, "state");

	if (str_eq(state, STR("unknown")))
		return RECIPIENT_UNKNOWN;
	if (str_eq(state, STR("refused")) || str_eq(state, STR("asked")))
		return RECIPIENT_REFUSED;
	return RECIPIENT_ACCEPTED;
}

/* What became of the recipients so far. */
struct outcome {
	struct replay_result first; /* the first refusal */
	const struct json *next;    /* of the entry's recipients */
};

/* One recipient as it came; t: NULL when nothing is told of it. True: the rules let it pass. */
static bool
run_recipient(struct replay *r, const struct json *t, struct str address, bool last,
    struct replay_result *out)
{
	struct session *s = &r->session;
	const struct mailbox mailbox = mailbox_of(r, address);
	struct recipient *to = session_rcpt(s, &mailbox);
	struct decision d;
	bool passes;

	s->txn.n_unknown = (size_t)replay_number(t, "unknown");
	entry_facts(
	    r, STEP_RCPT, (last ? LIVES_RECIPIENT : 0) | (s->txn.n_asked == 1 ? LIVES_NEW : 0));
	own_facts(r, STEP_RCPT, t);
	passes = run_step(r, STEP_RCPT, t, &d, out);
	to->state = passes ? state_of(t) : RECIPIENT_REFUSED;
	if (to->state == RECIPIENT_ACCEPTED)
		s->txn.n_accepted++;
	return passes;
}

/* A message's: one that was let in then. The others are not what this verdict is about. */
static bool
count_recipient(struct replay *r, const struct json *t, struct str address, struct outcome *o)
{
	struct replay_result one = { .state = REPLAY_DECIDED };
	bool let_in = state_of(t) == RECIPIENT_ACCEPTED, passes;

	passes = run_recipient(r, t, address, false, &one);
	o->first.observed = o->first.observed || one.observed;
	if (one.state == REPLAY_UNKNOWN || (r->halts && let_in && !passes)) {
		o->first = one;
		return false;
	}
	r->session.txn.current = NULL;
	if (!let_in)
		return true;
	o->first.recipients++;
	if (passes)
		return true;
	r->entry.differs = true;
	if (strcmp(one.verdict, "defer") == 0)
		return true;
	if (o->first.refused++ == 0) {
		o->first.verdict = one.verdict;
		o->first.rule = one.rule;
		o->first.step = one.step;
	}
	return true;
}

/* The one that is told of by this object: by its address, or as the next of the entry's. */
static struct str
address_of(const struct json *t, struct outcome *o)
{
	struct str to = json_text(t, "to");

	if (to.n == 0 && o->next) {
		to = o->next->text;
		o->next = o->next->next;
	}
	return to;
}

/* All recipients of a message, those that nothing is told of behind the others. */
static bool
run_recipients(struct replay *r, struct outcome *o)
{
	const struct json *list = r->entry.recipients;

	*o = (struct outcome){ .first = { .state = REPLAY_DECIDED } };
	o->next = list && list->type == JSON_ARRAY ? list->first : NULL;
	for (const struct json *t = r->entry.steps; t; t = t->next)
		if (str_eq(json_text(t, "at"), STR("rcpt")) &&
		    !count_recipient(r, t, address_of(t, o), o))
			return false;
	while (o->next)
		if (!count_recipient(r, NULL, address_of(NULL, o), o))
			return false;
	return true;
}

/* ---- what it comes to ---- */

static bool
starts(struct str rule, const char *prefix)
{
	return str_starts(rule, str_of(prefix));
}

/* The last step was not decided by rules, or not by those of this configuration. */
static bool
is_undecided(const struct replay *r, const struct json *last)
{
	struct str rule = r->entry.record->rule;

	if (str_eq(rule, STR("delivered before")))
		return true;
	return starts(rule, "limit:") && last == NULL;
}

/* Whoever was turned away by something else than rules is turned away by it again. */
static bool
stays(struct str rule)
{
	return starts(rule, "backend") || starts(rule, EXCEPTION_PREFIX) ||
	    str_eq(rule, STR("delay")) ||
	    (starts(rule, "limit:") && !str_eq(rule, STR("limit: questions")));
}

/* The rules let the last step pass. */
static void
passed(const struct replay *r, struct replay_result *out)
{
	const struct journal_record *record = r->entry.record;

	out->step = r->entry.step;
	out->verdict = stays(record->rule) ? record->verdict : verdict_name(VERDICT_ACCEPT);
	out->rule = stays(record->rule) ? record->rule : STR("");
}

static bool
run_message(struct replay *r, struct replay_result *out)
{
	const struct json *t = told(r, STEP_MESSAGE);
	struct session *s = &r->session;
	struct outcome o;
	struct decision d;

	if (!run_recipients(r, &o)) {
		*out = o.first;
		return false;
	}
	out->recipients = o.first.recipients;
	out->refused = o.first.refused;
	out->observed = out->observed || o.first.observed;
	if (o.first.refused > 0) {
		out->verdict = o.first.verdict;
		out->rule = o.first.rule;
		out->step = o.first.step;
	}
	if (s->txn.n_accepted == 0 && o.first.refused > 0)
		return false;
	s->txn.message.size = (uint64_t)r->entry.record->size;
	s->txn.message.complete = true;
	entry_facts(r, STEP_MESSAGE, LIVES_RECIPIENT | LIVES_NEW);
	if (!is_undecided(r, t) && !run_step(r, STEP_MESSAGE, t, &d, out))
		return false;
	return o.first.refused == 0;
}

/* The recipient that the entry is about, behind those that came before it. */
static bool
run_rcpt(struct replay *r, struct replay_result *out)
{
	const struct json *list = r->entry.recipients, *last = NULL;
	struct outcome o = { .first = { .state = REPLAY_DECIDED } };

	for (const struct json *t = r->entry.steps; t; t = t->next) {
		if (!str_eq(json_text(t, "at"), STR("rcpt")))
			continue;
		if (json_text(t, "to").n == 0) {
			last = t;
		} else if (!count_recipient(r, t, json_text(t, "to"), &o)) {
			*out = o.first;
			return false;
		}
	}
	if (is_undecided(r, last) || list == NULL || list->first == NULL)
		return true;
	return run_recipient(r, last, list->first->text, true, out);
}

bool
replay_run(struct replay *r, struct replay_result *out)
{
	enum step step = r->entry.step;

	if (!run_connection(r, out))
		return false;
	if (step >= STEP_MAIL && !run_mail(r, out))
		return false;
	if (step == STEP_RCPT)
		return run_rcpt(r, out);
	return step != STEP_MESSAGE || run_message(r, out);
}

/* It is no verdict about a session's mail. */
static bool
is_aside(const struct journal_record *record)
{
	return record->session.n == 0 || record->times > 1 ||
	    (record->observed.n > 0 && strcmp(record->verdict, "accept") == 0);
}

/* ---- an entry ---- */

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
		passed(r, out);
	return true;
}

bool
replay_halt(struct replay *r, const struct journal_record *record, struct replay_result *out)
{
	r->halts = true;
	return run_entry(r, record, out);
}

/* What needs the clear text was known to the very same rules then, and so is what they said. */
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

void
replay_entry(struct replay *r, const struct journal_record *record, struct replay_result *out)
{
	*out = (struct replay_result){ .state = REPLAY_DECIDED };
	if (is_aside(record)) {
		out->state = REPLAY_ASIDE;
		return;
	}
	if (!run_entry(r, record, out))
		out->state = REPLAY_TOO_OLD;
	else if (out->state == REPLAY_UNKNOWN && r->entry.unreadable && r->entry.era->same &&
	    !r->entry.touched)
		as_decided(r, out);
	if (r->world && out->state == REPLAY_DECIDED)
		replay_follow(r, out);
}
