/* What our Authentication-Results say of the session, and that no stranger says it for us. */
#include "mail/session_results.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct fact_entry entries[64];
static struct fact_table table = { entries, 0 };

/* Asks for client.name; the DNS answers each question with status, and no records. */
static void
ask_name(struct session *s, enum dns_status status)
{
	struct fact_call call = { .entry = fact_find(&table, STR("client.name")) };
	struct value v;

	for (;;) {
		struct ask ask = session_ask(s, STEP_CONNECT, 0);

		if (fact_get(&ask, &call, &v) == DONE)
			return;
		for (struct answer *a = s->answers.first; a; a = a->next) {
			a->state = ANSWER_HERE;
			a->dns = (struct dns_answer){ .status = status };
		}
	}
}

struct results_case {
	const char *ip, *name, *account;
	int asked; /* -1: no; else the DNS's status */
	const char *results;
};

static void
results(void **state)
{
	static const struct results_case cases[] = {
		{ "192.0.2.1", "", "", -1, "none" },
		{ "192.0.2.1", "mx.example.org", "", -1, "iprev=pass policy.iprev=192.0.2.1" },
		{ "2001:db8::1", "mx.example.org", "", -1,
		    "iprev=pass policy.iprev=\"2001:db8::1\"" },
		{ "192.0.2.1", "", "", DNS_NXDOMAIN, "iprev=permerror policy.iprev=192.0.2.1" },
		{ "192.0.2.1", "", "", DNS_NODATA, "iprev=permerror policy.iprev=192.0.2.1" },
		{ "192.0.2.1", "", "", DNS_OK, "iprev=fail policy.iprev=192.0.2.1" },
		{ "192.0.2.1", "", "", DNS_TEMPFAIL, "iprev=temperror policy.iprev=192.0.2.1" },
		{ "192.0.2.1", "", "joe", -1, "auth=pass smtp.auth=joe" },
		{ "192.0.2.1", "mx.example.org", "joe@example.org", -1,
		    "iprev=pass policy.iprev=192.0.2.1; auth=pass smtp.auth=joe@example.org" },
		/* hostile names of accounts: quoted, or left out */
		{ "192.0.2.1", "", "x; dmarc=pass", -1, "auth=pass smtp.auth=\"x; dmarc=pass\"" },
		{ "192.0.2.1", "", "x (y", -1, "auth=pass smtp.auth=\"x (y\"" },
		{ "192.0.2.1", "", "x\"\\", -1, "auth=pass smtp.auth=\"x\\\"\\\\\"" },
		{ "192.0.2.1", "", "x\r\nX-Y: z", -1, "auth=pass" },
		{ "192.0.2.1", "", "j\xc3\xb6", -1, "auth=pass" },
	};

	for (table.n = 0; table.n < n_session_facts; table.n++)
		entries[table.n] = (struct fact_entry){ .def = &session_facts[table.n] };
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct results_case *c = &cases[i];
		struct authres authres;
		struct arena *arena = arena_new(4096);
		struct session s = { 0 };
		struct str text;

		session_init(&s, FRONT_PROXY, &table, 0);
		assert_true(ip_parse(str_of(c->ip), &s.client_ip));
		s.client_name = str_of(c->name);
		s.account = str_of(c->account);
		if (c->asked >= 0)
			ask_name(&s, (enum dns_status)c->asked);
		authres_init(&authres, "mx");
		session_results(&s, &authres);
		text = authres_finish(&authres);
		text = header_unfold(arena, str_sub(text, str_find(text, ';') + 1, text.n));
		for (size_t k = 0; k < text.n; k++)
			if (text.p[k] == '\t')
				((char *)(uintptr_t)text.p)[k] = ' ';
		if (!str_eq(text, str_of(c->results)))
			fail_msg("%.*s and not %s", STR_ARG(text), c->results);
		authres_free(&authres);
		arena_free(&arena);
		session_free(&s);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(results) };

	return cmocka_run_group_tests_name("session_results", tests, NULL, NULL);
}
