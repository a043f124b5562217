/*
 * What replay follows, against what would have been: the same random mail of two days goes twice through stages, rules and a store of its
 * own, once under the rules of the time and once under others. What the journal of the first run, replayed under the
 * others, comes to has to be what the second run came to, message by message. Time is the test's own.
 */
#include "rules/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/die.h"
#include "cli/replayed.h"
#include "cli/tell.h"
#include "db/dbfile.h"
#include "db/store_sqlite.h"
#include "proxy/gate_record.h"
#include "rules/failure.h"
#include "rules/policy.h"
#include "tests/proxy/load.h"

#define MESSAGES 4000
#define RECIPIENTS 3
#define BEGAN INT64_C(1796100000)

/* What became of a message. */
struct fate {
	bool in, unknown;
	unsigned lost; /* recipients that were let in under the first rules, and were refused */
};

struct mail {
	int64_t time;
	char client[16], helo[16], sender[32], recipient[RECIPIENTS][32];
	unsigned n;
};

/* One run. */
struct run {
	const struct config *config;
	struct store *store;
	struct session session;
	struct gate_story story;
	struct arena *scratch;
	int64_t now;
	struct journal_record *record; /* of the message, when it is over */
	unsigned refused;
};

struct world {
	struct folder folder;
	struct mail mail[MESSAGES];
	struct journal_record *record[MESSAGES];
	uint64_t random;
};

/* All is asked of every message, whatever refuses it: what nobody asked for is unknown. */
static const char before[] =
    "trust 10.0.0.0/8\n"
    "greylist { delay 1m; longest 3m; retry within 6h; remember 1d; use spf off; use dkim off; use name off; network proven after 40 }\n"
    "at rcpt {\n"
    "  mark busy if rate(recipient, messages, 1h) > 2\n"
    "}\n"
    "at message {\n"
    "  mark new if not seen(helo)\n"
    "  mark grey if greylist is waiting\n"
    "  mark slow if rate(client, recipients, 1h) > 14\n"
    "  mark much if rate(claimed, messages, 1d) > 220\n"
    "  mark sudden if rate(client, messages, 1h) > 4\n"
    "  tempfail 451 4.7.1 \"Later\" if marked grey\n"
    "  tempfail 450 4.7.1 \"Busy\" if marked busy\n"
    "  tempfail 450 4.7.1 \"Slow\" if marked slow or marked much or (marked sudden and marked new)\n"
    "  reject 550 5.7.1 \"Not you\" if client is 10.0.0.3\n"
    "}\n";

/* --- the mail ------------------------------------------------------------------------------------- */

static unsigned
chance(struct world *w, unsigned sides)
{
	w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(w->random >> 33) % sides;
}

static void
make_mail(struct world *w, struct mail *m, int64_t time)
{
	bool out = chance(w, 4) == 0;

	m->time = time;
	snprintf(m->client, sizeof(m->client), out ? "10.0.0.%u" : "192.0.%u.7", 1 + chance(w, 9));
	snprintf(m->helo, sizeof(m->helo), "h%u.test", chance(w, 12));
	m->n = 1 + chance(w, RECIPIENTS);
	snprintf(m->sender, sizeof(m->sender), out ? "<u%u@example.org>" : "<f%u@corr.test>",
	    chance(w, 25));
	for (unsigned i = 0; i < m->n; i++)
		snprintf(m->recipient[i], sizeof(m->recipient[i]),
		    out ? "<f%u@corr.test>" : "<u%u@example.org>", i * 8 + chance(w, 8));
}

static int
set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	int64_t time = BEGAN;

	folder_make(&w->folder);
	w->random = 7;
	for (size_t i = 0; i < MESSAGES; i++) {
		time += 1 + chance(w, 90);
		make_mail(w, &w->mail[i], time);
	}
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < MESSAGES; i++)
		free(w->record[i]);
	folder_remove(&w->folder);
	free(w);
	return 0;
}

/* --- a message under rules ------------------------------------------------------------------------ */

/* Asks the store what was noted. */
static void
answer(struct run *r, struct answers *table)
{
	for (struct answer *a = table->first; a && table->noted > 0; a = a->next) {
		struct store_ask one = { .question = &a->question, .answer = a };
		struct err e;

		if (a->state != ANSWER_NOTED)
			continue;
		assert_int_not_equal(a->question.kind, QUESTION_DNS);
		assert_true(store_sqlite.ask(r->store, &one, 1, r->now * 1000, &e));
		a->state = ANSWER_HERE;
		table->noted--;
	}
}

static void
answer_all(struct run *r)
{
	answer(r, &r->session.answers);
	answer(r, &r->session.txn.answers);
}

static void
tell(struct run *r, enum stage_event event)
{
	tell_stages(r->config, &r->session, event, r->now);
}

/* True: the rules let it pass. */
static bool
decide(struct run *r, enum step step)
{
	struct session *s = &r->session;
	struct decision d;
	bool passes;

	for (;;) {
		struct ask ask = session_ask(s, step, r->now);

		arena_reset(r->scratch);
		if (ruleset_decide(r->config->ruleset, &ask, r->scratch, &d) == DONE &&
		    policy_decide(r->config->ruleset, &ask, r->scratch, &d) == DONE)
			break;
		answer_all(r);
	}
	failure_judge(&r->config->core, r->scratch, &d);
	passes = d.verdict.kind != VERDICT_TEMPFAIL && d.verdict.kind != VERDICT_REJECT;
	if (passes) {
		gate_story_add(&r->story, s, step, &d);
		decision_apply(s, &d);
	} else if (step != STEP_RCPT) {
		r->record = gate_record_refusal(s, step, &d.verdict, &d, &r->story);
	}
	return passes;
}

static void
mailbox_of(const char *path, struct mailbox *out)
{
	struct str rest = str_of(path);

	assert_true(mailbox_take(&rest, true, true, out, NULL));
}

static void
play_recipients(struct run *r, const struct mail *m)
{
	struct session *s = &r->session;
	struct mailbox mailbox;

	for (unsigned i = 0; i < m->n; i++) {
		struct recipient *to;

		mailbox_of(m->recipient[i], &mailbox);
		to = session_rcpt(s, &mailbox);
		to->state = RECIPIENT_REFUSED;
		if (decide(r, STEP_RCPT)) {
			to->state = RECIPIENT_ACCEPTED;
			s->txn.n_accepted++;
			tell(r, EVENT_RCPT_TAKEN);
		} else {
			r->refused++;
		}
		s->txn.current = NULL;
		answer_all(r);
	}
}

static bool
play_session(struct run *r, const struct mail *m)
{
	struct session *s = &r->session;
	struct mailbox sender;

	if (!decide(r, STEP_CONNECT))
		return false;
	session_helo(s, str_of(m->helo), true);
	if (!decide(r, STEP_HELO))
		return false;
	mailbox_of(m->sender, &sender);
	session_mail(s, &sender);
	if (!decide(r, STEP_MAIL))
		return false;
	s->txn.open = true;
	play_recipients(r, m);
	if (s->txn.n_accepted == 0)
		return false;
	s->txn.message = (struct message){ .size = 1000, .complete = true };
	if (!decide(r, STEP_MESSAGE))
		return false;
	tell(r, EVENT_ACCEPTED);
	r->record = gate_record_accepted(s, STR("2.0.0 Ok"), STR(""), &r->story);
	return true;
}

static struct fate
play(struct run *r, const struct mail *m)
{
	struct session *s = &r->session;
	struct value client = { .type = VALUE_IP };
	struct fate fate;

	session_init(s, FRONT_PROXY, &r->config->facts, r->config->n_parts);
	str_copy(STR("simulated"), s->id, sizeof(s->id));
	s->plans = &r->config->plans;
	s->hostname = str_of(r->config->core.hostname);
	assert_true(ip_parse(str_of(m->client), &s->client_ip));
	client.ip = s->client_ip;
	s->trusted = list_has(r->config->trusted, &client);
	s->client_name = STR("client.test");
	s->began_ms = m->time * 1000;
	r->now = m->time;
	r->story = (struct gate_story){ .config = r->config, .now = m->time };
	r->refused = 0;
	fate.in = play_session(r, m);
	fate.lost = r->refused;
	if (s->txn.stage_state)
		tell(r, EVENT_OVER);
	answer_all(r);
	if (r->record)
		r->record->time_ms = m->time * 1000;
	session_free(s);
	return fate;
}

/* All mail under these rules; records: of each message, NULL: they are not wanted. */
static void
play_all(struct world *w, const char *rules, struct journal_record **records, struct fate *fates)
{
	struct config *config = load_config(&w->folder, 53, rules);
	struct run r = { .config = config, .scratch = arena_new(1 << 20) };
	struct err e;

	r.store = store_sqlite.open(DBFILE_MEMORY, &e);
	assert_non_null(r.store);
	for (size_t i = 0; i < MESSAGES; i++) {
		fates[i] = play(&r, &w->mail[i]);
		if (records)
			records[i] = r.record;
		else
			free(r.record);
		r.record = NULL;
	}
	store_sqlite.close(&r.store);
	arena_free(&r.scratch);
	config_release(&config);
}

/* --- replayed --------------------------------------------------------------------------------------- */

static void
replay_all(struct world *w, const char *rules, bool frozen, struct fate *fates)
{
	struct config *then = load_config(&w->folder, 53, before);
	struct config *config = load_config(&w->folder, 53, rules);
	struct replay *replay = replay_new(config, frozen ? NULL : replayed_tell);
	struct buf text;

	buf_init(&text, 1 << 20);
	record_configuration(then, &text);
	replay_configuration(replay, str_of(then->revision), buf_str(&text));
	for (size_t i = 0; i < MESSAGES; i++) {
		struct replay_result now;

		replay_entry(replay, w->record[i], &now);
		fates[i].unknown = now.state == REPLAY_UNKNOWN;
		if (fates[i].unknown)
			continue;
		assert_int_equal(now.state, REPLAY_DECIDED);
		fates[i].in = strcmp(now.verdict, "accept") == 0 ||
		    (now.step == STEP_RCPT && now.refused < now.recipients);
		fates[i].lost = now.refused;
	}
	buf_free(&text);
	replay_free(&replay);
	config_release(&config);
	config_release(&then);
}

/* A rule more, and behind what it is put. */
static const struct row {
	const char *name, *behind, *rule;
	unsigned
	    followed; /* messages at least that fare otherwise for what became of others before */
	bool unknown; /* somebody known is not any more, and nobody asked the greylist for him */
} rows[] = {
	{ "nothing", "", "", 0 },
	{ "a sender is refused", "at mail {",
	    "reject 550 5.7.1 \"x\" if sender is \"f3@corr.test\"", 50 },
	{ "clients are refused at once", "at connect {",
	    "reject 554 5.7.1 \"x\" if client in { 192.0.3.7, 192.0.4.7 }", 50 },
	{ "single recipients are refused", "at rcpt {",
	    "reject 550 5.7.1 \"x\" if recipient in { \"u1@example.org\", \"u9@example.org\" }",
	    50 },
	{ "own users may not write", "at connect {", "reject 554 5.7.1 \"x\" if client is 10.0.0.2",
	    20 },
	{ "own users may not write to some", "at rcpt {",
	    "reject 550 5.7.1 \"x\" if client.trusted and recipient in { \"f1@corr.test\", \"f9@corr.test\" }",
	    5, true },
	{ "names may not be used", "at helo {",
	    "reject 550 5.7.1 \"x\" if helo in { \"h1.test\", \"h2.test\" } and not client.trusted",
	    50 },
	{ "an own user may write", "at message {", "accept if client is 10.0.0.3 and not tls", 50 },
	{ "whoever was refused is let in", "> 4\n", "accept if helo is \"h4.test\"", 50 },
};

static char *
rules_of(const struct row *row)
{
	const char *at = strstr(before, row->behind);
	size_t size = sizeof(before) + 400;
	char *text = xmalloc(size);

	if (row->behind[0] == '\0')
		snprintf(text, size, "%s# the same\n", before);
	else if (at == NULL)
		snprintf(text, size, "%s%s %s }\n", before, row->behind, row->rule);
	else
		snprintf(text, size, "%.*s%s %s\n%s", (int)(at - before), before, row->behind,
		    row->rule, at + strlen(row->behind));
	return text;
}

static bool
same(const struct fate *a, const struct fate *b)
{
	return a->in == b->in && (a->lost == b->lost || !a->in);
}

/* Each fares as it would have, or that is not known. */
static void
compare(const struct world *w, const struct row *row, const struct fate *would,
    const struct fate *frozen, const struct fate *replayed)
{
	unsigned followed = 0, unknown = 0;

	for (size_t i = 0; i < MESSAGES; i++) {
		followed += !same(&would[i], &frozen[i]);
		unknown += replayed[i].unknown;
		if (!replayed[i].unknown && !same(&would[i], &replayed[i]))
			fail_msg("%s: %zu from %s would be in %d, lose %u, not %d, %u", row->name,
			    i, w->mail[i].sender, would[i].in, would[i].lost, replayed[i].in,
			    replayed[i].lost);
	}
	print_message("%s: %u fare otherwise for what became of others, of %u it is not known\n",
	    row->name, followed, unknown);
	assert_true(followed >= row->followed);
	assert_int_equal(unknown > 0, row->unknown);
}

static void
test_what_would_have_been(void **state)
{
	static struct fate would[MESSAGES], frozen[MESSAGES], replayed[MESSAGES];
	struct world *w = *state;
	unsigned in = 0;

	play_all(w, before, w->record, would);
	for (size_t i = 0; i < MESSAGES; i++)
		in += would[i].in;
	print_message("%u of %u let in\n", in, MESSAGES);
	assert_true(in > MESSAGES / 5);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *rules = rules_of(&rows[i]);

		play_all(w, rules, NULL, would);
		replay_all(w, rules, true, frozen);
		replay_all(w, rules, false, replayed);
		compare(w, &rows[i], would, frozen, replayed);
		free(rules);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_would_have_been),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
