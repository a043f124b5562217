/* The answers of an entry, put where stages look for them. */
#include <stdlib.h>

#include "base/die.h"
#include "rules/record.h"
#include "rules/replay_session.h"

static enum dns_type
type_of(struct str name)
{
	static const enum dns_type types[] = { DNS_TXT, DNS_A, DNS_AAAA, DNS_MX, DNS_PTR };

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (str_eq(name, str_of(dns_type_name(types[i]))))
			return types[i];
	return DNS_TXT;
}

static enum dns_status
status_of(struct str name)
{
	for (int i = DNS_OK; i < DNS_TEMPFAIL; i++)
		if (str_eq(name, str_of(dns_status_name((enum dns_status)i))))
			return (enum dns_status)i;
	return DNS_TEMPFAIL;
}

/* "10 mx.example.org" */
static struct dns_rr
mx_of(struct str text)
{
	struct dns_rr rr = { 0 };
	size_t blank = str_find(text, ' ');
	uint64_t preference = 0;

	if (blank == STR_NPOS)
		return (struct dns_rr){ .data = text };
	str_to_u64(str_sub(text, 0, blank), UINT16_MAX, &preference);
	rr.preference = (uint16_t)preference;
	rr.data = str_sub(text, blank + 1, text.n);
	return rr;
}

static struct dns_rr
rr_of(struct arena *arena, enum dns_type type, struct str text)
{
	struct ip ip;

	if (type == DNS_MX)
		return mx_of(text);
	if ((type == DNS_A || type == DNS_AAAA) && ip_parse(text, &ip))
		return (struct dns_rr){ .data = arena_dup(arena,
					    (struct str){ (char *)ip.b, type == DNS_A ? 4 : 16 }) };
	return (struct dns_rr){ .data = text };
}

static void
dns_of(struct arena *arena, const struct json *j, struct answer *out)
{
	const struct json *records = json_get(j, "records");
	struct str name = json_text(j, "dns");
	size_t blank = str_rfind(name, ' '), n = 0;

	out->question.kind = QUESTION_DNS;
	out->question.type = type_of(str_sub(name, blank == STR_NPOS ? name.n : blank + 1, name.n));
	out->question.name = str_sub(name, 0, blank);
	out->dns = (struct dns_answer){ .status = status_of(json_text(j, "status")),
		.ttl = (uint32_t)replay_number(j, "ttl"),
		.secure = json_yes(j, "secure") };
	/* Only its being there matters to stages: it is told to nobody. */
	if (json_get(j, "why"))
		out->dns.why = "then";
	for (const struct json *i = records ? records->first : NULL; i; i = i->next)
		n++;
	out->dns.rr = ARENA_ARRAY(arena, struct dns_rr, n + 1);
	for (const struct json *i = records ? records->first : NULL; i; i = i->next)
		out->dns.rr[out->dns.n++] = rr_of(arena, out->question.type, i->text);
}

static void
seen_of(const struct json *j, struct answer *out)
{
	struct str state = json_text(j, "state");

	out->question.kind = QUESTION_SEEN;
	out->question.name = json_text(j, "seen");
	out->question.seen = (struct seen_question){ .delay = replay_number(j, "delay"),
		.retry = replay_number(j, "retry"),
		.remember = replay_number(j, "remember"),
		.look_only = json_yes(j, "look_only"),
		.prove = json_yes(j, "prove"),
		.forget = json_yes(j, "forget") };
	out->seen = (struct seen_answer){ .first = replay_number(j, "first"),
		.last = replay_number(j, "last"),
		.hits = replay_number(j, "hits"),
		.wait = replay_number(j, "wait") };
	for (int i = SEEN_NEVER; i <= SEEN_PROVEN; i++)
		if (str_eq(state, str_of(record_seen_state((enum seen_state)i))))
			out->seen.state = (enum seen_state)i;
}

static void
count_of(const struct json *j, const char *kind, struct answer *out)
{
	out->question.kind = QUESTION_COUNT;
	out->question.name = json_text(j, kind);
	out->question.add = replay_number(j, "add");
	out->question.serial = (unsigned)replay_number(j, "serial");
	out->count = (struct count_answer){ .burst = replay_number(j, "burst"),
		.minute = replay_number(j, "minute"),
		.hour = replay_number(j, "hour"),
		.day = replay_number(j, "day"),
		.usual = replay_number(j, "usual"),
		.usual_low = replay_number(j, "usual_low"),
		.usual_high = replay_number(j, "usual_high"),
		.hours_known = replay_number(j, "hours_known"),
		.since = replay_number(j, "since"),
		.past = replay_number(j, "past") };
}

static void
take_of(const struct json *j, struct answer *out)
{
	struct str what = json_text(j, "what");

	count_of(j, "take", out);
	out->question.kind = QUESTION_TAKE;
	for (int i = TAKE_HOLD; i <= TAKE_RESET; i++)
		if (str_eq(what, str_of(record_take_what((enum take_what)i))))
			out->question.take.what = (enum take_what)i;
	out->take = (struct take_answer){ .granted = json_yes(j, "granted"),
		.held = replay_number(j, "held"),
		.free = replay_number(j, "free"),
		.limit = { replay_number(j, "limit_burst"), replay_number(j, "limit_minute"),
		    replay_number(j, "limit_hour"), replay_number(j, "limit_day") },
		.until = replay_number(j, "until") };
}

/* What was added then is not kept; one that only reads is found again. */
static void
distinct_of(const struct json *j, struct answer *out)
{
	count_of(j, "distinct", out);
	out->question.kind = QUESTION_DISTINCT;
	out->question.add = 0;
}

static bool
read_answer(struct replay *r, const struct json *j, struct answer *a)
{
	*a = (struct answer){ .failed = json_yes(j, "failed") };
	if (json_get(j, "dns"))
		dns_of(r->text, j, a);
	else if (json_get(j, "seen"))
		seen_of(j, a);
	else if (json_get(j, "count"))
		count_of(j, "count", a);
	else if (json_get(j, "take"))
		take_of(j, a);
	else if (json_get(j, "distinct"))
		distinct_of(j, a);
	else
		return false;
	return true;
}

void
replay_answers(struct replay *r)
{
	struct replay_record *e = &r->entry;
	const struct json *list;
	size_t n = 0;

	if (e->answers)
		return;
	e->answers = true;
	list = json_parse(r->text, e->record->answers, NULL);
	if (list == NULL || list->type != JSON_ARRAY)
		return;
	for (const struct json *j = list->first; j; j = j->next)
		n++;
	e->recorded = ARENA_ARRAY(r->text, struct replay_answer, n + 1);
	for (const struct json *j = list->first; j; j = j->next)
		e->n_recorded += read_answer(r, j, &e->recorded[e->n_recorded].answer);
}

/* An administrator's limits stay; else those that are asked with are in force now. */
static void
judge_take(const struct question *q, struct answer *a)
{
	const struct count_answer *c = &a->count;
	struct take_answer *t = &a->take;
	const int64_t sums[] = { c->burst, c->minute, c->hour, c->day };
	const struct take_limits *limit = &t->limit;

	if (q->take.what != TAKE_HOLD && q->take.what != TAKE_LOOK)
		return;
	if (t->until == 0)
		t->limit = q->take.limit;

	const int64_t most[] = { limit->burst, limit->minute, limit->hour, limit->day };

	t->granted = true;
	for (size_t i = 0; i < sizeof(most) / sizeof(most[0]); i++)
		if (most[i] > 0 && sums[i] + t->held + q->add > most[i])
			t->granted = false;
	if (t->granted)
		t->free = 0;
}

/* True: the question has its answer now. */
static bool
resolve(struct replay *r, struct answer *a)
{
	struct replay_record *e = &r->entry;
	struct answer *next = a->next;

	if (a->question.kind == QUESTION_SEEN && replay_seen(r, a))
		return true;
	for (size_t i = 0; i < e->n_recorded; i++) {
		struct replay_answer *recorded = &e->recorded[i];
		const struct question question = a->question;

		if (!question_eq(&recorded->answer.question, &question))
			continue;
		recorded->used = true;
		*a = recorded->answer;
		a->question = question;
		a->next = next;
		if (question.kind == QUESTION_COUNT || question.kind == QUESTION_TAKE)
			replay_count(r, a);
		if (question.kind == QUESTION_TAKE && !a->failed)
			judge_take(&question, a);
		return question.kind != QUESTION_DISTINCT || !replay_touched(r, question.name);
	}
	return false;
}

bool
replay_resolve(struct replay *r, struct answers *table)
{
	bool any = false;

	for (struct answer *a = table->first; a && table->noted > 0; a = a->next) {
		if (a->state != ANSWER_NOTED || !resolve(r, a))
			continue;
		a->state = ANSWER_HERE;
		table->noted--;
		any = true;
	}
	return any;
}
