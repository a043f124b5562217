/*
 * smtp_server: the dialogue with one client, from greeting to goodbye. Inside of the proxy front only:
 * smtp_server.c has the life of a connection and its waiting, smtp_command.c the verbs,
 * smtp_envelope.c MAIL and RCPT with their parameters,
 * smtp_rcpt.c a recipient's way through rules and MTA, smtp_mta.c the link to the MTA,
 * smtp_data.c the taking in of a message,
 * smtp_auth.c AUTH, smtp_guess.c limits for those who guess at it,
 * smtp_bdat.c that of its chunks, smtp_relay.c its handing on, smtp_once.c that it is not handed on
 * twice, smtp_delay.c the waiting that rules order, smtp_tls.c the handshake, smtp_time.c the deadlines, smtp_limits.c what a client may have of
 * what all share.
 *
 * A client waits for at most one thing: the gate (`gate_next` is then called) or the MTA
 * (`mta_next`). While it waits, nothing of its input is looked at. Nobody frees a client but
 * client_turn(), which every entry from the loop calls last: all others set its state.
 */
#ifndef POSTERN_PROXY_SMTP_SERVER_H
#define POSTERN_PROXY_SMTP_SERVER_H

#include "mail/command.h"
#include "mail/eod.h"
#include "mail/said.h"
#include "proxy/backend.h"
#include "proxy/gate.h"
#include "proxy/io.h"
#include "proxy/limits.h"
#include "proxy/once.h"
#include "proxy/pool.h"
#include "proxy/proxy_front.h"
#include "proxy/proxy_header.h"
#include "proxy/received.h"
#include "proxy/spool.h"

enum client_state {
	CLIENT_CONNECT, /* the rules of connect are asked; nothing was said yet */
	CLIENT_TLS,     /* the TLS handshake; nothing is said but by it */
	CLIENT_GREETED, /* 220 was said, no HELO yet */
	CLIENT_AUTH,    /* the mail server has challenged it: the next line is the answer */
	CLIENT_READY,   /* HELO was taken; no transaction */
	CLIENT_MAIL,    /* a transaction without a recipient */
	CLIENT_RCPT,    /* a transaction with recipients */
	CLIENT_CHUNKS,  /* and a part of the message; between two chunks of it */
	CLIENT_DATA,    /* the message is coming in */
	CLIENT_MESSAGE, /* it is being decided and handed on */
	CLIENT_REFUSED, /* 554 was said instead of 220 */
	CLIENT_CLOSING, /* the last reply is on its way */
	CLIENT_GONE,    /* to be freed by client_turn() */
	CLIENT_STATES
};

/* A message on its way in, then out. Exists from 354 until its transaction ends. */
struct data {
	struct eod_reader reader;
	struct spool *spool;
	struct buf head;  /* the message's beginning, until its header is complete */
	size_t head_next; /* when to look again whether it is */
	bool header_done, too_many_fields;
	bool too_big, header_too_big;
	bool spool_failed, no_room; /* the spool is gone then */
	uint64_t octets;            /* taken in, whether kept or not */
	uint64_t chunk_left;        /* octets to come of the present chunk, if it comes in chunks */
	bool chunk_last;
	uint64_t told;     /* octets at the last EVENT_BODY */
	int64_t began_us;  /* monotonic */
	int64_t heard_us;  /* when octets came last */
	uint64_t window;   /* octets when the present span of the rate began */
	int64_t window_us; /* when that was */
	struct err err;    /* of the spool */
	struct once *once; /* NULL: `deliver once off` */
	unsigned char key[DELIVERED_KEY];
	/* on its way out */
	struct eod_writer writer;
	struct buf front_fields;
	struct holes holes;
	size_t next_hole;
	uint64_t offset;
	bool writing, sent;
};

/* A chunk of BDAT that is not taken: its octets are swallowed before the reply. */
struct unwanted {
	uint64_t left; /* of the present one */
	bool open;     /* there is one */
	enum said said;
	bool ends;      /* the transaction is over behind it */
	uint64_t total; /* octets, since the last MAIL */
	bool
	    excused; /* they were under way when the message was refused: no error of the client's */
};

/* How many messages of a client that does not wait for replies are told apart. */
#define TOLD_MOST 4

/* The last messages that were taken, until their client is known to have heard the reply to the newest, and so to all. */
struct told {
	size_t n;   /* 0: it has heard */
	bool ended; /* the client's end of input was there before our reply */
	bool spoke; /* the client has said something since */
	uint64_t
	    mark; /* how far it has to have acknowledged our octets (io_position); 0: not known */
	unsigned char key[TOLD_MOST][DELIVERED_KEY];
};

/* A refusal that no rule gives. */
struct refusal {
	enum step step;
	enum said said;
};

struct proxy_front {
	struct gate *gate;
	struct config *config; /* the newest */
	struct report *report; /* to those who look from outside */
	struct slots *slots;   /* what the mail servers have of all loops */
	struct pool *pool;     /* the mail servers */
	struct limits *limits; /* the worker's */
	struct listener *listeners;
	struct event *reopen; /* accepting is paused until then */
	struct event *watch;  /* looks for what other threads have changed */
	struct client *clients;
	struct proxied *proxied; /* whose header is awaited */
	size_t n_clients;        /* both kinds */
	bool draining;
	bool paused;     /* no accepting for a time */
	bool slowed;     /* neither accepting nor new commands: the db thread has too much to do */
	bool stressed;   /* what the clients' timers are set by */
	int64_t shed_us; /* when idle clients were last sent away for want of room */
	struct buf line; /* the command that is looked at, of whichever client */
	struct buf out;  /* the reply that is being written */
};

struct auth;

struct client {
	struct client *next, **at; /* in front->clients */
	struct proxy_front *front;
	struct io *io;
	struct gate_session *gs;
	struct session *s;
	const struct config_core *core;
	enum client_state state;
	unsigned
	    offered;     /* of the MTA's extensions, in the answer to EHLO: set of enum extension */
	bool tls_first;  /* before the greeting, by the listener */
	bool shaking;    /* the handshake has begun */
	bool rules_over; /* since the rules of connect */
	bool timed;      /* the deadline of the present command runs */
	bool limited;    /* it has met a limit */
	bool ended;      /* the client's end of input was seen */
	bool broken;     /* nothing we say will reach it */
	bool finished;   /* our own end goes out behind the last reply */
	bool lingers;    /* both have: the client's end is awaited */
	struct ip peer;  /* who is connected, whomever it speaks for by XCLIENT */
	struct peer counted; /* as whom it was counted */
	bool peer_trusted;   /* and may say for whom */
	void (*gate_next)(struct client *c);
	void (*mta_next)(struct client *c);
	void (*mta_opened)(struct client *c); /* while a connection is made */
	bool journalled;                      /* what is said next: it needs not be counted */
	const struct refusal *refusal;        /* on its way to the journal */
	void (*refused)(struct client *c);
	const char *why;            /* how the connection ended, for the log */
	struct backend_link *mta;   /* NULL: none, or lost */
	struct pool_member *member; /* whose link that is */
	struct pool_quest quest;    /* for this link */
	bool resumed;               /* it was another client's, and has not answered this one */
	bool mta_mail;              /* the MTA took MAIL of this transaction */
	bool mta_dirty;             /* it must hear RSET before the next MAIL */
	bool mta_lost;              /* with recipients of this transaction */
	struct auth *auth;          /* the dialogue of AUTH, as long as it lasts */
	bool bound;                 /* the MTA has authenticated the client on this very link */
	bool portable;              /* and another one can be told so */
	bool auth_lost;             /* it has forgotten: nothing is left but 421 */
	int64_t n_auth_failures;
	struct db_request *guess_look;
	void (*guess_pass)(struct client *c);
	void (*guess_refuse)(struct client *c);
	struct data *data;
	struct unwanted unwanted;
	struct buf asked; /* a command that is relayed as it is */
	struct told told;
	struct db_request *once_look; /* whether the message was delivered before */
	void (*once_next)(struct client *c);
	int64_t began_us;           /* monotonic: the connection */
	int64_t idle_us;            /* the present wait for a command */
	const struct deadline *due; /* that the timer is set for */
};

/* ---- proxy_front.c ---- */

/* A connection whose ends are known: it becomes a client, unless there are too many of its kind. */
void front_admit(
    struct proxy_front *front, int fd, const struct endpoints *ends, const struct listen *how);
/* Counts a connection in, of either kind; false: there are too many. */
bool front_enter(struct proxy_front *front);
void front_leave(struct proxy_front *front);
/* What a network is. */
struct peer_network front_network(const struct config_core *core);
/* Too much waits for the db thread: nobody is let in, and no new command is run. */
bool front_slowed(struct proxy_front *front);

/* ---- smtp_server.c ---- */

/* What a connection is, and as whom it was counted. */
struct arrival {
	int fd;
	const struct endpoints *ends;
	const struct listen *how;
	struct peer counted;
};
void client_new(struct proxy_front *front, const struct arrival *arrival);
void client_free(struct client *c);
/*
 * XCLIENT: begins a new session of the client that `attributes` tells, at the state before the
 * greeting. False: it is not well-formed, and nothing has changed.
 */
bool client_become(struct client *c, struct str attributes, struct err *e);
/* Runs what can be run, sets reading and deadlines, frees the client if it is gone. */
void client_turn(struct client *c);
void client_set_state(struct client *c, enum client_state state);
void client_reply(struct client *c, enum said said);
/* A limit was met, of a kind that is only counted; what is said next is told of it, and not counted again. */
void client_limit(struct client *c, enum said said);
/* A no is told in the mail server's words: it is counted as ours that means the same. */
void client_relayed(struct client *c, enum said said);
/* fill: printable, or already escaped. */
void client_reply_with(struct client *c, enum said said, const char *fill);
void client_reply_verdict(struct client *c, const struct verdict *v);
/* A reply to a mistake of the client's; too many of them end the session. */
void client_error(struct client *c, enum said said);
void client_error_with(struct client *c, enum said said, const char *fill);
/*
 * A 5yz of the MTA, which counts as an error of the client's. False: the client is told something else, and
 * that it was one too many.
 */
bool client_mta_error(struct client *c);
/* Journals a refusal, replies with it, then calls refused(c). */
void client_refuse(
    struct client *c, const struct refusal *refusal, void (*refused)(struct client *c));
/* We have been waiting for a command for so long. */
bool client_idles(const struct client *c, int64_t ms);
/* No more commands; closes when the last reply is out. */
void client_close(struct client *c, const char *why);
/* The one place that ends a transaction, at the gate, the MTA and here. */
void client_reset(struct client *c);
/* A verdict that turns away. */
bool verdict_refuses(const struct verdict *v);

/* ---- smtp_command.c ---- */

void command_line(struct client *c, enum io_line kind, struct str line);
/* Another protocol's client: why is what the log says. */
void command_foreign(struct client *c, const char *why);
/* The rules of connect; then the greeting. */
void command_greet(struct client *c);

/* ---- smtp_envelope.c ---- */

void envelope_mail(struct client *c, struct command *command);
void envelope_rcpt(struct client *c, struct command *command);
/* How many recipients a message of this client may have, as far as one can tell before its first. */
uint64_t envelope_recipients(const struct client *c);

/* ---- smtp_delay.c ---- */

/* Looks after a client that rules delay; part of a turn. */
void delay_turn(struct client *c);

/* ---- smtp_tls.c ---- */

/* STARTTLS can be offered. */
bool tls_offered(const struct client *c);
/* The command STARTTLS. */
void tls_command(struct client *c);
/* TLS from the first octet; c may be gone after its next turn. */
void tls_at_once(struct client *c);
/* Begins the handshake as soon as nothing is unsent; part of a turn. */
void tls_turn(struct client *c);
void tls_secured(struct client *c);
void tls_failed(struct client *c, const char *why);

/* ---- smtp_rcpt.c ---- */

/* The current recipient is decided. */
void rcpt_decide(struct client *c);
/* ---- smtp_mta.c ---- */

/*
 * Connects to an MTA that takes mail for the current recipient, if there is one; then calls then(c), with c->mta NULL
 * if there is none to be had. The client may have to wait for a connection; if that takes too long it gets 421,
 * and then() is not called.
 */
void mta_open(struct client *c, void (*then)(struct client *c));
/* Sends a command to the MTA; next(c) is called with its reply, or with c->mta NULL. */
void mta_command(struct client *c, struct str command, void (*next)(struct client *c));
/* The link is not to be used any more. why: what is wrong with it; NULL: nothing. Nor waited for. */
void mta_drop(struct client *c, const char *why);
/* Its transaction, in which no recipient was taken, is to go on elsewhere. */
void mta_part(struct client *c);
/* The MTA's reply word for word; a 421, which is not the client's, as a 451. */
void mta_relay_reply(struct client *c);
/* What the MTA said, without its code, for log and journal. */
struct str mta_text(const struct client *c);
void mta_event(void *owner, enum backend_event event);

/* ---- smtp_time.c ---- */

/* A command is waited for, from now on unless it is already. */
void time_command(struct client *c);
/* Nothing is waited for. */
void time_stop(struct client *c);
/* A message, or a chunk of it, begins; some of it has come. */
void time_data_begin(struct client *c);
void time_data(struct client *c);
/* Stress has begun or ended. */
void time_again(struct client *c);
/* The deadline has passed: tells the client, and closes. */
void time_over(struct client *c);

/* ---- smtp_limits.c ---- */

/* Counts a MAIL, a RCPT; false: the client was told that it is one too many. */
bool limit_mail(struct client *c);
bool limit_rcpt(struct client *c);
/* Counts an error; false: the client was told that it is one too many, and is closed. */
bool limit_error(struct client *c);
/* How many errors it may make; how long something may take that may take so long in quiet times. */
unsigned limit_errors(const struct client *c);
int64_t limit_timeout(const struct client *c, int64_t ms);
/* Where its message may be held. */
struct spool_limits limit_spool(const struct client *c);
/* Whether there is room for its message; what is to be said if not, which is counted. */
bool limit_room(const struct client *c);
enum said limit_no_room(struct client *c);

/* ---- smtp_data.c ---- */

void data_begin(struct client *c);
/* A chunk of n octets comes, in the state RCPT or CHUNKS. */
void data_chunk(struct client *c, uint64_t n, bool last);
/* Takes input while there is some; false: more is needed. */
bool data_take(struct client *c);
void data_free(struct data **data);

/* ---- smtp_ask.c ---- */

/* VRFY, EXPN, HELP and ETRN. */
void ask_command(struct client *c, struct command *command);
/* Of what the MTA has, what the configuration lets through. */
unsigned ask_carried(const struct client *c, unsigned extensions);

/* ---- smtp_auth.c ---- */

/* This client may have it, if the MTA does. */
bool auth_offered(const struct client *c);
void auth_command(struct client *c, struct command *command);
/* The client's answer, in state AUTH. */
void auth_line(struct client *c, enum io_line kind, struct str line);
void auth_free(struct auth **auth);
/* Who it was authenticated as is of the past. */
void auth_forget(struct client *c);
/* The link goes away. */
void auth_link_lost(struct client *c);
/* The MTA knows on this link, which was opened, as whom the client is authenticated; else it is dropped. */
bool auth_holds(struct client *c);

/* ---- smtp_guess.c ---- */

/* Calls pass(c), or refuse(c) when the client has failed too often of late. */
void guess_check(
    struct client *c, void (*pass)(struct client *c), void (*refuse)(struct client *c));
/* Neither is called any more. */
void guess_cancel(struct client *c);
/* An authentication failed; account: the one that was tried, or "". */
void guess_count(struct client *c, struct str account);
/* The client was told: ends the session if it was one too many. */
void guess_failed(struct client *c);

/* ---- smtp_bdat.c ---- */

void bdat_command(struct client *c, struct command *command);
/* The number of its octets cannot be read, so nobody knows where commands begin again. */
void bdat_broken(struct client *c);
/* Swallows input of an unwanted chunk while there is some; false: more is needed. */
bool bdat_swallow(struct client *c);

/* ---- smtp_once.c ---- */

/* The message is complete: answers it if it was delivered before, else go_on(c). */
void once_check(struct client *c, void (*go_on)(struct client *c));
/* go_on() is not called any more. */
void once_cancel(struct client *c);
/* The MTA took it, saying raw; the client was not told yet. */
void once_remember(struct client *c, struct str raw);
/* Output may have gone out; the client said something, or says no more; the connection ends. */
void once_sent(struct client *c);
void once_said(struct client *c);
void once_ended(struct client *c);
void once_leave(struct client *c);

/* ---- smtp_relay.c ---- */

void relay_begin(struct client *c);
void relay_more(struct client *c);

#endif
