#include "rules/hashed.h"

#include <stdlib.h>

#include "base/die.h"

/* Items of a list that are tried one by one, as they are where a local part stands alone. */
#define TRIED_MOST 2000
#define LISTS_LIMIT (256 * 1024 * 1024)
#define SCRATCH_LIMIT (1024 * 1024)

/* A list, and the same of pseudonyms. */
struct hashed_list {
	const struct list *clear, *hashed;
};

struct hashed {
	const struct pseudonym *p;
	struct arena *arena, *scratch;
	struct hashed_list *list;
	size_t n, room;
	struct plans plans;
	bool regexes, domains; /* among whom the plans are for */
	const struct fact_call *stuck;
};

struct hashed *
hashed_new(const struct pseudonym *p)
{
	struct hashed *h = xcalloc(1, sizeof(*h));

	h->p = p;
	h->arena = arena_new(LISTS_LIMIT);
	h->scratch = arena_new(SCRATCH_LIMIT);
	return h;
}

void
hashed_free(struct hashed **hashed)
{
	struct hashed *h = *hashed;

	if (h == NULL)
		return;
	arena_free(&h->scratch);
	arena_free(&h->arena);
	free(h->list);
	free(h);
	*hashed = NULL;
}

const struct fact_call *
hashed_stuck(const struct hashed *h)
{
	return h->stuck;
}

void
hashed_clear(struct hashed *h)
{
	h->stuck = NULL;
}

static const struct list *
list_of(struct hashed *h, const struct list *clear)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->list[i].clear == clear)
			return h->list[i].hashed;
	if (h->n == h->room) {
		h->room = h->room ? 2 * h->room : 8;
		h->list = xrealloc(h->list, h->room * sizeof(*h->list));
	}
	h->list[h->n] = (struct hashed_list){ clear, list_hashed(h->arena, clear, h->p) };
	return h->list[h->n++].hashed;
}

/* ---- what is compared ---- */

/* What a text that has been hashed stands for by itself. */
enum kind {
	KIND_TEXT,    /* addresses with their domains */
	KIND_LOCAL,   /* the sender's local part */
	KIND_ACCOUNT, /* which may be a word */
};

struct side {
	struct str text;
	enum kind kind;
	bool hashed; /* there is a pseudonym in it */
};

static struct str
domain_of(struct str address)
{
	size_t at = str_rfind(address, '@');

	return at == STR_NPOS ? STR("") : str_sub(address, at + 1, address.n);
}

/* A text with too many addresses has only a ~ in the place of the last. */
static bool
has_pseudonym(struct str text)
{
	size_t begin, end;

	if (pseudonym_find(text, 0, &begin, &end))
		return true;
	for (size_t i = 1; i < text.n; i++)
		if (text.p[i] == '@' && text.p[i - 1] == '~')
			return true;
	return false;
}

static enum kind
kind_of(const struct evaluation *ev, unsigned operand, uint32_t slot)
{
	const char *name;

	if (operand != OPERAND_FACT)
		return KIND_TEXT;
	name = ev->rules->call[slot]->entry->def->name;
	if (strcmp(name, "sender.local") == 0)
		return KIND_LOCAL;
	return strcmp(name, "account") == 0 ? KIND_ACCOUNT : KIND_TEXT;
}

static struct side
side_of(struct str text, enum kind kind)
{
	return (struct side){ text, kind, has_pseudonym(text) };
}

static struct hashed *
of(const struct evaluation *ev)
{
	return ev->ask->session->hashed;
}

/* What a text in clear would be in the place of one that is hashed; n 0: that is not known. */
static struct str
as_hashed(struct evaluation *ev, struct str clear, const struct side *like)
{
	struct hashed *h = of(ev);
	struct str out;
	struct buf b;

	if (h->p == NULL || clear.n == 0)
		return STR("");
	if (like->kind == KIND_LOCAL)
		return pseudonym_local(
		    h->p, h->scratch, clear, ev->ask->session->txn.sender.domain);
	if (like->kind == KIND_ACCOUNT)
		return pseudonym_of(h->p, h->scratch, clear);
	buf_init(&b, SCRATCH_LIMIT);
	pseudonym_text(h->p, h->scratch, clear, false, &b);
	out = arena_dup(h->scratch, buf_str(&b));
	buf_free(&b);
	return out;
}

/* Is the whole of it an address, or what stands for one? */
static bool
is_whole(const struct side *s)
{
	return pseudonym_is(s->text);
}

static enum truth
truth_of(bool yes)
{
	return yes ? TRUTH_YES : TRUTH_NO;
}

/* One side has pseudonyms, the other none. */
static enum truth
is_in_clear(struct evaluation *ev, const struct side *hashed, struct str clear)
{
	struct str image;

	/* A pseudonym stands for something, before the same domain. */
	if (clear.n == 0)
		return TRUTH_NO;
	if (is_whole(hashed) && !str_eqcase(domain_of(hashed->text), domain_of(clear)) &&
	    hashed->kind != KIND_LOCAL)
		return TRUTH_NO;
	image = as_hashed(ev, clear, hashed);
	if (image.n == 0 || (!is_whole(hashed) && !pseudonym_may(clear)))
		return TRUTH_PENDING;
	return truth_of(str_eqcase(image, hashed->text));
}

static enum truth
is_same(struct evaluation *ev, const struct side *a, const struct side *b)
{
	if (!a->hashed && !b->hashed)
		return truth_of(str_eqcase(a->text, b->text));
	if (!a->hashed)
		return is_in_clear(ev, b, a->text);
	if (!b->hashed)
		return is_in_clear(ev, a, b->text);
	/* A word has another pseudonym than the local part of the same name. */
	if (a->kind != b->kind && domain_of(a->text).n == 0 && domain_of(b->text).n == 0)
		return TRUTH_PENDING;
	return truth_of(str_eqcase(a->text, b->text));
}

/* ---- parts ---- */

static bool
contains(struct str text, struct str part)
{
	for (size_t i = 0; i + part.n <= text.n; i++)
		if (str_startscase(str_sub(text, i, text.n), part))
			return true;
	return false;
}

static bool
is_local(char c)
{
	return ascii_isalnum(c) || (unsigned char)c >= 0x80 ||
	    (c != '\0' && strchr("!#$%&'*+-./=?^_`{|}~", c) != NULL);
}

/* A local part that is hashed, and what is known around it: up to the text's end, or to the next one. */
struct gap {
	struct str before, after;
	bool first, last;
};

static bool
can_precede(const struct gap *g, struct str part)
{
	return part.n <= g->before.n ? str_endscase(g->before, part)
				     : !g->first && str_endscase(part, g->before);
}

static bool
can_follow(const struct gap *g, struct str part)
{
	return part.n <= g->after.n ? str_startscase(g->after, part)
				    : !g->last && str_startscase(part, g->after);
}

/* Could the part lie in the gap, or reach into it? Some of it, at least one octet, is in there then. */
static bool
can_overlap(const struct gap *g, struct str part)
{
	for (size_t i = 0; i < part.n; i++) {
		if (!can_precede(g, str_sub(part, 0, i)))
			continue;
		for (size_t k = i; k < part.n && is_local(part.p[k]); k++)
			if (can_follow(g, str_sub(part, k + 1, part.n)))
				return true;
	}
	return false;
}

/* Where the next pseudonym begins, or the text ends. */
static size_t
next_of(struct str text, size_t from)
{
	size_t begin, end;

	return pseudonym_find(text, from, &begin, &end) ? begin : text.n;
}

static enum truth
has(const struct side *s, struct str part)
{
	size_t from = 0, begin, end;
	struct gap gap;
	bool may = false;

	if (part.n == 0)
		return TRUTH_YES;
	while (pseudonym_find(s->text, from, &begin, &end)) {
		bool quoted = s->text.p[begin + 1] == '~';

		if (contains(str_sub(s->text, from, begin), part) ||
		    (quoted && str_eq(part, STR("\""))))
			return TRUTH_YES;
		gap = (struct gap){ .before = str_sub(s->text, from, begin),
			.after = str_sub(s->text, end, next_of(s->text, end)),
			.first = from == 0 };
		gap.last = end + gap.after.n == s->text.n;
		may = may || quoted || can_overlap(&gap, part);
		from = end;
	}
	if (contains(str_sub(s->text, from, s->text.n), part))
		return TRUTH_YES;
	/* Beyond the first so many nothing tells what stood there. */
	return may || from == 0 ? TRUTH_PENDING : TRUTH_NO;
}

static enum truth
ends(const struct side *s, struct str part)
{
	size_t from = 0, begin, end;
	struct str behind;

	while (pseudonym_find(s->text, from, &begin, &end))
		from = end;
	behind = str_sub(s->text, from, s->text.n);
	if (from > 0 && part.n <= behind.n)
		return truth_of(str_endscase(behind, part));
	return from > 0 && !str_endscase(part, behind) ? TRUTH_NO : TRUTH_PENDING;
}

static enum truth
starts(const struct side *s, struct str part)
{
	size_t begin, end;
	struct str before;

	if (!pseudonym_find(s->text, 0, &begin, &end))
		return TRUTH_PENDING;
	before = str_sub(s->text, 0, begin);
	if (part.n <= before.n)
		return truth_of(str_startscase(before, part));
	return str_startscase(part, before) ? TRUTH_PENDING : TRUTH_NO;
}

static enum truth
has_part(unsigned relation, const struct side *s, const struct side *part)
{
	if (!s->hashed)
		return TRUTH_PENDING; /* the part has one, and nothing else could hold it */
	if (part->hashed)
		return TRUTH_PENDING;
	switch (relation) {
	case RELATION_STARTS:
		return starts(s, part->text);
	case RELATION_ENDS:
		return ends(s, part->text);
	default:
		return has(s, part->text);
	}
}

/* ---- lists ---- */

struct trial {
	struct evaluation *ev;
	const struct side *s;
	size_t n;
};

static bool
is_item(void *owner, struct str item)
{
	struct trial *t = owner;

	return t->n++ < TRIED_MOST && str_eqcase(as_hashed(t->ev, item, t->s), t->s->text);
}

/* The sender's local part among the words of a list. */
static enum truth
is_local_in(struct evaluation *ev, const struct side *s, const struct list *list)
{
	struct trial t = { ev, s, 0 };

	if (of(ev)->p != NULL && list_any(list, is_item, &t))
		return TRUTH_YES;
	return of(ev)->p == NULL || t.n > TRIED_MOST || list_is_more(list) ? TRUTH_PENDING
									   : TRUTH_NO;
}

static enum truth
is_in(struct evaluation *ev, const struct side *s, const struct list *list)
{
	const struct value value = value_text(s->text);
	struct hashed *h = of(ev);
	bool word = domain_of(s->text).n == 0;

	if (s->kind == KIND_LOCAL)
		return is_local_in(ev, s, list);
	/* The rest of a longer text can be anything. */
	if (!is_whole(s))
		return TRUTH_PENDING;
	if (!word && list_has_domain(list, domain_of(s->text)))
		return TRUTH_YES;
	if (h->p == NULL)
		return list_length(list) > 0 ? TRUTH_PENDING : TRUTH_NO;
	if (list_has(list_of(h, list), &value))
		return TRUTH_YES;
	return list_has_regexes(list) || (word && list_is_more(list)) ? TRUTH_PENDING : TRUTH_NO;
}

/* ---- tests ---- */

static enum truth
test_text(
    struct evaluation *ev, const struct node *n, const struct side *left, const struct side *right)
{
	if (n->relation == RELATION_MATCHES)
		return TRUTH_PENDING;
	if (n->relation == RELATION_IN)
		return is_in(ev, left, n->list);
	if (n->relation == RELATION_IS)
		return is_same(ev, left, right);
	return has_part(n->relation, left, right);
}

static bool
is_text(const struct value *v)
{
	return v != NULL && (v->type == VALUE_TEXT || v->type == VALUE_SYMBOL);
}

/* A list of texts holds it if one of them does. */
static enum truth
test_list(
    struct evaluation *ev, const struct node *n, const struct value *list, const struct side *right)
{
	enum truth truth = TRUTH_NO, one;

	for (size_t i = 0; i < list->list.n && truth != TRUTH_YES; i++) {
		const struct side item = side_of(list->list.item[i], KIND_TEXT);
		const struct value value = value_text(item.text);

		if (!item.hashed && !right->hashed)
			one = truth_of(n->relation == RELATION_IN || n->relation == RELATION_MATCHES
				? evaluation_relation(ev, n, &value, NULL) != n->negated
				: str_eqcase(item.text, right->text));
		else if (n->relation == RELATION_IN || n->relation == RELATION_MATCHES)
			one = test_text(ev, n, &item, right);
		else
			one = is_same(ev, &item, right);
		truth = one == TRUTH_NO ? truth : one;
	}
	return truth;
}

static enum truth
stuck(struct evaluation *ev, const struct node *n)
{
	ev->missing = n->left_kind == OPERAND_FACT ? n->left : n->right;
	of(ev)->stuck = ev->rules->call[ev->missing];
	return TRUTH_PENDING;
}

static enum truth
turned(const struct node *n, enum truth truth)
{
	bool can = n->relation == RELATION_IS || n->relation == RELATION_IN ||
	    n->relation == RELATION_MATCHES;

	if (truth == TRUTH_PENDING || !n->negated || !can)
		return truth;
	return truth == TRUTH_YES ? TRUTH_NO : TRUTH_YES;
}

enum truth
hashed_test(struct evaluation *ev, const struct node *n, const struct value *left,
    const struct value *right)
{
	struct side l = { .text = STR("") }, r = { .text = STR("") };
	enum truth truth;

	if (is_text(right))
		r = side_of(right->text, kind_of(ev, n->right_kind, n->right));
	if (left->type == VALUE_LIST) {
		truth = test_list(ev, n, left, &r);
	} else {
		if (is_text(left))
			l = side_of(left->text, kind_of(ev, n->left_kind, n->left));
		if (!l.hashed && !r.hashed)
			return truth_of(evaluation_relation(ev, n, left, right));
		truth = test_text(ev, n, &l, &r);
	}
	arena_reset(of(ev)->scratch);
	return truth == TRUTH_PENDING ? stuck(ev, n) : turned(n, truth);
}

/* ---- plans ---- */

static const struct list *
accounts_of(struct hashed *h, const struct list *accounts)
{
	if (accounts == NULL)
		return NULL;
	h->regexes = h->regexes || list_has_regexes(accounts);
	h->domains = h->domains || list_is_more(accounts);
	return list_of(h, accounts);
}

static void
make_plans(struct hashed *h, const struct plans *plans)
{
	struct plan *copy = ARENA_ARRAY(h->arena, struct plan, plans->n);

	for (size_t i = 0; i < plans->n; i++) {
		copy[i] = plans->plan[i];
		copy[i].accounts = accounts_of(h, copy[i].accounts);
		for (size_t k = 0; k < copy[i].n_classes; k++)
			copy[i].class[k].accounts = accounts_of(h, copy[i].class[k].accounts);
	}
	h->plans = (struct plans){ copy, plans->n };
}

const struct plans *
hashed_plans(struct hashed *h, const struct plans *plans, struct str account, bool *known)
{
	bool word = str_find(account, '@') == STR_NPOS;

	*known = true;
	if (account.n == 0 || plans->n == 0)
		return plans;
	*known = false;
	if (h->p == NULL)
		return plans;
	if (h->plans.n == 0)
		make_plans(h, plans);
	*known = !h->regexes && !(word && h->domains);
	return &h->plans;
}
