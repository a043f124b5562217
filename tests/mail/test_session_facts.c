/* The edges of the session's own facts; what each is, test_session.c shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "mail/session.h"

static struct fact_entry entries[64];
static struct fact_table table = { entries, 0 };

static int
set_up(void **state)
{
	struct session *s = calloc(1, sizeof *s);

	for (table.n = 0; table.n < n_session_facts; table.n++)
		entries[table.n] = (struct fact_entry){ .def = &session_facts[table.n] };
	session_init(s, FRONT_PROXY, &table, 0);
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

static struct value
get(struct session *s, enum step step, const char *name)
{
	struct ask ask = session_ask(s, step, 0);
	struct value v;

	assert_int_equal(fact_get_named(&ask, name, &v), DONE);
	return v;
}

/* Every fact has a value at every step at which it may be asked for, in the emptiest of sessions. */
static void
test_nothing_given(void **state)
{
	struct mailbox null = { .null = true };

	for (size_t i = 0; i < n_session_facts; i++) {
		const struct fact_def *def = &session_facts[i];

		for (enum step step = def->from; step <= def->to; step++) {
			struct session s = { 0 };
			struct value v;

			session_init(&s, FRONT_MILTER, &table, 0);
			if (step >= STEP_MAIL)
				session_mail(&s, &null);
			if (step == STEP_RCPT)
				session_rcpt(&s, &null);
			v = get(&s, step, def->name);
			if (v.type != def->type)
				fail_msg("%s at %s", def->name, step_name(step));
			session_free(&s);
		}
	}
}

/* SIZE= is whatever a client writes. */
static void
test_declared_size(void **state)
{
	static const struct {
		uint64_t declared;
		int64_t value;
	} cases[] = { { 0, 0 }, { INT64_MAX, INT64_MAX }, { (uint64_t)INT64_MAX + 1, INT64_MAX },
		{ UINT64_MAX, INT64_MAX } };
	struct session *s = *state;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		session_mail(s, &(struct mailbox){ .null = true });
		s->txn.size_declared = cases[i].declared;
		assert_int_equal(get(s, STEP_MAIL, "size.declared").number, cases[i].value);
	}
}

static void
test_authenticated(void **state)
{
	static const struct {
		const char *account, *mechanism;
		bool yes;
	} cases[] = {
		{ "", "", false },
		{ "jane", "PLAIN", true },
		{ "jane", "", true },
		{ "", "GSSAPI", true },
		{ "", "ANONYMOUS", false },
	};
	struct session *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		session_authenticate(s, str_of(cases[i].account), str_of(cases[i].mechanism));
		session_mail(s, &(struct mailbox){ .null = true });
		assert_int_equal(get(s, STEP_MAIL, "authenticated").number, cases[i].yes);
		assert_true(
		    str_eq(get(s, STEP_MAIL, "auth.mechanism").text, str_of(cases[i].mechanism)));
	}
}

/* An account that changes during a transaction does not change what was said of it. */
static void
test_account_is_kept(void **state)
{
	struct session *s = *state;
	char account[] = "jane";
	struct value v;

	s->account = str_of(account);
	session_mail(s, &(struct mailbox){ .null = true });
	v = get(s, STEP_MAIL, "account");
	memcpy(account, "XXXX", 4);
	s->account = STR("joe");
	assert_true(str_eq(v.text, STR("jane")));
	assert_true(str_eq(get(s, STEP_RCPT, "account").text, STR("jane")));
	session_mail(s, &(struct mailbox){ .null = true });
	assert_true(str_eq(get(s, STEP_MAIL, "account").text, STR("joe")));
}

/* Thirty-two domains of all From fields together, each once. */
static void
test_many_from_domains(void **state)
{
	struct session *s = *state;
	struct buf b;
	struct value v;
	size_t body;
	bool too_many;

	buf_init(&b, 1 << 16);
	for (int i = 0; i < 40; i++)
		buf_printf(&b, "From: a@d%d.example, b@same.example\r\n", i);
	buf_add(&b, STR("\r\n"));
	session_mail(s, &(struct mailbox){ .null = true });
	assert_true(header_split(
	    s->txn.arena, buf_str(&b), true, &s->txn.message.header, &body, &too_many));
	v = get(s, STEP_MESSAGE, "from.domain");
	assert_int_equal(v.list.n, 32);
	assert_true(str_eq(v.list.item[0], STR("d0.example")));
	assert_true(str_eq(v.list.item[1], STR("same.example")));
	assert_true(str_eq(v.list.item[31], STR("d30.example")));
	assert_int_equal(get(s, STEP_MESSAGE, "from.count").number, 40);
	buf_free(&b);
}

/* A reverse name that is an address literal, the root or the empty text names nobody. */
static void
test_reverse_names_that_are_none(void **state)
{
	struct dns_rr names[] = { { .data = STR("[192.0.2.1]") }, { .data = STR(".") },
		{ .data = STR("") }, { .data = STR("a b") } };
	struct session *s = *state;
	struct ask ask = session_ask(s, STEP_CONNECT, 0);
	struct value v;

	assert_true(ip_parse(STR("192.0.2.1"), &s->client_ip));
	assert_int_equal(fact_get_named(&ask, "client.name", &v), PENDING);
	s->answers.first->state = ANSWER_HERE;
	s->answers.first->dns = (struct dns_answer){ .status = DNS_OK, .n = 4, .rr = names };
	assert_int_equal(get(s, STEP_CONNECT, "client.name").text.n, 0);
	assert_int_equal(s->answers.total, 1);
}

/* One moment for all of a connection, in the zone of the machine. */
static void
test_time(void **state)
{
	static const struct {
		const char *zone;
		int64_t now;
		int64_t hour;
		const char *weekday;
	} cases[] = {
		{ "UTC", 0, 0, "thursday" },
		{ "UTC", 1795459718, 18, "monday" },
		{ "CET-1", 1795459718, 19, "monday" },
		{ "EST5", 1795417200, 2, "monday" },
		{ "XXX12", 1795417200, 19, "sunday" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct session s = { 0 };
		struct value hour, weekday;
		struct ask ask;

		setenv("TZ", cases[i].zone, 1);
		tzset();
		session_init(&s, FRONT_PROXY, &table, 0);
		ask = session_ask(&s, STEP_CONNECT, cases[i].now);
		assert_int_equal(fact_get_named(&ask, "time.hour", &hour), DONE);
		assert_int_equal(hour.number, cases[i].hour);
		ask.now += 86400;
		assert_int_equal(fact_get_named(&ask, "time.hour", &hour), DONE);
		assert_int_equal(hour.number, cases[i].hour);
		ask.now -= 86400;
		assert_int_equal(fact_get_named(&ask, "time.weekday", &weekday), DONE);
		assert_true(str_eq(weekday.text, str_of(cases[i].weekday)));
		session_free(&s);
	}
	unsetenv("TZ");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nothing_given, set_up, tear_down),
		cmocka_unit_test(test_time),
		cmocka_unit_test_setup_teardown(test_declared_size, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_authenticated, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_account_is_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many_from_domains, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_reverse_names_that_are_none, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("session_facts", tests, NULL, NULL);
}
