/*
 * fact: named, typed values about a session, computed when first asked for and kept for their
 * lifetime. A fact_def is a const row of a stage (or of the session's own table). fact_get() is the
 * pull by which everything is lazy: rules call it for a condition, stages call it for each other's
 * facts. Pure apart from the clock that measures how long each took; one thread at a time.
 */
#ifndef POSTERN_MAIL_FACT_H
#define POSTERN_MAIL_FACT_H

#include "base/progress.h"
#include "mail/question.h"
#include "mail/value.h"

enum step { STEP_CONNECT, STEP_HELO, STEP_MAIL, STEP_RCPT, STEP_MESSAGE, STEP_COUNT };
const char *step_name(enum step step);

enum fact_life {
	LIFE_SESSION,     /* the same for the whole connection: client.ip, client.name */
	LIFE_HELO,        /* until the next HELO/EHLO */
	LIFE_TRANSACTION, /* until the next MAIL, RSET or end of message: spf, sender */
	LIFE_RECIPIENT,   /* until the next RCPT; at mail and message computed anew, without one */
	/*
	 * As LIFE_RECIPIENT, but about one mailbox and nothing else. At message it is that of the first
	 * recipient, and rules that test it there part recipients that they tell apart
	 * (rules/policy.h). compute() reads session_recipient()
	 */
	LIFE_EACH_RECIPIENT,
};

enum fact_cost { COST_FREE, COST_STORE, COST_DNS, COST_BODY };

#define FACT_PARAMS 4

struct fact_param {
	const char *name;
	enum value_type type;       /* SYMBOL, TEXT, NUMBER, DURATION */
	const char *const *symbols; /* SYMBOL: NULL-terminated */
	bool optional;              /* only behind the ones that are not */
};

struct ask;
struct costs;
struct fact_call;

/* What can be done of one of a fact's words; the last row's value is NULL. */
struct remedy {
	const char *value, *text;
};

struct fact_def {
	const char *name; /* "spf", "dkim.domains", "rate" */
	enum value_type type;
	const char *const *symbols;      /* SYMBOL: every value it can take, NULL-terminated */
	const struct fact_param *params; /* NULL, or FACT_PARAMS at most, ended by name NULL */
	enum step from, to;              /* the steps at which it can be asked for */
	enum fact_life life;
	enum fact_cost cost;
	/*
	 * DONE with *out filled (its memory from ask->arena), or PENDING. Never fails: an error is
	 * a value, such as temperror.
	 */
	enum progress (*compute)(struct ask *ask, const struct fact_call *call, struct value *out);
	const char *help; /* a sentence for the man page */
	/* What types cannot say of the arguments, asked once when a rule is loaded; may be NULL. */
	bool (*check)(const struct fact_call *call, struct err *e);
	/*
	 * What a sender who was refused for it can do: sentences, with ${client.ip}, ${helo}, ${sender} and any fact. A
	 * sentence whose facts are not known is left out. NULL: nothing
	 */
	const char *remedy;
	const struct remedy *remedies; /* SYMBOL: where it is another one; NULL: nowhere */
	int64_t most;                  /* NUMBER, REAL: it is never more; 0: there is no bound */
	/*
	 * How many questions it can cause, noted in costs (mail/cost.h); compute() never asks more. NULL: none if it is COST_FREE, else
	 * nobody knows
	 */
	void (*asks)(struct costs *costs, const struct fact_call *call);
};

/* A fact with the settings of the stage it belongs to; the configuration holds a table of these. */
struct fact_entry {
	const struct fact_def *def;
	const void *conf; /* the stage's settings, or NULL */
	size_t stage;     /* the stage's index in that configuration */
};

struct fact_table {
	const struct fact_entry *entry; /* sorted by name */
	size_t n;
};

const struct fact_entry *fact_find(const struct fact_table *table, struct str name);

struct fact_call {
	const struct fact_entry *entry;
	size_t n_args;
	struct value arg[FACT_PARAMS];
};

/* "rate(client, messages, 1h)": as it would be written in a rule. */
void fact_call_print(const struct fact_call *call, struct buf *out);
bool fact_call_eq(const struct fact_call *a, const struct fact_call *b);

/* What did not answer: a fact that rests on it may be another one next time. */
enum failure {
	FAILURE_DNS = 1 << 0,
	FAILURE_STORE = 1 << 1,
	FAILURE_QUESTIONS = 1 << 2, /* not asked: the session has asked too much (ANSWERS_MAX) */
};

/* A fact that has been computed. */
struct fact {
	struct fact_call call;
	struct value value;
	unsigned failures; /* of enum failure */
	enum step step;    /* at which it was computed */
	int64_t took_us;   /* computing, waiting left out */
	struct fact *next; /* in the order computed */
};

struct facts {
	struct fact *first, **end;
};

struct session;

/* What a stage is handed: everything it may look at, and nothing to do with it. */
struct ask {
	/* to read; its answers and facts are reached through the functions below */
	struct session *session;
	const struct fact_table *table;
	enum step step;
	int64_t now;         /* wall seconds, the same for the whole decision */
	struct arena *arena; /* of the fact's lifetime: results go here */
	const void *conf;    /* settings of the stage that is being asked */
	/*
	 * the stage's own pointer, kept in the transaction; clean up through the arena. NULL
	 * outside of one
	 */
	void **state;
	const char *asker; /* the fact that is being computed, or the stage that is told */
	size_t depth;      /* of facts that ask for facts */
	/*
	 * of enum failure: what did not answer so far; becomes the fact's. A stage that keeps results
	 * keeps this with them, and one whose result does not depend on what is missing takes it away
	 */
	unsigned failures;
	/* no stage is asked for more than what costs nothing, nor the clock: a fact that is not known and does is PENDING */
	bool closed;
	const struct fact_call
	    *waits; /* the last that said PENDING, of those asked for with this ask */
};

/*
 * A session of which only what was kept is left (rules/replay.h): some facts cannot be computed any more. Asking for one that was
 * not put in place (fact_put) is PENDING, and so is one whose questions have no answer.
 */
struct replayed {
	bool (*lacks)(const struct replayed *replayed, const struct fact_call *call);
	/* the first that was asked for in vain, of whoever asked; entry NULL: none. To be cleared */
	struct fact_call missing;
};

/*
 * DONE with *out, or PENDING. Facts of a step to come, or an unknown name, are a fault of ours:
 * panic.
 */
enum progress fact_get(struct ask *ask, const struct fact_call *call, struct value *out);
/*
 * The same by name, without arguments. For a stage that uses another's fact: if the table has no
 * such fact, *out is VALUE_NONE.
 */
enum progress fact_get_named(struct ask *ask, const char *name, struct value *out);
/* As if it had been computed just now to be this; its texts are copied. For who plays a session with facts of his own. */
void fact_give(struct ask *ask, const struct fact_call *call, const struct value *value);
/* Puts one in place that was computed before, where fact_get() finds it at ask->step. Nothing is copied. */
void fact_put(
    struct ask *ask, const struct fact_call *call, const struct value *value, unsigned failures);
/* The fact if it was computed already; NULL. */
const struct fact *fact_known(const struct session *session, const struct fact_call *call);

/* Questions, for stages. DONE with *out, or PENDING. */
enum progress ask_dns(
    struct ask *ask, struct str name, enum dns_type type, const struct dns_answer **out);
/* *out is NULL when the store could not answer. */
enum progress ask_seen(
    struct ask *ask, struct str key, const struct seen_question *q, const struct seen_answer **out);
enum progress ask_count(
    struct ask *ask, struct str key, int64_t add, const struct count_answer **out);
/* The same for the n-th of several equal events, each of which counts: n tells them apart. */
enum progress ask_count_nth(
    struct ask *ask, struct str key, int64_t add, unsigned n, const struct count_answer **out);
/*
 * n of key's counter; serial as n above. *counts is NULL when the store could not answer, else *out is filled too.
 */
struct take_call {
	struct str key;
	int64_t n;
	unsigned serial;
	struct take_question take;
};
enum progress ask_take(struct ask *ask, const struct take_call *call,
    const struct count_answer **counts, const struct take_answer **out);
/* hashes: "" only reads; serial as n above. *out is NULL when the store could not answer. */
enum progress ask_distinct(struct ask *ask, struct str key, struct str hashes, unsigned serial,
    const struct count_answer **out);

#endif
