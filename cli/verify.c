#include "cli/verify.h"

#include <inttypes.h>

#include "base/escape.h"
#include "cli/print.h"
#include "cli/when.h"

/* Faults that are told; the rest is counted. */
#define TOLD 1000

struct errand {
	struct cli *cli;
	int64_t told;
};

static const struct {
	const char *word, *text;
} kinds[] = {
	[JOURNAL_MISSING] = { "missing",
	    "missing: they had been written and were gone; look for errors of the disk, and for who can write the file" },
	[JOURNAL_REMOVED] = { "removed", "missing, and no entry tells why: removed by hand?" },
	[JOURNAL_ALTERED] = { "altered", "not what was written" },
	[JOURNAL_FORGED] = { "forged",
	    "emptied, and no entry tells of it, or not what that entry says is left of it" },
	[JOURNAL_CUT] = { "cut", "missing at the end: they had been written" },
	[JOURNAL_REBUILT] = { "rebuilt",
	    "not the entry that journal.db-head knows: the chain was made anew?" },
	[JOURNAL_UNCHAINED] = { "unchained",
	    "in front of the chain, so that nothing tells what they were: put there, or cut off from it, by hand?" },
	/* Behind the name of the configuration. */
	[JOURNAL_CONFIG_ALTERED] = { "configuration-altered",
	    "was altered: do not trust what why and replay say of them; take its row from a backup" },
	[JOURNAL_CONFIG_GONE] = { "configuration-gone",
	    "is gone: they cannot be checked, nor told by why and replay; start posternd with it once "
	    "more, or take its row from a backup" },
};

static void
json_fault(struct errand *x, const struct journal_fault *f)
{
	char when[WHEN_SIZE];
	struct buf config;

	fprintf(x->cli->out,
	    "%s{\"kind\":\"%s\",\"first\":%" PRId64 ",\"last\":%" PRId64 ",\"time\":",
	    x->told > 1 ? "," : "", kinds[f->kind].word, f->first, f->last);
	if (f->time_ms > 0)
		fprintf(x->cli->out, "\"%s\"", when_utc(f->time_ms, when));
	else
		fputs("null", x->cli->out);
	buf_init(&config, 200);
	escape_json(&config, str_of(f->config));
	fprintf(x->cli->out, ",\"config\":%.*s}", STR_ARG(buf_str(&config)));
	buf_free(&config);
}

static void
fault(void *owner, const struct journal_fault *f)
{
	struct errand *x = owner;
	struct line line = { x->cli };
	char text[100], when[WHEN_SIZE] = "";

	if (++x->told > TOLD)
		return;
	if (x->cli->json) {
		json_fault(x, f);
		return;
	}
	if (f->first == f->last)
		snprintf(text, sizeof(text), "%" PRId64, f->first);
	else
		snprintf(text, sizeof(text), "%" PRId64 "-%" PRId64, f->first, f->last);
	if (f->time_ms > 0)
		when_local(f->time_ms, when);
	line_cell(&line, str_of(text), 12, COLOR_BOLD);
	line_cell(&line, str_of(when), 19, COLOR_DIM);
	if (f->config[0])
		snprintf(text, sizeof(text), "their configuration %s ", ESC(str_of(f->config)));
	line_add(&line, f->config[0] ? text : "", COLOR_RED);
	line_add(&line, kinds[f->kind].text, COLOR_RED);
	line_end(&line);
}

static void
json_verdict(struct cli *cli, const struct journal_verdict *v)
{
	fprintf(cli->out,
	    "],\"whole\":%s,\"first\":%" PRId64 ",\"last\":%" PRId64 ",\"entries\":%" PRId64
	    ",\"unchained\":%" PRId64 ",\"forgotten\":%" PRId64 ",\"n_faults\":%" PRId64
	    ",\"head\":%s",
	    v->faults == 0 ? "true" : "false", v->first, v->last, v->entries, v->unchained,
	    v->forgotten, v->faults, v->head == JOURNAL_HEAD_KNOWN ? "true" : "false");
	fprintf(cli->out, ",\"newest\":{\"serial\":%" PRId64 ",\"link\":\"%s\"}}\n",
	    v->newest.serial, v->newest.link);
}

static void
print_head(struct cli *cli, enum journal_head head)
{
	static const char *const what[] = {
		[JOURNAL_HEAD_NONE] = "is not there yet",
		[JOURNAL_HEAD_GONE] = "is missing",
		[JOURNAL_HEAD_BROKEN] = "is damaged, or cannot be read",
		[JOURNAL_HEAD_OTHER] = "is that of another journal",
	};
	struct line line = { cli };

	if (head == JOURNAL_HEAD_KNOWN || head == JOURNAL_HEAD_NONE)
		return;
	line_add(&line, "journal.db-head ", COLOR_RED);
	line_add(&line, what[head], COLOR_RED);
	line_add(&line,
	    ", so whether entries were cut off at the end is not known; of a copy, take the one along that "
	    "was beside the journal",
	    COLOR_RED);
	line_end(&line);
}

static void
print_verdict(struct cli *cli, const struct journal_verdict *v)
{
	FILE *out = cli->out;

	if (v->faults > TOLD)
		fprintf(out, "... and %" PRId64 " more\n", v->faults - TOLD);
	if (v->entries == 0)
		fputs("no entries\n", out);
	else
		fprintf(out, "%" PRId64 " entries, %" PRId64 " to %" PRId64 ": %s\n", v->entries,
		    v->first, v->last, v->faults == 0 ? "the chain is whole" : "not whole");
	if (v->forgotten > 0)
		fprintf(out,
		    "%" PRId64
		    " were forgotten, and an entry tells of each (postern log --rule 'command: forget')\n",
		    v->forgotten);
	print_head(cli, v->head);
	fprintf(out, "newest: %" PRId64 " %s\n", v->newest.serial, v->newest.link);
}

int
verify_journal(struct cli *cli, struct journal *journal, int64_t since_ms)
{
	struct errand x = { cli };
	const struct journal_check check = { since_ms, fault, &x };
	struct journal_verdict verdict;
	struct err e;

	if (cli->json)
		fputs("{\"faults\":[", cli->out);
	if (!journal_verify(journal, &check, &verdict, &e))
		return cli_fail(cli, "%s", e.text);
	if (cli->json)
		json_verdict(cli, &verdict);
	else
		print_verdict(cli, &verdict);
	return verdict.faults == 0 && verdict.head <= JOURNAL_HEAD_NONE ? CLI_FOUND : CLI_NOTHING;
}
