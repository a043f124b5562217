#include "cli/impact.h"

#include <inttypes.h>

#include "base/escape.h"
#include "cli/print.h"
#include "cli/when.h"

#define DAY_MS (INT64_C(86400) * 1000)

struct search {
	struct evidence_reader *reader;
	const struct impact_question *q;
	struct impact *out;
	struct exception hashed; /* whom it names, as hashed entries do */
	struct arena *one;       /* of the entry that is looked at */
};

static void
keep(struct impact *out, const struct journal_record *r)
{
	struct impact_entry *e = &out->entry[IMPACT_SHOWN - 1];
	struct buf recipients;

	/* Oldest first they come, and the newest are kept. */
	if (out->shown == IMPACT_SHOWN)
		memmove(out->entry, out->entry + 1, (IMPACT_SHOWN - 1) * sizeof(*e));
	else
		e = &out->entry[out->shown++];
	buf_init(&recipients, 65536);
	print_recipients(r, &recipients);
	*e = (struct impact_entry){ .time_ms = r->time_ms,
		.client = arena_dup(out->arena, r->client_ip),
		.sender = arena_dup(out->arena, r->sender),
		.recipients = arena_dup(out->arena, str_sub(buf_str(&recipients), 0, 200)),
		.text = arena_dup(out->arena, r->text),
		.before_mail = strcmp(r->step, "connect") == 0 || strcmp(r->step, "helo") == 0 };
	memcpy(e->id, r->id, sizeof(e->id));
	buf_free(&recipients);
}

/* A message that came in is told once: at its end. */
static bool
is_told(const struct journal_record *r, const struct exception *x)
{
	if (x->kind == EXCEPTION_ALLOW)
		return strcmp(r->verdict, "reject") == 0 || strcmp(r->verdict, "tempfail") == 0;
	return strcmp(r->verdict, "accept") == 0 && strcmp(r->step, "message") == 0 &&
	    r->observed.n == 0;
}

static bool
look(void *owner, const struct journal_record *r)
{
	struct search *s = owner;
	struct evidence v;

	if (!is_told(r, s->q->x) || str_eq(str_of(r->id), s->q->but))
		return true;
	evidence_read(s->reader, s->one, r, &v);
	if (evidence_fits(&v, s->q->x) || evidence_fits(&v, &s->hashed)) {
		s->out->n += r->times > 0 ? r->times : 1;
		keep(s->out, r);
	}
	arena_reset(s->one);
	return true;
}

static struct exception
hashed(struct arena *arena, const struct exception *of, const struct pseudonym *p)
{
	struct exception x = *of;
	struct str *all = ARENA_ARRAY(arena, struct str, x.n_recipients + 1);

	for (size_t i = 0; i < x.n_recipients; i++) {
		struct str to = of->recipient[i];

		all[i] = p && str_find(to, '@') != STR_NPOS && !pseudonym_is(to)
		    ? pseudonym_of(p, arena, to)
		    : to;
	}
	x.recipient = all;
	return x;
}

bool
impact_measure(struct evidence_reader *reader, const struct impact_question *q, struct impact *out,
    struct err *e)
{
	struct journal_filter filter = { .since_ms = q->now_ms - IMPACT_DAYS * DAY_MS };
	struct search s = { .reader = reader, .q = q, .out = out, .one = arena_new(64 << 20) };
	bool ok;

	*out = (struct impact){ .arena = arena_new(64 << 20) };
	s.hashed = hashed(out->arena, q->x, reader->pseudonym);
	ok = journal_read(reader->journal, &filter, look, &s, e);
	arena_free(&s.one);
	return ok;
}

void
impact_free(struct impact *impact)
{
	arena_free(&impact->arena);
}

static void
print_entry(struct cli *cli, const struct impact_entry *e)
{
	struct line line = { cli };
	char when[WHEN_SIZE];

	line_cell(&line, STR(""), 0, COLOR_NONE);
	line_cell(&line, str_of(when_local(e->time_ms, when)), 19, COLOR_DIM);
	line_cell(&line, str_of(e->id), 6, COLOR_BOLD);
	line_cell(&line, e->client, 15, COLOR_NONE);
	line_cell(&line,
	    e->sender.n > 0      ? e->sender
		: e->before_mail ? STR("?")
				 : STR("<>"),
	    0, COLOR_NONE);
	line_add(&line, "to", COLOR_NONE);
	line_cell(&line, STR(""), 0, COLOR_NONE);
	line_cell(&line, e->recipients.n > 0 ? e->recipients : STR("?"), 0, COLOR_NONE);
	line_end(&line);
}

void
impact_print(struct cli *cli, const struct impact *impact, const struct exception *x)
{
	const char *did = x->kind == EXCEPTION_BLOCK ? "kept out" : "let in";

	if (impact->n == 0) {
		fprintf(cli->out, "in the past %d days it would have %s nothing else\n",
		    IMPACT_DAYS, did);
		return;
	}
	fprintf(cli->out, "in the past %d days it would also have %s %" PRId64 " more%s:\n",
	    IMPACT_DAYS, did, impact->n,
	    impact->n > (int64_t)impact->shown ? ", the newest of them" : "");
	for (size_t i = 0; i < impact->shown; i++)
		print_entry(cli, &impact->entry[i]);
}

void
impact_json(const struct impact *impact, struct buf *out)
{
	char when[WHEN_SIZE];

	buf_printf(out, "\"days\":%d,\"others\":%" PRId64 ",\"newest\":[", IMPACT_DAYS, impact->n);
	for (size_t i = 0; i < impact->shown; i++) {
		const struct impact_entry *e = &impact->entry[i];

		buf_printf(out, "%s{\"id\":\"%s\",\"time\":\"%s\",\"client\":", i ? "," : "", e->id,
		    when_utc(e->time_ms, when));
		escape_json(out, e->client);
		buf_add(out, STR(",\"sender\":"));
		escape_json(out, e->sender);
		buf_add(out, STR(",\"recipients\":"));
		escape_json(out, e->recipients);
		buf_addc(out, '}');
	}
	buf_addc(out, ']');
}
