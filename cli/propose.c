#include "cli/propose.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/die.h"
#include "base/escape.h"

#define DAY_MS 86400000
#define DAYS_MAX 3660 /* ten years */
#define CANDIDATES 3

struct history {
	const struct propose *p;
	int64_t first; /* day, since 1970 */
	int64_t day[DAYS_MAX];
	int64_t sorted[DAYS_MAX]; /* those with mail, ascending */
	size_t n;
};

static bool
take(void *owner, const struct journal_record *r)
{
	struct history *h = owner;
	int64_t day = r->time_ms / DAY_MS - h->first;

	/* what was delivered before was counted then */
	if (str_eq(r->rule, STR("delivered before")) || day < 0 || day >= DAYS_MAX)
		return true;
	if (h->p->account.n > 0 ? str_eqcase(r->account, h->p->account)
				: str_eq(r->client_ip, h->p->client))
		h->day[day]++;
	return true;
}

static int
by_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
sort(struct history *h)
{
	for (size_t i = 0; i < DAYS_MAX; i++)
		if (h->day[i] > 0)
			h->sorted[h->n++] = h->day[i];
	qsort(h->sorted, h->n, sizeof(h->sorted[0]), by_number);
}

/* That of so many in a hundred days, the nearest one from above. */
static int64_t
percentile(const struct history *h, size_t percent)
{
	return h->sorted[(h->n * percent + 99) / 100 - 1];
}

struct candidate {
	int64_t limit;
	int64_t days, messages; /* on which it would have stopped something, and how many */
};

static struct candidate
candidate(const struct history *h, int64_t limit)
{
	struct candidate c = { .limit = limit };

	for (size_t i = 0; i < h->n; i++)
		if (h->sorted[i] > limit) {
			c.days++;
			c.messages += h->sorted[i] - limit;
		}
	return c;
}

static void
print(struct cli *cli, const struct history *h, const struct candidate *c)
{
	fprintf(cli->out,
	    "%s: %zu days with mail; messages a day: half of them up to %" PRId64
	    ", 99 of 100 up to %" PRId64 ", most %" PRId64 "\n",
	    ESC(h->p->who), h->n, percentile(h, 50), percentile(h, 99), h->sorted[h->n - 1]);
	for (size_t i = 0; i < CANDIDATES; i++)
		fprintf(cli->out,
		    "  %" PRId64 " messages per day would have stopped %" PRId64
		    " messages on %" PRId64 " days\n",
		    c[i].limit, c[i].messages, c[i].days);
}

static void
print_json(struct cli *cli, const struct history *h, const struct candidate *c)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	buf_add(&b, STR("{\"who\":"));
	escape_json(&b, h->p->who);
	buf_printf(&b,
	    ",\"days\":%zu,\"p50\":%" PRId64 ",\"p99\":%" PRId64 ",\"most\":%" PRId64
	    ",\"candidates\":[",
	    h->n, percentile(h, 50), percentile(h, 99), h->sorted[h->n - 1]);
	for (size_t i = 0; i < CANDIDATES; i++)
		buf_printf(&b,
		    "%s{\"limit\":%" PRId64 ",\"stopped_days\":%" PRId64
		    ",\"stopped_messages\":%" PRId64 "}",
		    i ? "," : "", c[i].limit, c[i].days, c[i].messages);
	buf_add(&b, STR("]}\n"));
	fwrite(b.p, 1, b.n, cli->out);
	buf_free(&b);
}

int
propose_limits(struct cli *cli, const struct propose *p)
{
	struct journal_filter filter = { .since_ms = p->since_ms, .verdict = STR("accept") };
	struct history *h = xcalloc(1, sizeof(*h));
	struct journal *journal = cli_journal(cli);
	struct err e;
	int code = CLI_ERROR;

	h->p = p;
	h->first = p->since_ms / DAY_MS;
	if (journal && !journal_read(journal, &filter, take, h, &e))
		cli_fail(cli, "%s", e.text);
	else if (journal)
		code = CLI_NOTHING;
	sort(h);
	if (code == CLI_NOTHING && h->n > 0) {
		int64_t p99 = percentile(h, 99);
		const struct candidate c[CANDIDATES] = { candidate(h, percentile(h, 95)),
			candidate(h, p99), candidate(h, p99 + (p99 + 1) / 2) };

		if (cli->json)
			print_json(cli, h, c);
		else
			print(cli, h, c);
		code = CLI_FOUND;
	}
	journal_close(&journal);
	free(h);
	return code;
}
