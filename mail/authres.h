/*
 * authres: the Authentication-Results field (RFC 8601): writing ours, and telling forged ones.
 * Values from the network are checked against the field's grammar and quoted; what cannot be quoted
 * is left out. Pure.
 */
#ifndef POSTERN_MAIL_AUTHRES_H
#define POSTERN_MAIL_AUTHRES_H

#include "base/buf.h"

struct authres {
	struct buf text;
	size_t n;      /* results so far */
	bool left_out; /* the last result could not be written: nor are its properties */
};

/* authserv_id: our hostname, lower case. */
void authres_init(struct authres *a, const char *authserv_id);
void authres_free(struct authres *a);
/* method "spf", result "pass"; reason may be "" (else goes into reason=). */
void authres_result(struct authres *a, const char *method, struct str result, struct str reason);
/* ptype "smtp", property "mailfrom", value: of the result added last. */
void authres_property(struct authres *a, const char *ptype, const char *property, struct str value);
/* The whole field with its name, folded, ending in CRLF; "none" when there is no result. */
struct str authres_finish(struct authres *a);
/*
 * Is value (of an Authentication-Results field) one that claims our authserv-id? Case, comments,
 * folding and version do not hide it (RFC 8601 5).
 */
bool authres_claims(struct str value, const char *authserv_id);

#endif
