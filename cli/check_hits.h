/*
 * check_hits: `postern check --since`: how often each rule would have been hit by the mail of the journal (rules/hits.h), as a table, and as JSON.
 */
#ifndef POSTERN_CLI_CHECK_HITS_H
#define POSTERN_CLI_CHECK_HITS_H

#include "cli/cli.h"
#include "rules/hits.h"

struct check_hits;

/* Reads the journal from then on. NULL: an error was printed. The configuration must outlive it. */
struct check_hits *check_hits_read(struct cli *cli, const struct config *config, int64_t since_ms);
void check_hits_free(struct check_hits **hits);
void check_hits_print(struct cli *cli, const struct check_hits *hits);
/* ,"hits":{...} */
void check_hits_json(struct buf *b, const struct check_hits *hits);

#endif
