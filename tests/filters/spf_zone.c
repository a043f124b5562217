#include "tests/filters/spf_zone.h"

#include <stdlib.h>

#include "base/die.h"

#define ROUNDS_MAX 1000

struct zone_question {
	struct str name; /* lower case */
	enum dns_type type;
	bool arrived;
	struct dns_answer answer;
	struct zone_question *next;
};

struct zone *
zone_new(void)
{
	struct zone *z = xcalloc(1, sizeof(*z));

	z->arena = arena_new(64 * 1024 * 1024);
	z->end = &z->first;
	return z;
}

void
zone_free(struct zone **zone)
{
	arena_free(&(*zone)->arena);
	free(*zone);
	*zone = NULL;
}

static struct zone_question *
find(struct zone_question *list, struct str name, enum dns_type type)
{
	for (; list != NULL; list = list->next)
		if (list->type == type && str_eqcase(list->name, name))
			return list;
	return NULL;
}

static struct zone_question *
row(struct zone *z, const char *name, enum dns_type type)
{
	struct zone_question *r = find(z->records, str_of(name), type);

	if (r != NULL)
		return r;
	r = ARENA_NEW(z->arena, struct zone_question);
	r->name = arena_lower(z->arena, str_of(name));
	r->type = type;
	r->answer.rr = ARENA_ARRAY(z->arena, struct dns_rr, DNS_RR_MAX);
	r->next = z->records;
	z->records = r;
	return r;
}

static void
add(struct zone *z, const char *name, enum dns_type type, struct dns_rr rr)
{
	struct dns_answer *a = &row(z, name, type)->answer;

	require(a->n < DNS_RR_MAX);
	a->status = DNS_OK;
	a->rr[a->n++] = rr;
}

void
zone_add_text(struct zone *z, const char *name, struct str text)
{
	add(z, name, DNS_TXT, (struct dns_rr){ .data = arena_dup(z->arena, text) });
}

void
zone_add(struct zone *z, const char *name, enum dns_type type, const char *data)
{
	struct str rest = str_of(data), number;
	struct dns_rr rr = { .data = arena_dup(z->arena, rest) };
	uint64_t preference;
	struct ip *ip;

	if (type == DNS_A || type == DNS_AAAA) {
		ip = ARENA_NEW(z->arena, struct ip);
		require(ip_parse(rest, ip));
		rr.data = (struct str){ (const char *)ip->b, type == DNS_A ? 4 : 16 };
	} else if (type == DNS_MX) {
		require(str_pop(&rest, ' ', &number) && str_to_u64(number, 65535, &preference));
		rr.preference = (uint16_t)preference;
		rr.data = arena_dup(z->arena, rest);
	}
	add(z, name, type, rr);
}

void
zone_status(struct zone *z, const char *name, enum dns_type type, enum dns_status status)
{
	struct dns_answer *a = &row(z, name, type)->answer;

	a->status = status;
	a->n = 0;
	a->why = status == DNS_TEMPFAIL ? "timeout" : NULL;
}

void
zone_forget(struct zone *z)
{
	z->first = NULL;
	z->end = &z->first;
	z->asked = 0;
}

static void
answer(struct zone *z, struct zone_question *q)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_MX, DNS_PTR, DNS_TXT };
	struct zone_question *r = find(z->records, q->name, q->type);

	q->answer.status = DNS_NXDOMAIN;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (find(z->records, q->name, types[i]) != NULL)
			q->answer.status = DNS_NODATA;
	if (r != NULL)
		q->answer = r->answer;
	else if (z->make != NULL)
		z->make(z, q->name, q->type, &q->answer);
}

enum progress
zone_ask(void *owner, struct str name, enum dns_type type, const struct dns_answer **out)
{
	struct zone *z = owner;
	struct zone_question *q = find(z->first, name, type);

	require(dns_name_ok(name) && !str_ends(name, STR(".")));
	if (q == NULL) {
		z->asked++;
		q = ARENA_NEW(z->arena, struct zone_question);
		q->name = arena_dup(z->arena, name);
		q->type = type;
		q->arrived = z->arrival == ZONE_AT_HAND;
		answer(z, q);
		*z->end = q;
		z->end = &q->next;
	}
	*out = &q->answer;
	return q->arrived ? DONE : PENDING;
}

void
zone_arrive(struct zone *z)
{
	struct zone_question *q = z->first;

	while (q != NULL && q->arrived)
		q = q->next;
	/* PENDING has noted a question. */
	require(q != NULL);
	q->arrived = true;
	for (; q != NULL && z->arrival == ZONE_ROUNDS; q = q->next)
		q->arrived = true;
}

void
zone_check(
    struct zone *z, struct spf_query *query, struct spf_outcome *out, struct str *explanation)
{
	query->dns = zone_ask;
	query->owner = z;
	z->rounds = 0;
	while (z->rounds++ < ROUNDS_MAX && spf_check(z->arena, query, out) == PENDING)
		zone_arrive(z);
	while (
	    z->rounds++ < ROUNDS_MAX && spf_explain(z->arena, query, out, explanation) == PENDING)
		zone_arrive(z);
	require(z->rounds < ROUNDS_MAX);
}
