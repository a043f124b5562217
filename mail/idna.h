/*
 * idna: domain names as the DNS has them (RFC 5890): those in UTF-8 (U-labels) become A-labels by
 * libidn2, with the mapping of UTS 46, so that capitals, full-width letters and other kinds of dots
 * do not make two names of what a reader sees as one. Pure.
 */
#ifndef POSTERN_MAIL_IDNA_H
#define POSTERN_MAIL_IDNA_H

#include "base/arena.h"

/*
 * *out: lower case, ASCII, without a final dot, a name that can be asked for (dns_name_ok()). False:
 * it is none, or none of IDNA2008.
 */
bool idna_to_ascii(struct arena *arena, struct str name, struct str *out);
/* The other way, of what that gave: with U-labels in the place of A-labels. False: there is no such name. */
bool idna_to_utf8(struct arena *arena, struct str ascii, struct str *out);

#endif
