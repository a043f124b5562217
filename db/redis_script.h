/*
 * redis_script: a question to the store as one command for Redis, and Redis' reply as the answer. Each question is one run
 * of a script in the server, which reads, judges and writes in one step; so no update is lost, however many
 * machines ask. The reply is foreign: whatever it holds that the script does not give is refused. Pure; shared by the
 * loops and the command line.
 *
 * Keys, behind the prefix: seen:KEY, count:KEY, hold:KEY, limit:KEY, sketch:KEY, delivered:DIGEST, exceptions, alive.
 * Times within them are the askers' wall seconds; their expiry in Redis is later, and only to have them cleared away.
 */
#ifndef POSTERN_DB_REDIS_SCRIPT_H
#define POSTERN_DB_REDIS_SCRIPT_H

#include "base/buf.h"
#include "db/store.h"

struct redisReply;

enum redis_script {
	REDIS_SEEN,
	REDIS_COUNT,
	REDIS_DISTINCT,
	REDIS_DELIVERED,
	REDIS_EXCEPTIONS,
	REDIS_SWAP,
	REDIS_SCRIPTS,
};

#define REDIS_ARGUMENTS 24
#define REDIS_SHA 40

/* A command under construction: `text` owns what the arguments point to, but long texts are the question's. */
struct redis_command {
	int n;
	enum redis_script script;
	const char *argument[REDIS_ARGUMENTS];
	size_t length[REDIS_ARGUMENTS];
	size_t used;
	char text[8192];
	char sha[REDIS_SCRIPTS][REDIS_SHA + 1]; /* of the scripts */
};

/* Once, before the first command. */
void redis_command_init(struct redis_command *c);
/* The text of a script, for SCRIPT LOAD. */
const char *redis_script_text(enum redis_script script);
/* Makes the command be the script itself in the place of its digest: for a server that does not know it. */
void redis_command_whole(struct redis_command *c);
/*
 * The command of a question; now: wall seconds. read_only: a question of SEEN, COUNT or TAKE is answered and changes nothing;
 * the others are not to be asked then unless they only look. False: a key is longer than any stage's.
 */
bool redis_command_ask(struct redis_command *c, const char *prefix, const struct store_ask *ask,
    int64_t now, bool read_only);
/* REDIS_SWAP: puts a row in the place of old (NULL: there was none), to live for so many seconds. */
bool redis_command_swap(struct redis_command *c, struct str key, const struct str *old,
    struct str new, int64_t seconds);

/* PREFIX KIND key into out; false: too long. */
bool redis_key(struct buf *out, const char *prefix, const char *kind, struct str key);

/* Fills the answer. False: it is nothing that the script gives, and the answer is as if it had failed. */
bool redis_answer_take(const struct redisReply *reply, const struct store_ask *ask);

#endif
