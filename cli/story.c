#include "cli/story.h"

#include <inttypes.h>

#include "base/escape.h"
#include "cli/print.h"
#include "cli/when.h"
#include "db/json.h"

/* --- pieces ------------------------------------------------------------------------------------- */

/* "name    text" of the head; nothing when there is no text. */
static void
item(struct cli *cli, const char *name, struct str text)
{
	struct line line = { cli };

	if (text.n == 0)
		return;
	line_add(&line, "  ", COLOR_NONE);
	line_cell(&line, str_of(name), 10, COLOR_DIM);
	line_cell(&line, text, 0, COLOR_NONE);
	line_end(&line);
}

static void
heading(struct cli *cli, const char *text)
{
	struct line line = { cli };

	line_end(&line);
	line_add(&line, text, COLOR_BOLD);
	line_end(&line);
}

/* A value as a person reads it: texts bare, the rest as JSON. */
static void
readable(const struct json *v, struct buf *b)
{
	if (v == NULL)
		return;
	if (v->type == JSON_STRING)
		buf_add(b, v->text.n > 0 ? v->text : STR("\"\""));
	else if (v->type == JSON_NULL)
		buf_add(b, STR("(not known)"));
	else if (v->type == JSON_BOOL)
		buf_add(b, v->yes ? STR("yes") : STR("no"));
	else if (v->type != JSON_ARRAY)
		json_write(v, b);
	else if (v->first == NULL)
		buf_add(b, STR("(none)"));
	for (const struct json *i = v->type == JSON_ARRAY ? v->first : NULL; i; i = i->next) {
		readable(i, b);
		buf_add(b, i->next ? STR(", ") : STR(""));
	}
}

static const struct json *
parse(struct arena *arena, struct str text)
{
	return json_parse(arena, text, NULL);
}

/* --- the head ----------------------------------------------------------------------------------- */

static void
head_verdict(struct cli *cli, const struct journal_record *r)
{
	struct line line = { cli };
	char code[16];

	snprintf(code, sizeof(code), "%d", r->code);
	if (r->id[0])
		line_cell(&line, str_of(r->id), 0, COLOR_BOLD);
	line_cell(&line, str_of(r->verdict), 0, print_verdict_color(r->verdict));
	if (r->code > 0)
		line_cell(&line, str_of(code), 0, COLOR_NONE);
	if (r->enhanced.n > 0)
		line_cell(&line, r->enhanced, 0, COLOR_NONE);
	if (r->text.n > 0)
		line_cell(&line, r->text, 0, COLOR_BOLD);
	line_end(&line);
	item(cli, "step", str_of(r->step));
}

static void
head_client(struct cli *cli, const struct journal_record *r)
{
	struct buf b;

	buf_init(&b, 4096);
	buf_add(&b, r->client_ip);
	if (r->client_name.n > 0) {
		buf_add(&b, STR(" ("));
		buf_add(&b, r->client_name);
		buf_add(&b, STR(")"));
	}
	item(cli, "client", buf_str(&b));
	item(cli, "helo", r->helo);
	item(cli, "account", r->account);
	if (strcmp(r->step, "connect") != 0 && strcmp(r->step, "helo") != 0)
		item(cli, "sender", r->sender.n > 0 ? r->sender : STR("<>"));
	buf_clear(&b);
	print_recipients(r, &b);
	item(cli, "recipients", buf_str(&b));
	buf_free(&b);
}

void
story_head(struct cli *cli, const struct journal_record *r)
{
	char text[WHEN_SIZE * 2], when[WHEN_SIZE];

	head_verdict(cli, r);
	if (r->time_ms > 0)
		item(cli, "time", str_of(when_local(r->time_ms, when)));
	head_client(cli, r);
	if (r->size > 0) {
		snprintf(text, sizeof(text), "%" PRId64 " octets", r->size);
		item(cli, "message", str_of(text));
	}
	if (r->times > 1) {
		snprintf(text, sizeof(text), "%" PRId64 ", one entry for all", r->times);
		item(cli, "times", str_of(text));
	}
	item(cli, "queue id", r->queue_id);
	item(cli, "rule", r->rule.n > 0 ? r->rule : STR("none"));
	item(cli, "observed", r->observed);
	item(cli, "front", str_of(r->front));
	item(cli, "session", r->session);
	item(cli, "config", r->config);
	item(cli, "took", str_of(when_took(r->took_us, when)));
}

/* --- rules -------------------------------------------------------------------------------------- */

/* The last rule of that name that was true and not only observed. */
static const struct json *
decider(const struct json *trace, const struct journal_record *r)
{
	const struct json *found = NULL;

	for (const struct json *t = trace->first; t; t = t->next)
		if (r->rule.n > 0 && str_eq(json_text(t, "rule"), r->rule) && json_yes(t, "hit") &&
		    !json_yes(t, "observed"))
			found = t;
	return found;
}

static void
rule_facts(struct cli *cli, const struct json *facts)
{
	for (const struct json *f = facts ? facts->first : NULL; f; f = f->next) {
		struct line line = { cli };
		char took[WHEN_SIZE];
		struct buf b;

		buf_init(&b, 4096);
		readable(json_get(f, "value"), &b);
		line_add(&line, "        ", COLOR_NONE);
		line_cell(&line, json_text(f, "fact"), 26, COLOR_NONE);
		line_cell(&line, buf_str(&b), 20, COLOR_NONE);
		if (json_get(f, "us"))
			line_add(&line, when_took(json_number(f, "us"), took), COLOR_DIM);
		line_end(&line);
		buf_free(&b);
	}
}

static const char *
outcome(const struct json *rule, bool decided)
{
	if (decided)
		return "decided";
	if (!json_yes(rule, "hit"))
		return json_yes(rule, "gave_up") ? "no, a regular expression was given up" : "no";
	return json_yes(rule, "observed") ? "yes, only observed" : "yes";
}

void
story_rules(struct cli *cli, const struct journal_record *r)
{
	struct arena *arena = arena_new(4 << 20);
	const struct json *trace = parse(arena, r->trace);
	const struct json *decided;

	if (trace && trace->type == JSON_ARRAY && trace->first) {
		heading(cli, "rules looked at");
		decided = decider(trace, r);
		for (const struct json *t = trace->first; t; t = t->next) {
			bool mark = t == decided;
			struct line line = { cli };

			line_add(&line, mark ? "  > " : "    ", COLOR_BOLD);
			line_cell(&line, json_text(t, "rule"), 16, COLOR_DIM);
			line_cell(&line, str_of(outcome(t, mark)), 7,
			    mark ? print_verdict_color(r->verdict) : COLOR_NONE);
			line_cell(&line, json_text(t, "source"), 0, mark ? COLOR_BOLD : COLOR_NONE);
			line_end(&line);
			rule_facts(cli, json_get(t, "facts"));
		}
	}
	arena_free(&arena);
}

void
story_facts(struct cli *cli, const struct journal_record *r)
{
	struct arena *arena = arena_new(4 << 20);
	const struct json *facts = parse(arena, r->facts);

	if (facts && facts->type == JSON_OBJECT && facts->first) {
		heading(cli, "facts");
		for (const struct json *f = facts->first; f; f = f->next) {
			struct line line = { cli };
			struct buf b;

			buf_init(&b, 4096);
			readable(f, &b);
			line_add(&line, "    ", COLOR_NONE);
			line_cell(&line, f->name, 30, COLOR_NONE);
			line_cell(&line, buf_str(&b), 0, COLOR_NONE);
			line_end(&line);
			buf_free(&b);
		}
	}
	arena_free(&arena);
}

/* --- answers ------------------------------------------------------------------------------------ */

static void
dns_answer(struct cli *cli, struct line *line, const struct json *a)
{
	const struct json *records = json_get(a, "records");
	struct str why = json_text(a, "why");

	line_cell(line, json_text(a, "status"), 0, COLOR_NONE);
	if (why.n > 0)
		line_cell(line, why, 0, COLOR_NONE);
	if (json_yes(a, "secure"))
		line_cell(line, STR("signed"), 0, COLOR_NONE);
	line_end(line);
	for (const struct json *rr = records ? records->first : NULL; rr; rr = rr->next) {
		line_add(line, "          ", COLOR_NONE);
		line_cell(line, rr->text, 0, COLOR_NONE);
		line_end(line);
	}
}

static void
seen_answer(struct line *line, const struct json *a)
{
	char text[100];

	line_cell(line, json_text(a, "state"), 0, COLOR_NONE);
	if (json_number(a, "wait") > 0) {
		snprintf(text, sizeof(text), "%" PRId64 " s to wait", json_number(a, "wait"));
		line_cell(line, str_of(text), 0, COLOR_NONE);
	}
	if (json_number(a, "hits") > 0) {
		snprintf(text, sizeof(text), "%" PRId64 " times since it was proven",
		    json_number(a, "hits"));
		line_cell(line, str_of(text), 0, COLOR_NONE);
	}
	line_end(line);
}

static void
count_answer(struct line *line, const struct json *a)
{
	char text[200];

	snprintf(text, sizeof(text), "%" PRId64 " a minute, %" PRId64 " an hour, %" PRId64 " a day",
	    json_number(a, "minute"), json_number(a, "hour"), json_number(a, "day"));
	line_cell(line, str_of(text), 0, COLOR_NONE);
	if (json_number(a, "hours_known") > 0) {
		snprintf(text, sizeof(text), "%" PRId64 " to %" PRId64, json_number(a, "usual_low"),
		    json_number(a, "usual_high"));
		line_add(line, "usual hour: ", COLOR_DIM);
		line_cell(line, str_of(text), 0, COLOR_NONE);
	}
	if (json_get(a, "granted") && !json_yes(a, "granted")) {
		snprintf(text, sizeof(text), "no room for %" PRId64 ", again in %" PRId64 " s",
		    json_number(a, "add"), json_number(a, "free"));
		line_cell(line, str_of(text), 0, COLOR_NONE);
	}
	line_end(line);
}

static void
answer(struct cli *cli, const struct json *a)
{
	static const char *const kinds[] = { "dns", "seen", "count", "take", "distinct" };
	struct line line = { cli };
	char took[WHEN_SIZE];
	size_t kind = 0;

	while (kind < 5 && json_get(a, kinds[kind]) == NULL)
		kind++;
	if (kind == 5)
		return;
	line_add(&line, "    ", COLOR_NONE);
	line_cell(&line, str_of(when_took(json_number(a, "us"), took)), 8, COLOR_DIM);
	line_cell(&line, str_of(kinds[kind]), 5, COLOR_DIM);
	line_cell(&line, json_text(a, kinds[kind]), 0, COLOR_NONE);
	if (json_yes(a, "failed")) {
		line_cell(&line, STR("failed"), 0, COLOR_RED);
		line_end(&line);
	} else if (kind == 0) {
		dns_answer(cli, &line, a);
	} else if (kind == 1) {
		seen_answer(&line, a);
	} else {
		count_answer(&line, a);
	}
}

void
story_answers(struct cli *cli, const struct journal_record *r)
{
	struct arena *arena = arena_new(4 << 20);
	const struct json *answers = parse(arena, r->answers);

	if (answers && answers->type == JSON_ARRAY && answers->first) {
		heading(cli, "answers from DNS and store");
		for (const struct json *a = answers->first; a; a = a->next)
			answer(cli, a);
	}
	arena_free(&arena);
}
