/*
 * escape: one escaper a sink, for text that strangers wrote. Nothing else in the program prints
 * such text. All write into memory of the caller, cut with "..." when it does not fit, and return
 * that memory, so that they can stand in the argument list of a printf. Pure.
 */
#ifndef POSTERN_BASE_ESCAPE_H
#define POSTERN_BASE_ESCAPE_H

#include "base/buf.h"

/*
 * For logs and terminals: C0, DEL, C1, bidirectional and zero-width controls, invalid UTF-8, the
 * backslash and the double quote become \xHH or \u{HHHH}; other UTF-8 passes. A log value that may
 * hold a blank is the caller's to put in quotes.
 */
const char *escape_text(struct str s, char *out, size_t size);
/* A buffer for one line of source: printf("helo=%s", ESC(s)). Cut after 255 octets. */
#define ESC(s) escape_text((s), (char[256]){ 0 }, 256)
/*
 * The same for whole lines that a person reads on a terminal: quotes and backslashes, which end
 * nothing there, pass.
 */
const char *escape_terminal(struct str s, char *out, size_t size);
/*
 * A cell of CSV (RFC 4180) with its quotes. Spreadsheets take what begins with = + - @ for a formula, and some begin a
 * cell behind a semicolon, so that gets an apostrophe in front; controls are written as on a terminal. False when b ran over.
 */
bool escape_csv(struct buf *b, struct str s);
/* For SMTP reply texts and header comments: printable ASCII only, the rest becomes '?'. */
const char *escape_ascii(struct str s, char *out, size_t size);
/*
 * A word for a POSIX shell, in single quotes unless it needs none. False: it holds what is not printable ASCII, which a person
 * should not paste, or b ran over; then nothing was added.
 */
bool escape_shell(struct buf *b, struct str s);
/* A JSON string with its quotes; invalid UTF-8 octets become \u00HH. False when b ran over. */
bool escape_json(struct buf *b, struct str s);

#endif
