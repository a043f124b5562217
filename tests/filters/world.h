/*
 * world: what a stage can see, for its tests: a session, a zone of DNS records, a real store in a
 * folder of its own, and a clock that moves only when told. Facts are asked for as a rule would
 * write them; the questions they note are answered and they are asked again, as the gate does.
 * Whatever goes wrong fails the cmocka test that is running. One thread.
 */
#ifndef POSTERN_TESTS_FILTERS_WORLD_H
#define POSTERN_TESTS_FILTERS_WORLD_H

#include "filters/stage.h"

struct world_record;

struct world {
	struct session session;
	int64_t now;                     /* wall seconds */
	bool store_fails;                /* the store answers nothing */
	unsigned dns_asked, store_asked; /* questions so far */
	unsigned rounds;                 /* how often the last fact had to wait */
	/* private */
	const struct stage *const *stages;
	size_t n_stages;
	void **conf; /* one a stage */
	struct fact_table table;
	struct arena *arena;
	struct world_record *records;
	struct store *store;
	char folder[64];
};

/* The stages and the session's own facts; settings as their rows' fallbacks say. */
struct world *world_new(const struct stage *const *stages, size_t n);
void world_free(struct world **world);
/* "greylist", "delay", "10m": as it would stand in the configuration. */
void world_set(struct world *world, const char *stage, const char *name, const char *value);
/* Calls the stage's configure(), as after reading the settings. */
bool world_configure(struct world *world, const char *stage, struct err *e);

/* A record: an address, "10 mx.example.org", a name, or a text. */
void world_dns(struct world *world, const char *name, enum dns_type type, const char *data);
/* The name cannot be had. */
void world_dns_fails(struct world *world, const char *name);
/* Its records of this type cannot. */
void world_dns_fails_for(struct world *world, const char *name, enum dns_type type);

/* A new connection. */
void world_connect(struct world *world, const char *ip, const char *account);
void world_mail(struct world *world, const char *path);
/* Its RCPT is being decided from here on, until one of the two after this. */
void world_rcpt(struct world *world, const char *path);
void world_rcpt_taken(struct world *world);
void world_rcpt_unknown(struct world *world);
/* Rules deferred it: no stage is told. */
void world_rcpt_refused(struct world *world);
/* A rule refused what is being decided for good: MAIL, or the message. */
void world_refused(struct world *world);
/* A message has come, all of it; the stages are told. For a transaction that is open. */
void world_data(struct world *world, const char *octets);
/* Our Authentication-Results for it, unfolded, without its name. */
const char *world_authres(struct world *world);
/* The MTA took the message: the stages are told, the transaction ends. */
void world_accepted(struct world *world);
/* A whole message to so many recipients. */
void world_message(struct world *world, const char *sender, unsigned recipients);

/* Octets of the store's log of writes: nothing else grows when it writes. */
int64_t world_store_written(const struct world *world);
/* As if somebody else had asked the store. */
void world_count(struct world *world, const struct question *q);

struct fact_call world_call(struct world *world, const char *text);
/* As if a rule in force could ask for it: the stage is told, as when a configuration is loaded. */
void world_rule(struct world *world, const char *text);
struct value world_fact(struct world *world, enum step step, const char *text);
/* The value printed; "(none)" for none. */
const char *world_print(struct world *world, enum step step, const char *text);
#define assert_fact(world, step, text, expected) \
	assert_string_equal(world_print((world), (step), (text)), (expected))
/* The complaint of a fact about its arguments, "" for none. */
const char *world_check(struct world *world, const char *text);

#endif
