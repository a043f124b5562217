/*
 * greylist: what the files of the stage share, and the command line with them: the settings, and the keys of its rows in
 * the store. Rows (an origin is what proves itself: "spf:example.org", "dkim:example.org", "name:example.org", a network):
 *
 *	greylist:origin:ORIGIN              proven by triplets that came back
 *	greylist:known:WHO                  whom our users wrote to (an address), or who is allowed by hand (also
 *	                                    a domain, a client's address or network, an origin)
 *	greylist:pair:SENDER:RECIPIENT      waits from the first attempt on, whatever the origin, for `longest` at most;
 *	                                    gone when let in before, proven when let in by it
 *	greylist:ORIGIN:SENDER:RECIPIENT    a triplet: waits, then proven
 *
 * SENDER is mailbox_stem(), of the null sender "<>" and whose HELO it is. No domain holds a ':' outside of
 * brackets and no local part begins with one unquoted, so that no two things share a key. Pure but for questions.
 */
#ifndef POSTERN_FILTERS_GREYLIST_H
#define POSTERN_FILTERS_GREYLIST_H

#include "filters/stage.h"

#define GREYLIST_ROWS "greylist:"
#define GREYLIST_ORIGIN "greylist:origin:"
#define GREYLIST_KNOWN "greylist:known:"
#define GREYLIST_PAIR "greylist:pair:"

/*
 * From here on the recipients of one transaction share a triplet. A session may ask so many
 * questions only, and what it asks beyond goes unanswered: without this, a client could use
 * them up with recipients that do not matter and be taken for the rest.
 */
#define GREYLIST_TRIPLETS 64

struct greylist_conf {
	int64_t delay, longest, retry, remember; /* ms */
	int64_t network_ipv4, network_ipv6;      /* bits */
	int64_t proven_after, network_after;     /* triplets that passed */
	bool use_spf, use_dkim, use_name, know_correspondents;
};

/* --- greylist_key.c --------------------------------------------------------------------------- */

/* What has to prove itself. */
enum progress greylist_origin(struct ask *ask, struct str *out);
/* Is that origin nothing but a network? */
bool greylist_is_network(struct str origin);
struct str greylist_origin_key(struct arena *arena, struct str origin);
struct str greylist_known_key(struct arena *arena, struct str who);
struct str greylist_pair_key(struct ask *ask, const struct recipient *recipient);
struct str greylist_triplet_key(
    struct ask *ask, struct str origin, const struct recipient *recipient);
struct seen_question greylist_question(const struct greylist_conf *conf);

/* --- greylist_known.c ------------------------------------------------------------------------- */

/* Is it one of our own: authenticated, or a client that is trusted? Never delayed. */
bool greylist_is_ours(const struct session *s);
/* Is the client, its origin, or the sender it names, one whom our users wrote to or who is allowed by hand? */
enum progress greylist_is_known(struct ask *ask, struct str origin, bool *known);
/* A message of our own was taken: remembers whom it went to. */
void greylist_remember_recipients(struct ask *ask);

extern const struct stage greylist_stage;

#endif
