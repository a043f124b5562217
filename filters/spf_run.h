/*
 * spf_run: one run of a check from the top: its budget, its questions, and the records it has
 * reached. Private to spf_check.c and spf_eval.c. Lives in a scratch arena that ends with the run,
 * whether there was a result or not.
 *
 * A run goes on until something ends it: a result that is final (an error, a limit), or a missing
 * answer. From then on nothing is asked or evaluated any more.
 */
#ifndef POSTERN_FILTERS_SPF_RUN_H
#define POSTERN_FILTERS_SPF_RUN_H

#include "filters/spf_check.h"
#include "filters/spf_macro.h"
#include "filters/spf_record.h"

/* A record that the run has reached, with the domain it belongs to. */
struct spf_frame {
	struct str domain;
	struct spf_record record;
	bool included; /* by include, at whatever distance: its exp= does not count */
};

/* A term that the evaluator may ask for by its number. */
struct spf_target {
	const struct spf_term *term;
	const struct spf_frame *frame;
	const struct dns_answer **host; /* mx: their addresses; NULL: not there yet */
	size_t n_hosts;
};

/*
 * Each of the records (the first, and one a lookup term) gets at most 11 such terms, an end and a
 * redirect.
 */
#define SPF_TARGETS ((SPF_LOOKUP_TERMS + 1) * (SPF_LOOKUP_TERMS + 3))

enum spf_run_state {
	SPF_RUNNING,
	SPF_WAITING, /* an answer is missing */
	SPF_ENDED,   /* with result and problem */
};

struct spf_run {
	const struct spf_query *query;
	struct arena *arena; /* scratch */
	enum spf_run_state state;
	enum spf_result result;
	struct str problem;
	unsigned terms, voids, questions;
	const struct spf_frame *top; /* the last one reached that is not included */
	const struct spf_term *term; /* of such a frame, the last one begun */
	bool names_known;            /* the client's validated names (5.5): */
	bool names_void;             /* there was no PTR record */
	struct str name[SPF_HOSTS];
	size_t n_names;
	struct spf_target target[SPF_TARGETS];
	size_t n_targets;
};

/* A run in an arena of its own. */
struct spf_run *spf_run_new(const struct spf_query *query);
void spf_run_free(struct spf_run **run);

/* Ends the run with an error; the first one counts. The text becomes printable ASCII. */
void spf_run_end(struct spf_run *run, enum spf_result result, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Counts a term that needs the DNS; false: one too many. */
bool spf_run_term(struct spf_run *run);
/* Counts a term that found nothing; false: one too many. */
bool spf_run_void(struct spf_run *run);
/* Asks without needing the answer at once; NULL: it is not there, or the run has ended. */
const struct dns_answer *spf_run_note(struct spf_run *run, struct str name, enum dns_type type);
/* Asks for what the run cannot go on without: NULL and the run waits or has ended (temperror). */
const struct dns_answer *spf_run_ask(struct spf_run *run, struct str name, enum dns_type type);
/* Was this name invalid, so that nothing was asked? */
bool spf_run_nowhere(const struct dns_answer *answer);
/* A or AAAA, as the client is. */
enum dns_type spf_run_address_type(const struct spf_run *run);
/* Finds the client's validated names (5.5), once; false: waiting, or ended. */
bool spf_run_names(struct spf_run *run);
/* Is name the domain, or below it? */
bool spf_name_within(struct str name, struct str domain);
/* What the macros of a text in this domain's record stand for; false: waiting, or ended. */
bool spf_run_values(
    struct spf_run *run, struct str text, struct str domain, struct spf_values *out);
/*
 * The name a term is about: its domain-spec expanded, or the frame's domain. False: waiting, or
 * ended. An empty name: the term matches nothing (RFC 8616 section 4).
 */
bool spf_run_name(struct spf_run *run, const struct spf_target *target, struct str *out);
/* Fetches and parses the record of a domain; NULL: waiting, or ended. */
const struct spf_frame *spf_run_open(struct spf_run *run, struct str domain, bool included);

#endif
