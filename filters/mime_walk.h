/*
 * mime_walk: the parts of a message (RFC 2045, RFC 2046), found while it arrives: their types, the
 * names of files among them, and what makes mail readers disagree about it. Takes octets in any
 * pieces and keeps none of them but the header of the present part, so that memory is bounded whatever
 * comes; all readings of what is ambiguous are followed at once, as far as their boundaries tell.
 *
 * WHY own code: GMime, which reads the fields (mime_field.h), takes a message as a whole, and makes an
 * object for each part and field of it. Contents are not decoded. Pure; linear in the octets.
 */
#ifndef POSTERN_FILTERS_MIME_WALK_H
#define POSTERN_FILTERS_MIME_WALK_H

#include "mail/header.h"

#define MIME_PARTS 1000   /* what comes behind them is not looked at */
#define MIME_DEPTH 32     /* multiparts within each other */
#define MIME_KEPT 100     /* different names, different types */
#define MIME_HEADER 32768 /* octets of a part's header */
#define MIME_BOUNDARY 200 /* octets of a boundary; RFC 2046 allows 70 */

/* What is wrong with it, in the order of mime_defect_name(). */
enum mime_defect {
	MIME_BOUNDARY_LIKE,     /* a line begins as a boundary and goes on */
	MIME_BOUNDARY_MISSING,  /* a multipart without one */
	MIME_BOUNDARY_REPEATED, /* or with several */
	MIME_ENCODED,           /* a multipart or message in base64 or quoted-printable */
	MIME_FIELD_REPEATED,    /* Content-Type, -Disposition or -Transfer-Encoding twice */
	MIME_HEADER_LONG,       /* of a part: longer than MIME_HEADER, or with too many fields */
	MIME_NAMES_DIFFER,      /* one part has several names */
	MIME_PARAMETER_REPEATED,
	MIME_TOO_DEEP,
	MIME_TOO_MANY,   /* parts */
	MIME_TYPE_BAD,   /* a Content-Type that says no type */
	MIME_UNFINISHED, /* the last boundary is missing */
	MIME_DEFECTS,
};
const char *mime_defect_name(enum mime_defect defect);

struct mime_texts {
	struct str *item; /* MIME_KEPT; each text once */
	size_t n;
};

struct mime_found {
	size_t parts;               /* that are no multiparts */
	size_t attachments;         /* parts with a name, or called an attachment */
	struct mime_texts types;    /* of all parts, multiparts too, lower case */
	struct mime_texts attached; /* types of attachments */
	struct mime_texts names;
	unsigned defects; /* a set of enum mime_defect, as bits */
};

struct mime_walk;

/* header: the message's own. Memory, and that of all it finds, from arena. */
struct mime_walk *mime_walk_new(struct arena *arena, const struct header *header);
/* The next octets of the body. */
void mime_walk_body(struct mime_walk *walk, struct str octets);
/* There are no more. Good as long as the arena. */
const struct mime_found *mime_walk_end(struct mime_walk *walk);

#endif
