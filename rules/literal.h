/*
 * literal: numbers, sizes, durations and codes as they are written in a configuration. Each
 * function takes the whole word and says whether it is one. Pure.
 */
#ifndef POSTERN_RULES_LITERAL_H
#define POSTERN_RULES_LITERAL_H

#include "base/str.h"

/* 100, -3 */
bool literal_number(struct str s, int64_t *out);
/* 100, 256k, 10M, 1G: multiples of 1024. Never negative. */
bool literal_size(struct str s, int64_t *out);
/* 500ms, 30s, 5m, 2h, 36d: in milliseconds. A bare 0 is one, other bare numbers are not. */
bool literal_duration(struct str s, int64_t *out);
/* 5, 2.5, -0.1 */
bool literal_real(struct str s, double *out);
/* 80%: the number, 0 to 100. */
bool literal_percent(struct str s, int64_t *out);
/* 5.7.1 (RFC 3463 2): class 4 or 5, subject and detail of three digits at most. */
bool literal_enhanced(struct str s);
/* Octets of /pattern/flags at its beginning, on one line; \/ is a slash within. 0: there is none. */
size_t literal_regex(struct str s);
/* Whether it begins as a number does, so that it was meant as one. */
bool literal_numeric(struct str s);

#endif
