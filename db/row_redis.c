#include "db/row_redis.h"

#include <inttypes.h>
#include <stdlib.h>

#include <hiredis/hiredis.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "db/counter.h"
#include "db/redis_script.h"
#include "db/store_redis.h"
#include "db/store_row.h"

/* Rows that are asked for at once, and tries to put one that others write too. */
#define LOT 200
#define TRIES 20
/* Keys of a list that are in memory at a time. */
#define LIST_KEYS 50000
/* A row is kept for so long beyond its time: clocks differ. As in seen.lua. */
#define SLACK 3600
#define DAY 86400

static const char *const kinds[STORE_KINDS] = {
	[STORE_SEEN] = "seen:",
	[STORE_COUNTER] = "count:",
	[STORE_SKETCH] = "sketch:",
	[STORE_LIMIT] = "limit:",
	[STORE_DELIVERED] = "delivered:",
};

/* --- texts -------------------------------------------------------------------------------------- */

/* The number before the next blank, or the end. */
static bool
number(struct str *rest, int64_t *out)
{
	size_t blank = str_find(*rest, ' ');
	uint64_t n;

	if (!str_to_u64(str_sub(*rest, 0, blank), INT64_MAX, &n))
		return false;
	*out = (int64_t)n;
	*rest = blank == STR_NPOS ? (struct str){ 0 } : str_sub(*rest, blank + 1, rest->n);
	return true;
}

static bool
parse_seen(struct str text, struct store_row *row)
{
	struct store_seen *s = &row->seen;
	int64_t proven;

	if (!number(&text, &s->first) || !number(&text, &s->last) || !number(&text, &s->hits) ||
	    !number(&text, &proven) || !number(&text, &s->expires) || text.n > 0)
		return false;
	s->proven = proven != 0;
	row->expires = s->expires;
	return true;
}

bool
row_redis_parse(enum store_kind kind, struct str text, struct store_row *row)
{
	struct take_limits *limit = &row->limit;

	row->kind = kind;
	switch (kind) {
	case STORE_SEEN:
		return parse_seen(text, row);
	case STORE_COUNTER:
	case STORE_SKETCH:
		/* When it expires only Redis knows: it is asked for elsewhere. */
		row->octets = text;
		return true;
	case STORE_LIMIT:
		return number(&text, &limit->burst) && number(&text, &limit->minute) &&
		    number(&text, &limit->hour) && number(&text, &limit->day) &&
		    number(&text, &row->expires) && text.n == 0;
	case STORE_DELIVERED:
		if (!number(&text, &row->ready) || !number(&text, &row->expires))
			return false;
		row->octets = text;
		return true;
	case STORE_KINDS:
		break;
	}
	return false;
}

void
row_redis_print(const struct store_row *row, struct buf *out)
{
	const struct store_seen *s = &row->seen;

	buf_clear(out);
	switch (row->kind) {
	case STORE_SEEN:
		buf_printf(out, "%" PRId64 " %" PRId64 " %" PRId64 " %d %" PRId64, s->first,
		    s->last, s->hits, s->proven, s->expires);
		return;
	case STORE_LIMIT:
		buf_printf(out, "%" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64,
		    row->limit.burst, row->limit.minute, row->limit.hour, row->limit.day,
		    row->expires);
		return;
	case STORE_DELIVERED:
		buf_printf(out, "%" PRId64 " %" PRId64 " ", row->ready, row->expires);
		break;
	case STORE_COUNTER:
	case STORE_SKETCH:
	case STORE_KINDS:
		break;
	}
	buf_add(out, row->octets);
}

/* Digests are digits there. */
static void
print_key(struct buf *out, const char *prefix, enum store_kind kind, struct str key)
{
	if (kind != STORE_DELIVERED) {
		redis_key(out, prefix, kinds[kind], key);
		return;
	}
	redis_key(out, prefix, kinds[kind], STR(""));
	for (size_t i = 0; i < key.n; i++)
		buf_printf(out, "%02x", (unsigned char)key.p[i]);
}

static int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
parse_digest(struct str hex, char out[DELIVERED_KEY])
{
	if (hex.n != 2 * (size_t)DELIVERED_KEY)
		return false;
	for (size_t i = 0; i < DELIVERED_KEY; i++) {
		int high = digit(hex.p[2 * i]), low = digit(hex.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i] = (char)(high * 16 + low);
	}
	return true;
}

/* --- reading many ------------------------------------------------------------------------------- */

/* Keys that wait to be read together. */
struct reading {
	struct store *store;
	enum store_kind kind;
	struct arena *memory;
	struct str key[LOT];
	size_t n;
	int64_t now; /* for when counters expire */
	bool (*row)(void *owner, const struct store_row *row);
	void *owner;
	bool more;
	struct err *e;
};

/* When it expires stands not in its text. */
static bool
expires_elsewhere(enum store_kind kind)
{
	return kind == STORE_COUNTER || kind == STORE_SKETCH;
}

static void
say_get(struct reading *r)
{
	const char *argument[3] = { "GET" };
	size_t length[3] = { 3 };
	struct buf b;

	buf_init(&b, 1 << 15);
	for (size_t i = 0; i < r->n; i++) {
		/* As in Redis: what was scanned is asked for. */
		redis_key(&b, store_redis_prefix(r->store), kinds[r->kind], r->key[i]);
		argument[0] = "GET";
		length[0] = 3;
		argument[1] = b.p;
		length[1] = b.n;
		store_redis_say(r->store, 2, argument, length);
		argument[0] = "TTL";
		if (expires_elsewhere(r->kind))
			store_redis_say(r->store, 2, argument, length);
	}
	buf_free(&b);
}

/* One row of the lot; false: Redis is gone. A key that is gone, or is no string of ours, is passed over. */
static bool
take_row(struct reading *r, struct str key)
{
	redisReply *reply = store_redis_reply(r->store, r->e), *ttl = NULL;
	struct store_row row = { .key = key };
	char digest[DELIVERED_KEY];
	bool ok = reply != NULL, good;

	if (ok && expires_elsewhere(r->kind))
		ok = (ttl = store_redis_reply(r->store, r->e)) != NULL;
	good = ok && reply->type == REDIS_REPLY_STRING &&
	    row_redis_parse(r->kind, (struct str){ reply->str, reply->len }, &row);
	if (good && ttl && ttl->type == REDIS_REPLY_INTEGER)
		/* Whole days, as SQLite has it: so that the same counter is the same a second later. */
		row.expires = ((r->now + (ttl->integer > 0 ? ttl->integer : 0)) / DAY) * DAY;
	if (good && r->kind == STORE_DELIVERED) {
		good = parse_digest(key, digest);
		row.key = (struct str){ digest, DELIVERED_KEY };
	}
	if (good && r->more)
		r->more = r->row(r->owner, &row);
	freeReplyObject(reply);
	freeReplyObject(ttl);
	return ok;
}

static bool
read_lot(struct reading *r)
{
	bool ok = true;

	say_get(r);
	for (size_t i = 0; ok && i < r->n; i++)
		ok = take_row(r, r->key[i]);
	r->n = 0;
	arena_reset(r->memory);
	return ok;
}

/* Nothing may be asked within a scan's step but what is answered before the next. */
static bool
found(void *owner, struct str key)
{
	struct reading *r = owner;

	r->key[r->n++] = arena_dup(r->memory, key);
	if (r->n < LOT)
		return true;
	return read_lot(r) && r->more;
}

bool
row_redis_each(struct store *store, enum store_kind kind,
    bool (*row)(void *owner, const struct store_row *row), void *owner, struct err *e)
{
	struct err wrong = { 0 };
	struct reading r = {
		.store = store,
		.kind = kind,
		.memory = arena_new(1 << 24),
		.now = clock_wall_ms() / 1000,
		.row = row,
		.owner = owner,
		.more = true,
		.e = &wrong,
	};
	const struct redis_walk walk = { .kind = kinds[kind], .found = found, .owner = &r };
	bool ok = store_redis_scan(store, &walk, &wrong) && wrong.code == ERR_NONE &&
	    (r.n == 0 || read_lot(&r));

	arena_free(&r.memory);
	if (!ok && e)
		*e = wrong;
	return ok;
}

/* --- listing in order --------------------------------------------------------------------------- */

/*
 * A scan has no order, and there may be millions. So each walk through all keys keeps the first LIST_KEYS of them behind
 * those that were shown.
 */
struct listing {
	struct buf after; /* the last that was shown */
	struct arena *memory;
	struct str *key; /* up to twice LIST_KEYS */
	size_t n;
	bool any; /* something was left out: another walk is due */
};

static int
compare(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* In order, once each, and no more than LIST_KEYS. Texts move to a new arena, so that the others go. */
static void
tidy(struct listing *l)
{
	struct arena *memory = arena_new((size_t)1 << 30);
	size_t n = 0;

	if (l->n > 0)
		qsort(l->key, l->n, sizeof(l->key[0]), compare);
	for (size_t i = 0; i < l->n; i++) {
		if (n > 0 && str_eq(l->key[n - 1], l->key[i]))
			continue;
		if (n == LIST_KEYS) {
			l->any = true;
			break;
		}
		l->key[n++] = arena_dup(memory, l->key[i]);
	}
	arena_free(&l->memory);
	l->memory = memory;
	l->n = n;
}

static bool
gather(void *owner, struct str key)
{
	struct listing *l = owner;

	if (l->after.n > 0 && str_cmp(key, buf_str(&l->after)) <= 0)
		return true;
	if (l->n == 2 * (size_t)LIST_KEYS)
		tidy(l);
	if (l->n == LIST_KEYS && l->any && str_cmp(key, l->key[l->n - 1]) > 0)
		return true;
	l->key[l->n++] = arena_dup(l->memory, key);
	return true;
}

/* Who hears of them: of the rows, or of the keys alone. */
struct audience {
	bool (*row)(void *owner, const struct store_seen *row);
	bool (*key)(void *owner, struct str key);
	void *owner;
};

static bool
show(void *owner, const struct store_row *row)
{
	const struct audience *to = owner;
	struct store_seen seen = row->seen;

	seen.key = row->key;
	return to->row(to->owner, &seen);
}

static bool
show_all(struct listing *l, struct reading *r, const struct audience *to)
{
	bool ok = true;

	for (size_t i = 0; ok && r->more && i < l->n; i++) {
		if (to->key) {
			r->more = to->key(to->owner, l->key[i]);
			continue;
		}
		r->key[r->n++] = l->key[i];
		if (r->n == LOT || i + 1 == l->n)
			ok = read_lot(r);
	}
	return ok;
}

static bool
list(struct reading *r, struct str prefix, const struct audience *to)
{
	struct listing l = { .key = xcalloc(2 * (size_t)LIST_KEYS, sizeof(struct str)) };
	const struct redis_walk walk = {
		.kind = kinds[r->kind], .beginning = prefix, .found = gather, .owner = &l
	};
	bool ok;

	r->memory = arena_new(1 << 24);
	r->more = true;
	l.memory = arena_new((size_t)1 << 30);
	buf_init(&l.after, 1 << 15);
	buf_add(&l.after, prefix);
	do {
		l.n = 0;
		l.any = false;
		ok = store_redis_scan(r->store, &walk, r->e);
		tidy(&l);
		ok = ok && show_all(&l, r, to);
		buf_clear(&l.after);
		if (l.n > 0)
			buf_add(&l.after, l.key[l.n - 1]);
	} while (ok && r->more && l.any);
	buf_free(&l.after);
	arena_free(&l.memory);
	arena_free(&r->memory);
	free(l.key);
	return ok;
}

bool
row_redis_list(struct store *store, struct str prefix,
    bool (*row)(void *owner, const struct store_seen *row), void *owner, struct err *e)
{
	struct audience to = { .row = row, .owner = owner };
	struct reading r = {
		.store = store, .kind = STORE_SEEN, .row = show, .owner = &to, .e = e
	};

	return list(&r, prefix, &to);
}

bool
row_redis_counters(struct store *store, struct str prefix, bool (*row)(void *owner, struct str key),
    void *owner, struct err *e)
{
	struct audience to = { .key = row, .owner = owner };
	struct reading r = { .store = store, .kind = STORE_COUNTER, .e = e };

	return list(&r, prefix, &to);
}

/* --- merging ------------------------------------------------------------------------------------ */

/* Some rows on their way: what is there was asked for, and what it is to be is put in its place. */
struct merging {
	struct store *store;
	const struct store_row *row[LOT];
	size_t n;
	redisReply *there[LOT];
	bool swapped[LOT]; /* a command was sent */
	int64_t now;
	struct buf key, text;
	struct err *e;
};

static void
make_key(struct merging *m, const struct store_row *row)
{
	print_key(&m->key, store_redis_prefix(m->store), row->kind, row->key);
}

static bool
get_all(struct merging *m)
{
	const char *argument[] = { "GET", NULL };
	size_t length[] = { 3, 0 };
	bool ok = true;

	for (size_t i = 0; i < m->n; i++) {
		make_key(m, m->row[i]);
		argument[1] = m->key.p;
		length[1] = m->key.n;
		store_redis_say(m->store, 2, argument, length);
	}
	for (size_t i = 0; ok && i < m->n; i++)
		ok = (m->there[i] = store_redis_reply(m->store, m->e)) != NULL;
	return ok;
}

static void
say_swap(struct merging *m, const struct store_row *row, const struct str *old)
{
	struct redis_command *c = store_redis_command(m->store);
	int64_t lasts = row->expires > m->now ? row->expires - m->now : 1;

	if (row->kind == STORE_SEEN)
		lasts += SLACK;
	/* What was in use there lives on as if used once more. */
	if (row->kind == STORE_COUNTER && old)
		lasts = (COUNTER_DAYS + 1) * DAY;
	if (row->kind == STORE_SKETCH && old)
		lasts = 3 * DAY;
	make_key(m, row);
	row_redis_print(row, &m->text);
	redis_command_swap(c, buf_str(&m->key), old, buf_str(&m->text), lasts);
	/* The script comes along: nobody else has any use for it. */
	redis_command_whole(c);
	store_redis_say(m->store, c->n, c->argument, c->length);
}

/* False: what is there is right already. */
static bool
merge_row(struct merging *m, size_t i)
{
	const struct redisReply *reply = m->there[i];
	struct store_row there = { .kind = m->row[i]->kind, .key = m->row[i]->key };
	struct str old = { reply->str, reply->len };
	unsigned char blob[WINDOW_BLOB_MAX];

	if (reply->type != REDIS_REPLY_STRING) {
		say_swap(m, m->row[i], NULL);
		return true;
	}
	if (!row_redis_parse(there.kind, old, &there)) {
		say_swap(m, m->row[i], &old);
		return true;
	}
	if (expires_elsewhere(there.kind))
		there.expires = m->row[i]->expires;
	if (!store_row_merge(&there, m->row[i], blob))
		return false;
	say_swap(m, &there, &old);
	return true;
}

/* *again: somebody else wrote meanwhile. */
static bool
take_swap(struct merging *m, bool *again)
{
	redisReply *reply = store_redis_reply(m->store, m->e);
	bool ok = reply != NULL;

	if (ok && reply->type != REDIS_REPLY_INTEGER)
		ok = err_set(m->e, ERR_DB, "Redis does not take a row%s%s",
		    reply->type == REDIS_REPLY_ERROR ? ": " : "",
		    reply->type == REDIS_REPLY_ERROR ? ESC(str_of(reply->str)) : "");
	*again = ok && reply->integer != 1;
	freeReplyObject(reply);
	return ok;
}

/* Those that are to be tried again are left in m. */
static bool
merge_lot(struct merging *m, int64_t *changed)
{
	size_t left = 0;
	bool ok = get_all(m), again;

	for (size_t i = 0; ok && i < m->n; i++)
		m->swapped[i] = merge_row(m, i);
	for (size_t i = 0; ok && i < m->n; i++) {
		if (!m->swapped[i])
			continue;
		ok = take_swap(m, &again);
		if (ok && again)
			m->row[left++] = m->row[i];
		*changed += ok && !again;
	}
	for (size_t i = 0; i < LOT; i++) {
		freeReplyObject(m->there[i]);
		m->there[i] = NULL;
	}
	m->n = left;
	return ok;
}

bool
row_redis_merge(
    struct store *store, const struct store_row *rows, size_t n, int64_t *changed, struct err *e)
{
	struct merging m = { .store = store, .now = clock_wall_ms() / 1000, .e = e };
	bool ok = true;

	buf_init(&m.key, 1 << 15);
	buf_init(&m.text, 1 << 15);
	for (size_t next = 0; ok && next < n;) {
		while (m.n < LOT && next < n)
			m.row[m.n++] = &rows[next++];
		for (int k = 0; ok && m.n > 0 && k < TRIES; k++)
			ok = merge_lot(&m, changed);
		if (ok && m.n > 0)
			ok = err_set(e, ERR_DB, "a row changed too often to be merged");
	}
	buf_free(&m.key);
	buf_free(&m.text);
	return ok;
}
