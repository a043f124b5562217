/*
 * part: what the configuration's language knows besides itself, as rows: facts and settings. rules/
 * sees no filters/, so the stages are handed to it in this form. Const after it was made; who
 * makes a vocabulary says how long it lives.
 */
#ifndef POSTERN_MAIL_PART_H
#define POSTERN_MAIL_PART_H

#include "base/setting.h"
#include "mail/fact.h"

/* One stage; or the session's own facts, without settings. */
struct config_part {
	const char *name; /* of the block of settings, or "" */
	const struct fact_def *facts;
	size_t n_facts;
	const struct setting *settings;
	size_t n_settings;
	size_t conf_size;
	const char *const *uses; /* parts whose facts this one asks for; NULL-terminated, or NULL */
	bool (*configure)(void *conf, struct arena *arena, struct err *e);
	/* Told of each different call of its facts that rules can make, after configure(); or NULL. */
	void (*asked)(void *conf, const struct fact_call *call);
	void (*early)(struct costs *costs, const void *conf); /* as of struct stage; or NULL */
	const void *stage; /* the struct stage, for the gate; NULL: the session's own */
};

/* A file of the configuration as it is to be: for whoever checks a change before it is made. */
struct config_instead {
	const char *path; /* without links */
	struct str text;
};

struct config_vocabulary {
	const struct config_part *part;
	size_t n;
	/* `stage "path"`: fills *out (its memory is static or the plugin's). */
	bool (*load)(const char *path, struct config_part *out, struct err *e);
	/* Read certificates and keys, as whoever serves has to; else nobody else may be able to. */
	bool certificates;
	bool lint;                            /* warn of what can be loaded and is hardly meant */
	const struct config_instead *instead; /* NULL: all files are as they are */
};

#endif
