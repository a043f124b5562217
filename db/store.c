/* What is the same whatever the backend. */
#include "db/store.h"

#include "db/json.h"
#include "mail/exception.h"

struct exceptions *
store_exceptions_take(struct store_exceptions *x)
{
	struct exceptions *all;
	size_t n = 0;

	for (const struct store_exception *row = x->rows; row != NULL; row = row->next)
		n++;
	if (n == 0)
		return NULL;
	all = exceptions_new(x->memory, n);
	x->memory = NULL;
	for (const struct store_exception *row = x->rows; row != NULL; row = row->next) {
		struct exception *one = exceptions_add(all, row->number, row->key, row->expires);

		if (one != NULL)
			one->hashed =
			    json_text(json_parse(all->memory, row->about, NULL), "hashed");
	}
	return all;
}
