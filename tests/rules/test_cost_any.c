/*
 * Of generated rules: what sessions are asked, as the evaluator of posternd asks it, is no less and no more than `postern check` tells of
 * each step. Facts ask as much as their rows let them, each time another amount, and are known or not by chance.
 */
#include "rules/cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mail/cost.h"
#include "rules/intern.h"
#include "rules/policy.h"
#include "tests/rules/priced.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PROGRAMS 1500
#define SESSIONS 25

static uint32_t seed;

static unsigned
pick(unsigned n)
{
	seed = seed * 1664525 + 1013904223;
	return (seed >> 16) % n;
}

/* --- facts that count -------------------------------------------------------------------------------- */

/* Of one session: groups that were asked, and how many questions that made. */
static struct intern asked;
static unsigned dns, store;
static unsigned recipient; /* the how manieth; 0: none of them, or all */
static bool taken[3];      /* recipients */

static void
ask_group(const struct cost_group *g, unsigned whose)
{
	size_t before = asked.n;
	char name[200];

	snprintf(name, sizeof(name), "%.*s %u", STR_ARG(g->name), whose);
	intern_add(&asked, str_of(name));
	if (asked.n > before)
		*(g->store ? &store : &dns) += g->least + pick(g->most - g->least + 1);
}

static void
ask_groups(const struct costs *costs)
{
	for (size_t i = 0; i < costs->n; i++) {
		const struct cost_group *g = &costs->group[i];

		if (!g->each || recipient > 0)
			ask_group(g, g->each ? recipient : 0);
		for (unsigned k = 1; g->each && recipient == 0 && k < COUNT(taken); k++)
			if (taken[k])
				ask_group(g, k);
	}
}

static enum progress
compute(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct costs costs = {
		.arena = arena_new(1 << 16), .table = ask->table, .step = ask->step
	};

	cost_call(&costs, call);
	ask_groups(&costs);
	arena_free(&costs.arena);
	*out = pick(5) == 0 ? (struct value){ .type = VALUE_NONE } : value_number(pick(4));
	return DONE;
}

/* --- rules ------------------------------------------------------------------------------------------ */

static const char *const operands[] = { "free", "one", "two", "ten", "more", "zone(\"a\")",
	"zone(\"b\")", "free", "each", "late" };

static const char *
operand(enum step step)
{
	return operands[pick(step == STEP_MESSAGE ? 10 : step == STEP_RCPT ? 9 : 8)];
}

static void
make_condition(struct buf *b, enum step step, unsigned depth)
{
	switch (depth == 0 ? pick(5) : pick(9)) {
	case 0:
		buf_printf(b, "%s > %s", operand(step), operand(step));
		return;
	case 1:
		buf_printf(b, "%s + %s > 2", operand(step), operand(step));
		return;
	case 2:
		buf_printf(b, "%s is %s", operand(step), pick(2) ? "known" : "unknown");
		return;
	case 3:
	case 4:
		buf_printf(b, "%s > %u", operand(step), pick(3));
		return;
	case 5:
		buf_add(b, STR("not ("));
		break;
	case 6:
		buf_add(b, STR("named or ("));
		break;
	default:
		buf_add(b, STR("("));
		make_condition(b, step, depth - 1);
		buf_add(b, pick(2) ? STR(" and ") : STR(" or "));
	}
	make_condition(b, step, depth - 1);
	buf_addc(b, ')');
}

static void
make_rule(struct buf *b, enum step step)
{
	buf_add(b, pick(5) == 0 ? STR("observe ") : STR(""));
	switch (pick(7)) {
	case 0:
		buf_add(b, STR("accept"));
		break;
	case 1:
		buf_add(b, pick(3) ? STR("accept") : STR("accept session"));
		break;
	case 2:
		buf_printf(b, "reject 550 5.7.1 \"${%s}\"", pick(2) ? "free" : "two");
		break;
	case 3:
		buf_add(b, STR("tempfail 450 4.7.1 \"x\""));
		break;
	case 4:
		if (step >= STEP_MAIL) {
			buf_add(b, STR("add header \"X-A\" \"${one}\""));
			break;
		}
		/* fall through */
	default:
		buf_add(b, STR("delay 1s"));
	}
	buf_add(b, STR(" if "));
	make_condition(b, step, 2);
	buf_addc(b, '\n');
}

static void
make_block(struct buf *b, enum step step, unsigned depth)
{
	for (unsigned n = 1 + pick(3); n > 0; n--) {
		unsigned branches = pick(3);

		if (depth == 3 || pick(3) > 0) {
			make_rule(b, step);
			continue;
		}
		if (step >= STEP_RCPT && pick(3) == 0) {
			buf_printf(b, "for recipients in { \"%u@a.example\" } {\n", pick(3));
			make_block(b, step, depth + 1);
			buf_add(b, STR("}\n"));
			continue;
		}
		for (unsigned i = 0; i <= branches; i++) {
			bool last = i > 0 && i == branches && pick(2) == 0;

			buf_add(b, i == 0 ? STR("if ") : last ? STR("else") : STR("else if "));
			if (!last)
				make_condition(b, step, 2);
			buf_add(b, STR(" {\n"));
			make_block(b, step, depth + 1);
			buf_add(b, STR("}\n"));
		}
	}
}

static void
make_program(struct buf *b)
{
	buf_printf(b, "%sdefine named = one > 1 and free > 0\n", pick(4) ? "" : "mode observe\n");
	for (enum step step = STEP_CONNECT; step < STEP_COUNT; step++)
		if (step == STEP_MAIL || pick(2)) {
			buf_printf(b, "at %s {\n", step_name(step));
			make_block(b, step, 0);
			buf_add(b, STR("}\n"));
		}
}

/* --- sessions --------------------------------------------------------------------------------------- */

struct trial {
	const char *text;
	const struct config *config;
	struct cost_report report;
	struct session session;
	struct arena *arena;
	unsigned least_dns, least_store; /* of the steps so far */
};

struct count {
	unsigned dns, store;
};

static void
within(const struct trial *t, const char *where, const struct cost_step *said, struct count n,
    unsigned recipients)
{
	unsigned most_dns = said->dns.once.most + recipients * said->dns.each.most;
	unsigned most_store = said->store.once.most + recipients * said->store.each.most;

	if (n.dns > most_dns || n.store > most_store)
		fail_msg("at %s %u and %u are asked, and no more than %u and %u are told of\n%s",
		    where, n.dns, n.store, most_dns, most_store, t->text);
}

/* What was asked in all is no less than is sure of the steps that were run. */
static void
no_less(struct trial *t, enum step step, unsigned recipients)
{
	const struct cost_step *said = &t->report.step[step];

	/* once is for all recipients */
	if (recipient <= 1) {
		t->least_dns += said->dns.once.least;
		t->least_store += said->store.once.least;
	}
	t->least_dns += recipients * said->dns.each.least;
	t->least_store += recipients * said->store.each.least;
	if (dns < t->least_dns || store < t->least_store)
		fail_msg("up to %s %u and %u are asked, and no less than %u and %u are told of\n%s",
		    step_name(step), dns, store, t->least_dns, t->least_store, t->text);
}

/* Whether the session goes on. */
static bool
decide(struct trial *t, enum step step)
{
	const struct ruleset *rules = t->config->ruleset;
	struct ask ask = session_ask(&t->session, step, 1700000000);
	struct decision d = { 0 };

	assert_int_equal(ruleset_decide(rules, &ask, t->arena, &d), DONE);
	assert_int_equal(policy_decide(rules, &ask, t->arena, &d), DONE);
	if (d.verdict.kind != VERDICT_TEMPFAIL && d.verdict.kind != VERDICT_REJECT) {
		decision_apply(&t->session, &d);
		return true;
	}
	return false;
}

static bool
run_step(struct trial *t, enum step step)
{
	struct count before = { dns, store };
	bool over = t->session.rules_over, goes_on = decide(t, step);

	within(t, step_name(step), &t->report.step[step],
	    (struct count){ dns - before.dns, store - before.store },
	    step == STEP_MESSAGE ? (unsigned)t->session.txn.n_accepted : 1);
	if (!over)
		no_less(t, step, step == STEP_RCPT);
	return goes_on;
}

/* Whether some are taken. */
static bool
run_recipients(struct trial *t, unsigned n)
{
	struct transaction *txn = &t->session.txn;

	taken[1] = taken[2] = false;
	for (recipient = 1; recipient <= n; recipient++) {
		char path[40];
		struct str rest;
		struct mailbox to;
		struct err e;

		snprintf(path, sizeof(path), "<%u@a.example>", recipient);
		rest = str_of(path);
		assert_true(mailbox_take(&rest, false, true, &to, &e));
		session_rcpt(&t->session, &to);
		if (run_step(t, STEP_RCPT)) {
			txn->current->state = RECIPIENT_ACCEPTED;
			txn->n_accepted++;
			taken[recipient] = true;
		}
		txn->current = NULL;
	}
	recipient = 0;
	return taken[1] || taken[2];
}

static void
run_session(struct trial *t)
{
	struct session *s = &t->session;
	struct costs costs = {
		.arena = t->arena, .table = &t->config->facts, .step = STEP_MESSAGE
	};
	unsigned n = 1 + pick(2);

	for (enum step step = STEP_CONNECT; step <= STEP_MAIL; step++) {
		if (step == STEP_HELO)
			session_helo(s, STR("c.example"), true);
		if (step == STEP_MAIL)
			session_mail(s, &(struct mailbox){ .null = true });
		if (!run_step(t, step))
			return;
	}
	if (!run_recipients(t, n))
		return;
	if (t->config->part_used[PRICED_LATE] && !s->rules_over) {
		t->config->part[PRICED_LATE].early(&costs, NULL);
		ask_groups(&costs);
	}
	run_step(t, STEP_MESSAGE);
	if (n == 1)
		within(t, "all steps", &t->report.message, (struct count){ dns, store }, 1);
}

static void
try_sessions(struct trial *t)
{
	for (unsigned i = 0; i < SESSIONS; i++) {
		struct arena *names = arena_new(1 << 20);

		t->arena = arena_new(1 << 22);
		t->least_dns = t->least_store = dns = store = 0;
		intern_init(&asked, names);
		session_init(&t->session, FRONT_PROXY, &t->config->facts, t->config->n_parts);
		run_session(t);
		session_free(&t->session);
		intern_free(&asked);
		arena_free(&t->arena);
		arena_free(&names);
	}
}

/* False: its rules are not all in reach. */
static bool
check_program(void)
{
	struct arena *arena = arena_new(1 << 24);
	struct complaints c = { 0 };
	struct trial t = { 0 };
	struct config *config;
	struct buf text;
	bool ok;

	buf_init(&text, 100000);
	make_program(&text);
	config = priced_load(buf_str(&text), &c);
	ok = config != NULL;
	if (!ok && strstr(c.item[0].text, "can never be reached") == NULL)
		fail_msg("%s\n%s", c.item[0].text, text.p);
	if (ok) {
		t.text = text.p;
		t.config = config;
		cost_report(arena, config, &t.report);
		try_sessions(&t);
	}
	config_release(&config);
	complaints_free(&c);
	buf_free(&text);
	arena_free(&arena);
	return ok;
}

static void
test_any(void **state)
{
	unsigned n = 0;

	priced_computed(compute);
	for (uint32_t i = 0; i < PROGRAMS; i++) {
		seed = i;
		n += check_program();
	}
	assert_true(n > PROGRAMS / 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_any) };

	return cmocka_run_group_tests_name("cost_any", tests, NULL, NULL);
}
