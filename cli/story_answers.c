#include <inttypes.h>

#include "base/escape.h"
#include "cli/print.h"
#include "cli/story.h"
#include "cli/when.h"

/* --- DNS ---------------------------------------------------------------------------------------- */

static void
dns_answer(const struct tale *t, struct line *line, const struct json *a)
{
	const struct json *records = json_get(a, "records");
	struct str why = json_text(a, "why");
	char text[40];

	line_cell(line, json_text(a, "status"), 0,
	    str_eq(json_text(a, "status"), STR("tempfail")) ? COLOR_RED : COLOR_NONE);
	if (why.n > 0)
		line_cell(line, why, 0, COLOR_NONE);
	if (json_number(a, "ttl") > 0) {
		snprintf(text, sizeof(text), "ttl %" PRId64, json_number(a, "ttl"));
		line_cell(line, str_of(text), 0, COLOR_DIM);
	}
	if (json_yes(a, "secure"))
		line_cell(line, STR("signed"), 0, COLOR_NONE);
	line_end(line);
	for (const struct json *rr = records ? records->first : NULL; rr; rr = rr->next) {
		if (t->cli->width > 0) {
			print_prose(
			    t->cli, &(struct prose){ NULL, 10, COLOR_NONE, COLOR_NONE }, rr->text);
			continue;
		}
		/* Whoever looks for a record in a file looks for all of it. */
		line_add(line, "          ", COLOR_NONE);
		line_cell(line, rr->text, 0, COLOR_NONE);
		line_end(line);
	}
}

/* --- store -------------------------------------------------------------------------------------- */

/* A line of its own below the question. */
static void
below(const struct tale *t, struct buf *b)
{
	if (b->n > 0)
		print_prose(
		    t->cli, &(struct prose){ NULL, 10, COLOR_NONE, COLOR_NONE }, buf_str(b));
	buf_clear(b);
}

/* "first seen 3 minutes ago (2026-01-31 11:57:00)" */
static void
add_age(const struct tale *t, struct buf *b, const char *what, int64_t seconds)
{
	int64_t ago = t->r->time_ms / 1000 - seconds;
	char when[WHEN_SIZE], span[WHEN_SIZE];

	if (seconds == 0)
		return;
	buf_printf(b, "%s%s", b->n > 0 ? ", " : "", what);
	if (ago <= 0)
		buf_add(b, STR(" then"));
	else
		buf_printf(
		    b, " %s before (%s)", when_span(ago, span), when_local(seconds * 1000, when));
}

static void
seen_answer(const struct tale *t, struct line *line, const struct json *a)
{
	int64_t wait = json_number(a, "wait"), hits = json_number(a, "hits");
	char when[WHEN_SIZE], span[WHEN_SIZE];
	struct buf b;

	line_cell(line, json_text(a, "state"), 0, COLOR_NONE);
	line_end(line);
	buf_init(&b, 1024);
	add_age(t, &b, "first seen", json_number(a, "first"));
	add_age(t, &b, "last seen", json_number(a, "last"));
	below(t, &b);
	if (wait > 0)
		buf_printf(&b, "%s more to wait: passes from %s on", when_span(wait, span),
		    when_local(t->r->time_ms + wait * 1000, when));
	if (hits == 1)
		buf_add(&b, STR("seen once since it was proven"));
	else if (hits > 1)
		buf_printf(&b, "seen %" PRId64 " times since it was proven", hits);
	below(t, &b);
	buf_free(&b);
}

struct window {
	const char *name, *limit, *words;
};

/* "an hour: 2 before, 3 with it", "a day: 41 of 100 used, 1 asked for". */
static void
add_count(struct buf *b, const struct json *a, const struct window *w)
{
	int64_t after = json_number(a, w->name), add = json_number(a, "add");
	int64_t most = json_number(a, w->limit);
	bool judged = json_get(a, "granted") != NULL;

	if (json_get(a, w->name) == NULL || (judged && most == 0))
		return;
	buf_printf(b, "%s%s: ", b->n > 0 ? "; " : "", w->words);
	/* What is taken is held, and counted once it is delivered. */
	if (judged)
		buf_printf(
		    b, "%" PRId64 " of %" PRId64 " used, %" PRId64 " asked for", after, most, add);
	else if (add > 0)
		buf_printf(b, "%" PRId64 " before, %" PRId64 " with it", after - add, after);
	else
		buf_printf(b, "%" PRId64, after);
}

static void
add_usual(struct buf *b, const struct json *a)
{
	if (json_number(a, "hours_known") == 0)
		return;
	if (json_get(a, "usual_hour"))
		buf_printf(b, "; usual in an hour: %.*s", STR_ARG(json_text(a, "usual_hour")));
	else if (json_get(a, "usual_high"))
		buf_printf(b, "; usual in an hour: %" PRId64 " to %" PRId64,
		    json_number(a, "usual_low"), json_number(a, "usual_high"));
}

static void
count_answer(const struct tale *t, struct line *line, const struct json *a)
{
	static const struct window windows[] = { { "burst", "limit_burst", "a burst" },
		{ "minute", "limit_minute", "a minute" }, { "hour", "limit_hour", "an hour" },
		{ "day", "limit_day", "a day" } };
	int64_t wait = json_number(a, "free");
	char when[WHEN_SIZE], span[WHEN_SIZE];
	bool judged = json_get(a, "granted") != NULL;
	struct buf b;

	if (judged)
		line_cell(line, json_yes(a, "granted") ? STR("granted") : STR("no room"), 0,
		    json_yes(a, "granted") ? COLOR_NONE : COLOR_RED);
	line_end(line);
	buf_init(&b, 1024);
	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
		add_count(&b, a, &windows[i]);
	add_usual(&b, a);
	below(t, &b);
	if (json_number(a, "held") > 0)
		buf_printf(&b, "%" PRId64 " held by messages under way", json_number(a, "held"));
	below(t, &b);
	if (judged && !json_yes(a, "granted") && wait > 0)
		buf_printf(&b, "there is room again in %s: from %s on", when_span(wait, span),
		    when_local(t->r->time_ms + wait * 1000, when));
	else if (judged && !json_yes(a, "granted"))
		buf_add(&b, STR("there will never be room for so many at a time"));
	below(t, &b);
	if (json_number(a, "until") > 0)
		buf_printf(&b, "by an administrator's limits, until %s",
		    when_local(json_number(a, "until") * 1000, when));
	below(t, &b);
	buf_free(&b);
}

/* --- all of them -------------------------------------------------------------------------------- */

static void
answer(const struct tale *t, const struct json *a)
{
	static const char *const kinds[] = { "dns", "seen", "count", "take", "distinct" };
	const size_t n = sizeof(kinds) / sizeof(kinds[0]);
	struct line line = { t->cli };
	char took[WHEN_SIZE];
	size_t kind = 0;

	while (kind < n && json_get(a, kinds[kind]) == NULL)
		kind++;
	if (kind == n)
		return;
	line_add(&line, "    ", COLOR_NONE);
	line_cell(&line, str_of(when_took(json_number(a, "us"), took)), 8, COLOR_DIM);
	line_cell(&line, json_text(a, "for"), 8, COLOR_DIM);
	line_cell(&line, json_text(a, kinds[kind]), 0, COLOR_NONE);
	if (json_yes(a, "failed")) {
		line_cell(&line, STR("failed"), 0, COLOR_RED);
		line_end(&line);
	} else if (kind == 0) {
		dns_answer(t, &line, a);
	} else if (kind == 1) {
		seen_answer(t, &line, a);
	} else {
		count_answer(t, &line, a);
	}
}

void
story_answers(const struct tale *t)
{
	if (t->answers)
		story_heading(t, "answers from DNS and store");
	for (const struct json *a = t->answers ? t->answers->first : NULL; a; a = a->next)
		answer(t, a);
}

void
story_stages(const struct tale *t)
{
	struct tale_stage stage[TALE_STAGES];
	size_t n = tale_stages(t, stage);

	if (n > 0)
		story_heading(t, "time of each stage");
	for (size_t i = 0; i < n; i++) {
		struct line line = { t->cli };
		char took[WHEN_SIZE], text[80];

		line_add(&line, "    ", COLOR_NONE);
		line_cell(
		    &line, stage[i].name.n > 0 ? stage[i].name : STR("(not told)"), 12, COLOR_NONE);
		/* What took less than 10 us was not written down. */
		snprintf(text, sizeof(text), "%s computing",
		    stage[i].us > 0 ? when_took(stage[i].us, took) : "< 10 us");
		line_cell(&line, str_of(text), 18, COLOR_NONE);
		if (stage[i].questions > 0) {
			snprintf(text, sizeof(text), "%" PRId64 " question%s, the longest %s",
			    stage[i].questions, stage[i].questions > 1 ? "s" : "",
			    when_took(stage[i].waited_us, took));
			line_cell(&line, str_of(text), 0, COLOR_NONE);
		}
		line_end(&line);
	}
}
