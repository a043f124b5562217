#include "rules/replay.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/escape.h"
#include "cli/cli.h"
#include "cli/print.h"
#include "cli/ranking.h"
#include "cli/replayed.h"
#include "cli/when.h"
#include "mail/pseudonym.h"
#include "rules/record_pseudonyms.h"

#define TOP 10
#define RULES_TOP 30

struct options {
	const char *since, *until, *allow;
	bool list, frozen;
};

/* By what changed verdicts are counted. */
enum { BY_SENDER, BY_RECIPIENT, BY_CLIENT, BY_KINDS };

static const struct {
	const char *title, *key;
} kinds[BY_KINDS] = {
	{ "senders", "senders" },
	{ "recipients", "recipients" },
	{ "clients", "clients" },
};

struct run {
	struct cli *cli;
	const struct options *options;
	struct journal *journal;
	struct replay *replay;
	struct err e;
	bool failed;
	int64_t n[REPLAY_STATES];
	int64_t changed, new_rejects, observed;
	int64_t moved; /* unknown, and rests on counters that verdicts before may have moved */
	const struct pseudonym *pseudonym;
	int64_t strangers; /* whose addresses are hashed under another key */
	int64_t by_files;  /* changed, and nothing but files of lists differs */
	struct ranking directions, rules,
	    needs;            /* "accept reject", "accept reject OLD\nNEW", "dkim" */
	struct ranking files; /* of lists, that held something else then */
	struct ranking by[BY_KINDS];
	struct buf text;
	int64_t took_us;
};

/* --- counting --------------------------------------------------------------------------------------- */

static void
count_mail(struct run *r, const struct journal_record *record)
{
	struct buf recipients;

	buf_init(&recipients, 1 << 16);
	print_recipients(record, &recipients);
	/* Steps before MAIL have neither. */
	if (record->recipients.n > 2 || record->sender.n > 0)
		ranking_add(
		    &r->by[BY_SENDER], record->sender.n > 0 ? record->sender : STR("<>"), 1);
	if (recipients.n > 0)
		ranking_add(&r->by[BY_RECIPIENT], buf_str(&recipients), 1);
	ranking_add(&r->by[BY_CLIENT], record->client_ip, 1);
	buf_free(&recipients);
}

static void
count_change(struct run *r, const struct journal_record *record, const struct replay_result *now)
{
	r->changed++;
	r->new_rejects +=
	    strcmp(record->verdict, "accept") == 0 && strcmp(now->verdict, "reject") == 0;
	buf_clear(&r->text);
	buf_printf(&r->text, "%s -> %s", record->verdict, now->verdict);
	ranking_add(&r->directions, buf_str(&r->text), 1);
	buf_addc(&r->text, '\n');
	buf_add(&r->text, record->rule);
	buf_addc(&r->text, '\n');
	buf_add(&r->text, now->rule);
	ranking_add(&r->rules, buf_str(&r->text), 1);
	count_mail(r, record);
}

/* --- each ------------------------------------------------------------------------------------------- */

static void
list_json(struct run *r, const struct journal_record *record, const struct replay_result *now)
{
	char when[WHEN_SIZE];
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_printf(&b,
	    "{\"id\":\"%s\",\"time\":\"%s\",\"before\":\"%s\",\"rule_before\":", record->id,
	    when_utc(record->time_ms, when), record->verdict);
	escape_json(&b, record->rule);
	buf_printf(&b, ",\"now\":\"%s\",\"rule_now\":",
	    now->state == REPLAY_UNKNOWN ? "unknown" : now->verdict);
	escape_json(&b, now->rule);
	buf_printf(&b, ",\"step\":\"%s\",\"needs\":", step_name(now->step));
	escape_json(&b, now->needs);
	buf_printf(&b, ",\"refused\":%u,\"client_ip\":", now->refused);
	escape_json(&b, record->client_ip);
	buf_add(&b, STR(",\"sender\":"));
	escape_json(&b, record->sender);
	buf_add(&b, STR(",\"recipients\":"));
	buf_add(&b, record->recipients);
	buf_add(&b, STR("}\n"));
	fwrite(b.p, 1, b.n, r->cli->out);
	buf_free(&b);
}

static void
list_rule(struct line *line, struct str rule)
{
	line_cell(line, rule.n > 0 ? rule : STR("-"), 16, COLOR_DIM);
}

static void
list_line(struct run *r, const struct journal_record *record, const struct replay_result *now)
{
	const char *verdict = now->state == REPLAY_UNKNOWN ? "unknown" : now->verdict;
	struct line line = { r->cli };
	char when[WHEN_SIZE];
	struct buf b;

	buf_init(&b, 1 << 16);
	line_cell(&line, str_of(record->id), 0, COLOR_BOLD);
	line_cell(&line, str_of(when_local(record->time_ms, when)), 0, COLOR_DIM);
	line_cell(&line, str_of(record->verdict), 8, print_verdict_color(record->verdict));
	list_rule(&line, record->rule);
	line_add(&line, "-> ", COLOR_NONE);
	line_cell(&line, str_of(verdict), 8, print_verdict_color(verdict));
	if (now->state == REPLAY_UNKNOWN) {
		buf_add(&b, STR("needs "));
		buf_add(&b, now->needs);
		line_cell(&line, buf_str(&b), 16, COLOR_DIM);
		buf_clear(&b);
	} else {
		list_rule(&line, now->rule);
	}
	line_cell(&line, record->client_ip, 15, COLOR_NONE);
	buf_printf(&b, "<%.*s> to ", (int)record->sender.n, record->sender.p);
	print_recipients(record, &b);
	if (now->refused > 0 && now->refused < now->recipients)
		buf_printf(&b, " (%u of %u)", now->refused, now->recipients);
	line_cell(&line, buf_str(&b), 0, COLOR_NONE);
	line_end(&line);
	buf_free(&b);
}

static void
count_file(void *owner, struct str file)
{
	struct run *r = owner;

	ranking_add(&r->files, file, 1);
}

static bool
is_stranger(const struct run *r, const struct journal_record *record)
{
	struct str key = record_pseudonym_key(record);

	return key.n > 0 &&
	    (r->pseudonym == NULL || !str_eq(key, str_of(pseudonym_key(r->pseudonym))));
}

static bool
row(void *owner, const struct journal_record *record)
{
	struct run *r = owner;
	struct replay_result now;
	bool changed;

	r->failed = !replayed_learn(r->replay, r->journal, record->config, &r->e);
	if (r->failed)
		return false;
	replay_entry(r->replay, record, &now);
	r->n[now.state]++;
	r->strangers += is_stranger(r, record);
	if (now.state > REPLAY_UNKNOWN)
		return true;
	changed = now.state == REPLAY_DECIDED && strcmp(now.verdict, record->verdict) != 0;
	r->by_files += replay_files(r->replay, record->config, count_file, r) && changed;
	r->observed += now.state == REPLAY_DECIDED && now.observed && !changed;
	if (changed)
		count_change(r, record, &now);
	else if (now.state == REPLAY_UNKNOWN)
		ranking_add(&r->needs, now.needs, 1);
	r->moved += now.state == REPLAY_UNKNOWN && now.touched;
	if (!r->options->list || !(changed || now.state == REPLAY_UNKNOWN))
		return true;
	(r->cli->json ? list_json : list_line)(r, record, &now);
	return true;
}

/* --- the sum ---------------------------------------------------------------------------------------- */

static void
add_top(struct buf *b, const struct ranking *ranking)
{
	struct ranking_row rows[TOP];
	size_t n = ranking_top(ranking, rows, TOP);

	for (size_t i = 0; i < n; i++)
		buf_printf(
		    b, "%s%" PRId64 " %.*s", i > 0 ? ", " : "", rows[i].n, STR_ARG(rows[i].text));
}

static void
print_headline(struct run *r)
{
	struct line line = { r->cli };
	char took[WHEN_SIZE];
	struct buf b;

	buf_init(&b, 1 << 16);
	buf_printf(&b, "%" PRId64 " verdicts replayed, %" PRId64 " change",
	    r->n[REPLAY_DECIDED] + r->n[REPLAY_UNKNOWN], r->changed);
	if (r->changed > 0) {
		buf_add(&b, STR(": "));
		add_top(&b, &r->directions);
	}
	if (r->n[REPLAY_UNKNOWN] > 0) {
		buf_printf(&b, "; %" PRId64 " unknown, for want of ", r->n[REPLAY_UNKNOWN]);
		add_top(&b, &r->needs);
	}
	line_cell(&line, buf_str(&b), 0, COLOR_BOLD);
	line_end(&line);
	buf_clear(&b);
	buf_printf(&b, "in %s", when_took(r->took_us, took));
	if (r->n[REPLAY_ASIDE] > 0)
		buf_printf(&b, "; %" PRId64 " entries that are no verdict about mail left aside",
		    r->n[REPLAY_ASIDE]);
	if (r->n[REPLAY_TOO_OLD] > 0)
		buf_printf(
		    &b, "; %" PRId64 " cannot be replayed: they are too old", r->n[REPLAY_TOO_OLD]);
	if (r->observed > 0)
		buf_printf(&b,
		    "; %" PRId64 " more would be refused by rules that are only observed",
		    r->observed);
	line_cell(&line, buf_str(&b), 0, COLOR_DIM);
	line_end(&line);
	buf_clear(&b);
	if (r->moved > 0) {
		buf_printf(&b,
		    "%" PRId64
		    " of the unknown rest on counters that verdicts before them may move: "
		    "what did not come then may come now; --frozen takes counters as they were",
		    r->moved);
		line_cell(&line, buf_str(&b), 0, COLOR_DIM);
		line_end(&line);
	}
	buf_free(&b);
}

/* Whose rules read as they did then, and say something else. */
static void
print_files(struct run *r)
{
	struct line line = { r->cli };
	struct buf b;

	if (r->files.texts.n == 0)
		return;
	buf_init(&b, 1 << 16);
	buf_add(&b,
	    STR("replayed with what is in lists now; these files held something else then, for so many verdicts: "));
	add_top(&b, &r->files);
	if (r->by_files > 0)
		buf_printf(&b,
		    "; %" PRId64
		    " of the changes come of that: the rest of the configuration is the same",
		    r->by_files);
	line_cell(&line, buf_str(&b), 0, COLOR_YELLOW);
	line_end(&line);
	buf_free(&b);
}

/* "accept -> reject\nOLD\nNEW" */
static void
parts_of(struct str text, struct str part[3])
{
	for (int i = 0; i < 3; i++)
		if (!str_pop(&text, '\n', &part[i]))
			part[i] = STR("");
}

static void
heading(struct cli *cli, const char *text)
{
	struct line line = { cli };

	line_end(&line);
	line_add(&line, text, COLOR_BOLD);
	line_end(&line);
}

static void
count_cell(struct line *line, int64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%8" PRId64, n);
	line_cell(line, str_of(text), 0, COLOR_NONE);
}

static void
print_rules(struct run *r)
{
	struct ranking_row rows[RULES_TOP];
	size_t n = ranking_top(&r->rules, rows, RULES_TOP);
	struct line line = { r->cli };

	if (n > 0)
		heading(r->cli, "by rule, before and now");
	for (size_t i = 0; i < n; i++) {
		struct str part[3];

		parts_of(rows[i].text, part);
		count_cell(&line, rows[i].n);
		line_cell(&line, part[0], 18, COLOR_NONE);
		list_rule(&line, part[1]);
		line_cell(&line, part[2].n > 0 ? part[2] : STR("-"), 16, COLOR_NONE);
		if (replay_source(r->replay, part[2]).n > 0)
			line_cell(&line, replay_source(r->replay, part[2]), 0, COLOR_DIM);
		line_end(&line);
	}
}

static void
print_top(struct run *r, int kind)
{
	struct ranking_row rows[TOP];
	size_t n = ranking_top(&r->by[kind], rows, TOP);
	struct line line = { r->cli };

	if (n > 0)
		heading(r->cli, kinds[kind].title);
	for (size_t i = 0; i < n; i++) {
		count_cell(&line, rows[i].n);
		line_cell(&line, rows[i].text, 0, COLOR_NONE);
		line_end(&line);
	}
}

static void
print_sum(struct run *r)
{
	if (r->options->list && r->changed + r->n[REPLAY_UNKNOWN] > 0)
		fputc('\n', r->cli->out);
	print_headline(r);
	print_files(r);
	print_rules(r);
	for (int i = 0; i < BY_KINDS; i++)
		print_top(r, i);
}

static void
json_top(struct buf *b, const char *key, const struct ranking *ranking)
{
	struct ranking_row rows[TOP];
	size_t n = ranking_top(ranking, rows, TOP);

	buf_printf(b, ",\"%s\":[", key);
	for (size_t i = 0; i < n; i++) {
		buf_add(b, i > 0 ? STR(",{\"key\":") : STR("{\"key\":"));
		escape_json(b, rows[i].text);
		buf_printf(b, ",\"n\":%" PRId64 "}", rows[i].n);
	}
	buf_addc(b, ']');
}

static void
json_rules(struct run *r, struct buf *b)
{
	struct ranking_row rows[RULES_TOP];
	size_t n = ranking_top(&r->rules, rows, RULES_TOP);

	buf_add(b, STR(",\"rules\":["));
	for (size_t i = 0; i < n; i++) {
		struct str part[3];

		parts_of(rows[i].text, part);
		buf_add(b, i > 0 ? STR(",{\"change\":") : STR("{\"change\":"));
		escape_json(b, part[0]);
		buf_add(b, STR(",\"before\":"));
		escape_json(b, part[1]);
		buf_add(b, STR(",\"now\":"));
		escape_json(b, part[2]);
		buf_add(b, STR(",\"source\":"));
		escape_json(b, replay_source(r->replay, part[2]));
		buf_printf(b, ",\"n\":%" PRId64 "}", rows[i].n);
	}
	buf_addc(b, ']');
}

static void
json_sum(struct run *r)
{
	struct buf b;

	buf_init(&b, 4 << 20);
	buf_printf(&b,
	    "{\"replayed\":%" PRId64 ",\"changed\":%" PRId64 ",\"unknown\":%" PRId64
	    ",\"aside\":%" PRId64 ",\"too_old\":%" PRId64 ",\"new_rejects\":%" PRId64
	    ",\"observed\":%" PRId64 ",\"unknown_moved\":%" PRId64 ",\"changed_by_files\":%" PRId64
	    ",\"took_us\":%" PRId64,
	    r->n[REPLAY_DECIDED] + r->n[REPLAY_UNKNOWN], r->changed, r->n[REPLAY_UNKNOWN],
	    r->n[REPLAY_ASIDE], r->n[REPLAY_TOO_OLD], r->new_rejects, r->observed, r->moved,
	    r->by_files, r->took_us);
	json_top(&b, "directions", &r->directions);
	json_top(&b, "needs", &r->needs);
	json_top(&b, "files", &r->files);
	json_rules(r, &b);
	for (int i = 0; i < BY_KINDS; i++)
		json_top(&b, kinds[i].key, &r->by[i]);
	buf_add(&b, STR("}\n"));
	fwrite(b.p, 1, b.n, r->cli->out);
	buf_free(&b);
}

/* --- the subcommand ------------------------------------------------------------------------------------ */

static void
run_init(struct run *r, const struct config *config)
{
	r->pseudonym = config->pseudonym;
	r->replay = replay_new(config, r->options->frozen ? NULL : replayed_tell);
	ranking_init(&r->directions);
	ranking_init(&r->rules);
	ranking_init(&r->needs);
	ranking_init(&r->files);
	for (int i = 0; i < BY_KINDS; i++)
		ranking_init(&r->by[i]);
	buf_init(&r->text, 1 << 16);
}

static void
run_free(struct run *r)
{
	replay_free(&r->replay);
	ranking_free(&r->directions);
	ranking_free(&r->rules);
	ranking_free(&r->needs);
	ranking_free(&r->files);
	for (int i = 0; i < BY_KINDS; i++)
		ranking_free(&r->by[i]);
	buf_free(&r->text);
}

static int
replay(struct run *r, const struct journal_filter *filter, uint64_t allowed)
{
	int64_t began_us = clock_mono_us();

	if (!journal_read(r->journal, filter, row, r, &r->e) || r->failed)
		return cli_fail(r->cli, "%s", r->e.text);
	r->took_us = clock_mono_us() - began_us;
	(r->cli->json ? json_sum : print_sum)(r);
	if (r->strangers > 0)
		fprintf(r->cli->err,
		    "postern: %" PRId64
		    " entries are hashed under %s: what rules compare with their addresses is unknown\n",
		    r->strangers,
		    r->pseudonym
			? "another key"
			: "a key that the configuration does not name, or that cannot be read");
	if ((uint64_t)r->new_rejects > allowed)
		return CLI_ERROR;
	return r->n[REPLAY_DECIDED] + r->n[REPLAY_UNKNOWN] > 0 ? CLI_FOUND : CLI_NOTHING;
}

static const struct cli_option rows[] = {
	{ "since", OPTION_TEXT, offsetof(struct options, since), "TIME",
	    "from then on, such as 30d or 2026-01-31; default: all there is" },
	{ "until", OPTION_TEXT, offsetof(struct options, until), "TIME", "before then" },
	{ "list", OPTION_SWITCH, offsetof(struct options, list), NULL,
	    "each verdict that changes or is unknown, too" },
	{ "frozen", OPTION_SWITCH, offsetof(struct options, frozen), NULL,
	    "counters and greylist are what they were, whatever changes" },
	{ "allow-new-rejects", OPTION_TEXT, offsetof(struct options, allow), "N",
	    "end well with up to so many verdicts that were accept and become reject" },
};

static int
run(struct cli *cli, int argc, char **argv)
{
	struct options o = { 0 };
	struct run r = { .cli = cli, .options = &o };
	struct journal_filter filter = { 0 };
	uint64_t allowed = 0;
	struct config *config;
	int n, code;

	if (!cli_options(cli, &command_replay, &o, argv, &n))
		return cli->code;
	if (n > 1)
		return cli_fail(cli, "replay takes one file; see `postern replay --help`");
	if (o.allow && !str_to_u64(str_of(o.allow), INT64_MAX, &allowed))
		return cli_fail(
		    cli, "--allow-new-rejects: \"%s\" is no number", ESC(str_of(o.allow)));
	if (!cli_time(cli, "since", o.since, &filter.since_ms) ||
	    !cli_time(cli, "until", o.until, &filter.until_ms))
		return CLI_ERROR;
	config = cli_config(cli, n == 1 ? argv[0] : cli->config);
	if (config == NULL)
		return CLI_ERROR;
	r.journal = cli_journal(cli);
	if (r.journal == NULL) {
		config_release(&config);
		return CLI_ERROR;
	}
	run_init(&r, config);
	code = replay(&r, &filter, allowed);
	run_free(&r);
	journal_close(&r.journal);
	config_release(&config);
	return code;
}

const struct command command_replay = {
	.name = "replay",
	.arguments = "[NEW.conf]",
	.summary = "what would other rules have decided about the mail of the past?",
	.help =
	    "Decides each entry of the journal again under the rules of NEW.conf (without it: of the\n"
	    "configuration), from the facts and answers that the journal keeps: no DNS, no store, no mail.\n"
	    "Tells how many verdicts change, from which rule to which, and whom it concerns. What NEW.conf\n"
	    "asks for and was not gathered then is counted as unknown, never guessed. So is what only the\n"
	    "clear text of a hashed address tells; for the rest NEW.conf has to name the key.\n"
	    "Ends with 2 if a verdict that was accept becomes reject, so that a script can stop there.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run,
};
