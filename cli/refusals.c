#include "cli/refusals.h"

#include <stdlib.h>
#include <sys/random.h>

#include "base/buf.h"
#include "base/die.h"
#include "base/sip.h"
#include "cli/told.h"
#include "db/json.h"

#define SLOTS 65536  /* a power of two, more than twice REFUSALS_MAX */
#define TEXT_MAX 500 /* octets of what a stranger wrote */
#define PARTS 4

struct reading {
	struct refusals *refusals;
	struct arena *json; /* of one entry */
	bool all;
};

static struct str
cut(struct str s)
{
	return str_sub(s, 0, TEXT_MAX);
}

static bool
same(const struct refusal *a, const struct refusal *b)
{
	return str_eq(a->recipient, b->recipient) && str_eq(a->sender, b->sender) &&
	    str_eq(a->client, b->client) && str_eq(a->rule, b->rule);
}

static size_t
hash(const struct refusals *r, const struct refusal *row)
{
	const struct str part[] = { row->recipient, row->sender, row->client, row->rule };
	uint64_t word[PARTS * (2 * TEXT_MAX + 2) / sizeof(uint64_t)] = { 0 };
	char *p = (char *)word;
	size_t n = 0;

	for (size_t i = 0; i < PARTS; i++) {
		struct str s = str_sub(part[i], 0, 2 * TEXT_MAX);

		if (s.n > 0)
			memcpy(p + n, s.p, s.n);
		n += s.n + 1;
	}
	return (size_t)(sip_hash(r->key, word, (n + 7) / 8) & (SLOTS - 1));
}

static void
keep(struct refusals *r, struct refusal *row)
{
	struct str *const part[] = { &row->recipient, &row->sender, &row->client, &row->reason,
		&row->rule };

	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		*part[i] = arena_dup(r->arena, *part[i]);
	row->room = row->reason.n;
	r->row[r->n++] = *row;
}

/* Of thousands of one kind the last id and reason stay, in the memory of those before. */
static void
renew(struct refusals *r, struct refusal *known, const struct refusal *row)
{
	known->times += row->times;
	known->last_ms = row->last_ms;
	memcpy(known->id, row->id, sizeof(known->id));
	if (row->reason.n > known->room) {
		known->reason = arena_dup(r->arena, row->reason);
		known->room = row->reason.n;
	} else {
		memcpy((char *)known->reason.p, row->reason.p, row->reason.n);
		known->reason.n = row->reason.n;
	}
}

static void
add(struct refusals *r, struct refusal row)
{
	size_t at = hash(r, &row);

	for (; r->slot[at] != 0; at = (at + 1) & (SLOTS - 1)) {
		struct refusal *known = &r->row[r->slot[at] - 1];

		if (!same(known, &row))
			continue;
		renew(r, known, &row);
		return;
	}
	if (r->n == REFUSALS_MAX) {
		r->more += row.times;
		return;
	}
	keep(r, &row);
	r->slot[at] = (uint32_t)r->n;
}

static void
add_each(struct reading *x, const struct journal_record *r, struct refusal *row)
{
	const struct json *list = json_parse(x->json, r->recipients, NULL);

	if (list == NULL || list->type != JSON_ARRAY || list->first == NULL) {
		add(x->refusals, *row);
		return;
	}
	for (const struct json *one = list->first; one; one = one->next) {
		row->recipient = cut(one->text);
		add(x->refusals, *row);
	}
}

static bool
on_row(void *owner, const struct journal_record *r)
{
	struct reading *x = owner;
	bool reject = strcmp(r->verdict, "reject") == 0;
	struct told told;
	struct refusal row = {
		.sender = cut(r->sender),
		.first_ms = r->time_ms,
		.last_ms = r->time_ms,
		.times = r->times > 0 ? r->times : 1,
		.rule = cut(r->rule),
	};

	if (!reject && !(x->all && strcmp(r->verdict, "tempfail") == 0))
		return true;
	str_copy(str_of(r->id), row.id, sizeof(row.id));
	row.client = r->client_name.n > 0
	    ? arena_printf(
		  x->json, "%.*s %.*s", STR_ARG(cut(r->client_ip)), STR_ARG(cut(r->client_name)))
	    : cut(r->client_ip);
	told = told_of(x->json, r);
	row.reason = arena_printf(x->json, "%d %.*s%s%.*s", told.code, STR_ARG(cut(told.enhanced)),
	    told.enhanced.n ? " " : "", STR_ARG(cut(told.text)));
	add_each(x, r, &row);
	arena_reset(x->json);
	return true;
}

bool
refusals_read(struct refusals *r, struct journal *journal, const struct journal_span *span,
    bool all, struct err *e)
{
	const struct journal_filter filter = { .since_ms = span->since_ms,
		.until_ms = span->until_ms };
	struct reading x = { .refusals = r, .json = arena_new(SIZE_MAX), .all = all };
	bool ok;

	*r = (struct refusals){ .arena = arena_new(SIZE_MAX) };
	if (getrandom(r->key, sizeof(r->key), 0) != (ssize_t)sizeof(r->key))
		die("getrandom gave no random octets");
	r->row = xcalloc(REFUSALS_MAX, sizeof(*r->row));
	r->slot = xcalloc(SLOTS, sizeof(*r->slot));
	ok = journal_read(journal, &filter, on_row, &x, e);
	arena_free(&x.json);
	return ok;
}

void
refusals_free(struct refusals *r)
{
	arena_free(&r->arena);
	free(r->row);
	free(r->slot);
	r->row = NULL;
	r->slot = NULL;
}
