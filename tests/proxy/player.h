/*
 * player: sessions under a configuration with its stages, a store of its own in memory, a DNS that says what the name asked for tells it
 * to, and a clock that the test sets. What the gate would journal goes to record().
 */
#ifndef POSTERN_TESTS_PROXY_PLAYER_H
#define POSTERN_TESTS_PROXY_PLAYER_H

#include "db/store.h"
#include "filters/stage.h"
#include "proxy/gate_record.h"
#include "rules/config.h"

struct player {
	const struct config *config;
	struct store *store;
	struct session session;
	struct gate_story story;
	struct arena *scratch;
	int64_t now;
	/* owns the record; NULL: nobody wants to know */
	void (*record)(void *owner, struct journal_record *record);
	void *owner;
	const struct exceptions *exceptions; /* in force; NULL: none */
	struct verdict verdict;              /* of the last step; its rule is of scratch */
};

void player_init(struct player *p, const struct config *config);
void player_free(struct player *p);
/* A session begins, at p->now. */
void player_open(struct player *p, const char *id, const char *client);
void player_close(struct player *p);
/* True: the step lets it pass. */
bool player_decide(struct player *p, enum step step);
void player_mail(struct player *p, const char *path);
void player_rcpt(struct player *p, const char *path);
/* The recipient that is being decided was taken, or not known (both as the mail server says). */
void player_rcpt_done(struct player *p, enum recipient_state state);
/* The message is there, in whole. It must stay until the transaction is over. */
void player_message(struct player *p, struct str *text);
void player_accepted(struct player *p);
void player_reset(struct player *p);

#endif
