/*
 * dkim_run: the border to libopendkim: one signature, verified alone. The library sees the
 * signature, the fields it covers (dkim_cover.h), its key (dkim_pubkey.h) and the body. Each
 * signature has a handle of its own. In a common one, fields of one signature are candidates for
 * the h= of another, one that covers DKIM-Signature fields may be taken to cover itself, and in
 * older versions the l= of a signature holds for all after it: whoever put his own in front could
 * append to what others had signed. Alone, a bad signature also costs no pass over the body.
 * Results go into the struct dkim_sig. A run lives in an arena; its handle is freed by
 * dkim_run_finish() or with the arena. One thread at a time; the library's struct is shared.
 */
#ifndef POSTERN_FILTERS_DKIM_RUN_H
#define POSTERN_FILTERS_DKIM_RUN_H

#include "base/err.h"
#include "filters/dkim_cover.h"
#include "filters/dkim_pubkey.h"

struct dkim_lib; /* the library's */

/* What all runs share; const once made, for any number of threads. */
struct dkim_lib *dkim_run_library(struct err *e);
void dkim_run_library_free(void *library);

struct dkim_run;

/*
 * Compares the header. NULL: this is settled already, sig says how. Otherwise the body decides. sig
 * and key must live as long as the run.
 */
struct dkim_run *dkim_run_start(struct arena *arena, struct dkim_lib *library, struct dkim_sig *sig,
    const struct dkim_cover *cover, const struct dkim_pubkey *key);
/* The next octets of the body, in whatever pieces. */
void dkim_run_body(struct dkim_run *run, struct str octets);
/* Gives up: the result is neutral, for that (static) reason. */
void dkim_run_stop(struct dkim_run *run, const char *reason);
/* There is no more body: sets result and reason. True: it covers only a part of the body. */
bool dkim_run_finish(struct dkim_run *run);

#endif
