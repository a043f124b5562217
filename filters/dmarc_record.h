/*
 * dmarc_record: a DMARC policy record (RFC 9989 4.7, 4.8; the same text serves RFC 7489) taken
 * apart. What is not well-formed behind the version is left out in favour of its default, as the
 * RFC asks; only a policy that cannot be read makes the record as a whole unusable, or none at all
 * when somebody is to be told by a report (4.10.1). Which record applies is dmarc_walk.h's. Pure;
 * nothing is kept of the text; linear in its length.
 */
#ifndef POSTERN_FILTERS_DMARC_RECORD_H
#define POSTERN_FILTERS_DMARC_RECORD_H

#include "base/str.h"

/* In order of strength. */
enum dmarc_policy { DMARC_NONE, DMARC_QUARANTINE, DMARC_REJECT };
const char *dmarc_policy_name(enum dmarc_policy policy);
/* What t=y makes of it (4.7): one level less. */
enum dmarc_policy dmarc_policy_tested(enum dmarc_policy policy);

enum dmarc_psd {
	DMARC_PSD_UNKNOWN, /* psd=u, and when it is not said */
	DMARC_PSD_NO,      /* an organizational domain, for itself and what is below */
	DMARC_PSD_YES,     /* others register their domains below it */
};

#define DMARC_PERCENT_NONE (-1)

struct dmarc_record {
	bool usable;              /* else no DMARC processing; the policies are none */
	enum dmarc_policy policy; /* p= */
	enum dmarc_policy sub;    /* sp=, or p= */
	enum dmarc_policy absent; /* np=, or sp=, or p=: of names that do not exist */
	enum dmarc_psd psd;
	bool testing;                 /* t=y */
	bool strict_dkim, strict_spf; /* adkim=s, aspf=s */
	int percent;                  /* pct= of RFC 7489; DMARC_PERCENT_NONE */
};

/* Does the text begin with v=DMARC1? Everything else in the DNS is none of ours. */
bool dmarc_record_is(struct str text);
/* text: one of which dmarc_record_is() is true. */
void dmarc_record_parse(struct str text, struct dmarc_record *out);
/* Is one of the items of a list (rua=) a URI (RFC 3986)? */
bool dmarc_uris_ok(struct str list);

#endif
