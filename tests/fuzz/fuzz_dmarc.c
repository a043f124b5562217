/*
 * DMARC: the first line is an author domain, the second an identifier that DKIM verified, the rest TXT
 * records, a line each, of which each name that is asked for gets the next few. However they are
 * written, a check ends, within its questions, and passes only what has its last label in common.
 */
#include "filters/dmarc_check.h"

#include <stdlib.h>

#include "mail/idna.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool condition)
{
	if (!condition)
		abort();
}

struct source {
	struct arena *arena;
	struct str rest;
	unsigned asked;
	struct {
		struct str name;
		struct dns_answer answer;
	} known[64];
	size_t n;
};

static enum progress
answer(void *owner, struct str name, enum dns_type type, const struct dns_answer **out)
{
	struct source *source = owner;
	struct dns_answer *a;
	struct str line;

	check(source->n < 64 && type == DNS_TXT);
	for (size_t i = 0; i < source->n; i++) {
		*out = &source->known[i].answer;
		if (str_eq(source->known[i].name, name))
			return DONE;
	}
	source->known[source->n].name = arena_dup(source->arena, name);
	a = &source->known[source->n++].answer;
	*a = (struct dns_answer){ .status = DNS_NXDOMAIN };
	*out = a;
	if (!str_pop(&source->rest, '\n', &line) || line.n == 0)
		return DONE;
	if (line.p[0] == '!') {
		a->status = DNS_TEMPFAIL;
		return DONE;
	}
	a->status = DNS_OK;
	a->rr = ARENA_ARRAY(source->arena, struct dns_rr, 4);
	do {
		a->rr[a->n++].data = line;
	} while (a->n < 4 && source->rest.n > 0 && source->rest.p[0] == '+' &&
	    str_pop(&source->rest, '\n', &line));
	return DONE;
}

static void
check_outcome(const struct dmarc_query *query, const struct dmarc_outcome *o)
{
	struct str author = query->author;

	check(o->policy <= DMARC_REJECT && o->percent >= DMARC_PERCENT_NONE && o->percent <= 100);
	check(o->domain.n == 0 || dmarc_within(author, o->domain));
	check(o->organization.n == 0 || dmarc_within(author, o->organization));
	check((o->result == DMARC_RESULT_PASS) == (o->by_spf || o->by_dkim));
	if (o->result == DMARC_RESULT_PASS && !str_eq(author, query->identifier->domain))
		check(o->organization.n > 0 &&
		    dmarc_within(query->identifier->domain, o->organization));
	if (o->result == DMARC_RESULT_NONE)
		check(o->domain.n == 0 && o->policy == DMARC_NONE);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(1 << 22);
	struct source source = { .arena = arena, .rest = { (const char *)data, size } };
	struct dmarc_identifier id = { .verified = true, .dkim = true };
	struct dmarc_query query = { .identifier = &id, .n = 1, .dns = answer, .owner = &source };
	struct dmarc_outcome outcome;
	struct str author, identifier;

	if (str_pop(&source.rest, '\n', &author) && str_pop(&source.rest, '\n', &identifier) &&
	    idna_to_ascii(arena, author, &query.author) &&
	    idna_to_ascii(arena, identifier, &id.domain)) {
		check(dmarc_check(arena, &query, &outcome) == DONE);
		check(source.n <= 2 * DMARC_QUERIES + 1);
		check_outcome(&query, &outcome);
	}
	arena_free(&arena);
	return 0;
}
