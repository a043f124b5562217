/*
 * plans: `plan NAME { ... }`: how much an account or a network may send; `upstream "NAME" { ... }`: how much
 * we may, at a provider.
 */
#include "rules/literal.h"
#include "rules/load.h"

static const char *
plan_grammar(void)
{
	return "a plan says `1000 messages per day`, `100 recipients per message`, `burst 20 messages`, "
	       "`warn at 80%, 95%`, `for accounts in LIST`, `for clients in LIST` or `for everyone`";
}

static bool
take_what(struct cursor *c, enum plan_what *out)
{
	*out = token_is(c->t, "recipients") ? PLAN_RECIPIENTS : PLAN_MESSAGES;
	if (cursor_word(c, "messages") || cursor_word(c, "recipients"))
		return true;
	COMPLAIN(c->load, c->t, "`messages` or `recipients` belongs here, not %s", SHOW(c->t));
	return false;
}

static bool
take_window(struct cursor *c, enum plan_window *out)
{
	static const char *const names[] = { "minute", "hour", "day" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (cursor_word(c, names[i])) {
			*out = (enum plan_window)i;
			return true;
		}
	COMPLAIN(c->load, c->t, "`minute`, `hour` or `day` belongs here, not %s", SHOW(c->t));
	return false;
}

static void
add_limit(
    struct cursor *c, struct plan *plan, const struct plan_limit *limit, const struct token *at)
{
	for (size_t i = 0; i < plan->n_limits; i++)
		if (plan->limit[i].what == limit->what && plan->limit[i].window == limit->window) {
			COMPLAIN(c->load, at, "this plan has such a limit already");
			return;
		}
	/* there are as many as there are pairs of what and window, so it fits */
	plan->limit[plan->n_limits++] = *limit;
}

/* 1000 messages per day; 100 recipients per message */
static void
read_limit(struct cursor *c, struct plan *plan)
{
	const struct token *at = c->t;
	struct plan_limit limit = { 0 };

	if (!literal_number(c->t->text, &limit.most) || limit.most < 1) {
		COMPLAIN(c->load, at, "a limit is a whole number from 1 on, not %s", SHOW(at));
		return;
	}
	c->t++;
	if (!take_what(c, &limit.what))
		return;
	if (!cursor_word(c, "per")) {
		COMPLAIN(c->load, c->t, "`per` belongs here, not %s", SHOW(c->t));
		return;
	}
	if (limit.what == PLAN_RECIPIENTS && cursor_word(c, "message")) {
		if (plan->recipients_per_message != 0)
			COMPLAIN(c->load, at, "this plan has such a limit already");
		plan->recipients_per_message = limit.most;
		cursor_end(c);
		return;
	}
	if (take_window(c, &limit.window) && cursor_end(c))
		add_limit(c, plan, &limit, at);
}

/* burst 20 messages */
static void
read_burst(struct cursor *c, struct plan *plan)
{
	const struct token *at = c->t;
	struct plan_limit limit = { .window = PLAN_BURST };

	if (!literal_number(c->t->text, &limit.most) || limit.most < 1) {
		COMPLAIN(c->load, at,
		    "`burst` is written `burst 20 messages`, with a whole number from 1 on, not %s",
		    SHOW(at));
		return;
	}
	c->t++;
	if (take_what(c, &limit.what) && cursor_end(c))
		add_limit(c, plan, &limit, at);
}

static bool
take_percent(struct cursor *c, int *out)
{
	int64_t percent;

	if (c->t->kind != TOKEN_WORD || !literal_percent(c->t->text, &percent) || percent < 1)
		return false;
	*out = (int)percent;
	c->t++;
	return true;
}

/* warn at 80%, 95% */
static void
read_warn(struct cursor *c, struct plan *plan)
{
	int warn[PLAN_WARNINGS] = { 0 };
	size_t n = 0;
	bool ok = cursor_word(c, "at");

	while (ok) {
		ok = n < PLAN_WARNINGS && take_percent(c, &warn[n]) &&
		    (n == 0 || warn[n] > warn[n - 1]);
		n++;
		if (!ok || c->t->kind != TOKEN_COMMA)
			break;
		c->t++;
	}
	if (!ok) {
		COMPLAIN(c->load, c->t,
		    "`warn` is written `warn at 80%%, 95%%`: up to four levels, each above the one "
		    "before, from 1%% to 100%%");
		return;
	}
	memcpy(plan->warn, warn, sizeof(warn));
	cursor_end(c);
}

static int
reserved(const struct plan *plan)
{
	int percent = plan->reserve;

	for (size_t i = 0; i < plan->n_classes; i++)
		percent += plan->class[i].percent;
	return percent;
}

/* accounts in LIST, clients in LIST */
static bool
take_class(struct cursor *c, struct plan *plan, int percent)
{
	struct plan_reserve *class = &plan->class[plan->n_classes];
	const struct list **list = token_is(c->t, "clients") ? &class->clients : &class->accounts;

	if (plan->n_classes == PLAN_RESERVES) {
		COMPLAIN(
		    c->load, c->t, "an upstream has up to %d `reserve ... in LIST`", PLAN_RESERVES);
		return false;
	}
	*class = (struct plan_reserve){ .percent = percent };
	c->t++;
	if (!cursor_word(c, "in")) {
		COMPLAIN(c->load, c->t, "`in` belongs here, not %s", SHOW(c->t));
		return false;
	}
	*list = list_take(c);
	plan->n_classes += *list != NULL;
	return *list != NULL;
}

/* reserve 5% for postmaster; reserve 20% for accounts in LIST */
static void
read_reserve(struct cursor *c, struct plan *plan)
{
	const struct token *at = c->t;
	int percent = 0;
	bool ok = take_percent(c, &percent) && cursor_word(c, "for");

	if (ok && (token_is(c->t, "accounts") || token_is(c->t, "clients"))) {
		if (!take_class(c, plan, percent))
			return;
	} else if (ok && cursor_word(c, "postmaster")) {
		plan->reserve = percent;
	} else {
		COMPLAIN(c->load, c->t,
		    "`reserve` is written `reserve 5%% for postmaster` or `reserve 20%% for accounts "
		    "in LIST`, from 1%% to 99%%");
		return;
	}
	if (reserved(plan) > 99)
		COMPLAIN(
		    c->load, at, "more than 99%% are reserved: nothing is left for the others");
	else
		cursor_end(c);
}

static void
read_for(struct cursor *c, struct plan *plan)
{
	const struct list **list = token_is(c->t, "clients") ? &plan->clients : &plan->accounts;

	if (cursor_word(c, "everyone")) {
		plan->everyone = true;
		cursor_end(c);
		return;
	}
	if (!cursor_word(c, "accounts") && !cursor_word(c, "clients")) {
		COMPLAIN(c->load, c->t,
		    "`accounts in LIST`, `clients in LIST` or `everyone` belongs here, not %s",
		    SHOW(c->t));
		return;
	}
	if (!cursor_word(c, "in")) {
		COMPLAIN(c->load, c->t, "`in` belongs here, not %s", SHOW(c->t));
		return;
	}
	if (*list != NULL) {
		COMPLAIN(c->load, c->t, "this plan has such a list already: put both into one");
		return;
	}
	*list = list_take(c);
	if (*list != NULL)
		cursor_end(c);
}

static void
read_line(struct cursor *c, struct plan *plan)
{
	if (c->t->kind == TOKEN_WORD && literal_numeric(c->t->text))
		read_limit(c, plan);
	else if (cursor_word(c, "burst"))
		read_burst(c, plan);
	else if (cursor_word(c, "warn"))
		read_warn(c, plan);
	else if (plan->upstream && cursor_word(c, "reserve"))
		read_reserve(c, plan);
	else if (!plan->upstream && cursor_word(c, "for"))
		read_for(c, plan);
	else if (plan->upstream)
		COMPLAIN(c->load, c->t,
		    "an upstream says `1000 messages per day`, `100 recipients per message`, "
		    "`burst 20 messages`, `warn at 80%%, 95%%` or `reserve 5%% for postmaster`, not %s",
		    SHOW(c->t));
	else
		COMPLAIN(c->load, c->t, "%s, not %s", plan_grammar(), SHOW(c->t));
}

void
plan_read(struct load *load, const struct statement *s, struct plan *plan)
{
	size_t errors = load->complaints->errors;

	*plan = (struct plan){
		.name = s->token[1].text, .warn = { 80 }, .upstream = token_is(s->token, "upstream")
	};
	for (const struct statement *line = s->body; line != NULL; line = line->next) {
		struct cursor c = { load, line->token };

		if (!line->bad)
			read_line(&c, plan);
	}
	if (errors == load->complaints->errors && !plan->upstream && !plan->everyone &&
	    plan->accounts == NULL && plan->clients == NULL)
		REMARK(load, &s->token[1], LINT_UNUSED_PLAN,
		    "this plan is for nobody: " MEND
		    "say `for accounts in LIST`, `for clients in LIST` or"
		    " `for everyone`");
}
