#include "filters/greylist.h"

#include "filters/key.h"
#include "mail/mailbox_stem.h"

/* Recipients of one message that are remembered: an own user's mailing is no reason to forget others. */
#define REMEMBERED_MOST 100

bool
greylist_is_ours(const struct session *s)
{
	return s->trusted || session_authenticated(s);
}

void
greylist_remember_recipients(struct ask *ask)
{
	const struct greylist_conf *conf = ask->conf;
	struct seen_question q = greylist_question(conf);
	const struct seen_answer *nobody_waits;
	size_t n = 0;

	if (!conf->know_correspondents || !greylist_is_ours(ask->session))
		return;
	q.prove = true;
	for (const struct recipient *r = ask->session->txn.recipients; r; r = r->next) {
		if (r->state != RECIPIENT_ACCEPTED || r->mailbox.domain.n == 0)
			continue;
		if (n++ == REMEMBERED_MOST)
			return;
		(void)ask_seen(ask,
		    greylist_known_key(ask->arena, mailbox_stem(ask->arena, &r->mailbox)), &q,
		    &nobody_waits);
	}
}

/*
 * Is the sender's address worth looking up? It is a claim: not when the owner of its domain says that this client has no
 * right to it, and not when it is in the recipient's own domain, whose users we know otherwise.
 */
static enum progress
is_credible(struct ask *ask, bool *credible)
{
	const struct greylist_conf *conf = ask->conf;
	const struct session *s = ask->session;
	const struct recipient *r = session_recipient(s);
	struct value v;

	*credible =
	    !s->txn.sender.null && !(r && str_eqcase(r->mailbox.domain, s->txn.sender.domain));
	if (!*credible || !conf->use_spf)
		return DONE;
	if (fact_get_named(ask, "spf", &v) == PENDING)
		return PENDING;
	if (v.type == VALUE_SYMBOL && str_eq(v.text, STR("fail")))
		*credible = false;
	return DONE;
}

/* Is there a row for this one? */
static enum progress
look_up(struct ask *ask, struct str who, bool *known)
{
	struct seen_question q = greylist_question(ask->conf);
	const struct seen_answer *answer;

	q.look_only = true;
	if (ask_seen(ask, greylist_known_key(ask->arena, who), &q, &answer) == PENDING)
		return PENDING;
	if (answer && answer->state == SEEN_PROVEN)
		*known = true;
	return DONE;
}

enum progress
greylist_is_known(struct ask *ask, struct str origin, bool *known)
{
	const struct greylist_conf *conf = ask->conf;
	const struct ip *ip = &ask->session->client_ip;
	const struct mailbox *sender = &ask->session->txn.sender;
	enum progress progress;
	bool credible;

	*known = false;
	progress = is_credible(ask, &credible);
	if (look_up(ask, origin, known) == PENDING)
		progress = PENDING;
	if (ip->version != 0) {
		struct str network =
		    key_network(ask->arena, ip, conf->network_ipv4, conf->network_ipv6);

		if (look_up(ask, str_of(IP_TEXT(ip)), known) == PENDING ||
		    look_up(ask, network, known) == PENDING)
			progress = PENDING;
	}
	if (progress == PENDING || !credible)
		return progress;
	progress = look_up(ask, mailbox_stem(ask->arena, sender), known);
	if (look_up(ask, arena_lower(ask->arena, sender->domain), known) == PENDING)
		progress = PENDING;
	return progress;
}
