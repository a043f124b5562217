/*
 * config: the configuration file, read and checked whole: settings, lists, plans and the
 * ruleset. Const after load and counted: a session keeps the one it began with; a reload makes
 * a new one beside it. Loading collects every error as file:line:column.
 */
#ifndef POSTERN_RULES_CONFIG_H
#define POSTERN_RULES_CONFIG_H

#include "base/arena.h"
#include "base/err.h"
#include "db/redis.h"
#include "mail/mailbox.h"
#include "mail/notice.h"
#include "mail/part.h"
#include "mail/plan.h"
#include "mail/submission.h"
#include "mail/url.h"

struct ruleset;
struct tls_server;
struct tls_client;
struct pseudonym;

enum listen_kind { LISTEN_PROXY, LISTEN_MILTER };

struct listen {
	enum listen_kind kind;
	struct ip ip; /* PROXY; version 0 for `*`: all of both families */
	uint16_t port;
	bool from_proxies;  /* PROXY: each connection begins with a header of the PROXY protocol */
	bool tls;           /* PROXY: from the first octet (RFC 8314) */
	const char *milter; /* MILTER: libmilter's notation */
};

/* How the mail server learns the client's address. */
enum handoff {
	HANDOFF_NONE,
	HANDOFF_XCLIENT,
	HANDOFF_PROXY_PROTOCOL,
	HANDOFF_PROXY_PROTOCOL_V2,
	HANDOFF_TPROXY, /* the connection comes from it */
};

#define BACKENDS_MAX 32
#define BACKEND_WEIGHT_MAX 1000
#define BACKEND_CONNECTIONS_MAX 100000

/* Whether the connection to the mail server is secured, and who it has to be then. */
enum starttls { STARTTLS_OFF, STARTTLS_OPPORTUNISTIC, STARTTLS_REQUIRED, STARTTLS_VERIFY };

struct backend {
	const char *host; /* name or address */
	uint16_t port;
	bool lmtp; /* it speaks LMTP (RFC 2033) */
	enum handoff handoff;
	unsigned weight; /* 1 to BACKEND_WEIGHT_MAX */
	bool standby;    /* only when no other is well */
	enum starttls starttls;
	const char *name;    /* VERIFY: for which its certificate has to be */
	int64_t connections; /* at most so many at a time, of the whole process; 0: any number */
	int64_t reuse; /* XCLIENT: how long an idle one is kept for the next client, ms; 0: not */
	/* for recipients in these only; none: for all whom no other backend's lists name */
	const struct list *const *domains;
	size_t n_domains;
	const char *route; /* these as they were written, "" for none; on one line */
};

/* The block `tls`; its rows are in certificates.c (tls_settings). */
struct config_tls {
	int64_t minimum; /* 0: TLS 1.2, 1: TLS 1.3 */
	char *ciphers, *ca;
	bool ask_client;
};

/* A line of the file `owners`; the account in lower case. */
struct notify_owner {
	struct str account, address;
};

/* The block `notify`; its rows are in notices.c (notify_settings). */
struct config_notify {
	bool given;
	struct submission server; /* takes what is mailed */
	const char *from;
	bool to_owner, to_postmaster;
	const char *const *to; /* besides */
	size_t n_to;
	char *command, *webhook_text, *template, *postmaster, *owner_domain, *owners_file;
	struct url webhook;                /* of webhook_text, unless that is empty */
	const struct notify_owner *owners; /* sorted */
	size_t n_owners;
	struct notice_template letter;
	int64_t again, timeout, attempts, retry;
};

/* The block `digest`; its rows are in digests.c (digest_settings). */
struct config_digest {
	int64_t refusals; /* 0 reject, 1 all */
	char *domains_file, *link, *key_file;
	struct str key;                    /* of certificates' kind: who serves reads it */
	const struct notify_owner *owners; /* of domains, sorted */
	size_t n_owners;
	const struct list *recipients; /* who get theirs; NULL: none */
	int64_t valid;                 /* ms */
};

struct config_resolver {
	bool forward;
	const char *host;
	uint16_t port;
};

/* What becomes of mail that would be accepted when something failed that its rules asked. */
enum when { WHEN_TEMPFAIL, WHEN_PASS };

/* The plain settings at the top of the file; their rows are in core.c (config_settings). */
struct config_core {
	char *hostname, *database;
	char *user;                            /* whom posternd becomes */
	char *runtime;                         /* folder of sockets; default: database */
	int64_t threads;                       /* loops; 0: one a core */
	int64_t journal_keep, journal_details; /* ms; details 0: as long as it is kept */
	int64_t journal_addresses;             /* 0 clear, unless there is a key */
	char *journal_key;                     /* the file with it */
	bool journal_search;
	bool journal_subject;
	int64_t journal_size;        /* octets; 0: any */
	bool bare_newline_normalise; /* `bare_newline refuse|normalise` (word index 1) */
	int64_t bare_newline;
	int64_t message_size, message_memory, header_size; /* octets */
	int64_t recipients;                                /* a transaction */
	int64_t sessions, sessions_per_client, sessions_per_network, errors;
	int64_t network_ipv4, network_ipv6; /* bits */
	int64_t connections_per_minute, messages_per_minute, recipients_per_minute,
	    errors_per_minute;                 /* of a client; 0: any */
	int64_t memory_held, disk_held;        /* by all messages, octets */
	int64_t backlog;                       /* requests */
	int64_t stress_sessions;               /* percent of sessions; 0: never */
	int64_t stress_timeout, stress_errors; /* ms; the most under stress */
	int64_t data_rate, data_rate_over;     /* octets a second; ms */
	int64_t auth;                          /* 0 relay, 1 off */
	bool auth_in_clear;
	int64_t auth_failures;                            /* a connection */
	int64_t auth_failures_minute, auth_failures_hour; /* a client */
	/* client side, ms */
	int64_t timeout_proxy_header, timeout_tls, timeout_greeting, timeout_command,
	    timeout_data_block, timeout_data_end, timeout_message, timeout_session;
	int64_t probe_every, probe_retry; /* of the backends, ms */
	int64_t backend_timeout_connect, backend_timeout_command;
	int64_t backend_timeout_data, backend_timeout_end;
	int64_t backend_timeout_wait;    /* for one of its connections */
	int64_t dns_timeout, dns_budget; /* one question; all of one decision */
	bool deliver_once;               /* a message that comes again is not delivered again */
	int64_t delay_budget;            /* all delays of one step, ms */
	int64_t mode;                    /* 0 enforce, 1 observe */
	/* what a failure does to mail; see the words in core.c */
	int64_t when_dns, when_store, when_stage; /* enum when */
	int64_t vrfy, expn, etrn, help;           /* 0 refuse, 1 relay */
	int64_t when_memory;                      /* 0 tempfail, 1 reject */
	int64_t drain;                            /* ms that SIGTERM waits for sessions */
	char *trust_anchor;                       /* DNSSEC root key file */
	bool sandbox;                             /* what the kernel can keep us from, it shall */
	int64_t watch_lists;                      /* ms between looks at their files; 0: none */
	/* of `store redis` */
	char *store_user, *store_password, *store_password_file, *store_sentinel_password_file;
	char *store_prefix;
	int64_t store_number, store_timeout; /* ms */
};

/* A file at a moment; two that are equal are one that has not changed. Zero: there was none. */
struct file_stamp {
	uint64_t device, inode, size;
	int64_t written_us; /* wall */
	int64_t changed_us; /* also by what is no writing: renaming, rights; nobody can set it */
};

struct file_stamp file_stamp(const char *path);
bool file_stamp_eq(const struct file_stamp *a, const struct file_stamp *b);

/* A file that the configuration names: its processes must be able to read it again. */
struct config_file {
	const char *path;
	bool list;               /* of a list's items: it is watched */
	struct file_stamp stamp; /* LIST: from before it was read */
	bool moved;              /* LIST: it changed while it was read */
	struct str written;      /* its path as it is written */
	uint64_t hash;           /* LIST: of what was in it */
	const struct config_file *next;
};

/* A condition with a name. */
struct config_definition {
	struct str name;
	uint64_t hash; /* of what it says, with the definitions it uses */
	bool texts;    /* there are texts in it, which may be addresses */
	const struct config_definition *next;
};

struct config {
	struct arena *arena;
	char *path;
	const struct config_file *files;
	char revision[16]; /* 12 hex digits: a digest of all its text, and record_configuration() */
	char words[16];    /* the same without the files of lists */
	struct config_core core;
	const struct listen *listen;
	size_t n_listen;
	const struct backend *backends;
	size_t n_backends;
	struct config_tls tls;
	struct config_notify notify;
	struct config_digest digest;
	struct tls_server *tls_server; /* NULL: no `certificate`, or it was not to be read */
	struct tls_client *tls_client; /* NULL: nothing that we connect to is secured */
	struct pseudonym *
	    pseudonym; /* addresses are journalled under it; NULL: as they are, or the key is not ours to read */
	struct config_resolver resolver;
	struct redis_settings *redis; /* NULL: `store sqlite` */
	const char *store_secret;     /* why a file of a password could not be read; NULL */
	const struct list *trusted;   /* of `trust`; never NULL */
	const struct list **lists;    /* those with a name, `trusted` among them */
	size_t n_lists;
	const struct config_definition *definitions;
	struct plans plans;
	struct fact_table facts; /* of all parts */
	/* the vocabulary's parts and the loaded ones: stage index = index here */
	const struct config_part *part;
	size_t n_parts;
	void **part_conf; /* its settings' struct, or NULL */
	bool *part_used;  /* some rule asks for one of its facts, itself or through another part */
	struct ruleset *ruleset;
	/* private */
	_Atomic unsigned users;
};

/* One complaint; several a run. */
struct complaint {
	const char *file;
	unsigned line, column;
	const char *text;   /* what is wrong and what would be right */
	const char *mend;   /* the end of text that says what would be right; "" */
	const char *lint;   /* of a warning: its name, "shadowed"; NULL */
	const char *source; /* the source line, for a caret under it; may be NULL */
	bool warning;       /* worth saying, but the file is usable */
	unsigned rank;      /* of its file among those complained about */
};

struct complaints {
	struct arena *arena; /* owns the texts */
	struct complaint *item;
	size_t n, cap, errors;
};

void complaints_free(struct complaints *c);
/*
 * "postern.conf:12:9: error: unknown fact `sfp`; did you mean `spf`?" with the source line
 * and a caret; escaped. Returns one malloc'ed text, without a line end behind it.
 */
char *complaint_print(const struct complaint *c);

/*
 * NULL when there was an error; complaints are filled in either case. Counted once for the
 * caller.
 */
struct config *config_load(
    const char *path, const struct config_vocabulary *vocabulary, struct complaints *complaints);
struct config *config_use(struct config *config);
void config_release(struct config **config);

/*
 * Under which addresses are hashed in the journal, as the key's file says now; memory of arena. *out NULL: they are not. False: it cannot be
 * read.
 */
bool config_pseudonym(
    const struct config *config, struct arena *arena, struct pseudonym **out, struct err *e);

/*
 * Which backends take mail for a mailbox, NULL for none in particular: a set of bits by their index. Those whose
 * lists name it most closely (mail/list.h); those without lists when none does. Empty only without backends.
 */
uint32_t config_route(const struct config *config, const struct mailbox *to);

/*
 * What a stage's facts rest on besides questions: its settings, and those of the stages it uses. And what the plans say. Two
 * configurations with the same number have the same.
 */
uint64_t config_part_hash(const struct config *config, size_t part);
uint64_t config_plans_hash(const struct config *config);

/*
 * Where the owner of an account is reached: as the file `owners` says, else the account itself if it is an
 * address, else at the owner domain. Empty: nowhere that a mail can go.
 */
struct str notify_owner(
    const struct config_notify *notify, struct str account, struct arena *arena);

/* The address beside a name, in either case; empty: it is not there. */
struct str owner_find(
    const struct notify_owner *owner, size_t n, struct str name, struct arena *arena);

/* The rows of the core, for the parser and the man page. */
extern const struct setting config_settings[];
extern const size_t n_config_settings;
/* Those of the block `tls`. */
extern const struct setting tls_settings[];
extern const size_t n_tls_settings;
/* Those of the block `notify`. */
extern const struct setting notify_settings[];
extern const size_t n_notify_settings;
/* Those of the block `digest`. */
extern const struct setting digest_settings[];
extern const size_t n_digest_settings;

#endif
