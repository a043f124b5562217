/*
 * cases: tests of rules, written in the language of the rules: what is given of a session, and what the rules are expected to
 * make of it. A file of cases is read against a configuration, and each case is played from connect to the end of the
 * message, with nothing but what it gives: no name server, no store, no message. A fact that a rule needs and the
 * case does not give fails the case, and is named. Pure; one thread; the configuration must outlive it.
 *
 *	case "whom SPF forbids is refused" {
 *	    given client 192.0.2.1, sender "a@example.net", spf fail
 *	    expect reject 550 5.7.23 at mail
 *	}
 */
#ifndef POSTERN_RULES_CASES_H
#define POSTERN_RULES_CASES_H

#include "rules/config.h"
#include "rules/ruleset.h"

struct cases;

/* NULL when there was an error; complaints are filled in either case. */
struct cases *cases_read(
    const char *path, const struct config *config, struct complaints *complaints);
void cases_free(struct cases **cases);
size_t cases_count(const struct cases *cases);

struct case_result {
	struct str name;
	unsigned line;
	bool passed;
	struct str why;    /* what was expected and what came, or which fact is not given; "" */
	unsigned why_line; /* of what is expected, or of the case */
	/* what came of it */
	enum step step; /* at which it ended */
	struct verdict verdict;
};

/* Plays the i-th. Memory of the arena. */
void case_play(const struct cases *cases, size_t i, struct arena *arena, struct case_result *out);

#endif
