#include "rules/lint.h"

#include <math.h>
#include <stdio.h>

#include "rules/check.h"

/* Rules of a step are compared with each other: beyond this it would take seconds. */
#define COMPARED_MAX 2000

/* What a test leaves of a fact: words, or numbers from..to. */
struct domain {
	size_t slot;
	bool is_words;
	uint64_t words;
	double from, to;
	bool from_open, to_open;
};

struct part {
	const struct expr *e;
	struct str text; /* the same for the same condition; empty: it changes from rule to rule */
	struct domain domain;
	bool has_domain;
};

/* Conditions that have to be true together. */
struct parts {
	struct part *part;
	size_t n;
};

struct lint {
	struct load *load;
	const struct ruleset *rules;
	struct arena *scratch;
	struct buf text;
	const struct rule *rule; /* whose condition is looked at */
};

/* A rule has hardly more lines. */
#define RULE_LINES 8
/* " (in the rule of line 12)", of a place that is elsewhere: in a condition with a name. */
#define WHERE_SHOWN (PLACE_SHOWN + 24)
static const char *
where_show(const struct lint *l, const struct token *at, char out[WHERE_SHOWN])
{
	const struct token *rule = &l->rule->at;

	out[0] = '\0';
	if (at->source != rule->source || at->line < rule->line ||
	    at->line > rule->line + RULE_LINES)
		snprintf(out, WHERE_SHOWN, " (in the rule of %s)", PLACE(rule, at));
	return out;
}
#define WHERE(l, at) where_show((l), (at), (char[WHERE_SHOWN]){ 0 })

/* Where to complain about a condition. */
static const struct token *
place_of(const struct expr *e)
{
	while (e->kind == EXPR_AND || e->kind == EXPR_OR || e->kind == EXPR_NOT)
		e = e->child;
	return e->kind == EXPR_MARKED ? &e->mark_at : &e->left.at;
}

/* --- domains ---------------------------------------------------------------------------------------- */

static uint64_t
word_bit(const char *const *symbols, struct str word)
{
	for (size_t i = 0; symbols[i] != NULL && i < 64; i++)
		if (str_eq(word, str_of(symbols[i])))
			return UINT64_C(1) << i;
	return 0;
}

static uint64_t
all_words(const char *const *symbols)
{
	uint64_t all = 0;

	for (size_t i = 0; symbols[i] != NULL && i < 64; i++)
		all |= UINT64_C(1) << i;
	return all;
}

static bool
words_of(const struct expr *e, const char *const *symbols, struct domain *out)
{
	out->is_words = true;
	out->words = 0;
	if (e->relation == RELATION_IS && e->right.kind == OPERAND_VALUE)
		out->words = word_bit(symbols, e->right.value.text);
	else if (e->relation == RELATION_IN)
		for (size_t i = 0; i < e->n_words; i++)
			out->words |= word_bit(symbols, e->word[i]);
	else
		return false;
	if (e->negated)
		out->words = all_words(symbols) & ~out->words;
	return true;
}

static bool
numbers_of(const struct expr *e, struct domain *out)
{
	const struct value *v = &e->right.value;
	double bound;

	if (!relation_has_right(e->relation) || e->right.kind != OPERAND_VALUE || e->negated ||
	    e->relation >= RELATION_IN)
		return false;
	bound = v->type == VALUE_REAL ? v->real : (double)v->number;
	out->from =
	    e->relation == RELATION_LESS || e->relation == RELATION_LESS_EQUAL ? -INFINITY : bound;
	out->to =
	    e->relation == RELATION_MORE || e->relation == RELATION_MORE_EQUAL ? INFINITY : bound;
	out->from_open = e->relation == RELATION_MORE;
	out->to_open = e->relation == RELATION_LESS;
	return true;
}

/* False: the test says nothing that could be compared with another's. */
static bool
domain_of(const struct lint *l, const struct expr *e, struct domain *out)
{
	*out = (struct domain){ 0 };
	if (e->kind != EXPR_TEST || e->left.kind != OPERAND_FACT)
		return false;
	out->slot = e->left.slot;
	if (e->left.type == VALUE_SYMBOL)
		return words_of(e, l->rules->call[e->left.slot]->entry->def->symbols, out);
	if (e->left.type == VALUE_NUMBER || e->left.type == VALUE_REAL ||
	    e->left.type == VALUE_DURATION)
		return numbers_of(e, out);
	return false;
}

static bool
is_empty(const struct domain *d)
{
	if (d->is_words)
		return d->words == 0;
	return d->from > d->to || (d->from == d->to && (d->from_open || d->to_open));
}

static void
narrow(struct domain *d, const struct domain *by)
{
	d->words &= by->words;
	if (by->from > d->from || (by->from == d->from && by->from_open)) {
		d->from = by->from;
		d->from_open = by->from_open;
	}
	if (by->to < d->to || (by->to == d->to && by->to_open)) {
		d->to = by->to;
		d->to_open = by->to_open;
	}
}

/* Whatever is in `inner` is in `outer`. */
static bool
is_inside(const struct domain *inner, const struct domain *outer)
{
	if (inner->slot != outer->slot)
		return false;
	if (inner->is_words)
		return (inner->words & ~outer->words) == 0;
	return (inner->from > outer->from ||
		   (inner->from == outer->from && (inner->from_open || !outer->from_open))) &&
	    (inner->to < outer->to ||
		(inner->to == outer->to && (inner->to_open || !outer->to_open)));
}

/* --- conditions in parts ---------------------------------------------------------------------------- */

static struct part
part_of(struct lint *l, const struct expr *e)
{
	struct part part = { .e = e };

	buf_clear(&l->text);
	if (condition_print(e, &l->text) && !l->text.over)
		part.text = arena_dup(l->scratch, buf_str(&l->text));
	part.has_domain = domain_of(l, e, &part.domain);
	return part;
}

/* Of an `and` its parts; else itself. */
static struct parts
parts_of(struct lint *l, const struct expr *e)
{
	struct parts p = { NULL, 0 };
	size_t n = 1;

	if (e == NULL)
		return p;
	if (e->kind == EXPR_AND)
		for (const struct expr *child = e->child; child != NULL; child = child->next)
			n++;
	p.part = ARENA_ARRAY(l->scratch, struct part, n);
	if (e->kind != EXPR_AND) {
		p.part[p.n++] = part_of(l, e);
		return p;
	}
	for (const struct expr *child = e->child; child != NULL; child = child->next)
		p.part[p.n++] = part_of(l, child);
	return p;
}

/* One says what the other denies. */
static bool
opposed(struct lint *l, const struct part *a, const struct part *b)
{
	if (b->e->kind != EXPR_NOT)
		return a->e->kind == EXPR_NOT && opposed(l, b, a);
	if (a->e->kind == EXPR_NOT || a->text.n == 0)
		return false;
	return str_eq(a->text, part_of(l, b->e->child).text);
}

/* --- always true, never true ------------------------------------------------------------------------ */

static bool
check_and(struct lint *l, const struct parts *p)
{
	for (size_t i = 1; i < p->n; i++) {
		struct domain d = p->part[i].domain;
		bool never = p->part[i].has_domain && is_empty(&d);

		for (size_t k = 0; k < i && !never; k++) {
			const struct part *other = &p->part[k];

			if (p->part[i].has_domain && other->has_domain &&
			    other->domain.slot == d.slot) {
				narrow(&d, &other->domain);
				never = is_empty(&d);
			}
			never = never || opposed(l, other, &p->part[i]);
		}
		if (never) {
			REMARK(l->load, place_of(p->part[i].e), LINT_NEVER_TRUE,
			    "the condition is never true%s: this cannot be so together with what stands "
			    "before it, or around it; " MEND "was `or` meant?",
			    WHERE(l, place_of(p->part[i].e)));
			return true;
		}
	}
	return false;
}

/* `spf is fail or spf is not fail` */
static void
check_or(struct lint *l, const struct expr *e)
{
	const struct expr *first = e->child;
	struct part a = part_of(l, first);
	uint64_t words = a.has_domain && a.domain.is_words ? a.domain.words : 0;

	for (const struct expr *child = first->next; child != NULL; child = child->next) {
		struct part b = part_of(l, child);
		bool always = opposed(l, &a, &b);

		if (words != 0 && b.has_domain && b.domain.slot == a.domain.slot) {
			words |= b.domain.words;
			always =
			    words == all_words(l->rules->call[a.domain.slot]->entry->def->symbols);
		} else if (a.has_domain && b.has_domain && !a.domain.is_words &&
		    a.domain.slot == b.domain.slot) {
			struct domain gap = a.domain;

			narrow(&gap, &b.domain);
			always = (isinf(a.domain.from) != 0) != (isinf(b.domain.from) != 0) &&
			    (isinf(a.domain.to) != 0) != (isinf(b.domain.to) != 0) &&
			    !is_empty(&gap);
		}
		if (always) {
			REMARK(l->load, place_of(child), LINT_ALWAYS_TRUE,
			    "this or what stands before it is always true, unless it is unknown; " MEND
			    "was `and` meant? To ask whether it is known, write `is known`");
			return;
		}
	}
}

/* Of a list that stands in the configuration whole, so that nothing comes to it later. */
static bool
is_written(const struct lint *l, const struct expr *e)
{
	const struct token *t = e->set;

	if (e->relation != RELATION_IN || e->list == NULL)
		return false;
	for (const struct named_list *n = l->load->lists; n != NULL; n = n->next)
		if (n->list == e->list)
			return !n->fed && n->at.line > 0;
	while (t->kind != TOKEN_CLOSE && !token_is(t, "file"))
		t++;
	return t->kind == TOKEN_CLOSE;
}

/* `client in { "mail.example.org" }` */
static void
check_fit(struct lint *l, const struct expr *e)
{
	const char *so = e->negated ? "always true of what is known" : "never true";

	if (e->left.type == VALUE_IP)
		REMARK(l->load, e->set, LINT_EMPTY_LIST,
		    "`%.*s` is an address, and this list has none, so this is %s: " MEND
		    "ask `client.name in`, or put networks into it",
		    STR_ARG(e->left.at.text), so);
	else
		REMARK(l->load, e->set, LINT_EMPTY_LIST,
		    "`%.*s` is %s, and this list has nothing but addresses, so this is %s: " MEND
		    "ask `client in`, or put texts into it",
		    STR_ARG(e->left.at.text), type_shown(e->left.type), so);
}

static void
check_test(struct lint *l, const struct expr *e)
{
	bool written = is_written(l, e);

	if (written && list_length(e->list) == 0)
		REMARK(l->load, e->set, LINT_EMPTY_LIST, "this list is empty, so %s",
		    e->negated ? "nothing is in it, and this is always true of what is known: " MEND
				 "fill it, or remove the test"
			       : "this is never true: " MEND "fill it, or remove the test");
	else if (written && !list_fits(e->list, e->left.type))
		check_fit(l, e);
	else if (e->left.kind == OPERAND_VALUE &&
	    (!relation_has_right(e->relation) || e->right.kind == OPERAND_VALUE))
		REMARK(l->load, &e->left.at, LINT_CONSTANT,
		    "both sides are written in the file, so this is always the same: " MEND
		    "compare a fact with one of them");
}

/* --- what it costs ---------------------------------------------------------------------------------- */

static enum fact_cost
cost_of(const struct lint *l, const struct expr *e)
{
	const struct operand *fact[TEST_FACTS_MAX];
	enum fact_cost most = COST_FREE;

	if (e->kind == EXPR_TEST) {
		for (size_t i = 0, n = test_facts(e, fact); i < n; i++) {
			enum fact_cost cost = l->rules->call[fact[i]->slot]->entry->def->cost;

			most = cost > most ? cost : most;
		}
	} else if (e->kind != EXPR_MARKED) {
		for (const struct expr *child = e->child; child != NULL; child = child->next) {
			enum fact_cost cost = cost_of(l, child);

			most = cost > most ? cost : most;
		}
	}
	return most;
}

static const char *
cost_shown(enum fact_cost cost)
{
	return cost == COST_DNS  ? "asks the DNS"
	    : cost == COST_STORE ? "asks the store"
				 : "reads the message";
}

static const struct expr *
first_test(const struct expr *e)
{
	while (e->kind == EXPR_AND || e->kind == EXPR_OR || e->kind == EXPR_NOT)
		e = e->child;
	return e;
}

/* What costs nothing goes first: then the rest need not be asked of all. */
static void
check_order(struct lint *l, const struct expr *e)
{
	const struct expr *costly = NULL;

	for (const struct expr *child = e->child; child != NULL; child = child->next) {
		enum fact_cost cost = cost_of(l, child);

		if (cost == COST_FREE && costly != NULL) {
			REMARK(l->load, place_of(child), LINT_COSTLY_FIRST,
			    "this costs nothing, and %s before it%s %s: " MEND
			    "write this first, so that it need not "
			    "be asked of everybody",
			    SHOW(place_of(costly)), WHERE(l, place_of(child)),
			    cost_shown(cost_of(l, costly)));
			return;
		}
		if (cost != COST_FREE && costly == NULL)
			costly = child;
	}
}

static void
check_expr(struct lint *l, const struct expr *e)
{
	if (e->kind == EXPR_TEST) {
		check_test(l, e);
		return;
	}
	if (e->kind == EXPR_MARKED)
		return;
	if (e->kind == EXPR_OR)
		check_or(l, e);
	if (e->kind == EXPR_AND || e->kind == EXPR_OR)
		check_order(l, e);
	for (const struct expr *child = e->child; child != NULL; child = child->next)
		check_expr(l, child);
}

/* The first question that everybody has to wait for, before any rule has let somebody go. */
static void
check_forced(struct lint *l)
{
	for (enum step step = STEP_CONNECT; step <= STEP_MAIL; step++)
		for (size_t i = 0; i < l->rules->n[step]; i++) {
			const struct rule *r = l->rules->rule[step][i];
			enum fact_cost cost =
			    r->condition ? cost_of(l, first_test(r->condition)) : COST_FREE;

			if (r->outer != NULL || r->before != NULL)
				continue;
			if (cost == COST_DNS || cost == COST_STORE) {
				REMARK(l->load, place_of(r->condition), LINT_COSTLY_FOR_ALL,
				    "every session waits for this, which %s, your own machines' too: " MEND
				    "a rule "
				    "before it such as `accept session if client in trusted` spares them",
				    cost_shown(cost));
				return;
			}
			if (action_ends(r->action) && !r->observe)
				return;
		}
}

/* --- rules behind rules ----------------------------------------------------------------------------- */

/* Whenever all of `p` is true, so is `part`. */
static bool
implies(const struct parts *p, const struct part *part)
{
	for (size_t i = 0; i < p->n; i++) {
		if (part->text.n > 0 && str_eq(p->part[i].text, part->text))
			return true;
		if (part->has_domain && p->part[i].has_domain &&
		    part->domain.is_words == p->part[i].domain.is_words &&
		    is_inside(&p->part[i].domain, &part->domain))
			return true;
	}
	return false;
}

static bool
implies_all(const struct parts *p, const struct parts *all)
{
	for (size_t i = 0; i < all->n; i++)
		if (!implies(p, &all->part[i]))
			return false;
	return all->n > 0;
}

/* One way in which a rule comes to speak. */
struct way {
	const struct rule *rule;
	struct parts parts;
};

static size_t
ways_of(struct lint *l, const struct rule *rule, const struct expr *e, struct way *out)
{
	size_t n = 0;

	if (e->kind != EXPR_OR) {
		out[0] = (struct way){ rule, parts_of(l, e) };
		return 1;
	}
	for (e = e->child; e != NULL; e = e->next)
		out[n++] = (struct way){ rule, parts_of(l, e) };
	return n;
}

static size_t
count_ways(const struct rule *rule)
{
	size_t n = 1;

	if (rule->condition != NULL && rule->condition->kind == EXPR_OR)
		for (const struct expr *e = rule->condition->child; e != NULL; e = e->next)
			n++;
	return n;
}

static void
check_step(struct lint *l, enum step step)
{
	size_t n = l->rules->n[step], n_ways = 0, most = 0;
	struct way *way;

	for (size_t i = 0; i < n; i++)
		most += count_ways(l->rules->rule[step][i]);
	way = ARENA_ARRAY(l->scratch, struct way, most);
	for (size_t i = 0; i < n; i++) {
		const struct rule *r = l->rules->rule[step][i];
		const struct expr *whole = condition_whole(l->scratch, r);
		struct parts parts = parts_of(l, whole);

		l->rule = r;
		if (r->condition != NULL)
			check_expr(l, r->condition);
		if (check_and(l, &parts) || whole == NULL)
			continue;
		for (size_t k = 0; k < n_ways && n_ways < COMPARED_MAX; k++)
			if (implies_all(&parts, &way[k].parts)) {
				REMARK(l->load, &r->at, LINT_SHADOWED,
				    "this rule is shadowed: whenever its condition is true, the one of %s has "
				    "spoken; " MEND "put it before that one, or remove it",
				    PLACE(&way[k].rule->at, &r->at));
				break;
			}
		if (!r->head && !r->observe && action_ends(r->action))
			n_ways += ways_of(l, r, whole, &way[n_ways]);
	}
}

/* --- what nothing uses ------------------------------------------------------------------------------ */

static bool
asks_mark(const struct expr *e, struct str mark)
{
	if (e->kind == EXPR_MARKED)
		return str_eq(e->mark, mark);
	if (e->kind != EXPR_TEST)
		for (const struct expr *child = e->child; child != NULL; child = child->next)
			if (asks_mark(child, mark))
				return true;
	return false;
}

static bool
is_asked(const struct ruleset *rules, struct str mark)
{
	for (size_t step = 0; step < STEP_COUNT; step++)
		for (size_t i = 0; i < rules->n[step]; i++) {
			const struct expr *e = rules->rule[step][i]->condition;

			if (e != NULL && asks_mark(e, mark))
				return true;
		}
	return false;
}

static void
check_marks(struct lint *l)
{
	for (size_t step = 0; step < STEP_COUNT; step++)
		for (size_t i = 0; i < l->rules->n[step]; i++) {
			const struct rule *r = l->rules->rule[step][i];

			if (r->action == ACTION_MARK && !is_asked(l->rules, r->name))
				REMARK(l->load, &r->name_at, LINT_UNASKED_MARK,
				    "no rule asks `marked %.*s`: the mark does nothing",
				    STR_ARG(r->name));
		}
}

static void
check_lists(struct lint *l)
{
	for (const struct named_list *n = l->load->lists; n != NULL; n = n->next)
		if (!n->used && n->at.line > 0)
			REMARK(l->load, &n->at, LINT_UNUSED_LIST,
			    "nothing uses this list: " MEND "remove it, or ask `... in %.*s`",
			    STR_ARG(n->name));
}

void
lint_check(struct load *load, const struct ruleset *rules)
{
	struct lint l = { .load = load, .rules = rules, .scratch = arena_new(SIZE_MAX) };

	buf_init(&l.text, 64 * 1024);
	for (enum step step = STEP_CONNECT; step < STEP_COUNT; step++)
		check_step(&l, step);
	check_forced(&l);
	check_marks(&l);
	check_lists(&l);
	define_unused(load);
	buf_free(&l.text);
	arena_free(&l.scratch);
}
