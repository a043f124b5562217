#include "mail/notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/escape.h"
#include "mail/letter.h"

#define NUMBERS 13
#define WHEN_SIZE 40

const char *const notice_names[] = { "who", "kind", "plan", "what", "window", "level", "used",
	"limit", "left", "percent", "time", "reached", "forecast", "hostname", NULL };

static const char *const kinds[] = { "account", "client", "upstream" };
static const char *const whats[] = { "messages", "recipients" };
static const char *const windows[] = { "minute", "hour", "day" };
static const char *const ways[] = { "all", "mail", "command", "webhook" };

const char *
notice_way_name(enum notice_way way)
{
	return ways[way];
}

/* ---- octets ---- */

/* Decimal numbers, the lengths of the texts among them, a line end, the texts. */
bool
notice_pack(const struct notice *n, struct buf *out)
{
	if (n->who.n > NOTICE_TEXT_MAX || n->plan.n > NOTICE_TEXT_MAX || n->to.n > NOTICE_TEXT_MAX)
		return false;
	buf_printf(out,
	    "%d %d %d %d %d %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64
	    " %zu %zu %zu\n",
	    (int)n->kind, (int)n->what, (int)n->window, (int)n->way, n->level, n->used, n->limit,
	    n->at, n->reached, n->tries, n->who.n, n->plan.n, n->to.n);
	buf_add(out, n->who);
	buf_add(out, n->plan);
	buf_add(out, n->to);
	return !out->over;
}

static bool
take_text(struct str *rest, uint64_t n, struct str *out)
{
	if (n > NOTICE_TEXT_MAX || n > rest->n)
		return false;
	*out = str_sub(*rest, 0, n);
	*rest = str_sub(*rest, n, rest->n);
	return true;
}

bool
notice_unpack(struct str octets, struct notice *out)
{
	/* The first four are indexes; level is a percentage. */
	static const uint64_t most[NUMBERS] = { NOTICE_UPSTREAM, PLAN_RECIPIENTS, PLAN_DAY,
		NOTICE_WEBHOOK, 100, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, 1000,
		NOTICE_TEXT_MAX, NOTICE_TEXT_MAX, NOTICE_TEXT_MAX };
	uint64_t number[NUMBERS];
	struct str line, part;

	if (octets.n > NOTICE_OCTETS || str_find(octets, '\n') == STR_NPOS ||
	    !str_pop(&octets, '\n', &line))
		return false;
	for (size_t i = 0; i < NUMBERS; i++)
		if (!str_pop(&line, ' ', &part) || !str_to_u64(part, most[i], &number[i]))
			return false;
	if (line.p != NULL)
		return false;
	*out = (struct notice){
		.kind = (enum notice_kind)number[0],
		.what = (enum plan_what)number[1],
		.window = (enum plan_window)number[2],
		.way = (enum notice_way)number[3],
		.level = (int)number[4],
		.used = (int64_t)number[5],
		.limit = (int64_t)number[6],
		.at = (int64_t)number[7],
		.reached = (int64_t)number[8],
		.tries = (int64_t)number[9],
	};
	return take_text(&octets, number[10], &out->who) &&
	    take_text(&octets, number[11], &out->plan) &&
	    take_text(&octets, number[12], &out->to) && octets.n == 0;
}

/* ---- what it says ---- */

static bool
local(int64_t at, struct tm *out)
{
	time_t seconds = (time_t)at;

	return localtime_r(&seconds, out) != NULL;
}

/* "16:40" */
static const char *
time_of_day(int64_t at, char out[WHEN_SIZE])
{
	struct tm tm;

	if (!local(at, &tm) || strftime(out, WHEN_SIZE, "%H:%M", &tm) == 0)
		out[0] = '\0';
	return out;
}

static struct str
moment(int64_t at, struct arena *arena)
{
	char text[WHEN_SIZE];
	struct tm tm;

	if (at == 0 || !local(at, &tm) ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %z", &tm) == 0)
		return STR("");
	return arena_dup(arena, str_of(text));
}

/* What another process says may be any number. */
#define PERCENT_MOST 1000000

static int64_t
percent(const struct notice *n)
{
	double percent = n->limit > 0 ? (double)n->used * 100 / (double)n->limit : 0;

	return percent < PERCENT_MOST ? (int64_t)percent : PERCENT_MOST;
}

static struct str
forecast(const struct notice *n, struct arena *arena)
{
	char when[WHEN_SIZE];

	if (n->used >= n->limit)
		return STR("It is used up.");
	if (n->reached == 0)
		return STR("At this rate it will not be used up.");
	return arena_printf(
	    arena, "At this rate you reach it at %s.", time_of_day(n->reached, when));
}

void
notice_values(const struct notice *n, struct str hostname, struct arena *arena,
    struct str value[NOTICE_NAMES])
{
	int64_t left = n->limit > n->used ? n->limit - n->used : 0;
	size_t i = 0;

	value[i++] = letter_clean(arena, n->who);
	value[i++] = str_of(kinds[n->kind]);
	value[i++] = letter_clean(arena, n->plan);
	value[i++] = str_of(whats[n->what]);
	value[i++] = str_of(windows[n->window]);
	value[i++] = arena_printf(arena, "%d", n->level);
	value[i++] = arena_printf(arena, "%" PRId64, n->used);
	value[i++] = arena_printf(arena, "%" PRId64, n->limit);
	value[i++] = arena_printf(arena, "%" PRId64, left);
	value[i++] = arena_printf(arena, "%" PRId64, percent(n));
	value[i++] = moment(n->at, arena);
	value[i++] = moment(n->reached, arena);
	value[i++] = forecast(n, arena);
	value[i] = letter_clean(arena, hostname);
}

static void
json_moment(struct buf *out, const char *name, int64_t at)
{
	time_t seconds = (time_t)at;
	char text[WHEN_SIZE];
	struct tm tm;

	if (at == 0 || gmtime_r(&seconds, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		buf_printf(out, ",\"%s\":null", name);
	else
		buf_printf(out, ",\"%s\":\"%s\"", name, text);
}

void
notice_json(const struct notice *n, struct str hostname, struct str text, struct buf *out)
{
	buf_add(out, STR("{\"event\":\"plan-warning\",\"hostname\":"));
	escape_json(out, hostname);
	buf_printf(out, ",\"kind\":\"%s\",\"who\":", kinds[n->kind]);
	escape_json(out, n->who);
	buf_add(out, STR(",\"plan\":"));
	escape_json(out, n->plan);
	buf_printf(out,
	    ",\"what\":\"%s\",\"per\":\"%s\",\"level\":%d,\"used\":%" PRId64 ",\"limit\":%" PRId64
	    ",\"percent\":%" PRId64,
	    whats[n->what], windows[n->window], n->level, n->used, n->limit, percent(n));
	json_moment(out, "time", n->at);
	json_moment(out, "reached", n->reached);
	buf_add(out, STR(",\"text\":"));
	escape_json(out, text);
	buf_addc(out, '}');
}

/* ---- templates ---- */

bool
notice_template_read(
    struct str text, struct arena *arena, struct notice_template *out, struct template_fault *fault)
{
	struct str subject;

	text = arena_dup(arena, text);
	*fault = (struct template_fault){ 0 };
	if (!str_startscase(text, STR("Subject:")) || !str_pop(&text, '\n', &subject) ||
	    text.n == 0 || text.p[0] != '\n')
		return false;
	text = str_sub(text, 1, text.n);
	subject = str_trim(str_sub(subject, 8, subject.n));
	out->subject = template_read(subject, notice_names, arena, fault);
	if (out->subject == NULL) {
		fault->column += 9;
		return false;
	}
	out->text = template_read(text, notice_names, arena, fault);
	fault->line += 2;
	return out->text != NULL;
}
