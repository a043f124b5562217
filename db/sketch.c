#include "db/sketch.h"

#include "db/packed.h"

#define VERSION 1
#define AT_MAX ((int64_t)1 << 40)
#define STEP_BACK 3600
#define LEVEL_MAX 32

/* --- taking in ---------------------------------------------------------------------------------- */

static bool
below(uint32_t hash, unsigned level)
{
	return hash < (uint64_t)1 << (LEVEL_MAX - level);
}

static void
drop(struct sketch *s, size_t i)
{
	s->entry[i] = s->entry[--s->n];
}

static void
forget(struct sketch *s, int64_t now)
{
	for (size_t i = s->n; i-- > 0;)
		if (now - s->entry[i].last >= SKETCH_DAY || s->entry[i].last - now > STEP_BACK)
			drop(s, i);
	while (s->level > 0 && s->n <= SKETCH_MOST / 4)
		s->level--;
}

static void
rise(struct sketch *s)
{
	s->level++;
	for (size_t i = s->n; i-- > 0;)
		if (!below(s->entry[i].hash, s->level))
			drop(s, i);
		else if (s->entry[i].level < s->level)
			s->entry[i].level = s->level;
}

static void
see(struct sketch *s, int64_t now, uint32_t hash)
{
	size_t i = 0;

	if (!below(hash, s->level))
		return;
	while (i < s->n && s->entry[i].hash != hash)
		i++;
	if (i == s->n)
		s->n++;
	s->entry[i] = (struct sketch_entry){ hash, s->level, now };
	/* Of 129 different hashes one at least is not below 2^7: the level ends at 25. */
	while (s->n > SKETCH_MOST)
		rise(s);
}

static void
merge_entry(struct sketch *s, const struct sketch_entry *entry)
{
	size_t i = 0;

	if (!below(entry->hash, s->level))
		return;
	while (i < s->n && s->entry[i].hash != entry->hash)
		i++;
	if (i == s->n)
		s->entry[s->n++] = *entry;
	if (entry->last > s->entry[i].last)
		s->entry[i].last = entry->last;
	if (entry->level > s->entry[i].level)
		s->entry[i].level = entry->level;
	if (s->entry[i].level < s->level)
		s->entry[i].level = s->level;
	while (s->n > SKETCH_MOST)
		rise(s);
}

void
sketch_merge(struct sketch *s, const struct sketch *other)
{
	while (s->level < other->level)
		rise(s);
	for (size_t i = 0; i < other->n; i++)
		merge_entry(s, &other->entry[i]);
}

static uint32_t
hash_at(const char *p)
{
	const unsigned char *o = (const unsigned char *)p;

	return (uint32_t)o[0] << 24 | (uint32_t)o[1] << 16 | (uint32_t)o[2] << 8 | o[3];
}

void
sketch_add(struct sketch *s, int64_t now, struct str hashes, struct count_answer *out)
{
	now = now < 0 ? 0 : now > AT_MAX ? AT_MAX : now;
	forget(s, now);
	for (size_t i = 0; i + QUESTION_HASH <= hashes.n; i += QUESTION_HASH)
		see(s, now, hash_at(hashes.p + i));
	*out = (struct count_answer){ 0 };
	for (size_t i = 0; i < s->n; i++) {
		int64_t age = now - s->entry[i].last, stands_for = (int64_t)1 << s->entry[i].level;

		out->minute += age < 60 ? stands_for : 0;
		out->hour += age < 3600 ? stands_for : 0;
		out->day += stands_for;
	}
}

/* --- the blob ----------------------------------------------------------------------------------- */

/* VERSION, level, how many, the time of the last; of each entry: hash, how long before the last, level. */
_Static_assert(1 + 1 + 2 + 6 + SKETCH_MOST * (5 + 6 + 1) <= SKETCH_BLOB_MAX, "a full sketch fits");

size_t
sketch_save(const struct sketch *s, unsigned char out[SKETCH_BLOB_MAX])
{
	struct packer k = { out };
	int64_t last = 0;

	for (size_t i = 0; i < s->n; i++)
		if (s->entry[i].last > last)
			last = s->entry[i].last;
	packed_put(&k, VERSION);
	packed_put(&k, s->level);
	packed_put(&k, s->n);
	packed_put(&k, (uint64_t)last);
	for (size_t i = 0; i < s->n; i++) {
		packed_put(&k, s->entry[i].hash);
		packed_put(&k, (uint64_t)(last - s->entry[i].last));
		packed_put(&k, s->entry[i].level);
	}
	return (size_t)(k.p - out);
}

static void
load_entry(struct sketch *s, int64_t last, struct unpacker *u)
{
	struct sketch_entry *entry = &s->entry[s->n];

	entry->hash = (uint32_t)packed_get(u, UINT32_MAX);
	entry->last = last - packed_get(u, last);
	entry->level = (unsigned)packed_get(u, LEVEL_MAX);
	if (!below(entry->hash, s->level))
		u->bad = true;
	for (size_t i = 0; i < s->n; i++)
		if (s->entry[i].hash == entry->hash)
			u->bad = true;
	s->n++;
}

bool
sketch_load(struct sketch *s, struct str blob)
{
	struct unpacker u = { .p = (const unsigned char *)blob.p };
	int64_t n, last;

	*s = (struct sketch){ 0 };
	if (blob.n == 0)
		return true;
	u.end = u.p + blob.n;
	if (packed_get(&u, VERSION) != VERSION)
		return false;
	s->level = (unsigned)packed_get(&u, LEVEL_MAX);
	n = packed_get(&u, SKETCH_MOST);
	last = packed_get(&u, AT_MAX);
	for (; n > 0 && !u.bad; n--)
		load_entry(s, last, &u);
	if (!u.bad && u.p == u.end)
		return true;
	*s = (struct sketch){ 0 };
	return false;
}
