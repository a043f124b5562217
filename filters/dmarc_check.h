/*
 * dmarc_check: DMARC for one author domain (RFC 9989, or by RFC 7489 if the caller brings a list
 * of public suffixes): which record applies, whether an identifier that SPF or DKIM has verified
 * is aligned, and what the record wants to be done if none is. As with a check of SPF, a run that
 * lacks an answer says PENDING, and is run again from the top when it is there. Names are lower
 * case, A-labels, without a final dot. Pure but for the function that asks the DNS.
 *
 * BUGS: by RFC 7489, pct= is told and not applied: nothing here is left to chance.
 */
#ifndef POSTERN_FILTERS_DMARC_CHECK_H
#define POSTERN_FILTERS_DMARC_CHECK_H

#include "base/progress.h"
#include "filters/dmarc_walk.h"

/* In order of what is told of several author domains: the first wins. */
enum dmarc_result {
	DMARC_RESULT_FAIL,
	DMARC_RESULT_TEMPERROR,
	DMARC_RESULT_PERMERROR,
	DMARC_RESULT_NONE, /* nobody has published a policy for it */
	DMARC_RESULT_PASS,
};
const char *dmarc_result_name(enum dmarc_result result);

/* A domain that SPF or DKIM has something to say of. */
struct dmarc_identifier {
	struct str domain;
	bool verified; /* false: it could not be told, the DNS did not answer */
	bool dkim;     /* else SPF */
};

/*
 * Beyond so many an identifier counts only if it is the author domain itself, or its
 * organizational one: each other one may cost a walk.
 */
#define DMARC_WALKS 10

struct dmarc_query {
	struct str author;
	const struct dmarc_identifier *identifier;
	size_t n;
	const void *suffixes; /* psl_ctx_t, for RFC 7489; NULL: RFC 9989 */
	enum progress (*dns)(
	    void *owner, struct str name, enum dns_type type, const struct dns_answer **out);
	void *owner;
};

struct dmarc_outcome {
	enum dmarc_result result;
	const char *reason;      /* static; "" for pass */
	struct str domain;       /* where the record stands; "" none */
	struct str organization; /* of the author domain; "" not known */
	enum dmarc_policy
	    policy;           /* of the record for this author; one less if it is being tested */
	bool by_spf, by_dkim; /* aligned */
	bool testing;         /* t=y */
	int percent;          /* pct=, or DMARC_PERCENT_NONE */
};

/* Only asks for what is sure to be needed, so that it is there when the check is run. */
void dmarc_check_early(struct arena *arena, const struct dmarc_query *query);
/* DONE with *out filled (texts in arena or of the query), or PENDING. */
enum progress dmarc_check(
    struct arena *arena, const struct dmarc_query *query, struct dmarc_outcome *out);

#endif
