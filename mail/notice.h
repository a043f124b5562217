/*
 * notice: what is to be told to people when a plan's warning level is reached: who, which limit, how much of
 * it, and when it will be used up at this rate. Made by the gate, handed to the processes that tell (as
 * octets), shown there as a letter, as JSON or as variables. Everything in it that a stranger chose, an
 * account's name above all, is cleaned where it is shown. Pure but for the local zone. Slices are borrowed.
 */
#ifndef POSTERN_MAIL_NOTICE_H
#define POSTERN_MAIL_NOTICE_H

#include "mail/plan.h"
#include "mail/template.h"

/* Whose plan it is. */
enum notice_kind { NOTICE_ACCOUNT, NOTICE_CLIENT, NOTICE_UPSTREAM };
/* How somebody is told. */
enum notice_way { NOTICE_ALL_WAYS, NOTICE_MAIL, NOTICE_COMMAND, NOTICE_WEBHOOK };
const char *notice_way_name(enum notice_way way);

struct notice {
	enum notice_kind kind;
	enum plan_what what;
	enum plan_window window;
	int level; /* percent */
	int64_t used, limit;
	int64_t at;      /* wall seconds: when it was reached */
	int64_t reached; /* when the limit will be, at this rate; 0: not within its window */
	struct str who;  /* the account, the address, the name of the upstream */
	struct str plan;
	/* Of one that has been tried: the way and the address that are left, and how often. */
	enum notice_way way;
	struct str to;
	int64_t tries;
};

#define NOTICE_OCTETS 2048
#define NOTICE_TEXT_MAX 512 /* of who, plan and to */

/* As octets. False: it has more than it may. */
bool notice_pack(const struct notice *n, struct buf *out);
/* Of octets from another process: false when they are none. Slices point into them. */
bool notice_unpack(struct str octets, struct notice *out);

/* The names that a template can have, ended by NULL; notice_values() gives what they stand for. */
extern const char *const notice_names[];
#define NOTICE_NAMES 14
/* All on one line each, fit to be read by a person. Memory of arena. */
void notice_values(const struct notice *n, struct str hostname, struct arena *arena,
    struct str value[NOTICE_NAMES]);
/* One JSON object. text: as it would be mailed. */
void notice_json(const struct notice *n, struct str hostname, struct str text, struct buf *out);

/*
 * A template of a letter: "Subject: ..." on the first line, an empty one, the text. False: fault->name says
 * which name is unknown; a fault of line 0: it does not begin like that.
 */
struct notice_template {
	const struct template *subject, *text;
};
bool notice_template_read(struct str text, struct arena *arena, struct notice_template *out,
    struct template_fault *fault);

#endif
