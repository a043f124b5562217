/*
 * dkim_suite: where another verifier's verdict on a collection of crafted messages is not ours, and
 * the clause that decides. A difference that is not listed fails the test.
 */
#ifndef POSTERN_TESTS_FILTERS_DKIM_SUITE_H
#define POSTERN_TESTS_FILTERS_DKIM_SUITE_H

struct dkim_difference {
	const char *message;
	const char *ours; /* `dkim` */
	const char *clause;
};

static const struct dkim_difference dkim_differences[] = {
	{ "barecr_body", "neutral", "RFC 5322 2.3: CR and LF only together" },
	{ "barelf_all", "permerror", "RFC 5322 2.3: CR and LF only together" },
	{ "barelf_body", "neutral", "RFC 5322 2.3: CR and LF only together" },
	{ "key_hsha1", "permerror", "RFC 6376 6.1.2 (6): hash not in the h= of the key" },
	{ "key_t_s_isub", "permerror", "RFC 6376 3.6.1: t=s, and i= in a subdomain" },
	{ "key_ty", "neutral", "RFC 6376 3.6.1: t=y is not to differ from unsigned" },
	{ "l_appended", "policy", "RFC 6376 8.2: text after l= is not signed" },
	{ "l_huge", "permerror", "RFC 6376 3.5: l= not larger than the body" },
	{ "mixedcase_d", "pass", "RFC 4343 2: case does not tell domain names apart" },
	{ "no_from_in_h", "permerror", "RFC 6376 6.1.1: From not in h=" },
	{ "sha1", "permerror", "RFC 8301 3.1: rsa-sha1 has permanently failed" },
	{ "x_before_t", "permerror", "RFC 6376 3.5: x= greater than t=" },
	{ "x_expired", "permerror", "RFC 6376 3.5: x= is past" },
};

#endif
