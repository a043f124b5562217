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

static bool
fits(const struct count_sums *sums, int64_t more, const struct take_limits *limit)
{
	return (limit->burst == 0 || sums->burst + more <= limit->burst) &&
	    (limit->minute == 0 || sums->minute + more <= limit->minute) &&
	    (limit->hour == 0 || sums->hour + more <= limit->hour) &&
	    (limit->day == 0 || sums->day + more <= limit->day);
}

/* An administrator's limits stay; else those that are asked with are in force now. False: whether it is granted is not known. */
static bool
judge_take(const struct question *q, bool touched, struct answer *a)
{
	const struct count_sums low = count_least(&a->count), high = count_most(&a->count);
	const struct take_limits then = a->take.limit;
	struct take_answer *t = &a->take;
	bool granted = t->granted;

	if (q->take.what != TAKE_HOLD && q->take.what != TAKE_LOOK)
		return true;
	if (t->until == 0)
		t->limit = q->take.limit;
	t->granted = fits(&high, t->held + q->add, &t->limit);
	if (t->granted)
		t->free = 0;
	else if (granted || touched || memcmp(&then, &t->limit, sizeof(then)) != 0)
		t->free = -1;
	return t->granted == fits(&low, t->held + q->add, &t->limit);
}

/* Recipients of the transaction that are tried before the entry's own. */
static int64_t
tried_before(const struct replay *r)
{
	int64_t n = 0;

	for (const struct json *t = r->entry.steps; t; t = t->next)
		n += str_eq(json_text(t, "at"), STR("rcpt")) && json_text(t, "to").n > 0;
	return n + (r->entry.step == STEP_MESSAGE ? (int64_t)replay_n_recipients(r) : 0);
}

/*
 * What is tried counts at once, also what the same transaction tried before: an answer that was given before or behind other recipients
 * than now is off by so many of them at most.
 */
static void
widen(struct replay *r, struct answer *a)
{
	const struct replay_record *e = &r->entry;
	const struct transaction *txn = &r->session.txn;

	if (r->world == NULL || r->as_then || a->failed ||
	    !replay_rests_on_tries(a->question.asker) ||
	    (e->era->same && !e->touched && !e->differs))
		return;
	replay_widen(&a->count, tried_before(r), (int64_t)txn->n_asked - (txn->current != NULL));
}

/* What was answered then, with what is other by now. False: it is not known. */
static bool
as_of_now(struct replay *r, struct answer *a)
{
	bool touched = replay_touched(r, a->question.name);

	switch (a->question.kind) {
	case QUESTION_COUNT:
		replay_count(r, a);
		widen(r, a);
		return true;
	case QUESTION_TAKE:
		replay_count(r, a);
		return a->failed || judge_take(&a->question, touched, a);
	case QUESTION_DISTINCT:
		return !touched;
	case QUESTION_SEEN:
	case QUESTION_DNS:
		break;
	}
	return true;
}

/* True: the question has its answer now. */
static bool
resolve(struct replay *r, struct answer *a)
{
	enum replay_row row =
	    a->question.kind == QUESTION_SEEN ? replay_seen(r, a) : REPLAY_ROW_AS_THEN;
	struct replay_record *e = &r->entry;
	struct answer *next = a->next;

	if (row != REPLAY_ROW_AS_THEN)
		return row == REPLAY_ROW_NOW;
	for (size_t i = 0; i < e->n_recorded; i++) {
		struct replay_answer *recorded = &e->recorded[i];
		const struct question question = a->question;

		if (!question_eq(&recorded->answer.question, &question))
			continue;
		recorded->used = true;
		*a = recorded->answer;
		a->question = question;
		a->next = next;
		return as_of_now(r, a);
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
