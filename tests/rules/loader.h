/*
 * loader: a load that has begun, for tests of the functions that read one kind of statement each:
 * an empty configuration with its defaults, a text cut into statements, and what was complained
 * about so far. One at a time.
 */
#ifndef POSTERN_TESTS_RULES_LOADER_H
#define POSTERN_TESTS_RULES_LOADER_H

#include "rules/load.h"

struct loader {
	struct load load;
	struct complaints complaints;
	struct source source;
	struct statement *first; /* of the text */
};

/* path: of the configuration that the text is said to be of. */
struct loader *loader_new(const char *path, const char *text);
void loader_free(struct loader **loader);
/* "line:column: text", one a line, "" for none; forgets them. Good until the next call. */
const char *loader_said(struct loader *loader);
/* The same of a whole configuration, as config_load_text() finds them. */
const char *said_of(const char *text);

#endif
