#include "rules/policy.h"

#include "mail/said.h"
#include "rules/eval.h"

struct policy_test {
	const struct rule *rule;
	const struct node *node;
	const struct operand *fact; /* the recipient's */
	bool by_value;              /* the other side is not settled at rcpt */
};

/* --- at load ------------------------------------------------------------------------------------ */

static const struct fact_def *
def_of(const struct ruleset *rules, const struct operand *o)
{
	return rules->call[o->slot]->entry->def;
}

static bool
is_recipients(const struct ruleset *rules, const struct operand *o)
{
	return def_of(rules, o)->life == LIFE_EACH_RECIPIENT;
}

/* At rcpt it is what it will be at message. */
static bool
is_settled(const struct ruleset *rules, const struct operand *o)
{
	const struct fact_def *def = def_of(rules, o);

	return def->from <= STEP_RCPT && def->life != LIFE_RECIPIENT;
}

struct collection {
	struct policy_test *test; /* NULL: they are only counted */
	size_t n;
	size_t n_facts; /* that they ask for, all together */
};

/* A test whose other facts are settled is put itself; else each of the recipient's facts is compared. */
static void
add_test(const struct ruleset *rules, const struct rule *rule, const struct node *node,
    struct collection *out)
{
	const struct operand *fact[TEST_FACTS_MAX], *recipients[TEST_FACTS_MAX];
	const struct expr *e = node->expr;
	size_t n = test_facts(e, fact), n_recipients = 0;
	bool settled = !operand_changes(&e->left) &&
	    (!relation_has_right(e->relation) || !operand_changes(&e->right));

	for (size_t i = 0; i < n; i++) {
		if (is_recipients(rules, fact[i]))
			recipients[n_recipients++] = fact[i];
		else
			settled = settled && is_settled(rules, fact[i]);
	}
	if (settled && n_recipients > 0) {
		n_recipients = 1;
		out->n_facts += n;
	} else {
		out->n_facts += n_recipients;
	}
	for (size_t i = 0; i < n_recipients; i++, out->n++)
		if (out->test != NULL)
			out->test[out->n] = (struct policy_test){ .rule = rule,
				.node = node,
				.fact = recipients[i],
				.by_value = !settled };
}

static void
add_rules(const struct ruleset *rules, struct collection *out)
{
	for (size_t i = 0; i < rules->n[STEP_MESSAGE]; i++) {
		const struct rule *rule = rules->rule[STEP_MESSAGE][i];

		for (size_t k = 0; rule->node != NULL && !rule->observe && k < rule->node->size;
		     k++)
			if (rule->node[k].kind == EXPR_TEST)
				add_test(rules, rule, &rule->node[k], out);
	}
}

void
policy_collect(struct load *load, struct ruleset *rules)
{
	struct collection all = { 0 };

	add_rules(rules, &all);
	all = (struct collection){ .test = ARENA_ARRAY(load->arena, struct policy_test, all.n) };
	add_rules(rules, &all);
	rules->policy = all.test;
	rules->n_policy = all.n;
	rules->n_policy_facts = all.n_facts;
}

size_t
policy_slots(const struct ruleset *rules, size_t i, size_t slot[TEST_FACTS_MAX])
{
	const struct policy_test *t = &rules->policy[i];
	const struct operand *fact[TEST_FACTS_MAX];
	size_t n = t->by_value ? 1 : test_facts(t->node->expr, fact);

	if (t->by_value)
		fact[0] = t->fact;
	for (size_t k = 0; k < n; k++)
		slot[k] = fact[k]->slot;
	return n;
}

/* --- at rcpt ------------------------------------------------------------------------------------ */

/* Texts as they can be compared; those of values begin with '='. */
static enum progress
put_test(struct evaluation *ev, const struct policy_test *t, struct str *out)
{
	const struct value *value;
	enum truth truth;
	struct buf b;

	if (!t->by_value) {
		truth = evaluation_condition(ev, t->node);
		*out = truth == TRUTH_YES ? STR("yes") : STR("no");
		return truth == TRUTH_PENDING ? PENDING : DONE;
	}
	value = evaluation_operand(ev, t->fact);
	if (value == NULL)
		return PENDING;
	buf_init(&b, 64 * 1024);
	buf_addc(&b, '=');
	value_json(value, &b);
	*out = arena_dup(ev->arena, buf_str(&b));
	buf_free(&b);
	return DONE;
}

/* All of them are put before anything waits, so that their questions travel together. */
static enum progress
put_tests(const struct ruleset *rules, struct ask *ask, struct arena *arena, struct str *found,
    struct trace_entry *entry)
{
	size_t n = rules->n_policy;
	struct decision none = { 0 };
	struct evaluation ev = {
		.rules = rules,
		.ask = ask,
		.arena = arena,
		.out = &none,
		.known = ARENA_ARRAY(arena, const struct fact *, rules->n_calls),
		.entry = entry,
		.fact = ARENA_ARRAY(arena, const struct fact *, rules->n_policy_facts),
	};
	enum progress progress = DONE;

	entry->fact = ev.fact;
	for (size_t i = 0; i < n; i++)
		if (put_test(&ev, &rules->policy[i], &found[i]) != DONE)
			progress = PENDING;
	regex_memory_free(&ev.regex);
	return progress;
}

static void
remember(struct session *s, const struct str *found, size_t n)
{
	struct transaction *txn = &s->txn;

	if (txn->policy == NULL)
		txn->policy = ARENA_ARRAY(txn->arena, struct str, n);
	for (size_t i = 0; i < n; i++)
		if (!str_eq(txn->policy[i], found[i]))
			txn->policy[i] = arena_dup(txn->arena, found[i]);
}

static struct str
shown(struct str found)
{
	return str_sub(found, found.n > 0 && found.p[0] == '=', found.n);
}

/* "postern.conf:12 asks recipient.domain: no here, yes for anna@example.org" */
static struct str
explain(const struct ruleset *rules, const struct session *s, struct arena *arena,
    const struct str *found, size_t i)
{
	const struct policy_test *t = &rules->policy[i];
	const struct recipient *first = s->txn.recipients;
	struct buf name;
	struct str text;

	while (first->state != RECIPIENT_ACCEPTED)
		first = first->next;
	buf_init(&name, 1024);
	fact_call_print(rules->call[t->fact->slot], &name);
	text = arena_printf(arena, "%.*s of message asks %.*s: %.*s here, %.*s for %.*s",
	    STR_ARG(t->rule->shown.id), STR_ARG(buf_str(&name)), STR_ARG(shown(found[i])),
	    STR_ARG(shown(s->txn.policy[i])), STR_ARG(first->mailbox.address));
	buf_free(&name);
	return text;
}

static void
defer(const struct ruleset *rules, struct decision *d)
{
	struct verdict v = said_verdict(SAID_RECIPIENT_POLICY);

	v.defers = true;
	if (!rules->observe) {
		d->verdict = v;
		d->score = 0;
		d->marks = NULL;
		d->added = NULL;
		d->delay = 0;
	} else if (d->observed.kind == VERDICT_ACCEPT) {
		d->observed = v;
	}
}

enum progress
policy_decide(const struct ruleset *rules, struct ask *ask, struct arena *arena, struct decision *d)
{
	struct session *s = ask->session;
	size_t n = rules->n_policy, differs = 0;
	static const struct trace_rule alike = { STR(POLICY_RULE), STR(POLICY_ALIKE), "defer" };
	struct trace_entry entry = { .rule = &alike, .observed = rules->observe };
	struct trace_rule *shown;
	struct str *found;

	if (ask->step != STEP_RCPT || n == 0 || s->rules_over || d->verdict.kind != VERDICT_ACCEPT)
		return DONE;
	found = ARENA_ARRAY(arena, struct str, n);
	if (put_tests(rules, ask, arena, found, &entry) != DONE)
		return PENDING;
	if (s->txn.n_accepted == 0 || s->txn.policy == NULL) {
		remember(s, found, n);
	} else {
		while (differs < n && str_eq(found[differs], s->txn.policy[differs]))
			differs++;
		entry.hit = differs < n;
	}
	if (entry.hit) {
		shown = ARENA_NEW(arena, struct trace_rule);
		*shown = alike;
		shown->source = explain(rules, s, arena, found, differs);
		entry.rule = shown;
		defer(rules, d);
	}
	decision_trace(d, arena, &entry);
	return DONE;
}
