#include "mail/fact.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mail/session.h"

/* A stage's table, made to be watched: each fact counts how often it was computed. */
static struct {
	int plain, helo, recipient, waits, circle;
	const void *conf;
	void **state;
	struct arena *arena;
} seen;

static enum progress
compute_plain(struct ask *ask, const struct fact_call *call, struct value *out)
{
	seen.conf = ask->conf;
	seen.state = ask->state;
	seen.arena = ask->arena;
	*out = value_number(++seen.plain);
	return DONE;
}

static enum progress
compute_helo(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_number(++seen.helo);
	return DONE;
}

static enum progress
compute_recipient(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_number(++seen.recipient);
	return DONE;
}

static enum progress
compute_waits(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct dns_answer *answer;

	seen.waits++;
	if (ask_dns(ask, STR("Waits.Example."), DNS_TXT, &answer) == PENDING)
		return PENDING;
	*out = value_text(arena_dup(ask->arena, answer->rr[0].data));
	return DONE;
}

/* Finds what does not answer, or takes it for nothing. */
static enum progress
compute_fails(struct ask *ask, const struct fact_call *call, struct value *out)
{
	static const struct seen_question q = { .delay = 1 };
	const struct dns_answer *answer;
	const struct seen_answer *row;

	if (ask_dns(ask, STR("fails.example"), DNS_A, &answer) == PENDING ||
	    ask_seen(ask, STR("key"), &q, &row) == PENDING)
		return PENDING;
	*out = value_bool(row == NULL);
	return DONE;
}

static enum progress
compute_heeds(struct ask *ask, const struct fact_call *call, struct value *out)
{
	return fact_get_named(ask, "fails", out);
}

static enum progress
compute_shrugs(struct ask *ask, const struct fact_call *call, struct value *out)
{
	enum progress p = fact_get_named(ask, "fails", out);

	ask->failures = 0;
	return p;
}

/* Asks for another fact, and is itself as before afterwards. */
static enum progress
compute_nested(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct ask before = *ask;
	enum progress p = fact_get_named(ask, "plain", out);

	assert_memory_equal(&before, ask, sizeof before);
	return p;
}

static enum progress
compute_circle(struct ask *ask, const struct fact_call *call, struct value *out)
{
	return ++seen.circle > 100 ? DONE : fact_get_named(ask, "circle", out);
}

#define ALL STEP_CONNECT, STEP_MESSAGE
#define TXN STEP_MAIL, STEP_MESSAGE

static const struct fact_def defs[] = {
	{ "circle", VALUE_NUMBER, NULL, NULL, ALL, LIFE_SESSION, COST_FREE, compute_circle, "" },
	{ "fails", VALUE_BOOL, NULL, NULL, TXN, LIFE_TRANSACTION, COST_DNS, compute_fails, "" },
	{ "heeds", VALUE_BOOL, NULL, NULL, TXN, LIFE_TRANSACTION, COST_DNS, compute_heeds, "" },
	{ "helo", VALUE_NUMBER, NULL, NULL, STEP_HELO, STEP_MESSAGE, LIFE_HELO, COST_FREE,
	    compute_helo, "" },
	{ "nested", VALUE_NUMBER, NULL, NULL, TXN, LIFE_SESSION, COST_FREE, compute_nested, "" },
	{ "plain", VALUE_NUMBER, NULL, NULL, TXN, LIFE_TRANSACTION, COST_FREE, compute_plain, "" },
	{ "plain.too", VALUE_NUMBER, NULL, NULL, ALL, LIFE_SESSION, COST_FREE, compute_plain, "" },
	{ "recipient", VALUE_NUMBER, NULL, NULL, TXN, LIFE_RECIPIENT, COST_FREE, compute_recipient,
	    "" },
	{ "shrugs", VALUE_BOOL, NULL, NULL, TXN, LIFE_TRANSACTION, COST_DNS, compute_shrugs, "" },
	{ "waits", VALUE_TEXT, NULL, NULL, TXN, LIFE_TRANSACTION, COST_DNS, compute_waits, "" },
};
static const int conf = 5;
static struct fact_entry entries[COUNT(defs)];
static const struct fact_table table = { entries, COUNT(defs) };

static int
set_up(void **state)
{
	struct session *s = calloc(1, sizeof *s);

	memset(&seen, 0, sizeof seen);
	for (size_t i = 0; i < COUNT(defs); i++)
		entries[i] = (struct fact_entry){ &defs[i], &conf, 1 };
	session_init(s, FRONT_PROXY, &table, 2);
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

static void
begin(struct session *s)
{
	const struct mailbox sender = { .local = STR("a"), .domain = STR("b") };

	session_mail(s, &sender);
}

static struct fact_call
call_of(const char *name)
{
	return (struct fact_call){ .entry = fact_find(&table, str_of(name)) };
}

static int64_t
number_at(struct session *s, enum step step, const char *name)
{
	struct ask ask = session_ask(s, step, 0);
	struct value v;

	assert_int_equal(fact_get_named(&ask, name, &v), DONE);
	return v.number;
}

static void
test_finds(void **state)
{
	for (size_t i = 0; i < table.n; i++)
		assert_ptr_equal(fact_find(&table, str_of(defs[i].name)), &entries[i]);
	assert_null(fact_find(&table, STR("")));
	assert_null(fact_find(&table, STR("plai")));
	assert_null(fact_find(&table, STR("plain.")));
	assert_null(fact_find(&table, STR("plain\0")));
	assert_null(fact_find(&table, STR("zebra")));
	assert_null(fact_find(&(struct fact_table){ 0 }, STR("plain")));
}

static void
test_prints_calls(void **state)
{
	static const struct fact_def rate = { .name = "rate" };
	const struct fact_entry entry = { .def = &rate };
	const struct fact_call calls[] = {
		{ .entry = &entry },
		{ &entry, 3,
		    { value_symbol("client"), value_symbol("messages"),
			{ .type = VALUE_DURATION, .number = 3600 } } },
		{ &entry, 2, { value_text(STR("a\"b\\")), value_number(5) } },
	};
	static const char *const texts[] = { "rate", "rate(client, messages, 1h)",
		"rate(\"a\\\"b\\\\\", 5)" };
	struct buf out;

	buf_init(&out, 256);
	for (size_t i = 0; i < COUNT(calls); i++) {
		buf_clear(&out);
		fact_call_print(&calls[i], &out);
		assert_string_equal(out.p, texts[i]);
	}
	buf_free(&out);
}

static void
test_is_computed_once(void **state)
{
	struct session *s = *state;
	const struct fact_call call = call_of("plain");

	begin(s);
	assert_null(fact_known(s, &call));
	assert_int_equal(number_at(s, STEP_MAIL, "plain"), 1);
	assert_int_equal(number_at(s, STEP_RCPT, "plain"), 1);
	assert_int_equal(number_at(s, STEP_MESSAGE, "plain"), 1);
	assert_ptr_equal(seen.conf, &conf);
	assert_ptr_equal(seen.state, &s->txn.stage_state[1]);
	assert_ptr_equal(seen.arena, s->txn.arena);
	assert_int_equal(fact_known(s, &call)->value.number, 1);
	assert_int_equal(fact_known(s, &call)->step, STEP_MAIL);
	begin(s);
	assert_null(fact_known(s, &call));
	assert_int_equal(number_at(s, STEP_MAIL, "plain"), 2);
}

static void
test_life_of_a_connection(void **state)
{
	struct session *s = *state;
	const struct fact_call helo = call_of("helo");

	assert_int_equal(number_at(s, STEP_CONNECT, "plain.too"), 1);
	assert_null(seen.state);
	assert_ptr_equal(seen.arena, s->conn);
	assert_int_equal(number_at(s, STEP_HELO, "helo"), 1);
	begin(s);
	assert_int_equal(number_at(s, STEP_MAIL, "plain.too"), 1);
	assert_int_equal(number_at(s, STEP_MAIL, "helo"), 1);
	session_helo(s, STR("again"), true);
	assert_null(fact_known(s, &helo));
	assert_int_equal(number_at(s, STEP_HELO, "plain.too"), 1);
	assert_int_equal(number_at(s, STEP_HELO, "helo"), 2);
	session_helo(s, STR("again"), true);
	assert_int_equal(number_at(s, STEP_HELO, "helo"), 3);
}

static void
test_life_of_a_recipient(void **state)
{
	const struct mailbox m = { .local = STR("a"), .domain = STR("b") };
	struct session *s = *state;
	const struct fact_call call = call_of("recipient");

	begin(s);
	assert_int_equal(number_at(s, STEP_MAIL, "recipient"), 1);
	assert_int_equal(number_at(s, STEP_MAIL, "recipient"), 1);
	session_rcpt(s, &m);
	assert_null(fact_known(s, &call));
	assert_int_equal(number_at(s, STEP_RCPT, "recipient"), 2);
	assert_int_equal(number_at(s, STEP_RCPT, "recipient"), 2);
	session_rcpt(s, &m);
	assert_int_equal(number_at(s, STEP_RCPT, "recipient"), 3);
	assert_int_equal(fact_known(s, &call)->value.number, 3);
	s->txn.current = NULL;
	assert_int_equal(number_at(s, STEP_MESSAGE, "recipient"), 4);
	assert_int_equal(number_at(s, STEP_MESSAGE, "recipient"), 4);
	assert_int_equal(fact_known(s, &call)->value.number, 4);
}

static void
test_arguments_tell_calls_apart(void **state)
{
	struct session *s = *state;
	struct ask ask;
	struct fact_call call = call_of("plain.too");
	char text[] = "one";
	struct value v;

	ask = session_ask(s, STEP_CONNECT, 0);
	call.n_args = 1;
	call.arg[0] = value_text(str_of(text));
	assert_int_equal(fact_get(&ask, &call, &v), DONE);
	assert_int_equal(v.number, 1);
	/* the arguments were copied */
	text[0] = 'x';
	assert_int_equal(fact_get(&ask, &call, &v), DONE);
	assert_int_equal(v.number, 2);
	text[0] = 'o';
	assert_int_equal(fact_get(&ask, &call, &v), DONE);
	assert_int_equal(v.number, 1);
	call.n_args = 0;
	assert_int_equal(fact_get(&ask, &call, &v), DONE);
	assert_int_equal(v.number, 3);
}

static void
test_waits_for_its_answer(void **state)
{
	static struct dns_rr rr = { .data = STR("text") };
	struct session *s = *state;
	struct ask ask;
	struct value v;
	struct answer *noted;

	begin(s);
	ask = session_ask(s, STEP_MAIL, 0);
	assert_int_equal(fact_get_named(&ask, "waits", &v), PENDING);
	assert_int_equal(fact_get_named(&ask, "waits", &v), PENDING);
	assert_int_equal(s->txn.answers.total, 1);
	assert_int_equal(s->answers.total, 0);
	noted = s->txn.answers.first;
	assert_true(str_eq(noted->question.name, STR("waits.example")));
	noted->state = ANSWER_HERE;
	noted->dns = (struct dns_answer){ .status = DNS_OK, .n = 1, .rr = &rr };
	assert_int_equal(fact_get_named(&ask, "waits", &v), DONE);
	assert_true(str_eq(v.text, STR("text")));
	assert_int_equal(seen.waits, 3);
}

static void
test_nested(void **state)
{
	struct session *s = *state;

	begin(s);
	assert_int_equal(number_at(s, STEP_MAIL, "nested"), 1);
	assert_int_equal(seen.plain, 1);
	assert_ptr_equal(seen.arena, s->txn.arena);
	/* the outer fact has another life than the one it asked for */
	begin(s);
	assert_int_equal(number_at(s, STEP_MAIL, "nested"), 1);
	assert_int_equal(number_at(s, STEP_MAIL, "plain"), 2);
}

/* Answers what is noted, in vain. */
static void
fail_noted(struct answers *noted)
{
	for (struct answer *a = noted->first; a != NULL; a = a->next) {
		if (a->state != ANSWER_NOTED)
			continue;
		a->state = ANSWER_HERE;
		noted->noted--;
		a->dns.status = DNS_TEMPFAIL;
		a->failed = a->question.kind != QUESTION_DNS;
	}
}

static unsigned
failures_of(struct session *s, const char *name)
{
	const struct fact_call call = call_of(name);

	return fact_known(s, &call)->failures;
}

static void
test_tells_what_did_not_answer(void **state)
{
	struct session *s = *state;
	struct ask ask;
	struct value v;

	begin(s);
	ask = session_ask(s, STEP_MAIL, 0);
	assert_int_equal(fact_get_named(&ask, "heeds", &v), PENDING);
	fail_noted(&s->txn.answers);
	assert_int_equal(fact_get_named(&ask, "heeds", &v), PENDING);
	fail_noted(&s->txn.answers);
	assert_int_equal(fact_get_named(&ask, "heeds", &v), DONE);
	assert_int_equal(ask.failures, FAILURE_DNS | FAILURE_STORE);
	assert_int_equal(failures_of(s, "fails"), FAILURE_DNS | FAILURE_STORE);
	assert_int_equal(failures_of(s, "heeds"), FAILURE_DNS | FAILURE_STORE);
	/* A fact that is known already tells it too. */
	ask = session_ask(s, STEP_RCPT, 0);
	assert_int_equal(fact_get_named(&ask, "fails", &v), DONE);
	assert_int_equal(ask.failures, FAILURE_DNS | FAILURE_STORE);
	ask = session_ask(s, STEP_RCPT, 0);
	assert_int_equal(fact_get_named(&ask, "shrugs", &v), DONE);
	assert_int_equal(failures_of(s, "shrugs"), 0);
	assert_int_equal(ask.failures, 0);
	assert_int_equal(fact_get_named(&ask, "plain", &v), DONE);
	assert_int_equal(failures_of(s, "plain"), 0);
}

static void
test_a_full_table_is_not_the_stores_failure(void **state)
{
	static const struct seen_question q = { .delay = 1 };
	struct session *s = *state;
	const struct seen_answer *row;
	struct ask ask;

	begin(s);
	for (unsigned i = 0; i < ANSWERS_MAX; i++) {
		char key[16];

		ask = session_ask(s, STEP_MAIL, 0);
		snprintf(key, sizeof(key), "k%u", i);
		assert_int_equal(ask_seen(&ask, str_of(key), &q, &row), PENDING);
	}
	assert_int_equal(ask_seen(&ask, STR("another"), &q, &row), DONE);
	assert_null(row);
	assert_int_equal(ask.failures, FAILURE_QUESTIONS);
}

static void
test_unknown_by_name_is_nothing(void **state)
{
	struct ask ask = session_ask(*state, STEP_CONNECT, 0);
	struct value v = value_number(5);

	assert_int_equal(fact_get_named(&ask, "not loaded", &v), DONE);
	assert_int_equal(v.type, VALUE_NONE);
}

/*
 * An answer that was asked for before MAIL is found afterwards, and nothing is asked, or counted,
 * twice.
 */
static void
test_questions_have_two_tables(void **state)
{
	struct session *s = *state;
	struct ask early = session_ask(s, STEP_HELO, 0), late;
	const struct count_answer *count;
	const struct seen_answer *answer;
	const struct seen_question look = { .look_only = true };

	assert_int_equal(ask_count(&early, STR("key"), 1, &count), PENDING);
	assert_int_equal(s->answers.total, 1);
	begin(s);
	late = session_ask(s, STEP_MAIL, 0);
	assert_int_equal(ask_count(&late, STR("key"), 1, &count), PENDING);
	assert_int_equal(s->txn.answers.total, 0);
	s->answers.first->state = ANSWER_HERE;
	s->answers.first->count.minute = 7;
	assert_int_equal(ask_count(&late, STR("key"), 1, &count), DONE);
	assert_int_equal(count->minute, 7);
	assert_int_equal(ask_count_nth(&late, STR("key"), 1, 1, &count), PENDING);
	assert_int_equal(ask_seen(&late, STR("key"), &look, &answer), PENDING);
	assert_int_equal(s->txn.answers.total, 2);
	for (struct answer *a = s->txn.answers.first; a != NULL; a = a->next) {
		a->state = ANSWER_HERE;
		a->failed = true;
	}
	assert_int_equal(ask_count_nth(&late, STR("key"), 1, 1, &count), DONE);
	assert_null(count);
	assert_int_equal(ask_seen(&late, STR("key"), &look, &answer), DONE);
	assert_null(answer);
}

static void
test_names_too_long_for_the_dns(void **state)
{
	static char name[300];
	struct ask ask = session_ask(*state, STEP_CONNECT, 0);
	const struct dns_answer *answer;

	memset(name, 'a', sizeof name);
	assert_int_equal(ask_dns(&ask, (struct str){ name, 300 }, DNS_A, &answer), DONE);
	assert_int_equal(answer->status, DNS_NXDOMAIN);
	assert_int_equal(ask_dns(&ask, STR("."), DNS_A, &answer), DONE);
	assert_int_equal(answer->status, DNS_NXDOMAIN);
}

/* What a process says that asks for this fact at this step; it is to die of it. */
static void
dying_words(struct session *s, enum step step, const char *name, char out[512])
{
	int pipes[2], status;
	ssize_t n, all = 0;
	pid_t pid;

	assert_int_equal(pipe(pipes), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct ask ask = session_ask(s, step, 0);
		struct fact_call call = { .entry = fact_find(&table, str_of(name)) };
		struct value v;

		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		signal(SIGABRT, SIG_DFL);
		dup2(pipes[1], STDERR_FILENO);
		fact_get(&ask, &call, &v);
		_exit(0);
	}
	close(pipes[1]);
	while ((n = read(pipes[0], out + all, (size_t)(511 - all))) > 0)
		all += n;
	out[all] = '\0';
	close(pipes[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void
test_faults_of_ours_are_panics(void **state)
{
	static const struct {
		enum step step;
		const char *name, *words;
	} cases[] = {
		{ STEP_CONNECT, "helo", "fact helo was asked for at connect" },
		{ STEP_HELO, "plain", "fact plain was asked for at helo" },
		{ STEP_CONNECT, "no such", "a fact that is in no table was asked for" },
		{ STEP_CONNECT, "circle", "fact circle is asked for in a circle" },
		{ STEP_RCPT, "recipient", "fact recipient is of a recipient, and there is none" },
	};
	char words[512];

	begin(*state);
	for (size_t i = 0; i < COUNT(cases); i++) {
		dying_words(*state, cases[i].step, cases[i].name, words);
		assert_non_null(strstr(words, cases[i].words));
	}
}

static void
test_step_names(void **state)
{
	assert_string_equal(step_name(STEP_CONNECT), "connect");
	assert_string_equal(step_name(STEP_MESSAGE), "message");
	assert_string_equal(step_name(STEP_COUNT), "unknown");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_finds, set_up, tear_down),
		cmocka_unit_test(test_prints_calls),
		cmocka_unit_test_setup_teardown(test_is_computed_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_life_of_a_connection, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_life_of_a_recipient, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_arguments_tell_calls_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_waits_for_its_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_nested, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_tells_what_did_not_answer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    test_a_full_table_is_not_the_stores_failure, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_unknown_by_name_is_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_questions_have_two_tables, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names_too_long_for_the_dns, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_faults_of_ours_are_panics, set_up, tear_down),
		cmocka_unit_test(test_step_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
