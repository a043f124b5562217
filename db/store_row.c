#include "db/store_row.h"

#include "db/sketch.h"

_Static_assert((int)SKETCH_BLOB_MAX <= (int)WINDOW_BLOB_MAX, "both fit");

static int64_t
least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
most(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static void
merge_seen(struct store_seen *there, const struct store_seen *row)
{
	if (there->proven != row->proven) {
		if (row->proven)
			*there = *row;
		return;
	}
	/* What waits ends with the attempt that it begins with. */
	there->expires = there->proven || there->first == row->first
	    ? most(there->expires, row->expires)
	    : there->first < row->first ? there->expires
					: row->expires;
	there->first = least(there->first, row->first);
	there->last = most(there->last, row->last);
	there->hits = most(there->hits, row->hits);
}

static void
merge_counter(
    struct store_row *there, const struct store_row *row, unsigned char blob[WINDOW_BLOB_MAX])
{
	struct window a, b;

	window_load(&a, there->octets);
	window_load(&b, row->octets);
	window_merge(&a, &b);
	there->octets = (struct str){ (const char *)blob, window_save(&a, blob) };
	there->expires = most(there->expires, row->expires);
}

static void
merge_sketch(
    struct store_row *there, const struct store_row *row, unsigned char blob[WINDOW_BLOB_MAX])
{
	struct sketch a, b;

	sketch_load(&a, there->octets);
	sketch_load(&b, row->octets);
	sketch_merge(&a, &b);
	there->octets = (struct str){ (const char *)blob, sketch_save(&a, blob) };
	there->expires = most(there->expires, row->expires);
}

static bool
same(const struct store_row *a, const struct store_row *b)
{
	const struct store_seen *x = &a->seen, *y = &b->seen;

	return a->expires == b->expires && a->ready == b->ready && x->first == y->first &&
	    x->last == y->last && x->hits == y->hits && x->proven == y->proven &&
	    x->expires == y->expires && a->limit.burst == b->limit.burst &&
	    a->limit.minute == b->limit.minute && a->limit.hour == b->limit.hour &&
	    a->limit.day == b->limit.day && str_eq(a->octets, b->octets);
}

bool
store_row_merge(
    struct store_row *there, const struct store_row *row, unsigned char blob[WINDOW_BLOB_MAX])
{
	const struct store_row before = *there;

	switch (there->kind) {
	case STORE_SEEN:
		merge_seen(&there->seen, &row->seen);
		there->expires = there->seen.expires;
		break;
	case STORE_COUNTER:
		merge_counter(there, row, blob);
		break;
	case STORE_SKETCH:
		merge_sketch(there, row, blob);
		break;
	case STORE_LIMIT:
		if (row->expires > there->expires) {
			there->limit = row->limit;
			there->expires = row->expires;
		}
		break;
	case STORE_DELIVERED:
		there->ready = least(there->ready, row->ready);
		there->expires = most(there->expires, row->expires);
		break;
	case STORE_KINDS:
		break;
	}
	return !same(there, &before);
}
