/*
 * plans: `plan NAME { ... }`: how much an account or a network may send.
 */
#include "rules/literal.h"
#include "rules/load.h"

static const char *
plan_grammar(void)
{
	return "a plan says `1000 messages per day`, `100 recipients per message`, `warn at 80%`, "
	       "`for accounts in LIST`, `for clients in LIST` or `for everyone`";
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

static void
read_warn(struct cursor *c, struct plan *plan)
{
	int64_t percent;

	if (!cursor_word(c, "at") || c->t->kind != TOKEN_WORD ||
	    !literal_percent(c->t->text, &percent) || percent < 1) {
		COMPLAIN(c->load, c->t, "`warn` is written `warn at 80%%`, from 1%% to 100%%");
		return;
	}
	c->t++;
	plan->warn_percent = (int)percent;
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
	else if (cursor_word(c, "warn"))
		read_warn(c, plan);
	else if (cursor_word(c, "for"))
		read_for(c, plan);
	else
		COMPLAIN(c->load, c->t, "%s, not %s", plan_grammar(), SHOW(c->t));
}

void
plan_read(struct load *load, const struct statement *s, struct plan *plan)
{
	size_t errors = load->complaints->errors;

	*plan = (struct plan){ .name = s->token[1].text, .warn_percent = 80 };
	for (const struct statement *line = s->body; line != NULL; line = line->next) {
		struct cursor c = { load, line->token };

		if (!line->bad)
			read_line(&c, plan);
	}
	if (errors == load->complaints->errors && !plan->everyone && plan->accounts == NULL &&
	    plan->clients == NULL)
		complain_softly(load->complaints, load->source, &s->token[1],
		    "this plan is for nobody: say `for accounts in LIST`, `for clients in LIST` or"
		    " `for everyone`");
}
