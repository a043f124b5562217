/*
 * gate_record: makes the journal's records of what the gate decided. Reads session and decision;
 * keeps, as text, the story so far: the rules of earlier steps that did something (score, mark,
 * header, observed), so that a later verdict can be explained from its own record alone.
 */
#ifndef POSTERN_PROXY_GATE_RECORD_H
#define POSTERN_PROXY_GATE_RECORD_H

#include "db/journal.h"
#include "mail/session.h"
#include "rules/ruleset.h"

struct gate_story {
	struct str connection;  /* of connect and helo: a JSON array as text, in the conn arena */
	struct str transaction; /* of the steps since MAIL, in the transaction's */
	const char *revision;   /* of the configuration */
	int64_t began_us;       /* the decision that is being made, monotonic */
};

/* Adds what the rules of a step did that let the session go on. */
void gate_story_add(
    struct gate_story *story, struct session *s, enum step step, const struct decision *d);

/* d: NULL when no rule spoke. */
struct journal_record *gate_record_refusal(struct session *s, enum step step,
    const struct verdict *v, const struct decision *d, const struct gate_story *story);
/* An observed rule would have refused; the step was passed. */
struct journal_record *gate_record_observed(
    struct session *s, enum step step, const struct decision *d, const struct gate_story *story);
/* rule: "" or why it was accepted without being handed on. */
struct journal_record *gate_record_accepted(
    struct session *s, struct str reply, struct str rule, const struct gate_story *story);
struct journal_record *gate_record_backend(
    struct session *s, enum step step, int code, struct str reply, const struct gate_story *story);
/* The client went away before it was told anything. */
struct journal_record *gate_record_left(
    struct session *s, enum step step, struct str text, const struct gate_story *story);
/* A failed authentication as `account`, which is nobody's yet. */
struct journal_record *gate_record_auth(
    struct session *s, const struct verdict *v, struct str account, const struct gate_story *story);
#endif
