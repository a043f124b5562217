/*
 * replay: decides again, under other rules, what the journal keeps of sessions: from the facts and answers of each entry alone,
 * with no network, no store and no mail. "What would have become of this mail, had these rules been in force?"
 *
 * A session is rebuilt from the entry, and the steps that led to it are decided one after the other by the same evaluator
 * that posternd has. A fact that was gathered then stands; but where its stage has other settings now, it is computed again from the answers
 * that are kept. What the rules ask for beyond that is not known, and the verdict is unknown then, with the fact named:
 * nothing is guessed. Under the very rules of the time every verdict is the same again.
 *
 * Owns what it reads of one entry until the next. One thread at a time; memory does not grow with the number of entries.
 */
#ifndef POSTERN_RULES_REPLAY_H
#define POSTERN_RULES_REPLAY_H

#include "db/journal.h"
#include "rules/config.h"
#include "rules/ruleset.h"

struct replay;

enum replay_state {
	REPLAY_DECIDED,
	REPLAY_UNKNOWN, /* for want of a fact */
	REPLAY_ASIDE, /* no verdict about a session's mail: a sum of refusals, a step let through, an administrator's act */
	REPLAY_TOO_OLD, /* from before entries held what it takes */
	REPLAY_STATES,
};

struct replay_result {
	enum replay_state state;
	const char *verdict; /* accept, tempfail, reject, defer, left: as in the journal; static */
	enum step step;      /* at which it is given */
	struct str rule;     /* that gives it; "": none */
	struct str needs;    /* UNKNOWN: the fact */
	/* recipients of a message that was let in; how many of them are refused now */
	unsigned recipients, refused;
	bool observed; /* a rule that is only observed would refuse it */
	bool
	    touched; /* it rests on a counter that went another way, for verdicts before it changed */
};

/* A step as it is decided now, with the rules that were looked at. */
struct replay_step {
	enum step step;
	struct trace trace;
	const struct trace_rule
	    *lacks; /* the last of them: it needs a fact that is not known; NULL */
};

/* What stages are told of, so that they count. */
enum replay_event {
	REPLAY_RCPT_TAKEN,
	REPLAY_RCPT_UNKNOWN,
	REPLAY_REFUSED,
	REPLAY_ACCEPTED,
	REPLAY_OVER,
};

/*
 * The configuration must outlive it. tell: hands an event on to the stages in use, whose questions stay noted; NULL: the store's answers are
 * taken as they were (--frozen). With it, verdicts that change have counters and greylist go another way from then on.
 */
struct replay *replay_new(const struct config *config,
    void (*tell)(
	const struct config *config, struct session *s, enum replay_event event, int64_t now));
void replay_free(struct replay **replay);
/*
 * told() hears of each decision of a session, once, however many of the entries repeat it; the trace is valid during the call. Once, before the first
 * entry.
 */
void replay_watch(
    struct replay *replay, void (*told)(void *owner, const struct replay_step *step), void *owner);
/*
 * The configuration that the next entries with that revision were decided under, as the journal keeps it (rules/record.h); an
 * empty text: it is not there.
 */
void replay_configuration(struct replay *replay, struct str revision, struct str text);
/* False: replay_configuration() has not been told of it yet. */
bool replay_knows(const struct replay *replay, struct str revision);
/*
 * Files of lists that the configurations of then and of today both name, and that held something else then. Calls told() for each of them, by its
 * path as it is written. True: there are such, and but for them the two are the same.
 */
bool replay_files(const struct replay *replay, struct str revision,
    void (*told)(void *owner, struct str file), void *owner);
/* How the rule reads that a result names; "": it is none. */
struct str replay_source(const struct replay *replay, struct str rule);
/* Texts of the result are valid until the next. */
void replay_entry(
    struct replay *replay, const struct journal_record *record, struct replay_result *out);

#endif
