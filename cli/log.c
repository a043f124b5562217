#include <poll.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/die.h"
#include "base/escape.h"
#include "cli/cli.h"
#include "cli/listing.h"
#include "cli/pager.h"
#include "cli/print.h"
#include "cli/pseudonyms.h"
#include "cli/verify.h"

/* How often --follow looks whether there is something new: a look costs some microseconds. */
#define POLL_MS 200
/* Looks after which a journal that is not there is told of. */
#define PATIENCE 25

/* Entries that --follow begins with when nothing else is said, as tail(1) does. */
#define FOLLOW_LAST 10

struct options {
	const char *since, *until, *verdict, *from, *to, *account, *subject, *ip, *rule, *text,
	    *last;
	bool observed, follow, verify, group, csv, no_pager;
};

/* --- reading ------------------------------------------------------------------------------------ */

static bool
read_once(struct listing *l, struct journal *journal, const struct journal_filter *filter)
{
	struct err e;
	bool ok = journal_read(journal, filter, listing_show, l, &e);

	listing_flush(l);
	if (!ok)
		cli_fail(l->cli, "%s", e.text);
	return ok && fflush(l->cli->out) == 0;
}

/* False: nobody reads any more what we would print. */
static bool
wait_a_while(struct cli *cli)
{
	struct pollfd out = { .fd = fileno(cli->out) };

	return poll(&out, 1, POLL_MS) == 0;
}

/* A journal was moved away: another one is made when posternd starts. */
static bool
wait_for_another(struct listing *l, struct journal **journal)
{
	char *path = cli_database(l->cli, "journal.db");
	bool waiting = path != NULL;
	struct err e;

	journal_close(journal);
	for (int tries = 0; waiting && (*journal = journal_open_read(path, &e)) == NULL; tries++) {
		if (tries == PATIENCE)
			cli_fail(l->cli, "%s", e.text);
		waiting = wait_a_while(l->cli);
	}
	free(path);
	l->serial = 0;
	return waiting;
}

/*
 * Asks SQLite every fifth of a second whether somebody committed, and reads what is new. Watching the file
 * with inotify was turned down: it tells of every write to the log file, checkpoints among them, and
 * nothing on network file systems.
 */
static bool
follow(struct listing *l, struct journal **journal, struct journal_filter *filter)
{
	int64_t seen = -1;

	filter->last = 0;
	for (;;) {
		int64_t version = journal_version(*journal), newest;

		if (!journal_in_place(*journal)) {
			if (!wait_for_another(l, journal))
				return false;
			/* All of it is new. */
			filter->after_serial = 0;
			seen = -1;
			continue;
		}
		if (version == seen) {
			if (!wait_a_while(l->cli))
				return false;
			continue;
		}
		seen = version;
		newest = journal_newest(*journal);
		cli_look_at_terminal(l->cli);
		if (!read_once(l, *journal, filter))
			return false;
		filter->after_serial = newest > l->serial ? newest : l->serial;
	}
}

/* --- the subcommand ------------------------------------------------------------------------------ */

static const struct cli_option rows[] = {
	{ "since", OPTION_TEXT, offsetof(struct options, since), "TIME",
	    "from then on: 30m, 2h, 7d (ago), today, 2026-01-31, \"2026-01-31 12:00\"" },
	{ "until", OPTION_TEXT, offsetof(struct options, until), "TIME", "before then" },
	{ "verdict", OPTION_TEXT, offsetof(struct options, verdict), "VERDICT",
	    "accept, tempfail, reject, defer, left or change" },
	{ "from", OPTION_TEXT, offsetof(struct options, from), "TEXT", "in the sender's address" },
	{ "to", OPTION_TEXT, offsetof(struct options, to), "TEXT", "in a recipient's address" },
	{ "account", OPTION_TEXT, offsetof(struct options, account), "TEXT",
	    "in the account's name that the client logged in with, or tried to" },
	{ "subject", OPTION_TEXT, offsetof(struct options, subject), "TEXT",
	    "in the subject, where `journal subject` keeps it" },
	{ "ip", OPTION_TEXT, offsetof(struct options, ip), "CLIENT",
	    "its address, a network 192.0.2.0/24, or a part of its name" },
	{ "rule", OPTION_TEXT, offsetof(struct options, rule), "RULE",
	    "that decided: postern.conf:12, :12, or how it begins" },
	{ "text", OPTION_TEXT, offsetof(struct options, text), "TEXT",
	    "anywhere: addresses, account, subject, text, rule, client's name, helo" },
	{ "observed", OPTION_SWITCH, offsetof(struct options, observed), NULL,
	    "only what a rule that is observed would have refused" },
	{ "last", OPTION_TEXT, offsetof(struct options, last), "N", "only the newest N (-n N)",
	    'n' },
	{ "follow", OPTION_SWITCH, offsetof(struct options, follow), NULL,
	    "go on with what comes (-f); begins with the last 10 if no more is said", 'f' },
	{ "group", OPTION_SWITCH, offsetof(struct options, group), NULL,
	    "those of one session together" },
	{ "csv", OPTION_SWITCH, offsetof(struct options, csv), NULL,
	    "as a table for a spreadsheet, its first line the names of the columns" },
	{ "no-pager", OPTION_SWITCH, offsetof(struct options, no_pager), NULL,
	    "a terminal gets all at once, not a screen at a time" },
	{ "verify", OPTION_SWITCH, offsetof(struct options, verify), NULL,
	    "lists nothing: walks the chain and tells what is missing or was altered" },
};

static bool
fill_filter(struct cli *cli, const struct options *o, struct journal_filter *f)
{
	struct journal_span span;
	uint64_t last = 0;
	struct err e;
	struct cidr network;

	if (o->verdict && !listing_knows(o->verdict))
		return cli_fail(cli,
			   "--verdict: \"%s\" is none; write accept, tempfail, reject, defer, left or change",
			   ESC(str_of(o->verdict))) == CLI_FOUND;
	if (o->last && (!str_to_u64(str_of(o->last), 1000000000, &last) || last == 0))
		return cli_fail(cli, "--last: \"%s\" is no number of entries",
			   ESC(str_of(o->last))) == CLI_FOUND;
	if (o->ip && strchr(o->ip, '/') && !cidr_parse(str_of(o->ip), &network, &e))
		return cli_fail(cli, "--ip: %s", e.text) == CLI_FOUND;
	*f = (struct journal_filter){
		.verdict = str_of(o->verdict),
		.client = str_of(o->ip),
		.sender = str_of(o->from),
		.recipient = str_of(o->to),
		.account = str_of(o->account),
		.subject = str_of(o->subject),
		.rule = str_of(o->rule),
		.text = str_of(o->text),
		.last = last,
		.observed = o->observed,
	};
	if (o->follow && o->last == NULL && o->since == NULL)
		f->last = FOLLOW_LAST;
	if (!cli_span(cli, o->since, o->until, &span))
		return false;
	f->since_ms = span.since_ms;
	f->until_ms = span.until_ms;
	return true;
}

/* Where addresses are hashed, a part of one finds nothing, and without the key nor does the whole. */
static void
say_unfound(struct cli *cli, const struct pseudonyms *x, const char *option, const char *text)
{
	if (x->p == NULL)
		fprintf(cli->err,
		    "postern: the key of `journal addresses hashed` cannot be read: --%s finds no hashed address\n",
		    option);
	else if (text[0] != '@')
		fprintf(cli->err,
		    "postern: addresses in the journal are hashed: --%s finds them by the whole address, or by the domain\n",
		    option);
}

/* One text that is looked for: what stands for it where addresses are hashed. */
static struct str
hashed_form(struct cli *cli, const struct pseudonyms *x, const char *option, const char *text)
{
	bool account = strcmp(option, "account") == 0;
	struct str also =
	    account ? pseudonyms_of_account(x, str_of(text)) : pseudonyms_of(x, str_of(text));

	if (text && x->hashed && also.n == 0)
		say_unfound(cli, x, option, text);
	return also;
}

static void
look_for_hashed(
    struct cli *cli, const struct options *o, struct pseudonyms *x, struct journal_filter *f)
{
	*x = (struct pseudonyms){ 0 };
	if (o->from == NULL && o->to == NULL && o->account == NULL && o->text == NULL)
		return;
	pseudonyms_try(cli, x);
	f->sender_also = hashed_form(cli, x, "from", o->from);
	f->recipient_also = hashed_form(cli, x, "to", o->to);
	f->account_also = hashed_form(cli, x, "account", o->account);
	f->text_also = pseudonyms_of_account(x, str_of(o->text));
}

static bool
fits_together(struct cli *cli, const struct options *o)
{
	if (o->csv && cli->json)
		return cli_fail(cli, "--csv and --json: one of them") == CLI_FOUND;
	if (o->group && (o->csv || cli->json || o->follow))
		return cli_fail(cli, "--group is for people, and for what is there: not with %s",
			   o->follow    ? "--follow"
			       : o->csv ? "--csv"
					: "--json") == CLI_FOUND;
	return true;
}

static enum listing_form
form_of(const struct cli *cli, const struct options *o)
{
	return cli->json ? LISTING_JSON
	    : o->csv     ? LISTING_CSV
	    : o->group   ? LISTING_GROUPS
			 : LISTING_LINES;
}

static int
list(struct cli *cli, const struct options *o, struct journal **journal,
    struct journal_filter *filter)
{
	struct listing listing = { .cli = cli, .form = form_of(cli, o) };
	bool people = !cli->json && !o->csv && !o->follow, ok;
	struct pager pager = { 0 };

	listing.summed = people && cli->width > 0;
	if (people && !o->no_pager)
		pager_begin(&pager, cli);
	if (o->csv)
		print_csv_head(cli);
	ok = read_once(&listing, *journal, filter);
	if (ok && o->follow) {
		filter->after_serial = listing.serial;
		ok = follow(&listing, journal, filter);
	}
	listing_end(&listing);
	pager_end(&pager, cli);
	if (!ok)
		return CLI_ERROR;
	return listing.shown > 0 ? CLI_FOUND : CLI_NOTHING;
}

/* Nobody wonders for long where the subjects are. */
static void
say_why_none(struct cli *cli)
{
	struct config *config = cli->database ? NULL : cli_config_quiet(cli, cli->config);

	if (config && !config->core.journal_subject)
		fprintf(cli->err,
		    "postern: the journal keeps no subjects: `journal subject on` in %s has those that come kept\n",
		    ESC(str_of(cli->config)));
	if (config)
		config_release(&config);
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct options options = { 0 };
	struct journal_filter filter;
	struct journal *journal;
	struct pseudonyms pseudonyms;
	int n, code;

	if (!cli_options(cli, &command_log, &options, argv, &n))
		return cli->code;
	if (n > 0)
		return cli_fail(
		    cli, "log takes no \"%s\"; see `postern log --help`", ESC(str_of(argv[0])));
	if (!fits_together(cli, &options) || !fill_filter(cli, &options, &filter) ||
	    (journal = cli_journal(cli)) == NULL)
		return CLI_ERROR;
	if (options.verify) {
		code = verify_journal(cli, journal, filter.since_ms);
		journal_close(&journal);
		return code;
	}
	look_for_hashed(cli, &options, &pseudonyms, &filter);
	code = list(cli, &options, &journal, &filter);
	if (code == CLI_NOTHING && options.subject)
		say_why_none(cli);
	journal_close(&journal);
	pseudonyms_close(&pseudonyms);
	return code;
}

const struct command command_log = {
	.name = "log",
	.arguments = "",
	.summary = "what was decided, newest last",
	.help =
	    "Shows the entries of the journal, oldest first: time, id, verdict, code, step, client, sender,\n"
	    "recipients, text and rule. Conditions are joined by \"and\"; texts are looked for\n"
	    "without case. On a terminal lines are cut to its width, shown a screen at a time ($PAGER), and\n"
	    "summed up in a last line. With --json: one object a line. `postern why ID` tells all about one.\n"
	    "With --verify it ends with 0 when the journal is whole, with 1 when something is missing or was\n"
	    "altered; besides that only --since counts. Note the newest link elsewhere and compare it later.\n"
	    "Where addresses are hashed in the journal, --from, --to and --account find whole addresses,\n"
	    "accounts and domains.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run,
};
