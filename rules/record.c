#include "rules/record.h"

#include <inttypes.h>

#include "base/escape.h"
#include "rules/series.h"

/* "key":"text" */
static void
pair(struct buf *b, const char *key, struct str text)
{
	buf_printf(b, "\"%s\":", key);
	escape_json(b, text);
}

static void
call_json(struct buf *b, const struct fact_call *call)
{
	struct buf name;

	buf_init(&name, 1024);
	fact_call_print(call, &name);
	escape_json(b, buf_str(&name));
	buf_free(&name);
}

/* At this step it still holds. */
static bool
holds(const struct fact *f, enum step step)
{
	return f->call.entry->def->life < LIFE_RECIPIENT || f->step == step;
}

static void
facts_of(struct series *s, const struct facts *facts, enum step step)
{
	for (const struct fact *f = facts->first; f; f = f->next) {
		if (!holds(f, step))
			continue;
		call_json(&s->element, &f->call);
		buf_addc(&s->element, ':');
		value_json(&f->value, &s->element);
		series_next(s);
	}
}

void
record_facts(const struct session *s, enum step step, struct buf *out)
{
	struct series series;

	series_open(&series, out, '{');
	facts_of(&series, &s->facts, step);
	facts_of(&series, &s->txn.facts, step);
	if (s->txn.current)
		facts_of(&series, &s->txn.current->facts, step);
	series_close(&series);
}

static void
rr_json(struct buf *b, enum dns_type type, const struct dns_rr *rr)
{
	struct ip ip = { .version = type == DNS_A ? 4 : 6 };
	size_t n = type == DNS_A ? 4 : 16;

	if (type == DNS_A || type == DNS_AAAA) {
		memcpy(ip.b, rr->data.p, rr->data.n < n ? rr->data.n : n);
		escape_json(b, str_of(IP_TEXT(&ip)));
	} else if (type == DNS_MX) {
		struct buf text;

		buf_init(&text, 1024);
		buf_printf(&text, "%u ", rr->preference);
		buf_add(&text, rr->data);
		escape_json(b, buf_str(&text));
		buf_free(&text);
	} else {
		escape_json(b, rr->data);
	}
}

static void
dns_json(struct buf *b, const struct question *q, const struct dns_answer *a)
{
	struct buf name;

	buf_init(&name, 1024);
	buf_add(&name, q->name);
	buf_printf(&name, " %s", dns_type_name(q->type));
	pair(b, "dns", buf_str(&name));
	buf_free(&name);
	buf_addc(b, ',');
	pair(b, "status", str_of(dns_status_name(a->status)));
	if (a->why) {
		buf_addc(b, ',');
		pair(b, "why", str_of(a->why));
	}
	buf_printf(b, ",\"ttl\":%" PRIu32 ",\"secure\":%s,\"records\":[", a->ttl,
	    a->secure ? "true" : "false");
	for (size_t i = 0; i < a->n; i++) {
		if (i > 0)
			buf_addc(b, ',');
		rr_json(b, q->type, &a->rr[i]);
	}
	buf_addc(b, ']');
}

const char *
record_seen_state(enum seen_state state)
{
	static const char *const names[] = {
		[SEEN_NEVER] = "never",
		[SEEN_FIRST] = "first",
		[SEEN_EARLY] = "early",
		[SEEN_RETRIED] = "retried",
		[SEEN_PROVEN] = "proven",
	};

	return names[state];
}

static void
seen_json(struct buf *b, const struct answer *a)
{
	const struct seen_question *q = &a->question.seen;
	const struct seen_answer *s = &a->seen;

	pair(b, "seen", a->question.name);
	buf_printf(b, ",\"delay\":%" PRId64 ",\"retry\":%" PRId64 ",\"remember\":%" PRId64,
	    q->delay, q->retry, q->remember);
	if (q->look_only)
		buf_add(b, STR(",\"look_only\":true"));
	if (q->prove)
		buf_add(b, STR(",\"prove\":true"));
	if (q->forget)
		buf_add(b, STR(",\"forget\":true"));
	if (a->failed)
		return;
	buf_addc(b, ',');
	pair(b, "state", str_of(record_seen_state(s->state)));
	buf_printf(b, ",\"first\":%" PRId64 ",\"last\":%" PRId64 ",\"hits\":%" PRId64, s->first,
	    s->last, s->hits);
	buf_printf(b, ",\"wait\":%" PRId64, s->wait);
}

static void
counts_json(struct buf *b, const struct answer *a, const char *kind)
{
	const struct count_answer *c = &a->count;

	pair(b, kind, a->question.name);
	buf_printf(b, ",\"add\":%" PRId64, a->question.add);
	if (a->question.serial > 0)
		buf_printf(b, ",\"serial\":%u", a->question.serial);
	if (a->failed)
		return;
	buf_printf(b, ",\"minute\":%" PRId64 ",\"hour\":%" PRId64 ",\"day\":%" PRId64, c->minute,
	    c->hour, c->day);
	if (c->burst > 0)
		buf_printf(b, ",\"burst\":%" PRId64, c->burst);
	if (c->hours_known > 0)
		buf_printf(b,
		    ",\"usual\":%" PRId64 ",\"usual_low\":%" PRId64 ",\"usual_high\":%" PRId64
		    ",\"hours_known\":%" PRId64,
		    c->usual, c->usual_low, c->usual_high, c->hours_known);
	if (c->since > 0)
		buf_printf(b, ",\"since\":%" PRId64, c->since);
	if (c->past > 0)
		buf_printf(b, ",\"past\":%" PRId64, c->past);
}

static void
distinct_json(struct buf *b, const struct answer *a)
{
	const struct count_answer *c = &a->count;

	pair(b, "distinct", a->question.name);
	buf_printf(b, ",\"add\":%zu", a->question.hashes.n / QUESTION_HASH);
	if (a->question.serial > 0)
		buf_printf(b, ",\"serial\":%u", a->question.serial);
	if (!a->failed)
		buf_printf(b, ",\"minute\":%" PRId64 ",\"hour\":%" PRId64 ",\"day\":%" PRId64,
		    c->minute, c->hour, c->day);
}

static void
limits_json(struct buf *b, const struct take_limits *limit)
{
	const int64_t most[] = { limit->burst, limit->minute, limit->hour, limit->day };
	static const char *const window[] = { "burst", "minute", "hour", "day" };

	for (size_t i = 0; i < 4; i++)
		if (most[i] > 0)
			buf_printf(b, ",\"limit_%s\":%" PRId64, window[i], most[i]);
}

const char *
record_take_what(enum take_what what)
{
	static const char *const names[] = {
		[TAKE_HOLD] = "hold",
		[TAKE_KEEP] = "keep",
		[TAKE_SETTLE] = "settle",
		[TAKE_FREE] = "free",
		[TAKE_LOOK] = "look",
		[TAKE_ALLOW] = "allow",
		[TAKE_RESET] = "reset",
	};

	return names[what];
}

static void
take_json(struct buf *b, const struct answer *a)
{
	const struct take_answer *t = &a->take;

	counts_json(b, a, "take");
	buf_addc(b, ',');
	pair(b, "what", str_of(record_take_what(a->question.take.what)));
	if (a->failed)
		return;
	buf_printf(b, ",\"granted\":%s,\"held\":%" PRId64 ",\"free\":%" PRId64,
	    t->granted ? "true" : "false", t->held, t->free);
	limits_json(b, &t->limit);
	if (t->until > 0)
		buf_printf(b, ",\"until\":%" PRId64, t->until);
}

static void
answers_of(struct series *series, const struct answers *answers)
{
	struct buf *b = &series->element;

	for (const struct answer *a = answers->first; a; a = a->next) {
		if (a->state != ANSWER_HERE)
			continue;
		buf_addc(b, '{');
		if (a->question.kind == QUESTION_DNS)
			dns_json(b, &a->question, &a->dns);
		else if (a->question.kind == QUESTION_SEEN)
			seen_json(b, a);
		else if (a->question.kind == QUESTION_TAKE)
			take_json(b, a);
		else if (a->question.kind == QUESTION_DISTINCT)
			distinct_json(b, a);
		else
			counts_json(b, a, "count");
		if (a->failed)
			buf_add(b, STR(",\"failed\":true"));
		if (a->question.asker) {
			buf_addc(b, ',');
			pair(b, "for", str_of(a->question.asker));
		}
		buf_printf(b, ",\"us\":%" PRId64 "}", a->took_us);
		series_next(series);
	}
}

void
record_answers(const struct session *s, struct buf *out)
{
	struct series series;

	series_open(&series, out, '[');
	answers_of(&series, &s->answers);
	answers_of(&series, &s->txn.answers);
	series_close(&series);
}
