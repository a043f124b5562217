#include "filters/greylist.h"

#include "filters/greylist_name.h"
#include "filters/key.h"
#include "mail/mailbox_stem.h"

struct seen_question
greylist_question(const struct greylist_conf *conf)
{
	return (struct seen_question){
		.delay = conf->delay / 1000,
		.retry = conf->retry / 1000,
		.remember = conf->remember / 1000,
	};
}

/* --- origins ---------------------------------------------------------------------------------- */

/* The domain that SPF let through, or an empty text. */
static enum progress
spf_domain(struct ask *ask, struct str *out)
{
	struct value v;

	*out = STR("");
	if (fact_get_named(ask, "spf", &v) == PENDING)
		return PENDING;
	if (v.type != VALUE_SYMBOL || !str_eq(v.text, STR("pass")))
		return DONE;
	if (fact_get_named(ask, "spf.domain", &v) == PENDING)
		return PENDING;
	if (v.type == VALUE_TEXT)
		*out = arena_lower(ask->arena, v.text);
	return DONE;
}

/* The first domain with a signature that verifies, or an empty text. */
static enum progress
dkim_domain(struct ask *ask, struct str *out)
{
	struct value v;

	*out = STR("");
	if (fact_get_named(ask, "dkim.domains", &v) == PENDING)
		return PENDING;
	if (v.type == VALUE_LIST && v.list.n > 0)
		*out = arena_lower(ask->arena, v.list.item[0]);
	return DONE;
}

/* What the client's confirmed name says of its owner, or an empty text. */
static enum progress
name_domain(struct ask *ask, struct str *out)
{
	unsigned failures = ask->failures;
	struct value v;

	*out = STR("");
	if (fact_get_named(ask, "client.name", &v) == PENDING)
		return PENDING;
	/* A DNS that does not answer leaves the network, which is as good an origin. */
	ask->failures = failures;
	if (v.type == VALUE_TEXT && v.text.n > 0)
		*out = greylist_parent(ask->arena, v.text, &ask->session->client_ip);
	return DONE;
}

enum progress
greylist_origin(struct ask *ask, struct str *out)
{
	const struct greylist_conf *conf = ask->conf;
	bool with_dkim = conf->use_dkim && ask->step == STEP_MESSAGE;
	const struct {
		bool use;
		const char *what;
		enum progress (*find)(struct ask *ask, struct str *out);
	} ways[] = {
		{ conf->use_spf, "spf", spf_domain },
		{ with_dkim, "dkim", dkim_domain },
		{ conf->use_name, "name", name_domain },
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct str domain;

		if (!ways[i].use)
			continue;
		if (ways[i].find(ask, &domain) == PENDING)
			return PENDING;
		if (domain.n == 0)
			continue;
		*out = arena_printf(ask->arena, "%s:%.*s", ways[i].what, STR_ARG(domain));
		return DONE;
	}
	*out = key_network(
	    ask->arena, &ask->session->client_ip, conf->network_ipv4, conf->network_ipv6);
	return DONE;
}

bool
greylist_is_network(struct str origin)
{
	/* No domain holds one. */
	return str_find(origin, '/') != STR_NPOS;
}

/* --- keys ------------------------------------------------------------------------------------- */

struct str
greylist_origin_key(struct arena *arena, struct str origin)
{
	return key_bound(arena, arena_printf(arena, GREYLIST_ORIGIN "%.*s", STR_ARG(origin)));
}

struct str
greylist_known_key(struct arena *arena, struct str who)
{
	return key_bound(arena, arena_printf(arena, GREYLIST_KNOWN "%.*s", STR_ARG(who)));
}

static struct str
recipient_text(struct ask *ask, const struct recipient *recipient)
{
	size_t before = 0;

	for (const struct recipient *r = ask->session->txn.recipients; r && r != recipient;
	     r = r->next)
		before++;
	return before < GREYLIST_TRIPLETS ? recipient->key : STR("*");
}

struct str
greylist_triplet_key(struct ask *ask, struct str origin, const struct recipient *recipient)
{
	struct str from = mailbox_stem(ask->arena, &ask->session->txn.sender);

	return key_bound(ask->arena,
	    arena_printf(ask->arena, GREYLIST_ROWS "%.*s:%.*s:%.*s", STR_ARG(origin), STR_ARG(from),
		STR_ARG(recipient_text(ask, recipient))));
}

/*
 * Everybody's bounces come from <>: of those, a sender is who says HELO. A name that names nobody leaves the
 * network.
 */
static struct str
null_sender(struct ask *ask)
{
	const struct greylist_conf *conf = ask->conf;
	const struct session *s = ask->session;
	struct str helo = arena_lower(ask->arena, s->helo), owner;

	if (!mail_domain_ok(helo) || helo.p[0] == '[' || str_find(helo, '.') == STR_NPOS)
		return arena_printf(ask->arena, "<>%.*s",
		    STR_ARG(key_network(
			ask->arena, &s->client_ip, conf->network_ipv4, conf->network_ipv6)));
	owner = greylist_parent(ask->arena, helo, &s->client_ip);
	return arena_printf(ask->arena, "<>%.*s", STR_ARG(owner.n > 0 ? owner : helo));
}

struct str
greylist_pair_key(struct ask *ask, const struct recipient *recipient)
{
	const struct mailbox *sender = &ask->session->txn.sender;
	struct str from = sender->null ? null_sender(ask) : mailbox_stem(ask->arena, sender);

	return key_bound(ask->arena,
	    arena_printf(ask->arena, GREYLIST_PAIR "%.*s:%.*s", STR_ARG(from),
		STR_ARG(recipient_text(ask, recipient))));
}
