/* For whom is counted, and under which names in the store. */
#include "filters/volume.h"

#include "filters/key.h"

/* In the order of enum volume_who. */
const char *const volume_words[] = { "client", "network", "sender", "account", "helo", "claimed",
	"recipient", NULL };

/* The fact if it is known already, or none. */
static struct value
known(const struct ask *ask, const char *name)
{
	struct fact_call call = { .entry = fact_find(ask->table, str_of(name)) };
	const struct fact *fact = call.entry ? fact_known(ask->session, &call) : NULL;

	return fact ? fact->value : (struct value){ .type = VALUE_NONE };
}

static bool
spf_proves(const struct value *spf, const struct value *domain, struct str claimed)
{
	return spf->type == VALUE_SYMBOL && str_eq(spf->text, STR("pass")) &&
	    domain->type == VALUE_TEXT && str_eqcase(domain->text, claimed);
}

/* Signed by the domain itself, or by one that it lies in and that is more than a label. */
static bool
dkim_proves(const struct value *domains, struct str claimed)
{
	for (size_t i = 0; domains->type == VALUE_LIST && i < domains->list.n; i++) {
		struct str d = domains->list.item[i];

		if (d.n == 0 || d.n > claimed.n || str_find(d, '.') == STR_NPOS)
			continue;
		if (str_eqcase(str_sub(claimed, claimed.n - d.n, claimed.n), d) &&
		    (d.n == claimed.n || claimed.p[claimed.n - d.n - 1] == '.'))
			return true;
	}
	return false;
}

bool
volume_is_out(const struct session *s)
{
	return s->account.n > 0 || s->trusted;
}

/* Whatever is asked for at `rcpt` must not wait for what only the message tells. */
static enum progress
prove(struct ask *ask, struct str claimed, bool *proven)
{
	struct value a, b;

	*proven = volume_is_out(ask->session);
	if (*proven)
		return DONE;
	if (fact_get_named(ask, "spf", &a) == PENDING ||
	    fact_get_named(ask, "spf.domain", &b) == PENDING)
		return PENDING;
	*proven = spf_proves(&a, &b, claimed);
	if (*proven || ask->step < STEP_MESSAGE)
		return DONE;
	if (fact_get_named(ask, "dkim.domains", &a) == PENDING)
		return PENDING;
	*proven = dkim_proves(&a, claimed);
	return DONE;
}

static bool
is_known_to_be_proven(struct ask *ask, struct str claimed)
{
	struct value spf = known(ask, "spf"), domain = known(ask, "spf.domain"),
		     dkim = known(ask, "dkim.domains");

	return volume_is_out(ask->session) || spf_proves(&spf, &domain, claimed) ||
	    dkim_proves(&dkim, claimed);
}

struct str
volume_who_known(struct ask *ask, enum volume_who who)
{
	const struct session *s = ask->session;
	const struct volume_conf *conf = ask->conf;
	const struct recipient *recipient;
	struct str domain;

	switch (who) {
	case VOLUME_CLIENT:
		if (s->client_ip.version == 0)
			return STR("");
		return arena_dup(ask->arena, str_of(IP_TEXT(&s->client_ip)));
	case VOLUME_NETWORK:
		if (s->client_ip.version == 0)
			return STR("");
		return key_network(
		    ask->arena, &s->client_ip, conf->network_ipv4, conf->network_ipv6);
	case VOLUME_SENDER:
	case VOLUME_CLAIMED:
		domain = arena_lower(ask->arena, s->txn.sender.domain);
		return who == VOLUME_CLAIMED || is_known_to_be_proven(ask, domain) ? domain
										   : STR("");
	case VOLUME_ACCOUNT:
		/* Lists of plans have no case, and most mail servers: who changes it is the same. */
		return arena_lower(ask->arena, s->account);
	case VOLUME_HELO:
		return arena_lower(ask->arena, s->helo);
	case VOLUME_RECIPIENT:
		recipient = session_recipient(s);
		return recipient ? recipient->key : STR("");
	case VOLUME_COUNT:
		break;
	}
	return STR("");
}

enum progress
volume_who(struct ask *ask, enum volume_who who, struct str *out)
{
	struct str claimed = ask->session->txn.sender.domain;
	bool proven = true;

	*out = STR("");
	if (who == VOLUME_SENDER && claimed.n > 0 && prove(ask, claimed, &proven) == PENDING)
		return PENDING;
	if (proven)
		*out = volume_who_known(ask, who == VOLUME_SENDER ? VOLUME_CLAIMED : who);
	return DONE;
}

struct str
volume_key_of(struct ask *ask, const char *what, enum volume_who who, struct str text)
{
	return key_bound(ask->arena,
	    arena_printf(ask->arena, "rate:%s:%s:%.*s", what, volume_words[who], STR_ARG(text)));
}

bool
volume_key(struct ask *ask, const char *what, enum volume_who who, struct str *key)
{
	struct str text = volume_who_known(ask, who);

	if (text.n == 0)
		return false;
	*key = volume_key_of(ask, what, who, text);
	return true;
}

enum volume_who
volume_who_of(const struct value *word)
{
	for (int i = 0; i < VOLUME_COUNT; i++) {
		if (str_eq(word->text, str_of(volume_words[i])))
			return i;
	}
	return VOLUME_COUNT;
}
