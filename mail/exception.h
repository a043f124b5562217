/*
 * exception: what an administrator has excepted from the rules by hand, as the command line writes it into the store and
 * every posternd reads it: who is let in although a rule refuses it (allow), and who is kept out whatever the
 * rules say (block). Whom it is about is always proven: a domain by DKIM or SPF, or the client's address; a sender's
 * address is a claim, and can only narrow what is proven. Pure; const once it is made.
 *
 * An exception is a text of words with one blank between them, `*` standing for any:
 *
 *	allow 3f2a91c07d5e0011@postern.conf:12 dkim:example.org * bob@example.com
 *	block * client:192.0.2.0/24 * *
 *
 * A recipient may be named by the pseudonym that stands for it in a journal with hashed addresses (mail/pseudonym.h).
 *
 * KIND RULE PROOF SENDER RECIPIENT...: the rule by the digest of its conditions, with the place where it stood for people to read; `dkim:`, `spf:` or `client:`; a mailbox, a domain or `<>`; mailboxes or domains. A domain is itself, and nothing below it.
 */
#ifndef POSTERN_MAIL_EXCEPTION_H
#define POSTERN_MAIL_EXCEPTION_H

#include "base/addr.h"
#include "base/arena.h"

#define EXCEPTION_KEY_MAX 4000   /* octets of such a text */
#define EXCEPTION_RECIPIENTS 100 /* that one can name */
#define EXCEPTION_RULE 17        /* of a digest as text, with its NUL */

enum exception_kind { EXCEPTION_ALLOW, EXCEPTION_BLOCK };
enum exception_proof { EXCEPTION_DKIM, EXCEPTION_SPF, EXCEPTION_CLIENT };

struct exception {
	int64_t number;
	enum exception_kind kind;
	struct str rule;  /* 16 hex digits; "": any */
	struct str place; /* file:line of that rule, as it was then */
	enum exception_proof proof;
	struct str domain;  /* DKIM, SPF: lower case, as in the DNS */
	struct cidr client; /* CLIENT */
	struct str sender;  /* "": any */
	const struct str *recipient;
	size_t n_recipients; /* 0: any */
	int64_t expires;     /* wall seconds; 0: never */
	struct str key;      /* the whole text */
	struct str
	    hashed; /* the key of the pseudonyms in it (mail/pseudonym.h); "": none, or not known */
};

/* All there are. */
struct exceptions {
	struct arena *memory;
	struct exception *item;
	size_t n, n_allow, n_block;
	size_t unreadable; /* texts that were none: of a newer Postern */
	size_t n_hashed;   /* that name somebody by what stands for the address in the journal */
	size_t room;       /* its own */
};

/*
 * The digest of a rule, by what it asks as written (rules/exception.h); blanks count as one, whatever and however many they
 * are. Returns out.
 */
const char *exception_digest(struct str conditions, char out[EXCEPTION_RULE]);

/* Reads a key. Memory from arena, where texts may point into key. */
bool exception_read(struct arena *arena, struct str key, struct exception *out, struct err *e);
/* Writes one's key (the member `key` is not looked at); "" if it is too long, or a text in it holds a blank. */
struct str exception_key(struct arena *arena, const struct exception *x);

/* Empty; takes the arena over, in which the keys that are added lie. most: how many will be added. */
struct exceptions *exceptions_new(struct arena *arena, size_t most);
/* One more; NULL: what cannot be read is counted, and excepts nothing. */
struct exception *exceptions_add(
    struct exceptions *all, int64_t number, struct str key, int64_t expires);
void exceptions_free(struct exceptions **all);
/* How many name somebody by a pseudonym that the key of this name does not make; "": no key makes any. */
size_t exceptions_idle(const struct exceptions *all, struct str key);

/* What is known of a mail so far. */
struct exception_view {
	enum exception_kind kind;
	struct str rule;         /* ALLOW: the digest of the one that refuses */
	const struct ip *client; /* NULL: not to be known */
	int64_t now;
	bool sender_known;
	struct str sender; /* address, "" for <> */
	bool recipient_known;
	struct str recipient; /* address */
	struct str
	    hashed; /* what stands for it in the journal; "": nothing, or nobody is named so */
};

enum exception_fits {
	EXCEPTION_NO,
	EXCEPTION_LATER, /* as far as can be seen now */
	EXCEPTION_FITS,  /* all but a domain's proof, which is the caller's to ask for */
};

enum exception_fits exception_fits(const struct exception *x, const struct exception_view *view);

#endif
