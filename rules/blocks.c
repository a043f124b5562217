/*
 * blocks: what stands in `at STEP { }`: rules, and blocks of them under an `if`, an `else` or a `for`. The
 * head of a block is a rule like others in what is checked, evaluated and traced of it; when it is not hit,
 * those within are passed over.
 */
#include "rules/rule.h"

/* Of the statements that stand in one pair of braces. */
struct within {
	struct rule *outer;  /* the head; NULL: `at STEP` */
	struct rule *before; /* the `if` or `else if` that an `else` can follow here */
	bool excused;        /* one with a mistake in it stood here */
	enum step step;
	unsigned depth;
};

static struct rule **read_all(
    struct load *load, const struct statement *s, struct within here, struct rule **end);

static void
put_within(struct rule *rule, const struct within *here)
{
	rule->outer = here->outer;
	rule->depth = (uint8_t)here->depth;
	rule->around = here->depth > 0;
}

static struct rule *
head_new(
    struct load *load, const struct statement *s, const struct within *here, enum action action)
{
	struct rule *head = ARENA_NEW(load->arena, struct rule);

	rule_begin(load, head, s, here->step);
	head->action = action;
	head->shown.action = action_name(action);
	head->head = true;
	head->observe = true; /* until a rule in it is enforced */
	put_within(head, here);
	return head;
}

/* `if`, and what stands behind `else`: the cursor is behind the word. */
static bool
read_condition(struct cursor *c, struct rule *head)
{
	head->condition = condition_parse(c);
	if (head->condition == NULL)
		return false;
	if (c->t->kind == TOKEN_END)
		return true;
	COMPLAIN(c->load, c->t, "`and`, `or` or `{` belongs here, not %s", SHOW(c->t));
	return false;
}

static struct rule *
read_if(struct load *load, const struct statement *s, const struct within *here)
{
	struct rule *head = head_new(load, s, here, ACTION_IF);
	struct cursor c = { load, s->token + 1 };

	return read_condition(&c, head) ? head : NULL;
}

static struct rule *
read_else(struct load *load, const struct statement *s, const struct within *here)
{
	struct cursor c = { load, s->token + 1 };
	bool more = cursor_word(&c, "if");
	struct rule *head = head_new(load, s, here, more ? ACTION_ELSE_IF : ACTION_ELSE);

	head->before = here->before;
	head->around = true;
	if (here->before == NULL && !here->excused) {
		COMPLAIN(load, s->token, "`else` without an `if { ... }` right before it");
		return NULL;
	}
	if (more)
		return read_condition(&c, head) ? head : NULL;
	if (c.t->kind == TOKEN_END)
		return head;
	COMPLAIN(load, c.t, "`if` or `{` belongs behind `else`, not %s", SHOW(c.t));
	return NULL;
}

/* `for recipients in LIST` asks what `if recipient in LIST` asks. */
static struct rule *
read_for(struct load *load, const struct statement *s, const struct within *here)
{
	struct cursor c = { load, s->token + 1 };
	struct rule *head = head_new(load, s, here, ACTION_FOR);
	struct token *words;

	if (!token_is(c.t, "recipients")) {
		COMPLAIN(load, c.t, "`recipients` belongs behind `for`, not %s", SHOW(c.t));
		return NULL;
	}
	if (here->step != STEP_RCPT && here->step != STEP_MESSAGE) {
		COMPLAIN(load, s->token,
		    "`for recipients` works at rcpt and message, not at %s: recipients are not known yet",
		    step_name(here->step));
		return NULL;
	}
	words = ARENA_ARRAY(load->arena, struct token, s->n);
	memcpy(words, c.t, s->n * sizeof *words);
	words[0].text = STR("recipient");
	c.t = words;
	if (!token_is(&words[1], "in")) {
		COMPLAIN(load, &words[1], "`in` and a list belong behind `for recipients`, not %s",
		    SHOW(&words[1]));
		return NULL;
	}
	return read_condition(&c, head) ? head : NULL;
}

static bool
has_block(struct load *load, const struct statement *s)
{
	if (s->block && s->body != NULL)
		return true;
	if (s->block)
		COMPLAIN(load, s->token, "this block has no rules");
	else
		COMPLAIN(load, s->token, "the rules under %s stand in braces: `%.*s ... { ... }`",
		    SHOW(s->token), STR_ARG(s->token->text));
	return false;
}

/* The rules behind `{`, also when their head has a mistake: they can have their own. */
static struct rule **
read_block(struct load *load, const struct statement *s, struct within *here, struct rule **end)
{
	struct within in = { .outer = here->outer, .step = here->step, .depth = here->depth + 1 };
	struct rule *head;

	head = token_is(s->token, "if")  ? read_if(load, s, here)
	    : token_is(s->token, "else") ? read_else(load, s, here)
					 : read_for(load, s, here);
	here->excused = head == NULL;
	load->blocks_broken |= head == NULL;
	here->before = NULL;
	if (head != NULL) {
		if (head->action == ACTION_IF || head->action == ACTION_ELSE_IF)
			here->before = head;
		*end = in.outer = head;
		end = &head->next;
	}
	return has_block(load, s) ? read_all(load, s->body, in, end) : end;
}

static struct rule **
read_all(struct load *load, const struct statement *s, struct within here, struct rule **end)
{
	for (; s != NULL; s = s->next) {
		bool head = token_is(s->token, "if") || token_is(s->token, "else") ||
		    token_is(s->token, "for");

		if (head && !s->bad) {
			end = read_block(load, s, &here, end);
			continue;
		}
		here.before = NULL;
		here.excused = s->bad && head;
		load->blocks_broken |= here.excused;
		if (!s->bad)
			*end = rule_parse(load, s, here.step);
		if (*end != NULL) {
			put_within(*end, &here);
			end = &(*end)->next;
		}
	}
	return end;
}

static bool
take_step(struct load *load, const struct statement *s, enum step *out)
{
	const struct token *t = &s->token[1];
	struct suggestion near;

	suggest_begin(&near, t->text);
	for (enum step step = STEP_CONNECT; step < STEP_COUNT; step++) {
		if (token_is(t, step_name(step))) {
			struct cursor rest = { load, t + 1 };

			*out = step;
			return cursor_end(&rest);
		}
		suggest(&near, str_of(step_name(step)));
	}
	COMPLAIN(load, t,
	    "`at` wants one of the steps connect, helo, mail, rcpt and message, not %s%s", SHOW(t),
	    suggest_end(&near));
	return false;
}

struct rule **
at_read(struct load *load, const struct statement *s, struct rule **end)
{
	struct within within = { 0 };

	if (!s->block)
		COMPLAIN(load, s->token, "rules stand in braces: `at STEP { ... }`");
	else if (take_step(load, s, &within.step))
		return read_all(load, s->body, within, end);
	return end;
}
