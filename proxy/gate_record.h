/*
 * gate_record: makes the journal's records of what the gate decided. Reads session and decision;
 * keeps, as text, the story so far: what the rules of each step looked at and what they found, so that a
 * verdict can be explained, and decided again, from its own record alone (rules/record.h).
 */
#ifndef POSTERN_PROXY_GATE_RECORD_H
#define POSTERN_PROXY_GATE_RECORD_H

#include "db/journal.h"
#include "mail/session.h"
#include "rules/record.h"

/* A step of the connection is told in the place of an earlier one: who says EHLO over and over costs no memory. */
struct gate_told {
	struct record_told told;
	size_t room; /* of the text's memory */
};

struct gate_story {
	struct gate_told connect, helo;
	const struct record_told *first, **end; /* of the transaction, in its arena */
	const struct config *config;
	int64_t began_us; /* the decision that is being made, monotonic */
	int64_t now;      /* its wall seconds */
};

/* Adds what the rules of a step did that let the session go on. */
void gate_story_add(
    struct gate_story *story, struct session *s, enum step step, const struct decision *d);
/* The transaction is over. */
void gate_story_reset(struct gate_story *story);

/* d: NULL when no rule spoke. */
struct journal_record *gate_record_refusal(struct session *s, enum step step,
    const struct verdict *v, const struct decision *d, struct gate_story *story);
/* An observed rule would have refused; the step was passed. */
struct journal_record *gate_record_observed(
    struct session *s, enum step step, const struct decision *d, struct gate_story *story);
/* rule: "" or why it was accepted without being handed on. */
struct journal_record *gate_record_accepted(
    struct session *s, struct str reply, struct str rule, struct gate_story *story);
struct journal_record *gate_record_backend(
    struct session *s, enum step step, int code, struct str reply, struct gate_story *story);
/* The MTA could not be had. */
struct journal_record *gate_record_away(
    struct session *s, enum step step, const struct verdict *v, struct gate_story *story);
/* The client went away before it was told anything. */
struct journal_record *gate_record_left(
    struct session *s, enum step step, struct str text, struct gate_story *story);
/* A command the MTA said no to; of AUTH, `account` is who was tried, and nobody yet. */
struct journal_record *gate_record_command(
    struct session *s, const struct verdict *v, struct str account, struct gate_story *story);
#endif
