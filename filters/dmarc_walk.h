/*
 * dmarc_walk: the DNS tree walk (RFC 9989 4.10). It lists the names to look at, at most 8 whatever
 * the length of the domain, is given what the DNS said of each, and says then which domain is the
 * organizational one and which record holds. All names can be asked for at once: what lies above
 * the end of a walk is asked in vain then, and counts for nothing. Pure; slices point into the
 * domain that it began with, records are kept as values.
 */
#ifndef POSTERN_FILTERS_DMARC_WALK_H
#define POSTERN_FILTERS_DMARC_WALK_H

#include "base/dns.h"
#include "filters/dmarc_record.h"

#define DMARC_QUERIES 8

enum dmarc_step_state {
	DMARC_STEP_NOTHING, /* no record, or several, which is the same */
	DMARC_STEP_RECORD,
	DMARC_STEP_FAILED, /* the DNS did not answer */
};

struct dmarc_step {
	struct str name; /* without "_dmarc." */
	enum dmarc_step_state state;
	struct dmarc_record record; /* DMARC_STEP_RECORD */
};

struct dmarc_walk {
	struct str domain;
	struct dmarc_step step[DMARC_QUERIES]; /* the longest name first */
	size_t n;
};

/* domain: lower case, A-labels, no final dot; dns_name_ok(). */
void dmarc_walk_begin(struct str domain, struct dmarc_walk *out);
/* "_dmarc.example.org" for a step; longer than a name can be: NXDOMAIN is what the DNS would say. */
struct str dmarc_walk_question(struct arena *arena, struct str name);
/* What the TXT records at a name come to (steps 2 and 6). */
void dmarc_step_read(struct dmarc_step *step, const struct dns_answer *answer);

/* The organizational domain (4.10.2). False: a failure stands in the way. */
bool dmarc_walk_organization(const struct dmarc_walk *walk, struct str *out);
/*
 * The record that applies to mail from the domain (4.10.1): its own, that of its organizational
 * domain, that of its public suffix. *out is NULL when there is none. False: as above.
 */
bool dmarc_walk_policy(const struct dmarc_walk *walk, const struct dmarc_step **out);

/* Is name that domain, or below it? */
bool dmarc_within(struct str name, struct str domain);

#endif
