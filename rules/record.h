/*
 * record: what went into a verdict, as the JSON texts that the journal keeps: the facts, the
 * trace of the rules, the answers of DNS and store. The gate and `postern test` write the same.
 * Each text is valid JSON whatever its length: when the buffer's maximum does not hold all, whole
 * elements are left out at the end and a last one, "cut", says how many. Pure.
 */
#ifndef POSTERN_RULES_RECORD_H
#define POSTERN_RULES_RECORD_H

#include "rules/ruleset.h"

/* {"spf":"fail","rate(client, messages, 1h)":12}: all facts computed so far that still hold. */
void record_facts(const struct session *s, struct buf *out);

/*
 * [{"rule":"postern.conf:12","source":"reject ...","action":"reject","hit":true,"observed":false,
 *   "facts":[{"fact":"spf","value":"fail","us":12}]}]: the rules looked at, in their order.
 */
void record_trace(const struct decision *d, struct buf *out);

/*
 * What was asked from outside and has been answered, in the order asked:
 * [{"dns":"example.org TXT","status":"ok","ttl":300,"secure":false,"us":1200,"records":["v=spf1"]},
 *  {"seen":"greylist:..","delay":300,"retry":..,"remember":..,"state":"first","first":..,"last":..,
 *   "hits":0,"wait":300,"us":80},
 *  {"count":"rate:..","add":1,"minute":1,"hour":1,"day":1,"usual_hour":0,"hours_known":0,"us":80}]
 * A DNS failure has "why"; a question that the store could not answer has "failed":true and no values.
 */
void record_answers(const struct session *s, struct buf *out);

/* "first", "early", ...: as in the answers' "state". */
const char *record_seen_state(enum seen_state state);

#endif
