#include <inttypes.h>

#include "base/die.h"
#include "rules/case.h"
#include "rules/policy.h"
#include "rules/rule.h"

/* A moment like any other: facts of the time are given, or missing. */
#define NOW 1800000000

/* What one step's evaluation may take. */
#define SCRATCH_LIMIT (4 * 1024 * 1024)

struct play {
	const struct cases *cases;
	const struct rule_case *c;
	struct session session;
	struct arena *arena, *scratch;
	struct case_result *out;
	struct verdict observed; /* the first; kind ACCEPT: none */
	enum step observed_step;
	int64_t delay;
	bool over; /* refused, or a fact is missing */
};

/* --- facts -------------------------------------------------------------------------------------- */

static bool
fits(const struct fact_def *def, enum step step)
{
	return step >= def->from && step <= def->to;
}

static void
give_facts(struct play *p, struct ask *ask)
{
	for (const struct given_fact *g = p->c->facts; g; g = g->next)
		if (fits(g->call.entry->def, ask->step))
			fact_give(ask, &g->call, &g->value);
}

static bool
in_test(const struct ruleset *rules, const struct node *node, const struct fact_call *call)
{
	const struct operand *fact[TEST_FACTS_MAX];

	for (size_t i = 0, n = test_facts(node->expr, fact); i < n; i++)
		if (rules->call[fact[i]->slot] == call)
			return true;
	return false;
}

/* Does a condition of the step rest on this call? Else it stands in a text only. */
static bool
in_condition(const struct ruleset *rules, enum step step, const struct fact_call *call)
{
	size_t slot[TEST_FACTS_MAX];

	for (size_t i = 0; i < rules->n[step]; i++) {
		const struct node *node = rules->rule[step][i]->node;

		for (size_t k = 0; node && k < node->size; k++)
			if (node[k].kind == EXPR_TEST && in_test(rules, &node[k], call))
				return true;
	}
	/* those of message that tell recipients apart are put at rcpt */
	for (size_t i = 0; step == STEP_RCPT && i < rules->n_policy; i++)
		for (size_t k = 0, n = policy_slots(rules, i, slot); k < n; k++)
			if (rules->call[slot[k]] == call)
				return true;
	return false;
}

static void
miss(struct play *p, const struct ask *ask)
{
	struct buf name;

	buf_init(&name, 1024);
	if (ask->waits)
		fact_call_print(ask->waits, &name);
	p->out->why = arena_printf(p->arena,
	    "the rules of %s need the fact `%.*s`, which the case does not give",
	    step_name(ask->step), STR_ARG(buf_str(&name)));
	p->over = true;
	buf_free(&name);
}

/* What is missing in a text only is nothing to fail for. Whether the step is to be decided again. */
static bool
supply(struct play *p, struct ask *ask)
{
	const struct fact_call *call = ask->waits;

	if (!call || in_condition(p->cases->config->ruleset, ask->step, call)) {
		miss(p, ask);
		return false;
	}
	fact_give(ask, call, &(struct value){ .type = VALUE_NONE });
	return true;
}

/* --- steps -------------------------------------------------------------------------------------- */

static bool
refuses(const struct verdict *v)
{
	return v->kind == VERDICT_TEMPFAIL || v->kind == VERDICT_REJECT;
}

static void
keep_verdict(struct play *p, const struct verdict *from, struct verdict *to)
{
	*to = *from;
	to->text = arena_dup(p->arena, from->text);
	to->rule = arena_dup(p->arena, from->rule);
}

static void
take(struct play *p, enum step step, const struct decision *d)
{
	p->out->step = step;
	p->delay += d->delay;
	if (refuses(&d->observed) && !refuses(&p->observed)) {
		keep_verdict(p, &d->observed, &p->observed);
		p->observed_step = step;
	}
	keep_verdict(p, &d->verdict, &p->out->verdict);
	p->over = refuses(&d->verdict);
	if (!p->over)
		decision_apply(&p->session, d);
}

static void
decide(struct play *p, enum step step)
{
	const struct ruleset *rules = p->cases->config->ruleset;
	struct ask ask = session_ask(&p->session, step, NOW);
	struct decision d;

	ask.closed = true;
	give_facts(p, &ask);
	for (;;) {
		arena_reset(p->scratch);
		d = (struct decision){ 0 };
		ask.waits = NULL;
		if (ruleset_decide(rules, &ask, p->scratch, &d) == DONE &&
		    policy_decide(rules, &ask, p->scratch, &d) == DONE)
			break;
		if (!supply(p, &ask))
			return;
	}
	take(p, step, &d);
}

static void
decide_recipient(struct play *p, const struct mailbox *mailbox)
{
	struct transaction *txn = &p->session.txn;

	session_rcpt(&p->session, mailbox);
	decide(p, STEP_RCPT);
	if (p->over)
		return;
	txn->current->state = RECIPIENT_ACCEPTED;
	txn->n_accepted++;
	txn->current = NULL;
}

static struct mailbox
mailbox_of(struct arena *arena, const struct mailbox *given, const char *usual)
{
	struct mailbox mailbox = *given;
	struct str path = str_of(usual);
	struct err e;

	if (!given->null && given->address.n == 0)
		require(mailbox_take(&path, true, true, &mailbox, &e));
	mailbox.address = arena_dup(arena, mailbox.address);
	return mailbox;
}

static void
play_steps(struct play *p)
{
	struct mailbox sender = mailbox_of(p->arena, &p->c->sender, "<sender@client.example>");
	size_t n = p->c->n_recipients ? p->c->n_recipients : 1;

	decide(p, STEP_CONNECT);
	if (p->over)
		return;
	session_helo(&p->session, p->c->helo, true);
	decide(p, STEP_HELO);
	if (p->over)
		return;
	session_mail(&p->session, &sender);
	decide(p, STEP_MAIL);
	for (size_t i = 0; i < n && !p->over; i++) {
		struct mailbox to =
		    mailbox_of(p->arena, &p->c->recipient[i], "<recipient@example.org>");

		decide_recipient(p, &to);
	}
	if (!p->over)
		decide(p, STEP_MESSAGE);
}

/* --- what was expected -------------------------------------------------------------------------- */

static struct str
show(struct arena *arena, const struct verdict *v, enum step step)
{
	if (!refuses(v))
		return STR("accept");
	return arena_printf(arena, "%s %d %s at %s by %.*s", verdict_name(v->kind), v->code,
	    v->enhanced, step_name(step), STR_ARG(v->rule));
}

static bool
is_expected(const struct expected *e, const struct verdict *v, enum step step)
{
	bool refused = refuses(v);

	if (!refused)
		return e->kind == VERDICT_ACCEPT && (!e->has_step || e->step == step);
	return v->kind == e->kind && (e->code == 0 || e->code == v->code) &&
	    (e->enhanced.n == 0 || str_eq(e->enhanced, str_of(v->enhanced))) &&
	    (!e->has_step || e->step == step) &&
	    (e->rule.n == 0 || str_eq(e->rule, v->rule) || str_ends(v->rule, e->rule));
}

static bool
contains(struct str text, struct str part)
{
	return part.n == 0 || memmem(text.p, text.n, part.p, part.n) != NULL;
}

static bool
is_marked(const struct session *s, struct str name)
{
	for (const struct mark *m = s->txn.marks; m; m = m->next)
		if (str_eq(m->name, name))
			return true;
	return false;
}

static const struct added_field *
find_field(const struct session *s, const struct expected *e)
{
	const struct added_field *f = s->txn.added;

	while (
	    f && !(str_eqcase(f->name, e->name) && (e->text.n == 0 || str_eq(f->value, e->text))))
		f = f->next;
	return f;
}

/* What came instead; "" when it is as expected. */
static struct str
differs(const struct play *p, const struct expected *e)
{
	const struct verdict *v = e->what == EXPECT_OBSERVED ? &p->observed : &p->out->verdict;
	enum step step = e->what == EXPECT_OBSERVED ? p->observed_step : p->out->step;

	switch (e->what) {
	case EXPECT_VERDICT:
	case EXPECT_OBSERVED:
		return is_expected(e, v, step) ? STR("") : show(p->arena, v, step);
	case EXPECT_SCORE:
		return p->session.txn.score == e->number
		    ? STR("")
		    : arena_printf(p->arena, "score %" PRId64, p->session.txn.score);
	case EXPECT_MARKED:
		return is_marked(&p->session, e->name) != e->negated
		    ? STR("")
		    : arena_printf(p->arena, "%smarked", e->negated ? "" : "not ");
	case EXPECT_TEXT:
		return contains(v->text, e->text)
		    ? STR("")
		    : arena_printf(p->arena, "text \"%.*s\"", STR_ARG(v->text));
	case EXPECT_HEADER:
		return find_field(&p->session, e) ? STR("") : STR("no such header field");
	case EXPECT_DELAY:
		return p->delay == e->number
		    ? STR("")
		    : arena_printf(p->arena, "delay %" PRId64 "ms", p->delay);
	}
	return STR("");
}

static void
compare(struct play *p)
{
	for (const struct expected *e = p->c->expected; e; e = e->next) {
		struct str came = differs(p, e);

		if (came.n == 0)
			continue;
		p->out->why = arena_printf(p->arena, "expected `%.*s`, and it came to %.*s",
		    STR_ARG(e->shown), STR_ARG(came));
		p->out->why_line = e->at.line;
		return;
	}
	p->out->passed = true;
}

void
case_play(const struct cases *cases, size_t i, struct arena *arena, struct case_result *out)
{
	const struct config *config = cases->config;
	struct play p = { .cases = cases, .c = cases->first, .arena = arena, .out = out };
	struct session *s = &p.session;
	struct value client;

	require(i < cases->n);
	while (i-- > 0)
		p.c = p.c->next;
	*out = (struct case_result){
		.name = p.c->name, .line = p.c->at.line, .why = STR(""), .why_line = p.c->at.line
	};
	session_init(s, p.c->front, &config->facts, config->n_parts);
	s->began_ms = NOW * INT64_C(1000);
	s->hostname = str_of(config->core.hostname);
	s->plans = &config->plans;
	s->client_ip = p.c->client;
	s->account = p.c->account;
	client = (struct value){ .type = VALUE_IP, .ip = s->client_ip };
	s->trusted = list_has(config->trusted, &client);
	p.scratch = arena_new(SCRATCH_LIMIT);
	play_steps(&p);
	if (out->why.n == 0)
		compare(&p);
	arena_free(&p.scratch);
	session_free(s);
}
