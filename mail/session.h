/*
 * session: one client connection, with the transaction inside. Filled by whichever front has the
 * client, read by stages, rules and journal. Text in it belongs to one of its two arenas: `conn`
 * for what holds as long as the connection, `txn` for what ends with the transaction. No I/O.
 */
#ifndef POSTERN_MAIL_SESSION_H
#define POSTERN_MAIL_SESSION_H

#include "mail/fact.h"
#include "mail/header.h"
#include "mail/mailbox.h"
#include "mail/plan.h"
#include "mail/verdict.h"

enum front { FRONT_PROXY, FRONT_MILTER };
const char *front_name(enum front front);

enum recipient_state {
	RECIPIENT_ASKED,    /* its RCPT is being decided */
	RECIPIENT_ACCEPTED, /* rules and MTA took it */
	RECIPIENT_REFUSED,  /* rules or MTA did not */
	RECIPIENT_UNKNOWN,  /* the MTA said 550 5.1.1 or the like */
};

struct recipient {
	struct mailbox mailbox;
	struct str key; /* mailbox_key() */
	enum recipient_state state;
	unsigned needs;        /* as of the transaction */
	struct str parameters; /* of RCPT, likewise */
	struct facts facts;    /* LIFE_RECIPIENT */
	struct recipient *next;
};

/* A field that rules or stages want added in front. */
struct added_field {
	struct str name, value;
	struct added_field *next;
};

struct mark {
	struct str name;
	struct mark *next;
};

/*
 * A refusal that an exception may undo, held back until it is known whether it does (rules/exception.h). Texts are the
 * configuration's, or of the arena it lies in.
 */
struct held {
	enum step step; /* at which a rule refused */
	struct verdict verdict;
	struct str source;                 /* the rule as written */
	const char *digest;                /* by which exceptions know it */
	const struct recipient *recipient; /* whom alone it is about; NULL: all of them */
	bool counted;                      /* an exception has its hit */
	struct held *next;
};

struct exceptions;
struct hashed;
struct pseudonym;

struct transaction {
	bool open;       /* MAIL was accepted */
	unsigned serial; /* 1, 2, ... in the session */
	struct arena *arena;
	struct answers answers;
	struct facts facts; /* LIFE_TRANSACTION and, at message, LIFE_RECIPIENT */
	struct mailbox sender;
	struct str sender_key;  /* mailbox_key(); "" for <> */
	uint64_t size_declared; /* SIZE= (RFC 1870); 0: none */
	unsigned needs;         /* of the MTA: a set of enum extension (mail/extension.h) */
	struct str parameters;  /* of MAIL but SIZE, for the MTA: " RET=HDRS ENVID=1" */
	struct recipient *recipients, *last_recipient;
	struct recipient *current;             /* the one whose RCPT is decided; NULL elsewhere */
	size_t n_asked, n_accepted, n_unknown; /* recipients */
	struct message message;
	int64_t score; /* of all steps so far */
	struct mark *marks;
	struct added_field *added;
	struct held *held;
	struct str *policy;  /* what message rules find in the first recipient: rules/policy.h */
	struct str queue_id; /* the MTA's, where it is known */
	void **stage_state;  /* one pointer a stage */
};

/* Whether the client has waited for the greeting, and for the answer to EHLO. */
enum turn {
	TURN_UNKNOWN, /* nobody watched: the milter front */
	TURN_KEPT,
	TURN_BROKEN,
};

/* The client's side of the connection, if it is secured. */
struct session_tls {
	bool on;
	struct str version, cipher;    /* "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
	struct str client_cert;        /* common name of its certificate, if that was verified */
	struct str client_fingerprint; /* SHA-256 of its certificate, verified or not */
};

struct session {
	char id[12]; /* of the connection, for logs and the journal */
	enum front front;
	struct arena *conn;
	int64_t began_ms; /* wall */
	struct ip client_ip;
	uint16_t client_port;
	struct ip server_ip; /* our side, or the MTA's as the milter tells */
	uint16_t server_port;
	/* reverse name as the MTA told (milter), or found by us; "" unknown */
	struct str client_name;
	struct str reverse_name; /* by XCLIENT: not confirmed by a forward look-up */
	struct str helo;         /* as given; "" before */
	bool esmtp;              /* EHLO */
	enum turn turn;
	struct session_tls tls;
	struct str account;        /* authenticated as; "" none, or not known */
	struct str auth_mechanism; /* with which; "" none, or not known */
	struct str hostname;       /* ours: authserv-id */
	bool trusted;              /* client is in `trust` */
	bool rules_over;           /* accept session was said */
	bool stressed;             /* sessions were running short when it began */
	struct answers answers;    /* asked at connect and helo */
	struct facts facts;        /* LIFE_SESSION, LIFE_HELO */
	const struct fact_table *table;
	size_t n_stages;
	const struct plans *plans; /* the configuration's, or NULL */
	const struct pseudonym
	    *pseudonym; /* addresses are journalled under it; NULL: as they are */
	/* those in force, while a decision is made; NULL: none */
	const struct exceptions *exceptions;
	struct held *held; /* of connect and helo */
	struct hashed
	    *hashed; /* its addresses are pseudonyms (rules/hashed.h); NULL: as they were */
	struct replayed *replayed; /* it is decided again, from what was kept of it; NULL */
	struct transaction txn;
	/* errors and refusals so far, for limits and facts */
	unsigned n_errors, n_refused, n_messages;
};

#define SESSION_CONN_LIMIT (64 * 1024)
#define SESSION_TXN_LIMIT (1536 * 1024)

/* Makes the arenas; table and n_stages are the configuration's. Everything else is zero. */
void session_init(
    struct session *s, enum front front, const struct fact_table *table, size_t n_stages);
void session_free(struct session *s);
/* HELO or EHLO: forgets the facts of LIFE_HELO, and the transaction. */
void session_helo(struct session *s, struct str name, bool esmtp);
/* TLS began: forgets what was said in the clear. Its texts are copied. */
void session_secure(struct session *s, const struct session_tls *tls);
/*
 * The client has proven who it is: account "" when that cannot be known. Forgets the facts of LIFE_HELO. Its texts
 * are copied. With two empty ones, it is nobody again.
 */
void session_authenticate(struct session *s, struct str account, struct str mechanism);
/* It is somebody: ANONYMOUS (RFC 4505) makes nobody of anybody. */
bool session_authenticated(const struct session *s);
/* Begins a transaction with its sender. */
void session_mail(struct session *s, const struct mailbox *sender);
/* Adds a recipient, which becomes current. */
struct recipient *session_rcpt(struct session *s, const struct mailbox *mailbox);
/* The one that is asked for; where there is none the first that was accepted, or NULL. */
const struct recipient *session_recipient(const struct session *s);
/* The one place that ends a transaction: RSET, HELO, end of message, every failure. */
void session_reset(struct session *s);
/* The ask of a step: fills everything but conf and state, which fact_get() sets. */
struct ask session_ask(struct session *s, enum step step, int64_t now);

/*
 * The session's own facts: client.ip, client.name, helo, sender, sender.domain, recipient, ...,
 * message.size. One const table, NULL conf.
 */
extern const struct fact_def session_facts[];
extern const size_t n_session_facts;

#endif
