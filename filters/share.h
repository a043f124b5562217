/*
 * share: of so many attempts how many went wrong, from two counters of the store; now, and in their past. Pure.
 */
#ifndef POSTERN_FILTERS_SHARE_H
#define POSTERN_FILTERS_SHARE_H

#include "mail/question.h"
#include "mail/value.h"

/* NULL: not known. */
struct share_counts {
	const struct count_answer *bad, *good;
};

/* Only a replay may not know what was before; and how it is now, exactly. */
bool share_past_known(const struct share_counts *counts);
bool share_known(const struct share_counts *counts);

/* As values of facts; none if the counts are not known. window: 60, 3600, 86400 seconds; 0 if there are fewer than `least`. */
struct value share_value(const struct share_counts *counts, int64_t window, int64_t least);
/* Of all days before this one, older ones counting less; none from fewer than `least`. */
struct value share_value_usual(const struct share_counts *counts, int64_t least);
/*
 * How many times the usual share that of the last hour is, a usual one below 1 % taken as 1 %; 0 from fewer than `least` in
 * either.
 */
struct value share_value_surge(const struct share_counts *counts, int64_t least);

#endif
