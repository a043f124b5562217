#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/die.h"
#include "base/escape.h"
#include "cli/cli.h"
#include "cli/pager.h"
#include "cli/print.h"
#include "cli/pseudonyms.h"
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
	const char *since, *until, *verdict, *from, *to, *account, *subject, *ip, *rule, *text,
	    *last;
	bool observed, follow, verify, group, csv, no_pager;
};

/* Entries that --group keeps in memory. */
#define GROUPED_MOST 100000

static const char *const verdicts[] = { "accept", "tempfail", "reject", "defer", "left", "change" };
#define N_VERDICTS (sizeof(verdicts) / sizeof(verdicts[0]))

struct listing {
	struct cli *cli;
	struct journal_record *first[MEASURED]; /* waiting until the widths are known */
	size_t n;
	bool measured;
	size_t client, sender, recipients; /* widths */
	int64_t shown, serial;             /* how many; the newest of them */
	int64_t verdicts[N_VERDICTS], first_ms, last_ms;
	bool csv;
	bool group;
	struct journal_record **kept; /* group: all, in their order */
	size_t n_kept, cap;
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
print_entry_on(struct line *on, struct listing *l, const struct journal_record *r)
{
	struct line line = *on;
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
	if (r->subject.n > 0) {
		line_add(&line, "subject: ", COLOR_DIM);
		line_cell(&line, r->subject, 0, COLOR_DIM);
	}
	line_end(&line);
	*on = line;
	buf_free(&recipients);
}

static void
print_entry(struct listing *l, const struct journal_record *r)
{
	struct line line = { l->cli };

	print_entry_on(&line, l, r);
}

static void
widen(size_t *width, struct str text, size_t most)
{
	size_t n = print_width(text);

	n = n < most ? n : most;
	*width = n > *width ? n : *width;
}

static void
measure(struct listing *l, struct journal_record *const *record, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct buf recipients;

		buf_init(&recipients, 1 << 16);
		widen(&l->client, record[i]->client_ip, IP_TEXT_SIZE);
		widen(&l->sender, sender_of(record[i]), WIDEST);
		widen(&l->recipients, recipients_of(record[i], &recipients), WIDEST);
		buf_free(&recipients);
	}
}

/* Prints what was held back for the widths. */
static void
print_first(struct listing *l)
{
	measure(l, l->first, l->n);
	for (size_t i = 0; i < l->n; i++) {
		print_entry(l, l->first[i]);
		free(l->first[i]);
	}
	l->n = 0;
	l->measured = true;
}

static void
count(struct listing *l, const struct journal_record *r)
{
	l->shown++;
	l->serial = r->serial;
	l->first_ms = l->first_ms ? l->first_ms : r->time_ms;
	l->last_ms = r->time_ms;
	for (size_t i = 0; i < N_VERDICTS; i++)
		l->verdicts[i] +=
		    strcmp(r->verdict, verdicts[i]) == 0 ? (r->times > 1 ? r->times : 1) : 0;
}

static void
keep(struct listing *l, const struct journal_record *r)
{
	if (l->n_kept == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 256;
		l->kept = xrealloc(l->kept, l->cap * sizeof(*l->kept));
	}
	l->kept[l->n_kept++] = journal_record_copy(r);
}

static bool
show(void *owner, const struct journal_record *r)
{
	struct listing *l = owner;

	if (l->group && l->n_kept == GROUPED_MOST)
		return false;
	count(l, r);
	if (l->group) {
		keep(l, r);
	} else if (l->cli->json) {
		print_record_json(l->cli, r, false);
	} else if (l->csv) {
		print_record_csv(l->cli, r);
	} else if (l->measured) {
		print_entry(l, r);
	} else {
		l->first[l->n++] = journal_record_copy(r);
		if (l->n == MEASURED)
			print_first(l);
	}
	return !ferror(l->cli->out);
}

/* --- sessions --------------------------------------------------------------------------------- */

/* Those of one session stand together, where its first stands. */
static int
by_session(const void *a, const void *b)
{
	const struct journal_record *const *x = a, *const *y = b;
	int order = str_cmp((*x)->session, (*y)->session);

	return order ? order : ((*x)->serial > (*y)->serial) - ((*x)->serial < (*y)->serial);
}

struct group {
	struct journal_record **entry;
	size_t n;
};

static int
by_first(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return ((*x->entry)->serial > (*y->entry)->serial) -
	    ((*x->entry)->serial < (*y->entry)->serial);
}

static void
print_session(struct listing *l, const struct group *group)
{
	const struct journal_record *first = group->entry[0];
	struct line line = { l->cli };
	char text[64], time[WHEN_SIZE];

	line_cell(&line, str_of(when_local(first->time_ms, time)), 19, COLOR_BOLD);
	line_cell(&line, first->client_ip, 0, COLOR_BOLD);
	if (first->client_name.n > 0)
		line_cell(&line, first->client_name, 0, COLOR_NONE);
	if (first->helo.n > 0) {
		line_add(&line, "helo ", COLOR_DIM);
		line_cell(&line, first->helo, 0, COLOR_NONE);
	}
	snprintf(text, sizeof(text), "%zu entr%s", group->n, group->n == 1 ? "y" : "ies");
	line_cell(&line, str_of(text), 0, COLOR_DIM);
	if (first->session.n > 0) {
		line_add(&line, "session ", COLOR_DIM);
		line_cell(&line, first->session, 0, COLOR_DIM);
	}
	line_end(&line);
	for (size_t i = 0; i < group->n; i++) {
		line_add(&line, "  ", COLOR_NONE);
		print_entry_on(&line, l, group->entry[i]);
	}
}

static void
print_groups(struct listing *l)
{
	struct group *group = xcalloc(l->n_kept + 1, sizeof(*group));
	size_t n = 0;

	if (l->n_kept == 0) {
		free(group);
		return;
	}
	measure(l, l->kept, l->n_kept);
	qsort(l->kept, l->n_kept, sizeof(*l->kept), by_session);
	for (size_t i = 0; i < l->n_kept; i++) {
		/* Floods that were counted belong to no session. */
		bool same = n > 0 && l->kept[i]->session.n > 0 &&
		    str_eq(l->kept[i]->session, group[n - 1].entry[0]->session);

		if (!same)
			group[n++].entry = &l->kept[i];
		group[n - 1].n++;
	}
	qsort(group, n, sizeof(*group), by_first);
	for (size_t i = 0; i < n; i++)
		print_session(l, &group[i]);
	if (l->n_kept == GROUPED_MOST)
		cli_fail(l->cli,
		    "only the first %d entries are shown: narrow it with --since, or --last",
		    GROUPED_MOST);
	for (size_t i = 0; i < l->n_kept; i++)
		free(l->kept[i]);
	free(l->kept);
	free(group);
}

/* One line about all, for a person who looks at it. */
static void
print_summary(struct listing *l)
{
	struct line line = { l->cli };
	char text[64], since[WHEN_SIZE], until[WHEN_SIZE];

	snprintf(text, sizeof(text), "%" PRId64 " entr%s:", l->shown, l->shown == 1 ? "y" : "ies");
	line_cell(&line, str_of(text), 0, COLOR_BOLD);
	for (size_t i = 0; i < N_VERDICTS; i++) {
		if (l->verdicts[i] == 0)
			continue;
		snprintf(text, sizeof(text), "%" PRId64 " %s", l->verdicts[i], verdicts[i]);
		line_cell(&line, str_of(text), 0, print_verdict_color(verdicts[i]));
	}
	line_add(&line, "from ", COLOR_DIM);
	line_add(&line, when_local(l->first_ms, since), COLOR_DIM);
	line_add(&line, " to ", COLOR_DIM);
	line_add(&line, when_local(l->last_ms, until), COLOR_DIM);
	line_end(&line);
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
	    "accept, tempfail, reject, defer or left" },
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
	{ "last", OPTION_TEXT, offsetof(struct options, last), "N", "only the newest N" },
	{ "follow", OPTION_SWITCH, offsetof(struct options, follow), NULL,
	    "go on with what comes; begins with the last 10 if nothing else is said" },
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
	uint64_t last = 0;
	struct err e;
	struct cidr network;
	bool known = o->verdict == NULL;

	for (size_t i = 0; i < N_VERDICTS && !known; i++)
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
		.account = str_of(o->account),
		.subject = str_of(o->subject),
		.rule = str_of(o->rule),
		.text = str_of(o->text),
		.last = last,
		.observed = o->observed,
	};
	if (o->follow && o->last == NULL && o->since == NULL)
		f->last = FOLLOW_LAST;
	return cli_time(cli, "since", o->since, &f->since_ms) &&
	    cli_time(cli, "until", o->until, &f->until_ms);
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

static int
list(struct cli *cli, const struct options *o, struct journal **journal,
    struct journal_filter *filter)
{
	struct listing *listing = xcalloc(1, sizeof(*listing));
	bool people = !cli->json && !o->csv && !o->follow, ok;
	struct pager pager = { 0 };
	int code;

	listing->cli = cli;
	listing->csv = o->csv;
	listing->group = o->group;
	if (people && !o->no_pager)
		pager_begin(&pager, cli);
	if (o->csv)
		print_csv_head(cli);
	ok = read_once(listing, *journal, filter);
	if (ok && o->follow) {
		filter->after_serial = listing->serial;
		ok = follow(listing, journal, filter);
	}
	print_groups(listing);
	if (people && cli->width > 0 && listing->shown > 0)
		print_summary(listing);
	pager_end(&pager, cli);
	code = listing->shown > 0 ? CLI_FOUND : CLI_NOTHING;
	free(listing);
	return ok ? code : CLI_ERROR;
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
