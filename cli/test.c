#include <stdlib.h>

#include "base/clock.h"
#include "base/escape.h"
#include "cli/cases.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "cli/story.h"
#include "cli/trial.h"
#include "rules/record.h"

struct options {
	const char *ip, *name, *helo, *from, *account;
	struct cli_texts to;
};

/* One test as it is played. */
struct play {
	struct cli *cli;
	const struct options *options;
	struct trial *trial;
	struct session *session;
	struct verdict worst; /* the first refusal, or accept */
	enum step worst_step;
	bool session_over; /* by a refusal */
};

/* --- telling ------------------------------------------------------------------------------------ */

/* The texts of a record that was never journalled. */
struct draft {
	struct buf recipients, facts, trace, answers, text;
};

static void
draft_fill(
    struct draft *d, const struct session *s, enum step step, const struct decision *decision)
{
	size_t n = 0;

	buf_init(&d->recipients, 1 << 20);
	buf_init(&d->facts, 1 << 20);
	buf_init(&d->trace, 1 << 20);
	buf_init(&d->answers, 1 << 20);
	buf_addc(&d->recipients, '[');
	for (const struct recipient *r = s->txn.recipients; r; r = r->next) {
		if (s->txn.current && r != s->txn.current)
			continue;
		if (n++ > 0)
			buf_addc(&d->recipients, ',');
		escape_json(&d->recipients, r->mailbox.address);
	}
	buf_addc(&d->recipients, ']');
	record_facts(s, step, &d->facts);
	record_decision(step, decision, &d->trace);
	record_answers(s, &d->answers);
}

static void
draft_free(struct draft *d)
{
	buf_free(&d->recipients);
	buf_free(&d->facts);
	buf_free(&d->trace);
	buf_free(&d->answers);
}

static void
tell_delay(struct cli *cli, int64_t ms)
{
	struct line line = { cli };
	char text[80];

	if (ms == 0)
		return;
	snprintf(text, sizeof(text), "\nthe reply is held back for %lld.%lld s",
	    (long long)ms / 1000, (long long)ms / 100 % 10);
	line_add(&line, text, COLOR_NONE);
	line_end(&line);
}

static void
tell(struct play *p, enum step step, const struct decision *decision)
{
	const struct session *s = p->session;
	const struct verdict *v = &decision->verdict;
	bool observed = decision->observed.kind == VERDICT_TEMPFAIL ||
	    decision->observed.kind == VERDICT_REJECT;
	struct draft d;

	draft_fill(&d, s, step, decision);

	struct journal_record r = {
		.time_ms = clock_wall_ms(),
		.front = front_name(s->front),
		.step = step_name(step),
		.verdict = verdict_word(v),
		.code = v->code,
		.took_us = (int)trial_took_us(p->trial),
		.size = (int64_t)s->txn.message.size,
		.client_ip = str_of(IP_TEXT(&s->client_ip)),
		.client_name = s->client_name,
		.helo = s->helo,
		.account = s->account,
		.sender = s->txn.sender.address,
		.recipients = buf_str(&d.recipients),
		.enhanced = str_of(v->enhanced),
		.text = v->text,
		.rule = v->rule,
		.facts = buf_str(&d.facts),
		.trace = buf_str(&d.trace),
		.answers = buf_str(&d.answers),
		.observed = observed ? str_of(verdict_word(&decision->observed)) : STR(""),
	};

	if (p->cli->json) {
		print_record_json(p->cli, &r, true);
	} else {
		struct tale t;

		tale_open(&t, p->cli, &r);
		story_head(&t);
		story_rules(&t);
		story_facts(&t);
		story_answers(&t);
		tale_close(&t);
		tell_delay(p->cli, decision->delay);
		fputc('\n', p->cli->out);
	}
	draft_free(&d);
}

static bool
refused(const struct verdict *v)
{
	return v->kind == VERDICT_TEMPFAIL || v->kind == VERDICT_REJECT;
}

/* True: the step lets it pass. */
static bool
decide(struct play *p, enum step step)
{
	const struct decision *d = trial_decide(p->trial, step);

	tell(p, step, d);
	if (refused(&d->verdict) && !d->verdict.defers && !refused(&p->worst)) {
		p->worst.kind = d->verdict.kind;
		p->worst_step = step;
	}
	return !refused(&d->verdict);
}

/* --- playing ------------------------------------------------------------------------------------ */

/* "a@b" or "<a@b>". */
static bool
mailbox_of(struct play *p, const char *option, const char *text, struct mailbox *out)
{
	struct arena *arena = p->session->conn;
	struct str path = str_of(text);
	bool sender = strcmp(option, "from") == 0;
	struct err e;

	if (path.n == 0 || path.p[0] != '<')
		path = arena_printf(arena, "<%s>", text);
	if (mailbox_take(&path, sender, !sender, out, &e) && path.n == 0)
		return true;
	cli_fail(p->cli, "--%s: \"%s\": %s", option, ESC(str_of(text)),
	    path.n == 0 ? e.text : "there is more behind the address");
	return false;
}

static bool
open_session(struct play *p, const struct config *config)
{
	const struct options *o = p->options;
	struct session *s = p->session;
	struct value client;

	if (!ip_parse(str_of(o->ip), &s->client_ip)) {
		cli_fail(p->cli, "--ip: \"%s\" is no address", ESC(str_of(o->ip)));
		return false;
	}
	client = (struct value){ .type = VALUE_IP, .ip = s->client_ip };
	s->trusted = list_has(config->trusted, &client);
	s->client_name = str_of(o->name);
	s->account = str_of(o->account);
	return true;
}

static bool
play_recipients(struct play *p)
{
	for (size_t i = 0; i < p->options->to.n; i++) {
		struct mailbox mailbox;

		if (!mailbox_of(p, "to", p->options->to.text[i], &mailbox))
			return false;
		session_rcpt(p->session, &mailbox);
		if (decide(p, STEP_RCPT)) {
			trial_rcpt_taken(p->trial);
		} else {
			p->session->txn.current->state = RECIPIENT_REFUSED;
			p->session->txn.current = NULL;
		}
	}
	return true;
}

/* All steps that there is something for, those behind a refusal, too. */
static bool
play_steps(struct play *p, const char *file)
{
	const struct options *o = p->options;
	struct mailbox sender;
	struct err e;

	decide(p, STEP_CONNECT);
	if (o->helo) {
		session_helo(p->session, str_of(o->helo), true);
		decide(p, STEP_HELO);
	}
	if (o->from == NULL)
		return true;
	if (!mailbox_of(p, "from", o->from, &sender))
		return false;
	session_mail(p->session, &sender);
	decide(p, STEP_MAIL);
	if (!play_recipients(p))
		return false;
	if (file == NULL)
		return true;
	if (!trial_message(p->trial, file, &e)) {
		cli_fail(p->cli, "%s", e.text);
		return false;
	}
	decide(p, STEP_MESSAGE);
	return true;
}

static int
play(struct cli *cli, const struct options *o, const struct config *config, const char *file)
{
	struct play p = { .cli = cli, .options = o };
	const char *folder = cli->database ? cli->database : config->core.database;
	char store[4096];
	struct err e;
	bool ok;

	if ((size_t)snprintf(store, sizeof(store), "%s/store.db", folder) >= sizeof(store))
		return cli_fail(cli, "the path of the database is too long");
	p.trial = trial_new(config, config->redis && !cli->database ? NULL : store, &e);
	if (p.trial == NULL)
		return cli_fail(cli, "%s", e.text);
	if (!trial_has_store(p.trial))
		cli_fail(cli, "%s: there is none; what it is asked is answered as by an empty one",
		    store);
	p.session = trial_session(p.trial);
	ok = open_session(&p, config) && play_steps(&p, file);
	if (ok && !cli->json) {
		struct line line = { cli };

		line_add(&line, "outcome: ", COLOR_NONE);
		line_cell(&line, str_of(verdict_name(p.worst.kind)), 0,
		    print_verdict_color(verdict_name(p.worst.kind)));
		if (refused(&p.worst)) {
			line_add(&line, "first at ", COLOR_NONE);
			line_add(&line, step_name(p.worst_step), COLOR_NONE);
		}
		line_end(&line);
	}
	trial_free(&p.trial);
	return ok ? CLI_FOUND : CLI_ERROR;
}

/* --- the subcommand ------------------------------------------------------------------------------ */

static const struct cli_option rows[] = {
	{ "ip", OPTION_TEXT, offsetof(struct options, ip), "ADDRESS", "of the client; needed" },
	{ "name", OPTION_TEXT, offsetof(struct options, name), "NAME",
	    "of the client, as a front would have found it" },
	{ "helo", OPTION_TEXT, offsetof(struct options, helo), "NAME", "what it says with EHLO" },
	{ "account", OPTION_TEXT, offsetof(struct options, account), "NAME",
	    "that it is authenticated as" },
	{ "from", OPTION_TEXT, offsetof(struct options, from), "ADDRESS",
	    "the sender; \"<>\" for bounces" },
	{ "to", OPTION_TEXTS, offsetof(struct options, to), "ADDRESS",
	    "a recipient; may be given several times" },
};

static int
run_cases(struct cli *cli, const struct options *o, char **files, int n)
{
	struct config *config;
	int code;

	if (o->ip || o->name || o->helo || o->account || o->from || o->to.n > 0)
		return cli_fail(cli, "what is given to a case stands in its file, not in options");
	for (int i = 0; i < n; i++)
		if (!cases_named(files[i]))
			return cli_fail(cli, "\"%s\" is no file of cases: they end in .test",
			    ESC(str_of(files[i])));
	config = cli_config(cli, cli->config);
	if (config == NULL)
		return CLI_ERROR;
	code = cases_run(cli, config, files, n);
	config_release(&config);
	return code;
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct options o = { 0 };
	struct config *config;
	int n, code;

	if (!cli_options(cli, &command_test, &o, argv, &n))
		return cli->code;
	if (n > 0 && cases_named(argv[0]))
		return run_cases(cli, &o, argv, n);
	if (o.ip == NULL)
		return cli_fail(cli, "test needs --ip; see `postern test --help`");
	if (n > 1)
		return cli_fail(cli, "test takes one message; see `postern test --help`");
	if (n == 1 && (o.from == NULL || o.to.n == 0))
		return cli_fail(cli, "a message needs --from and --to");
	if (o.to.n > 0 && o.from == NULL)
		return cli_fail(cli, "--to needs --from");
	config = cli_config(cli, cli->config);
	if (config == NULL)
		return CLI_ERROR;
	code = play(cli, &o, config, n == 1 ? argv[0] : NULL);
	config_release(&config);
	return code;
}

const struct command command_test = {
	.name = "test",
	.arguments = "[FILE.eml | FILE.test ...]",
	.summary = "what would be decided about such a client and message? do the cases hold?",
	.help =
	    "Plays a session through the rules of the configuration and tells each step's verdict like\n"
	    "`postern why`: all steps that options are given for, those behind a refusal, too.\n"
	    "The message is a file, or \"-\" for standard input. DNS is asked; the store is only looked\n"
	    "at (counters without this message); nothing is journalled and no mail is sent.\n"
	    "\n"
	    "FILE.test holds cases: what is given, and what the rules are expected to make of it. They are\n"
	    "played with nothing else: neither DNS nor store is asked. 0: all hold; 1: one does not.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run,
};
