/*
 * policy: recipients that the rules of message would tell apart do not get into one transaction, for a
 * message has one verdict. The tests (comparisons) of message rules that rest on a fact of
 * LIFE_EACH_RECIPIENT are collected when the rules are loaded. A recipient that the rules of rcpt let
 * pass is put to each of them; what comes of it is compared with what came of the first accepted
 * recipient. Who differs is deferred with 452 4.5.3, so that the client sends again for it
 * (RFC 5321 4.5.3.1.10). At message every test then says the same of all recipients.
 *
 * A test whose other side is not settled at rcpt (message.size, score) cannot be put yet: recipients
 * are told apart by the fact itself. Rules that are only observed part nobody. Where no rule of message
 * has such a test it costs nothing.
 */
#ifndef POSTERN_RULES_POLICY_H
#define POSTERN_RULES_POLICY_H

#include "rules/ruleset.h"

/* In the place of the rule, in verdict, journal and trace. */
#define POLICY_RULE "policy"
/* In the place of its text, of recipients that are alike. */
#define POLICY_ALIKE "rules of message tell recipients apart"

/*
 * Behind ruleset_decide() of the step rcpt, with its decision and its arena: turns an accept into the
 * deferral, or leaves it; at other steps and decisions does nothing. The trace gets an entry with the
 * facts that were asked. While no recipient is accepted, the present one is remembered in
 * txn.policy, as what the next is compared with. DONE, or PENDING: questions were noted, begin again
 * with ruleset_decide().
 */
enum progress policy_decide(
    const struct ruleset *rules, struct ask *ask, struct arena *arena, struct decision *d);

#endif
