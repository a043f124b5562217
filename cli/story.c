#include "cli/story.h"

#include <inttypes.h>

#include "base/escape.h"
#include "cli/print.h"
#include "cli/when.h"

#define INDENT 14

/* --- pieces ------------------------------------------------------------------------------------- */

/* "name    text" of the head; nothing when there is no text. */
static void
item(const struct tale *t, const char *name, struct str text)
{
	char label[INDENT];

	if (text.n == 0)
		return;
	snprintf(label, sizeof(label), "  %s", name);
	print_prose(t->cli, &(struct prose){ label, INDENT, COLOR_DIM, COLOR_NONE }, text);
}

void
story_heading(const struct tale *t, const char *text)
{
	struct line line = { t->cli };

	line_end(&line);
	line_add(&line, text, COLOR_BOLD);
	line_end(&line);
}

/* On a terminal it goes on below; whoever looks for something in a file looks for all of it. */
static void
last_cell(struct line *line, size_t indent, enum color color, struct str text)
{
	if (line->cli->width > 0) {
		line_prose(line, indent, color, text);
		return;
	}
	line_cell(line, text, 0, color);
	line_end(line);
}

/* --- the head ----------------------------------------------------------------------------------- */

/* "192.0.2.1 (mx.example.net)" */
static void
add_client(struct buf *b, const struct journal_record *r)
{
	buf_add(b, r->client_ip);
	if (r->client_name.n > 0)
		buf_printf(b, " (%.*s)", STR_ARG(r->client_name));
}

/* "Refused for good at rcpt: from a@example.net to b@example.org, by 192.0.2.1 (mx.example.net)." */
static void
headline(const struct tale *t)
{
	const struct journal_record *r = t->r;
	char label[16] = "";
	struct buf b;

	buf_init(&b, 8192);
	if (r->id[0])
		snprintf(label, sizeof(label), "%s  ", r->id);
	buf_printf(&b, "%s%s%s", tale_outcome(t), tale_is_command(t) ? ", " : " at ", r->step);
	if (tale_is_message(t)) {
		buf_printf(&b, ": from %.*s", STR_ARG(r->sender.n > 0 ? r->sender : STR("<>")));
		if (r->recipients.n > 2) {
			buf_add(&b, STR(" to "));
			print_recipients(r, &b);
		}
	}
	if (r->client_ip.n > 0) {
		buf_add(&b, tale_is_message(t) ? STR(", by ") : STR(": "));
		add_client(&b, r);
	}
	if (r->times > 1)
		buf_printf(&b, ", %" PRId64 " times", r->times);
	print_prose(t->cli,
	    &(struct prose){ label, strlen(label), COLOR_BOLD, print_verdict_color(r->verdict) },
	    buf_str(&b));
	buf_free(&b);
}

/* Rules that gave points, where it is those that decided. */
static void
add_points(const struct tale *t, const struct json *rule, struct buf *b)
{
	bool any = false;

	for (const struct json *e = t->trace->first; e && e != rule; e = e->next) {
		if (!tale_gave_points(t, rule, e))
			continue;
		buf_printf(b, "%s%.*s (%.*s)",
		    any            ? ", "
			: b->n > 0 ? ", and points came of "
				   : "points came of ",
		    STR_ARG(json_text(e, "rule")), STR_ARG(json_text(e, "source")));
		any = true;
	}
}

/* "spf was fail, client.name was """ */
static void
because(const struct tale *t, const struct json *rule)
{
	const struct json *facts = json_get(rule, "facts");
	struct buf b;

	buf_init(&b, 8192);
	for (const struct json *f = facts ? facts->first : NULL; f; f = f->next) {
		buf_printf(&b, "%s%.*s was ", f == facts->first ? "" : ", ",
		    STR_ARG(json_text(f, "fact")));
		tale_readable(json_get(f, "value"), &b);
	}
	add_points(t, rule, &b);
	item(t, "because", buf_str(&b));
	buf_free(&b);
}

/* What the entry's text is. */
static const char *
text_name(const struct tale *t)
{
	if (tale_is_command(t))
		return "change";
	if (strcmp(t->r->verdict, "left") == 0)
		return "left";
	return t->r->observed.n > 0 ? "would say" : "reply";
}

/* What it said itself, where the client was told something else. */
static void
head_backend(const struct tale *t)
{
	const struct journal_record *r = t->r;

	if (str_eq(r->rule, STR("backend")) && r->code == 421)
		item(t, "backend", arena_printf(t->arena, "%d %.*s", r->code, STR_ARG(r->text)));
}

static void
head_rule(const struct tale *t)
{
	const struct json *decided = tale_decider(t);
	struct buf b;

	buf_init(&b, 8192);
	buf_add(&b, t->r->rule.n > 0 ? t->r->rule : STR("none"));
	if (str_eq(t->r->rule, STR("backend")))
		buf_add(&b, STR(": the mail server behind said so, word for word"));
	if (decided)
		buf_printf(&b, ": %.*s", STR_ARG(json_text(decided, "source")));
	item(t, "rule", buf_str(&b));
	buf_free(&b);
	if (decided)
		because(t, decided);
}

static void
head_client(const struct tale *t)
{
	const struct journal_record *r = t->r;
	struct buf b;

	buf_init(&b, 8192);
	add_client(&b, r);
	item(t, "client", buf_str(&b));
	item(t, "helo", r->helo);
	item(t, "account", r->account);
	if (tale_is_message(t))
		item(t, "sender", r->sender.n > 0 ? r->sender : STR("<>"));
	buf_clear(&b);
	print_recipients(r, &b);
	item(t, "recipients", buf_str(&b));
	buf_free(&b);
}

void
story_head(const struct tale *t)
{
	const struct journal_record *r = t->r;
	char text[WHEN_SIZE * 3], when[WHEN_SIZE], took[WHEN_SIZE];

	headline(t);
	item(t, text_name(t), tale_reply(t));
	head_backend(t);
	head_rule(t);
	item(t, "observed", r->observed);
	if (r->time_ms > 0) {
		when_local(r->time_ms, when);
		if (r->took_us > 0)
			snprintf(text, sizeof(text), "%s, it took %s", when,
			    when_took(r->took_us, took));
		item(t, "time", str_of(r->took_us > 0 ? text : when));
	}
	head_client(t);
	if (r->size > 0) {
		snprintf(text, sizeof(text), "%" PRId64 " octets", r->size);
		item(t, "message", str_of(text));
	}
	item(t, "subject", r->subject);
	if (r->times > 1) {
		snprintf(text, sizeof(text), "%" PRId64 ", one entry for all", r->times);
		item(t, "times", str_of(text));
	}
	item(t, "queue id", r->queue_id);
	item(t, "front", str_of(r->front));
	item(t, "session", r->session);
	item(t, "revision", r->config);
}

void
story_meaning(const struct tale *t)
{
	const struct explanation *about = tale_explanation(t), *code = tale_code(t);

	if (about == NULL)
		return;
	/* What is only observed nobody was told. */
	story_heading(t, t->r->observed.n > 0 ? "what it would mean" : "what it means");
	if (tale_by_backend(t) && code && code != about)
		item(t, "code", str_of(code->meaning));
	item(t, "meaning", str_of(about->meaning));
	if (t->r->observed.n == 0)
		item(t, "sender", str_of(about->sender));
	item(t, "admin", str_of(about->admin));
}

/* --- rules -------------------------------------------------------------------------------------- */

static void
rule_facts(const struct tale *t, const struct json *facts)
{
	for (const struct json *f = facts ? facts->first : NULL; f; f = f->next) {
		struct line line = { t->cli };
		char took[WHEN_SIZE];
		struct buf b;

		buf_init(&b, 4096);
		tale_readable(json_get(f, "value"), &b);
		line_add(&line, "        ", COLOR_NONE);
		line_cell(&line, json_text(f, "fact"), 26, COLOR_NONE);
		line_cell(&line, buf_str(&b), 20, COLOR_NONE);
		if (json_number(f, "us") > 0)
			line_add(&line, when_took(json_number(f, "us"), took), COLOR_DIM);
		line_end(&line);
		buf_free(&b);
	}
}

static const char *
outcome(const struct json *rule, bool decided)
{
	if (!json_yes(rule, "hit"))
		return json_yes(rule, "gave_up") ? "no, a regular expression was given up" : "no";
	if (json_yes(rule, "observed"))
		return "yes, only observed";
	return decided ? "decided" : "yes";
}

static void
tell_rule(const struct tale *t, const struct json *rule, bool decided)
{
	struct line line = { t->cli };

	line_add(&line, decided ? "  > " : "    ", COLOR_BOLD);
	line_cell(&line, json_text(rule, "rule"), 16, COLOR_DIM);
	line_cell(&line, str_of(outcome(rule, decided)), 7,
	    decided ? print_verdict_color(t->r->verdict) : COLOR_NONE);
	last_cell(&line, 31, decided ? COLOR_BOLD : COLOR_NONE, json_text(rule, "source"));
	rule_facts(t, json_get(rule, "facts"));
}

static void
tell_cut(const struct tale *t, int64_t n)
{
	struct line line = { t->cli };
	char text[80];

	snprintf(
	    text, sizeof(text), "    ... and %" PRId64 " more, for which there was no room", n);
	line_add(&line, text, COLOR_DIM);
	line_end(&line);
}

/* A step; and the recipient that it was about, if that is not one of the entry's. */
static void
head_step(const struct tale *t, struct str step, struct str recipient)
{
	char heading[400];

	snprintf(heading, sizeof(heading), "rules tried%s%.*s%s%s", step.n > 0 ? " at " : "",
	    STR_ARG(step), recipient.n > 0 ? ", for " : "", ESC(recipient));
	story_heading(t, heading);
}

/* Each step under a heading of its own, and each recipient before the entry's. */
void
story_rules(const struct tale *t)
{
	const struct json *decided = tale_decider(t), *last = NULL;

	for (const struct json *e = t->trace ? t->trace->first : NULL; e; e = e->next) {
		struct str step = json_text(e, "step"), to = json_text(e, "recipient");

		if (json_get(e, "cut")) {
			tell_cut(t, json_number(e, "cut"));
			continue;
		}
		if (last == NULL || !str_eq(step, json_text(last, "step")) ||
		    !str_eq(to, json_text(last, "recipient")))
			head_step(t, step, to);
		last = e;
		tell_rule(t, e, e == decided);
	}
}

void
story_facts(const struct tale *t)
{
	if (t->facts)
		story_heading(t, "facts");
	for (const struct json *f = t->facts ? t->facts->first : NULL; f; f = f->next) {
		struct line line = { t->cli };
		struct buf b;

		buf_init(&b, 4096);
		tale_readable(f, &b);
		line_add(&line, "    ", COLOR_NONE);
		line_cell(&line, f->name, 30, COLOR_NONE);
		last_cell(&line, 36, COLOR_NONE, buf_str(&b));
		buf_free(&b);
	}
}
