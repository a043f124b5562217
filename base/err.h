/*
 * err: how a function tells its caller what went wrong. The caller owns the struct; a function
 * that fails fills it and returns false. errno never crosses a module's border: whoever calls the
 * system turns it into words here. Text from the network must be escaped before it goes in.
 */
#ifndef POSTERN_BASE_ERR_H
#define POSTERN_BASE_ERR_H

#include <stdbool.h>

enum err_code {
	ERR_NONE = 0,
	ERR_SYNTAX,  /* what was given is not well-formed */
	ERR_LIMIT,   /* well-formed, but more than is allowed */
	ERR_SYSTEM,  /* the operating system said no */
	ERR_DB,      /* the database said no */
	ERR_LIBRARY, /* a library said no */
};

struct err {
	enum err_code code;
	char text[512]; /* one line: what happened, where, what to do */
};

/* Fills *e (which may be NULL) and returns false, so that one can write: return err_set(...). */
bool err_set(struct err *e, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
