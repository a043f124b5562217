#include "cli/waits.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/die.h"
#include "cli/print.h"
#include "filters/greylist.h"

/* In order, the least first. */
struct waits {
	struct {
		int64_t seconds, up_to; /* so many waited no longer */
	} * wait;
	size_t rows, cap;
	int64_t n;
};

static const struct {
	const char *name;
	int64_t percent;
} marks[] = { { "p50", 50 }, { "p95", 95 }, { "p99", 99 }, { "longest", 100 } };

#define N_MARKS (sizeof(marks) / sizeof(marks[0]))

static void
add(void *owner, int64_t seconds, int64_t n)
{
	struct waits *w = owner;

	if (w->rows == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 256;
		w->wait = xrealloc(w->wait, w->cap * sizeof(*w->wait));
	}
	w->n += n;
	w->wait[w->rows].seconds = seconds;
	w->wait[w->rows++].up_to = w->n;
}

/* The least wait that so many of a hundred did not exceed. */
static int64_t
mark(const struct waits *w, int64_t percent)
{
	size_t i = 0;

	while (w->wait[i].up_to < (w->n * percent + 99) / 100)
		i++;
	return w->wait[i].seconds;
}

/* How many waited so long at most, each beyond the one before. */
static const struct {
	int64_t seconds;
	const char *name;
} steps[] = {
	{ 300, "5m" },
	{ 600, "10m" },
	{ 1200, "20m" },
	{ 1800, "30m" },
	{ 3600, "1h" },
	{ 14400, "4h" },
	{ INT64_MAX, "longer" },
};

#define N_STEPS (sizeof(steps) / sizeof(steps[0]))
#define BAR 40
#define BARS "########################################"

static void
print_chart(struct cli *cli, const struct waits *w)
{
	int64_t n[N_STEPS] = { 0 }, most = 1, before = 0;
	struct line line = { cli };
	size_t k = 0;
	char text[128];

	for (size_t i = 0; i < w->rows; i++) {
		while (w->wait[i].seconds > steps[k].seconds)
			k++;
		n[k] += w->wait[i].up_to - before;
		before = w->wait[i].up_to;
		most = n[k] > most ? n[k] : most;
	}
	for (size_t i = 0; i < N_STEPS; i++) {
		if (n[i] == 0)
			continue;
		snprintf(text, sizeof(text), "%10" PRId64 "  %-6s  %.*s", n[i], steps[i].name,
		    (int)((n[i] * BAR + most - 1) / most), BARS);
		line_add(&line, text, COLOR_NONE);
		line_end(&line);
	}
}

static void
print_line(struct cli *cli, const struct waits *w)
{
	struct line line = { cli };
	struct buf b;

	line_end(&line);
	line_add(&line, "delayed by greylisting, of what was accepted", COLOR_BOLD);
	line_end(&line);
	buf_init(&b, 1024);
	buf_printf(&b, "%10" PRId64 " ", w->n);
	for (size_t i = 0; i < N_MARKS; i++) {
		struct value v = { .type = VALUE_DURATION, .number = mark(w, marks[i].percent) };

		buf_printf(&b, " %s ", marks[i].name);
		value_print(&v, &b);
		if (i + 1 < N_MARKS)
			buf_addc(&b, ',');
	}
	buf_addc(&b, '\0');
	line_add(&line, b.p, COLOR_NONE);
	line_end(&line);
	buf_free(&b);
	print_chart(cli, w);
}

static void
print_json(struct cli *cli, const struct waits *w)
{
	fprintf(cli->out, ",\"delayed\":{\"n\":%" PRId64, w->n);
	for (size_t i = 0; w->n > 0 && i < N_MARKS; i++)
		fprintf(cli->out, ",\"%s\":%" PRId64, marks[i].name, mark(w, marks[i].percent));
	fputc('}', cli->out);
}

bool
waits_print(
    struct cli *cli, struct journal *journal, const struct journal_span *span, struct err *e)
{
	struct waits w = { 0 };
	bool ok;

	_Static_assert(
	    sizeof(GREYLIST_PAIR) == sizeof(JOURNAL_WAITED), "the journal knows the key");
	require(strcmp(GREYLIST_PAIR, JOURNAL_WAITED) == 0);
	ok = journal_waits(journal, span, add, &w, e);
	if (ok && cli->json)
		print_json(cli, &w);
	else if (ok && w.n > 0)
		print_line(cli, &w);
	free(w.wait);
	return ok;
}
