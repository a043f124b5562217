#include "cli/observed.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "cli/named.h"
#include "cli/print.h"
#include "cli/pseudonyms.h"
#include "db/journal_observed.h"
#include "filters/greylist.h"
#include "mail/mailbox_stem.h"
#include "rules/load.h"

/* One whose mail is likely wanted. */
struct alarm {
	char id[8], sender[256];
	int64_t n;
	bool written_to, elsewhere;
};

struct tally {
	struct cli *cli;
	const struct observed_question *q;
	struct cli_store at; /* NULL inside: none to be asked */
	struct pseudonyms pseudonyms;
	struct named *written_to;         /* where senders are hashed; NULL: nobody asked yet */
	struct buf rule, source, verdict; /* that is summed up; empty: none yet */
	struct observed_strangers strangers;
	int64_t unsure, renamed, elsewhere; /* as stood.h has them: entries */
	int64_t n, let_in, senders, alarms, all;
	struct alarm *alarm; /* q->most */
	size_t shown;
};

static bool
add_known(void *owner, const struct store_seen *row)
{
	struct tally *t = owner;
	struct str who = str_sub(row->key, sizeof(GREYLIST_KNOWN) - 1, row->key.n);

	named_add(t->written_to, arena_dup(t->pseudonyms.arena, who));
	return true;
}

/* The store goes by addresses: of those in it one may be what a pseudonym stands for. "": none is. */
static struct str
in_clear(struct tally *t, struct str stem)
{
	if (!pseudonym_is(stem) || t->pseudonyms.p == NULL)
		return stem;
	if (t->written_to == NULL) {
		t->written_to = named_new(t->pseudonyms.p);
		(void)t->at.backend->list(t->at.store, STR(GREYLIST_KNOWN), add_known, t, NULL);
		named_finish(t->written_to);
	}
	return named_address(t->written_to, stem);
}

/* Do our users know this sender, as greylisting remembers? */
static bool
is_known(struct tally *t, struct str sender)
{
	struct arena *arena = arena_new(1 << 16);
	struct str path = arena_printf(arena, "<%.*s>", STR_ARG(sender));
	struct question q = { .kind = QUESTION_SEEN, .seen = { .look_only = true } };
	struct answer answer = { 0 };
	struct store_ask one = { .question = &q, .answer = &answer };
	struct mailbox m;
	bool known = false;

	if (t->at.store && sender.n > 0 && mailbox_take(&path, false, false, &m, NULL)) {
		struct str who = in_clear(t, mailbox_stem(arena, &m));

		q.name = greylist_known_key(arena, who);
		known = who.n > 0 &&
		    t->at.backend->ask(t->at.store, &one, 1, clock_wall_ms(), NULL) &&
		    answer.seen.state == SEEN_PROVEN;
	}
	arena_free(&arena);
	return known;
}

/* --- printing ------------------------------------------------------------------------------------ */

static const char *
reason(const struct alarm *a)
{
	if (a->written_to && a->elsewhere)
		return "our users wrote to it, and it was accepted elsewhere";
	return a->written_to ? "our users wrote to it" : "it was accepted elsewhere";
}

static void
print_alarm(struct tally *t, const struct alarm *a)
{
	struct line line = { t->cli };
	char times[24];

	snprintf(times, sizeof(times), "%6" PRId64, a->n);
	line_cell(&line, str_of(times), 6, COLOR_NONE);
	line_cell(&line, str_of(a->id), 6, COLOR_BOLD);
	line_cell(&line, str_of(a->sender), 30, COLOR_NONE);
	line_add(&line, reason(a), COLOR_YELLOW);
	line_end(&line);
}

static void
print_source(struct tally *t)
{
	struct line line = { t->cli };

	line_add(&line, "  ", COLOR_NONE);
	line_cell(&line, buf_str(&t->source), 0, COLOR_DIM);
	line_end(&line);
}

static const char *
entries(int64_t n)
{
	return n == 1 ? "entry" : "entries";
}

/* Of one rule; so that nobody takes its numbers for those of a place. */
static void
print_strangers(struct tally *t)
{
	const struct observed_strangers *s = &t->strangers;
	FILE *out = t->cli->out;

	if (t->unsure > 0)
		fprintf(out,
		    "not certain: %" PRId64
		    " %s of these; the configuration was changed since, and whether %.*s meant the same "
		    "is not kept\n",
		    t->unsure, entries(t->unsure), STR_ARG(buf_str(&t->q->stood->names)));
	if (t->renamed > 0)
		fprintf(out,
		    "left out: %" PRId64 " %s of this rule, when %.*s stood for something else\n",
		    t->renamed, entries(t->renamed), STR_ARG(buf_str(&t->q->stood->changed)));
	if (t->elsewhere > 0)
		fprintf(out,
		    "left out: %" PRId64 " %s of this rule, when other blocks were around it\n",
		    t->elsewhere, entries(t->elsewhere));
	if (s->others > 0)
		fprintf(out, "left out: %" PRId64 " %s that %s %s, where another rule stood then\n",
		    s->others, entries(s->others), s->others == 1 ? "names" : "name",
		    ESC(t->q->rule));
	if (s->unknown > 0)
		fprintf(out,
		    "left out: %" PRId64
		    " %s that %s %s, as it is not known what stood there then\n",
		    s->unknown, entries(s->unknown), s->unknown == 1 ? "names" : "name",
		    ESC(t->q->rule));
}

static void
print_tally(struct tally *t)
{
	FILE *out = t->cli->out;

	fprintf(out, "%s %s %s %" PRId64 " %s, to %" PRId64 " %s\n", ESC(buf_str(&t->rule)),
	    t->q->refused ? "said" : "would have said", ESC(buf_str(&t->verdict)), t->n,
	    t->n == 1 ? "time" : "times", t->senders, t->senders == 1 ? "sender" : "senders");
	if (t->source.n > 0)
		print_source(t);
	fprintf(
	    out, "  %" PRId64 " of these were in sessions whose message was accepted\n", t->let_in);
	if (t->alarms == 0)
		fputs("  nothing speaks for a false alarm\n", out);
	else
		fprintf(out, "  likely false alarms: %" PRId64 " %s%s\n", t->alarms,
		    t->alarms == 1 ? "sender" : "senders",
		    t->alarms > (int64_t)t->shown ? ", the most frequent:" : ":");
	for (size_t i = 0; i < t->shown; i++)
		print_alarm(t, &t->alarm[i]);
}

static void
json_tally(struct tally *t)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	buf_add(&b, STR("{\"rule\":"));
	escape_json(&b, buf_str(&t->rule));
	if (t->source.n > 0)
		print_member(&b, "source", buf_str(&t->source));
	if (t->q->rule.n > 0)
		buf_printf(&b,
		    ",\"left_out\":%" PRId64 ",\"other_blocks\":%" PRId64
		    ",\"other_names\":%" PRId64 ",\"uncertain\":%" PRId64,
		    t->strangers.others + t->strangers.unknown, t->elsewhere, t->renamed,
		    t->unsure);
	buf_add(&b, STR(",\"verdict\":"));
	escape_json(&b, buf_str(&t->verdict));
	buf_printf(&b,
	    ",\"n\":%" PRId64 ",\"senders\":%" PRId64 ",\"accepted\":%" PRId64
	    ",\"alarms\":%" PRId64 ",\"likely\":[",
	    t->n, t->senders, t->let_in, t->alarms);
	for (size_t i = 0; i < t->shown; i++) {
		const struct alarm *a = &t->alarm[i];

		buf_add(&b, i > 0 ? STR(",{\"sender\":") : STR("{\"sender\":"));
		escape_json(&b, str_of(a->sender));
		buf_printf(&b,
		    ",\"n\":%" PRId64 ",\"id\":\"%s\",\"written_to\":%s,\"elsewhere\":%s}", a->n,
		    a->id, a->written_to ? "true" : "false", a->elsewhere ? "true" : "false");
	}
	fprintf(t->cli->out, "%.*s]}\n", (int)b.n, b.p);
	buf_free(&b);
}

/* --- summing up ---------------------------------------------------------------------------------- */

static void
finish(struct tally *t)
{
	if (t->n > 0) {
		if (t->cli->json)
			json_tally(t);
		else
			print_tally(t);
	}
	t->all += t->n;
	t->n = t->let_in = t->senders = t->alarms = 0;
	t->shown = 0;
	buf_clear(&t->rule);
	buf_clear(&t->source);
	buf_clear(&t->verdict);
}

static void
look(void *owner, const struct observed_row *row)
{
	struct tally *t = owner;
	struct alarm a = { .n = row->n, .elsewhere = row->elsewhere };

	if (!str_eq(row->rule, buf_str(&t->rule)) || !str_eq(row->source, buf_str(&t->source)) ||
	    !str_eq(row->verdict, buf_str(&t->verdict))) {
		finish(t);
		buf_add(&t->rule, row->rule);
		buf_add(&t->source, row->source);
		buf_add(&t->verdict, row->verdict);
	}
	t->n += row->n;
	t->let_in += row->let_in;
	t->senders++;
	a.written_to = row->written_to || is_known(t, row->sender);
	if (!a.written_to && !a.elsewhere)
		return;
	t->alarms++;
	if (t->shown == t->q->most)
		return;
	memcpy(a.id, row->id, sizeof(a.id));
	str_copy(str_sub(row->sender, 0, sizeof(a.sender) - 1), a.sender, sizeof(a.sender));
	t->alarm[t->shown++] = a;
}

/* A file that posternd has not made yet is no error: then the journal alone tells. */
static void
open_store(struct cli *cli, struct cli_store *at)
{
	char *path = cli_database(cli, "store.db");
	bool is_there = path && access(path, R_OK) == 0;

	*at = (struct cli_store){ 0 };
	if (is_there && !cli_store_open(cli, true, at))
		at->store = NULL;
	free(path);
}

static bool
count(struct tally *t, struct journal *journal, const struct buf *places, int64_t *n, struct err *e)
{
	const struct journal_observed_question q = {
		.span = t->q->span, .stood = buf_str(places), .refused = t->q->refused
	};

	return journal_observed_count(journal, &q, n, e);
}

/* What else there is of the one rule, and of its place. */
static bool
count_strangers(struct tally *t, struct journal *journal, struct err *e)
{
	const struct observed_question *q = t->q;
	const struct journal_observed_question known = { q->span, q->rule, buf_str(&q->stood->all),
		q->refused };

	return journal_observed_strangers(journal, &known, &t->strangers, e) &&
	    count(t, journal, &q->stood->unsure, &t->unsure, e) &&
	    count(t, journal, &q->stood->renamed, &t->renamed, e) &&
	    count(t, journal, &q->stood->elsewhere, &t->elsewhere, e);
}

bool
observed_print(
    struct cli *cli, struct journal *journal, const struct observed_question *q, int64_t *n)
{
	const struct journal_observed_question asked = { q->span, q->rule,
		q->stood ? buf_str(&q->stood->places) : STR(""), q->refused };
	struct tally t = { .cli = cli, .q = q };
	struct err e;
	bool ok;

	buf_init(&t.rule, 8192);
	buf_init(&t.source, CONFIG_FILE_MAX);
	buf_init(&t.verdict, 100);
	open_store(cli, &t.at);
	pseudonyms_try(cli, &t.pseudonyms);
	t.alarm = xcalloc(q->most + 1, sizeof(*t.alarm));
	ok = (q->stood == NULL || count_strangers(&t, journal, &e)) &&
	    journal_observed(journal, &asked, look, &t, &e);
	if (ok)
		finish(&t);
	else
		cli_fail(cli, "%s", e.text);
	if (ok && !cli->json)
		print_strangers(&t);
	*n = t.all;
	free(t.alarm);
	buf_free(&t.rule);
	buf_free(&t.source);
	buf_free(&t.verdict);
	cli_store_close(&t.at);
	named_free(&t.written_to);
	pseudonyms_close(&t.pseudonyms);
	return ok;
}
