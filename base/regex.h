/*
 * regex: regular expressions (PCRE2, 8 bit), bounded: the length of a pattern and its nesting when it is
 * compiled; steps, depth and memory of a match. Whoever sends the text cannot make a match take longer than
 * REGEX_STEPS, a third of a millisecond; it is given up then, which is a result of its own. Nor can he make all
 * matches with one memory take long: they share REGEX_STEPS_ALL, a hundredth of a second. Each has REGEX_STEPS_FREE beside
 * that, with which simple patterns do, so that one that takes them all does not switch off the others.
 *
 * A step is one item of the pattern that is tried at some place of the text; where that is far from the last, more. Steps are counted and
 * not timed, so that the same matches in the same order come to the same. Patterns without repetitions, alternatives and groups
 * need no count: they are compared with each place once.
 *
 * Patterns are UTF-8, and so are texts as far as they are valid: what is not matches nothing. There is no
 * just-in-time compiler in it: its code lies in memory that is written and run, which sandboxes forbid.
 * A regex is const after it was made, and for any thread; memory is for one at a time. Pure.
 */
#ifndef POSTERN_BASE_REGEX_H
#define POSTERN_BASE_REGEX_H

#include "base/arena.h"
#include "base/err.h"

#define REGEX_MAX 400     /* octets of a pattern */
#define REGEX_STEPS 10000 /* of a match */
#define REGEX_STEPS_FREE 100
#define REGEX_STEPS_ALL 400000

struct regex;
struct regex_memory;

enum regex_found { REGEX_NO, REGEX_YES, REGEX_GAVE_UP };

/*
 * flags: of `i` (without case), `s` (a dot is a line's end too), `m` (^ and $ at each line), `x` (blanks mean nothing).
 * NULL: e says why, and *at where, in octets of the pattern. Freed with the arena.
 */
struct regex *regex_new(
    struct arena *arena, struct str pattern, struct str flags, size_t *at, struct err *e);
/* As it was written. */
struct str regex_pattern(const struct regex *regex);
struct str regex_flags(const struct regex *regex);
/*
 * Somewhere in the text. *memory is made when it is NULL, and used again: for the matches of one decision. Until it is freed a text
 * stays what it was: one that lies where the last did is the same.
 */
enum regex_found regex_match(
    const struct regex *regex, struct str text, struct regex_memory **memory);
void regex_memory_free(struct regex_memory **memory);

#endif
