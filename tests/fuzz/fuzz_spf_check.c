/*
 * Whole checks: each line of the input is a record of a zone, "NAME TYPE DATA" with the first
 * letter of a type (4 for A, 6 for AAAA, M, P, T; "?" for a name that cannot be had), or "= CLIENT
 * HELO LOCAL DOMAIN". However the answers arrive, the result must be the same, and the questions
 * bounded.
 */
#include "filters/spf_check.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/filters/spf_zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool condition)
{
	if (!condition)
		abort();
}

static void
read_query(struct str rest, struct spf_query *query)
{
	struct str part;

	if (str_pop(&rest, ' ', &part) && !ip_parse(part, &query->client))
		query->client = (struct ip){ .version = 4, .b = { 192, 0, 2, 1 } };
	str_pop(&rest, ' ', &query->helo);
	str_pop(&rest, ' ', &query->local);
	str_pop(&rest, ' ', &query->domain);
}

/* The records of a name are bounded by the answer, so each name and type takes some only. */
static void
read_record(struct zone *zone, struct str line, unsigned *n)
{
	struct str name, type, rest = line;
	char owner[256], data[256];
	struct ip ip;

	if (!str_pop(&rest, ' ', &name) || !str_pop(&rest, ' ', &type) || type.n != 1 ||
	    !str_copy(name, owner, sizeof(owner)) || ++*n > DNS_RR_MAX)
		return;
	if (type.p[0] == 'T') {
		zone_add_text(zone, owner, rest);
		return;
	}
	if (!str_copy(rest, data, sizeof(data)))
		return;
	if (type.p[0] == '4' && ip_parse(rest, &ip) && ip.version == 4)
		zone_add(zone, owner, DNS_A, data);
	else if (type.p[0] == '6' && ip_parse(rest, &ip) && ip.version == 6)
		zone_add(zone, owner, DNS_AAAA, data);
	else if (type.p[0] == 'P')
		zone_add(zone, owner, DNS_PTR, data);
	else if (type.p[0] == 'M' && str_sub(rest, 0, 2).n == 2 && rest.p[0] == '1' &&
	    rest.p[1] == ' ')
		zone_add(zone, owner, DNS_MX, data);
	else if (type.p[0] == '?')
		zone_status(zone, owner, DNS_A, DNS_TEMPFAIL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spf_query query = { .client = { .version = 4, .b = { 192, 0, 2, 1 } },
		.helo = STR("h.e"),
		.local = STR("l"),
		.domain = STR("d.e"),
		.receiver = STR("r.e"),
		.now = 1700000000 };
	struct str rest = { (const char *)data, size }, line, explanation, other;
	struct zone *zone = zone_new();
	struct spf_outcome outcome, again;
	unsigned n = 0;

	while (size > 0 && str_pop(&rest, '\n', &line)) {
		if (str_starts(line, STR("= ")))
			read_query(str_sub(line, 2, line.n), &query);
		else
			read_record(zone, line, &n);
	}
	zone_check(zone, &query, &outcome, &explanation);
	check(outcome.result < SPF_RESULTS && zone->asked <= SPF_QUESTIONS);
	check(explanation.n <= SPF_EXPLANATION_MAX);
	check(outcome.result == SPF_FAIL || explanation.p == NULL);
	for (int i = ZONE_ROUNDS; i <= ZONE_ONE_BY_ONE; i++) {
		zone->arrival = (enum zone_arrival)i;
		zone_forget(zone);
		zone_check(zone, &query, &again, &other);
		check(again.result == outcome.result && str_eq(again.mechanism, outcome.mechanism));
		check(str_eq(again.problem, outcome.problem) && str_eq(other, explanation));
	}
	zone_free(&zone);
	return 0;
}
