/*
 * mime_field: the border to GMime, which reads the values of single header fields: encoded words
 * (RFC 2047) and the parameters of MIME fields (RFC 2045, RFC 2231). Everything that is said twice is
 * kept, because programs differ in which they believe. GMime is never given a whole message: it builds
 * an object for each part and each field, as many as the sender likes (mime_walk.h walks instead).
 *
 * Results are UTF-8 without control characters, in the given arena. Any thread, after mime_field_start().
 */
#ifndef POSTERN_FILTERS_MIME_FIELD_H
#define POSTERN_FILTERS_MIME_FIELD_H

#include "base/arena.h"

#define MIME_VALUE_MAX 8192 /* octets of a field that are looked at */
#define MIME_NAME_MAX 255   /* octets of a name that are kept */
#define MIME_TEXTS 4        /* names or boundaries of one field */

struct mime_field {
	/* "text/plain", lower case; "attachment" or the like; "" when it cannot be read */
	struct str word;
	struct str boundary[MIME_TEXTS];
	size_t n_boundaries;
	struct str name[MIME_TEXTS]; /* of the parameters name and filename, decoded */
	size_t n_names;
	bool repeated; /* a parameter is there more than once */
};

/* Before the first thread that reads fields; as often as one likes. */
void mime_field_start(void);
/* A value as it stands in the header, folding included. */
struct str mime_field_text(struct arena *arena, struct str value);
void mime_field_type(struct arena *arena, struct str value, struct mime_field *out);
void mime_field_disposition(struct arena *arena, struct str value, struct mime_field *out);

#endif
