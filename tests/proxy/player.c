#include "tests/proxy/player.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cli/tell.h"
#include "db/dbfile.h"
#include "db/store_sqlite.h"
#include "rules/failure.h"
#include "rules/policy.h"

void
player_init(struct player *p, const struct config *config)
{
	struct err e;

	*p = (struct player){ .config = config, .scratch = arena_new(4 << 20) };
	p->store = store_sqlite.open(DBFILE_MEMORY, &e);
	assert_non_null(p->store);
}

void
player_free(struct player *p)
{
	store_sqlite.close(&p->store);
	arena_free(&p->scratch);
}

/* ---- what is asked ---- */

/* The same for the same name at all times, and something else for others. */
static unsigned
side(const struct question *q, unsigned sides)
{
	return (unsigned)(str_hash(q->type, q->name) >> 7) % sides;
}

static struct dns_rr
rr(struct str data)
{
	return (struct dns_rr){ .data = data };
}

static struct str
txt_of(const struct question *q)
{
	static const char *const spf[] = { "v=spf1 ip4:192.0.2.0/24 -all", "v=spf1 -all",
		"v=spf1 a mx ~all", "v=spf1 include:inner.test ?all",
		"v=spf1 exists:%{l}.e.test -all", "v=spf1 ptr -all", "v=spf1 redirect=other.test",
		"v=spf1 nonsense" };
	static const char *const dmarc[] = { "v=DMARC1; p=reject; t=y", "v=DMARC1; p=quarantine",
		"v=DMARC1; p=none; adkim=s", "v=DMARC1; p=reject; psd=y" };

	if (str_starts(q->name, STR("_dmarc.")))
		return str_of(dmarc[side(q, 4)]);
	return str_of(spf[side(q, 8)]);
}

static void
answer_dns(struct answer *a, struct arena *arena)
{
	static const char address[4] = { (char)192, 0, 2, 1 }, listed[4] = { 127, 0, 0, 2 };
	const struct question *q = &a->question;
	struct dns_answer *dns = &a->dns;
	unsigned s = side(q, 10);

	*dns = (struct dns_answer){ .status = DNS_OK, .ttl = 300 };
	if (s == 0)
		*dns = (struct dns_answer){ .status = DNS_TEMPFAIL, .why = "timeout" };
	else if (s == 1 || q->type == DNS_AAAA)
		dns->status = DNS_NODATA;
	else if (s == 2)
		dns->status = DNS_NXDOMAIN;
	if (dns->status != DNS_OK)
		return;
	dns->n = 1;
	dns->rr = ARENA_NEW(arena, struct dns_rr);
	if (q->type == DNS_TXT)
		*dns->rr = rr(txt_of(q));
	else if (q->type == DNS_A)
		*dns->rr = rr((struct str){
		    str_ends(q->name, STR("bl.test")) && side(q, 3) ? listed : address, 4 });
	else
		*dns->rr = rr(side(q, 2) ? STR("host.dyn.test") : STR("mx.host.test"));
	dns->rr->preference = q->type == DNS_MX ? 10 : 0;
}

static void
answer(struct player *p, struct answers *table, struct arena *arena)
{
	for (struct answer *a = table->first; a && table->noted > 0; a = a->next) {
		struct store_ask one = { .question = &a->question, .answer = a };
		struct err e;

		if (a->state != ANSWER_NOTED)
			continue;
		if (a->question.kind == QUESTION_DNS)
			answer_dns(a, arena);
		else
			assert_true(store_sqlite.ask(p->store, &one, 1, p->now * 1000, &e));
		a->state = ANSWER_HERE;
		table->noted--;
	}
}

static void
answer_all(struct player *p)
{
	answer(p, &p->session.answers, p->session.conn);
	answer(p, &p->session.txn.answers, p->session.txn.arena);
}

static void
tell(struct player *p, enum stage_event event)
{
	if (p->session.txn.stage_state)
		tell_stages(p->config, &p->session, event, p->now);
	answer_all(p);
}

/* ---- what happens ---- */

static void
record(struct player *p, struct journal_record *r)
{
	r->time_ms = p->now * 1000;
	if (p->record)
		p->record(p->owner, r);
	else
		free(r);
}

void
player_open(struct player *p, const char *id, const char *client)
{
	struct session *s = &p->session;
	struct value ip = { .type = VALUE_IP };

	session_init(s, FRONT_PROXY, &p->config->facts, p->config->n_parts);
	str_copy(str_of(id), s->id, sizeof(s->id));
	s->plans = &p->config->plans;
	s->pseudonym = p->config->pseudonym;
	s->hostname = str_of(p->config->core.hostname);
	assert_true(ip_parse(str_of(client), &s->client_ip));
	ip.ip = s->client_ip;
	s->trusted = list_has(p->config->trusted, &ip);
	s->began_ms = p->now * 1000;
	p->story = (struct gate_story){ .config = p->config };
}

void
player_close(struct player *p)
{
	tell(p, EVENT_OVER);
	session_free(&p->session);
}

bool
player_decide(struct player *p, enum step step)
{
	struct session *s = &p->session;
	struct decision d;
	bool passes;

	s->exceptions = p->exceptions;
	p->story.now = p->now;
	for (;;) {
		struct ask ask = session_ask(s, step, p->now);

		arena_reset(p->scratch);
		d = (struct decision){ 0 };
		if (ruleset_decide(p->config->ruleset, &ask, p->scratch, &d) == DONE &&
		    policy_decide(p->config->ruleset, &ask, p->scratch, &d) == DONE)
			break;
		answer_all(p);
	}
	failure_judge(&p->config->core, p->scratch, &d);
	s->exceptions = NULL;
	p->verdict = d.verdict;
	passes = d.verdict.kind != VERDICT_TEMPFAIL && d.verdict.kind != VERDICT_REJECT;
	if (!passes) {
		record(p, gate_record_refusal(s, step, &d.verdict, &d, &p->story));
		if (d.verdict.kind == VERDICT_REJECT && step >= STEP_MAIL)
			tell(p, EVENT_REFUSED);
		return false;
	}
	gate_story_add(&p->story, s, step, &d);
	if (d.observed.kind == VERDICT_TEMPFAIL || d.observed.kind == VERDICT_REJECT)
		record(p, gate_record_observed(s, step, &d, &p->story));
	decision_apply(s, &d);
	return true;
}

static void
mailbox_of(const char *path, struct mailbox *out)
{
	struct str rest = str_of(path);

	assert_true(mailbox_take(&rest, true, true, out, NULL));
}

void
player_mail(struct player *p, const char *path)
{
	struct mailbox sender;

	mailbox_of(path, &sender);
	player_reset(p);
	session_mail(&p->session, &sender);
}

void
player_rcpt(struct player *p, const char *path)
{
	struct mailbox mailbox;

	mailbox_of(path, &mailbox);
	session_rcpt(&p->session, &mailbox);
}

void
player_rcpt_done(struct player *p, enum recipient_state state)
{
	struct session *s = &p->session;

	s->txn.current->state = state;
	if (state == RECIPIENT_ACCEPTED) {
		s->txn.n_accepted++;
		tell(p, EVENT_RCPT_TAKEN);
	} else if (state == RECIPIENT_UNKNOWN) {
		s->txn.n_unknown++;
		tell(p, EVENT_RCPT_UNKNOWN);
		record(p, gate_record_backend(s, STEP_RCPT, 550, STR("nobody"), &p->story));
	}
	s->txn.current = NULL;
}

static struct str
message_at(void *owner, uint64_t offset)
{
	return str_sub(*(struct str *)owner, (size_t)offset, SIZE_MAX);
}

void
player_message(struct player *p, struct str *text)
{
	struct session *s = &p->session;
	struct message *m = &s->txn.message;
	bool too_many;
	size_t body;

	*m = (struct message){ .at = message_at, .owner = text, .size = text->n };
	header_split(s->txn.arena, *text, true, &m->header, &body, &too_many);
	m->body = body;
	m->complete = true;
	tell(p, EVENT_HEADER);
	tell(p, EVENT_BODY);
}

void
player_accepted(struct player *p)
{
	struct session *s = &p->session;

	tell(p, EVENT_OFFERED);
	tell(p, EVENT_ACCEPTED);
	record(p, gate_record_accepted(s, STR("2.0.0 Ok"), STR(""), &p->story));
	s->n_messages++;
}

void
player_reset(struct player *p)
{
	tell(p, EVENT_OVER);
	gate_story_reset(&p->story);
	session_reset(&p->session);
}
