/* The session's own facts: what is known of a connection and a transaction without any stage. */
#include "mail/session.h"

#include <time.h>

#include "mail/cost.h"

/* Reverse names that are followed; who has more has them for no honest reason. */
#define CLIENT_NAMES 4
#define FROM_DOMAINS 32
#define FROM_FIELDS 32

static struct value
value_ip(const struct ip *ip)
{
	return (struct value){ .type = VALUE_IP, .ip = *ip };
}

static enum progress
compute_client_ip(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_ip(&ask->session->client_ip);
	return DONE;
}

static enum progress
compute_client_port(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_number(ask->session->client_port);
	return DONE;
}

static enum progress
compute_client_trusted(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_bool(ask->session->trusted);
	return DONE;
}

static enum progress
compute_stress(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_bool(ask->session->stressed);
	return DONE;
}

/*
 * Of the names that the reverse zone gives, the first that leads back to the address. All
 * addresses are asked for before the first is waited for. *failed: one could not be had.
 */
static enum progress
confirm_names(struct ask *ask, const struct dns_answer *names, struct str *out, bool *failed)
{
	const struct ip *ip = &ask->session->client_ip;
	enum dns_type type = ip->version == 4 ? DNS_A : DNS_AAAA;
	enum progress all = DONE;

	for (size_t i = 0; i < names->n && i < CLIENT_NAMES; i++) {
		const struct dns_answer *addresses;
		struct str name = names->rr[i].data;

		if (name.n > 0 && name.p[name.n - 1] == '.')
			name.n--;
		if (!mail_domain_ok(name) || name.p[0] == '[')
			continue;
		if (ask_dns(ask, name, type, &addresses) == PENDING)
			all = PENDING;
		else if (addresses->status == DNS_TEMPFAIL)
			*failed = true;
		else if (out->n == 0 && dns_has_ip(addresses, ip))
			*out = name;
	}
	return all;
}

static enum progress
compute_client_name(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct session *s = ask->session;
	const struct dns_answer *names;
	struct str name = { "", 0 };
	bool failed;

	*out = value_text(s->client_name);
	if (s->client_name.n > 0 || s->client_ip.version == 0)
		return DONE;
	if (ask_dns(ask, dns_reverse_name(ask->arena, &s->client_ip), DNS_PTR, &names) == PENDING)
		return PENDING;
	failed = names->status == DNS_TEMPFAIL;
	if (names->status == DNS_OK && confirm_names(ask, names, &name, &failed) == PENDING)
		return PENDING;
	/* That the DNS is silent now is nobody's fault: no rule is to take it for "no name". */
	if (name.n == 0 && failed) {
		*out = (struct value){ .type = VALUE_NONE };
		return DONE;
	}
	/* Of a name that was found no other name's failure takes anything away. */
	if (name.n > 0)
		ask->failures = 0;
	/* For the journal too, which shows it whether a rule asked or not. */
	s->client_name = arena_lower(s->conn, name);
	*out = value_text(s->client_name);
	return DONE;
}

static void
asks_client_name(struct costs *costs, const struct fact_call *call)
{
	(void)call;
	cost_dns(costs, STR("client.name"), 1, 1 + CLIENT_NAMES);
}

static enum progress
compute_front(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_symbol(front_name(ask->session->front));
	return DONE;
}

static enum progress
compute_helo(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_text(ask->session->helo);
	return DONE;
}

static enum progress
compute_helo_esmtp(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_bool(ask->session->esmtp);
	return DONE;
}

static enum progress
compute_tls(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_bool(ask->session->tls.on);
	return DONE;
}

static enum progress
compute_tls_cipher(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_text(ask->session->tls.cipher);
	return DONE;
}

static enum progress
compute_tls_client_cert(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_text(ask->session->tls.client_cert);
	return DONE;
}

static enum progress
compute_tls_client_fingerprint(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_text(ask->session->tls.client_fingerprint);
	return DONE;
}

static enum progress
compute_tls_version(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_text(ask->session->tls.version);
	return DONE;
}

static enum progress
compute_account(struct ask *ask, const struct fact_call *call, struct value *out)
{
	/* The connection's memory, and a new AUTH may replace it. */
	*out = value_text(arena_dup(ask->arena, ask->session->account));
	return DONE;
}

static enum progress
compute_auth_mechanism(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_text(arena_dup(ask->arena, ask->session->auth_mechanism));
	return DONE;
}

static enum progress
compute_authenticated(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_bool(session_authenticated(ask->session));
	return DONE;
}

static enum progress
compute_errors(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_number(ask->session->n_errors);
	return DONE;
}

static enum progress
compute_messages(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_number(ask->session->n_messages);
	return DONE;
}

static enum progress
compute_sender(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_text(ask->session->txn.sender_key);
	return DONE;
}

static enum progress
compute_sender_local(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_text(ask->session->txn.sender.local);
	return DONE;
}

static enum progress
compute_sender_domain(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_text(arena_lower(ask->arena, ask->session->txn.sender.domain));
	return DONE;
}

static enum progress
compute_sender_null(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_bool(ask->session->txn.sender.null);
	return DONE;
}

static enum progress
compute_size_declared(struct ask *ask, const struct fact_call *call, struct value *out)
{
	uint64_t size = ask->session->txn.size_declared;

	*out = value_number(size > INT64_MAX ? INT64_MAX : (int64_t)size);
	return DONE;
}

static enum progress
compute_recipient(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct recipient *r = session_recipient(ask->session);

	*out = value_text(r ? r->key : STR(""));
	return DONE;
}

static enum progress
compute_recipient_domain(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct recipient *r = session_recipient(ask->session);

	*out = value_text(r ? arena_lower(ask->arena, r->mailbox.domain) : STR(""));
	return DONE;
}

static enum progress
compute_recipients(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct transaction *txn = &ask->session->txn;
	bool one_more = txn->current != NULL && txn->current->state == RECIPIENT_ASKED;

	*out = value_number((int64_t)txn->n_accepted + one_more);
	return DONE;
}

static enum progress
compute_recipients_unknown(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_number((int64_t)ask->session->txn.n_unknown);
	return DONE;
}

static enum progress
compute_message_size(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_number((int64_t)ask->session->txn.message.size);
	return DONE;
}

static enum progress
compute_header_count(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_number((int64_t)ask->session->txn.message.header.n);
	return DONE;
}

static enum progress
compute_from_count(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_number((int64_t)header_count(&ask->session->txn.message.header, "From"));
	return DONE;
}

static bool
has_text(const struct str *texts, size_t n, struct str text)
{
	for (size_t i = 0; i < n; i++)
		if (str_eq(texts[i], text))
			return true;
	return false;
}

static enum progress
compute_from_domain(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct header *header = &ask->session->txn.message.header;
	struct str *domain = ARENA_ARRAY(ask->arena, struct str, FROM_DOMAINS);
	const struct field *from;
	size_t n = 0;

	for (size_t i = 0; i < FROM_FIELDS && (from = header_find(header, "From", i)) != NULL;
	     i++) {
		struct str more[FROM_DOMAINS];
		size_t n_more = header_from_domains(ask->arena, from->value, more, FROM_DOMAINS);

		for (size_t k = 0; k < n_more && n < FROM_DOMAINS; k++)
			if (!has_text(domain, n, more[k]))
				domain[n++] = more[k];
	}
	*out = (struct value){ .type = VALUE_LIST, .list = { domain, n } };
	return DONE;
}

/* The local time at which the connection first asks: one moment for all its rules. */
static struct tm
local_time(const struct ask *ask)
{
	const time_t now = (time_t)ask->now;
	struct tm tm = { 0 };

	localtime_r(&now, &tm);
	return tm;
}

static enum progress
compute_hour(struct ask *ask, const struct fact_call *call, struct value *out)
{
	if (ask->closed)
		return PENDING;
	*out = value_number(local_time(ask).tm_hour);
	return DONE;
}

static const char *const weekdays[] = { "sunday", "monday", "tuesday", "wednesday", "thursday",
	"friday", "saturday", NULL };

static enum progress
compute_weekday(struct ask *ask, const struct fact_call *call, struct value *out)
{
	if (ask->closed)
		return PENDING;
	*out = value_symbol(weekdays[local_time(ask).tm_wday]);
	return DONE;
}

static const char *const fronts[] = { "proxy", "milter", NULL };

#define AT_ALL STEP_CONNECT, STEP_MESSAGE
#define AT_HELO STEP_HELO, STEP_MESSAGE
#define AT_MAIL STEP_MAIL, STEP_MESSAGE
#define AT_RCPT STEP_RCPT, STEP_MESSAGE
#define AT_MESSAGE STEP_MESSAGE, STEP_MESSAGE

/* clang-format off: rows */
const struct fact_def session_facts[] = {
	{ "account", VALUE_TEXT, NULL, NULL, AT_MAIL, LIFE_TRANSACTION, COST_FREE, compute_account,
	    "The name the client has authenticated as; empty when it has not, or when its "
	    "mechanism does not tell." },
	{ "auth.mechanism", VALUE_TEXT, NULL, NULL, AT_MAIL, LIFE_TRANSACTION, COST_FREE,
	    compute_auth_mechanism,
	    "The SASL mechanism with which the client has authenticated, in capitals; empty when it "
	    "has not.",
	    .remedy = "Choose another kind of authentication in the mail program." },
	{ "authenticated", VALUE_BOOL, NULL, NULL, AT_MAIL, LIFE_TRANSACTION, COST_FREE,
	    compute_authenticated,
	    "Whether the mail server has authenticated the client, known by name or not; not as "
	    "ANONYMOUS.",
	    .remedy = "Turn on authentication for outgoing mail in the mail program." },
	{ "client.ip", VALUE_IP, NULL, NULL, AT_ALL, LIFE_SESSION, COST_FREE, compute_client_ip,
	    "The client's address." },
	{ "client.name", VALUE_TEXT, NULL, NULL, AT_ALL, LIFE_SESSION, COST_DNS,
	    compute_client_name,
	    "The client's name: its address leads to it and it leads back; empty when there is none, "
	    "unknown while the DNS does not answer.",
	    .asks = asks_client_name,
	    .remedy =
		"Give ${client.ip} a name in the DNS (PTR) that leads back to it (A or AAAA). The owner of the address, as a rule your provider, can do that." },
	{ "client.port", VALUE_NUMBER, NULL, NULL, AT_ALL, LIFE_SESSION, COST_FREE,
	    compute_client_port, "The client's port." },
	{ "client.trusted", VALUE_BOOL, NULL, NULL, AT_ALL, LIFE_SESSION, COST_FREE,
	    compute_client_trusted, "Whether the client is named by the setting trust." },
	{ "errors", VALUE_NUMBER, NULL, NULL, AT_MAIL, LIFE_RECIPIENT, COST_FREE, compute_errors,
	    "How many commands of this connection were in error so far.",
	    .remedy = "Look at the replies before this one: they name what was wrong." },
	{ "from.count", VALUE_NUMBER, NULL, NULL, AT_MESSAGE, LIFE_TRANSACTION, COST_FREE,
	    compute_from_count,
	    "How many From fields the message has; a proper one has exactly one.",
	    .remedy = "Send messages with exactly one From field." },
	{ "from.domain", VALUE_LIST, NULL, NULL, AT_MESSAGE, LIFE_TRANSACTION, COST_FREE,
	    compute_from_domain, "The domains of all mailboxes in all From fields, lower case." },
	{ "front", VALUE_SYMBOL, fronts, NULL, AT_ALL, LIFE_SESSION, COST_FREE, compute_front,
	    "Where the session comes from: proxy or milter." },
	{ "header.count", VALUE_NUMBER, NULL, NULL, AT_MESSAGE, LIFE_TRANSACTION, COST_FREE,
	    compute_header_count, "How many header fields the message has." },
	{ "helo", VALUE_TEXT, NULL, NULL, AT_HELO, LIFE_HELO, COST_FREE, compute_helo,
	    "The name the client gave with HELO or EHLO, as it was given.",
	    .remedy = "Let your mail server give its own full name in HELO. It said ${helo}." },
	{ "helo.esmtp", VALUE_BOOL, NULL, NULL, AT_HELO, LIFE_HELO, COST_FREE, compute_helo_esmtp,
	    "Whether the client said EHLO rather than HELO.",
	    .remedy = "Let your mail server greet with EHLO instead of HELO." },
	{ "message.size", VALUE_NUMBER, NULL, NULL, AT_MESSAGE, LIFE_TRANSACTION, COST_FREE,
	    compute_message_size, "The octets of the message, header included.",
	    .remedy =
		"Make the message smaller: leave attachments away, or put them where they can be fetched." },
	{ "recipient", VALUE_TEXT, NULL, NULL, AT_RCPT, LIFE_EACH_RECIPIENT, COST_FREE,
	    compute_recipient,
	    "The recipient that is being decided; its domain is in lower case. Rules of message may "
	    "test it, not write it into texts." },
	{ "recipient.domain", VALUE_TEXT, NULL, NULL, AT_RCPT, LIFE_EACH_RECIPIENT, COST_FREE,
	    compute_recipient_domain, "The domain of the recipient, lower case; likewise." },
	{ "recipients", VALUE_NUMBER, NULL, NULL, AT_RCPT, LIFE_RECIPIENT, COST_FREE,
	    compute_recipients,
	    "How many recipients were accepted, with the one that is being decided.",
	    .remedy = "Send to fewer recipients at a time; mail servers do that by themselves." },
	{ "recipients.unknown", VALUE_NUMBER, NULL, NULL, AT_RCPT, LIFE_RECIPIENT, COST_FREE,
	    compute_recipients_unknown,
	    "How many recipients of this message the mail server did not know.",
	    .remedy = "Clean your list of recipients: too many of the addresses do not exist." },
	{ "sender", VALUE_TEXT, NULL, NULL, AT_MAIL, LIFE_TRANSACTION, COST_FREE, compute_sender,
	    "The envelope sender; its domain is in lower case; empty for a bounce." },
	{ "sender.domain", VALUE_TEXT, NULL, NULL, AT_MAIL, LIFE_TRANSACTION, COST_FREE,
	    compute_sender_domain,
	    "The domain of the envelope sender, lower case; empty for a bounce." },
	{ "sender.local", VALUE_TEXT, NULL, NULL, AT_MAIL, LIFE_TRANSACTION, COST_FREE,
	    compute_sender_local,
	    "What stands before the @ of the envelope sender, as it was given." },
	{ "sender.null", VALUE_BOOL, NULL, NULL, AT_MAIL, LIFE_TRANSACTION, COST_FREE,
	    compute_sender_null, "Whether the envelope sender is empty, as that of a bounce is." },
	{ "session.messages", VALUE_NUMBER, NULL, NULL, AT_MAIL, LIFE_TRANSACTION, COST_FREE,
	    compute_messages, "How many messages this connection has delivered so far.",
	    .remedy = "Send fewer messages over one connection." },
	{ "size.declared", VALUE_NUMBER, NULL, NULL, AT_MAIL, LIFE_TRANSACTION, COST_FREE,
	    compute_size_declared, "The size the client announced with SIZE=; 0 when it did not.",
	    .remedy =
		"Make the message smaller: leave attachments away, or put them where they can be fetched." },
	{ "stress", VALUE_BOOL, NULL, NULL, AT_ALL, LIFE_SESSION, COST_FREE, compute_stress,
	    "Whether connections were running short when this one began; never with the milter." },
	{ "time.hour", VALUE_NUMBER, NULL, NULL, AT_ALL, LIFE_SESSION, COST_FREE, compute_hour,
	    "The hour of the day, 0 to 23, in the zone of this machine; that in which the connection "
	    "first asks for it.",
	    .remedy = "Send it again at another time.", .most = 23 },
	{ "time.weekday", VALUE_SYMBOL, weekdays, NULL, AT_ALL, LIFE_SESSION, COST_FREE,
	    compute_weekday, "The day of the week, in English; likewise.",
	    .remedy = "Send it again at another time." },
	{ "tls", VALUE_BOOL, NULL, NULL, AT_ALL, LIFE_HELO, COST_FREE, compute_tls,
	    "Whether the client's connection is secured by TLS.",
	    .remedy = "Turn on TLS for outgoing mail." },
	{ "tls.cipher", VALUE_TEXT, NULL, NULL, AT_ALL, LIFE_HELO, COST_FREE, compute_tls_cipher,
	    "The cipher of the client's connection, as OpenSSL calls it; empty without TLS.",
	    .remedy = "Let your mail server use a newer version of its TLS library." },
	{ "tls.client_cert", VALUE_TEXT, NULL, NULL, AT_ALL, LIFE_HELO, COST_FREE,
	    compute_tls_client_cert,
	    "The common name of the client's certificate if it leads to an authority that is "
	    "known; empty otherwise, and while tls does not ask for it.",
	    .remedy = "Let your mail server show its certificate when TLS begins." },
	{ "tls.client_fingerprint", VALUE_TEXT, NULL, NULL, AT_ALL, LIFE_HELO, COST_FREE,
	    compute_tls_client_fingerprint,
	    "The SHA-256 of the client's certificate in hex, whoever signed it; empty when it gave "
	    "none.",
	    .remedy = "Let your mail server show its certificate when TLS begins." },
	{ "tls.version", VALUE_TEXT, NULL, NULL, AT_ALL, LIFE_HELO, COST_FREE, compute_tls_version,
	    "The version of TLS of the client's connection, such as TLSv1.3; empty without.",
	    .remedy = "Turn on TLS 1.2 or newer for outgoing mail." },
};
/* clang-format on */
const size_t n_session_facts = sizeof session_facts / sizeof *session_facts;
