/*
 * check_cost: shows what `postern check` tells of the questions that rules can cause (rules/cost.h): a table of the steps, and the rules that
 * are the first to ask for something.
 */
#ifndef POSTERN_CLI_CHECK_COST_H
#define POSTERN_CLI_CHECK_COST_H

#include "cli/cli.h"
#include "rules/cost.h"

void check_cost_print(struct cli *cli, const struct cost_report *report);
/* ,"cost":{...} */
void check_cost_json(struct buf *b, const struct cost_report *report);

#endif
