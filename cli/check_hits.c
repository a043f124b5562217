#include "cli/check_hits.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "cli/print.h"
#include "cli/replayed.h"
#include "cli/when.h"

#define NUMBER 9

struct check_hits {
	struct journal *journal;
	struct replay *replay;
	struct hits *hits;
	struct err e;
	int64_t n[REPLAY_STATES];
	int64_t since_ms, first_ms; /* asked for; of the first entry, 0: there was none */
	int64_t took_us;
};

/* --- counting --------------------------------------------------------------------------------------- */

static bool
row(void *owner, const struct journal_record *record)
{
	struct check_hits *h = owner;
	struct replay_result now;

	if (!replayed_learn(h->replay, h->journal, record->config, &h->e))
		return false;
	if (h->first_ms == 0)
		h->first_ms = record->time_ms;
	replay_entry(h->replay, record, &now);
	h->n[now.state]++;
	hits_verdict(h->hits, record->verdict, &now);
	return true;
}

struct check_hits *
check_hits_read(struct cli *cli, const struct config *config, int64_t since_ms)
{
	const struct journal_filter filter = { .since_ms = since_ms };
	struct check_hits *h = xcalloc(1, sizeof(*h));
	int64_t began_us = clock_mono_us();

	h->since_ms = since_ms;
	h->journal = cli_journal(cli);
	if (h->journal == NULL) {
		free(h);
		return NULL;
	}
	h->replay = replay_new(config, replayed_tell);
	h->hits = hits_new(config, h->replay);
	if (!journal_read(h->journal, &filter, row, h, &h->e) || h->e.text[0] != '\0') {
		cli_fail(cli, "%s", h->e.text);
		check_hits_free(&h);
		return NULL;
	}
	h->took_us = clock_mono_us() - began_us;
	return h;
}

void
check_hits_free(struct check_hits **hits)
{
	struct check_hits *h = *hits;

	hits_free(&h->hits);
	replay_free(&h->replay);
	journal_close(&h->journal);
	free(h);
	*hits = NULL;
}

/* --- for a person ----------------------------------------------------------------------------------- */

static int64_t
verdicts(const struct check_hits *h)
{
	return h->n[REPLAY_DECIDED] + h->n[REPLAY_UNKNOWN];
}

/* What a rule without a hit was tried for; from the first entry on, if the journal does not reach back further. */
static int64_t
from_ms(const struct check_hits *h)
{
	return h->first_ms > h->since_ms ? h->first_ms : h->since_ms;
}

static bool
is_never(const struct hits_row *row)
{
	return !row->head && row->hit == 0;
}

static void
count_cell(struct line *line, int64_t n, const char *none)
{
	char text[40];

	if (n == 0)
		snprintf(text, sizeof(text), "%*s", NUMBER, none);
	else
		snprintf(text, sizeof(text), "%*" PRId64, NUMBER, n);
	line_add(line, text,
	    n > 0                        ? COLOR_NONE
		: strcmp(none, "-") == 0 ? COLOR_DIM
					 : COLOR_YELLOW);
}

static void
print_row(struct cli *cli, const struct hits_row *row)
{
	struct line line = { cli };
	char indent[2 * 16 + 1];

	count_cell(&line, row->tried, "-");
	count_cell(&line, row->hit, row->head ? "-" : "never");
	count_cell(&line, row->unknown, "-");
	count_cell(&line, row->replaced, "-");
	line_add(&line, "  ", COLOR_NONE);
	line_cell(&line, row->shown->id, 18, COLOR_NONE);
	snprintf(indent, sizeof(indent), "%*s", (int)(row->depth < 16 ? 2 * row->depth : 32), "");
	line_add(&line, indent, COLOR_NONE);
	line_cell(&line, row->shown->source, 0, COLOR_DIM);
	line_end(&line);
}

static void
print_headline(struct cli *cli, const struct check_hits *h)
{
	struct line line = { cli };
	char when[WHEN_SIZE], took[WHEN_SIZE];
	struct buf b;

	buf_init(&b, 1000);
	line_end(&line);
	buf_printf(&b, "what these rules make of %" PRId64 " verdicts since %s", verdicts(h),
	    when_local(from_ms(h), when));
	line_cell(&line, buf_str(&b), 0, COLOR_BOLD);
	line_end(&line);
	buf_clear(&b);
	buf_printf(&b, "in %s", when_took(h->took_us, took));
	if (h->n[REPLAY_UNKNOWN] > 0)
		buf_printf(&b, "; %" PRId64 " %s unknown, for want of a fact", h->n[REPLAY_UNKNOWN],
		    h->n[REPLAY_UNKNOWN] == 1 ? "is" : "are");
	if (h->n[REPLAY_ASIDE] > 0)
		buf_printf(&b, "; %" PRId64 " %s no verdict about mail left aside",
		    h->n[REPLAY_ASIDE],
		    h->n[REPLAY_ASIDE] == 1 ? "entry that is" : "entries that are");
	if (h->n[REPLAY_TOO_OLD] > 0)
		buf_printf(&b, "; %" PRId64 " too old", h->n[REPLAY_TOO_OLD]);
	line_cell(&line, buf_str(&b), 0, COLOR_DIM);
	line_end(&line);
	buf_free(&b);
}

void
check_hits_print(struct cli *cli, const struct check_hits *h)
{
	struct line line = { cli };
	char text[100], when[WHEN_SIZE];
	size_t never = 0;

	print_headline(cli, h);
	if (verdicts(h) == 0)
		return;
	line_end(&line);
	snprintf(text, sizeof(text), "%*s%*s%*s%*s", NUMBER, "tried", NUMBER, "hit", NUMBER,
	    "unknown", NUMBER, "changes");
	line_add(&line, text, COLOR_DIM);
	line_end(&line);
	for (size_t i = 0; i < hits_length(h->hits); i++) {
		print_row(cli, hits_row(h->hits, i));
		never += is_never(hits_row(h->hits, i));
	}
	if (never == 0)
		return;
	line_end(&line);
	snprintf(text, sizeof(text), "%zu rule%s hit nothing since %s", never,
	    never == 1 ? "" : "s", when_local(from_ms(h), when));
	line_add(&line, text, COLOR_YELLOW);
	line_end(&line);
}

/* --- for programs ----------------------------------------------------------------------------------- */

static void
json_row(struct buf *b, const struct hits_row *row)
{
	buf_add(b, STR("{\"rule\":"));
	escape_json(b, row->shown->id);
	print_member(b, "step", str_of(step_name(row->step)));
	print_member(b, "action", str_of(row->shown->action));
	print_member(b, "source", row->shown->source);
	buf_printf(b,
	    ",\"head\":%s,\"observed\":%s,\"tried\":%" PRId64 ",\"hit\":%" PRId64
	    ",\"unknown\":%" PRId64 ",\"changes\":%" PRId64 "}",
	    row->head ? "true" : "false", row->observed ? "true" : "false", row->tried, row->hit,
	    row->unknown, row->replaced);
}

void
check_hits_json(struct buf *b, const struct check_hits *h)
{
	char when[WHEN_SIZE];

	buf_printf(b,
	    ",\"hits\":{\"since\":\"%s\",\"verdicts\":%" PRId64 ",\"unknown\":%" PRId64
	    ",\"aside\":%" PRId64 ",\"too_old\":%" PRId64 ",\"took_us\":%" PRId64 ",\"rules\":[",
	    when_utc(from_ms(h), when), verdicts(h), h->n[REPLAY_UNKNOWN], h->n[REPLAY_ASIDE],
	    h->n[REPLAY_TOO_OLD], h->took_us);
	for (size_t i = 0; i < hits_length(h->hits); i++) {
		if (i > 0)
			buf_addc(b, ',');
		json_row(b, hits_row(h->hits, i));
	}
	buf_add(b, STR("]}"));
}
