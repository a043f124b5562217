/*
 * exceptions: what `allow`, `block` and `lists` share: the exceptions of the store with what people are told of them, and
 * the journal's entry of each change. What is not in the journal has not been done.
 */
#ifndef POSTERN_CLI_EXCEPTIONS_H
#define POSTERN_CLI_EXCEPTIONS_H

#include "cli/cli.h"
#include "db/store.h"
#include "mail/exception.h"

#define EXCEPTIONS_MEMORY (64 << 20)

/* One as people are told of it. Texts from the store are strangers'. */
struct exception_row {
	const struct store_exception *stored;
	struct exception x;
	bool unreadable; /* of a newer Postern */
	bool removed;    /* by this command */
	/* of its `about` */
	struct str by, note, entry;
	struct str hashed; /* the key of the pseudonyms by which it names somebody; "": none */
	struct exception_row *next;
};

/* Prints "dkim example.org, for bob@example.com, past postern.conf:12" and the like; escaped. */
void exception_print(const struct exception *x, struct buf *out);
/* "until 2026-12-31 12:00:00", "for ever" */
void exception_print_until(int64_t expires, struct buf *out);
/* Members of a JSON object, without its braces. */
void exception_json(const struct exception *x, struct buf *out);

/* All that have not expired, in the order of their numbers. False: an error was printed. */
bool exceptions_read(
    struct cli *cli, struct arena *arena, int64_t now_ms, struct exception_row **out);
/* One change in the store. False: an error was printed. */
bool exceptions_ask(struct cli *cli, struct store_exceptions *x, int64_t now_ms);
/* The journal's entry of a change: "allow", "block" or "lists" as its step. False: an error was printed. */
bool exceptions_journal(struct cli *cli, const char *step, struct str text);
/* Who runs the command: "anna (as root)". */
const char *exceptions_who(char *out, size_t size);
/* Takes one away, with its entry in the journal. */
bool exceptions_drop(struct cli *cli, const struct exception_row *row, int64_t now_ms);

#endif
