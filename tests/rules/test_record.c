#include "rules/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "db/json.h"

struct world {
	struct arena *arena;
	struct session session;
	struct buf out;
};

static const struct fact_def spf = { .name = "spf", .type = VALUE_SYMBOL };
static const struct fact_def rate = { .name = "rate", .type = VALUE_NUMBER };
static const struct fact_entry spf_entry = { .def = &spf };
static const struct fact_entry rate_entry = { .def = &rate };

static int
setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->arena = arena_new(1 << 20);
	session_init(&w->session, FRONT_PROXY, NULL, 0);
	buf_init(&w->out, 1 << 16);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	session_free(&w->session);
	buf_free(&w->out);
	arena_free(&w->arena);
	free(w);
	return 0;
}

static struct fact *
fact(struct world *w, struct facts *facts, const struct fact_entry *entry, struct value value)
{
	struct fact *f = ARENA_NEW(w->arena, struct fact);

	f->call.entry = entry;
	f->value = value;
	f->took_us = 12;
	if (facts->first == NULL)
		facts->end = &facts->first;
	*facts->end = f;
	facts->end = &f->next;
	return f;
}

static void
is(struct world *w, const char *want)
{
	assert_false(w->out.over);
	assert_string_equal(w->out.p, want);
	assert_non_null(json_parse(w->arena, buf_str(&w->out), NULL));
	buf_clear(&w->out);
}

static void
test_facts(void **state)
{
	struct world *w = *state;
	struct recipient rcpt = { 0 };
	struct fact *f;

	record_facts(&w->session, STEP_RCPT, &w->out);
	is(w, "{}");
	fact(w, &w->session.facts, &spf_entry, value_symbol("fail"));
	f = fact(w, &w->session.txn.facts, &rate_entry, value_number(3));
	f->call.n_args = 2;
	f->call.arg[0] = value_symbol("client");
	f->call.arg[1] = value_text(STR("a\"b"));
	fact(w, &rcpt.facts, &spf_entry, value_text(STR("\x1b\xff")));
	w->session.txn.current = &rcpt;
	record_facts(&w->session, STEP_RCPT, &w->out);
	is(w,
	    "{\"spf\":\"fail\",\"rate(client, \\\"a\\\\\\\"b\\\")\":3,\"spf\":\"\\u001b\\u00ff\"}");
	w->session.txn.current = NULL;
}

/* Asks and answers at once. */
static struct answer *
answer(struct world *w, struct answers *table, const struct question *q)
{
	struct answer *a;

	assert_null(answers_get(table, w->arena, q));
	for (a = table->first; a->next; a = a->next)
		;
	a->state = ANSWER_HERE;
	a->took_us = 80;
	return a;
}

static void
test_dns(void **state)
{
	struct world *w = *state;
	struct question q = { .kind = QUESTION_DNS, .name = STR("example.org"), .type = DNS_TXT };
	struct dns_rr txt[] = { { .data = STR("v=spf1 \"\xff") }, { .data = STR("") } };
	struct dns_rr mx = { .data = STR("mx.example.org"), .preference = 10 };
	struct dns_rr aaaa = { .data = { "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16 } };
	struct dns_rr a = { .data = { "\xc0\0\2\1", 4 } };
	struct answers *t = &w->session.answers;

	answer(w, t, &q)->dns =
	    (struct dns_answer){ .status = DNS_OK, .ttl = 300, .n = 2, .rr = txt };
	q.type = DNS_MX;
	answer(w, t, &q)->dns =
	    (struct dns_answer){ .status = DNS_OK, .ttl = 5, .secure = true, .n = 1, .rr = &mx };
	q.type = DNS_AAAA;
	answer(w, t, &q)->dns = (struct dns_answer){ .status = DNS_OK, .n = 1, .rr = &aaaa };
	q.type = DNS_A;
	answer(w, t, &q)->dns = (struct dns_answer){ .status = DNS_OK, .n = 1, .rr = &a };
	q.type = DNS_PTR;
	answer(w, t, &q)->dns = (struct dns_answer){ .status = DNS_TEMPFAIL, .why = "timeout" };
	/* What has not been answered is no part of the story. */
	q.name = STR("example.net");
	assert_null(answers_get(t, w->arena, &q));
	record_answers(&w->session, &w->out);
	is(w,
	    "[{\"dns\":\"example.org TXT\",\"status\":\"ok\",\"ttl\":300,\"secure\":false,"
	    "\"records\":[\"v=spf1 \\\"\\u00ff\",\"\"],\"us\":80},"
	    "{\"dns\":\"example.org MX\",\"status\":\"ok\",\"ttl\":5,\"secure\":true,"
	    "\"records\":[\"10 mx.example.org\"],\"us\":80},"
	    "{\"dns\":\"example.org AAAA\",\"status\":\"ok\",\"ttl\":0,\"secure\":false,"
	    "\"records\":[\"2001:db8::1\"],\"us\":80},"
	    "{\"dns\":\"example.org A\",\"status\":\"ok\",\"ttl\":0,\"secure\":false,"
	    "\"records\":[\"192.0.2.1\"],\"us\":80},"
	    "{\"dns\":\"example.org PTR\",\"status\":\"tempfail\",\"why\":\"timeout\",\"ttl\":0,"
	    "\"secure\":false,\"records\":[],\"us\":80}]");
	answers_clear(t);
}

static void
test_store(void **state)
{
	struct world *w = *state;
	struct question seen = { .kind = QUESTION_SEEN,
		.name = STR("greylist:x"),
		.seen = { .delay = 300, .retry = 7200, .remember = 99 } };
	struct question count = { .kind = QUESTION_COUNT, .name = STR("rate:y"), .add = 1 };
	struct answers *t = &w->session.txn.answers;

	answer(w, t, &seen)->seen = (struct seen_answer){ SEEN_FIRST, 1000, 0, 0, 300 };
	seen.seen.prove = true;
	answer(w, t, &seen)->failed = true;
	answer(w, t, &count)->count = (struct count_answer){
		.minute = 1, .hour = 2, .day = 3, .usual = 12, .usual_high = 2, .hours_known = 4
	};
	count.serial = 2;
	answer(w, t, &count)->failed = true;
	record_answers(&w->session, &w->out);
	is(w,
	    "[{\"seen\":\"greylist:x\",\"delay\":300,\"retry\":7200,\"remember\":99,"
	    "\"state\":\"first\",\"first\":1000,\"last\":0,\"hits\":0,\"wait\":300,\"us\":80},"
	    "{\"seen\":\"greylist:x\",\"delay\":300,\"retry\":7200,\"remember\":99,\"prove\":true,"
	    "\"failed\":true,\"us\":80},"
	    "{\"count\":\"rate:y\",\"add\":1,\"minute\":1,\"hour\":2,\"day\":3,\"usual\":12,\"usual_low\":0,\"usual_high\":2,"
	    "\"hours_known\":4,\"us\":80},"
	    "{\"count\":\"rate:y\",\"add\":1,\"serial\":2,\"failed\":true,\"us\":80}]");
	answers_clear(t);
}

/* However small the room: valid JSON that says how much is missing. */
static void
test_cut(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 30; i++)
		fact(w, &w->session.facts, &spf_entry, value_symbol("fail"));
	for (size_t max = 42; max < 600; max += 7) {
		struct buf b;

		buf_init(&b, max);
		record_facts(&w->session, STEP_RCPT, &b);
		assert_false(b.over);
		assert_non_null(json_parse(w->arena, buf_str(&b), NULL));
		buf_free(&b);
	}
	buf_free(&w->out);
	buf_init(&w->out, 60);
	record_facts(&w->session, STEP_RCPT, &w->out);
	is(w, "{\"spf\":\"fail\",\"(cut)\":29}");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_facts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
