#include "mail/list.h"

#include <stdlib.h>

#include "base/die.h"
#include "mail/pseudonym.h"
#include "mail/sought.h"

#define SCRATCH_MAX 16384

/* What an item of text stands for; items of the same text are one with several of these. */
enum {
	ITEM_ITSELF = 1, /* a word or mailbox, equal to it */
	ITEM_DOMAIN = 2, /* a domain, as such or behind an "@" */
	ITEM_BELOW = 4,  /* every domain below it */
};

struct item {
	struct str text; /* lower case */
	unsigned is;
};

struct list {
	/* what each search reads */
	struct item *item;
	size_t n_items;
	unsigned kinds;   /* of items: all their flags */
	uint64_t lengths; /* of items: bit n, the last one for all that are longer */
	struct cidr *net;
	size_t n_nets;
	const struct regex **regex;
	size_t n_regexes;
	bool finished;

	size_t cap_items, cap_nets, cap_regexes;
	struct arena *arena;
	struct str name;
};

struct list *
list_new(struct arena *arena, struct str name)
{
	struct list *list = ARENA_NEW(arena, struct list);

	list->arena = arena;
	list->name = arena_dup(arena, name);
	return list;
}

struct str
list_name(const struct list *list)
{
	return list->name;
}

/* Room for one more; the old memory stays the arena's. */
static void *
list_grow(struct arena *arena, void *old, size_t n, size_t *cap, size_t size)
{
	void *more;

	if (n < *cap)
		return old;
	*cap = *cap ? *cap * 2 : 16;
	more = arena_alloc(arena, *cap * size);
	if (n > 0)
		memcpy(more, old, n * size);
	return more;
}

void
list_add_cidr(struct list *list, const struct cidr *cidr)
{
	require(!list->finished);
	list->net =
	    list_grow(list->arena, list->net, list->n_nets, &list->cap_nets, sizeof *list->net);
	list->net[list->n_nets++] = *cidr;
}

void
list_add_regex(struct list *list, const struct regex *regex)
{
	require(!list->finished);
	list->regex = list_grow(list->arena, list->regex, list->n_regexes, &list->cap_regexes,
	    sizeof(const struct regex *));
	list->regex[list->n_regexes++] = regex;
}

static void
list_add_item(struct list *list, struct str text, unsigned is)
{
	list->item =
	    list_grow(list->arena, list->item, list->n_items, &list->cap_items, sizeof *list->item);
	list->item[list->n_items++] = (struct item){ arena_lower(list->arena, text), is };
}

/* Is there nothing in it that is never in an address or network? Most items are soon seen to be none. */
static bool
maybe_network(struct str text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = ascii_lower(text.p[i]);

		if (!ascii_isdigit(c) && (c < 'a' || c > 'f') && c != '.' && c != ':' && c != '/')
			return false;
	}
	return true;
}

/* Of what maybe_network() says so. */
static bool
looks_like_network(struct str text)
{
	bool slash_or_colon = false, digit = false;

	for (size_t i = 0; i < text.n; i++) {
		slash_or_colon |= text.p[i] == '/' || text.p[i] == ':';
		digit |= ascii_isdigit(text.p[i]);
	}
	return slash_or_colon && digit;
}

/*
 * 192.0.2.300 is a mistyped address and no domain: there is no all-numeric top level (RFC 3696 2).
 */
static bool
looks_like_address(struct str domain)
{
	struct str last = domain;
	size_t dot = str_rfind(domain, '.');

	if (dot != STR_NPOS)
		last = str_sub(domain, dot + 1, domain.n);
	for (size_t i = 0; i < last.n; i++)
		if (!ascii_isdigit(last.p[i]))
			return false;
	return true;
}

static bool
plain_word(struct str text)
{
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] <= ' ' || text.p[i] == 0x7f)
			return false;
	return text.n > 0 && text.n <= LIST_TEXT_MAX;
}

/* What is to be compared as it is. */
#define OTHERS "; write other texts as regular expressions, such as /^TLSv1\\.[23]$/"

static bool
add_domain(struct list *list, struct str domain, unsigned is, struct err *e)
{
	if (domain.n > 0 && domain.p[domain.n - 1] == '.')
		domain.n--;
	if (str_startscase(domain, STR("*.")))
		return err_set(e, ERR_SYNTAX,
		    "no * is needed: \"example.net\" stands for it and all below, "
		    "\".example.net\" for what is below only");
	if (!mail_domain_ok(domain) || domain.p[0] == '[' || looks_like_address(domain))
		return err_set(e, ERR_SYNTAX,
		    "neither an address, a network, a domain, a mailbox nor a word" OTHERS);
	list_add_item(list, domain, is);
	return true;
}

static bool
add_mailbox(struct list *list, struct str text, size_t at, struct err *e)
{
	struct str domain = str_sub(text, at + 1, text.n);

	if (at == 0 || (at == 1 && text.p[0] == '*'))
		return err_set(e, ERR_SYNTAX,
		    "nothing is needed before the @: a domain is written without it, \"example.net\"");
	if (!mail_domain_ok(domain))
		return err_set(e, ERR_SYNTAX, "what follows the @ is not a domain");
	list_add_item(list, text, ITEM_ITSELF);
	return true;
}

bool
list_add_text(struct list *list, struct str text, struct err *e)
{
	char ascii[SOUGHT_MAX];
	struct cidr cidr;
	size_t at;

	require(!list->finished);
	if (!plain_word(text))
		return err_set(e, ERR_SYNTAX,
		    "an item of a list is 1 to %d octets without blanks" OTHERS, LIST_TEXT_MAX);
	text = sought_ascii(text, ascii);
	at = str_rfind(text, '@');
	if (maybe_network(text)) {
		if (cidr_parse(text, &cidr, e)) {
			list_add_cidr(list, &cidr);
			return true;
		}
		if (looks_like_network(text))
			return false;
	}
	if (at != STR_NPOS)
		return add_mailbox(list, text, at, e);
	if (text.p[0] == '.')
		return add_domain(list, str_sub(text, 1, text.n), ITEM_BELOW, e);
	if (str_find(text, '.') != STR_NPOS)
		return add_domain(list, text, ITEM_DOMAIN | ITEM_BELOW, e);
	list_add_item(list, text, ITEM_ITSELF);
	return true;
}

/* Shorter first. */
static int
text_order(struct str a, struct str b)
{
	if (a.n != b.n)
		return a.n < b.n ? -1 : 1;
	return a.n > 0 ? memcmp(a.p, b.p, a.n) : 0;
}

static int
item_order(const void *a, const void *b)
{
	return text_order(((const struct item *)a)->text, ((const struct item *)b)->text);
}

static int
ip_order(const struct ip *a, const struct ip *b)
{
	if (a->version != b->version)
		return a->version < b->version ? -1 : 1;
	return memcmp(a->b, b->b, a->version == 4 ? 4 : 16);
}

/* By address, the widest network first among those that begin at the same. */
static int
net_order(const void *a, const void *b)
{
	const struct cidr *x = a, *y = b;
	int order = ip_order(&x->ip, &y->ip);

	return order != 0 ? order : (int)x->bits - (int)y->bits;
}

/*
 * Afterwards no network is inside another, so that the last one that begins at or before an
 * address is the only one that can hold it.
 */
void
list_finish(struct list *list)
{
	size_t n = 0;

	if (list->n_items > 0)
		qsort(list->item, list->n_items, sizeof *list->item, item_order);
	for (size_t i = 0; i < list->n_items; i++) {
		if (n > 0 && str_eq(list->item[n - 1].text, list->item[i].text))
			list->item[n - 1].is |= list->item[i].is;
		else
			list->item[n++] = list->item[i];
	}
	list->n_items = n;
	for (size_t i = 0; i < n; i++)
		list->lengths |= sought_length(list->item[i].text);
	for (size_t i = 0; i < n; i++)
		list->kinds |= list->item[i].is;
	n = 0;
	if (list->n_nets > 0)
		qsort(list->net, list->n_nets, sizeof *list->net, net_order);
	for (size_t i = 0; i < list->n_nets; i++)
		if (n == 0 || !cidr_has(&list->net[n - 1], &list->net[i].ip))
			list->net[n++] = list->net[i];
	list->n_nets = n;
	list->finished = true;
}

size_t
list_length(const struct list *list)
{
	return list->n_items + list->n_nets + list->n_regexes;
}

static bool
has_ip(const struct list *list, const struct ip *ip)
{
	size_t low = 0, high = list->n_nets;

	if (ip->version == 0)
		return false;
	if (list->n_nets == 1)
		return cidr_has(&list->net[0], ip);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ip_order(&list->net[middle].ip, ip) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && cidr_has(&list->net[low - 1], ip);
}

/* What the list says of exactly this text: ITEM_ flags, or 0. */
static unsigned
item_is(const struct list *list, struct str text)
{
	size_t low = 0, high = list->n_items;

	if ((list->lengths & sought_length(text)) == 0)
		return 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = text_order(text, list->item[middle].text);

		if (order == 0)
			return list->item[middle].is;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return 0;
}

/* Octets of the item that the domain is, or is below of; 0: there is none. */
static size_t
domain_closeness(const struct list *list, struct str domain)
{
	if (item_is(list, domain) & ITEM_DOMAIN)
		return domain.n;
	while ((domain = sought_parent(domain)).n > 0)
		if (item_is(list, domain) & ITEM_BELOW)
			return domain.n;
	return 0;
}

/* Of all but regular expressions. */
static inline size_t
item_closeness(const struct list *list, struct sought *sought, struct str text)
{
	if (text.n == 0 || list->n_items == 0)
		return 0;
	sought_of(sought, text);
	if ((list->lengths & sought->lengths) == 0)
		return 0;
	if (item_is(list, sought->text) & ITEM_ITSELF)
		return sought->text.n;
	return domain_closeness(list, sought->domain);
}

static inline enum regex_found
search_text(
    const struct list *list, struct str text, struct sought *sought, struct regex_memory **memory)
{
	enum regex_found found = REGEX_NO;

	if (item_closeness(list, sought, text) > 0)
		return REGEX_YES;
	for (size_t i = 0; i < list->n_regexes && found != REGEX_YES; i++) {
		enum regex_found one = regex_match(list->regex[i], text, memory);

		found = one == REGEX_NO ? found : one;
	}
	return found;
}

size_t
list_closeness(const struct list *list, struct str text)
{
	struct sought sought = { 0 };
	struct regex_memory *memory = NULL;
	size_t closeness = item_closeness(list, &sought, text);

	if (closeness == 0 && search_text(list, text, &sought, &memory) == REGEX_YES)
		closeness = 1;
	regex_memory_free(&memory);
	return closeness;
}

enum regex_found
list_search(const struct list *list, const struct value *value, struct sought *sought,
    struct regex_memory **memory)
{
	enum regex_found found = REGEX_NO;

	require(list->finished);
	switch (value->type) {
	case VALUE_IP:
		return has_ip(list, &value->ip) ? REGEX_YES : REGEX_NO;
	case VALUE_TEXT:
	case VALUE_SYMBOL:
		return search_text(list, value->text, sought, memory);
	case VALUE_LIST:
		for (size_t i = 0; i < value->list.n && found != REGEX_YES; i++) {
			enum regex_found one =
			    search_text(list, value->list.item[i], sought, memory);

			found = one == REGEX_NO ? found : one;
		}
		return found;
	default:
		return REGEX_NO;
	}
}

bool
list_has(const struct list *list, const struct value *value)
{
	struct sought sought = { 0 };
	struct regex_memory *memory = NULL;
	bool found = list_search(list, value, &sought, &memory) == REGEX_YES;

	regex_memory_free(&memory);
	return found;
}

bool
list_has_domain(const struct list *list, struct str domain)
{
	struct sought sought = { 0 };

	sought_make(&sought, domain);
	return domain_closeness(list, sought.domain) > 0;
}

bool
list_has_regexes(const struct list *list)
{
	return list->n_regexes > 0;
}

bool
list_fits(const struct list *list, enum value_type type)
{
	return type == VALUE_IP ? list->n_nets > 0 : list->n_items + list->n_regexes > 0;
}

bool
list_is_more(const struct list *list)
{
	return list->n_regexes > 0 || (list->kinds & (ITEM_DOMAIN | ITEM_BELOW)) != 0;
}

bool
list_any(const struct list *list, bool (*is)(void *owner, struct str item), void *owner)
{
	for (size_t i = 0; i < list->n_items; i++)
		if ((list->item[i].is & (ITEM_ITSELF | ITEM_DOMAIN)) != 0 &&
		    is(owner, list->item[i].text))
			return true;
	return false;
}

struct list *
list_hashed(struct arena *arena, const struct list *list, const struct pseudonym *pseudonym)
{
	struct list *out = list_new(arena, list->name);
	struct arena *scratch = arena_new(SCRATCH_MAX);

	for (size_t i = 0; i < list->n_items; i++) {
		const struct item *item = &list->item[i];

		if ((item->is & (ITEM_DOMAIN | ITEM_BELOW)) != 0)
			list_add_item(out, item->text, item->is & ~(unsigned)ITEM_ITSELF);
		/* An account may be called as a domain is. */
		if ((item->is & (ITEM_ITSELF | ITEM_DOMAIN)) != 0)
			list_add_item(
			    out, pseudonym_of(pseudonym, scratch, item->text), ITEM_ITSELF);
		arena_reset(scratch);
	}
	list_finish(out);
	arena_free(&scratch);
	return out;
}

uint64_t
list_hash(const struct list *list, uint64_t hash)
{
	for (size_t i = 0; i < list->n_items; i++) {
		char is = (char)list->item[i].is;

		hash = str_hash(hash, list->item[i].text);
		hash = str_hash(hash, (struct str){ &is, 1 });
	}
	for (size_t i = 0; i < list->n_nets; i++) {
		char bits = (char)list->net[i].bits;

		hash = str_hash(hash, str_of(IP_TEXT(&list->net[i].ip)));
		hash = str_hash(hash, (struct str){ &bits, 1 });
	}
	for (size_t i = 0; i < list->n_regexes; i++) {
		hash = str_hash(hash, regex_pattern(list->regex[i]));
		hash = str_hash(hash, STR("/"));
		hash = str_hash(hash, regex_flags(list->regex[i]));
	}
	return hash;
}
