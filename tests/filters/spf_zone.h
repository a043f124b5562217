/*
 * spf_zone: a DNS for checks of SPF (and DMARC): records that the test puts in, or that a function makes up
 * on demand. It answers at once, or lets the check wait for every single answer. Counts what it
 * was asked.
 */
#ifndef POSTERN_TESTS_FILTERS_SPF_ZONE_H
#define POSTERN_TESTS_FILTERS_SPF_ZONE_H

#include "filters/spf_check.h"

struct zone_question;

enum zone_arrival {
	ZONE_AT_HAND,   /* every answer is there when it is asked for */
	ZONE_ROUNDS,    /* all that was noted arrives at once */
	ZONE_ONE_BY_ONE /* each answer arrives alone */
};

struct zone {
	enum zone_arrival arrival;
	/* Answers what is not in the zone; NULL: NXDOMAIN. */
	void (*make)(
	    struct zone *zone, struct str name, enum dns_type type, struct dns_answer *out);
	unsigned asked;  /* different questions, since zone_forget() */
	unsigned rounds; /* runs of the last check */
	struct arena *arena;
	struct zone_question *first, **end; /* private */
	struct zone_question *records;
};

struct zone *zone_new(void);
void zone_free(struct zone **zone);
/* data: an address, a name, "10 mx.example.org", or text. */
void zone_add(struct zone *zone, const char *name, enum dns_type type, const char *data);
void zone_add_text(struct zone *zone, const char *name, struct str text);
void zone_status(struct zone *zone, const char *name, enum dns_type type, enum dns_status status);
/* Forgets which answers have arrived. */
void zone_forget(struct zone *zone);
/* What a check asks with; owner: the zone. */
enum progress zone_ask(
    void *owner, struct str name, enum dns_type type, const struct dns_answer **out);
/* Lets arrive what has waited longest, or all; after PENDING. */
void zone_arrive(struct zone *zone);
/*
 * Checks until there is a result; *explanation: the domain's own, p NULL: none. Fills in
 * query->dns and owner.
 */
void zone_check(
    struct zone *zone, struct spf_query *query, struct spf_outcome *out, struct str *explanation);

#endif
