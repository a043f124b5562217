#include "cli/waits.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/die.h"
#include "cli/print.h"
#include "filters/greylist.h"

/* In order, the least first. */
struct waits {
	int64_t *seconds;
	size_t n, cap;
};

static const struct {
	const char *name;
	size_t percent;
} marks[] = { { "p50", 50 }, { "p95", 95 }, { "p99", 99 }, { "longest", 100 } };

#define N_MARKS (sizeof(marks) / sizeof(marks[0]))

static void
add(void *owner, int64_t seconds)
{
	struct waits *w = owner;

	if (w->n == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 256;
		w->seconds = xrealloc(w->seconds, w->cap * sizeof(*w->seconds));
	}
	w->seconds[w->n++] = seconds;
}

/* The least wait that so many of a hundred did not exceed. */
static int64_t
mark(const struct waits *w, size_t percent)
{
	return w->seconds[(w->n * percent + 99) / 100 - 1];
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
	buf_printf(&b, "%10zu ", w->n);
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
}

static void
print_json(struct cli *cli, const struct waits *w)
{
	fprintf(cli->out, ",\"delayed\":{\"n\":%zu", w->n);
	for (size_t i = 0; w->n > 0 && i < N_MARKS; i++)
		fprintf(cli->out, ",\"%s\":%" PRId64, marks[i].name, mark(w, marks[i].percent));
	fputc('}', cli->out);
}

bool
waits_print(
    struct cli *cli, struct journal *journal, const struct journal_span *span, struct err *e)
{
	struct journal_waiting what = { *span, GREYLIST_PAIR };
	struct waits w = { 0 };
	bool ok = journal_waits(journal, &what, add, &w, e);

	if (ok && cli->json)
		print_json(cli, &w);
	else if (ok && w.n > 0)
		print_line(cli, &w);
	free(w.seconds);
	return ok;
}
