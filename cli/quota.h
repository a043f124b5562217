/*
 * quota: what the two files of the subcommand share: quota.c changes, quota_show.c tells what is used. Nobody else includes
 * this.
 */
#ifndef POSTERN_CLI_QUOTA_H
#define POSTERN_CLI_QUOTA_H

#include "cli/cli.h"
#include "db/store.h"
#include "mail/plan.h"
#include "rules/config.h"

struct quota_options {
	const char *until, *since;
};

struct quota {
	struct cli *cli;
	struct arena *arena;
	struct config *config; /* NULL: there is none */
	struct cli_store at;
	int64_t now_ms;
	struct quota_options options;
	struct str who;          /* as given */
	struct str kind, name;   /* "account", "alice": as in the keys of the store */
	const struct plan *plan; /* NULL: none */
};

extern const char *const quota_what[]; /* in the order of enum plan_what */

/* Whom the words on the command line mean. */
void quota_take_who(struct quota *x, struct str who);
/* The plan's; none without a plan. */
struct take_limits quota_limits(const struct quota *x, enum plan_what what);
/* A question about one of the two counters; false: it has been complained of. */
bool quota_ask(struct quota *x, enum plan_what what, struct take_question take, struct answer *out);
/* Both counters of x. Returns the exit code. */
int quota_show(struct quota *x);
/* Every account and upstream that has a counter, a line each. */
int quota_list(struct quota *x);

#endif
