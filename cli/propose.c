#include "cli/propose.h"

#include <inttypes.h>
#include <search.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"

#define DAY_MS 86400000
#define DAYS_MAX 3660 /* ten years */
#define CANDIDATES 3

/* Of one account or client. */
struct history {
	struct str who;
	int64_t *day; /* n_days, the first one is `first` of the past */
	int64_t
	    *sorted; /* those with mail, ascending: memory of the past's, one history at a time */
	size_t n;
};

/* What is read of the journal. */
struct past {
	const struct propose *p;
	int64_t first; /* day, since 1970 */
	size_t n_days;
	int64_t *sorted;
	void *accounts; /* a tree (search.h) of histories */
	struct cli *cli;
	size_t shown;
};

static struct history *
history_new(const struct past *past, struct str who)
{
	struct history *h = xcalloc(1, sizeof(*h));
	char *name = xmalloc(who.n + 1);

	memcpy(name, who.p, who.n);
	name[who.n] = '\0';
	h->who = (struct str){ name, who.n };
	h->day = xcalloc(past->n_days, sizeof(*h->day));
	return h;
}

static void
history_free(void *history)
{
	struct history *h = history;

	free((void *)(uintptr_t)h->who.p);
	free(h->day);
	free(h);
}

/* In any case, as plans and counters have it. */
static int
by_account(const void *a, const void *b)
{
	const struct history *x = a, *y = b;
	size_t i = 0;

	for (; i < x->who.n && i < y->who.n; i++) {
		char c = ascii_lower(x->who.p[i]), d = ascii_lower(y->who.p[i]);

		if (c != d)
			return (unsigned char)c < (unsigned char)d ? -1 : 1;
	}
	return (x->who.n > y->who.n) - (x->who.n < y->who.n);
}

/* Whose history an entry is; NULL: of nobody who was asked about. */
static struct history *
history_of(struct past *past, const struct journal_record *r)
{
	const struct propose *p = past->p;
	struct history key = { .who = r->account }, **found;

	if (p->client.n > 0) {
		if (!str_eq(r->client_ip, p->client))
			return NULL;
		key.who = p->client;
	} else if (r->account.n == 0 || (p->account.n > 0 && !str_eqcase(r->account, p->account))) {
		return NULL;
	}
	found = tfind(&key, &past->accounts, by_account);
	if (!found)
		found = tsearch(history_new(past, key.who), &past->accounts, by_account);
	if (!found)
		die("out of memory");
	return *found;
}

static bool
take(void *owner, const struct journal_record *r)
{
	struct past *past = owner;
	int64_t day = r->time_ms / DAY_MS - past->first;
	struct history *h;

	/* what was delivered before was counted then */
	if (str_eq(r->rule, STR("delivered before")) || day < 0 || day >= (int64_t)past->n_days)
		return true;
	h = history_of(past, r);
	if (h)
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
sort(struct history *h, size_t n_days)
{
	for (size_t i = 0; i < n_days; i++)
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
	    ESC(h->who), h->n, percentile(h, 50), percentile(h, 99), h->sorted[h->n - 1]);
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
	escape_json(&b, h->who);
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

static void
propose_one(struct past *past, struct history *h)
{
	h->sorted = past->sorted;
	sort(h, past->n_days);

	const int64_t p99 = percentile(h, 99);
	const struct candidate c[CANDIDATES] = { candidate(h, percentile(h, 95)), candidate(h, p99),
		candidate(h, p99 + (p99 + 1) / 2) };

	/* As whoever asked wrote it. */
	if (past->p->who.n > 0) {
		struct history named = *h;

		named.who = past->p->who;
		past->cli->json ? print_json(past->cli, &named, c) : print(past->cli, &named, c);
	} else {
		past->cli->json ? print_json(past->cli, h, c) : print(past->cli, h, c);
	}
	past->shown++;
}

static void
visit(const void *node, VISIT when, void *owner)
{
	if (when == postorder || when == leaf)
		propose_one(owner, *(struct history *const *)node);
}

int
propose_limits(struct cli *cli, const struct propose *p)
{
	struct journal_filter filter = { .since_ms = p->since_ms, .verdict = STR("accept") };
	struct past past = { .p = p, .cli = cli, .first = p->since_ms / DAY_MS };
	int64_t days = clock_wall_ms() / DAY_MS - past.first + 1;
	struct journal *journal = cli_journal(cli);
	struct err e;
	int code = CLI_ERROR;

	past.n_days = (size_t)(days < 1 ? 1 : days > DAYS_MAX ? DAYS_MAX : days);
	past.sorted = xcalloc(past.n_days, sizeof(*past.sorted));
	if (journal && !journal_read(journal, &filter, take, &past, &e)) {
		cli_fail(cli, "%s", e.text);
	} else if (journal) {
		twalk_r(past.accounts, visit, &past);
		code = past.shown > 0 ? CLI_FOUND : CLI_NOTHING;
	}
	tdestroy(past.accounts, history_free);
	free(past.sorted);
	journal_close(&journal);
	return code;
}
