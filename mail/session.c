#include "mail/session.h"

#include "base/die.h"

const char *
front_name(enum front front)
{
	switch (front) {
	case FRONT_PROXY:
		return "proxy";
	case FRONT_MILTER:
		return "milter";
	}
	return "unknown";
}

void
session_init(struct session *s, enum front front, const struct fact_table *table, size_t n_stages)
{
	*s = (struct session){ 0 };
	s->front = front;
	s->conn = arena_new(SESSION_CONN_LIMIT);
	s->txn.arena = arena_new(SESSION_TXN_LIMIT);
	s->table = table;
	s->n_stages = n_stages;
}

void
session_free(struct session *s)
{
	/* Cleanups of the transaction may look at what belongs to the connection. */
	if (s->txn.arena != NULL)
		arena_free(&s->txn.arena);
	if (s->conn != NULL)
		arena_free(&s->conn);
	*s = (struct session){ 0 };
}

void
session_reset(struct session *s)
{
	struct arena *arena = s->txn.arena;
	unsigned serial = s->txn.serial;

	/* Cleanups first: they may read the transaction. */
	arena_reset(arena);
	s->txn = (struct transaction){ .arena = arena, .serial = serial };
}

/* Takes the facts of LIFE_HELO out of the list; their memory stays the connection's. */
static void
forget_helo_facts(struct facts *facts)
{
	struct fact **at = &facts->first;

	while (*at != NULL) {
		if ((*at)->call.entry->def->life == LIFE_HELO)
			*at = (*at)->next;
		else
			at = &(*at)->next;
	}
	facts->end = at;
}

/* What the last name was refused for: this one is looked at anew. */
static void
forget_helo_held(struct session *s)
{
	struct held **at = &s->held;

	while (*at != NULL) {
		if ((*at)->step == STEP_HELO)
			*at = (*at)->next;
		else
			at = &(*at)->next;
	}
}

void
session_helo(struct session *s, struct str name, bool esmtp)
{
	session_reset(s);
	forget_helo_facts(&s->facts);
	forget_helo_held(s);
	/* Who says EHLO over and over with the same name costs no memory. */
	if (!str_eq(s->helo, name))
		s->helo = arena_dup(s->conn, name);
	s->esmtp = esmtp;
}

void
session_secure(struct session *s, const struct session_tls *tls)
{
	session_helo(s, STR(""), false);
	s->tls = (struct session_tls){
		.on = tls->on,
		.version = arena_dup(s->conn, tls->version),
		.cipher = arena_dup(s->conn, tls->cipher),
		.client_cert = arena_dup(s->conn, tls->client_cert),
		.client_fingerprint = arena_dup(s->conn, tls->client_fingerprint),
	};
}

void
session_authenticate(struct session *s, struct str account, struct str mechanism)
{
	forget_helo_facts(&s->facts);
	s->account = arena_dup(s->conn, account);
	s->auth_mechanism = arena_dup(s->conn, mechanism);
}

bool
session_authenticated(const struct session *s)
{
	return s->account.n > 0 ||
	    (s->auth_mechanism.n > 0 && !str_eq(s->auth_mechanism, STR("ANONYMOUS")));
}

/* A copy whose slices point into a copy of the address. */
static struct mailbox
mailbox_dup(struct arena *arena, const struct mailbox *m)
{
	struct mailbox copy = *m;

	copy.address = arena_dup(arena, m->address);
	copy.local = arena_dup(arena, m->local);
	copy.domain = arena_dup(arena, m->domain);
	return copy;
}

void
session_mail(struct session *s, const struct mailbox *sender)
{
	session_reset(s);
	s->txn.serial++;
	s->txn.sender = mailbox_dup(s->txn.arena, sender);
	s->txn.sender_key = mailbox_key(s->txn.arena, sender);
	if (s->n_stages > 0)
		s->txn.stage_state = ARENA_ARRAY(s->txn.arena, void *, s->n_stages);
}

struct recipient *
session_rcpt(struct session *s, const struct mailbox *mailbox)
{
	struct recipient *r = ARENA_NEW(s->txn.arena, struct recipient);

	r->mailbox = mailbox_dup(s->txn.arena, mailbox);
	r->key = mailbox_key(s->txn.arena, mailbox);
	r->state = RECIPIENT_ASKED;
	if (s->txn.last_recipient == NULL)
		s->txn.recipients = r;
	else
		s->txn.last_recipient->next = r;
	s->txn.last_recipient = r;
	s->txn.current = r;
	s->txn.n_asked++;
	return r;
}

const struct recipient *
session_recipient(const struct session *s)
{
	if (s->txn.current != NULL)
		return s->txn.current;
	for (const struct recipient *r = s->txn.recipients; r != NULL; r = r->next)
		if (r->state == RECIPIENT_ACCEPTED)
			return r;
	return NULL;
}

struct ask
session_ask(struct session *s, enum step step, int64_t now)
{
	return (struct ask){
		.session = s,
		.table = s->table,
		.step = step,
		.now = now,
		.arena = step < STEP_MAIL ? s->conn : s->txn.arena,
	};
}
