/*
 * utf8: whether octets are UTF-8 (RFC 3629). Controls of the second kind (C1) count as malformed, for
 * they are none of what mail is written in. Pure.
 */
#ifndef POSTERN_MAIL_UTF8_H
#define POSTERN_MAIL_UTF8_H

#include "base/str.h"

/* Octets of the sequence that s begins with; 0: it is ASCII, malformed, or s is empty. */
size_t utf8_length(struct str s);
/* All of it is ASCII or well-formed. */
bool utf8_ok(struct str s);
/* It holds octets that are not ASCII. */
bool utf8_beyond_ascii(struct str s);

#endif
