#include "tests/proxy/sessions.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SHARE(percent) (chance(w) % 100 < (percent))

static const char settings[] =
    "trust 10.0.0.0/8\n"
    "greylist { delay 1s; longest 3s }\n"
    "list traps { \"trap@example.org\" }\n"
    "list strict { \"strict@example.org\" }\n"
    "define nobody = sender.null and not marked clumsy\n"
    "plan house { 400 messages per hour; 3 recipients per message; for clients in { 192.0.2.5 } }\n";

/* The first line is number 10. */
const char world_rules[] =
    "at connect {\n"
    "  accept session if client in trusted\n"
    "  reject 554 5.7.1 \"No ${client.ip}\" if client is 192.0.2.66\n"
    "}\n"
    "at helo {\n"
    "  accept session if helo is \"friend.test\"\n"
    "  reject 550 5.7.1 \"Bad\" if helo is \"bad.test\" and not tls\n"
    "}\n"
    "at mail {\n"
    "  observe reject 550 5.7.1 \"Not yet\" if sender.local is \"watched\"\n"
    "  mark clumsy if errors > 1\n"
    "  score 1 if marked clumsy or sender.null\n"
    "  reject 550 5.7.23 \"SPF: ${spf.explanation}\" if spf is fail and helo is not \"lenient.test\"\n"
    "  tempfail 451 4.4.3 \"DNS\" if spf is temperror\n"
    "  tempfail 450 4.7.1 \"Enough\" if client is 192.0.2.77 and rate(client, messages, 1h) > 9\n"
    "  tempfail 450 4.7.1 \"Slow\" if rate(client, messages, 1h) > 1500 and surge(client) < 1\n"
    "}\n"
    "at rcpt {\n"
    "  tempfail 451 4.7.1 \"In ${greylist.wait}\" if recipient is \"grey@example.org\" and greylist is waiting\n"
    "  reject 550 5.7.1 \"Used up\" if quota is over\n"
    "  if recipient in traps {\n"
    "    score 1\n"
    "    mark trapped\n"
    "  } else if nobody {\n"
    "    mark bounced\n"
    "  } else {\n"
    "    mark usual\n"
    "  }\n"
    "  tempfail 452 4.5.3 \"Many\" if recipients > 3\n"
    "  tempfail 450 4.7.1 \"Guessing\" if unknown_share(client, 1h) > 90 and recipients.unknown > 2\n"
    "}\n"
    "at message {\n"
    "  reject 550 5.7.9 \"Score\" if score >= 3\n"
    "  for recipients in strict {\n"
    "    reject 550 5.7.9 \"Strict\" if sender.domain is \"x.test\"\n"
    "  }\n"
    "  reject 550 5.7.9 \"From\" if from.count > 1 or from.domain contains \"evil.test\"\n"
    "  observe tempfail 451 4.7.1 \"Trap\" if marked trapped and dkim is none\n"
    "  tempfail 451 4.7.1 \"Huge\" if message.size > 900 and header.count < 2\n"
    "}\n";

/* ---- chance ---- */

static unsigned
chance(struct world *w)
{
	w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(w->random >> 33);
}

#define ONE_OF(list) ((list)[chance(w) % (sizeof(list) / sizeof((list)[0]))])

/* ---- the gate ---- */

struct config *
world_load(struct world *w, const char *text)
{
	char whole[8192];

	if (w->hashed)
		snprintf(whole, sizeof(whole), "journal addresses hashed \"%s\"\n%s%s",
		    folder_file(&w->folder, "key"), settings, text);
	else
		snprintf(whole, sizeof(whole), "%s%s", settings, text);
	return load_config(&w->folder, w->port, whole);
}

static void
resume(void *owner)
{
	event_base_loopbreak(((struct world *)owner)->base);
}

static void
write_key(struct world *w)
{
	FILE *f = fopen(folder_file(&w->folder, "key"), "w");

	assert_non_null(f);
	fputs("0123456789abcdef0123456789abcdef", f);
	fclose(f);
}

void
world_begin(struct world *w, bool hashed)
{
	struct db_settings db = { .folder = w->folder.path };
	struct config *config;
	struct err e;

	*w = (struct world){ .random = 1, .hashed = hashed };
	folder_make(&w->folder);
	write_key(w);
	w->base = event_base_new();
	w->port = names_start(&w->names, w->base);
	config = world_load(w, world_rules);
	w->db = db_start(&db, &e);
	assert_non_null(w->db);
	w->gate = gate_new(w->base, w->db, config, &e);
	assert_non_null(w->gate);
	config_release(&config);
}

void
world_end(struct world *w)
{
	gate_free(&w->gate);
	if (w->db)
		db_stop(&w->db);
	names_stop(&w->names);
	event_base_free(w->base);
	folder_remove(&w->folder);
}

/* True: the step lets it pass. */
static bool
decide(struct world *w, enum step step)
{
	struct verdict v;

	while (gate_decide(w->gs, step, &v) != DONE)
		event_base_dispatch(w->base);
	return v.kind != VERDICT_TEMPFAIL && v.kind != VERDICT_REJECT;
}

/* ---- a session ---- */

static void
mailbox_of(const char *path, struct mailbox *out)
{
	struct str rest = str_of(path);

	assert_true(mailbox_take(&rest, true, true, out, NULL));
}

static void
play_recipient(struct world *w)
{
	static const char *const paths[] = { "<a@example.org>", "<b@example.org>",
		"<grey@example.org>", "<trap@example.org>", "<strict@example.org>",
		"<unknown@example.org>", "<away@example.org>" };
	struct session *s = gate_session(w->gs);
	struct mailbox mailbox;
	struct recipient *to;

	mailbox_of(ONE_OF(paths), &mailbox);
	to = session_rcpt(s, &mailbox);
	if (!decide(w, STEP_RCPT)) {
		to->state = RECIPIENT_REFUSED;
	} else if (str_eq(mailbox.local, STR("unknown"))) {
		to->state = RECIPIENT_UNKNOWN;
		s->txn.n_unknown++;
		gate_event(w->gs, EVENT_RCPT_UNKNOWN);
		gate_backend_refused(w->gs, STEP_RCPT, 550, STR("nobody"));
	} else if (str_eq(mailbox.local, STR("away"))) {
		gate_backend_refused(w->gs, STEP_RCPT, 451, STR("away"));
		to->state = RECIPIENT_REFUSED;
	} else {
		to->state = RECIPIENT_ACCEPTED;
		s->txn.n_accepted++;
		gate_event(w->gs, EVENT_RCPT_TAKEN);
	}
	s->txn.current = NULL;
}

static struct str
message_at(void *owner, uint64_t offset)
{
	return str_sub(*(struct str *)owner, (size_t)offset, SIZE_MAX);
}

/* True: the rules let it pass. */
static bool
take_message(struct world *w, struct str *text)
{
	struct session *s = gate_session(w->gs);
	struct message *m = &s->txn.message;
	bool too_many;
	size_t body;

	*m = (struct message){ .at = message_at, .owner = text, .size = text->n };
	header_split(s->txn.arena, *text, true, &m->header, &body, &too_many);
	m->body = body;
	m->complete = true;
	gate_event(w->gs, EVENT_HEADER);
	gate_event(w->gs, EVENT_BODY);
	return decide(w, STEP_MESSAGE);
}

static struct str messages[] = {
	{ "From: a@good.test\r\nSubject: x\r\n\r\nHello\r\n", 40 },
	{ "From: a@evil.test\r\n\r\nHello\r\n", 28 },
	{ "From: a@good.test\r\nFrom: b@good.test\r\n\r\nHello\r\n", 47 },
};

static void
play_message(struct world *w)
{
	struct session *s = gate_session(w->gs);

	if (!take_message(w, &messages[SHARE(80) ? 0 : chance(w) % 3]))
		return;
	if (SHARE(5)) {
		gate_backend_refused(w->gs, STEP_MESSAGE, 451, STR("full"));
		return;
	}
	w->of_score_2 += !s->rules_over && s->txn.score == 2;
	gate_accepted(w->gs, STR("2.0.0 Ok"));
}

void
world_play_one(
    struct world *w, const char *client, const char *helo, const char *from, const char *rcpt)
{
	struct recipient *to;
	struct mailbox mailbox;
	struct session *s;

	w->gs = gate_open(w->gate, FRONT_PROXY, resume, w);
	s = gate_session(w->gs);
	assert_true(ip_parse(str_of(client), &s->client_ip));
	assert_true(decide(w, STEP_CONNECT));
	session_helo(s, str_of(helo), true);
	assert_true(decide(w, STEP_HELO));
	mailbox_of(from, &mailbox);
	session_mail(s, &mailbox);
	if (decide(w, STEP_MAIL)) {
		s->txn.open = true;
		mailbox_of(rcpt, &mailbox);
		to = session_rcpt(s, &mailbox);
		if (decide(w, STEP_RCPT)) {
			to->state = RECIPIENT_ACCEPTED;
			s->txn.n_accepted++;
			gate_event(w->gs, EVENT_RCPT_TAKEN);
			s->txn.current = NULL;
			assert_true(take_message(w, &messages[0]));
			gate_accepted(w->gs, STR("2.0.0 Ok"));
		}
	}
	gate_close(&w->gs);
}

static void
play_transaction(struct world *w)
{
	static const char *const paths[] = { "<a@good.test>", "<watched@good.test>", "<>",
		"<a@x.test>", "<a@fail.test>", "<a@broken.test>", "<b@ours.test>" };
	struct session *s = gate_session(w->gs);
	struct mailbox sender;

	mailbox_of(ONE_OF(paths), &sender);
	gate_reset(w->gs);
	session_mail(s, &sender);
	s->txn.size_declared = chance(w) % 1000;
	if (!decide(w, STEP_MAIL))
		return;
	s->txn.open = true;
	for (unsigned n = 1 + chance(w) % 4; n > 0; n--)
		play_recipient(w);
	s->n_errors += SHARE(10);
	if (s->txn.n_accepted > 0 && SHARE(95))
		play_message(w);
}

void
world_play_session(struct world *w)
{
	static const char *const clients[] = { "192.0.2.1", "192.0.2.5", "192.0.2.66", "10.1.2.3",
		"198.51.100.7", "2001:db8::1" };
	static const char *const names[] = { "mx.test", "lenient.test", "friend.test", "bad.test" };
	static const struct session_tls tls = { .on = true };
	struct session *s;
	const char *client = ONE_OF(clients);
	bool passes;

	w->gs = gate_open(w->gate, SHARE(80) ? FRONT_PROXY : FRONT_MILTER, resume, w);
	s = gate_session(w->gs);
	assert_true(ip_parse(str_of(client), &s->client_ip));
	s->client_port = (uint16_t)chance(w);
	s->client_name = SHARE(30) ? STR("mx.client.test") : STR("");
	s->trusted = str_starts(str_of(client), STR("10."));
	s->n_errors = chance(w) % 4;
	passes = decide(w, STEP_CONNECT);
	w->at_connect += !passes;
	if (passes && SHARE(30))
		session_secure(s, &tls);
	for (unsigned n = chance(w) % 3; passes && n > 0; n--) {
		session_helo(s, str_of(ONE_OF(names)), SHARE(80));
		passes = decide(w, STEP_HELO);
	}
	if (passes && SHARE(10))
		session_authenticate(s, STR("anna"), STR("PLAIN"));
	for (unsigned n = 1 + chance(w) % 2; passes && n > 0; n--)
		play_transaction(w);
	gate_close(&w->gs);
}
