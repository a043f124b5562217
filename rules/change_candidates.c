#include "rules/change_private.h"

#include "rules/eval.h"

#define SCRATCH_LIMIT (64 * 1024)

#define SHOWN_MAX 200 /* octets of a value in words */

/* A test whose outcome is to be the other one, by one of its facts. */
struct flip {
	struct candidates *c;
	const struct node *node;
	size_t slot;
	unsigned relation; /* seen from that fact's side */
	const struct value *left,
	    *right; /* the fact's, and what it is compared with; right: NULL where it has none */
	bool want;
};

/* --- words -------------------------------------------------------------------------------------- */

struct str
change_shown(struct arena *arena, const struct value *v)
{
	bool quoted = v->type == VALUE_TEXT;
	struct str text;
	struct buf b;

	if (v->type == VALUE_NONE)
		return STR("not known");
	buf_init(&b, 64 * 1024);
	if (v->type == VALUE_LIST && v->list.n == 0)
		buf_add(&b, STR("empty"));
	else if (v->type == VALUE_BOOL)
		buf_add(&b, v->number ? STR("yes") : STR("no"));
	else
		value_print(v, &b);
	text = arena_printf(arena, quoted ? "\"%.*s%s\"" : "%.*s%s",
	    STR_ARG(str_sub(buf_str(&b), 0, SHOWN_MAX)), b.n > SHOWN_MAX ? "..." : "");
	buf_free(&b);
	return text;
}

/* --- adding ------------------------------------------------------------------------------------- */

static bool
same(const struct change *a, const struct change *b)
{
	return a->kind == b->kind && a->slot == b->slot && a->list == b->list &&
	    str_eq(a->words, b->words) && str_eq(a->mark, b->mark) && str_eq(a->entry, b->entry) &&
	    value_eq(&a->value, &b->value);
}

static void
add(struct candidates *c, const struct change *change)
{
	for (size_t i = 0; i < c->n; i++)
		if (same(&c->change[i], change))
			return;
	if (c->n < CANDIDATES_MAX)
		c->change[c->n++] = *change;
}

void
candidates_add(struct candidates *c, size_t slot, struct value value, struct str words)
{
	const struct fact *fact = c->g->known[slot];

	add(c,
	    &(struct change){
		.kind = CHANGE_FACT,
		.slot = slot,
		.value = value,
		.name = past_name(c->g, slot),
		.words = words,
		.was = change_shown(c->g->arena, &fact->value),
		.test = c->test,
		.holds = c->holds,
	    });
}

bool
candidates_too_much(const struct candidates *c, size_t slot, const struct value *v)
{
	int64_t most = c->g->config->ruleset->call[slot]->entry->def->most;

	return most > 0 && (v->type == VALUE_REAL ? v->real > (double)most : v->number > most);
}

/* --- by relation -------------------------------------------------------------------------------- */

/* A value that is not that one. */
static struct value
other_than(const struct value *v)
{
	struct value other = *v;

	switch (v->type) {
	case VALUE_TEXT:
	case VALUE_SYMBOL:
		other.text = LIKE_NOTHING;
		break;
	case VALUE_BOOL:
		other.number = !v->number;
		break;
	case VALUE_NUMBER:
	case VALUE_DURATION:
		other.number = v->number + 1;
		break;
	case VALUE_REAL:
		other.real = v->real + 1;
		break;
	case VALUE_IP:
		other.ip.b[other.ip.version == 4 ? 3 : 15] ^= 1;
		break;
	case VALUE_LIST:
		other.list.n = 0;
		break;
	case VALUE_NONE:
	case VALUE_RANGE:
		break;
	}
	return other;
}

static void
flip_equal(const struct flip *t)
{
	struct arena *arena = t->c->g->arena;
	bool equal = t->want != t->node->negated;
	struct str right = change_shown(arena, t->right);

	if (equal)
		candidates_add(t->c, t->slot, *t->right, right);
	else
		candidates_add(t->c, t->slot, other_than(t->right),
		    arena_printf(arena, "anything but %.*s", STR_ARG(right)));
}

/* Of `left RELATION bound`: how far from the bound it has to be, and on which side. */
static int
beyond(unsigned relation, bool want)
{
	switch (relation) {
	case RELATION_LESS:
		return want ? -1 : 0;
	case RELATION_LESS_EQUAL:
		return want ? 0 : 1;
	case RELATION_MORE:
		return want ? 1 : 0;
	default:
		return want ? 0 : -1;
	}
}

static bool
goes_up(unsigned relation, bool want)
{
	return (relation == RELATION_MORE || relation == RELATION_MORE_EQUAL) == want;
}

/* Of what is counted there is not less than nothing. */
static struct str
bound_words(struct arena *arena, const struct value *v, bool up, bool counted)
{
	if (!up && counted && v->type != VALUE_REAL && v->number == 0)
		return change_shown(arena, v);
	return arena_printf(
	    arena, "%.*s or %s", STR_ARG(change_shown(arena, v)), up ? "more" : "less");
}

static void
flip_order(const struct flip *t)
{
	unsigned relation = t->relation;
	int step = beyond(relation, t->want);
	struct value v = *t->right;
	bool counted = t->left->type != VALUE_NONE && t->left->number >= 0;

	if (t->left->type == VALUE_REAL || v.type == VALUE_REAL) {
		/* A number with a fraction has no next one. */
		v.real = (v.type == VALUE_REAL ? v.real : (double)v.number) + step * 0.01;
		v.type = VALUE_REAL;
	} else {
		v.type = t->left->type == VALUE_NONE ? v.type : t->left->type;
		v.number += step;
		if (v.number < 0 && t->left->number >= 0)
			return;
	}
	if (candidates_too_much(t->c, t->slot, &v))
		return;
	candidates_add(
	    t->c, t->slot, v, bound_words(t->c->g->arena, &v, goes_up(relation, t->want), counted));
}

static void
flip_score(const struct flip *t)
{
	struct arena *arena = t->c->g->arena;
	unsigned relation = t->node->relation;
	int64_t now = t->c->now.score, before = t->c->g->session.txn.score, to;
	struct value v;

	if (t->right == NULL || t->right->type != VALUE_NUMBER || relation == RELATION_IS) {
		t->c->unsought |= UNSOUGHT_SUMS;
		return;
	}
	to = t->right->number + beyond(relation, t->want);
	/* What the steps before gave can be less, but not less than nothing. */
	if (before == 0 || before + to - now < 0)
		return;
	v = value_number(to);
	add(t->c,
	    &(struct change){
		.kind = CHANGE_SCORE,
		.value = value_number(to - now),
		.name = STR("score"),
		.words = bound_words(arena, &v, goes_up(relation, t->want), true),
		.was = arena_printf(arena, "%lld", (long long)now),
	    });
}

/* "list partners", "{ 192.0.2.0/24 }" */
static struct str
list_words(const struct candidates *c, const struct node *test)
{
	struct str name = list_name(test->list);

	return name.n > 0 && name.p[0] == '{'
	    ? name
	    : arena_printf(c->g->arena, "list %.*s", STR_ARG(name));
}

static void
flip_in_list(const struct flip *t)
{
	const struct value *v = t->left;
	struct arena *arena = t->c->g->arena;
	bool in = t->want != t->node->negated;

	if (!in) {
		candidates_add(t->c, t->slot, other_than(v),
		    arena_printf(arena, "not in %.*s", STR_ARG(list_words(t->c, t->node))));
		return;
	}
	t->c->unsought |= UNSOUGHT_LISTS;
	if (v->type == VALUE_NONE || (v->type == VALUE_LIST && v->list.n == 0))
		return;
	add(t->c,
	    &(struct change){
		.kind = CHANGE_ENTRY,
		.slot = t->node->left,
		.list = t->node->list,
		.name = past_name(t->c->g, t->node->left),
		.entry = v->type == VALUE_LIST ? v->list.item[0]
		    : v->type == VALUE_IP      ? arena_dup(arena, str_of(IP_TEXT(&v->ip)))
					       : v->text,
	    });
}

static void
flip_in_words(const struct flip *t)
{
	const struct expr *e = t->node->expr;
	struct arena *arena = t->c->g->arena;
	struct str words = STR("");

	for (size_t i = 0; i < e->n_words; i++)
		words = arena_printf(
		    arena, "%.*s%s%.*s", STR_ARG(words), i > 0 ? ", " : "", STR_ARG(e->word[i]));
	if (t->want != t->node->negated)
		candidates_add(t->c, t->slot,
		    (struct value){ .type = VALUE_TEXT, .text = e->word[0] },
		    arena_printf(arena, "one of %.*s", STR_ARG(words)));
	else
		candidates_add(t->c, t->slot, value_text(LIKE_NOTHING),
		    arena_printf(arena, "none of %.*s", STR_ARG(words)));
}

/* A list with the text, or without it. */
static struct value
list_flipped(struct arena *arena, const struct value *list, struct str text, bool with)
{
	struct str *item = ARENA_ARRAY(arena, struct str, list->list.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < list->list.n; i++)
		if (!str_eqcase(list->list.item[i], text))
			item[n++] = list->list.item[i];
	if (with)
		item[n++] = text;
	return (struct value){ .type = VALUE_LIST, .list = { item, n } };
}

/* "one not ending in \".local\"" */
static struct str
part_words(const struct flip *t)
{
	struct arena *arena = t->c->g->arena;
	struct str right = change_shown(arena, t->right);

	if (t->node->relation == RELATION_CONTAINS)
		return arena_printf(
		    arena, "one with%s %.*s in it", t->want ? "" : "out", STR_ARG(right));
	return arena_printf(arena, "one %s%s %.*s", t->want ? "" : "not ",
	    t->node->relation == RELATION_STARTS ? "beginning with" : "ending in", STR_ARG(right));
}

static void
flip_part(const struct flip *t)
{
	struct value v;

	if (t->right->type != VALUE_TEXT && t->right->type != VALUE_SYMBOL)
		return;
	if (t->left->type == VALUE_LIST)
		v = list_flipped(t->c->g->arena, t->left, t->right->text, t->want);
	else
		v = value_text(t->want ? t->right->text : LIKE_NOTHING);
	candidates_add(t->c, t->slot, v, part_words(t));
}

/* A value that it matches cannot be told from a regular expression: it stays what it is, and is said to be matched. */
static void
flip_match(const struct flip *t)
{
	const struct regex *regex = t->node->regex;
	bool match = t->want != t->node->negated;
	struct value v = match && t->left->type == VALUE_TEXT ? *t->left : value_text(LIKE_NOTHING);

	candidates_add(t->c, t->slot, v,
	    arena_printf(t->c->g->arena, "one that /%.*s/%.*s %s", STR_ARG(regex_pattern(regex)),
		STR_ARG(regex_flags(regex)), match ? "matches" : "does not match"));
}

static void
flip_known(const struct flip *t)
{
	const struct past *g = t->c->g;
	bool known = ((t->node->relation == RELATION_KNOWN) == t->want) != t->node->negated;
	struct value v = { .type = g->config->ruleset->call[t->node->left]->entry->def->type };

	if (v.type == VALUE_TEXT || v.type == VALUE_SYMBOL)
		v.text = LIKE_NOTHING;
	if (!known)
		v.type = VALUE_NONE;
	candidates_add(t->c, t->slot, v, known ? STR("known") : STR("not known"));
}

static void
flip_fact(const struct flip *t)
{
	switch (t->node->relation) {
	case RELATION_TRUTH:
		candidates_add(
		    t->c, t->slot, value_bool(t->want), t->want ? STR("yes") : STR("no"));
		return;
	case RELATION_IN:
		if (t->node->list)
			flip_in_list(t);
		else if (t->node->expr->n_words > 0)
			flip_in_words(t);
		return;
	case RELATION_MATCHES:
		flip_match(t);
		return;
	case RELATION_KNOWN:
	case RELATION_UNKNOWN:
		flip_known(t);
		return;
	default:
		break;
	}
	if (t->right == NULL || t->right->type == VALUE_NONE)
		return;
	if (t->node->relation == RELATION_IS)
		flip_equal(t);
	else if (t->node->relation >= RELATION_CONTAINS)
		flip_part(t);
	else
		flip_order(t);
}

/* `a < b` is `b > a`. */
static unsigned
mirrored(unsigned relation)
{
	switch (relation) {
	case RELATION_LESS:
		return RELATION_MORE;
	case RELATION_LESS_EQUAL:
		return RELATION_MORE_EQUAL;
	case RELATION_MORE:
		return RELATION_LESS;
	case RELATION_MORE_EQUAL:
		return RELATION_LESS_EQUAL;
	default:
		return relation;
	}
}

/* By the fact on the other side. */
static void
flip_other(const struct flip *t)
{
	struct flip other = *t;

	if (t->node->right_kind != OPERAND_COMPUTED && t->node->right_kind != OPERAND_FACT)
		return;
	/* What the one has to be depends on the other. */
	t->c->unsought |= UNSOUGHT_SUMS;
	if (t->right == NULL || t->right->type == VALUE_NONE || t->left->type == VALUE_NONE)
		return;
	candidates_around(t->c, t->slot, t->right);
	if (t->node->right_kind != OPERAND_FACT || t->node->relation >= RELATION_CONTAINS)
		return;
	candidates_around(t->c, t->node->right, t->left);
	other.slot = t->node->right;
	other.relation = mirrored(t->relation);
	other.left = t->right;
	other.right = t->left;
	if (other.relation == RELATION_IS)
		flip_equal(&other);
	else
		flip_order(&other);
}

/* --- tests -------------------------------------------------------------------------------------- */

/* Every other word; those of one fact stand one behind the other. */
static void
other_words(struct candidates *c, size_t slot)
{
	const struct fact *fact = c->g->known[slot];
	const char *const *symbol = fact->call.entry->def->symbols;

	for (; symbol && *symbol; symbol++)
		if (!str_eq(fact->value.text, str_of(*symbol)))
			candidates_add(c, slot, value_symbol(*symbol), str_of(*symbol));
}

static const struct value *
right_of(const struct candidates *c, const struct node *node)
{
	if (node->right_kind == OPERAND_VALUE)
		return &node->value;
	if (node->right_kind == OPERAND_FACT && c->g->known[node->right])
		return &c->g->known[node->right]->value;
	return NULL;
}

static void
add_mark(struct candidates *c, const struct node *node)
{
	const struct str mark = node->expr->mark;
	bool set = marks_have(c->g->session.txn.marks, mark);

	add(c,
	    &(struct change){
		.kind = CHANGE_MARK,
		.mark = mark,
		.name = mark,
		.words = set ? STR("not set") : STR("set"),
	    });
}

static void
flip_test(struct evaluation *ev, struct candidates *c, const struct node *node)
{
	const struct past *g = c->g;
	struct flip t = { .c = c,
		.node = node,
		.slot = node->left,
		.relation = node->relation,
		.right = right_of(c, node) };
	enum truth truth;

	if (node->kind == EXPR_MARKED) {
		add_mark(c, node);
		return;
	}
	if (node->left_kind == OPERAND_FACT && g->known[node->left] == NULL)
		return;
	if (node->left_kind == OPERAND_COMPUTED)
		c->unsought |= UNSOUGHT_SUMS;
	ev->entry->n_facts = 0;
	truth = evaluation_condition(ev, node);
	if (truth == TRUTH_PENDING)
		return;
	t.want = truth == TRUTH_NO;
	if (node->left_kind == OPERAND_SCORE) {
		flip_score(&t);
		return;
	}
	if (node->left_kind != OPERAND_FACT)
		return;
	t.left = &g->known[node->left]->value;
	/* It was computed for the test, if what it is compared with is known. */
	if (node->right_kind == OPERAND_COMPUTED && t.left->type != VALUE_NONE)
		t.right = &ev->computed[1];
	if (t.left->type == VALUE_SYMBOL && node->list == NULL) {
		other_words(c, node->left);
		if (relation_has_right(node->relation) && node->right_kind == OPERAND_FACT &&
		    t.right)
			other_words(c, node->right);
		return;
	}
	c->test = node;
	c->holds = t.want;
	flip_fact(&t);
	if (relation_has_right(node->relation))
		flip_other(&t);
	c->test = NULL;
}

bool
candidates_about(const struct node *test, size_t slot)
{
	if (test->kind != EXPR_TEST)
		return false;
	return (test->left_kind == OPERAND_FACT && test->left == slot) ||
	    (relation_has_right(test->relation) && test->right_kind == OPERAND_FACT &&
		test->right == slot);
}

struct str
candidates_words(const struct past *g, const struct node *test, size_t slot,
    const struct value *value, bool holds)
{
	struct candidates one = { .g = g };
	struct flip t = {
		.c = &one,
		.node = test,
		.slot = test->left,
		.relation = test->relation,
		.left = slot == test->left ? value : &g->known[test->left]->value,
		.right = slot == test->left ? right_of(&one, test) : value,
		.want = holds,
	};

	if (slot == test->left)
		flip_fact(&t);
	else
		flip_other(&t);
	if (one.n == 0)
		return STR("");
	return one.change[0].kind == CHANGE_ENTRY
	    ? arena_printf(g->arena, "in %.*s", STR_ARG(list_words(&one, test)))
	    : one.change[0].words;
}

void
candidates_collect(struct candidates *c)
{
	const struct past *g = c->g;
	struct arena *scratch = arena_new(SCRATCH_LIMIT);
	struct session session = g->session;
	struct ask ask = { .session = &session, .step = g->step, .arena = scratch };
	const struct fact *fact[TEST_FACTS_MAX];
	struct trace_entry entry = { .fact = fact };
	/* What the step's own rules add to the score is in it. */
	struct decision d = { .score = c->now.score - g->session.txn.score };
	struct evaluation ev = { .rules = g->config->ruleset,
		.ask = &ask,
		.arena = scratch,
		.out = &d,
		.known = g->known,
		.entry = &entry,
		.closed = true };

	for (size_t i = 0; i < g->n; i++) {
		const struct node *node = g->rule[i]->node;

		for (uint32_t k = 0; node && k < node->size; k++)
			if (node[k].kind == EXPR_TEST || node[k].kind == EXPR_MARKED)
				flip_test(&ev, c, &node[k]);
	}
	c->first = c->n;
	candidates_named(c);
	regex_memory_free(&ev.regex);
	arena_free(&scratch);
}
