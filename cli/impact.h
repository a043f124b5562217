/*
 * impact: what an exception would have done to the entries of the past: what else it would have let in, or kept
 * out. It tells what the journal tells: what no rule had asked for is not proven there, so there may have been more.
 */
#ifndef POSTERN_CLI_IMPACT_H
#define POSTERN_CLI_IMPACT_H

#include "cli/evidence.h"

#define IMPACT_DAYS 30
#define IMPACT_SHOWN 10

struct impact_entry {
	char id[8];
	int64_t time_ms;
	struct str client, sender, recipients, text;
	bool before_mail; /* nobody had named a sender */
};

struct impact {
	int64_t n;    /* entries, the one that is turned left out; floods count in full */
	size_t shown; /* the newest of them */
	struct impact_entry entry[IMPACT_SHOWN];
	struct arena *arena; /* of their texts */
};

struct impact_question {
	const struct exception *x;
	struct str but; /* this entry's id */
	int64_t now_ms;
};

/* False and e when the journal cannot be read. */
bool impact_measure(struct evidence_reader *reader, const struct impact_question *q,
    struct impact *out, struct err *e);
void impact_print(struct cli *cli, const struct impact *impact, const struct exception *x);
/* Members of a JSON object, without its braces. */
void impact_json(const struct impact *impact, struct buf *out);
void impact_free(struct impact *impact);

#endif
