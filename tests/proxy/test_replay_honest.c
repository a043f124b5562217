/*
 * Whether replay keeps its word, looked at from outside: random rules of all kinds and facts decide random sessions; other rules, made of
 * these by chance, replay what came of it, and really decide the same sessions, too. What replay says it knows has
 * to be what came of that, verdict and rule, for each entry of the journal; all else it has to call unknown.
 */
#include "rules/replay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/die.h"
#include "cli/replayed.h"
#include "tests/proxy/load.h"
#include "tests/proxy/player.h"

#define WORLDS 120
#define SESSIONS 40
#define MAILS 2
#define RECIPIENTS 3
#define LINES 14 /* of a step's rules */
#define BEGAN INT64_C(1796100000)

/* What became of a step. */
struct fate {
	bool passed;
	char verdict[12], rule[32];
};

struct mail_fates {
	struct fate mail, rcpt[RECIPIENTS], message;
};

struct fates {
	struct fate connect, helo;
	struct mail_fates mail[MAILS];
};

/* What a client does, whatever it is told. */
struct mail {
	char sender[32], recipient[RECIPIENTS][32];
	enum recipient_state state[RECIPIENTS]; /* as the mail server has it */
	unsigned n, declared, errors;
	struct str text;
};

struct client {
	int64_t time;
	char id[12], ip[20], helo[24], account[8];
	uint16_t port;
	bool esmtp, tls, milter;
	struct mail mail[MAILS];
	unsigned n;
};

/* An entry of the first run, and of whom it is. */
struct entry {
	struct journal_record *record;
	size_t client, mail, rcpt;
};

struct world {
	uint64_t random;
	struct folder folder;
	struct client client[SESSIONS];
	struct entry *entry;
	size_t n, room;
	/* where the player is */
	size_t at_client, at_mail, at_rcpt;
	bool counts; /* rules may ask for what is counted */
	bool cuts;   /* some entries have no room */
	bool same;   /* the second rules are the first */
	struct fates was[SESSIONS], would[SESSIONS];
	struct buf before, after; /* the two configurations */
	unsigned decided, changed, unknown;
};

/* A configuration, by its lines. */
struct rules {
	char line[STEP_COUNT][LINES][200];
	size_t n[STEP_COUNT];
	unsigned settings;
};

static unsigned
chance(struct world *w, unsigned sides)
{
	w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(w->random >> 33) % sides;
}

#define ONE_OF(list) ((list)[chance(w, sizeof(list) / sizeof((list)[0]))])

/* ---- rules ---- */

static const char settings[] = "trust 10.0.0.0/8\n"
			       "list near { 192.0.2.0/28, 10.0.0.0/8 }\n"
			       "list names { \"h3.test\", \"dyn.test\", /^h[0-2]\\./ }\n"
			       "list friends { \"d1.test\", \"u2@d2.test\", /u[56]@/ }\n"
			       "list strict { \"u1@example.org\", \"sub.example.org\" }\n"
			       "define outsider = not client in near and not tls\n"
			       "define strange = sender.null or sender in friends\n";

static const char *const variants[] = {
	"",
	"when dns unavailable tempfail\n",
	"greylist { delay 1m; longest 3m }\n",
	"mode observe\n",
	"dmarc { standard rfc7489 }\n",
	"plan house { 9 messages per hour; 2 recipients per message; for clients in { 192.0.2.0/24 } }\n",
	"volume { network ipv4 28 }\n",
	"upstream \"isp\" { 4 messages per hour; 9 recipients per day; 2 recipients per message }\n",
	/* so that some mail is enough to tell what is usual */
	"volume { unknown from 1; surge from 1; surge after 1h; suspicious surge 1; suspicious networks 1 }\n",
	"refusals { from 1 }\n",
};

struct term {
	enum step from;
	bool counts;
	const char *text;
};

static const struct term terms[] = {
	{ STEP_CONNECT, false, "client in near" },
	{ STEP_CONNECT, false, "client is 192.0.2.9" },
	{ STEP_CONNECT, false, "client in { 192.0.2.3, 198.51.100.0/24 }" },
	{ STEP_CONNECT, false, "client.name ends with \".dyn.test\"" },
	{ STEP_CONNECT, false, "client.name is unknown" },
	{ STEP_CONNECT, false, "client.name is \"\"" },
	{ STEP_CONNECT, false, "client.name in names" },
	{ STEP_CONNECT, false, "client.port > 30000" },
	{ STEP_CONNECT, false, "client.trusted" },
	{ STEP_CONNECT, false, "listed(\"bl.test\")" },
	{ STEP_CONNECT, false, "listed(\"other.bl.test\", \"127.0.0.2\")" },
	{ STEP_CONNECT, false, "outsider" },
	{ STEP_CONNECT, false, "time.hour >= 12" },
	{ STEP_CONNECT, false, "time.hour * 2 - 3 < 20" },
	{ STEP_CONNECT, false, "time.weekday in { saturday, sunday, monday }" },
	{ STEP_CONNECT, true, "auth.failures(client, 1h) > 0" },
	{ STEP_CONNECT, true, "client.passed" },
	{ STEP_CONNECT, true, "rate(client, messages, 1h) > 1" },
	{ STEP_HELO, false, "helo in names" },
	{ STEP_HELO, false, "helo matches /^h[0-4]/" },
	{ STEP_HELO, false, "helo is \"h3.test\"" },
	{ STEP_HELO, false, "helo is client.name" },
	{ STEP_HELO, false, "helo.esmtp" },
	{ STEP_HELO, false, "helo.form is bare" },
	{ STEP_HELO, false, "helo.exists" },
	{ STEP_HELO, false, "helo.is_client" },
	{ STEP_MAIL, false, "spf.helo is fail" },
	{ STEP_MAIL, false, "spf is fail" },
	{ STEP_MAIL, false, "spf in { softfail, neutral, none }" },
	{ STEP_MAIL, false, "spf is temperror" },
	{ STEP_MAIL, false, "spf.domain is sender.domain" },
	{ STEP_MAIL, false, "spf.mechanism contains \"ip4\"" },
	{ STEP_MAIL, false, "spf.explanation is known" },
	{ STEP_MAIL, false, "listed.name(\"bl.test\", sender)" },
	{ STEP_MAIL, false, "sender in friends" },
	{ STEP_MAIL, false, "strange" },
	{ STEP_MAIL, false, "sender.domain is \"d1.test\"" },
	{ STEP_MAIL, false, "sender.local matches /^u[0-3]$/" },
	{ STEP_MAIL, false, "account is \"anna\"" },
	{ STEP_MAIL, false, "authenticated" },
	{ STEP_MAIL, false, "auth.mechanism is \"PLAIN\"" },
	{ STEP_MAIL, false, "size.declared > 500" },
	{ STEP_MAIL, false, "errors > 1" },
	{ STEP_MAIL, false, "direction is out" },
	{ STEP_MAIL, false, "score >= 2" },
	{ STEP_MAIL, false, "marked blue" },
	{ STEP_MAIL, false, "marked red and score < 4" },
	{ STEP_MAIL, false, "session.messages > 0" },
	{ STEP_MAIL, true, "rate(client, messages, 1h) > 2" },
	{ STEP_MAIL, true, "rate(sender, recipients, 1d) > 3" },
	{ STEP_MAIL, true, "rate(helo, bounces, 1h) > 0" },
	{ STEP_MAIL, true, "rate(network, messages, 1h) > rate(client, messages, 1h) * 2" },
	{ STEP_MAIL, true, "surge(client) > 2" },
	{ STEP_MAIL, true, "surge(network) >= 1" },
	{ STEP_MAIL, true, "surge.words(network) contains \"usual 1\"" },
	{ STEP_MAIL, true, "usual(network) > 0" },
	{ STEP_MAIL, true, "account.suspicious" },
	{ STEP_MAIL, true, "account.suspicious.why contains \"unknown\"" },
	{ STEP_MAIL, true, "unknown_share(client, 1h) > 20" },
	{ STEP_MAIL, true, "unknown_share(network, 1d) < 15" },
	{ STEP_MAIL, true, "unknown_share(account, 1d) > 5" },
	{ STEP_MAIL, true, "unknown_share.surge(network) > 1" },
	{ STEP_MAIL, true, "unknown_share.usual(network) > 10" },
	{ STEP_MAIL, true, "refused_share(client, 1h) > 40" },
	{ STEP_MAIL, true, "refused_share(network, 1d) > 40" },
	{ STEP_MAIL, true, "refused_share(network, 1d) < 30" },
	{ STEP_MAIL, true, "refused_share(account, 1d) > 40" },
	{ STEP_MAIL, true, "refused_share.surge(network) > 1" },
	{ STEP_MAIL, true, "refused_share.usual(network) > 30" },
	{ STEP_MAIL, true, "distinct(client, senders, 1h) > 1" },
	{ STEP_MAIL, true, "quota is over" },
	{ STEP_MAIL, true, "quota.used > 3" },
	{ STEP_MAIL, true, "quota is near" },
	{ STEP_MAIL, true, "quota.warning > 0" },
	{ STEP_MAIL, true, "quota.free > 10m" },
	{ STEP_MAIL, true, "upstream(\"isp\") is over" },
	{ STEP_MAIL, true, "upstream.used(\"isp\") > 2" },
	{ STEP_MAIL, true, "upstream.free(\"isp\") > 20m" },
	{ STEP_MAIL, true, "seen(sender)" },
	{ STEP_RCPT, false, "recipient in strict" },
	{ STEP_RCPT, false, "recipient.domain is \"example.org\"" },
	{ STEP_RCPT, false, "recipients > 1" },
	{ STEP_RCPT, false, "recipients.unknown > 0" },
	{ STEP_RCPT, true, "greylist is waiting" },
	{ STEP_RCPT, true, "greylist.wait > 30s" },
	{ STEP_RCPT, true, "rate(recipient, messages, 1h) > 1" },
	{ STEP_RCPT, true, "recipients.allowed < 3" },
	{ STEP_MESSAGE, false, "header(\"Subject\") contains \"offer\"" },
	{ STEP_MESSAGE, false, "header(\"X-Spam\") is known" },
	{ STEP_MESSAGE, false, "attachments > 0" },
	{ STEP_MESSAGE, false, "attachment.extensions contains \"exe\"" },
	{ STEP_MESSAGE, false, "attachment.names matches /^inv/" },
	{ STEP_MESSAGE, false, "mime.types contains \"text/html\"" },
	{ STEP_MESSAGE, false, "from.count > 1" },
	{ STEP_MESSAGE, false, "from.domain contains \"d1.test\"" },
	{ STEP_MESSAGE, false, "from.domain in friends" },
	{ STEP_MESSAGE, false, "dkim is none" },
	{ STEP_MESSAGE, false, "dmarc is fail" },
	{ STEP_MESSAGE, false, "dmarc.policy is reject" },
	{ STEP_MESSAGE, false, "message.size > 200" },
	{ STEP_MESSAGE, false, "message.size > 2 * size.declared + 10" },
	{ STEP_MESSAGE, false, "header.count < 3" },
};

#define N_TERMS (sizeof(terms) / sizeof(terms[0]))

static const char *
term(struct world *w, enum step step)
{
	for (;;) {
		const struct term *t = &terms[chance(w, N_TERMS)];

		if (t->from <= step && (w->counts || !t->counts))
			return t->text;
	}
}

static void
condition(struct world *w, enum step step, char *out, size_t size)
{
	const char *first = term(w, step);

	switch (chance(w, 6)) {
	case 0:
		snprintf(out, size, "%s and %s", first, term(w, step));
		break;
	case 1:
		snprintf(out, size, "%s or %s", first, term(w, step));
		break;
	case 2:
		snprintf(out, size, "not (%s) and %s", first, term(w, step));
		break;
	default:
		snprintf(out, size, "%s", first);
	}
}

static const char *
action(struct world *w, enum step step)
{
	static const char *const early[] = { "accept", "accept session",
		"tempfail 451 4.7.1 \"Later\"", "reject 550 5.7.1 \"No\"",
		"reject 550 5.7.1 \"No\"", "observe reject 550 5.7.1 \"x\"", "delay 5s" };
	static const char *const late[] = { "accept", "tempfail 451 4.7.1 \"Later\"",
		"reject 550 5.7.1 \"No\"", "reject 550 5.7.1 \"No ${client.name}\"", "score 1",
		"score 2", "score -1", "mark red", "mark blue", "observe score 5",
		"observe reject 550 5.7.1 \"x\"", "add header \"X-Ip\" \"${client.ip}\"",
		"accept session", "delay 5s" };

	return step < STEP_MAIL ? ONE_OF(early) : ONE_OF(late);
}

/* One line of a step, a block as well. */
static void
make_line(struct world *w, enum step step, char *out, size_t size)
{
	char a[120], b[120];

	condition(w, step, a, sizeof(a));
	condition(w, step, b, sizeof(b));
	switch (chance(w, 10)) {
	case 0:
		snprintf(out, size, "if %s { %s if %s } else { %s }", term(w, step),
		    action(w, step), term(w, step), action(w, step));
		break;
	case 1:
		if (step >= STEP_RCPT) {
			snprintf(out, size, "for recipients in strict { %s if %s }",
			    action(w, step), term(w, step));
			break;
		}
		/* fall through */
	default:
		snprintf(out, size, "%s if %s", action(w, step), a);
	}
}

/* Asks for something and does little: so that it is known. */
static void
make_asking(struct world *w, enum step step, char *out, size_t size)
{
	if (step < STEP_MAIL)
		snprintf(out, size, "delay 1s if %s", term(w, step));
	else
		snprintf(out, size, "mark asked if %s", term(w, step));
}

static void
make_rules(struct world *w, struct rules *r)
{
	*r = (struct rules){ 0 };
	for (enum step step = STEP_CONNECT; step < STEP_COUNT; step++) {
		unsigned asking = chance(w, 10), deciding = chance(w, 4);

		if (step == STEP_RCPT && chance(w, 4) == 0)
			asking = deciding = 0;
		for (unsigned i = 0; i < asking; i++)
			make_asking(w, step, r->line[step][r->n[step]++], sizeof(r->line[0][0]));
		for (unsigned i = 0; i < deciding; i++)
			make_line(w, step, r->line[step][r->n[step]++], sizeof(r->line[0][0]));
	}
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		if (chance(w, 4) == 0 && i != 3)
			r->settings |= 1u << i;
	if (chance(w, 20) == 0)
		r->settings |= 1u << 3;
}

static void
change_rules(struct world *w, struct rules *r)
{
	for (unsigned n = 1 + chance(w, 3); n > 0; n--) {
		enum step step = (enum step)chance(w, STEP_COUNT);
		size_t *have = &r->n[step], at = chance(w, (unsigned)*have + 1);

		switch (chance(w, 5)) {
		case 0:
			if (at < *have)
				memmove(r->line[step][at], r->line[step][at + 1],
				    (--*have - at) * sizeof(r->line[0][0]));
			break;
		case 1:
			r->settings ^= 1u << chance(w, sizeof(variants) / sizeof(variants[0]));
			break;
		default:
			if (at < *have && chance(w, 2))
				make_line(w, step, r->line[step][at], sizeof(r->line[0][0]));
			else if (*have < LINES)
				make_line(w, step, r->line[step][(*have)++], sizeof(r->line[0][0]));
		}
	}
}

static void
write_rules(const struct rules *r, struct buf *out)
{
	buf_add(out, STR(settings));
	for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
		if (r->settings & 1u << i)
			buf_add(out, str_of(variants[i]));
	for (enum step step = STEP_CONNECT; step < STEP_COUNT; step++) {
		buf_printf(out, "at %s {\n", step_name(step));
		for (size_t i = 0; i < r->n[step]; i++)
			buf_printf(out, "  %s\n", r->line[step][i]);
		buf_add(out, STR("}\n"));
	}
}

/* NULL: what came of chance is no configuration. */
static struct config *
load(struct world *w, const struct rules *r, struct buf *text)
{
	buf_clear(text);
	write_rules(r, text);
	buf_addc(text, '\0');
	return load_config_if(&w->folder, 53, text->p);
}

/* ---- clients ---- */

static const char *const texts[] = {
	"From: a@d1.test\r\nSubject: hello\r\n\r\nHello\r\n",
	"From: a@d2.test\r\nSubject: an offer\r\nX-Spam: yes\r\nDate: x\r\n\r\nHello\r\n",
	"From: a@d1.test\r\nFrom: b@d3.test\r\n\r\nHello\r\n",
	"From: a@d4.test\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	"--b\r\nContent-Type: text/html\r\n\r\nx\r\n--b\r\nContent-Type: application/x; name=invoice.exe\r\n"
	"Content-Disposition: attachment; filename=invoice.exe\r\n\r\nx\r\n--b--\r\n",
};

static void
make_mail(struct world *w, struct mail *m)
{
	if (chance(w, 8) == 0)
		snprintf(m->sender, sizeof(m->sender), "<>");
	else
		snprintf(
		    m->sender, sizeof(m->sender), "<u%u@d%u.test>", chance(w, 7), chance(w, 6));
	m->n = 1 + chance(w, RECIPIENTS);
	for (unsigned i = 0; i < m->n; i++) {
		snprintf(m->recipient[i], sizeof(m->recipient[i]), "<u%u@%sexample.org>",
		    i * 3 + chance(w, 3), chance(w, 4) ? "" : "sub.");
		m->state[i] = chance(w, 8) ? RECIPIENT_ACCEPTED : RECIPIENT_UNKNOWN;
	}
	m->declared = chance(w, 2) * chance(w, 1000);
	m->errors = chance(w, 4) ? 0 : chance(w, 3);
	m->text = str_of(ONE_OF(texts));
}

static void
make_client(struct world *w, struct client *c, size_t i, int64_t time)
{
	*c = (struct client){ .time = time };
	snprintf(c->id, sizeof(c->id), "s%zu", i);
	if (chance(w, 5) == 0)
		snprintf(c->ip, sizeof(c->ip), chance(w, 2) ? "10.0.0.%u" : "198.51.100.%u",
		    chance(w, 4));
	else
		snprintf(c->ip, sizeof(c->ip), "192.0.2.%u", chance(w, 25));
	snprintf(c->helo, sizeof(c->helo), chance(w, 5) ? "h%u.test" : "host%u", chance(w, 8));
	if (chance(w, 5) == 0)
		snprintf(c->account, sizeof(c->account), "%s", chance(w, 2) ? "anna" : "bert");
	c->port = (uint16_t)chance(w, 65536);
	c->esmtp = chance(w, 5) > 0;
	c->tls = chance(w, 3) == 0;
	c->milter = chance(w, 4) == 0;
	c->n = 1 + chance(w, MAILS);
	for (unsigned k = 0; k < c->n; k++)
		make_mail(w, &c->mail[k]);
}

/* ---- entries without room ---- */

/* Where element n of an array begins, and how many there are. */
static size_t
element(struct str array, size_t n, size_t *all)
{
	size_t depth = 0, at = 0;
	bool text = false;

	*all = 0;
	for (size_t i = 0; i < array.n; i++) {
		char c = array.p[i];

		if (text) {
			i += c == '\\';
			text = c != '"';
			continue;
		}
		text = c == '"';
		if ((c == '{' || c == '[') && depth++ == 1 && (*all)++ == n)
			at = i;
		if (c == '}' || c == ']')
			depth--;
	}
	return at;
}

/* As if the last steps had not fit in: none of them is shorter than what says so. */
static void
cut(struct world *w, struct journal_record *record)
{
	size_t all, n, at;

	(void)element(record->trace, 0, &all);
	if (all < 2)
		return;
	n = 1 + chance(w, (unsigned)all - 1);
	at = element(record->trace, n, &all);
	record->trace.n = at +
	    (size_t)snprintf(
		(char *)record->trace.p + at, record->trace.n - at, "{\"cut\":%zu}]", all - n);
}

/* ---- a run ---- */

static void
keep(void *owner, struct journal_record *record)
{
	struct world *w = owner;

	if (w->cuts && chance(w, 10) == 0)
		cut(w, record);
	if (w->n == w->room) {
		w->room = w->room ? w->room * 2 : 256;
		w->entry = xrealloc(w->entry, w->room * sizeof(*w->entry));
	}
	w->entry[w->n++] = (struct entry){ record, w->at_client, w->at_mail, w->at_rcpt };
}

static bool
decide(struct player *p, enum step step, struct fate *fate)
{
	fate->passed = player_decide(p, step);
	snprintf(fate->verdict, sizeof(fate->verdict), "%s",
	    fate->passed ? "accept" : verdict_word(&p->verdict));
	snprintf(fate->rule, sizeof(fate->rule), "%.*s", fate->passed ? 0 : (int)p->verdict.rule.n,
	    p->verdict.rule.p);
	return fate->passed;
}

static void
play_mail(struct world *w, struct player *p, struct mail *m, struct mail_fates *f)
{
	struct session *s = &p->session;

	player_mail(p, m->sender);
	s->txn.size_declared = m->declared;
	s->n_errors += m->errors;
	w->at_rcpt = 0;
	if (!decide(p, STEP_MAIL, &f->mail))
		return;
	s->txn.open = true;
	for (unsigned i = 0; i < m->n; i++) {
		w->at_rcpt = i;
		player_rcpt(p, m->recipient[i]);
		player_rcpt_done(
		    p, decide(p, STEP_RCPT, &f->rcpt[i]) ? m->state[i] : RECIPIENT_REFUSED);
	}
	if (s->txn.n_accepted == 0)
		return;
	player_message(p, &m->text);
	if (decide(p, STEP_MESSAGE, &f->message))
		player_accepted(p);
}

static void
play(struct world *w, struct player *p, struct client *c, struct fates *f)
{
	static const struct session_tls tls = { .on = true };
	struct session *s = &p->session;

	p->now = c->time;
	player_open(p, c->id, c->ip);
	s->client_port = c->port;
	s->front = c->milter ? FRONT_MILTER : FRONT_PROXY;
	w->at_mail = w->at_rcpt = 0;
	if (decide(p, STEP_CONNECT, &f->connect)) {
		if (c->tls)
			session_secure(s, &tls);
		session_helo(s, str_of(c->helo), c->esmtp);
		if (decide(p, STEP_HELO, &f->helo)) {
			if (c->account[0])
				session_authenticate(s, str_of(c->account), STR("PLAIN"));
			for (unsigned i = 0; i < c->n; i++) {
				w->at_mail = i;
				p->now += 3;
				play_mail(w, p, &c->mail[i], &f->mail[i]);
			}
		}
	}
	player_close(p);
}

static void
play_all(struct world *w, const struct config *config, bool keeps, struct fates *fates)
{
	struct player p;

	player_init(&p, config);
	p.record = keeps ? keep : NULL;
	p.owner = w;
	for (size_t i = 0; i < SESSIONS; i++) {
		w->at_client = i;
		fates[i] = (struct fates){ 0 };
		play(w, &p, &w->client[i], &fates[i]);
	}
	player_free(&p);
}

/* ---- what replay says, and what was ---- */

static bool
refused(const struct fate *f)
{
	return f->verdict[0] != '\0' && !f->passed;
}

/* The first that did not let it pass, on the way to an entry; or the last. */
static const struct fate *
fate_of(const struct world *w, const struct entry *e)
{
	const struct fates *f = &w->would[e->client];
	const struct mail_fates *m = &f->mail[e->mail], *then = &w->was[e->client].mail[e->mail];
	const struct mail *mail = &w->client[e->client].mail[e->mail];
	const char *step = e->record->step;

	if (!f->connect.passed || strcmp(step, "connect") == 0)
		return &f->connect;
	if (!f->helo.passed || strcmp(step, "helo") == 0)
		return &f->helo;
	if (!m->mail.passed || strcmp(step, "mail") == 0)
		return &m->mail;
	if (strcmp(step, "rcpt") == 0)
		return &m->rcpt[e->rcpt];
	for (unsigned i = 0; i < mail->n && !refused(&m->message); i++)
		if (then->rcpt[i].passed && mail->state[i] == RECIPIENT_ACCEPTED &&
		    !m->rcpt[i].passed && strcmp(m->rcpt[i].verdict, "defer") != 0)
			return &m->rcpt[i];
	return &m->message;
}

static void
compare(struct world *w, const struct entry *e, const struct replay_result *now)
{
	bool backend = str_starts(e->record->rule, STR("backend"));
	const struct fate *would = fate_of(w, e);
	const char *rule = would->rule;

	if (strcmp(now->verdict, would->verdict) == 0 && str_eq(now->rule, str_of(rule)))
		return;
	if (backend && would->passed && strcmp(now->verdict, e->record->verdict) == 0)
		return;
	fprintf(stderr, "---- before\n%s\n---- after\n%s\n%.*s\n%.*s\n%.*s\n", w->before.p,
	    w->after.p, STR_ARG(e->record->trace), STR_ARG(e->record->facts),
	    (int)e->record->answers.n, e->record->answers.n > 0 ? e->record->answers.p : "");
	fail_msg(
	    "%s at %s of %zu,%zu,%zu was %s by %.*s; replayed: %s at %s by %.*s; really: %s by %s",
	    e->record->verdict, e->record->step, e->client, e->mail, e->rcpt, e->record->verdict,
	    STR_ARG(e->record->rule), now->verdict, step_name(now->step), STR_ARG(now->rule),
	    would->verdict, rule);
}

/* Mail comes of which the journal does not even tell whom it concerns: replay leaves it out. */
static bool
is_new(const struct world *w, const struct entry *e, const struct replay_result *now)
{
	const char *step = e->record->step;

	if (strcmp(step, "message") == 0 || strcmp(step, "rcpt") == 0 ||
	    (strcmp(step, "mail") == 0 && strstr(w->after.p, "rate(recipient") == NULL))
		return false;
	return now->state == REPLAY_UNKNOWN ||
	    (now->state == REPLAY_DECIDED && strcmp(now->verdict, "accept") == 0 &&
		strcmp(e->record->verdict, "accept") != 0);
}

static void
replay_all(struct world *w, const struct config *then, const struct config *config)
{
	struct replay *replay = replay_new(config, replayed_tell);
	struct buf text;

	buf_init(&text, 1 << 20);
	record_configuration(then, &text);
	replay_configuration(replay, str_of(then->revision), buf_str(&text));
	for (size_t i = 0; i < w->n; i++) {
		struct replay_result now;

		replay_entry(replay, w->entry[i].record, &now);
		w->unknown += now.state == REPLAY_UNKNOWN;
		if (w->counts && !w->same && is_new(w, &w->entry[i], &now))
			break;
		if (now.state != REPLAY_DECIDED)
			continue;
		w->decided++;
		w->changed += strcmp(now.verdict, w->entry[i].record->verdict) != 0;
		compare(w, &w->entry[i], &now);
	}
	buf_free(&text);
	replay_free(&replay);
}

static void
play_world(struct world *w)
{
	struct config *then = NULL, *config = NULL;
	struct rules first, second;
	int64_t time = BEGAN;

	for (size_t i = 0; i < SESSIONS; i++)
		make_client(w, &w->client[i], i,
		    time += 20 + chance(w, 900) + (chance(w, 8) == 0) * INT64_C(40000));
	while (then == NULL) {
		make_rules(w, &first);
		then = load(w, &first, &w->before);
	}
	while (config == NULL) {
		second = first;
		if (!w->same)
			change_rules(w, &second);
		config = load(w, &second, &w->after);
	}
	play_all(w, then, true, w->was);
	play_all(w, config, false, w->would);
	replay_all(w, then, config);
	for (size_t i = 0; i < w->n; i++)
		free(w->entry[i].record);
	w->n = 0;
	config_release(&then);
	config_release(&config);
}

static void
play_worlds(bool counts, bool same, bool cuts)
{
	struct world *w = xcalloc(1, sizeof(*w));

	folder_make(&w->folder);
	buf_init(&w->before, 1 << 16);
	buf_init(&w->after, 1 << 16);
	w->counts = counts;
	w->same = same;
	w->cuts = cuts;
	for (unsigned i = 0; i < WORLDS; i++) {
		w->random = i * UINT64_C(7919) + counts;
		play_world(w);
	}
	print_message(
	    "%u decided, %u of them otherwise; %u unknown\n", w->decided, w->changed, w->unknown);
	if (w->same)
		assert_int_equal(w->unknown, 0);
	else
		/* Where things are counted, a world ends with the first that is not known. */
		assert_true(w->changed > (w->counts ? WORLDS / 3 : WORLDS));
	free(w->entry);
	buf_free(&w->before);
	buf_free(&w->after);
	folder_remove(&w->folder);
	free(w);
}

static void
test_the_same_rules_change_nothing(void **state)
{
	(void)state;
	play_worlds(true, true, true);
}

static void
test_what_is_known_is_so(void **state)
{
	(void)state;
	play_worlds(false, false, false);
}

static void
test_what_did_not_fit_is_unknown(void **state)
{
	(void)state;
	play_worlds(false, false, true);
}

static void
test_counters_are_so(void **state)
{
	(void)state;
	play_worlds(true, false, false);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_rules_change_nothing),
		cmocka_unit_test(test_what_is_known_is_so),
		cmocka_unit_test(test_what_did_not_fit_is_unknown),
		cmocka_unit_test(test_counters_are_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
