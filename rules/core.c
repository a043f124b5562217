/*
 * core: the plain settings at the top of the file: their rows, and what rows cannot say.
 */
#include <unistd.h>

#include "base/die.h"
#include "mail/list.h"
#include "rules/load.h"
#include "rules/rule.h"

#define CORE(member) offsetof(struct config_core, member)
#define SECONDS(n) ((n)*INT64_C(1000))
#define DAYS(n) SECONDS((n)*INT64_C(86400))
#define MEGA(n) ((n)*INT64_C(1048576))

static const char *const carrying[] = { "relay", "off", NULL };
static const char *const verbs[] = { "refuse", "relay", NULL };
static const char *const modes[] = { "enforce", "observe", NULL };
static const char *const failures[] = { "tempfail", "pass", NULL };
static const char *const shortages[] = { "tempfail", "reject", NULL };
static const char *const addresses[] = { "clear", "hashed", NULL };
static const char *const newlines[] = { "refuse", "normalise", NULL };

/* clang-format off: rows. The timeouts are those of RFC 5321 4.5.3.2. */
const struct setting config_settings[] = {
	{ "hostname", SETTING_TEXT, CORE(hostname), 0, 0, "\"\"", NULL,
	    "The name Postern gives itself in greetings and header fields; by default the host's." },
	{ "database", SETTING_TEXT, CORE(database), 0, 0, "\"/var/lib/postern\"", NULL,
	    "The folder of journal.db and store.db." },
	{ "user", SETTING_TEXT, CORE(user), 0, 0, "\"\"", NULL,
	    "Whom posternd becomes once its sockets are open; empty: it stays who it is." },
	{ "runtime", SETTING_TEXT, CORE(runtime), 0, 0, "\"\"", NULL,
	    "The folder of the sockets between its processes; by default that of the database." },
	{ "threads", SETTING_NUMBER, CORE(threads), 0, 256, "0", NULL,
	    "Event loops; 0: one for each core." },
	{ "mode", SETTING_WORD, CORE(mode), 0, 0, "enforce", modes,
	    "With observe, rules are evaluated and journalled, and nobody is refused." },
	{ "when dns unavailable", SETTING_WORD, CORE(when_dns), 0, 0, "pass", failures,
	    "What becomes of mail that would be accepted when a rule asked the DNS in vain." },
	{ "when store unavailable", SETTING_WORD, CORE(when_store), 0, 0, "tempfail", failures,
	    "The same when a rule asked the store in vain, for the greylist or a rate. With `store "
	    "redis` it is pass unless said otherwise, and counters and plans go on in store.db." },
	{ "when stage fails", SETTING_WORD, CORE(when_stage), 0, 0, "tempfail", failures,
	    "What becomes of mail when a stage comes to no end; pass: as if the step had no rules." },
	{ "when memory short", SETTING_WORD, CORE(when_memory), 0, 0, "tempfail", shortages,
	    "What a transaction is told that takes more memory than it may." },
	{ "deliver once", SETTING_SWITCH, CORE(deliver_once), 0, 0, "on", NULL,
	    "Whether the proxy keeps a message from being delivered twice that a client sends again "
	    "because it did not hear that it was taken." },
	{ "bare_newline", SETTING_WORD, CORE(bare_newline), 0, 0, "refuse", newlines,
	    "What becomes of a message with a CR or LF that stands alone." },
	{ "message_size", SETTING_SIZE, CORE(message_size), 1024, MEGA(2048), "50M", NULL,
	    "The largest message that is taken (SIZE of RFC 1870)." },
	{ "message_memory", SETTING_SIZE, CORE(message_memory), 4096, MEGA(64), "256k", NULL,
	    "What a message may take in memory; beyond it goes to a temporary file." },
	{ "header_size", SETTING_SIZE, CORE(header_size), 1024, MEGA(8), "128k", NULL,
	    "The largest header that is taken; less than message_memory." },
	{ "recipients", SETTING_NUMBER, CORE(recipients), 100, 100000, "1000", NULL,
	    "Recipients of one message; RFC 5321 4.5.3.1.8 asks for 100 at least." },
	{ "vrfy", SETTING_WORD, CORE(vrfy), 0, 0, "refuse", verbs,
	    "Whether VRFY is asked of the mail server, which may tell who exists; else it is answered 252." },
	{ "expn", SETTING_WORD, CORE(expn), 0, 0, "refuse", verbs,
	    "Whether EXPN is asked of the mail server, which may tell who is in a list; else 502." },
	{ "etrn", SETTING_WORD, CORE(etrn), 0, 0, "refuse", verbs,
	    "Whether ETRN is asked of the mail server, which may start a queue run; else 502." },
	{ "help", SETTING_WORD, CORE(help), 0, 0, "refuse", verbs,
	    "Whether HELP is asked of the mail server; else Postern answers itself." },
	{ "auth", SETTING_WORD, CORE(auth), 0, 0, "relay", carrying,
	    "Whether clients can authenticate with the mail server (AUTH), if that offers it." },
	{ "auth in clear", SETTING_SWITCH, CORE(auth_in_clear), 0, 0, "off", NULL,
	    "Whether AUTH is offered without TLS too, where anybody on the way reads the password." },
	{ "auth_failures", SETTING_NUMBER, CORE(auth_failures), 1, 1000, "3", NULL,
	    "Authentications of a connection that fail until it is closed." },
	{ "auth_failures_per_minute", SETTING_NUMBER, CORE(auth_failures_minute), 1, 1000000, "20",
	    NULL,
	    "Authentications of a client (an IPv6 client is its /64) that fail in a minute until its "
	    "next ones are refused without asking the mail server. Not for clients in trust." },
	{ "auth_failures_per_hour", SETTING_NUMBER, CORE(auth_failures_hour), 1, 1000000, "100",
	    NULL, "The same in an hour." },
	{ "sessions", SETTING_NUMBER, CORE(sessions), 1, 1000000, "10000", NULL,
	    "Connections at a time." },
	{ "sessions_per_client", SETTING_NUMBER, CORE(sessions_per_client), 1, 1000000, "100", NULL,
	    "Connections at a time of one client: an IPv4 address, or an IPv6 network of 64 bits." },
	{ "sessions_per_network", SETTING_NUMBER, CORE(sessions_per_network), 1, 1000000, "1000",
	    NULL,
	    "Connections at a time of one network; by default no less than sessions_per_client." },
	{ "network ipv4", SETTING_NUMBER, CORE(network_ipv4), 8, 32, "24", NULL,
	    "How many bits of an IPv4 address are its network, for sessions_per_network." },
	{ "network ipv6", SETTING_NUMBER, CORE(network_ipv6), 16, 64, "48", NULL,
	    "The same for IPv6." },
	{ "connections_per_minute", SETTING_NUMBER, CORE(connections_per_minute), 0, 1000000, "0",
	    NULL, "Connections of one client in a minute; 0: any number." },
	{ "messages_per_minute", SETTING_NUMBER, CORE(messages_per_minute), 0, 1000000, "0", NULL,
	    "MAIL commands of one client in a minute; 0: any number." },
	{ "recipients_per_minute", SETTING_NUMBER, CORE(recipients_per_minute), 0, 1000000, "0",
	    NULL, "RCPT commands of one client in a minute; 0: any number." },
	{ "errors_per_minute", SETTING_NUMBER, CORE(errors_per_minute), 0, 1000000, "0", NULL,
	    "Commands in error of one client in a minute, after which its connections are closed; 0: any number." },
	{ "errors", SETTING_NUMBER, CORE(errors), 1, 1000, "10", NULL,
	    "Commands in error after which a connection is closed." },
	{ "memory_held", SETTING_SIZE, CORE(memory_held), 0, MEGA(1048576), "256M", NULL,
	    "What all messages that are held may take in memory; beyond it they go to files." },
	{ "disk_held", SETTING_SIZE, CORE(disk_held), 0, MEGA(1048576), "4G", NULL,
	    "What all messages that are held may take in files; beyond both they are told 452." },
	{ "backlog", SETTING_NUMBER, CORE(backlog), 10, 1000000, "20000", NULL,
	    "So many requests that wait for the databases stop the intake of mail until a quarter is "
	    "left." },
	{ "stress sessions", SETTING_NUMBER, CORE(stress_sessions), 0, 100, "80", NULL,
	    "From so many percent of sessions on there is stress: clients get less time; 0: never." },
	{ "stress timeout", SETTING_DURATION, CORE(stress_timeout), SECONDS(1), DAYS(1), "10s",
	    NULL, "Under stress, the most that any timeout towards a client is." },
	{ "stress errors", SETTING_NUMBER, CORE(stress_errors), 1, 1000, "1", NULL,
	    "Under stress, the most that errors is." },
	{ "data_rate", SETTING_NUMBER, CORE(data_rate), 0, 1000000, "100", NULL,
	    "Octets a second that a client has to send of a message at least; 0: as it likes." },
	{ "data_rate_over", SETTING_DURATION, CORE(data_rate_over), SECONDS(1), DAYS(1), "60s",
	    NULL, "The time over which data_rate is an average." },
	{ "timeout proxy header", SETTING_DURATION, CORE(timeout_proxy_header), 100, SECONDS(600),
	    "5s", NULL,
	    "How long a proxy may take for its header, where a listener asks for one." },
	{ "timeout tls", SETTING_DURATION, CORE(timeout_tls), SECONDS(1), DAYS(1), "30s", NULL,
	    "How long a client may take for a TLS handshake." },
	{ "timeout greeting", SETTING_DURATION, CORE(timeout_greeting), SECONDS(1), DAYS(1), "5m",
	    NULL, "How long a client may take for its first command." },
	{ "timeout command", SETTING_DURATION, CORE(timeout_command), SECONDS(1), DAYS(1), "5m",
	    NULL, "How long a client may take for a command." },
	{ "timeout data block", SETTING_DURATION, CORE(timeout_data_block), SECONDS(1), DAYS(1),
	    "3m", NULL, "How long a client may pause inside of a message." },
	{ "timeout data end", SETTING_DURATION, CORE(timeout_data_end), SECONDS(1), DAYS(1), "10m",
	    NULL, "How long a client may take for a whole message's end." },
	{ "timeout message", SETTING_DURATION, CORE(timeout_message), SECONDS(1), DAYS(1), "2h",
	    NULL, "How long a client may take for a message, however much it sends." },
	{ "timeout session", SETTING_DURATION, CORE(timeout_session), SECONDS(1), DAYS(30), "6h",
	    NULL, "How long a connection may last." },
	{ "backend timeout connect", SETTING_DURATION, CORE(backend_timeout_connect), 100, DAYS(1),
	    "30s", NULL, "How long the mail server may take to accept a connection." },
	{ "backend timeout command", SETTING_DURATION, CORE(backend_timeout_command), 100, DAYS(1),
	    "5m", NULL, "How long the mail server may take to answer a command." },
	{ "backend timeout data", SETTING_DURATION, CORE(backend_timeout_data), 100, DAYS(1), "3m",
	    NULL, "How long the mail server may pause in taking a message." },
	{ "backend timeout end", SETTING_DURATION, CORE(backend_timeout_end), 100, DAYS(1), "10m",
	    NULL, "How long the mail server may take to answer the end of a message." },
	{ "backend timeout wait", SETTING_DURATION, CORE(backend_timeout_wait), 0, SECONDS(240),
	    "5s", NULL,
	    "How long a client waits for a connection to a mail server that has all of its `connections`; "
	    "then 421." },
	{ "probe every", SETTING_DURATION, CORE(probe_every), 100, DAYS(1), "60s", NULL,
	    "How often each mail server is asked whether it is well, and what it can do." },
	{ "probe retry", SETTING_DURATION, CORE(probe_retry), 100, DAYS(1), "15s", NULL,
	    "The longest pause between questions to a mail server that is away." },
	{ "store timeout", SETTING_DURATION, CORE(store_timeout), 1, SECONDS(10), "50ms", NULL,
	    "How long Redis may take for an answer before a session goes on without." },
	{ "store prefix", SETTING_TEXT, CORE(store_prefix), 0, 0, "\"postern:\"", NULL,
	    "What all keys in Redis begin with: machines with the same one share a store." },
	{ "store number", SETTING_NUMBER, CORE(store_number), 0, 1000000, "0", NULL,
	    "The number of the database in Redis (SELECT)." },
	{ "store user", SETTING_TEXT, CORE(store_user), 0, 0, "\"\"", NULL,
	    "The user to log in to Redis as, with a password; empty: Redis' default user." },
	{ "store password", SETTING_TEXT, CORE(store_password), 0, 0, "\"\"", NULL,
	    "The password for Redis (AUTH); empty: none." },
	{ "store password file", SETTING_FILE, CORE(store_password_file), 0, 0, "\"\"", NULL,
	    "A file that holds it, for a configuration that others may read." },
	{ "store sentinel password file", SETTING_FILE, CORE(store_sentinel_password_file), 0, 0,
	    "\"\"", NULL, "A file that holds the password of the Sentinels, if they have one." },
	{ "dns timeout", SETTING_DURATION, CORE(dns_timeout), 100, SECONDS(60), "5s", NULL,
	    "How long one DNS question may take." },
	{ "dns budget", SETTING_DURATION, CORE(dns_budget), 100, SECONDS(300), "20s", NULL,
	    "How long all DNS questions of one decision may take." },
	{ "delay budget", SETTING_DURATION, CORE(delay_budget), 0, DELAY_MAX, "30s", NULL,
	    "How long all delays of one step may take, whatever its rules add up to; 0: nobody is "
	    "delayed. The milter holds back less, as mail servers wait for it only so long." },
	{ "trust_anchor", SETTING_TEXT, CORE(trust_anchor), 0, 0, "\"/usr/share/dns/root.key\"",
	    NULL,
	    "The root's DNSSEC key; empty: nothing is validated. Not used by resolver forward." },
	{ "journal keep", SETTING_DURATION, CORE(journal_keep), SECONDS(60), DAYS(36500), "90d",
	    NULL,
	    "How long the journal keeps what was decided: entries, and the sums of hours that statistics "
	    "are made from." },
	{ "journal details", SETTING_DURATION, CORE(journal_details), 0, DAYS(36500), "0", NULL,
	    "How long entries stay; after that there are only the sums of their hours. 0: as long as `journal keep`." },
	{ "journal search", SETTING_SWITCH, CORE(journal_search), 0, 0, "on", NULL,
	    "Whether an index is kept with which texts and addresses are found fast in millions of entries." },
	{ "journal subject", SETTING_SWITCH, CORE(journal_subject), 0, 0, "off", NULL,
	    "Whether the journal keeps the subjects of messages, to be searched." },
	{ "journal size", SETTING_SIZE, CORE(journal_size), 0, MEGA(16777216), "0", NULL,
	    "Beyond this size of journal.db the oldest entries go before their time; 0: it may grow." },
	{ "journal addresses", SETTING_WORD, CORE(journal_addresses), 0, 0, "clear", addresses,
	    "How mail addresses stand in the journal: as they are, unless `journal addresses hashed` says "
	    "otherwise." },
	{ "journal addresses hashed", SETTING_FILE, CORE(journal_key), 0, 0, "\"\"", NULL,
	    "The file with the key (32 octets or more) under which the local parts of mail addresses are "
	    "hashed before they are written to the journal; empty: they are not." },
	{ "drain", SETTING_DURATION, CORE(drain), 0, DAYS(1), "30s", NULL,
	    "How long SIGTERM waits for connections to finish." },
	{ "watch lists", SETTING_DURATION, CORE(watch_lists), 0, DAYS(1), "2s", NULL,
	    "How often the files of lists are looked at: one that has changed, and has been left alone "
	    "for a second, is taken without a reload. 0: never." },
	{ "sandbox", SETTING_SWITCH, CORE(sandbox), 0, 0, "on", NULL,
	    "Whether the kernel holds each process to the system calls and folders it needs." },
};
/* clang-format on */
const size_t n_config_settings = sizeof config_settings / sizeof *config_settings;

static const struct setting *
core_row(const char *name)
{
	for (size_t i = 0; i < n_config_settings; i++)
		if (strcmp(config_settings[i].name, name) == 0)
			return &config_settings[i];
	panic("no setting %s", name);
}

bool
given_once(struct load *load, const void *what, const struct token *at, const char *name)
{
	struct given *g;

	for (g = load->given; g != NULL; g = g->next)
		if (g->what == what) {
			COMPLAIN(
			    load, at, "`%s` was given already, on %s", name, PLACE(&g->at, at));
			return false;
		}
	g = ARENA_NEW(load->arena, struct given);
	*g = (struct given){ what, *at, load->given };
	g->at.column = 1;
	load->given = g;
	return true;
}

const struct given *
given_find(const struct load *load, const void *what)
{
	const struct given *g = load->given;

	while (g != NULL && g->what != what)
		g = g->next;
	return g;
}

static char *
host_name(struct load *load)
{
	char name[256];

	if (gethostname(name, sizeof name) != 0 || name[0] == '\0')
		return (char *)(uintptr_t) "localhost";
	name[sizeof name - 1] = '\0';
	return (char *)(uintptr_t)arena_dup(load->arena, str_of(name)).p;
}

/* A row that a complaint is about, at its line when it was given. */
static void
complain_row(struct load *load, const struct setting *row, const char *text)
{
	const struct given *g = given_find(load, row);

	COMPLAIN(load, g ? &g->at : NULL, "`%s` %s", row->name, text);
}

void
core_finish(struct load *load)
{
	struct config *config = load->config;
	struct config_core *core = &config->core;
	const struct setting *anchor = core_row("trust_anchor");

	if (core->hostname[0] == '\0')
		core->hostname = host_name(load);
	if (core->database[0] == '\0')
		complain_row(load, core_row("database"), "must not be empty");
	if (core->runtime[0] == '\0')
		core->runtime = core->database;
	core->bare_newline_normalise = core->bare_newline == 1;
	/* Who allows a client more than the default of a network means it. */
	if (given_find(load, core_row("sessions_per_network")) == NULL &&
	    core->sessions_per_network < core->sessions_per_client)
		core->sessions_per_network = core->sessions_per_client;
	if (core->header_size >= core->message_memory &&
	    given_find(load, core_row("header_size")) != NULL)
		complain_row(load, core_row("header_size"), "must be less than `message_memory`");
	else if (core->header_size >= core->message_memory)
		complain_row(load, core_row("message_memory"), "must be more than `header_size`");
	if (given_find(load, anchor) == NULL &&
	    (config->resolver.forward || access(core->trust_anchor, R_OK) != 0))
		core->trust_anchor = (char *)(uintptr_t) "";
	notify_finish(load);
	digest_finish(load);
	journal_finish(load);
	tls_finish(load);
	if (load->proxied != NULL && list_length(config->trusted) == 0)
		COMPLAIN(load, load->proxied,
		    "`from proxies` lets in nobody without `trust`: name the proxies' addresses there");
	backends_finish(load);
	store_finish(load);
	if (load->listens != NULL && config->n_backends == 0 && !load->backend_given)
		COMPLAIN(load, load->listens,
		    "`listen proxy` needs a mail server behind it: `backend HOST port NUMBER`");
}
