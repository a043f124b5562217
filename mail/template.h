/*
 * template: a text with places in it that are filled later: "${used} of ${limit}". The names that may stand there
 * are a fixed set of whoever uses it, and are checked when the text is read, so that filling cannot
 * fail. "$$" is a dollar; a dollar before anything else is itself. The values are put in as they are:
 * whoever has them makes them fit for where the text goes. Pure; const after it was read.
 */
#ifndef POSTERN_MAIL_TEMPLATE_H
#define POSTERN_MAIL_TEMPLATE_H

#include "base/arena.h"
#include "base/buf.h"

struct template;

/* What is wrong with a text. */
struct template_fault {
	unsigned line, column; /* from 1, in octets: of the "${" */
	struct str name;       /* that is none of the set; empty: its "}" is missing */
};

/* names: ended by NULL; must live as long as the template. NULL: *fault says why. Memory of arena. */
const struct template *template_read(
    struct str text, const char *const *names, struct arena *arena, struct template_fault *fault);
/* value: one for each name, in the order of the names. */
void template_fill(const struct template *t, const struct str *value, struct buf *out);

#endif
