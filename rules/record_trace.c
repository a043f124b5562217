/* What an entry tells of the steps before it and of its own; and the configuration that its numbers refer to. */
#include <inttypes.h>
#include <stddef.h>

#include "base/escape.h"
#include "mail/pseudonym.h"
#include "rules/policy.h"
#include "rules/record_pseudonyms.h"
#include "rules/record.h"
#include "rules/rule.h"
#include "rules/series.h"

/* A fact that took less to compute is not worth the octets that say so. */
#define TOLD_US 10

/* A member of an object that is open in b, from its second on with a comma. */
static void
member(struct buf *b, const char *name)
{
	if (b->n > 0 && b->p[b->n - 1] != '{')
		buf_addc(b, ',');
	buf_printf(b, "\"%s\":", name);
}

static void
number(struct buf *b, const char *name, int64_t n)
{
	if (n == 0)
		return;
	member(b, name);
	buf_printf(b, "%" PRId64, n);
}

static void
text(struct buf *b, const char *name, struct str s)
{
	if (s.n == 0)
		return;
	member(b, name);
	escape_json(b, s);
}

static void
yes(struct buf *b, const char *name, bool is)
{
	if (!is)
		return;
	member(b, name);
	buf_add(b, STR("true"));
}

static void
call(struct buf *b, const struct fact_call *call)
{
	struct buf name;

	buf_init(&name, 1024);
	fact_call_print(call, &name);
	escape_json(b, buf_str(&name));
	buf_free(&name);
}

/* --- facts of lists --------------------------------------------------------------------------------- */

/* Of which facts a member of an object tells, and what. */
struct telling {
	const char *name; /* of the object */
	bool (*told)(const struct fact *f, enum step step);
	void (*value)(struct buf *b, const struct fact *f);
	size_t n;
};

static void
tell(struct buf *b, struct telling *t, const struct facts *facts, enum step step)
{
	for (const struct fact *f = facts->first; f; f = f->next) {
		if (!t->told(f, step))
			continue;
		if (t->n++ == 0) {
			member(b, t->name);
			buf_addc(b, '{');
		} else {
			buf_addc(b, ',');
		}
		call(b, &f->call);
		buf_addc(b, ':');
		t->value(b, f);
	}
}

static void
told(struct buf *b, struct telling *t)
{
	if (t->n > 0)
		buf_addc(b, '}');
}

static void
value(struct buf *b, const struct fact *f)
{
	value_json(&f->value, b);
}

static void
failures(struct buf *b, const struct fact *f)
{
	buf_printf(b, "%u", f->failures);
}

static void
took(struct buf *b, const struct fact *f)
{
	buf_printf(b, "%" PRId64, f->took_us);
}

/* Another step has another one: it is the step's own. */
static bool
is_own(const struct fact *f, enum step step)
{
	enum fact_life life = f->call.entry->def->life;

	return f->step == step && life != LIFE_SESSION && life != LIFE_TRANSACTION;
}

static bool
is_own_failed(const struct fact *f, enum step step)
{
	return is_own(f, step) && f->failures != 0;
}

static bool
is_failed(const struct fact *f, enum step step)
{
	return f->failures != 0 && (f->call.entry->def->life < LIFE_RECIPIENT || f->step == step);
}

static bool
is_slow(const struct fact *f, enum step step)
{
	return f->took_us >= TOLD_US &&
	    (f->call.entry->def->life < LIFE_RECIPIENT || f->step == step);
}

/* --- the rules that were tried ------------------------------------------------------------------------ */

static size_t
slot_of(const struct ruleset *rules, const struct fact *f)
{
	size_t slot = 0;

	while (slot < rules->n_calls && !fact_call_eq(rules->call[slot], &f->call))
		slot++;
	return slot;
}

static bool
in_slot(const struct ruleset *rules, unsigned kind, uint32_t slot, const struct fact *f)
{
	return kind == OPERAND_FACT && rules->call[slot]->entry == f->call.entry &&
	    fact_call_eq(rules->call[slot], &f->call);
}

/* False: the rule's own condition does not name it. */
static bool
find_slot(const struct ruleset *rules, const struct rule *rule, const struct fact *f, size_t *slot)
{
	for (uint32_t i = 0; rule->node != NULL && i < rule->node->size; i++) {
		const struct node *n = &rule->node[i];
		bool left = n->kind == EXPR_TEST && in_slot(rules, n->left_kind, n->left, f);

		*slot = left ? n->left : n->right;
		if (left || (n->kind == EXPR_TEST && in_slot(rules, n->right_kind, n->right, f)))
			return true;
	}
	return false;
}

/* A condition and those of the blocks around it name few facts: they are looked through, not all there are. */
static size_t
slot_in(const struct ruleset *rules, const struct rule *rule, const struct fact *f)
{
	size_t slot;

	for (; rule != NULL; rule = rule->before ? rule->before : rule->outer)
		if (find_slot(rules, rule, f, &slot))
			return slot;
	return slot_of(rules, f);
}

/* "0 3*": the facts it asked for; a star: it was true; "!" behind it: a regular expression was given up. */
static void
tried_rule(struct buf *b, const struct ruleset *rules, const struct rule *rule,
    const struct trace_entry *e)
{
	for (unsigned k = 0; k < e->n_facts; k++)
		buf_printf(b, k > 0 ? " %zu" : "%zu", slot_in(rules, rule, e->fact[k]));
	if (e->hit)
		buf_addc(b, '*');
	if (e->gave_up)
		buf_addc(b, '!');
}

/* How many entries of the trace are the step's rules, in their order; those in blocks that were passed over have none. */
static size_t
tried_n(const struct ruleset *rules, enum step step, const struct trace *trace)
{
	size_t n = 0;

	for (size_t i = 0; n < trace->n && i < rules->n[step]; i++)
		n += trace->entry[n].rule == &rules->rule[step][i]->shown;
	return n;
}

static void
tried(
    struct buf *b, const struct ruleset *rules, enum step step, const struct trace *trace, size_t n)
{
	if (n == 0)
		return;
	member(b, "tried");
	buf_addc(b, '"');
	for (size_t i = 0, k = 0; k < n; i++) {
		const struct rule *rule = rules->rule[step][i];

		if (i > 0)
			buf_addc(b, '|');
		if (trace->entry[k].rule == &rule->shown)
			tried_rule(b, rules, rule, &trace->entry[k++]);
		else
			buf_addc(b, '-');
	}
	buf_addc(b, '"');
}

/* Each recipient has one of these where rules of message tell some apart: it is told in fewer words. */
static bool
is_alike(const struct trace_entry *e)
{
	return !e->hit && !e->observed && str_eq(e->rule->source, STR(POLICY_ALIKE));
}

static void
slots(struct buf *b, const struct ruleset *rules, const struct trace_entry *e)
{
	for (unsigned k = 0; k < e->n_facts; k++)
		buf_printf(b, k > 0 ? ",%zu" : "[%zu", slot_of(rules, e->fact[k]));
	buf_add(b, e->n_facts > 0 ? STR("]") : STR("[]"));
}

/* What stands in the trace without being a rule: `when ... unavailable`, the policy of recipients. */
static void
also(struct buf *b, const struct ruleset *rules, const struct trace *trace, size_t from)
{
	if (from < trace->n && is_alike(&trace->entry[from])) {
		member(b, "alike");
		slots(b, rules, &trace->entry[from++]);
	}
	if (from == trace->n)
		return;
	member(b, "also");
	for (size_t i = from; i < trace->n; i++) {
		const struct trace_entry *e = &trace->entry[i];

		buf_add(b, i == from ? STR("[{") : STR(",{"));
		text(b, "rule", e->rule->id);
		text(b, "source", e->rule->source);
		text(b, "action", str_of(e->rule->action));
		yes(b, "hit", e->hit);
		yes(b, "observed", e->observed);
		yes(b, "gave_up", e->gave_up);
		member(b, "facts");
		slots(b, rules, e);
		buf_addc(b, '}');
	}
	buf_addc(b, ']');
}

/* --- steps ------------------------------------------------------------------------------------------ */

static const struct facts *
facts_at(const struct session *s, enum step step)
{
	if (step < STEP_MAIL)
		return &s->facts;
	return step == STEP_RCPT && s->txn.current ? &s->txn.current->facts : &s->txn.facts;
}

void
record_step(const struct config *config, const struct ask *ask, const struct decision *d,
    bool final, struct buf *out)
{
	const struct session *s = ask->session;
	struct telling own = { "own", is_own, value, 0 };
	struct telling lost = { "lost", is_own_failed, failures, 0 };
	const struct ruleset *rules = config->ruleset;
	size_t n = tried_n(rules, ask->step, &d->trace);

	/* Nobody asked anything: there is nothing to tell. */
	if (d->trace.n == 0)
		return;
	number(out, "after", ask->now - s->began_ms / 1000);
	number(out, "errors", s->n_errors);
	yes(out, "tls", ask->step == STEP_CONNECT && s->tls.on);
	tried(out, rules, ask->step, &d->trace, n);
	also(out, rules, &d->trace, n);
	if (final)
		return;
	tell(out, &own, facts_at(s, ask->step), ask->step);
	told(out, &own);
	tell(out, &lost, facts_at(s, ask->step), ask->step);
	told(out, &lost);
}

static void
of_entry(struct buf *b, struct telling *t, const struct session *s, enum step step)
{
	tell(b, t, &s->facts, step);
	tell(b, t, &s->txn.facts, step);
	if (s->txn.current)
		tell(b, t, &s->txn.current->facts, step);
	told(b, t);
}

static void
tls(struct buf *b, const struct session_tls *tls)
{
	const struct str part[] = { tls->version, tls->cipher, tls->client_cert,
		tls->client_fingerprint };

	if (!tls->on)
		return;
	member(b, "tls");
	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		buf_addc(b, i > 0 ? ',' : '[');
		escape_json(b, part[i]);
	}
	buf_addc(b, ']');
}

static void
session(struct buf *b, const struct session *s, enum step step)
{
	struct telling lost = { "lost", is_failed, failures, 0 };
	struct telling slow = { "us", is_slow, took, 0 };

	buf_printf(b, "{\"format\":%d,\"began\":%" PRId64, RECORD_FORMAT, s->began_ms);
	text(b, RECORD_HASHED, s->pseudonym ? str_of(pseudonym_key(s->pseudonym)) : STR(""));
	number(b, "port", s->client_port);
	yes(b, "esmtp", s->esmtp);
	number(b, "turn", s->turn);
	tls(b, &s->tls);
	text(b, "reverse", s->reverse_name);
	text(b, "auth", s->auth_mechanism);
	yes(b, "stressed", s->stressed);
	yes(b, "trusted", s->trusted);
	number(b, "errors", s->n_errors);
	number(b, "messages", s->n_messages);
	number(b, "txn", s->txn.serial);
	if (step >= STEP_MAIL)
		number(b, "declared",
		    s->txn.size_declared > INT64_MAX ? INT64_MAX : (int64_t)s->txn.size_declared);
	of_entry(b, &lost, s, step);
	of_entry(b, &slow, s, step);
	buf_addc(b, '}');
}

/* An entry's recipients are those it let in, or the one that it is about. */
static bool
is_listed(const struct session *s, const struct recipient *r)
{
	return s->txn.current ? r == s->txn.current : r->state == RECIPIENT_ACCEPTED;
}

/* The HELO that the session has now. */
static bool
is_latest(const struct session *s, const struct record_told *t)
{
	return str_eq(s->helo, t->helo) && s->esmtp == t->esmtp && s->tls.on == t->tls;
}

/* Whom it was about is told of those only who are not among the entry's recipients. */
static void
step_json(struct buf *b, const struct session *s, const struct record_told *t)
{
	static const char *const states[] = { "asked", "accepted", "refused", "unknown" };

	buf_printf(b, "{\"at\":\"%s\"", step_name(t->step));
	if (t->recipient && !is_listed(s, t->recipient))
		text(b, "to", t->recipient->mailbox.address);
	if (t->recipient && t->recipient->state != RECIPIENT_ACCEPTED)
		text(b, "state", str_of(states[t->recipient->state]));
	if (t->helo.p && !is_latest(s, t)) {
		member(b, "helo");
		escape_json(b, t->helo);
		yes(b, "esmtp", t->esmtp);
		yes(b, "tls", t->tls);
	}
	if (t->text.n > 0) {
		buf_addc(b, ',');
		buf_add(b, t->text);
	}
	buf_addc(b, '}');
}

/* Among those that are not listed, the others show who came before whom. */
static bool
all_listed(const struct session *s, const struct record_told *t)
{
	while (t && (t->recipient == NULL || is_listed(s, t->recipient)))
		t = t->next;
	return t == NULL;
}

static void
steps(struct series *series, const struct session *s, const struct record_told *t)
{
	bool plain = all_listed(s, t);

	for (; t; t = t->next) {
		/* One that is not told of is not needed either, when it went as the recipients say. */
		if (t->text.n == 0 && (t->recipient == NULL || plain))
			continue;
		step_json(&series->element, s, t);
		series_next(series);
	}
}

void
record_trace(const struct session *s, enum step step, const struct record_told *connection,
    const struct record_told *transaction, struct buf *out)
{
	struct series series;

	series_open(&series, out, '[');
	session(&series.element, s, step);
	series_next(&series);
	steps(&series, s, connection);
	steps(&series, s, transaction);
	series_close(&series);
}

/* --- a decision at hand ------------------------------------------------------------------------------ */

void
record_decision(enum step step, const struct decision *d, struct buf *out)
{
	struct series series;
	struct buf *b = &series.element;

	series_open(&series, out, '[');
	for (size_t i = 0; i < d->trace.n; i++) {
		const struct trace_entry *e = &d->trace.entry[i];

		buf_printf(b, "{\"step\":\"%s\",\"rule\":", step_name(step));
		escape_json(b, e->rule->id);
		member(b, "source");
		escape_json(b, e->rule->source);
		buf_printf(b, ",\"action\":\"%s\",\"hit\":%s,\"observed\":%s,\"facts\":[",
		    e->rule->action, e->hit ? "true" : "false", e->observed ? "true" : "false");
		for (size_t k = 0; k < e->n_facts; k++) {
			buf_add(b, k > 0 ? STR(",{\"fact\":") : STR("{\"fact\":"));
			call(b, &e->fact[k]->call);
			buf_add(b, STR(",\"value\":"));
			value_json(&e->fact[k]->value, b);
			buf_printf(b, ",\"us\":%" PRId64 "}", e->fact[k]->took_us);
		}
		buf_add(b, e->gave_up ? STR("],\"gave_up\":true}") : STR("]}"));
		series_next(&series);
	}
	series_close(&series);
}

/* --- configurations ----------------------------------------------------------------------------------- */

static void
rule_json(struct buf *b, const struct ruleset *rules, const struct rule *rule)
{
	buf_addc(b, '{');
	text(b, "at", str_of(step_name(rule->step)));
	text(b, "rule", rule->shown.id);
	text(b, "source", rule->shown.source);
	text(b, "action", str_of(rule->shown.action));
	text(b, "digest", str_of(rule->shown.digest));
	yes(b, "observed",
	    rule->observe || (rules->observe && rule->action != ACTION_ACCEPT_SESSION));
	buf_addc(b, '}');
}

static void
rules_json(struct buf *b, const struct ruleset *rules)
{
	bool first = true;

	member(b, "rules");
	buf_addc(b, '[');
	for (size_t step = 0; step < STEP_COUNT; step++) {
		for (size_t i = 0; i < rules->n[step]; i++) {
			if (!first)
				buf_addc(b, ',');
			first = false;
			rule_json(b, rules, rules->rule[step][i]);
		}
	}
	buf_addc(b, ']');
}

/* 16 hexadecimal digits, in an object that is open. */
static void
digest(struct buf *b, struct str name, uint64_t hash)
{
	if (b->p[b->n - 1] != '{')
		buf_addc(b, ',');
	escape_json(b, name);
	buf_printf(b, ":\"%016" PRIx64 "\"", hash);
}

/*
 * What names in rules stand for. A digest of a few addresses can be guessed: where addresses are hashed, what may have some is left
 * out. The key is no help, as not everybody who has to come to the same text can read it.
 */
static void
names_json(struct buf *b, const struct config *c)
{
	const bool hashed = c->core.journal_key[0] != '\0';

	member(b, "definitions");
	buf_addc(b, '{');
	for (const struct config_definition *d = c->definitions; d; d = d->next)
		if (!hashed || !d->texts)
			digest(b, d->name, d->hash);
	buf_add(b, STR("},\"lists\":{"));
	for (size_t i = 0; i < c->n_lists; i++)
		if (!hashed || !list_fits(c->lists[i], VALUE_TEXT))
			digest(b, list_name(c->lists[i]), list_hash(c->lists[i], STR_HASH));
	buf_addc(b, '}');
}

/* What was in the files of lists: rules read the same, and say something else, when it changes. */
static void
files_json(struct buf *b, const struct config *c)
{
	member(b, "words");
	buf_printf(b, "\"%s\"", c->words);
	member(b, "files");
	buf_addc(b, '{');
	for (const struct config_file *file = c->files; file; file = file->next)
		if (file->list)
			digest(b, file->written, file->hash);
	buf_addc(b, '}');
}

void
record_configuration(const struct config *c, struct buf *out)
{
	const struct ruleset *rules = c->ruleset;

	buf_printf(out, "{\"format\":%d", RECORD_FORMAT);
	rules_json(out, rules);
	member(out, "facts");
	buf_addc(out, '[');
	for (size_t i = 0; i < rules->n_calls; i++) {
		if (i > 0)
			buf_addc(out, ',');
		call(out, rules->call[i]);
	}
	buf_addc(out, ']');
	member(out, "stages");
	buf_addc(out, '{');
	for (size_t i = 0; i < c->n_parts; i++) {
		if (!c->part_used[i] || c->part[i].name[0] == '\0')
			continue;
		member(out, c->part[i].name);
		buf_printf(out, "\"%016" PRIx64 "\"", config_part_hash(c, i));
	}
	buf_addc(out, '}');
	names_json(out, c);
	files_json(out, c);
	member(out, "plans");
	buf_printf(out, "\"%016" PRIx64 "\"}", config_plans_hash(c));
}
