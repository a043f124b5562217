/*
 * What entries of a session leave to those behind them. Of transactions: whether `accept session` was said, and how many messages more or
 * less got through than then. Of a recipient that rules refused then and let pass now: that it may be one of the message's now, if the
 * mail server takes it, which nobody can tell. Entries of one session stand close together in the journal, so that only the
 * latest sessions are kept; where that is not enough, nothing is known.
 */
#include <stdlib.h>

#include "base/die.h"
#include "base/sip.h"
#include "rules/replay_session.h"
#include "rules/rule.h"

#define SESSIONS_KEPT 65536

struct replay_earlier {
	/* the last step at which a rule can say `accept session`; before STEP_MAIL: none that matters here */
	enum step last;
	bool
	    tells; /* a recipient can change what rules say of others, whatever facts they ask for */
	struct {
		uint64_t session; /* 0: none */
		unsigned
		    through; /* all transactions up to this one came to their end as far as that step */
		bool over;
		unsigned joined; /* the transaction to which a recipient more may belong; 0: none */
		unsigned refused; /* the last transaction whose MAIL is refused now */
		int messages;     /* more, or less */
		bool lost;        /* nobody knows how many */
	} kept[SESSIONS_KEPT];
};

static void
look(struct replay_earlier *earlier, const struct rule *rule)
{
	enum action a = rule->action;

	if (rule->observe)
		return;
	if (a == ACTION_ACCEPT_SESSION)
		earlier->last = rule->step;
	if (rule->step == STEP_RCPT &&
	    (a == ACTION_SCORE || a == ACTION_MARK || a == ACTION_ACCEPT_SESSION))
		earlier->tells = true;
}

struct replay_earlier *
replay_earlier_new(const struct ruleset *rules)
{
	struct replay_earlier *earlier = xcalloc(1, sizeof(*earlier));

	earlier->tells = rules->n_policy > 0;
	for (int step = STEP_CONNECT; step < STEP_COUNT; step++)
		for (size_t i = 0; i < rules->n[step]; i++)
			look(earlier, rules->rule[step][i]);
	return earlier;
}

static uint64_t
key_of(const struct replay *r)
{
	static const uint64_t no_secret[2];
	uint64_t word[sizeof(r->session.id) / sizeof(uint64_t) + 1] = { 0 };

	memcpy(word, r->session.id, sizeof(r->session.id));
	return sip_hash(no_secret, word, sizeof(word) / sizeof(word[0])) | 1; /* 0: none */
}

void
replay_recall(struct replay *r)
{
	const struct replay_earlier *e = r->earlier;
	struct session *s = &r->session;
	uint64_t key = key_of(r);
	size_t at = key >> 32 & (SESSIONS_KEPT - 1);
	bool known = e->kept[at].session == key;

	r->over_unknown = r->joined = r->messages_unknown = false;
	if (r->halts)
		return;
	if (r->world && known) {
		s->n_messages += (unsigned)e->kept[at].messages;
		r->messages_unknown = e->kept[at].lost;
	}
	if (r->entry.era->same || s->rules_over)
		return;
	s->rules_over = known && e->kept[at].over;
	r->over_unknown = e->last >= STEP_MAIL && !s->rules_over && s->txn.serial > 1 &&
	    !(known && e->kept[at].through + 1 >= s->txn.serial);
	r->joined = known && e->kept[at].joined == s->txn.serial;
}

bool
replay_tells_others(const struct replay *r)
{
	return (r->joined || (r->entry.mixed && r->ask.step == STEP_RCPT)) && r->earlier->tells;
}

/* A recipient that rules refused passes now, or may. */
static bool
joins(const struct replay *r, const struct replay_result *now)
{
	const struct journal_record *record = r->entry.record;

	return r->entry.step == STEP_RCPT && strcmp(record->verdict, "accept") != 0 &&
	    now->step == STEP_RCPT &&
	    (now->state == REPLAY_UNKNOWN || strcmp(now->verdict, "accept") == 0);
}

/* Nothing of the transaction can say it any more. */
static bool
is_whole(const struct replay *r, const struct replay_result *now)
{
	enum step step = r->entry.step, last = r->earlier->last;

	if (now->state != REPLAY_DECIDED)
		return false;
	return step == STEP_MESSAGE || step > last || (step == last && step != STEP_RCPT) ||
	    (now->step <= STEP_MAIL && strcmp(now->verdict, "accept") != 0);
}

/* A message that nobody has seen; or one of which nobody knows whether it does. */
static bool
may_get_through(const struct replay *r, const struct replay_result *now)
{
	if (now->state == REPLAY_UNKNOWN)
		return true;
	return r->entry.step < STEP_MESSAGE && strcmp(now->verdict, "accept") == 0 &&
	    strcmp(r->entry.record->verdict, "accept") != 0;
}

static void
claim(struct replay_earlier *e, size_t at, uint64_t key)
{
	if (e->kept[at].session == key)
		return;
	memset(&e->kept[at], 0, sizeof(e->kept[at]));
	e->kept[at].session = key;
}

bool
replay_refuses_mail(struct replay *r)
{
	struct replay_earlier *e = r->earlier;
	unsigned serial = r->session.txn.serial;
	uint64_t key = key_of(r);
	size_t at = key >> 32 & (SESSIONS_KEPT - 1);
	bool known = e->kept[at].session == key && e->kept[at].refused == serial;

	claim(e, at, key);
	e->kept[at].refused = serial;
	return !known;
}

void
replay_keep(struct replay *r, const struct replay_result *now, bool over, int messages)
{
	struct replay_earlier *e = r->earlier;
	unsigned serial = r->session.txn.serial;
	uint64_t key = key_of(r);
	size_t at = key >> 32 & (SESSIONS_KEPT - 1);

	bool lost = r->world && may_get_through(r, now);

	if (r->entry.step < STEP_MAIL ||
	    (e->last < STEP_MAIL && messages == 0 && !lost && !joins(r, now)))
		return;
	claim(e, at, key);
	e->kept[at].over = e->kept[at].over || over;
	if (is_whole(r, now) && e->kept[at].through + 1 >= serial)
		e->kept[at].through = serial;
	e->kept[at].messages += messages;
	e->kept[at].lost = e->kept[at].lost || lost;
	if (joins(r, now))
		e->kept[at].joined = serial;
}
