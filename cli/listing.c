#include "cli/listing.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/addr.h"
#include "base/die.h"
#include "cli/print.h"
#include "cli/when.h"

#define WIDEST 40

/* Entries that --group keeps in memory. */
#define GROUPED_MOST 100000

#define N_VERDICTS LISTING_VERDICTS
static const char *const verdicts[N_VERDICTS] = { "accept", "tempfail", "reject", "defer", "left",
	"change" };

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

void
listing_flush(struct listing *l)
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
	struct journal_record line = *r;

	if (l->n_kept == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 256;
		l->kept = xrealloc(l->kept, l->cap * sizeof(*l->kept));
	}
	/* Only what a line shows: the rest may be large. */
	line.facts = line.trace = line.answers = STR("");
	l->kept[l->n_kept++] = journal_record_copy(&line);
}

bool
listing_show(void *owner, const struct journal_record *r)
{
	struct listing *l = owner;

	if (l->form == LISTING_GROUPS && l->n_kept == GROUPED_MOST)
		return false;
	count(l, r);
	if (l->form == LISTING_GROUPS) {
		keep(l, r);
	} else if (l->form == LISTING_JSON) {
		print_record_json(l->cli, r, false);
	} else if (l->form == LISTING_CSV) {
		print_record_csv(l->cli, r);
	} else if (l->measured) {
		print_entry(l, r);
	} else {
		l->first[l->n++] = journal_record_copy(r);
		if (l->n == LISTING_MEASURED)
			listing_flush(l);
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
	struct group *group;
	size_t n = 0;

	if (l->n_kept == 0)
		return;
	group = xcalloc(l->n_kept, sizeof(*group));
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

void
listing_end(struct listing *l)
{
	print_groups(l);
	if (l->summed && l->shown > 0)
		print_summary(l);
}

bool
listing_knows(const char *verdict)
{
	for (size_t i = 0; i < N_VERDICTS; i++)
		if (strcmp(verdict, verdicts[i]) == 0)
			return true;
	return false;
}
