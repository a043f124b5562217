/*
 * evidence: an entry of the journal as exceptions see it (mail/exception.h): who was proven, who claimed to send, who was to
 * have it, and which rule refused it. What no rule asked for is not in an entry, and counts as not proven.
 */
#ifndef POSTERN_CLI_EVIDENCE_H
#define POSTERN_CLI_EVIDENCE_H

#include "cli/cli.h"
#include "mail/exception.h"
#include "mail/pseudonym.h"

struct evidence {
	struct ip client; /* version 0: not known */
	bool mail;        /* the sender is known */
	struct str sender;
	struct str spf; /* the domain that SPF proved; "": none */
	const struct str *dkim;
	size_t n_dkim;
	const struct str *author; /* domains of From, as far as a rule asked */
	size_t n_authors;
	const struct str *recipient;
	size_t n_recipients; /* 0: not known */
	bool refused;        /* by a rule or whatever; else let in, or no verdict */
	struct str digest;   /* of the rule that refused; "": no rule did, or it is not known */
	struct str hashed; /* the key that its addresses are hashed under; "": they are in clear */
	const struct pseudonym *pseudonym; /* of the reader */
	struct arena *arena;
};

/* What reads them: the configurations that entries refer to, one at a time. */
struct evidence_reader {
	struct journal *journal;
	const struct config
	    *config; /* the present one, for entries whose own is gone; may be NULL */
	const struct pseudonym
	    *pseudonym; /* what may stand for addresses, in entries or exceptions; may be NULL */
	struct arena *arena; /* of the configuration that was looked at last */
	char revision[16];
	const struct json *rules;
};

/* Memory from arena; texts may lie in the record. */
void evidence_read(struct evidence_reader *reader, struct arena *arena,
    const struct journal_record *r, struct evidence *out);
void evidence_reader_free(struct evidence_reader *reader);
/* The digest of a rule of a configuration, by file:line; "": it has none such. */
struct str evidence_digest(struct arena *arena, const struct config *config, struct str place);

/*
 * Would it have been what the exception is about? allow: a refusal that is undone; block: a message that is kept out. now: of
 * the entry.
 */
bool evidence_fits(const struct evidence *v, const struct exception *x);

#endif
