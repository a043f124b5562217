#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/die.h"
#include "base/escape.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "cli/verify.h"
#include "cli/when.h"

/* How often --follow looks whether there is something new: a look costs some microseconds. */
#define POLL_US 200000

/* Entries that --follow begins with when nothing else is said, as tail(1) does. */
#define FOLLOW_LAST 10

/* The columns of text are as wide as the first so many entries need, within bounds. */
#define MEASURED 200
#define WIDEST 40

struct options {
	const char *since, *until, *verdict, *from, *to, *ip, *rule, *text, *last;
	bool follow, verify;
};

struct listing {
	struct cli *cli;
	struct journal_record *first[MEASURED]; /* waiting until the widths are known */
	size_t n;
	bool measured;
	size_t client, sender, recipients; /* widths */
	int64_t shown, serial;             /* how many; the newest of them */
};

/* --- one entry a line --------------------------------------------------------------------------- */

static struct str
sender_of(const struct journal_record *r)
{
	if (r->sender.n > 0)
		return r->sender;
	if (strcmp(r->step, "connect") == 0 || strcmp(r->step, "helo") == 0)
		return STR("-");
	return STR("<>");
}

static struct str
recipients_of(const struct journal_record *r, struct buf *b)
{
	print_recipients(r, b);
	return b->n > 0 ? buf_str(b) : STR("-");
}

static void
print_entry(struct listing *l, const struct journal_record *r)
{
	struct line line = { l->cli };
	char code[16], times[40], time[WHEN_SIZE];
	struct buf recipients;

	buf_init(&recipients, 1 << 16);
	snprintf(code, sizeof(code), "%d", r->code);
	line_cell(&line, str_of(when_local(r->time_ms, time)), 19, COLOR_DIM);
	line_cell(&line, str_of(r->id), 6, COLOR_NONE);
	line_cell(&line, str_of(r->verdict), 8, print_verdict_color(r->verdict));
	line_cell(&line, str_of(code), 3, COLOR_NONE);
	line_cell(&line, str_of(r->step), 7, COLOR_NONE);
	line_cell(&line, r->client_ip, l->client, COLOR_NONE);
	line_cut_cell(&line, sender_of(r), l->sender, COLOR_NONE);
	line_cut_cell(&line, recipients_of(r, &recipients), l->recipients, COLOR_NONE);
	if (r->text.n > 0)
		line_cell(&line, r->text, 0, COLOR_NONE);
	if (r->times > 1) {
		snprintf(times, sizeof(times), "(%" PRId64 " times)", r->times);
		line_cell(&line, str_of(times), 0, COLOR_BOLD);
	}
	if (r->rule.n > 0)
		line_cell(&line, r->rule, 0, COLOR_DIM);
	if (r->observed.n > 0) {
		line_add(&line, "observed: ", COLOR_DIM);
		line_cell(&line, r->observed, 0, COLOR_DIM);
	}
	line_end(&line);
	buf_free(&recipients);
}

static void
widen(size_t *width, struct str text, size_t most)
{
	size_t n = print_width(text);

	n = n < most ? n : most;
	*width = n > *width ? n : *width;
}

/* Prints what was held back for the widths. */
static void
print_first(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++) {
		struct buf recipients;

		buf_init(&recipients, 1 << 16);
		widen(&l->client, l->first[i]->client_ip, IP_TEXT_SIZE);
		widen(&l->sender, sender_of(l->first[i]), WIDEST);
		widen(&l->recipients, recipients_of(l->first[i], &recipients), WIDEST);
		buf_free(&recipients);
	}
	for (size_t i = 0; i < l->n; i++) {
		print_entry(l, l->first[i]);
		free(l->first[i]);
	}
	l->n = 0;
	l->measured = true;
}

static bool
show(void *owner, const struct journal_record *r)
{
	struct listing *l = owner;

	l->shown++;
	l->serial = r->serial;
	if (l->cli->json) {
		print_record_json(l->cli, r, false);
	} else if (l->measured) {
		print_entry(l, r);
	} else {
		l->first[l->n++] = journal_record_copy(r);
		if (l->n == MEASURED)
			print_first(l);
	}
	return !ferror(l->cli->out);
}

/* --- reading ------------------------------------------------------------------------------------ */

static bool
read_once(struct listing *l, struct journal *journal, const struct journal_filter *filter)
{
	struct err e;
	bool ok = journal_read(journal, filter, show, l, &e);

	print_first(l);
	if (!ok)
		cli_fail(l->cli, "%s", e.text);
	return ok && fflush(l->cli->out) == 0;
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

		if (version == seen && journal_in_place(*journal)) {
			usleep(POLL_US);
			continue;
		}
		if (!journal_in_place(*journal)) {
			/* A journal made anew: all of it is new. */
			journal_close(journal);
			*journal = cli_journal(l->cli);
			if (*journal == NULL)
				return false;
			filter->after_serial = 0;
			seen = -1;
			continue;
		}
		seen = version;
		newest = journal_newest(*journal);
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
	    "accept, tempfail or reject" },
	{ "from", OPTION_TEXT, offsetof(struct options, from), "TEXT", "in the sender's address" },
	{ "to", OPTION_TEXT, offsetof(struct options, to), "TEXT", "in a recipient's address" },
	{ "ip", OPTION_TEXT, offsetof(struct options, ip), "CLIENT",
	    "its address, a network 192.0.2.0/24, or a part of its name" },
	{ "rule", OPTION_TEXT, offsetof(struct options, rule), "RULE",
	    "that decided: postern.conf:12, :12, or how it begins" },
	{ "text", OPTION_TEXT, offsetof(struct options, text), "TEXT",
	    "anywhere: addresses, text, rule, client's name, helo" },
	{ "last", OPTION_TEXT, offsetof(struct options, last), "N", "only the newest N" },
	{ "follow", OPTION_SWITCH, offsetof(struct options, follow), NULL,
	    "go on with what comes; begins with the last 10 if nothing else is said" },
	{ "verify", OPTION_SWITCH, offsetof(struct options, verify), NULL,
	    "lists nothing: walks the chain and tells what is missing or was altered" },
};

static bool
fill_filter(struct cli *cli, const struct options *o, struct journal_filter *f)
{
	static const char *const verdicts[] = { "accept", "tempfail", "reject", "defer", "left",
		"change" };
	uint64_t last = 0;
	struct err e;
	struct cidr network;
	bool known = o->verdict == NULL;

	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]) && !known; i++)
		known = strcmp(o->verdict, verdicts[i]) == 0;
	if (!known)
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
		.rule = str_of(o->rule),
		.text = str_of(o->text),
		.last = last,
	};
	if (o->follow && o->last == NULL && o->since == NULL)
		f->last = FOLLOW_LAST;
	return cli_time(cli, "since", o->since, &f->since_ms) &&
	    cli_time(cli, "until", o->until, &f->until_ms);
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct options options = { 0 };
	struct listing *listing;
	struct journal_filter filter;
	struct journal *journal;
	bool ok;
	int n, code;

	if (!cli_options(cli, &command_log, &options, argv, &n))
		return cli->code;
	if (n > 0)
		return cli_fail(
		    cli, "log takes no \"%s\"; see `postern log --help`", ESC(str_of(argv[0])));
	if (!fill_filter(cli, &options, &filter) || (journal = cli_journal(cli)) == NULL)
		return CLI_ERROR;
	if (options.verify) {
		code = verify_journal(cli, journal, filter.since_ms);
		journal_close(&journal);
		return code;
	}
	listing = xcalloc(1, sizeof(*listing));
	listing->cli = cli;
	ok = read_once(listing, journal, &filter);
	if (ok && options.follow) {
		filter.after_serial = listing->serial;
		ok = follow(listing, &journal, &filter);
	}
	code = listing->shown > 0 ? CLI_FOUND : CLI_NOTHING;
	free(listing);
	journal_close(&journal);
	return ok ? code : CLI_ERROR;
}

const struct command command_log = {
	.name = "log",
	.arguments = "",
	.summary = "what was decided, newest last",
	.help =
	    "Shows the entries of the journal, oldest first: time, id, verdict, code, step, client, sender,\n"
	    "recipients, text and rule. Conditions are joined by \"and\"; texts are looked for\n"
	    "without case. Times are local. On a terminal lines are cut to its width.\n"
	    "With --json: one object a line. `postern why ID` tells all about one entry.\n"
	    "With --verify it ends with 0 when the journal is whole, with 1 when something is missing or was\n"
	    "altered; besides that only --since counts. Note the newest link elsewhere and compare it later.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run,
};
