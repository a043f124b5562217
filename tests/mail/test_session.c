#include "mail/session.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct fact_entry entries[64];
static struct fact_table table = { entries, 0 };

static int
set_up(void **state)
{
	struct session *s = calloc(1, sizeof *s);

	for (table.n = 0; table.n < n_session_facts; table.n++)
		entries[table.n] = (struct fact_entry){ .def = &session_facts[table.n] };
	session_init(s, FRONT_MILTER, &table, 3);
	*state = s;
	return 0;
}

static int
tear_down(void **state)
{
	session_free(*state);
	free(*state);
	return 0;
}

static struct mailbox
mailbox(const char *path)
{
	struct str rest = str_of(path);
	struct mailbox m;

	assert_true(mailbox_take(&rest, true, true, &m, NULL));
	return m;
}

static void
begin(struct session *s, const char *path)
{
	struct mailbox m = mailbox(path);

	session_mail(s, &m);
}

/* The fact as text; "..." while it waits. */
static const char *
fact_text(struct session *s, enum step step, const char *name)
{
	static char text[256];
	struct ask ask = session_ask(s, step, 0);
	struct buf out;
	struct value v;

	if (fact_get_named(&ask, name, &v) == PENDING)
		return "...";
	assert_int_not_equal(v.type, VALUE_NONE);
	buf_init(&out, sizeof text - 1);
	value_print(&v, &out);
	assert_true(str_copy(buf_str(&out), text, sizeof text));
	buf_free(&out);
	return text;
}

static void
test_begins_and_ends(void **state)
{
	struct session *s = *state;
	struct arena *arena = s->txn.arena;
	struct recipient *second;
	struct mailbox m = mailbox("<A@B>");
	char path[] = "<Jane@Example.NET>";

	assert_int_equal(s->front, FRONT_MILTER);
	begin(s, path);
	memset(path, 'x', sizeof path);
	assert_true(str_eq(s->txn.sender.address, STR("Jane@Example.NET")));
	assert_true(str_eq(s->txn.sender.local, STR("Jane")));
	assert_true(str_eq(s->txn.sender.domain, STR("Example.NET")));
	assert_true(str_eq(s->txn.sender_key, STR("Jane@example.net")));
	assert_int_equal(s->txn.serial, 1);
	assert_non_null(s->txn.stage_state);
	assert_null(s->txn.stage_state[2]);
	session_rcpt(s, &m);
	assert_ptr_equal(s->txn.current, s->txn.recipients);
	assert_int_equal(s->txn.current->state, RECIPIENT_ASKED);
	assert_true(str_eq(s->txn.current->key, STR("A@b")));
	second = session_rcpt(s, &m);
	assert_ptr_equal(s->txn.recipients->next, second);
	assert_ptr_equal(s->txn.last_recipient, second);
	assert_ptr_equal(s->txn.current, second);
	assert_int_equal(s->txn.n_asked, 2);
	s->txn.open = true;
	session_reset(s);
	assert_false(s->txn.open);
	assert_null(s->txn.recipients);
	assert_int_equal(s->txn.n_asked, 0);
	assert_int_equal(s->txn.sender_key.n, 0);
	assert_ptr_equal(s->txn.arena, arena);
	begin(s, "<>");
	assert_int_equal(s->txn.serial, 2);
	assert_true(s->txn.sender.null);
}

static void
note_end(void *object)
{
	struct session *s = object;

	/* what a stage cleans up may look at the transaction it was made in */
	assert_int_equal(s->txn.sender_key.n, 3);
	s->n_errors++;
}

static void
test_cleanups_see_the_transaction(void **state)
{
	struct session *s = *state;

	begin(s, "<a@b>");
	arena_cleanup(s->txn.arena, note_end, s);
	session_helo(s, STR("x"), false);
	assert_int_equal(s->n_errors, 1);
	session_reset(s);
	assert_int_equal(s->n_errors, 1);
}

static void
test_helo_costs_memory_once(void **state)
{
	struct session *s = *state;
	size_t used;

	session_helo(s, STR("mx.example.net"), true);
	assert_true(str_eq(s->helo, STR("mx.example.net")));
	assert_true(s->esmtp);
	used = arena_used(s->conn);
	for (int i = 0; i < 1000; i++)
		session_helo(s, STR("mx.example.net"), false);
	assert_int_equal(arena_used(s->conn), used);
	assert_false(s->esmtp);
}

static void
test_table_is_in_order(void **state)
{
	for (size_t i = 0; i < n_session_facts; i++) {
		const struct fact_def *def = &session_facts[i];
		size_t length = strlen(def->help);

		assert_true(i == 0 || strcmp(session_facts[i - 1].name, def->name) < 0);
		assert_true(def->from <= def->to);
		assert_non_null(def->compute);
		assert_true(length > 10 && def->help[length - 1] == '.');
		assert_true(
		    def->from >= STEP_MAIL || def->life == LIFE_SESSION || def->life == LIFE_HELO);
		assert_int_equal(def->type == VALUE_SYMBOL, def->symbols != NULL);
	}
}

static void
test_facts_of_a_connection(void **state)
{
	struct session *s = *state;

	assert_true(ip_parse(STR("192.0.2.1"), &s->client_ip));
	s->client_port = 4711;
	s->client_name = STR("mx.example.net");
	s->trusted = true;
	assert_string_equal(fact_text(s, STEP_CONNECT, "client.ip"), "192.0.2.1");
	assert_string_equal(fact_text(s, STEP_CONNECT, "client.port"), "4711");
	assert_string_equal(fact_text(s, STEP_CONNECT, "client.name"), "mx.example.net");
	assert_string_equal(fact_text(s, STEP_CONNECT, "client.trusted"), "yes");
	assert_string_equal(fact_text(s, STEP_CONNECT, "front"), "milter");
	session_helo(s, STR("Mx.Example"), true);
	assert_string_equal(fact_text(s, STEP_HELO, "helo"), "Mx.Example");
	assert_string_equal(fact_text(s, STEP_HELO, "helo.esmtp"), "yes");
	session_helo(s, STR("other"), false);
	assert_string_equal(fact_text(s, STEP_HELO, "helo"), "other");
	assert_string_equal(fact_text(s, STEP_HELO, "helo.esmtp"), "no");
}

static void
test_facts_of_a_transaction(void **state)
{
	struct session *s = *state;
	struct mailbox m = mailbox("<Joe@Example.ORG>");

	s->account = STR("jane");
	s->n_messages = 3;
	begin(s, "<Jane@Example.NET>");
	s->txn.size_declared = 1000;
	assert_string_equal(fact_text(s, STEP_MAIL, "sender"), "Jane@example.net");
	assert_string_equal(fact_text(s, STEP_MAIL, "sender.domain"), "example.net");
	assert_string_equal(fact_text(s, STEP_MAIL, "sender.local"), "Jane");
	assert_string_equal(fact_text(s, STEP_MAIL, "sender.null"), "no");
	assert_string_equal(fact_text(s, STEP_MAIL, "account"), "jane");
	assert_string_equal(fact_text(s, STEP_MAIL, "size.declared"), "1000");
	assert_string_equal(fact_text(s, STEP_MAIL, "session.messages"), "3");
	assert_string_equal(fact_text(s, STEP_MAIL, "errors"), "0");
	s->n_errors = 2;
	session_rcpt(s, &m);
	assert_string_equal(fact_text(s, STEP_RCPT, "recipient"), "Joe@example.org");
	assert_string_equal(fact_text(s, STEP_RCPT, "recipient.domain"), "example.org");
	assert_string_equal(fact_text(s, STEP_RCPT, "recipients"), "1");
	assert_string_equal(fact_text(s, STEP_RCPT, "errors"), "2");
	s->txn.current->state = RECIPIENT_ACCEPTED;
	s->txn.n_accepted++;
	session_rcpt(s, &m);
	assert_string_equal(fact_text(s, STEP_RCPT, "recipients"), "2");
	assert_string_equal(fact_text(s, STEP_RCPT, "recipients.unknown"), "0");
	s->txn.current->state = RECIPIENT_UNKNOWN;
	s->txn.n_unknown++;
	s->txn.current = NULL;
	assert_string_equal(fact_text(s, STEP_MESSAGE, "recipients"), "1");
	assert_string_equal(fact_text(s, STEP_MESSAGE, "recipients.unknown"), "1");
	begin(s, "<>");
	assert_string_equal(fact_text(s, STEP_MAIL, "sender"), "");
	assert_string_equal(fact_text(s, STEP_MAIL, "sender.domain"), "");
	assert_string_equal(fact_text(s, STEP_MAIL, "sender.local"), "");
	assert_string_equal(fact_text(s, STEP_MAIL, "sender.null"), "yes");
	assert_string_equal(fact_text(s, STEP_MAIL, "size.declared"), "0");
}

static void
test_facts_of_a_message(void **state)
{
	struct session *s = *state;
	struct str text =
	    STR("From: a@B.example\r\nFrom: x@b.example, c@d.example\r\nTo: e@f\r\n\r\n");
	size_t body;
	bool too_many;

	begin(s, "<a@b>");
	assert_true(
	    header_split(s->txn.arena, text, true, &s->txn.message.header, &body, &too_many));
	s->txn.message.size = 1234;
	assert_string_equal(fact_text(s, STEP_MESSAGE, "message.size"), "1234");
	assert_string_equal(fact_text(s, STEP_MESSAGE, "header.count"), "3");
	assert_string_equal(fact_text(s, STEP_MESSAGE, "from.count"), "2");
	assert_string_equal(fact_text(s, STEP_MESSAGE, "from.domain"), "b.example, d.example");
}

/* Answers the question of that name and type with these records, "A" with octets. */
static void
answer(struct session *s, const char *name, enum dns_type type, struct dns_rr *rr, size_t n)
{
	for (struct answer *a = s->answers.first; a != NULL; a = a->next) {
		if (!str_eq(a->question.name, str_of(name)) || a->question.type != type)
			continue;
		a->state = ANSWER_HERE;
		a->dns.status = n > 0 ? DNS_OK : DNS_NXDOMAIN;
		a->dns.rr = rr;
		a->dns.n = n;
		return;
	}
	fail_msg("%s was not asked for", name);
}

#define PTR_NAME "1.2.0.192.in-addr.arpa"

static void
test_client_name_is_confirmed(void **state)
{
	struct session *s = *state;
	struct dns_rr names[] = { { .data = STR("liar.example") }, { .data = STR("not a name") },
		{ .data = STR("MX.Example.net.") }, { .data = STR("other.example") },
		{ .data = STR("fifth.example") } };
	struct dns_rr wrong[] = { { .data = STR("\xc0\0\2\2") } };
	struct dns_rr right[] = { { .data = STR("\xc0\0\2\2") }, { .data = STR("\xc0\0\2\1") } };

	assert_true(ip_parse(STR("192.0.2.1"), &s->client_ip));
	assert_string_equal(fact_text(s, STEP_CONNECT, "client.name"), "...");
	assert_int_equal(s->answers.total, 1);
	answer(s, PTR_NAME, DNS_PTR, names, COUNT(names));
	/* all names are asked for at once, but for the one that is none and those too many */
	assert_string_equal(fact_text(s, STEP_CONNECT, "client.name"), "...");
	assert_int_equal(s->answers.total, 4);
	answer(s, "liar.example", DNS_A, wrong, 1);
	answer(s, "mx.example.net", DNS_A, right, 2);
	assert_string_equal(fact_text(s, STEP_CONNECT, "client.name"), "...");
	answer(s, "other.example", DNS_A, right, 2);
	assert_string_equal(fact_text(s, STEP_CONNECT, "client.name"), "mx.example.net");
	assert_true(str_eq(s->client_name, STR("mx.example.net")));
}

static void
test_client_without_a_name(void **state)
{
	struct session *s = *state;

	/* a local socket has no address to ask for */
	assert_string_equal(fact_text(s, STEP_CONNECT, "client.name"), "");
	assert_int_equal(s->answers.total, 0);
	session_free(s);
	session_init(s, FRONT_PROXY, &table, 0);
	assert_true(ip_parse(STR("2001:db8::1"), &s->client_ip));
	assert_string_equal(fact_text(s, STEP_CONNECT, "client.name"), "...");
	s->answers.first->state = ANSWER_HERE;
	s->answers.first->dns.status = DNS_NXDOMAIN;
	assert_string_equal(fact_text(s, STEP_CONNECT, "client.name"), "");
	/* without stages there is no state, and it is not missed */
	begin(s, "<a@b>");
	assert_string_equal(fact_text(s, STEP_MAIL, "sender"), "a@b");
}

/* A name server that is silent makes nobody nameless. */
static void
test_client_name_may_stay_unknown(void **state)
{
	struct session *s = *state;
	const struct fact_call call = { .entry = fact_find(s->table, STR("client.name")) };
	struct value value;
	struct ask ask;

	assert_true(ip_parse(STR("2001:db8::1"), &s->client_ip));
	assert_string_equal(fact_text(s, STEP_CONNECT, "client.name"), "...");
	s->answers.first->state = ANSWER_HERE;
	s->answers.first->dns.status = DNS_TEMPFAIL;
	ask = session_ask(s, STEP_CONNECT, 1);
	assert_int_equal(fact_get(&ask, &call, &value), DONE);
	assert_int_equal(value.type, VALUE_NONE);
}

static void
test_names(void **state)
{
	assert_string_equal(front_name(FRONT_PROXY), "proxy");
	assert_string_equal(front_name(FRONT_MILTER), "milter");
	assert_string_equal(verdict_name(VERDICT_ACCEPT), "accept");
	assert_string_equal(verdict_name(VERDICT_ACCEPT_SESSION), "accept");
	assert_string_equal(verdict_name(VERDICT_TEMPFAIL), "tempfail");
	assert_string_equal(verdict_name(VERDICT_REJECT), "reject");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_begins_and_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_cleanups_see_the_transaction, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_helo_costs_memory_once, set_up, tear_down),
		cmocka_unit_test(test_table_is_in_order),
		cmocka_unit_test_setup_teardown(test_facts_of_a_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_facts_of_a_transaction, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_facts_of_a_message, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_client_name_is_confirmed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_client_without_a_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_client_name_may_stay_unknown, set_up, tear_down),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
