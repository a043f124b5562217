/*
 * list: a named list of the configuration: addresses and networks, domains (with their
 * sub-domains), mailboxes, accounts, regular expressions. Built once at load, const afterwards; membership is a search
 * in sorted memory. Domains compare as A-labels, on both sides. Pure.
 */
#ifndef POSTERN_MAIL_LIST_H
#define POSTERN_MAIL_LIST_H

#include "base/addr.h"
#include "base/arena.h"
#include "base/regex.h"
#include "mail/value.h"

struct list;
struct pseudonym;
struct sought;

struct list *list_new(struct arena *arena, struct str name);
struct str list_name(const struct list *list);
void list_add_cidr(struct list *list, const struct cidr *cidr);
/*
 * "example.net": that domain and all below it; "user@example.net": that mailbox; ".example.net":
 * only what is below; "name": an account or any other word. Without case. A text that is an address
 * or network goes to list_add_cidr. False: it is none of these.
 */
bool list_add_text(struct list *list, struct str text, struct err *e);
/* Looked for in texts that nothing else of the list names. The regex outlives the list. */
void list_add_regex(struct list *list, const struct regex *regex);
/* Call once after the last addition. */
void list_finish(struct list *list);
size_t list_length(const struct list *list);
/* Goes on from hash (str_hash) with what the list holds, in whatever order it was added. */
uint64_t list_hash(const struct list *list, uint64_t hash);
/*
 * IP: inside a network. TEXT: equal to a word or mailbox; or, when it is a domain or a mailbox, its
 * domain is in the list or below one that is. LIST: any of its items. NONE: never.
 */
bool list_has(const struct list *list, const struct value *value);
/*
 * The same; GAVE_UP: nothing was found, and one of its regular expressions came to no end. *sought is zeroed at first, and
 * *memory as of regex_match(): used again with the same value for one list after another, they spare it work.
 */
enum regex_found list_search(const struct list *list, const struct value *value,
    struct sought *sought, struct regex_memory **memory);
/* Is the domain in it, or below one that is? */
bool list_has_domain(const struct list *list, struct str domain);
bool list_has_regexes(const struct list *list);
/* Something of it can be found for a value of this type: networks for addresses, all else for texts. */
bool list_fits(const struct list *list, enum value_type type);
/* There is more in it than words, mailboxes and networks. */
bool list_is_more(const struct list *list);
/* Calls is() with each word, mailbox and domain until it says true; false: it never did. */
bool list_any(const struct list *list, bool (*is)(void *owner, struct str item), void *owner);
/*
 * The same list for texts in which pseudonyms stand for addresses and accounts; of networks and regular expressions there are none in
 * it.
 */
struct list *list_hashed(
    struct arena *arena, const struct list *list, const struct pseudonym *pseudonym);
/*
 * How closely the list names a mailbox or a domain, of several lists the one that says most of it has the
 * highest number: the mailbox itself, its domain, what that lies in, a regular expression. 0: not at all.
 */
size_t list_closeness(const struct list *list, struct str text);

#endif
