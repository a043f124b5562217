#include "rules/exception.h"

#include "mail/exception.h"
#include "mail/pseudonym.h"
#include "mail/said.h"

/* Facts that a proof asks for, at most. */
#define PROOF_FACTS 3

struct excepted {
	struct trace_entry entry;
	struct excepted *next;
};

/* How much of what is asked for is there, least first. */
enum proven { PROVEN_NO, PROVEN_UNSURE, PROVEN_LATER, PROVEN_YES };

/* One exception that may apply, and what its proof rests on. */
struct candidate {
	const struct exception *x;
	bool asked;
	enum proven proven;
	enum progress progress;
	unsigned n_facts;
	const struct fact *fact[PROOF_FACTS];
};

struct search {
	struct evaluation *ev;
	struct exception_view view;
	struct candidate *candidate;
	size_t n;
	const struct candidate *last; /* the latest that said something */
};

/* --- the digest of a rule ------------------------------------------------------------------------ */

/* Behind the first text in quotes, which is what it says. */
static struct str
own_condition(struct str source)
{
	size_t i = str_find(source, '"');

	for (i++; i < source.n && source.p[i] != '"'; i++)
		if (source.p[i] == '\\')
			i++;
	return str_trim(str_sub(source, i + 1, source.n));
}

/* What asks nothing is known by what it says. */
static struct str
conditions(struct arena *arena, const struct rule *rule)
{
	struct str own = own_condition(rule->shown.source), text = own;
	const struct rule *r = rule->before ? rule->before : rule->outer;

	if (own.n == 0 && r == NULL)
		return rule->shown.source;
	for (; r != NULL; r = r->before ? r->before : r->outer)
		text = arena_printf(arena, "%.*s\n%.*s", STR_ARG(text), STR_ARG(r->shown.source));
	return text;
}

void
exception_mark(struct arena *arena, struct ruleset *rules)
{
	for (size_t step = 0; step < STEP_COUNT; step++)
		for (size_t i = 0; i < rules->n[step]; i++) {
			struct rule *rule = rules->rule[step][i];
			char *digest;

			if (rule->action != ACTION_TEMPFAIL && rule->action != ACTION_REJECT)
				continue;
			digest = ARENA_ARRAY(arena, char, EXCEPTION_RULE);
			rule->shown.digest = exception_digest(conditions(arena, rule), digest);
		}
}

/* --- proof --------------------------------------------------------------------------------------- */

/* The value of a stage's fact, which goes among those that the proof rests on. */
static enum progress
look(struct search *s, struct candidate *c, const char *name, struct value *out)
{
	struct ask *ask = s->ev->ask;
	struct fact_call call = { .entry = fact_find(ask->table, str_of(name)) };

	*out = (struct value){ .type = VALUE_NONE };
	if (call.entry == NULL)
		return DONE;
	if (fact_get(ask, &call, out) != DONE)
		return PENDING;
	if (c->n_facts < PROOF_FACTS)
		c->fact[c->n_facts++] = fact_known(ask->session, &call);
	return DONE;
}

static bool
has(const struct value *list, struct str text)
{
	for (size_t i = 0; list->type == VALUE_LIST && i < list->list.n; i++)
		if (str_eqcase(list->list.item[i], text))
			return true;
	return false;
}

/* Whose record it would be costs nothing to know; so nobody else's is asked for. */
static enum progress
prove_spf(struct search *s, struct candidate *c)
{
	struct value domain, spf;

	if (look(s, c, "spf.domain", &domain) != DONE)
		return PENDING;
	if (domain.type != VALUE_TEXT || !str_eqcase(domain.text, c->x->domain))
		return DONE;
	if (look(s, c, "spf", &spf) != DONE)
		return PENDING;
	if (spf.type == VALUE_SYMBOL && str_eq(spf.text, STR("pass")))
		c->proven = PROVEN_YES;
	else if (spf.type == VALUE_SYMBOL && str_eq(spf.text, STR("temperror")))
		c->proven = PROVEN_UNSURE;
	return DONE;
}

static enum progress
prove_dkim(struct search *s, struct candidate *c)
{
	struct value domains, unanswered;

	if (look(s, c, "dkim.domains", &domains) != DONE)
		return PENDING;
	if (has(&domains, c->x->domain)) {
		c->proven = PROVEN_YES;
		return DONE;
	}
	if (look(s, c, "dkim.unanswered", &unanswered) != DONE)
		return PENDING;
	if (has(&unanswered, c->x->domain))
		c->proven = PROVEN_UNSURE;
	return DONE;
}

/* Once a candidate, whatever the recipients: a proof is about the message. */
static enum progress
prove(struct search *s, struct candidate *c)
{
	enum step step = s->ev->ask->step;

	if (c->asked)
		return c->progress;
	c->asked = true;
	c->progress = DONE;
	if (c->x->proof == EXCEPTION_CLIENT)
		c->proven = PROVEN_YES;
	else if (step < (c->x->proof == EXCEPTION_SPF ? STEP_MAIL : STEP_MESSAGE))
		c->proven = PROVEN_LATER;
	else
		c->progress = c->x->proof == EXCEPTION_SPF ? prove_spf(s, c) : prove_dkim(s, c);
	return c->progress;
}

/* --- searching ----------------------------------------------------------------------------------- */

/* Those that may apply to somebody, by rule, client and sender. */
static void
search_begin(struct search *s, enum exception_kind kind, struct str rule)
{
	struct ask *ask = s->ev->ask;
	const struct session *session = ask->session;
	const struct exceptions *all = session->exceptions;
	bool mail = ask->step >= STEP_MAIL;

	s->view = (struct exception_view){ .kind = kind,
		.rule = rule,
		.client = session->client_ip.version != 0 ? &session->client_ip : NULL,
		.now = ask->now,
		.sender_known = mail,
		.sender = mail ? session->txn.sender.address : STR("") };
	s->n = 0;
	if (all == NULL)
		return;
	for (size_t i = 0; i < all->n; i++) {
		if (exception_fits(&all->item[i], &s->view) == EXCEPTION_NO)
			continue;
		/* Mostly there is none, and then no memory is taken for them. */
		if (s->n == 0)
			s->candidate = ARENA_ARRAY(s->ev->arena, struct candidate, all->n - i);
		s->candidate[s->n++].x = &all->item[i];
	}
}

static void
use(struct search *s, const struct candidate *c)
{
	struct decision *d = s->ev->out;
	struct exception_use *u;

	for (u = d->used; u != NULL; u = u->next)
		if (u->number == c->x->number)
			return;
	u = ARENA_NEW(s->ev->arena, struct exception_use);
	u->number = c->x->number;
	u->next = d->used;
	d->used = u;
}

/* What stands for the recipient in the journal, when some exception names anybody so. */
static struct str
hashed(struct search *s, const struct recipient *recipient)
{
	const struct session *session = s->ev->ask->session;

	if (s->n == 0 || recipient == NULL || session->pseudonym == NULL ||
	    session->exceptions->n_hashed == 0)
		return STR("");
	return pseudonym_of(session->pseudonym, s->ev->arena, recipient->mailbox.address);
}

/* recipient: NULL, not known yet. The first that holds is taken, so that nobody waits for what is not needed. */
static enum progress
search_one(struct search *s, const struct recipient *recipient, enum proven *out,
    const struct candidate **found)
{
	enum progress progress = DONE;

	*out = PROVEN_NO;
	s->view.recipient_known = recipient != NULL;
	s->view.recipient = recipient != NULL ? recipient->mailbox.address : STR("");
	s->view.hashed = hashed(s, recipient);
	for (size_t i = 0; i < s->n; i++) {
		struct candidate *c = &s->candidate[i];
		enum exception_fits fits = exception_fits(c->x, &s->view);
		enum proven proven;

		if (fits == EXCEPTION_NO)
			continue;
		if (prove(s, c) != DONE) {
			progress = PENDING;
			continue;
		}
		proven = c->proven;
		if (proven == PROVEN_YES && fits == EXCEPTION_LATER)
			proven = PROVEN_LATER;
		if (proven > *out) {
			*out = proven;
			*found = c;
		}
		if (proven == PROVEN_YES)
			return DONE;
	}
	return progress;
}

/* Is it about this recipient, at message? */
static bool
concerned(const struct recipient *r, const struct recipient *only)
{
	return r->state == RECIPIENT_ACCEPTED && (only == NULL || r == only);
}

/* The least that is found for any of those concerned; only: for this one alone, NULL: for all. */
static enum progress
search(struct search *s, const struct recipient *only, enum proven *out)
{
	const struct ask *ask = s->ev->ask;
	const struct transaction *txn = &ask->session->txn;
	const struct recipient *r = ask->step < STEP_RCPT ? NULL : txn->current;
	bool each = ask->step == STEP_MESSAGE;
	enum proven least = PROVEN_YES, one;
	const struct candidate *found;

	*out = PROVEN_NO;
	if (s->n == 0)
		return DONE;
	for (r = each ? txn->recipients : r; !each || r != NULL; r = r->next) {
		if (each && !concerned(r, only))
			continue;
		if (search_one(s, r, &one, &found) != DONE)
			return PENDING;
		least = one < least ? one : least;
		if (one == PROVEN_NO)
			break;
		s->last = found;
		if (one == PROVEN_YES)
			use(s, found);
		if (!each)
			break;
	}
	*out = least;
	return DONE;
}

/* --- the trace ----------------------------------------------------------------------------------- */

static struct excepted *
add_entry(struct evaluation *ev, const struct trace_rule *shown)
{
	struct excepted *e = ARENA_NEW(ev->arena, struct excepted);

	e->entry.rule = shown;
	e->next = ev->excepted;
	ev->excepted = e;
	return e;
}

/* What the exception that was found did. */
static void
tell(struct search *s, const char *action, bool observed)
{
	const struct candidate *c = s->last;
	struct trace_rule *shown = ARENA_NEW(s->ev->arena, struct trace_rule);
	struct excepted *e = add_entry(s->ev, shown);

	shown->id = arena_printf(s->ev->arena, EXCEPTION_PREFIX "%lld", (long long)c->x->number);
	shown->source = c->x->key;
	shown->action = action;
	e->entry.fact = (const struct fact **)(uintptr_t)c->fact;
	e->entry.n_facts = c->n_facts;
	e->entry.hit = true;
	e->entry.observed = observed;
}

void
exception_after(struct evaluation *ev)
{
	struct excepted *first = NULL, *next;

	for (struct excepted *e = ev->excepted; e != NULL; e = next) {
		next = e->next;
		e->next = first;
		first = e;
	}
	for (; first != NULL; first = first->next)
		decision_trace(ev->out, ev->arena, &first->entry);
	ev->excepted = NULL;
}

/* --- blocks -------------------------------------------------------------------------------------- */

static enum progress
block(struct evaluation *ev)
{
	struct search s = { .ev = ev };
	bool observe = ev->rules->observe;
	struct verdict v =
	    said_verdict(ev->ask->step == STEP_CONNECT ? SAID_BLOCKED_CONNECT : SAID_BLOCKED);
	enum proven found;

	search_begin(&s, EXCEPTION_BLOCK, STR(""));
	if (search(&s, NULL, &found) != DONE)
		return PENDING;
	if (found != PROVEN_YES) {
		ev->out->used = NULL;
		return DONE;
	}
	tell(&s, "block", observe);
	v.rule = ev->excepted->entry.rule->id;
	if (observe)
		ev->out->observed = v;
	else
		ev->out->verdict = v;
	ev->watched = observe;
	return DONE;
}

/* --- refusals ------------------------------------------------------------------------------------ */

struct verdict
exception_unsure(struct str rule)
{
	struct verdict v = said_verdict(SAID_DNS);

	v.rule = rule;
	return v;
}

/* Given at last: the rule stands in the trace as if it had been asked here. */
static void
release(struct evaluation *ev, const struct held *held, bool unsure)
{
	struct trace_rule *shown = ARENA_NEW(ev->arena, struct trace_rule);
	struct excepted *e = add_entry(ev, shown);

	*shown = (struct trace_rule){ held->verdict.rule, held->source,
		verdict_name(held->verdict.kind), held->digest };
	e->entry.hit = true;
	ev->out->verdict = unsure ? exception_unsure(held->verdict.rule) : held->verdict;
}

/* Of what was used since `before`, whose hit it is. */
static void
owe(struct decision *d, const struct exception_use *before, struct held *held)
{
	for (struct exception_use *u = d->used; u != before; u = u->next)
		u->held = held;
}

/* Does it still not stand? */
static enum progress
judge_held(struct evaluation *ev, struct held *held)
{
	struct search s = { .ev = ev };
	struct exception_use *before = ev->out->used;
	enum proven found;

	search_begin(&s, EXCEPTION_ALLOW, str_of(held->digest));
	if (search(&s, held->recipient, &found) != DONE)
		return PENDING;
	if (found == PROVEN_NO || found == PROVEN_UNSURE)
		release(ev, held, found == PROVEN_UNSURE);
	if (found == PROVEN_YES && !held->counted)
		owe(ev->out, before, held);
	else
		ev->out->used = before;
	return DONE;
}

/* Is it about those that this step is about? */
static bool
is_due(const struct ask *ask, const struct held *held)
{
	const struct recipient *r = held->recipient;

	if (r == NULL)
		return true;
	return ask->step == STEP_MESSAGE && r->state == RECIPIENT_ACCEPTED;
}

static enum progress
judge_all(struct evaluation *ev, struct held *first)
{
	for (struct held *held = first; held != NULL; held = held->next) {
		if (!is_due(ev->ask, held))
			continue;
		if (judge_held(ev, held) != DONE)
			return PENDING;
		if (ev->out->verdict.kind != VERDICT_ACCEPT)
			return DONE;
	}
	return DONE;
}

/* A name in HELO, or what was said before, is no part of the mail: its refusals wait for MAIL. */
static enum progress
give_held(struct evaluation *ev)
{
	const struct session *s = ev->ask->session;

	if (ev->ask->step < STEP_MAIL)
		return DONE;
	if (judge_all(ev, s->held) != DONE)
		return PENDING;
	return ev->out->verdict.kind == VERDICT_ACCEPT ? judge_all(ev, s->txn.held) : DONE;
}

enum progress
exception_before(struct evaluation *ev)
{
	const struct session *s = ev->ask->session;

	if (s->exceptions != NULL && s->exceptions->n_block > 0 && block(ev) != DONE)
		return PENDING;
	if (ev->out->verdict.kind != VERDICT_ACCEPT || (s->held == NULL && s->txn.held == NULL))
		return DONE;
	return give_held(ev);
}

void
exception_hold(struct evaluation *ev, const struct rule *rule, const struct verdict *v)
{
	struct held *held = ARENA_NEW(ev->arena, struct held);

	held->step = ev->ask->step;
	held->verdict = *v;
	held->source = rule->shown.source;
	held->digest = rule->shown.digest;
	held->recipient = ev->ask->step == STEP_RCPT ? ev->ask->session->txn.current : NULL;
	held->next = ev->out->held;
	ev->out->held = held;
}

enum progress
exception_undoes(struct evaluation *ev, const struct rule *rule, struct undone *out)
{
	struct search s = { .ev = ev };
	struct exception_use *before = ev->out->used;
	bool observed = rule->observe || ev->rules->observe;
	enum proven found;

	*out = (struct undone){ 0 };
	if (ev->ask->session->exceptions == NULL)
		return DONE;
	search_begin(&s, EXCEPTION_ALLOW, str_of(rule->shown.digest));
	if (search(&s, NULL, &found) != DONE)
		return PENDING;
	if (found != PROVEN_YES || observed)
		ev->out->used = before;
	out->yes = found == PROVEN_YES || (found == PROVEN_LATER && observed);
	out->later = found == PROVEN_LATER && !observed;
	out->unsure = found == PROVEN_UNSURE;
	if (out->yes || out->later)
		tell(&s, out->later ? "hold" : "allow", observed);
	return DONE;
}
