/*
 * record: what went into a verdict, as the JSON texts that the journal keeps: enough to tell how it came about,
 * and to decide it again (rules/replay.h). Each fact is written once, and of each rule that was looked at only which facts it
 * asked for and whether it was true; how the rules read stands in the configuration's own text, which is kept once
 * (db/journal_config.h). docs/journal.md has the form. Each text is valid JSON whatever its length: when the buffer's maximum
 * does not hold all, whole elements are left out at the end and a last one, "cut", says how many. Pure.
 */
#ifndef POSTERN_RULES_RECORD_H
#define POSTERN_RULES_RECORD_H

#include "base/arena.h"
#include "base/err.h"
#include "db/json.h"
#include "rules/config.h"
#include "rules/ruleset.h"

/* Of the trace; entries without it are older, and do not hold what replay needs. */
#define RECORD_FORMAT 2

/*
 * {"spf":"fail","rate(client, messages, 1h)":12}: all facts computed so far that hold at this step; of those that are computed
 * anew for each recipient, the current one's.
 */
void record_facts(const struct session *s, enum step step, struct buf *out);

/* A step that was decided: what the entry at its end tells of it. Memory is the caller's. */
struct record_told {
	enum step step;
	const struct recipient *recipient; /* of RCPT */
	struct str text;                   /* record_step() */
	/* of HELO: what it said then, when another one came that no rule was asked about; p NULL: not told */
	struct str helo;
	bool esmtp, tls;
	const struct record_told *next;
};

/*
 * The members of a step's object, without its braces: "after":3,"tried":"0|0 1*",...
 * final: the entry is this step's, so that its facts need not be told twice.
 */
void record_step(const struct config *config, const struct ask *ask, const struct decision *d,
    bool final, struct buf *out);

/*
 * [{"format":2,...},{"at":"connect",...},...]: the session, then the steps told, in the order of the two lists, one behind the
 * other.
 */
void record_trace(const struct session *s, enum step step, const struct record_told *connection,
    const struct record_told *transaction, struct buf *out);

/* The rules, facts and stages of a configuration, as the numbers of a trace refer to them. Of one that would be longer nothing is kept. */
#define RECORD_CONFIGURATION_MAX (8 << 20)
void record_configuration(const struct config *config, struct buf *out);

/*
 * A trace as people and programs read it, from what the journal keeps; configuration may be empty:
 * [{"step":"mail","rule":"postern.conf:12","source":"reject ...","action":"reject","hit":true,"observed":false,
 *   "facts":[{"fact":"spf","value":"fail","us":12}]}]: the rules looked at, in their order. An older one stays as it is.
 */
struct str record_expand(
    struct arena *arena, struct str configuration, struct str facts, struct str trace);

/* The same of a decision at hand. */
void record_decision(enum step step, const struct decision *d, struct buf *out);

/*
 * What was asked from outside and has been answered, in the order asked:
 * [{"dns":"example.org TXT","status":"ok","ttl":300,"secure":false,"us":1200,"records":["v=spf1"]},
 *  {"seen":"greylist:..","delay":300,"retry":..,"remember":..,"state":"first","first":..,"last":..,
 *   "hits":0,"wait":300,"us":80},
 *  {"count":"rate:..","add":1,"minute":1,"hour":1,"day":1,"us":80},
 *  {"distinct":"rate:..","add":2,"minute":2,"hour":2,"day":2,"us":80}]
 * A count has "burst", "usual" (in eighths), "usual_low", "usual_high", "hours_known", "since" and "past" where they are not 0.
 * A DNS failure has "why"; a question that the store could not answer has "failed":true and no values.
 */
void record_answers(const struct session *s, struct buf *out);

/* A fact's value out of its JSON, of the type that it has; false: it is none of this type. Its texts may lie in v. */
bool record_value(
    struct arena *arena, enum value_type type, const struct json *v, struct value *out);
/* A number as written: the whole of it. */
int64_t record_whole(struct str digits);

/* "first", "early", ...: as in the answers' "state". */
const char *record_seen_state(enum seen_state state);
/* "hold", "keep", ...: as in the answers' "what". */
const char *record_take_what(enum take_what what);

#endif
