/*
 * spf_eval: the border to libspf2, which evaluates a record: goes through its terms in order,
 * into includes and redirects, and compares networks. What it is given is written by us from the
 * parsed record: terms with a number in place of a name ("-exists:3.t"), below its limit of 511
 * octets, with no macro and no octet of a stranger's. It asks for "3.t", and we look up what term
 * 3 is about. Its own limits are set out of the way, as they start anew with every include:
 * spf_run.h counts.
 */
#ifndef POSTERN_FILTERS_SPF_EVAL_H
#define POSTERN_FILTERS_SPF_EVAL_H

#include "filters/spf_run.h"

/* Ends the run with its result, or leaves it waiting. frame: the first record. */
void spf_eval(struct spf_run *run, const struct spf_frame *frame);

#endif
