#include "cli/named.h"

#include <stdlib.h>

#include "base/die.h"

/* By what stands for the local part, in which the domain is too. */
struct item {
	struct str hashed, address;
};

struct named {
	const struct pseudonym *p;
	struct arena *arena;
	struct item *item;
	size_t n, cap;
};

struct named *
named_new(const struct pseudonym *p)
{
	struct named *named = xcalloc(1, sizeof(*named));

	named->p = p;
	named->arena = arena_new(SIZE_MAX);
	return named;
}

void
named_free(struct named **named)
{
	struct named *n = *named;

	if (n == NULL)
		return;
	arena_free(&n->arena);
	free(n->item);
	free(n);
	*named = NULL;
}

static struct str
local_of(struct str address)
{
	size_t at = str_rfind(address, '@');

	return str_sub(address, 0, at == STR_NPOS ? 0 : at);
}

void
named_add(struct named *named, struct str address)
{
	struct str local = local_of(address);

	if (named->p == NULL || local.n == 0)
		return;
	if (named->n == named->cap) {
		named->cap = named->cap ? named->cap * 2 : 256;
		named->item = xrealloc(named->item, named->cap * sizeof(*named->item));
	}
	named->item[named->n++] = (struct item){
		pseudonym_local(
		    named->p, named->arena, local, str_sub(address, local.n + 1, address.n)),
		address,
	};
}

static bool
add(void *owner, struct str item)
{
	named_add(owner, item);
	return false;
}

void
named_add_list(struct named *named, const struct list *list)
{
	(void)list_any(list, add, named);
}

static int
order(const void *a, const void *b)
{
	return str_cmp(((const struct item *)a)->hashed, ((const struct item *)b)->hashed);
}

void
named_finish(struct named *named)
{
	if (named->n > 0)
		qsort(named->item, named->n, sizeof(*named->item), order);
}

struct str
named_address(const struct named *named, struct str recipient)
{
	const struct item wanted = { .hashed = local_of(recipient) }, *found = NULL;

	if (!pseudonym_is(recipient))
		return recipient;
	if (named->n > 0)
		found = bsearch(&wanted, named->item, named->n, sizeof(*named->item), order);
	return found ? found->address : STR("");
}
