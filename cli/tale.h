/*
 * tale: an entry of the journal, or a decision that was never journalled, taken apart to be told: its
 * JSON texts read, and what can be found out from them: which rule decided, what the reply means, which
 * stage took how long, and what would have let it pass. `why` and `test` tell it (cli/story.h), `why
 * --for-sender` in other words (cli/for_sender.h). Borrows the record; owns the rest.
 */
#ifndef POSTERN_CLI_TALE_H
#define POSTERN_CLI_TALE_H

#include "cli/cli.h"
#include "db/json.h"
#include "mail/explanation.h"
#include "rules/change.h"

struct tale {
	struct cli *cli;
	struct arena *arena;
	const struct journal_record *r; /* its trace expanded (rules/record.h) */
	/* an object, two arrays; NULL: there is none */
	const struct json *facts, *trace, *answers;
	struct config_vocabulary vocabulary; /* which fact is whose */
	/* what would have let it pass, once tale_changes() has looked; past NULL: not looked for */
	struct past *past;
	struct changes changes;
	bool other_config; /* by another configuration than the entry's */
};

void tale_open(struct tale *t, struct cli *cli, const struct journal_record *r);
void tale_close(struct tale *t);

/* "Refused for good": of the verdict, as the beginning of a sentence. */
const char *tale_outcome(const struct tale *t);
/* The reply as the client got it, without an id; of an entry without a reply, what it says in the place of one. */
struct str tale_reply(const struct tale *t);
/* It is about a message: the sender is known, and "" is that of a report of non-delivery. */
bool tale_is_message(const struct tale *t);
/* No mail, but what an administrator changed: `allow`, `block`, `quota`. */
bool tale_is_command(const struct tale *t);
/* It was refused, for now or for good. */
bool tale_refused(const struct tale *t);
/* It was the mail server behind that refused. */
bool tale_by_backend(const struct tale *t);
/* The trace's entry that decided, or would have if it were not only observed; NULL: no rule did. */
const struct json *tale_decider(const struct tale *t);
/* An entry of the trace that gave points, if the one that decided rests on them. */
bool tale_gave_points(const struct tale *t, const struct json *decider, const struct json *entry);
/* What the reply means: of one of our own, of the mail server's, or by its code. NULL: of none. */
const struct explanation *tale_explanation(const struct tale *t);
/* What the codes of the reply mean, whoever said it: of the enhanced one, if there is one. */
const struct explanation *tale_code(const struct tale *t);
/* The fact's row; NULL: today's program has none of that name. "rate(client, messages, 1h)" is found as "rate". */
const struct fact_def *tale_fact(const struct tale *t, struct str name);
/* The value that the fact had, as JSON; NULL: it is not known. */
const struct json *tale_value(const struct tale *t, struct str name);
/* A value as a person reads it: texts bare, lists with commas. */
void tale_readable(const struct json *value, struct buf *out);

/* What a stage took: all that its facts took to compute, and what it asked. */
struct tale_stage {
	struct str name; /* "session" for the facts of none; "" when that is not known */
	int64_t us;
	int64_t questions, waited_us; /* how many, and the longest */
};
#define TALE_STAGES 64
/* Those that took or asked anything, in the order first seen; returns how many. */
size_t tale_stages(const struct tale *t, struct tale_stage out[TALE_STAGES]);

/*
 * Tries what would have let it pass by the rules of this configuration, which must outlive the tale. NULL, or a verdict that
 * no rule of a step gave: nothing is tried. kept: the entry as the journal has it; text: the configuration that it names.
 */
void tale_changes(struct tale *t, const struct config *config, const struct journal_record *kept,
    struct str text);
/*
 * When a change comes about by itself if nothing more is sent: wall seconds, 0: it does not. *latest: that is the latest.
 */
int64_t tale_again(const struct tale *t, const struct change *change, bool *latest);

#endif
