/*
 * stage: what a filter is. A stage is one file with one const struct: its facts, its settings, and
 * what it wants to be told. Stages give facts; they never decide, never reply, never block, never do I/O:
 * what they need from outside they ask for through mail/fact.h. The same header serves stages that are loaded at run time
 * (`stage "path/name.so"`): such a file exports `const struct stage postern_stage`.
 * All functions are called on the session's loop thread; conf is shared by all loops and const after load.
 */
#ifndef POSTERN_FILTERS_STAGE_H
#define POSTERN_FILTERS_STAGE_H

#include "base/err.h"
#include "base/setting.h"
#include "mail/authres.h"
#include "mail/cost.h"
#include "mail/session.h"

/* Raised with every change of this file or of a struct it shows. A stage of another number is not loaded. */
#define STAGE_ABI 13

enum stage_event {
	EVENT_HEADER,       /* the header is complete: the moment to note questions early */
	EVENT_BODY,         /* more of the message is at hand */
	EVENT_RCPT_TAKEN,   /* the MTA took the current recipient */
	EVENT_RCPT_UNKNOWN, /* the MTA refused the current recipient for good (5yz) */
	EVENT_ACCEPTED,     /* the MTA took the message: what counts, counts now */
	EVENT_REFUSED, /* MAIL, a recipient or the message was refused for good: by a rule, or the message by the MTA */
	EVENT_OFFERED, /* the message may be with the MTA from here on */
	EVENT_OVER,    /* the transaction ends, whatever became of it */
};

struct stage {
	unsigned abi;     /* STAGE_ABI */
	const char *name; /* also the name of its block of settings */
	const char *help;
	const struct fact_def *facts;
	size_t n_facts;
	const struct setting *settings; /* rows of the block `name { ... }` */
	size_t n_settings;
	size_t conf_size; /* of the struct those rows fill; 0: no settings */
	/*
	 * Names of stages whose facts this one asks for: they are told of what happens whenever this
	 * one is. Ended by NULL; may be NULL.
	 */
	const char *const *uses;
	/* Called once after the settings are filled, to check what rows cannot say; may be NULL. */
	bool (*configure)(void *conf, struct arena *arena, struct err *e);
	/*
	 * Told, when a configuration is loaded, of each different call of a fact of this stage that its rules can make, after
	 * configure(): for who counts only what somebody can ask for. The last that writes to conf. May be NULL.
	 */
	void (*asked)(void *conf, const struct fact_call *call);
	/*
	 * Told of what happens, if any rule in force can ask for a fact of this stage; may be NULL. Questions noted here are sent off; nobody waits for
	 * them (a COUNT with add is how things are counted). PENDING needs no saying.
	 */
	void (*event)(struct ask *ask, enum stage_event event);
	/*
	 * The questions that it notes at EVENT_HEADER, before a rule needs them (mail/cost.h); NULL: none. conf: its settings
	 */
	void (*early)(struct costs *costs, const void *conf);
	/* Adds this stage's results to our Authentication-Results, from facts already known; may be NULL. */
	void (*results)(const struct ask *ask, struct authres *authres);
};

/* filters/table.c: the stages that are built in. */
extern const struct stage *const stages[];
extern const size_t n_stages;

/* filters/plugin.c: loads one; the handle stays open for the life of the process. NULL and e when it cannot be. */
const struct stage *stage_load(const char *path, struct err *e);

#endif
