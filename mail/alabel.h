/*
 * alabel: a domain as it stands in the DNS: lower case, and each label that is not ASCII as an A-label
 * (RFC 5890 2.3.2.1: "xn--" and Punycode, RFC 3492), so that two spellings of one domain compare
 * equal. U-labels are lower case and normalised by their definition (RFC 5891); what is not is no
 * domain, and becomes an A-label that no zone has. Pure.
 */
#ifndef POSTERN_MAIL_ALABEL_H
#define POSTERN_MAIL_ALABEL_H

#include "base/str.h"

#define ALABEL_LABEL_MAX 63   /* octets, RFC 1035 2.3.4 */
#define ALABEL_DOMAIN_MAX 256 /* with the NUL */

/* Without a dot at its end. False: it is too long, or no UTF-8. */
bool alabel_domain(struct str domain, char out[ALABEL_DOMAIN_MAX]);

#endif
