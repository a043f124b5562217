/*
 * replay_session: what the journal holds of an entry, made into what the evaluator reads: facts and answers are put in
 * their places in a session. Private to replay*.c and past.c.
 */
#ifndef POSTERN_RULES_REPLAY_SESSION_H
#define POSTERN_RULES_REPLAY_SESSION_H

#include "db/json.h"
#include "rules/hashed.h"
#include "rules/intern.h"
#include "rules/replay.h"

/* A name of a fact as the journal has it, and what it is under the rules of today. */
struct replay_name {
	struct fact_call call; /* entry NULL: there is no such fact */
};

/* A configuration that entries were decided under, against that of today. */
struct replay_era {
	char revision[16];
	bool same;    /* all of it */
	bool words;   /* all but what is in files of lists */
	bool *files;  /* of lists, in the configuration's order: it held something else */
	bool plans;   /* what plans say, and our own name */
	bool *stages; /* per part: its settings */
};

struct replay_record {
	const struct journal_record *record;
	const struct replay_era *era;
	enum step step;
	const struct json *head;  /* of the trace: the session */
	const struct json *steps; /* its first step; NULL: none */
	const struct json *facts;
	const struct json *recipients;
	bool trusted;      /* the client is, or is not, as it was then */
	bool differs;      /* recipients that were let in are not now, or the other way round */
	unsigned rejected; /* of these: refused for good now */
	bool answers;      /* they were read */
	bool cut;          /* the trace had no room for the last of its steps */
	bool mixed;        /* it does not tell in which order the recipients came */
	struct replay_answer *recorded;
	size_t n_recorded;
	bool unreadable;               /* a test needs the clear text of what is hashed */
	bool touched;                  /* a counter that it rests on is another one by now */
	bool forced;                   /* facts that rest on the store are asked for anew */
	struct exceptions *exceptions; /* that did something then; NULL: none */
	struct replay_difference *difference;
};

/* One that was given then. */
struct replay_answer {
	struct answer answer;
	bool used; /* it was asked for again */
};

struct replay {
	struct replayed replayed; /* must be first */
	const struct config *config;
	struct session session;
	struct arena *text;    /* of the entry: what was read */
	struct arena *scratch; /* of one pass of the rules */
	struct arena *names_arena;
	struct intern names;
	struct replay_name *name; /* by number of names */
	size_t cap_names;
	struct replay_era *era;
	size_t n_eras, cap_eras;
	uint64_t *hash; /* per part */
	struct replay_record entry;
	struct buf needs;
	struct replay_watch *watch; /* NULL: nobody does */
	/* what tests rest on where addresses are hashed: under our key, or under another */
	struct hashed *ours, *strangers;
	bool plans_known;               /* whose plan is the account's; it is hashed else */
	bool errors_known;              /* how many commands were in error at the step */
	struct replay_world *world;     /* of counters; NULL: they are taken as they were */
	struct replay_earlier *earlier; /* transactions */
	bool over_unknown;              /* `accept session` may have been said in one of them */
	bool messages_unknown;          /* how many of them got through is not known */
	bool joined;  /* a recipient may be one of the message's that was not then */
	bool halts;   /* the session stays where the first refusal comes */
	bool as_then; /* no rule is asked: each step goes as it went */
	/* the step that was decided last, with score and marks as they were before it */
	struct ask ask;
	int64_t score;
	struct mark *marks;
	void (*tell)(
	    const struct config *config, struct session *s, enum replay_event event, int64_t now);
};

/* Decides the entry that was read, from the session as it began. True: all rules let it pass. */
bool replay_run(struct replay *r, struct replay_result *out);
/* What it comes to when the rules let the last step pass. */
void replay_passed(const struct replay *r, struct replay_result *out);
/* What is not known when an entry was cut. */
#define REPLAY_NO_ROOM "what did not fit into the entry"
/* Decides one step, as told of by t (NULL: it is not). False: the entry ends here, and *out says how. */
bool replay_decide(struct replay *r, enum step step, const struct json *t, struct decision *d,
    struct replay_result *out);
/*
 * Decides the entry without anything that comes of it for those behind, to its last step or the first that does not let it pass
 * now: r->ask, score and marks are of that. False: it is too old.
 */
bool replay_halt(struct replay *r, const struct journal_record *record, struct replay_result *out);
/* The fact at r->ask, computed if that can be; NULL: it is not known. */
const struct fact *replay_fact(struct replay *r, const struct fact_call *call);
/* Reads the entry's texts. False: it is from before they held what it takes. */
bool replay_read(struct replay *r, const struct journal_record *record);
/* The session as it began. */
void replay_begin(struct replay *r);
/* Facts that lived so long, of the entry, or the step's own (NULL: it has none), are put in place for the step. */
void replay_facts(struct replay *r, enum step step, const struct json *facts,
    const struct json *lost, unsigned lives);
/* The answers of the entry are read, if they were not yet. */
void replay_answers(struct replay *r);
/* Answers what is noted in the table, as far as it can be known. True: something was. */
bool replay_resolve(struct replay *r, struct answers *table);

/* Of the entry. */
size_t replay_n_recipients(const struct replay *r);

/* ---- replay_era.c ---- */

/* NULL: replay_configuration() has not been told of it. */
const struct replay_era *replay_era_of(const struct replay *r, struct str revision);

/* ---- replay_earlier.c ---- */

struct replay_earlier *replay_earlier_new(const struct ruleset *rules);
/* A transaction begins: what those before it in its session left to it. */
void replay_recall(struct replay *r);
/* What rules say rests on a recipient of which nobody knows whether it is one, or whether it came before. */
bool replay_tells_others(const struct replay *r);
/* MAIL of the entry's transaction is refused now; false: an entry before told so. */
bool replay_refuses_mail(struct replay *r);
/* It was decided: whether `accept session` was said by then, how many messages more got through. */
void replay_keep(struct replay *r, const struct replay_result *now, bool over, int messages);

/* ---- replay_watch.c ---- */

/* A step was decided, as told of by t, or PENDING: who watches hears of it. */
void replay_tell(struct replay *r, enum step step, const struct json *t, const struct decision *d);
void replay_watch_free(struct replay *r);

/* ---- replay_world.c ---- */

/* As many as may have come of mail of which nothing is known. */
#define REPLAY_ANY_NUMBER (INT64_C(1) << 40)

struct replay_world *replay_world_new(void);
void replay_world_free(struct replay_world **world);
/* The counter, or the row, of this key is another one than it was then. False without a world. */
bool replay_touched(const struct replay *r, struct str key);
/* Some of the entry's answers are touched. */
bool replay_touches(struct replay *r);
/* The answer to a question about a row, if that is another one by now. */
enum replay_row { REPLAY_ROW_AS_THEN, REPLAY_ROW_NOW, REPLAY_ROW_UNKNOWN };
enum replay_row replay_seen(struct replay *r, struct answer *a);
/* What is added to a counter's answer, or taken from it. */
void replay_count(struct replay *r, struct answer *a);
/* Each sum may be so much less, or more. */
void replay_widen(struct count_answer *c, int64_t less, int64_t more);
/*
 * What stages that were told have noted comes to the entry's difference: what is counted now, times 1, what was then, times -1; or what may
 * have been, if it is not sure. replay_settle() has the counters and rows go another way by what is left of it.
 */
void replay_note(struct replay *r, const struct answers *noted, int64_t times, bool sure);
void replay_settle(struct replay *r);
/* Rows that accepted messages write: there are some that went another way, and these are written again by this one. */
bool replay_has_remembered(const struct replay *r);
void replay_renew(struct replay *r);
/* Rows that the entry's questions changed then, and that nobody asked for now: they are as they were before. */
void replay_undo(struct replay *r);

/* Of the rows that were asked for then nobody knows any more whether they were. */
void replay_lose(struct replay *r);

/* ---- replay_follow.c ---- */

/* It rests on counters that move with what is tried, not with what is let in; by the fact's name. */
bool replay_rests_on_tries(const char *fact);
/* A message comes, for all of its recipients or for some. */
bool replay_is_in(const struct replay_result *now);
/* What the verdict of the entry, as it was decided now or is not known, means for those behind it. */
void replay_follow(struct replay *r, const struct replay_result *now);

/* Which recipients the message has matters to it, at the step. */
bool replay_is_about_all(const struct fact_def *def, enum step step);
/* Names it, for the next. */
struct replay_name *replay_name(struct replay *r, struct str name);

#define LIVES(life) (1U << (life))
#define LIVES_RECIPIENT (LIVES(LIFE_RECIPIENT) | LIVES(LIFE_EACH_RECIPIENT))
#define LIVES_ALL 0x7fU
/* Facts that can be asked for from this step on, and live longer: what could not be put in place before. */
#define LIVES_NEW 0x80U

/* A whole number of a member; 0: there is none. Faster than json_number(). */
int64_t replay_number(const struct json *object, const char *name);

#endif
