#include "rules/replay_session.h"

#include <stdlib.h>

#include "base/die.h"
#include "mail/exception.h"
#include "rules/exception.h"
#include "rules/record.h"
#include "rules/record_pseudonyms.h"
#include "rules/rule.h"

/* An entry's texts are bounded; so are the exceptions that they can tell of. */
#define EXCEPTIONS_MOST 256
#define EXCEPTIONS_LIMIT (1024 * 1024)

/* ---- names ---- */

/* One without arguments; those with arguments are known from the rules that ask for them. */
static struct fact_call
call_of(const struct replay *r, struct str name)
{
	struct fact_call call = { .entry = fact_find(&r->config->facts, name) };
	const struct fact_param *params = call.entry ? call.entry->def->params : NULL;

	if (params && params[0].name && !params[0].optional)
		call.entry = NULL;
	return call;
}

struct replay_name *
replay_name(struct replay *r, struct str name)
{
	size_t before = r->names.n, i = intern_add(&r->names, name);

	if (i < before)
		return &r->name[i];
	if (i >= r->cap_names) {
		r->cap_names = r->cap_names ? r->cap_names * 2 : 64;
		r->name = xrealloc(r->name, r->cap_names * sizeof(*r->name));
	}
	r->name[i] = (struct replay_name){ call_of(r, name) };
	return &r->name[i];
}

int64_t
replay_number(const struct json *object, const char *name)
{
	const struct json *m = json_get(object, name);

	return m && m->type == JSON_NUMBER ? record_whole(m->text) : 0;
}

/* ---- facts ---- */

/* The session's own are computed again from the session, but for those that lie in the message or the DNS. */
static bool
stands(const struct replay *r, enum step step, const struct fact_entry *entry)
{
	const struct replay_record *e = &r->entry;
	const struct fact_def *def = entry->def;

	if (r->config->part[entry->stage].stage == NULL)
		return def->from == STEP_MESSAGE || def->cost == COST_DNS;
	if (def->cost <= COST_STORE && step == STEP_MESSAGE && e->differs &&
	    def->life >= LIFE_RECIPIENT)
		return false;
	if (def->cost == COST_STORE && (e->touched || e->forced))
		return false;
	if (r->joined && replay_is_about_all(def, step))
		return false;
	if (e->era->same)
		return true;
	/* They move within a transaction: it matters where the rules ask. */
	if (r->world && def->cost == COST_STORE && replay_rests_on_tries(def->name))
		return false;
	return e->era->stages[entry->stage] &&
	    (def->cost > COST_STORE || (e->era->plans && e->trusted));
}

/* It can be asked for then; the texts come from a file, which may say anything. */
static bool
is_of(const struct fact_def *def, enum step step)
{
	return step >= def->from && step <= def->to &&
	    (def->life < LIFE_TRANSACTION || step >= STEP_MAIL);
}

static bool
is_meant(const struct fact_def *def, enum step step, unsigned lives)
{
	if ((lives & LIVES(def->life)) != 0)
		return true;
	return (lives & LIVES_NEW) != 0 && def->life < LIFE_RECIPIENT && def->from == step;
}

void
replay_facts(struct replay *r, enum step step, const struct json *facts, const struct json *lost,
    unsigned lives)
{
	struct ask ask = session_ask(&r->session, step, 0);

	if (facts == NULL || facts->type != JSON_OBJECT)
		return;
	for (const struct json *m = facts->first; m; m = m->next) {
		const struct replay_name *name = replay_name(r, m->name);
		const struct fact_entry *entry = name->call.entry;
		const struct json *failed = lost ? lost->first : NULL;
		struct value value;

		if (entry == NULL || !is_meant(entry->def, step, lives) ||
		    !is_of(entry->def, step) || !stands(r, step, entry) ||
		    !record_value(r->text, entry->def->type, m, &value))
			continue;
		while (failed && !str_eq(failed->name, m->name))
			failed = failed->next;
		fact_put(
		    &ask, &name->call, &value, failed ? (unsigned)record_whole(failed->text) : 0);
	}
}

/* ---- the entry ---- */

static enum step
step_of(const char *name)
{
	for (size_t i = 0; i < STEP_COUNT; i++)
		if (strcmp(name, step_name((enum step)i)) == 0)
			return (enum step)i;
	return STEP_CONNECT;
}

/* Each once: the trace tells an exception's number in the place of the rule, and its whole text. */
static void
read_exceptions(struct replay_record *e, const struct json *list)
{
	for (const struct json *j = list ? list->first : NULL; j; j = j->next) {
		struct str rule = json_text(j, "rule"), digits;
		uint64_t number;
		size_t i = 0;

		if (!str_starts(rule, STR(EXCEPTION_PREFIX)))
			continue;
		digits = str_sub(rule, sizeof(EXCEPTION_PREFIX) - 1, rule.n);
		if (!str_to_u64(digits, INT64_MAX, &number))
			continue;
		if (e->exceptions == NULL)
			e->exceptions =
			    exceptions_new(arena_new(EXCEPTIONS_LIMIT), EXCEPTIONS_MOST);
		while (i < e->exceptions->n && e->exceptions->item[i].number != (int64_t)number)
			i++;
		if (i == e->exceptions->n && i < EXCEPTIONS_MOST)
			exceptions_add(e->exceptions, (int64_t)number, json_text(j, "source"), 0);
	}
}

bool
replay_read(struct replay *r, const struct journal_record *record)
{
	struct replay_record *e = &r->entry;
	const struct json *trace;

	arena_reset(r->text);
	exceptions_free(&e->exceptions);
	*e = (struct replay_record){
		.record = record, .era = e->era, .step = step_of(record->step)
	};
	trace = json_parse(r->text, record->trace, NULL);
	if (trace == NULL || trace->type != JSON_ARRAY || trace->first == NULL ||
	    replay_number(trace->first, "format") != RECORD_FORMAT)
		return false;
	for (const struct json *step = trace->first->next; step; step = step->next)
		read_exceptions(e, json_get(step, "also"));
	for (const struct json *last = trace->first; last; last = last->next)
		e->cut = e->cut || json_get(last, "cut");
	e->head = trace->first;
	e->steps = trace->first->next;
	e->facts = json_parse(r->text, record->facts, NULL);
	e->recipients = json_parse(r->text, record->recipients, NULL);
	return true;
}

size_t
replay_n_recipients(const struct replay *r)
{
	const struct json *list = r->entry.recipients;
	size_t n = 0;

	for (const struct json *to = list ? list->first : NULL; to; to = to->next)
		n++;
	return n;
}

static void
begin_tls(struct session *s, const struct json *tls)
{
	struct str *const part[] = { &s->tls.version, &s->tls.cipher, &s->tls.client_cert,
		&s->tls.client_fingerprint };
	const struct json *text = tls ? tls->first : NULL;

	s->tls.on = tls != NULL;
	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]) && text; i++, text = text->next)
		*part[i] = text->text;
}

static void
begin_client(struct replay *r)
{
	const struct journal_record *record = r->entry.record;
	struct session *s = &r->session;
	struct value client = { .type = VALUE_IP };

	if (!ip_parse(record->client_ip, &s->client_ip))
		s->client_ip = (struct ip){ 0 };
	client.ip = s->client_ip;
	s->client_port = (uint16_t)replay_number(r->entry.head, "port");
	s->client_name = record->client_name;
	s->reverse_name = json_text(r->entry.head, "reverse");
	s->account = record->account;
	s->auth_mechanism = json_text(r->entry.head, "auth");
	s->trusted =
	    r->as_then ? json_yes(r->entry.head, "trusted") : list_has(r->config->trusted, &client);
	r->entry.trusted = s->trusted == json_yes(r->entry.head, "trusted");
}

/* NULL: the entry's addresses are in clear. */
static struct hashed *
hashed_of(const struct replay *r)
{
	struct str key = record_pseudonym_key(r->entry.record);
	const struct pseudonym *p = r->config->pseudonym;

	if (key.n == 0)
		return NULL;
	return p && str_eq(str_of(pseudonym_key(p)), key) ? r->ours : r->strangers;
}

/* Its two arenas stay. */
void
replay_begin(struct replay *r)
{
	const struct json *head = r->entry.head;
	struct session *s = &r->session;
	struct arena *conn = s->conn, *txn = s->txn.arena;

	arena_reset(txn);
	arena_reset(conn);
	*s = (struct session){
		.front = strcmp(r->entry.record->front, "milter") == 0 ? FRONT_MILTER : FRONT_PROXY,
		.conn = conn,
		.txn = { .arena = txn },
		.began_ms = replay_number(head, "began"),
		.turn = (enum turn)replay_number(head, "turn"),
		.hostname = str_of(r->config->core.hostname),
		.stressed = json_yes(head, "stressed"),
		.table = &r->config->facts,
		.n_stages = r->config->n_parts,
		.hashed = hashed_of(r),
		.replayed = &r->replayed,
		.exceptions = r->entry.exceptions,
		.n_messages = (unsigned)replay_number(head, "messages"),
	};
	r->plans_known = true;
	s->plans = s->hashed
	    ? hashed_plans(s->hashed, &r->config->plans, r->entry.record->account, &r->plans_known)
	    : &r->config->plans;
	str_copy(r->entry.record->session, s->id, sizeof(s->id));
	begin_tls(s, json_get(head, "tls"));
	begin_client(r);
}
