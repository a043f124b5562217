/*
 * trial: plays one session through stages and rules as posternd would, with no front and no MTA: DNS is
 * asked for real, the store is only looked at, nothing is journalled and no mail is sent. Blocks until
 * its questions are answered: for the command line only.
 */
#ifndef POSTERN_CLI_TRIAL_H
#define POSTERN_CLI_TRIAL_H

#include "filters/stage.h"
#include "rules/config.h"
#include "rules/ruleset.h"

struct trial;

/*
 * store: the path of store.db, one that is not there counts as empty; NULL: the shared store. The configuration must outlive
 * the trial.
 */
struct trial *trial_new(const struct config *config, const char *store, struct err *e);
void trial_free(struct trial **trial);
struct session *trial_session(struct trial *trial);
/* Whether there was a store to look at. */
bool trial_has_store(const struct trial *trial);
/* Runs the rules of a step, and applies what they say. The decision is valid until the next. */
const struct decision *trial_decide(struct trial *trial, enum step step);
/* How long the last decision took. */
int64_t trial_took_us(const struct trial *trial);
/* The current recipient was taken by an imagined MTA. */
void trial_rcpt_taken(struct trial *trial);
/*
 * Gives the transaction its message: a file as mail programs write it, with LF or CRLF. The stages
 * are told.
 */
bool trial_message(struct trial *trial, const char *path, struct err *e);

#endif
