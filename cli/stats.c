#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "cli/cli.h"
#include "cli/networks.h"
#include "cli/observed.h"
#include "cli/print.h"
#include "cli/waits.h"
#include "cli/when.h"
#include "db/store_sqlite.h"

#define DAY_MS (24 * 3600 * 1000LL)
#define BAR 40
/* More hours than these are shown as days. */
#define HOURS_SHOWN 72
#define TOP 10
/* Of a row in a list; a letter each. */
#define PART 20
#define BARS "####################"

struct options {
	const char *since, *until, *top;
	bool observed;
};

struct hour {
	int64_t ms, counts[JOURNAL_VERDICTS];
};

struct summary {
	struct cli *cli;
	struct journal_span span;
	struct hour *hours;
	size_t n_hours, cap;
	int64_t total[JOURNAL_VERDICTS], busiest;
	bool first;   /* of the rows of a list */
	int64_t most; /* the first row's, which is the longest bar */
};

static const char *const verdicts[JOURNAL_VERDICTS] = { "accept", "tempfail", "reject", "defer",
	"left" };
#define REFUSALS 3 /* with accept: those behind it refuse nobody */

static const struct {
	const char *column, *title, *key;
} tops[] = {
	{ "sender", "refused senders", "senders" },
	{ "client_ip", "refused clients", "clients" },
	{ NULL, "networks of refused clients", "networks" },
	{ "rule", "rules that refused", "rules" },
	{ "text", "texts of refusals", "texts" },
};

static void
add_hour(void *owner, int64_t hour_ms, const int64_t counts[JOURNAL_VERDICTS])
{
	struct summary *s = owner;

	if (s->n_hours == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 64;
		s->hours = xrealloc(s->hours, s->cap * sizeof(*s->hours));
	}
	s->hours[s->n_hours].ms = hour_ms;
	for (int i = 0; i < JOURNAL_VERDICTS; i++) {
		s->hours[s->n_hours].counts[i] = counts[i];
		s->total[i] += counts[i];
	}
	s->n_hours++;
}

/* --- for a person ------------------------------------------------------------------------------- */

/* A letter for each share of the busiest hour; something that was there is never left out. */
static void
bar(struct line *line, const struct summary *s, const int64_t *counts)
{
	static const char letters[] = "=-#";
	static const enum color colors[] = { COLOR_GREEN, COLOR_YELLOW, COLOR_RED };

	for (int i = 0; i < REFUSALS && s->busiest > 0; i++) {
		char text[BAR + 2];
		size_t n = (size_t)(counts[i] * BAR / s->busiest);

		n = n == 0 && counts[i] > 0 ? 1 : n;
		memset(text, letters[i], n);
		text[n] = '\0';
		line_add(line, text, colors[i]);
	}
}

/* What refused nobody, if there was any. */
static void
print_others(struct summary *s)
{
	static const char *const titles[JOURNAL_VERDICTS] = { NULL, NULL, NULL,
		"recipients deferred for a transaction of their own",
		"clients that gave up during a delay" };
	struct line line = { s->cli };
	char text[100];

	for (int i = REFUSALS; i < JOURNAL_VERDICTS; i++) {
		if (s->total[i] == 0)
			continue;
		snprintf(text, sizeof(text), "%10" PRId64 "  %s", s->total[i], titles[i]);
		line_add(&line, text, COLOR_NONE);
		line_end(&line);
	}
}

#define DATE 10 /* letters of a moment */

/* Hours of one day, as it is here, become one row. */
static void
merge_days(struct summary *s)
{
	char day[WHEN_SIZE], before[WHEN_SIZE] = "";
	size_t n = 0;

	for (size_t i = 0; i < s->n_hours; i++) {
		when_local(s->hours[i].ms, day);
		if (strncmp(day, before, DATE) != 0) {
			s->hours[n++] = s->hours[i];
			memcpy(before, day, sizeof(before));
			continue;
		}
		for (int k = 0; k < JOURNAL_VERDICTS; k++)
			s->hours[n - 1].counts[k] += s->hours[i].counts[k];
	}
	s->n_hours = n;
}

static void
find_busiest(struct summary *s)
{
	for (size_t i = 0; i < s->n_hours; i++) {
		int64_t sum = 0;

		for (int k = 0; k < REFUSALS; k++)
			sum += s->hours[i].counts[k];
		s->busiest = sum > s->busiest ? sum : s->busiest;
	}
}

static void
print_hours(struct summary *s)
{
	bool days = s->n_hours > HOURS_SHOWN;
	struct line line = { s->cli };
	char text[100], when[WHEN_SIZE];

	if (days)
		merge_days(s);
	find_busiest(s);
	snprintf(text, sizeof(text), "%-16s  %8s  %8s  %8s", days ? "day" : "hour", "accept",
	    "tempfail", "reject");
	line_add(&line, text, COLOR_BOLD);
	line_end(&line);
	for (size_t i = 0; i < s->n_hours; i++) {
		const struct hour *h = &s->hours[i];

		snprintf(text, sizeof(text), "%-16.*s  %8" PRId64 "  %8" PRId64 "  %8" PRId64 "  ",
		    days ? DATE : 16, when_local(h->ms, when), h->counts[0], h->counts[1],
		    h->counts[2]);
		line_add(&line, text, COLOR_NONE);
		bar(&line, s, h->counts);
		line_end(&line);
	}
	snprintf(text, sizeof(text), "%-16s  %8" PRId64 "  %8" PRId64 "  %8" PRId64 "  ", "all",
	    s->total[0], s->total[1], s->total[2]);
	line_add(&line, text, COLOR_BOLD);
	line_add(&line, "= accept  - tempfail  # reject", COLOR_DIM);
	line_end(&line);
	print_others(s);
}

static void
print_top(void *owner, const struct journal_sum *sum)
{
	struct summary *s = owner;
	struct line line = { s->cli };
	char text[64];

	s->most = s->most ? s->most : sum->n;
	snprintf(text, sizeof(text), "%10" PRId64 "  %-*.*s  ", sum->n, PART,
	    (int)((sum->n * PART + s->most - 1) / s->most), BARS);
	line_add(&line, text, COLOR_NONE);
	line_cell(&line, sum->key.n > 0 ? sum->key : STR("(none)"), 0, COLOR_NONE);
	line_end(&line);
}

/* --- for a program ------------------------------------------------------------------------------ */

static void
json_hours(struct summary *s)
{
	FILE *out = s->cli->out;
	char when[WHEN_SIZE], until[WHEN_SIZE];

	fprintf(out, "{\"since\":\"%s\",\"until\":\"%s\",\"hours\":[",
	    when_utc(s->span.since_ms, when), when_utc(s->span.until_ms, until));
	for (size_t i = 0; i < s->n_hours; i++) {
		const struct hour *h = &s->hours[i];

		fprintf(out, "%s{\"hour\":\"%s\"", i > 0 ? "," : "", when_utc(h->ms, when));
		for (int k = 0; k < JOURNAL_VERDICTS; k++)
			fprintf(out, ",\"%s\":%" PRId64, verdicts[k], h->counts[k]);
		fputc('}', out);
	}
	fputs("],\"all\":{", out);
	for (int i = 0; i < JOURNAL_VERDICTS; i++)
		fprintf(out, "%s\"%s\":%" PRId64, i > 0 ? "," : "", verdicts[i], s->total[i]);
	fputc('}', out);
}

static void
json_top(void *owner, const struct journal_sum *sum)
{
	struct summary *s = owner;
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_printf(&b, "%s{\"key\":", s->first ? "" : ",");
	escape_json(&b, sum->key);
	buf_printf(&b, ",\"n\":%" PRId64 "}", sum->n);
	if (!b.over)
		fwrite(b.p, 1, b.n, s->cli->out);
	s->first = false;
	buf_free(&b);
}

/* --- the subcommand ------------------------------------------------------------------------------ */

static bool
print_tops(struct summary *s, struct journal *journal, size_t most, struct err *e)
{
	FILE *out = s->cli->out;

	for (size_t i = 0; i < sizeof(tops) / sizeof(tops[0]); i++) {
		struct journal_ranking ranking = { s->span, tops[i].column, most };
		struct line line = { s->cli };

		s->first = true;
		s->most = 0;
		if (s->cli->json) {
			fprintf(out, ",\"%s\":[", tops[i].key);
		} else {
			line_end(&line);
			line_add(&line, tops[i].title, COLOR_BOLD);
			line_end(&line);
		}
		if (!(tops[i].column ? journal_top : networks_top)(
			journal, &ranking, s->cli->json ? json_top : print_top, s, e))
			return false;
		if (s->cli->json)
			fputc(']', out);
	}
	return true;
}

/*
 * How the running posternd gets its DNS answers. The store may be missing, or lie elsewhere: nothing is said
 * then.
 */
static void
print_dns(struct summary *s)
{
	char *path = cli_database(s->cli, "store.db"), text[200];
	struct line line = { s->cli };
	struct status_dns dns = { 0 };
	struct err e;
	struct store *store = path ? store_sqlite_open_read(path, &e) : NULL;
	bool known = store &&
	    store_sqlite_dns(store, clock_wall_ms() - STATUS_STALE_MS, &dns, &e) && dns.asked > 0;

	store_sqlite.close(&store);
	free(path);
	if (s->cli->json) {
		fputs(",\"dns\":", s->cli->out);
		if (known)
			fprintf(s->cli->out,
			    "{\"asked\":%" PRId64 ",\"from_cache\":%" PRId64
			    ",\"timeouts\":%" PRId64 ",\"failures\":%" PRId64 "}",
			    dns.asked, dns.at_hand, dns.timeouts, dns.failures);
		else
			fputs("null", s->cli->out);
	} else if (known) {
		snprintf(text, sizeof(text),
		    "DNS since posternd began: %" PRId64 " questions, %" PRId64
		    " %% answered from the cache; %" PRId64 " timeouts, %" PRId64 " failures",
		    dns.asked, 100 * dns.at_hand / dns.asked, dns.timeouts, dns.failures);
		line_end(&line);
		line_add(&line, text, COLOR_NONE);
		line_end(&line);
	}
}

static bool
summarize(struct summary *s, struct journal *journal, size_t most, struct err *e)
{
	bool refused;

	if (!journal_hours(journal, &s->span, add_hour, s, e))
		return false;
	refused = s->total[1] + s->total[2] > 0;
	if (s->cli->json)
		json_hours(s);
	else if (s->n_hours > 0)
		print_hours(s);
	else
		cli_fail(s->cli, "no entries in that time");
	if ((s->cli->json || refused) && !print_tops(s, journal, most, e))
		return false;
	if (!waits_print(s->cli, journal, &s->span, e))
		return false;
	print_dns(s);
	if (s->cli->json)
		fputs("}\n", s->cli->out);
	return true;
}

static const struct cli_option rows[] = {
	{ "since", OPTION_TEXT, offsetof(struct options, since), "TIME",
	    "from then on: 30m, 2h, 7d (ago), today, 2026-01-31; default: 24h" },
	{ "until", OPTION_TEXT, offsetof(struct options, until), "TIME", "before then" },
	{ "top", OPTION_TEXT, offsetof(struct options, top), "N",
	    "rows of each list; default: 10" },
	{ "observed", OPTION_SWITCH, offsetof(struct options, observed), NULL,
	    "what rules that are only observed would have refused, and likely false alarms" },
};

static int
observed(struct cli *cli, struct journal *journal, const struct journal_span *span, size_t most)
{
	struct observed_question q = { .span = *span, .most = most };
	int64_t n;

	if (!observed_print(cli, journal, &q, &n))
		return CLI_ERROR;
	if (n == 0 && !cli->json)
		fputs("no observed rule would have refused anything in that time\n", cli->out);
	return n > 0 ? CLI_FOUND : CLI_NOTHING;
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct options o = { 0 };
	struct summary s = { .cli = cli };
	struct journal *journal;
	uint64_t most = TOP;
	struct err e;
	bool ok;
	int n, code;

	if (!cli_options(cli, &command_stats, &o, argv, &n))
		return cli->code;
	if (n > 0)
		return cli_fail(
		    cli, "stats takes no \"%s\"; see `postern stats --help`", ESC(str_of(argv[0])));
	if (o.top && (!str_to_u64(str_of(o.top), 100000, &most) || most == 0))
		return cli_fail(cli, "--top: \"%s\" is no number of rows", ESC(str_of(o.top)));
	if (!cli_span(cli, o.since, o.until, &s.span))
		return CLI_ERROR;
	if (s.span.until_ms == 0)
		s.span.until_ms = clock_wall_ms() + 1;
	if (s.span.since_ms == 0)
		s.span.since_ms = s.span.until_ms - DAY_MS;
	journal = cli_journal(cli);
	if (journal == NULL)
		return CLI_ERROR;
	if (o.observed) {
		code = observed(cli, journal, &s.span, (size_t)most);
		journal_close(&journal);
		return code;
	}
	ok = summarize(&s, journal, most, &e);
	journal_close(&journal);
	free(s.hours);
	if (!ok)
		return cli_fail(cli, "%s", e.text);
	return s.n_hours > 0 ? CLI_FOUND : CLI_NOTHING;
}

const struct command command_stats = {
	.name = "stats",
	.arguments = "",
	.summary = "verdicts per hour, and who and what is refused most",
	.help =
	    "Sums up the journal: how many entries each hour had of each verdict, and the most frequent\n"
	    "senders, clients, rules and texts of refusals (tempfail and reject). Hours are local; more than\n"
	    "72 are shown as days; those without entries are left out. If posternd is running, its DNS\n"
	    "questions and the share that its cache answered follow. Of what greylisting delayed and was then\n"
	    "accepted: how many, and how long half, 95 and 99 of a hundred, and all of them, had waited at most.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run,
};
