/*
 * question: what a stage needs from outside, and the answers. "Ask, don't wait": a stage looks here
 * for its answer; when it is not there, the question is noted and the stage says PENDING. The gate
 * sends what is noted, puts the answers here, and asks the stage again. A question is identified by
 * what it asks, so that asking again finds the answer, and nothing is counted twice. No I/O; one
 * thread at a time.
 */
#ifndef POSTERN_MAIL_QUESTION_H
#define POSTERN_MAIL_QUESTION_H

#include "base/dns.h"
#include "base/progress.h"

enum question_kind {
	QUESTION_DNS,
	QUESTION_SEEN,
	QUESTION_COUNT,
	QUESTION_TAKE,
	QUESTION_DISTINCT
};

/*
 * SEEN: "has this key been seen before, and since when?" One row of the store, read and updated in
 * one go. A row is waiting (first..last), then proven. Durations in seconds.
 */
struct seen_question {
	int64_t delay; /* a row younger than this has to wait */
	/* a waiting row older than this is forgotten: the next one is a first again */
	int64_t retry;
	int64_t remember; /* a proven row unused for so long is forgotten */
	bool look_only;   /* change nothing; a key that is not there stays so */
	bool prove;       /* makes the row proven at once (and renews it), whatever its age */
	bool forget;      /* takes the row away; the answer is what look_only would say */
};

enum seen_state {
	SEEN_NEVER,   /* look_only: there is no such row */
	SEEN_FIRST,   /* was not there, is now, and waits */
	SEEN_EARLY,   /* waiting, and came back before the delay was over */
	SEEN_RETRIED, /* waiting, came back in time: is proven now */
	SEEN_PROVEN,  /* was proven before */
};

struct seen_answer {
	enum seen_state state;
	int64_t first,
	    last;     /* wall seconds: first seen, last seen before this question; 0: never */
	int64_t hits; /* how often it was seen since it was proven */
	int64_t wait; /* seconds until a retry would be taken; 0: none */
};

/* Sliding sums of a counter. */
struct count_sums {
	int64_t burst, minute, hour, day;
};

/* COUNT: "add n to this key and tell me the totals." add 0 only reads. */
struct count_answer {
	int64_t burst, minute, hour, day; /* sliding sums, with what this question added */
	/*
	 * What is usual for this key in an hour like the present one (db/history.h); all 0: not known. Finished hours of the
	 * clock make it up, never the present one
	 */
	int64_t usual;                 /* in eighths */
	int64_t usual_low, usual_high; /* from, to */
	int64_t hours_known;           /* of the 168 of a week: how many that rests on */
	int64_t since;                 /* wall seconds of the key's first hour; 0: none */
	int64_t
	    past; /* in 32nds: of the days before this one, older ones less and less (db/history.h) */
	/*
	 * A replay (rules/replay.h) may know sums only between bounds: each may be so many more. Who cannot say the same for all that lies
	 * between says PENDING
	 */
	struct count_sums spread;
};

/* Only a replay may not know what is usual, and past: hours_known is -1 then. Who needs it says PENDING. */
static inline bool
count_past_known(const struct count_answer *a)
{
	return a->hours_known >= 0;
}

static inline struct count_sums
count_least(const struct count_answer *a)
{
	return (struct count_sums){ a->burst, a->minute, a->hour, a->day };
}

static inline struct count_sums
count_most(const struct count_answer *a)
{
	return (struct count_sums){ a->burst + a->spread.burst, a->minute + a->spread.minute,
		a->hour + a->spread.hour, a->day + a->spread.day };
}

static inline bool
count_sums_known(const struct count_answer *a)
{
	return (a->spread.burst | a->spread.minute | a->spread.hour | a->spread.day) == 0;
}

/*
 * TAKE: "n of this key's counter, if its limits have room for them." What is granted is held, not counted, until it is
 * settled (counted) or freed; what others hold fills the limits as what is counted does, so that no number of
 * transactions at once passes a limit. See db/store.h.
 */
enum take_what {
	TAKE_HOLD,   /* the holder is to hold n, in the place of what it held: granted or not */
	TAKE_KEEP,   /* it holds n without being judged: what was granted is to last longer */
	TAKE_SETTLE, /* it holds nothing any more, and n are counted */
	TAKE_FREE,   /* it holds nothing any more */
	TAKE_LOOK,   /* would n be granted? Changes nothing */
	TAKE_ALLOW,  /* an administrator's: these limits for this key, for so long; 0 s: no more */
	TAKE_RESET,  /* an administrator's: nothing was counted, nothing is held */
};

/* 0: no limit. */
struct take_limits {
	int64_t burst, minute, hour, day;
};

struct take_question {
	enum take_what what;
	uint64_t holder; /* one transaction, anywhere */
	int64_t lasts;   /* HOLD, KEEP, ALLOW: seconds, after which it is as if it had not been */
	struct take_limits limit; /* HOLD, LOOK, ALLOW */
};

/* Beside the key's counts (count_answer). */
struct take_answer {
	bool granted;
	int64_t held; /* by others */
	/*
	 * Not granted: seconds until there is room, at most (when all that is held is counted); exactly, when nothing is held. 0: never,
	 * as n is more than the limit. -1: a replay does not know
	 */
	int64_t free;
	struct take_limits limit; /* in force: the question's, or an administrator's */
	int64_t until; /* wall seconds, at which the administrator's end; 0: the question's */
};

/*
 * DISTINCT: "these came to this key; how many different ones?" Of the answer minute, hour and day are filled
 * (db/sketch.h). No hashes: it only reads.
 */
#define QUESTION_HASH 4          /* octets of each, the highest first */
#define QUESTION_HASHES_MAX 1024 /* a question has at most so many */

struct question {
	enum question_kind kind;
	/* DNS: lower case, no final dot. Store: the key, e.g. "rate:messages:client:192.0.2.1" */
	struct str name;
	enum dns_type type; /* DNS */
	struct seen_question seen;
	struct take_question take;
	/* the fact, or the stage, that asked first: static, no part of what is asked. NULL: not known */
	const char *asker;
	int64_t add;       /* COUNT; TAKE: n */
	struct str hashes; /* DISTINCT */
	unsigned
	    serial; /* COUNT, TAKE, DISTINCT: tells equal questions apart that are to count each */
};

struct answer {
	struct question question;
	enum { ANSWER_NOTED, ANSWER_SENT, ANSWER_HERE } state;
	bool failed; /* of the store: could not be had. DNS says DNS_TEMPFAIL instead */
	struct dns_answer dns;
	struct seen_answer seen;
	struct count_answer count; /* COUNT, TAKE, DISTINCT */
	struct take_answer take;
	int64_t took_us;     /* from sending to arriving */
	struct answer *next; /* in order of noting */
};

struct answers {
	struct answer *first, **end;
	size_t noted, sent, total; /* in state NOTED, in state SENT, in all */
};

/*
 * total questions of one session's table; beyond it, and once the arena is over its limit, DNS questions answer
 * DNS_TEMPFAIL ("budget"), store ones `failed`.
 */
#define ANSWERS_MAX 512

/*
 * The answer to q, or NULL: it is not there. A question that is not in the table is noted (copied
 * into arena). DNS names that are not valid (dns_name_ok) are answered NXDOMAIN at once.
 */
const struct answer *answers_get(struct answers *a, struct arena *arena, const struct question *q);
/* Same, but a question that is not there is not noted. */
const struct answer *answers_peek(const struct answers *a, const struct question *q);
/* Do they ask the same? */
bool question_eq(const struct question *a, const struct question *b);
/* Is this what a full table says (ANSWERS_MAX), rather than who was asked? */
bool answer_is_over(const struct answer *a);
/* Is q in the table, answered or not? Whoever has two tables must not note it in the second. */
bool answers_holds(const struct answers *a, const struct question *q);
/* Empties the table (its memory is the arena's). */
void answers_clear(struct answers *a);

#endif
