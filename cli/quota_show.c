/*
 * quota_show: how much of a plan is used, of one or of all, and when it will be used up.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/escape.h"
#include "cli/print.h"
#include "cli/quota.h"
#include "cli/when.h"
#include "filters/key.h"

const char *const quota_what[] = { "messages", "recipients" };

/* --- who ---------------------------------------------------------------------------------------- */

void
quota_take_who(struct quota *x, struct str who)
{
	static const struct plans no_plans;
	const struct plans *plans = x->config ? &x->config->plans : &no_plans;
	struct ip ip;

	x->who = who;
	if (str_starts(x->who, STR("upstream:"))) {
		x->kind = STR("upstream");
		x->name = str_sub(x->who, 9, x->who.n);
		x->plan = plan_upstream(plans, x->name);
	} else if (ip_parse(x->who, &ip)) {
		x->kind = STR("client");
		x->name = arena_dup(x->arena, str_of(IP_TEXT(&ip)));
		x->plan = plan_of(plans, STR(""), &ip);
	} else {
		x->kind = STR("account");
		x->name = arena_lower(x->arena, x->who);
		x->plan = plan_of(plans, x->who, NULL);
	}
}

struct take_limits
quota_limits(const struct quota *x, enum plan_what what)
{
	return x->plan ? plan_limits(x->plan, what, 0) : (struct take_limits){ 0 };
}

/* --- asking the store --------------------------------------------------------------------------- */

bool
quota_ask(struct quota *x, enum plan_what what, struct take_question take, struct answer *out)
{
	struct store_ask one;
	struct err e;

	*out = (struct answer){ .question = { .kind = QUESTION_TAKE,
				    .name = key_bound(x->arena,
					arena_printf(x->arena, "rate:%s:%.*s:%.*s",
					    quota_what[what], STR_ARG(x->kind), STR_ARG(x->name))),
				    .add = take.what == TAKE_LOOK,
				    .take = take } };
	one = (struct store_ask){ .question = &out->question, .answer = out };
	if (x->at.backend->ask(x->at.store, &one, 1, x->now_ms, &e))
		return true;
	cli_fail(x->cli, "%s", e.text);
	return false;
}

/* --- showing ------------------------------------------------------------------------------------ */

/* One limit, and how it is used. */
struct use {
	const char *what, *window;
	int64_t used, limit; /* limit 0: none */
	int64_t reached_ms;  /* at the rate of the shorter window; 0: not within its own */
	int64_t free_ms;     /* used up: until then, at most; 0: it is not */
	int64_t until_ms;    /* the limit was set until then; 0: it is the plan's */
	/* Of an upstream's limit what is for mail that nothing is reserved for; 0: all. And when there is room for that again. */
	int64_t open, open_free_ms;
};

static double
part(const struct use *u)
{
	return u->limit ? (double)u->used / (double)u->limit : 0;
}

/* Of the part of it that is open to everybody. */
static double
open_part(const struct use *u)
{
	return u->open ? (double)u->used / (double)u->open : part(u);
}

static void
add_open(struct line *line, const struct use *u)
{
	char text[100], when[WHEN_SIZE];

	snprintf(text, sizeof(text), "; %" PRId64 " of the %" PRId64 " are without a reserve",
	    u->open, u->limit);
	line_add(line, text, COLOR_NONE);
	if (u->open_free_ms == 0)
		return;
	line_add(line, ": ", COLOR_NONE);
	line_add(line, "used up", COLOR_RED);
	line_add(line, ", there is room again at ", COLOR_NONE);
	line_add(line, when_local(u->open_free_ms, when), COLOR_NONE);
}

static void
print_use(struct quota *x, const char *before, const struct use *u)
{
	struct line line = { x->cli };
	char text[200], when[WHEN_SIZE];

	line_add(&line, before, COLOR_NONE);
	if (u->limit == 0)
		snprintf(text, sizeof(text), "%" PRId64 " %s in the last %s", u->used, u->what,
		    u->window);
	else
		snprintf(text, sizeof(text),
		    "%" PRId64 " of %" PRId64 " %s per %s used, %" PRId64 "%%", u->used, u->limit,
		    u->what, u->window, (int64_t)(100 * part(u)));
	line_add(&line, text, u->free_ms ? COLOR_RED : COLOR_NONE);
	if (u->free_ms) {
		line_add(&line, "; there is room again at ", COLOR_NONE);
		line_add(&line, when_local(u->free_ms, when), COLOR_NONE);
	}
	if (u->reached_ms) {
		line_add(&line, "; at this rate you reach it at ", COLOR_NONE);
		line_add(&line, when_local(u->reached_ms, when), COLOR_NONE);
	}
	if (u->until_ms) {
		line_add(&line, "; set until ", COLOR_NONE);
		line_add(&line, when_local(u->until_ms, when), COLOR_NONE);
	}
	if (u->open)
		add_open(&line, u);
	line_end(&line);
}

static void
json_use(struct buf *b, const struct use *u)
{
	if (b->n > 0 && b->p[b->n - 1] == '}')
		buf_addc(b, ',');
	buf_printf(
	    b, "{\"what\":\"%s\",\"per\":\"%s\",\"used\":%" PRId64, u->what, u->window, u->used);
	if (u->limit)
		buf_printf(b, ",\"limit\":%" PRId64, u->limit);
	else
		buf_add(b, STR(",\"limit\":null"));
	print_moment(b, "free", u->free_ms);
	print_moment(b, "reached", u->reached_ms);
	print_moment(b, "set_until", u->until_ms);
	if (u->open) {
		buf_printf(b, ",\"unreserved\":%" PRId64, u->open);
		print_moment(b, "unreserved_free", u->open_free_ms);
	}
	buf_addc(b, '}');
}

/* Both counters in every window: what there is to tell. */
struct uses {
	struct use use[2 * PLAN_WINDOWS];
	size_t n;
};

static void
take_uses(struct quota *x, enum plan_what what, const struct answer *a, struct uses *out)
{
	const struct count_answer *c = &a->count;
	const struct take_limits *l = &a->take.limit;
	int64_t used[PLAN_WINDOWS] = { c->minute, c->hour, c->day, c->burst };
	const int64_t limit[PLAN_WINDOWS] = { l->minute, l->hour, l->day, l->burst };

	for (int i = 0; i < PLAN_WINDOWS; i++)
		used[i] += a->take.held;
	for (int i = 0; i < PLAN_WINDOWS; i++) {
		int64_t seconds = limit[i] ? plan_forecast(used, i, limit[i]) : 0;
		bool full = limit[i] && used[i] >= limit[i];

		if (limit[i] == 0 && (x->plan || i == PLAN_BURST))
			continue;
		out->use[out->n++] = (struct use){ quota_what[what], plan_window_name(i), used[i],
			limit[i], seconds ? x->now_ms + seconds * 1000 : 0,
			full ? x->now_ms + a->take.free * 1000 : 0, a->take.until * 1000 };
	}
}

/*
 * Who has no reserve at an upstream is turned away long before its limit is reached: that is told, too. Limits that an administrator
 * gave are for everybody alike.
 */
static bool
ask_open(struct quota *x, enum plan_what what, struct uses *out)
{
	static const struct ip nobody = { 0 };
	struct take_question look = { .what = TAKE_LOOK };
	struct uses open = { .n = 0 };
	struct answer a;
	int less = x->plan ? plan_reserved(x->plan, STR(""), &nobody) : 0;

	if (less == 0)
		return true;
	look.limit = plan_limits(x->plan, what, less);
	if (!quota_ask(x, what, look, &a))
		return false;
	if (memcmp(&a.take.limit, &look.limit, sizeof(look.limit)) != 0)
		return true;
	take_uses(x, what, &a, &open);
	for (size_t i = 0; i < open.n; i++) {
		struct use *u = &out->use[out->n - open.n + i];

		u->open = open.use[i].limit;
		u->open_free_ms = open.use[i].free_ms;
	}
	return true;
}

static bool
ask_uses(struct quota *x, struct uses *out)
{
	struct answer a;

	out->n = 0;
	for (int what = PLAN_MESSAGES; what <= PLAN_RECIPIENTS; what++) {
		struct take_question look = { .what = TAKE_LOOK, .limit = quota_limits(x, what) };

		if (!quota_ask(x, what, look, &a))
			return false;
		take_uses(x, what, &a, out);
		if (!ask_open(x, what, out))
			return false;
	}
	return true;
}

static void
print_json(struct quota *x, const struct uses *uses)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	buf_add(&b, STR("{\"who\":"));
	escape_json(&b, x->who);
	buf_add(&b, STR(",\"plan\":"));
	if (x->plan)
		escape_json(&b, x->plan->name);
	else
		buf_add(&b, STR("null"));
	buf_add(&b, STR(",\"limits\":["));
	for (size_t i = 0; i < uses->n; i++)
		json_use(&b, &uses->use[i]);
	fprintf(x->cli->out, "%.*s]}\n", (int)b.n, b.p);
	buf_free(&b);
}

static bool
unheard_of(const struct uses *uses)
{
	for (size_t i = 0; i < uses->n; i++)
		if (uses->use[i].used > 0)
			return false;
	return true;
}

int
quota_show(struct quota *x)
{
	struct uses uses;

	if (!ask_uses(x, &uses))
		return CLI_ERROR;
	if (x->cli->json) {
		print_json(x, &uses);
		return CLI_FOUND;
	}
	if (x->plan)
		fprintf(x->cli->out, "%s: plan %s\n", ESC(x->who), ESC(x->plan->name));
	else
		fprintf(x->cli->out, "%s: no plan\n", ESC(x->who));
	for (size_t i = 0; i < uses.n; i++)
		print_use(x, "  ", &uses.use[i]);
	if (x->plan == NULL && unheard_of(&uses))
		fprintf(x->cli->out,
		    "nothing is counted of it; is that how it is written? `postern quota` lists who sends\n");
	return CLI_FOUND;
}

/* --- all of them -------------------------------------------------------------------------------- */

#define LIST_ARENA (256 << 20) /* a million accounts */

struct names {
	struct arena *arena;
	struct name {
		struct str who;
		struct name *next;
	} * first, **end;
	struct str prefix, kind; /* of keys; and what stands for it in WHO */
};

/* Read first, for the questions that follow go to the store too. */
static bool
take_name(void *owner, struct str key)
{
	struct names *all = owner;
	struct name *name;

	if (arena_over(all->arena))
		return false;
	name = ARENA_NEW(all->arena, struct name);
	key = str_sub(key, all->prefix.n, key.n);
	name->who = arena_printf(all->arena, "%.*s%.*s", STR_ARG(all->kind), STR_ARG(key));
	*all->end = name;
	all->end = &name->next;
	return true;
}

/* Of the limits the one that is nearest; without a plan the day. */
static const struct use *
nearest(const struct uses *uses)
{
	const struct use *found = NULL;

	for (size_t i = 0; i < uses->n; i++) {
		const struct use *u = &uses->use[i];

		if (!found || open_part(u) > open_part(found) ||
		    (u->limit == 0 && strcmp(u->window, "day") == 0 &&
			strcmp(found->window, "day") != 0))
			found = u;
	}
	return found;
}

static bool
list_one(struct quota *x, struct str who)
{
	struct uses uses;
	char before[300];

	quota_take_who(x, who);
	if (!ask_uses(x, &uses))
		return false;
	if (x->cli->json) {
		print_json(x, &uses);
		return true;
	}
	snprintf(before, sizeof(before), "%-24s %-12s ", ESC(x->who),
	    x->plan ? ESC(x->plan->name) : "-");
	if (nearest(&uses))
		print_use(x, before, nearest(&uses));
	return true;
}

int
quota_list(struct quota *x)
{
	static const struct {
		const char *prefix, *kind;
	} kinds[] = { { "rate:messages:account:", "" },
		{ "rate:messages:upstream:", "upstream:" } };
	struct names all = { .arena = arena_new(LIST_ARENA) };
	struct err e;
	bool ok = true;

	all.end = &all.first;
	for (size_t i = 0; ok && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		all.prefix = str_of(kinds[i].prefix);
		all.kind = str_of(kinds[i].kind);
		ok = x->at.backend->counters(x->at.store, all.prefix, take_name, &all, &e);
	}
	if (!ok)
		cli_fail(x->cli, "%s", e.text);
	for (struct name *name = all.first; ok && name; name = name->next) {
		ok = list_one(x, name->who);
		arena_reset(x->arena);
	}
	if (ok && all.first == NULL && !x->cli->json)
		fprintf(x->cli->out, "nobody has sent anything yet that is counted\n");
	ok = ok && all.first != NULL;
	arena_free(&all.arena);
	return x->cli->code == CLI_ERROR ? CLI_ERROR : ok ? CLI_FOUND : CLI_NOTHING;
}
