/*
 * spf_oracle: check_host() of RFC 7208 once more, written from its text for tests: a recursion over
 * the parsed record, without libspf2, and with a DNS that always answers at once. It shares with the
 * real one only the parser (filters/spf_record.h) and the macros (filters/spf_macro.h), which have
 * tests of their own. What both say of the same zone must be the same.
 */
#ifndef POSTERN_TESTS_FILTERS_SPF_ORACLE_H
#define POSTERN_TESTS_FILTERS_SPF_ORACLE_H

#include "filters/spf_check.h"

struct spf_oracle {
	const struct spf_query *query; /* its dns and owner are not used */
	struct arena *arena;
	/* Everything there is to know, at once. */
	void (*look)(void *owner, struct str name, enum dns_type type, struct dns_answer *out);
	void *owner;
	/* private */
	unsigned terms, voids;
	struct str term; /* of the record that decided, the one that matched */
};

/* term: of the last record on the way of redirects, the one that matched; "" none. */
enum spf_result spf_oracle_check(struct spf_oracle *oracle, struct str *term);

#endif
