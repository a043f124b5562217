/*
 * hashed: tests of rules on a session whose addresses are pseudonyms, as the journal keeps them (mail/pseudonym.h), when it is decided
 * again. What is compared with an address as a whole is hashed too, and gives what it gave in clear; so do lists of mailboxes
 * and accounts, and everything about domains. What only the clear text tells (a regular expression, a part of a local part) is not known: the
 * test is PENDING, and says on which fact. Nothing is guessed.
 *
 * Private to the evaluation; a replay owns one. It keeps the lists that it has hashed; one thread at a time.
 */
#ifndef POSTERN_RULES_HASHED_H
#define POSTERN_RULES_HASHED_H

#include "mail/plan.h"
#include "mail/pseudonym.h"
#include "rules/eval.h"

struct hashed;

/* p must outlive it. NULL: the key is another one, or not known: then only what domains decide is known. */
struct hashed *hashed_new(const struct pseudonym *p);
void hashed_free(struct hashed **hashed);

/* The truth of a test on two values that are known; right NULL where there is none. PENDING: ev->missing is the fact's slot. */
enum truth hashed_test(struct evaluation *ev, const struct node *n, const struct value *left,
    const struct value *right);

/* The last test that was PENDING asked for this fact; NULL: none was since hashed_clear(). */
const struct fact_call *hashed_stuck(const struct hashed *hashed);
void hashed_clear(struct hashed *hashed);

/* Plans whose accounts are named by pseudonyms. *known: that of this account is found so. */
const struct plans *hashed_plans(
    struct hashed *hashed, const struct plans *plans, struct str account, bool *known);

#endif
