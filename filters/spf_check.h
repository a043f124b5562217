/*
 * spf_check: check_host() of RFC 7208: is this client allowed to send mail from this domain? Asks
 * the DNS through a function of the caller's; when that says PENDING, so does the check, and holds
 * nothing: it is called again, from the top, once the answer is there. Every limit of section
 * 4.6.4 counts for the whole check, whatever it includes. Pure; several threads may check at once.
 */
#ifndef POSTERN_FILTERS_SPF_CHECK_H
#define POSTERN_FILTERS_SPF_CHECK_H

#include "base/dns.h"
#include "base/progress.h"

/* Section 2.6. */
enum spf_result {
	SPF_NONE,
	SPF_NEUTRAL,
	SPF_PASS,
	SPF_FAIL,
	SPF_SOFTFAIL,
	SPF_TEMPERROR,
	SPF_PERMERROR,
	SPF_RESULTS
};
const char *spf_result_name(enum spf_result result);

/* Section 4.6.4; beyond them the result is a permerror. */
#define SPF_LOOKUP_TERMS 10 /* include, a, mx, ptr, exists, redirect that are evaluated */
#define SPF_VOID_TERMS 2    /* of those, such that found nothing */
#define SPF_HOSTS 10        /* MX records of one mx; PTR records that are looked at */
/*
 * What these bounds come to, in questions of one check: the first record, and for each term a record, or one mx with its hosts. Beside
 * them the client's names, for ptr and %{p}, which all checks of a session share; and the text of exp=.
 */
#define SPF_QUESTIONS_TERMS (1 + SPF_LOOKUP_TERMS * (1 + SPF_HOSTS))
#define SPF_QUESTIONS_NAMES (1 + SPF_HOSTS)
#define SPF_QUESTIONS_EXP 1
/*
 * Questions of one run in all; one that is asked for twice counts twice. The above come to 123, so this stops nobody
 * who keeps to the standard: it is there in case our counting is wrong.
 */
#define SPF_QUESTIONS 128

struct spf_query {
	struct ip client;
	struct str helo;     /* as given */
	struct str local;    /* of the sender; "": postmaster */
	struct str domain;   /* of the sender: the one that is checked */
	struct str receiver; /* our host name */
	int64_t now;         /* seconds */
	/* Names are lower case without a final dot. PENDING: the question was noted. */
	enum progress (*dns)(
	    void *owner, struct str name, enum dns_type type, const struct dns_answer **out);
	void *owner;
};

struct spf_outcome {
	enum spf_result result;
	struct str domain;     /* checked, lower case */
	struct str mechanism;  /* the term that matched, as written; "": none */
	struct str problem;    /* of none, temperror, permerror: why; printable ASCII */
	struct str exp;        /* of fail: domain-spec of exp=; p NULL: none */
	struct str exp_domain; /* the domain whose record that was in */
};

/* DONE with *out, its text in arena; or PENDING. */
enum progress spf_check(
    struct arena *arena, const struct spf_query *query, struct spf_outcome *out);
/*
 * What the domain itself says about a fail (6.2): any octets, cut. p NULL: it says nothing, or
 * something that cannot be used.
 */
enum progress spf_explain(struct arena *arena, const struct spf_query *query,
    const struct spf_outcome *outcome, struct str *out);

#define SPF_EXPLANATION_MAX 400

#endif
