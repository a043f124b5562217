/*
 * cases: `postern test FILE.test`: plays the cases of files against a configuration and tells which hold. Nothing is
 * asked of DNS or store; rules/cases.h says what is.
 */
#ifndef POSTERN_CLI_CASES_H
#define POSTERN_CLI_CASES_H

#include "cli/cli.h"

/* Whether that argument names a file of cases. */
bool cases_named(const char *argument);
/* Plays n files. CLI_FOUND: all hold; CLI_NOTHING: one does not; CLI_ERROR: a file cannot be read. */
int cases_run(struct cli *cli, const struct config *config, char **files, int n);

#endif
