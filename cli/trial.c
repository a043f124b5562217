#include "cli/trial.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/resolver.h"
#include "cli/cli.h"
#include "cli/tell.h"
#include "db/store_redis.h"
#include "db/store_sqlite.h"
#include "mail/exception.h"
#include "rules/failure.h"
#include "rules/policy.h"

#define SCRATCH_LIMIT (4 * 1024 * 1024)
#define EXCEPTIONS_LIMIT (64 * 1024 * 1024)

/* A DNS question on its way. */
struct errand {
	struct trial *trial;
	struct answers *table;
	struct answer *answer;
	struct lookup lookup;
	int64_t sent_us;
};

struct trial {
	const struct config *config;
	struct event_base *base;
	struct resolver *resolver;
	struct cli_store at; /* NULL: there is none */
	struct exceptions *exceptions;
	struct arena *scratch;
	struct session session;
	struct decision decision;
	struct buf message;
	size_t waiting; /* DNS questions */
	int64_t took_us;
};

/* --- opening ------------------------------------------------------------------------------------ */

static struct resolver *
open_resolver(struct event_base *base, const struct config *config, struct err *e)
{
	struct resolver_settings settings = {
		.forward = config->resolver.forward,
		.port = config->resolver.port,
		.deadline_ms = (unsigned)config->core.dns_timeout,
	};

	if (config->resolver.host)
		str_copy(str_of(config->resolver.host), settings.host, sizeof(settings.host));
	if (config->core.trust_anchor)
		str_copy(str_of(config->core.trust_anchor), settings.trust_anchor,
		    sizeof(settings.trust_anchor));
	return resolver_new(base, &settings, e);
}

/* False: there is one, and it cannot be opened. */
static bool
open_store(struct trial *t, const char *store, struct err *e)
{
	t->at.backend = store ? &store_sqlite : &store_redis;
	if (store == NULL)
		t->at.store = cli_redis_open(t->config, true, e);
	else if (access(store, F_OK) == 0)
		t->at.store = store_sqlite_open_read(store, e);
	else
		return true;
	return t->at.store != NULL;
}

static bool
read_exceptions(struct trial *t, struct err *e)
{
	struct store_exceptions x = { .what = EXCEPTIONS_READ };
	struct store_ask one = { .exceptions = &x };
	bool ok;

	if (t->at.store == NULL)
		return true;
	x.memory = arena_new(EXCEPTIONS_LIMIT);
	ok = t->at.backend->ask(t->at.store, &one, 1, clock_wall_ms(), e);
	if (ok)
		t->exceptions = store_exceptions_take(&x);
	arena_free(&x.memory);
	t->session.exceptions = t->exceptions;
	return ok;
}

struct trial *
trial_new(const struct config *config, const char *store, struct err *e)
{
	struct trial *t = xcalloc(1, sizeof(*t));

	t->config = config;
	t->base = event_base_new();
	if (t->base == NULL)
		die("cannot make an event loop");
	t->scratch = arena_new(SCRATCH_LIMIT);
	buf_init(&t->message, (size_t)config->core.message_size);
	session_init(&t->session, FRONT_PROXY, &config->facts, config->n_parts);
	t->session.began_ms = clock_wall_ms();
	t->session.hostname = str_of(config->core.hostname);
	t->session.plans = &config->plans;
	str_copy(STR("test"), t->session.id, sizeof(t->session.id));
	t->resolver = open_resolver(t->base, config, e);
	if (t->resolver == NULL || !open_store(t, store, e) || !read_exceptions(t, e))
		trial_free(&t);
	return t;
}

void
trial_free(struct trial **trial)
{
	struct trial *t = *trial;

	if (t == NULL)
		return;
	session_free(&t->session);
	resolver_free(&t->resolver);
	cli_store_close(&t->at);
	exceptions_free(&t->exceptions);
	arena_free(&t->scratch);
	buf_free(&t->message);
	event_base_free(t->base);
	free(t);
	*trial = NULL;
}

struct session *
trial_session(struct trial *t)
{
	return &t->session;
}

bool
trial_has_store(const struct trial *t)
{
	return t->at.store != NULL;
}

int64_t
trial_took_us(const struct trial *t)
{
	return t->took_us;
}

/* --- questions ---------------------------------------------------------------------------------- */

static void
arrived(struct answers *table, struct answer *answer, int64_t sent_us)
{
	answer->state = ANSWER_HERE;
	answer->took_us = clock_mono_us() - sent_us;
	table->sent--;
}

static void
lookup_done(struct lookup *lookup)
{
	struct errand *errand = lookup->owner;

	errand->answer->dns = lookup->answer;
	arrived(errand->table, errand->answer, errand->sent_us);
	errand->trial->waiting--;
	free(errand);
}

static void
ask_dns_of(struct trial *t, struct answers *table, struct answer *answer, struct arena *arena)
{
	struct errand *errand = xcalloc(1, sizeof(*errand));

	*errand = (struct errand){ t, table, answer, .sent_us = clock_mono_us() };
	errand->lookup.name = answer->question.name;
	errand->lookup.type = answer->question.type;
	errand->lookup.arena = arena;
	errand->lookup.done = lookup_done;
	errand->lookup.owner = errand;
	t->waiting++;
	if (resolver_start(t->resolver, &errand->lookup))
		lookup_done(&errand->lookup);
}

/* As an empty store would answer. */
static void
answer_empty(struct answer *answer)
{
	const struct seen_question *q = &answer->question.seen;

	if (answer->question.kind == QUESTION_SEEN && !q->look_only)
		answer->seen = (struct seen_answer){
			.state = SEEN_FIRST, .wait = q->delay, .first = clock_wall_ms() / 1000
		};
	if (answer->question.kind == QUESTION_TAKE)
		answer->take =
		    (struct take_answer){ .granted = true, .limit = answer->question.take.limit };
}

static void
ask_store_of(struct trial *t, struct answers *table, struct answer *answer)
{
	struct store_ask ask = { &answer->question, answer };
	int64_t sent_us = clock_mono_us();
	struct err e;

	if (t->at.store)
		answer->failed = !t->at.backend->ask(t->at.store, &ask, 1, clock_wall_ms(), &e);
	else
		answer_empty(answer);
	arrived(table, answer, sent_us);
}

/* Sends what is noted; true: there was something. */
static bool
send_noted(struct trial *t, struct answers *table, struct arena *arena)
{
	bool any = false;

	for (struct answer *a = table->first; a; a = a->next) {
		if (a->state != ANSWER_NOTED)
			continue;
		any = true;
		a->state = ANSWER_SENT;
		table->noted--;
		table->sent++;
		if (a->question.kind == QUESTION_DNS)
			ask_dns_of(t, table, a, arena);
		else
			ask_store_of(t, table, a);
	}
	return any;
}

/* Asks what is noted and waits for all of it; each question has its own deadline. */
static bool
ask_noted(struct trial *t)
{
	struct session *s = &t->session;
	bool conn = send_noted(t, &s->answers, s->conn);
	bool txn = send_noted(t, &s->txn.answers, s->txn.arena);

	while (t->waiting > 0)
		event_base_loop(t->base, EVLOOP_ONCE);
	return conn || txn;
}

/* --- playing ------------------------------------------------------------------------------------ */

const struct decision *
trial_decide(struct trial *t, enum step step)
{
	int64_t now = clock_wall_ms() / 1000, began_us = clock_mono_us();
	const struct ruleset *rules = t->config->ruleset;
	enum progress progress;

	do {
		struct ask ask = session_ask(&t->session, step, now);

		arena_reset(t->scratch);
		t->decision = (struct decision){ 0 };
		progress = ruleset_decide(rules, &ask, t->scratch, &t->decision);
		if (progress == DONE)
			progress = policy_decide(rules, &ask, t->scratch, &t->decision);
		if (progress == PENDING && !ask_noted(t)) {
			failure_of_stage(&t->config->core, t->scratch, &t->decision);
			break;
		}
	} while (progress == PENDING);
	if (t->decision.delay > t->config->core.delay_budget)
		t->decision.delay = t->config->core.delay_budget;
	failure_judge(&t->config->core, t->scratch, &t->decision);
	decision_apply(&t->session, &t->decision);
	t->took_us = clock_mono_us() - began_us;
	return &t->decision;
}

static void
tell(struct trial *t, enum stage_event event)
{
	tell_stages(t->config, &t->session, event, clock_wall_ms() / 1000);
	ask_noted(t);
}

void
trial_rcpt_taken(struct trial *t)
{
	struct transaction *txn = &t->session.txn;

	txn->open = true;
	txn->current->state = RECIPIENT_ACCEPTED;
	txn->n_accepted++;
	tell(t, EVENT_RCPT_TAKEN);
	txn->current = NULL;
}

/* --- the message -------------------------------------------------------------------------------- */

static struct str
message_at(void *owner, uint64_t offset)
{
	struct trial *t = owner;

	return str_sub(buf_str(&t->message), (size_t)offset, t->message.n);
}

/* Lines get the CRLF that they would have on their way. */
static void
add_run(struct trial *t, struct str run, char *last)
{
	for (size_t i = 0; i < run.n; i++) {
		if (run.p[i] == '\n' && *last != '\r')
			buf_addc(&t->message, '\r');
		buf_addc(&t->message, run.p[i]);
		*last = run.p[i];
	}
}

static bool
read_message(struct trial *t, const char *path, struct err *e)
{
	FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	char run[65536], last = '\n';
	size_t n;
	bool ok;

	if (file == NULL)
		return err_set(e, ERR_SYSTEM, "%s: %s", path, strerror(errno));
	while (!t->message.over && (n = fread(run, 1, sizeof(run), file)) > 0)
		add_run(t, (struct str){ run, n }, &last);
	ok = !ferror(file);
	if (!ok)
		err_set(e, ERR_SYSTEM, "%s: %s", path, strerror(errno));
	if (file != stdin)
		fclose(file);
	if (t->message.over)
		return err_set(e, ERR_LIMIT, "%s: is larger than message_size (%lld octets)", path,
		    (long long)t->config->core.message_size);
	if (last != '\n')
		add_run(t, STR("\n"), &last);
	return ok;
}

bool
trial_message(struct trial *t, const char *path, struct err *e)
{
	struct message *m = &t->session.txn.message;
	bool too_many = false;
	size_t body;

	if (!read_message(t, path, e))
		return false;
	*m = (struct message){ .at = message_at, .owner = t, .size = t->message.n };
	header_split(
	    t->session.txn.arena, buf_str(&t->message), true, &m->header, &body, &too_many);
	if (too_many)
		return err_set(
		    e, ERR_LIMIT, "%s: has more than %d header fields", path, HEADER_FIELDS_MAX);
	m->body = body;
	m->complete = true;
	tell(t, EVENT_HEADER);
	if (m->size > m->body)
		tell(t, EVENT_BODY);
	return true;
}
