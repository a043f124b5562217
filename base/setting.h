/*
 * setting: a row that describes one thing an admin can set. The parser of the configuration, its
 * checker and the man page read the same rows. A row says where in a struct the value goes; the
 * struct belongs to whoever owns the block (the core, or a stage). Const tables only.
 */
#ifndef POSTERN_BASE_SETTING_H
#define POSTERN_BASE_SETTING_H

#include <stddef.h>
#include <stdint.h>

enum setting_type {
	SETTING_SWITCH,   /* on | off                          -> bool */
	SETTING_NUMBER,   /* 100                               -> int64_t */
	SETTING_SIZE,     /* 256k, 10M (1024s)                 -> int64_t, octets */
	SETTING_DURATION, /* 5m, 36d, 500ms                    -> int64_t, milliseconds */
	SETTING_TEXT,     /* "quoted"                          -> char *, of the config's arena */
	SETTING_WORD,     /* one of the row's words            -> int64_t, its index */
	SETTING_FILE,     /* "quoted", seen from the folder of the configuration; as TEXT */
};

struct setting {
	const char *name; /* as written, may hold blanks: "retry within" */
	enum setting_type type;
	size_t offset;            /* in the block's struct */
	int64_t least, most;      /* both 0: no range */
	const char *fallback;     /* the default, as it would be written */
	const char *const *words; /* SETTING_WORD: NULL-terminated */
	const char *help;         /* a sentence for the man page */
};

#endif
