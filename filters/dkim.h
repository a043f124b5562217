/*
 * dkim: the settings of the stage that verifies DKIM signatures (RFC 6376). The stage itself is
 * `const struct stage dkim_stage`; docs/stages/dkim.md tells what it says of a message and why. It
 * is made of dkim_guard (what may be looked at), dkim_cover (which fields), dkim_pubkey (which
 * key) and dkim_run (the library).
 */
#ifndef POSTERN_FILTERS_DKIM_H
#define POSTERN_FILTERS_DKIM_H

#include "filters/stage.h"

struct dkim_lib;

struct dkim_conf {
	int64_t signatures; /* looked at in one message */
	int64_t key_bits;   /* least of an RSA key */
	int64_t drift;      /* ms */
	int64_t partial;    /* what a signature over a part of the body is: 0 policy, 1 pass */
	int64_t testing;    /* what a good signature with a t=y key is: 0 neutral, 1 pass */
	struct dkim_lib *library; /* made by configure() */
};

extern const struct stage dkim_stage;

#endif
