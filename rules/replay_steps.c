/*
 * The steps that led to an entry, each with its facts put in place and decided: those of the connection, of the transaction, and of each
 * recipient in the order they came.
 */
#include "rules/replay_session.h"

#include <string.h>

#include "mail/exception.h"
#include "rules/exception.h"
#include "rules/rule.h"

/* The last object of the trace about a step of the connection; NULL. */
static const struct json *
told(const struct replay *r, enum step step)
{
	const struct str name = str_of(step_name(step));
	const struct json *found = NULL;

	for (const struct json *s = r->entry.steps; s; s = s->next)
		if (str_eq(json_text(s, "at"), name))
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
	if (!replay_decide(r, STEP_CONNECT, t, &d, out))
		return false;
	t = told(r, STEP_HELO);
	if (last || (record->helo.n == 0 && t == NULL))
		return true;
	begin_helo(r, t, &tls);
	entry_facts(r, STEP_HELO, LIVES(LIFE_HELO) | LIVES_NEW);
	own_facts(r, STEP_HELO, t);
	if (!replay_decide(r, STEP_HELO, t, &d, out))
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
	replay_recall(r);
	entry_facts(r, STEP_MAIL,
	    LIVES(LIFE_HELO) | LIVES(LIFE_TRANSACTION) |
		(r->entry.step == STEP_MAIL ? LIVES_RECIPIENT : 0));
	own_facts(r, STEP_MAIL, t);
	if (!replay_decide(r, STEP_MAIL, t, &d, out))
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

	entry_facts(
	    r, STEP_RCPT, (last ? LIVES_RECIPIENT : 0) | (s->txn.n_asked == 1 ? LIVES_NEW : 0));
	own_facts(r, STEP_RCPT, t);
	passes = replay_decide(r, STEP_RCPT, t, &d, out);
	to->state = passes ? state_of(t) : RECIPIENT_REFUSED;
	s->txn.n_accepted += to->state == RECIPIENT_ACCEPTED;
	s->txn.n_unknown += to->state == RECIPIENT_UNKNOWN;
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
	r->entry.rejected += strcmp(one.verdict, "reject") == 0;
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

/* Entries of old do not tell of those that were let in without a rule, not even which of the others came before them. */
static bool
is_mixed(const struct replay *r)
{
	size_t n = replay_n_recipients(r);
	bool others = false;

	for (const struct json *t = r->entry.steps; t; t = t->next) {
		if (!str_eq(json_text(t, "at"), STR("rcpt")))
			continue;
		if (json_text(t, "to").n > 0)
			others = true;
		else if (n > 0)
			n--;
	}
	return others && n > 0;
}

/* All recipients of a message, those that nothing is told of behind the others. */
static bool
run_recipients(struct replay *r, struct outcome *o)
{
	const struct json *list = r->entry.recipients;

	*o = (struct outcome){ .first = { .state = REPLAY_DECIDED } };
	o->next = list && list->type == JSON_ARRAY ? list->first : NULL;
	r->entry.mixed = is_mixed(r);
	/* There is no message without: they were too many. */
	if (o->next == NULL) {
		o->first.state = REPLAY_UNKNOWN;
		o->first.step = STEP_RCPT;
		o->first.needs = STR(REPLAY_NO_ROOM);
		r->entry.cut = true;
		return false;
	}
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

/* Whoever was turned away by something else than rules is turned away by it again. */
static bool
stays(struct str rule)
{
	return starts(rule, "backend") || starts(rule, EXCEPTION_PREFIX) ||
	    str_eq(rule, STR("delay")) || str_eq(rule, STR("failure: spool")) ||
	    (starts(rule, "limit:") && !str_eq(rule, STR("limit: questions")));
}

void
replay_passed(const struct replay *r, struct replay_result *out)
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
	if (!replay_decide(r, STEP_MESSAGE, t, &d, out))
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
	if (list == NULL || list->first == NULL)
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
