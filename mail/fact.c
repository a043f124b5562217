#include "mail/fact.h"

#include "base/clock.h"
#include "base/die.h"
#include "mail/session.h"

/* Facts that ask for facts: dmarc asks dkim and spf, which ask the session. More is a circle. */
#define FACT_DEPTH 8

const char *
step_name(enum step step)
{
	static const char *const names[] = {
		[STEP_CONNECT] = "connect",
		[STEP_HELO] = "helo",
		[STEP_MAIL] = "mail",
		[STEP_RCPT] = "rcpt",
		[STEP_MESSAGE] = "message",
	};

	return (size_t)step < STEP_COUNT ? names[step] : "unknown";
}

const struct fact_entry *
fact_find(const struct fact_table *table, struct str name)
{
	size_t low = 0, high = table->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = str_cmp(name, str_of(table->entry[middle].def->name));

		if (order == 0)
			return &table->entry[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static void
print_quoted(struct str text, struct buf *out)
{
	buf_addc(out, '"');
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			buf_addc(out, '\\');
		buf_addc(out, text.p[i]);
	}
	buf_addc(out, '"');
}

void
fact_call_print(const struct fact_call *call, struct buf *out)
{
	buf_add(out, str_of(call->entry->def->name));
	if (call->n_args == 0)
		return;
	for (size_t i = 0; i < call->n_args; i++) {
		buf_add(out, i == 0 ? STR("(") : STR(", "));
		if (call->arg[i].type == VALUE_TEXT)
			print_quoted(call->arg[i].text, out);
		else
			value_print(&call->arg[i], out);
	}
	buf_addc(out, ')');
}

bool
fact_call_eq(const struct fact_call *a, const struct fact_call *b)
{
	if (a->entry->def != b->entry->def || a->n_args != b->n_args)
		return false;
	for (size_t i = 0; i < a->n_args; i++)
		if (!value_eq(&a->arg[i], &b->arg[i]))
			return false;
	return true;
}

/*
 * The newest, since one of a recipient can stand in the transaction's list twice: computed at
 * mail, and anew at message. any_step: whichever.
 */
static const struct fact *
facts_find(const struct facts *facts, const struct fact_call *call, bool any_step, enum step step)
{
	const struct fact *found = NULL;

	for (const struct fact *f = facts->first; f != NULL; f = f->next)
		if (fact_call_eq(&f->call, call) && (any_step || f->step == step))
			found = f;
	return found;
}

static struct value
value_dup(struct arena *arena, const struct value *v)
{
	struct value copy = *v;

	if (v->type == VALUE_TEXT || v->type == VALUE_SYMBOL) {
		copy.text = arena_dup(arena, v->text);
	} else if (v->type == VALUE_LIST) {
		struct str *item = ARENA_ARRAY(arena, struct str, v->list.n + 1);

		for (size_t i = 0; i < v->list.n; i++)
			item[i] = arena_dup(arena, v->list.item[i]);
		copy.list.item = item;
	}
	return copy;
}

static void
facts_append(struct facts *facts, struct fact *f)
{
	/* A list that was born zeroed has no end yet. */
	if (facts->first == NULL)
		facts->end = &facts->first;
	*facts->end = f;
	facts->end = &f->next;
}

static struct fact *
facts_add(struct facts *facts, const struct ask *ask, const struct fact_call *call,
    const struct value *value)
{
	struct fact *f = ARENA_NEW(ask->arena, struct fact);

	f->call.entry = call->entry;
	f->call.n_args = call->n_args;
	for (size_t i = 0; i < call->n_args; i++)
		f->call.arg[i] = value_dup(ask->arena, &call->arg[i]);
	f->value = *value;
	f->step = ask->step;
	facts_append(facts, f);
	return f;
}

/* Where a fact of that life is kept at that step. */
static struct facts *
facts_of(const struct ask *ask, const struct fact_def *def)
{
	struct session *s = ask->session;

	if (def->life == LIFE_SESSION || def->life == LIFE_HELO)
		return &s->facts;
	if (ask->step < STEP_MAIL)
		panic("fact %s is of a transaction, and was asked for at %s", def->name,
		    step_name(ask->step));
	if (def->life == LIFE_TRANSACTION || ask->step != STEP_RCPT)
		return &s->txn.facts;
	if (s->txn.current == NULL)
		panic("fact %s is of a recipient, and there is none", def->name);
	return &s->txn.current->facts;
}

static void
fact_check(const struct ask *ask, const struct fact_call *call)
{
	const struct fact_def *def;

	if (call->entry == NULL)
		panic("a fact that is in no table was asked for");
	def = call->entry->def;
	if (ask->step < def->from || ask->step > def->to)
		panic("fact %s was asked for at %s", def->name, step_name(ask->step));
	if (ask->depth >= FACT_DEPTH)
		panic("fact %s is asked for in a circle", def->name);
	require(call->n_args <= FACT_PARAMS);
}

/* The ask with which the stage of this fact is called. */
static struct ask
fact_ask(const struct ask *ask, const struct fact_entry *entry)
{
	struct session *s = ask->session;
	struct ask inner = *ask;
	bool of_connection = entry->def->life == LIFE_SESSION || entry->def->life == LIFE_HELO;

	inner.conf = entry->conf;
	inner.arena = of_connection ? s->conn : s->txn.arena;
	inner.asker = entry->def->name;
	inner.state = NULL;
	if (s->txn.stage_state != NULL && entry->stage < s->n_stages)
		inner.state = &s->txn.stage_state[entry->stage];
	inner.depth++;
	inner.failures = 0;
	return inner;
}

void
fact_put(
    struct ask *ask, const struct fact_call *call, const struct value *value, unsigned failures)
{
	struct ask inner = fact_ask(ask, call->entry);
	struct facts *facts = facts_of(ask, call->entry->def);
	struct fact *f = ARENA_NEW(inner.arena, struct fact);

	*f = (struct fact){
		.call = *call, .value = *value, .failures = failures, .step = ask->step
	};
	facts_append(facts, f);
}

/* It waits for what does not come. */
static enum progress
missing(const struct ask *ask, const struct fact_call *call)
{
	struct replayed *replayed = ask->session->replayed;

	if (replayed != NULL && replayed->missing.entry == NULL)
		replayed->missing = *call;
	return PENDING;
}

enum progress
fact_get(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct fact *known;
	struct facts *facts;
	struct value value = { 0 };
	struct fact *fact;
	struct ask inner;
	int64_t began;

	fact_check(ask, call);
	facts = facts_of(ask, call->entry->def);
	known = facts_find(facts, call, call->entry->def->life < LIFE_RECIPIENT, ask->step);
	if (known != NULL) {
		*out = known->value;
		ask->failures |= known->failures;
		return DONE;
	}
	if (ask->closed && call->entry->def->cost != COST_FREE) {
		ask->waits = call;
		return PENDING;
	}
	if (ask->session->replayed != NULL &&
	    ask->session->replayed->lacks(ask->session->replayed, call))
		return missing(ask, call);
	inner = fact_ask(ask, call->entry);
	began = clock_mono_us();
	switch (call->entry->def->compute(&inner, call, &value)) {
	case PENDING:
		ask->waits = call;
		return missing(ask, call);
	case FAILED:
		panic("fact %s failed", call->entry->def->name);
	case DONE:
		break;
	}
	fact = facts_add(facts, &inner, call, &value);
	fact->took_us = clock_mono_us() - began;
	fact->failures = inner.failures;
	ask->failures |= inner.failures;
	*out = value;
	return DONE;
}

void
fact_give(struct ask *ask, const struct fact_call *call, const struct value *value)
{
	struct ask inner;
	struct value copy;

	fact_check(ask, call);
	inner = fact_ask(ask, call->entry);
	copy = value_dup(inner.arena, value);
	facts_add(facts_of(ask, call->entry->def), &inner, call, &copy);
}

enum progress
fact_get_named(struct ask *ask, const char *name, struct value *out)
{
	struct fact_call call = { .entry = fact_find(ask->table, str_of(name)) };

	if (call.entry == NULL) {
		*out = (struct value){ .type = VALUE_NONE };
		return DONE;
	}
	return fact_get(ask, &call, out);
}

const struct fact *
fact_known(const struct session *session, const struct fact_call *call)
{
	const struct facts *facts = &session->txn.facts;

	switch (call->entry->def->life) {
	case LIFE_SESSION:
	case LIFE_HELO:
		facts = &session->facts;
		break;
	case LIFE_TRANSACTION:
		break;
	case LIFE_RECIPIENT:
	case LIFE_EACH_RECIPIENT:
		if (session->txn.current != NULL)
			facts = &session->txn.current->facts;
		break;
	}
	return facts_find(facts, call, true, STEP_CONNECT);
}

/*
 * Before MAIL, questions are the connection's. A later step finds them there, so that nothing is
 * counted twice.
 */
static const struct answer *
ask_question(struct ask *ask, struct question *q)
{
	struct session *s = ask->session;

	q->asker = ask->asker;
	if (ask->step < STEP_MAIL)
		return answers_get(&s->answers, s->conn, q);
	if (answers_holds(&s->answers, q))
		return answers_peek(&s->answers, q);
	return answers_get(&s->txn.answers, s->txn.arena, q);
}

static void
note_failure(struct ask *ask, const struct answer *answer, enum failure failure)
{
	ask->failures |= answer_is_over(answer) ? FAILURE_QUESTIONS : failure;
}

enum progress
ask_dns(struct ask *ask, struct str name, enum dns_type type, const struct dns_answer **out)
{
	char lower[DNS_NAME_MAX + 1];
	struct question q = { .kind = QUESTION_DNS, .name = name, .type = type };
	const struct answer *answer;

	/* What is longer is no name, and is answered as such. */
	if (name.n <= sizeof lower) {
		for (size_t i = 0; i < name.n; i++)
			lower[i] = ascii_lower(name.p[i]);
		q.name = (struct str){ lower, name.n };
		if (name.n > 0 && lower[name.n - 1] == '.')
			q.name.n--;
	}
	answer = ask_question(ask, &q);
	if (answer == NULL)
		return PENDING;
	if (answer->dns.status == DNS_TEMPFAIL)
		note_failure(ask, answer, FAILURE_DNS);
	*out = &answer->dns;
	return DONE;
}

enum progress
ask_seen(struct ask *ask, struct str key, const struct seen_question *seen,
    const struct seen_answer **out)
{
	struct question q = { .kind = QUESTION_SEEN, .name = key, .seen = *seen };
	const struct answer *answer = ask_question(ask, &q);

	if (answer == NULL)
		return PENDING;
	if (answer->failed)
		note_failure(ask, answer, FAILURE_STORE);
	*out = answer->failed ? NULL : &answer->seen;
	return DONE;
}

enum progress
ask_count(struct ask *ask, struct str key, int64_t add, const struct count_answer **out)
{
	return ask_count_nth(ask, key, add, 0, out);
}

enum progress
ask_count_nth(
    struct ask *ask, struct str key, int64_t add, unsigned n, const struct count_answer **out)
{
	struct question q = { .kind = QUESTION_COUNT, .name = key, .add = add, .serial = n };
	const struct answer *answer = ask_question(ask, &q);

	if (answer == NULL)
		return PENDING;
	if (answer->failed)
		note_failure(ask, answer, FAILURE_STORE);
	*out = answer->failed ? NULL : &answer->count;
	return DONE;
}

enum progress
ask_take(struct ask *ask, const struct take_call *call, const struct count_answer **counts,
    const struct take_answer **out)
{
	struct question q = { .kind = QUESTION_TAKE,
		.name = call->key,
		.add = call->n,
		.serial = call->serial,
		.take = call->take };
	const struct answer *answer = ask_question(ask, &q);

	if (answer == NULL)
		return PENDING;
	if (answer->failed)
		note_failure(ask, answer, FAILURE_STORE);
	*counts = answer->failed ? NULL : &answer->count;
	*out = answer->failed ? NULL : &answer->take;
	return DONE;
}

enum progress
ask_distinct(struct ask *ask, struct str key, struct str hashes, unsigned serial,
    const struct count_answer **out)
{
	struct question q = {
		.kind = QUESTION_DISTINCT, .name = key, .hashes = hashes, .serial = serial
	};
	const struct answer *answer = ask_question(ask, &q);

	if (answer == NULL)
		return PENDING;
	if (answer->failed)
		note_failure(ask, answer, FAILURE_STORE);
	*out = answer->failed ? NULL : &answer->count;
	return DONE;
}
