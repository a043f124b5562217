#include "mail/session_results.h"

/* Why the client has no name: its zone has none for it (permerror), or none that leads back. */
static const char *
without_name(const struct session *s)
{
	struct arena *scratch = arena_new(1024);
	struct question q = { .kind = QUESTION_DNS,
		.name = dns_reverse_name(scratch, &s->client_ip),
		.type = DNS_PTR };
	const struct answer *answer;
	bool none;

	answer = answers_peek(&s->answers, &q);
	if (answer == NULL)
		answer = answers_peek(&s->txn.answers, &q);
	none = answer != NULL && answer->dns.status != DNS_OK;
	arena_free(&scratch);
	return none ? "permerror" : "fail";
}

/* NULL: nobody has asked for it. */
static const char *
iprev(const struct session *s)
{
	const struct fact_call call = { .entry = s->table ? fact_find(s->table, STR("client.name"))
							  : NULL };
	const struct fact *fact = call.entry ? fact_known(s, &call) : NULL;

	if (s->client_name.n > 0)
		return "pass";
	if (fact == NULL || s->client_ip.version == 0)
		return NULL;
	return fact->value.type == VALUE_NONE ? "temperror" : without_name(s);
}

void
session_results(const struct session *s, struct authres *authres)
{
	const char *result = iprev(s);

	if (result != NULL) {
		authres_result(authres, "iprev", str_of(result), STR(""));
		authres_property(authres, "policy", "iprev", str_of(IP_TEXT(&s->client_ip)));
	}
	if (!session_authenticated(s))
		return;
	authres_result(authres, "auth", STR("pass"), STR(""));
	if (s->account.n > 0)
		authres_property(authres, "smtp", "auth", s->account);
}
