/*
 * pseudonym: what stands in the journal in the place of a mail address, when addresses are hashed there: a local part made of
 * the whole address under a key (HMAC-SHA256), before the address's own domain, so that what goes by domains goes on as it
 * did. Under the same key an address, whatever its case, has the same pseudonym each time: who wrote twice can be seen
 * and counted, and who has the key can look for an address; nobody else learns it from the journal.
 *
 *	jane@example.org         ~gkzvbqmwxhteyrlncd@example.org
 *	jane+list@example.org    ~gkzvbqmwxhteyrlncd+pavhxoijdeurtbqsnm@example.org
 *	"jane doe"@example.org   ~~hmrqowcbvatzxuenlk@example.org
 *	alice                    ~zxubhdrcalwqgmtkne: an account
 *
 * The first part is that of the address's stem (mail/mailbox_stem.h), the second, where the two differ, that of the address
 * itself. There are letters only, and no others of the marks that a stem leaves out: the stem of a pseudonym is the pseudonym of
 * the stem, so that what is remembered of a sender can be compared with either. A second ~ says that the local part is a
 * quoted one.
 *
 * It is a local part that anybody could have: whoever has one of that form is given a pseudonym as anybody else. Pure; the handle
 * is const once it is made, and threads may share it.
 */
#ifndef POSTERN_MAIL_PSEUDONYM_H
#define POSTERN_MAIL_PSEUDONYM_H

#include "base/arena.h"
#include "base/buf.h"

#define PSEUDONYM_KEY_LEAST 32 /* octets */
#define PSEUDONYM_KEY_NAME 9   /* of what tells keys apart, with its NUL */
#define PSEUDONYM_MAX 41       /* octets that stand for a local part, at most */

#define PSEUDONYM_TEXT_MOST 200 /* addresses of a text that are told apart */

struct pseudonym;

/* Lives as long as the arena. key: PSEUDONYM_KEY_LEAST octets or more, which are not kept. */
struct pseudonym *pseudonym_new(struct arena *arena, struct str key);
/*
 * The same for one piece of work, in which an address comes again and again: it remembers the latest. Its arena is the one that it is
 * used with, and texts that it is given stay as long. One thread at a time.
 */
struct pseudonym *pseudonym_remembering(const struct pseudonym *p, struct arena *arena);
/* 8 hexadecimal digits that tell which key it is, and nothing of it. */
const char *pseudonym_key(const struct pseudonym *p);

/* What stands for local@domain before the @. A local part without a domain is hashed as a word. */
struct str pseudonym_local(
    const struct pseudonym *p, struct arena *arena, struct str local, struct str domain);
/* Of an address, or of the name of an account, which need not be one. "" stays "". */
struct str pseudonym_of(const struct pseudonym *p, struct arena *arena, struct str address);
/* Has it the form of a pseudonym, of an address or of a word? */
bool pseudonym_is(struct str address);

/*
 * Adds text to out with a pseudonym for everything that can be an address: what stands before an @ (or a %40, as in an
 * address of the web), with the domain behind it. Punctuation before a local part that could be one of its letters, such as an
 * apostrophe, is left where it is; behind the first PSEUDONYM_TEXT_MOST there is only a ~. but_those: what has the form of a pseudonym already is left as it is.
 */
void pseudonym_text(const struct pseudonym *p, struct arena *arena, struct str text, bool but_those,
    struct buf *out);
/* Is there anything in it that pseudonym_text() might change? */
bool pseudonym_may(struct str text);

/*
 * Where in a text the next thing of a pseudonym's form stands before an @ or at the end: *begin, *end of it. False: there is none from
 * `from` on.
 */
bool pseudonym_find(struct str text, size_t from, size_t *begin, size_t *end);

#endif
