/*
 * complaint: how the phases of a load say what is wrong: where, what, and what would be right. They
 * go on after each, so that one run tells all. After COMPLAINTS_MAX errors it says so once and
 * keeps no more. Texts belong to the complaints' arena and are escaped when printed.
 */
#ifndef POSTERN_RULES_COMPLAINT_H
#define POSTERN_RULES_COMPLAINT_H

#include "rules/config.h"
#include "rules/lex.h"

#define COMPLAINTS_MAX 50

/* An error at a token, in the source that it stands in. at may be NULL: the source given, as a whole. */
void complain(struct complaints *c, const struct source *source, const struct token *at,
    const char *format, ...) __attribute__((format(printf, 4, 5)));
/*
 * What can be loaded and is hardly meant: the names that warnings are told apart by. The list stands in postern(1); a name that was
 * given out stays.
 */
enum lint_kind {
	LINT_ALWAYS_TRUE,
	LINT_BARE_DOLLAR,
	LINT_CERTIFICATE,
	LINT_CONSTANT,
	LINT_COSTLY_FIRST,
	LINT_COSTLY_FOR_ALL,
	LINT_EMPTY_LIST,
	LINT_NEVER_TRUE,
	LINT_SHADOWED,
	LINT_UNASKED_MARK,
	LINT_UNUSED_LIST,
	LINT_UNUSED_NAME,
	LINT_UNUSED_PLAN,
	LINT_COUNT
};
const char *lint_name(enum lint_kind lint);

/* What a warning is about. */
struct remark {
	const struct source *source;
	const struct token *at; /* NULL: the source as a whole */
	enum lint_kind lint;
};

/* A warning: the file stays usable. Of one name and place only the first is kept. */
void complain_softly(struct complaints *c, const struct remark *about, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Within a format of either: what would be right stands behind it. It is not shown. */
#define MEND "\x1f"
/* "line 3" for a place in the same file, else "line 3 of conf.d/lists.conf". */
#define PLACE_SHOWN 160
const char *place_show(const struct token *at, const struct token *from, char out[PLACE_SHOWN]);
#define PLACE(at, from) place_show((at), (from), (char[PLACE_SHOWN]){ 0 })
/* In the order of the text, file by file. */
void complaints_sort(struct complaints *c);

/*
 * "; did you mean `spf`?" for the name of the list that is nearest to a word, "" when none is near.
 * A suggestion collects candidates one by one.
 */
struct suggestion {
	struct str word;
	struct str best;
	size_t distance;
	char text[80];
};

void suggest_begin(struct suggestion *s, struct str word);
void suggest(struct suggestion *s, struct str candidate);
const char *suggest_end(struct suggestion *s);

#endif
