/*
 * cost: how many questions a fact can cause. A fact's row has a function that says so (fact_def.asks): it notes groups of questions, each with its
 * name, whom is asked, and how many at least and at most. Groups of one name are the same questions: they are asked once,
 * whatever fact needs them. "At least" is of a session whose client has an address and that names what can be asked for; one
 * that names nothing can cost less. The bounds are those that the stages hold to, read from the same constants. Pure.
 */
#ifndef POSTERN_MAIL_COST_H
#define POSTERN_MAIL_COST_H

#include "mail/fact.h"
#include "mail/plan.h"

/* Of one fact, with those that it asks for in turn. */
#define COST_GROUPS_MAX 24

struct cost_group {
	struct str name; /* "spf", "listed zen.example.org" */
	bool store;      /* else the DNS */
	bool each;       /* asked anew for each recipient */
	unsigned least, most;
};

/* What is noted, and what it depends on. Born zeroed but for the first four. */
struct costs {
	struct arena *arena;
	const struct fact_table *table;
	const struct plans *plans; /* NULL: there are none */
	enum step step;            /* at which is asked */
	struct cost_group group[COST_GROUPS_MAX];
	size_t n;
	bool unknown; /* something is asked that does not say how much */
	size_t depth;
};

/* What a row notes. Of a group that is there already the larger bounds stay. */
void cost_dns(struct costs *costs, struct str name, unsigned least, unsigned most);
void cost_store(struct costs *costs, struct str name, unsigned least, unsigned most);
void cost_store_each(struct costs *costs, struct str name, unsigned least, unsigned most);
/* That the fact asks for another one, without arguments; one that is in no table costs nothing. */
void cost_fact(struct costs *costs, const char *name);
/* For rows of facts that look at the message and ask nothing. */
void cost_nothing(struct costs *costs, const struct fact_call *call);

/* What a call costs; whose row says nothing and is not COST_FREE is unknown. */
void cost_call(struct costs *costs, const struct fact_call *call);

#endif
