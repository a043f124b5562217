/*
 * header: the header of a message as a list of fields (RFC 5322 2.2), and the message itself as
 * something that can be read from. Slices point into the header block, which lies in memory as one
 * piece. Pure: the octets of a long message are fetched through a function that the front gives.
 */
#ifndef POSTERN_MAIL_HEADER_H
#define POSTERN_MAIL_HEADER_H

#include "base/arena.h"

struct field {
	struct str raw;  /* all of it: name, colon, value with its folding, without the last CRLF */
	struct str name; /* without blanks before the colon */
	struct str value; /* after the colon, folding and leading blank kept */
};

struct header {
	struct field *field;
	size_t n;
	struct str block; /* the whole header with the CRLF of each field, without the empty line */
	/*
	 * Octets at its beginning that are no fields: lines "From somebody ...", as mailbox files
	 * have them between messages. MTAs pass over them, too, or make a field of them.
	 */
	size_t mbox;
	/* a line that is neither a field nor a continuation: the header ends before it */
	bool malformed;
};

#define HEADER_FIELDS_MAX 1000
#define HEADER_MBOX_MAX 4096 /* more than that is no header */

/*
 * Splits what a message begins with. text: the beginning of a message. Returns DONE-like true when
 * the end of the header (empty line, or complete) is in text; *body is then the offset at which the
 * body begins. At most HEADER_FIELDS_MAX fields; more: *too_many is set and the rest not listed.
 */
bool header_split(struct arena *arena, struct str text, bool complete, struct header *out,
    size_t *body, bool *too_many);
/* The i-th (0: first from the top) field with that name, without case; NULL. */
const struct field *header_find(const struct header *h, const char *name, size_t i);
size_t header_count(const struct header *h, const char *name);
/* The value with folding undone and blanks at both ends removed. */
struct str header_unfold(struct arena *arena, struct str value);
/* Every domain of every mailbox in the From field value (RFC 5322 3.4), lower case; at most max. */
size_t header_from_domains(struct arena *arena, struct str value, struct str *out, size_t max);

struct message {
	struct header header;
	uint64_t body; /* offset of the first octet of the body */
	uint64_t size; /* octets so far, header included */
	bool complete; /* all of it has arrived */
	/*
	 * Octets from offset on, as many as are at hand in one piece (0: none yet, or the end);
	 * valid until the next call.
	 */
	struct str (*at)(void *owner, uint64_t offset);
	void *owner;
};

#endif
