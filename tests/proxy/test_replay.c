/*
 * 10,000 random sessions go through the real gate, with the stages, both databases and a name server on loopback; then the journal
 * is replayed. Under the same rules nothing changes; under rules that differ in one place, what changes is what was counted while
 * the sessions went on. The second time the journal has hashed addresses, and all comes to the same.
 */
#include "rules/hits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/die.h"
#include "cli/replayed.h"
#include "db/journal_config.h"
#include "db/json.h"
#include "mail/pseudonym.h"
#include "rules/intern.h"
#include "rules/past.h"
#include "rules/record_pseudonyms.h"
#include "rules/rule.h"
#include "tests/proxy/sessions.h"

#define SESSIONS 10000

static int
set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	world_begin(w, false);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	world_end(w);
	free(w);
	return 0;
}

/* ---- replaying ---- */

struct tally {
	struct journal *journal;
	struct replay *replay;
	unsigned n[REPLAY_STATES], changed, accept_reject, reject_accept, tempfail_accept,
	    accept_tempfail, of_verdict[3];
	unsigned hashed; /* entries that say so, and show no address */
	bool told;
};

static bool
row(void *owner, const struct journal_record *r)
{
	struct tally *t = owner;
	struct replay_result now;

	assert_true(replayed_learn(t->replay, t->journal, r->config, NULL));
	if (record_pseudonym_key(r).n > 0) {
		assert_true(r->sender.n == 0 || pseudonym_is(r->sender));
		t->hashed++;
	}
	replay_entry(t->replay, r, &now);
	if (now.state == REPLAY_UNKNOWN && t->n[REPLAY_UNKNOWN] == 0)
		fprintf(stderr,
		    "first unknown: %s at %s by \"%.*s\", needs %.*s at %s\n%.*s\n%.*s\n",
		    r->verdict, r->step, STR_ARG(r->rule), STR_ARG(now.needs), step_name(now.step),
		    STR_ARG(r->trace), STR_ARG(r->facts));
	t->n[now.state]++;
	if (now.state != REPLAY_DECIDED)
		return true;
	t->of_verdict[0] += strcmp(r->verdict, "accept") == 0;
	t->of_verdict[1] += strcmp(r->verdict, "tempfail") == 0;
	t->of_verdict[2] += strcmp(r->verdict, "reject") == 0;
	if (strcmp(now.verdict, r->verdict) == 0)
		return true;
	t->changed++;
	t->accept_reject += strcmp(r->verdict, "accept") == 0 && strcmp(now.verdict, "reject") == 0;
	t->reject_accept += strcmp(r->verdict, "reject") == 0 && strcmp(now.verdict, "accept") == 0;
	t->tempfail_accept +=
	    strcmp(r->verdict, "tempfail") == 0 && strcmp(now.verdict, "accept") == 0;
	t->accept_tempfail +=
	    strcmp(r->verdict, "accept") == 0 && strcmp(now.verdict, "tempfail") == 0;
	if (!t->told)
		/* Not by cmocka, which cuts what is longer than a thousand octets, its line's end too. */
		fprintf(stderr,
		    "first of the changed: %s at %s by \"%.*s\", now %s at %s by \"%.*s\"\n%.*s\n%.*s\n",
		    r->verdict, r->step, STR_ARG(r->rule), now.verdict, step_name(now.step),
		    STR_ARG(now.rule), STR_ARG(r->trace), STR_ARG(r->facts));
	t->told = true;
	return true;
}

static struct tally
replay(struct world *w, const char *text)
{
	struct config *config = world_load(w, text);
	struct tally t = { .replay = replay_new(config, w->frozen ? NULL : replayed_tell) };
	struct journal_filter all = { 0 };
	struct err e;

	t.journal = journal_open_read(folder_file(&w->folder, "journal.db"), &e);
	assert_non_null(t.journal);
	assert_true(journal_read(t.journal, &all, row, &t, &e));
	journal_close(&t.journal);
	replay_free(&t.replay);
	config_release(&config);
	return t;
}

/* The rules with one place of them put otherwise. */
static char *
changed(const char *before, const char *after)
{
	const char *at = strstr(world_rules, before);
	size_t size = strlen(world_rules) + strlen(after) + 1;
	char *text = xmalloc(size);

	assert_non_null(at);
	snprintf(text, size, "%.*s%s%s", (int)(at - world_rules), world_rules, after,
	    at + strlen(before));
	return text;
}

static void
test_sessions(void **state)
{
	struct world *w = *state;

	for (; w->n_sessions < SESSIONS; w->n_sessions++)
		world_play_session(w);
	/* Ten are let in, ten are too many. */
	for (int i = 0; i < 20; i++)
		world_play_one(w, "192.0.2.77", "mx.test",
		    i % 2 ? "<b@good.test>" : "<a@good.test>", "<a@example.org>");
	/* It comes back and is let in. */
	world_play_one(w, "198.51.100.78", "first.test", "<new@other.test>", "<grey@example.org>");
	sleep(2);
	world_play_one(w, "198.51.100.78", "second.test", "<new@other.test>", "<grey@example.org>");
	/* What nobody waits for is written too. */
	gate_free(&w->gate);
	db_stop(&w->db);
}

static void
test_same_rules_change_nothing(void **state)
{
	struct world *w = *state;
	struct tally t = replay(w, world_rules);

	print_message("%u decided, %u aside: %u accept, %u tempfail, %u reject\n",
	    t.n[REPLAY_DECIDED], t.n[REPLAY_ASIDE], t.of_verdict[0], t.of_verdict[1],
	    t.of_verdict[2]);
	assert_int_equal(t.changed, 0);
	assert_int_equal(t.n[REPLAY_UNKNOWN], 0);
	assert_int_equal(t.n[REPLAY_TOO_OLD], 0);
	assert_int_equal(t.hashed > SESSIONS, w->hashed);
	assert_int_equal(t.hashed > 0, w->hashed);
	/* Of all kinds there are enough. */
	assert_true(t.n[REPLAY_ASIDE] > SESSIONS / 50);
	for (size_t i = 0; i < 3; i++)
		assert_true(t.of_verdict[i] > SESSIONS / 10);
}

/* Not the same text, so that facts are computed again where that can be, but the same in effect. */
static void
test_the_same_in_other_words(void **state)
{
	struct world *w = *state;
	char *text = changed("score >= 3", "not score < 3");
	struct tally t = replay(w, text);

	assert_int_equal(t.changed, 0);
	assert_int_equal(t.n[REPLAY_UNKNOWN], 0);
	free(text);
}

static void
test_a_lower_score(void **state)
{
	struct world *w = *state;
	char *text = changed("score >= 3", "score >= 2");
	struct tally t = replay(w, text);

	assert_true(w->of_score_2 > 10);
	print_message("%u of %u would be refused, of %u verdicts it is not known\n",
	    t.accept_reject, w->of_score_2, t.n[REPLAY_UNKNOWN]);
	/* Whether greylisting would still know a client cannot always be told: the more, the longer the sessions took. */
	assert_in_range(t.accept_reject, w->of_score_2 / 2, w->of_score_2);
	assert_true(t.accept_reject + t.n[REPLAY_UNKNOWN] >= w->of_score_2);
	assert_int_equal(t.reject_accept, 0);
	/* With counters as they were, nothing is left to be unknown. */
	w->frozen = true;
	t = replay(w, text);
	w->frozen = false;
	assert_int_equal(t.accept_reject, w->of_score_2);
	assert_int_equal(t.n[REPLAY_UNKNOWN], 0);
	free(text);
}

static void
test_a_rule_less(void **state)
{
	struct world *w = *state;
	char *text =
	    changed("  reject 554 5.7.1 \"No ${client.ip}\" if client is 192.0.2.66\n", "");
	struct tally t = replay(w, text);

	assert_true(w->at_connect > SESSIONS / 10);
	assert_int_equal(t.reject_accept, w->at_connect);
	assert_int_equal(t.changed, w->at_connect);
	free(text);
}

/*
 * Who is refused for another reason counts for less: of the twenty, those of b are refused, and so there is room for
 * all of a, of which the second five were turned away then.
 */
static void
test_counters_go_on_with_what_changed(void **state)
{
	struct world *w = *state;
	char *text = changed("at mail {\n",
	    "at mail {\n  reject 550 5.7.1 \"b\" if client is 192.0.2.77 and sender.local is \"b\"\n");
	struct tally t = replay(w, text);

	assert_int_equal(t.accept_reject, 5);
	assert_int_equal(t.tempfail_accept, 5);
	assert_int_equal(t.changed, 15);
	w->frozen = true;
	t = replay(w, text);
	w->frozen = false;
	assert_int_equal(t.accept_reject, 5);
	assert_int_equal(t.tempfail_accept, 0);
	assert_int_equal(t.changed, 10);
	free(text);
}

/* Who was refused at once the first time comes for the first time the second time. */
static void
test_greylisting_goes_on_with_what_changed(void **state)
{
	struct world *w = *state;
	char *text = changed(
	    "at helo {\n", "at helo {\n  reject 550 5.7.1 \"x\" if helo is \"first.test\"\n");
	struct tally t = replay(w, text);

	assert_int_equal(t.accept_reject, 0);
	assert_int_equal(t.accept_tempfail, 1);
	assert_int_equal(t.changed, 2);
	w->frozen = true;
	t = replay(w, text);
	w->frozen = false;
	assert_int_equal(t.changed, 1);
	free(text);
}

static void
test_what_was_not_asked_is_unknown(void **state)
{
	struct world *w = *state;
	char *text =
	    changed("at rcpt {\n", "at rcpt {\n  reject 550 5.7.1 \"x\" if listed(\"zen.test\")\n");
	struct tally t = replay(w, text);

	assert_int_equal(t.accept_reject, 0);
	assert_true(t.n[REPLAY_UNKNOWN] > SESSIONS / 10);
	free(text);
}

/* ---- how often each rule is hit ---- */

/* Of each rule by its number in the step, as it was written down when the sessions went on. */
struct written {
	struct journal *journal;
	struct hits *hits;
	struct replay *replay;
	struct intern steps; /* of which session, transaction and recipient */
	struct arena *arena;
	unsigned tried[STEP_COUNT][32], hit[STEP_COUNT][32], changed;
};

/* "2|2 3*|-": what each rule asked for, and whether it was hit; a dash: it was not come to. */
static void
count_tried(struct written *w, enum step step, struct str tried)
{
	struct str one;

	for (size_t i = 0; str_pop(&tried, '|', &one); i++) {
		assert_true(i < 32);
		w->tried[step][i] += !str_eq(one, STR("-"));
		w->hit[step][i] += str_ends(one, STR("*"));
	}
}

static void
count_step(struct written *w, const struct journal_record *r, const struct json *s, unsigned nth)
{
	enum step step = STEP_CONNECT;
	struct buf key;
	size_t n = w->steps.n;

	while (!str_eq(json_text(s, "at"), str_of(step_name(step))))
		step++;
	buf_init(&key, 1000);
	buf_printf(&key, "%.*s %d %u %.*s", STR_ARG(r->session), (int)step, nth,
	    STR_ARG(json_text(s, "helo")));
	intern_add(&w->steps, buf_str(&key));
	buf_free(&key);
	if (w->steps.n > n)
		count_tried(w, step, json_text(s, "tried"));
}

/* What the entry repeats of others counts once. */
static bool
count_written(struct written *w, const struct journal_record *r)
{
	struct arena *arena = arena_new(1 << 24);
	const struct json *trace = json_parse(arena, r->trace, NULL), *s = trace->first;
	unsigned txn = (unsigned)json_number(s, "txn"), rcpt = 0;

	for (s = s->next; s != NULL; s = s->next) {
		struct str at = json_text(s, "at");
		bool of_connection = str_eq(at, STR("connect")) || str_eq(at, STR("helo"));

		rcpt += str_eq(at, STR("rcpt"));
		if (json_get(s, "tried"))
			count_step(w, r, s,
			    of_connection ? 0 : txn * 1000 + (str_eq(at, STR("rcpt")) ? rcpt : 0));
	}
	arena_free(&arena);
	return true;
}

static bool
count_row(void *owner, const struct journal_record *r)
{
	struct written *w = owner;
	struct replay_result now;
	struct err e;

	assert_true(replayed_learn(w->replay, w->journal, r->config, &e));
	replay_entry(w->replay, r, &now);
	if (now.state == REPLAY_ASIDE)
		return true;
	assert_int_equal(now.state, REPLAY_DECIDED);
	hits_verdict(w->hits, r->verdict, &now);
	w->changed += strcmp(r->verdict, now.verdict) != 0;
	return count_written(w, r);
}

static void
count_all(struct world *world, const char *text, struct config **config, struct written *w)
{
	struct journal_filter all = { 0 };
	struct err e;

	*w = (struct written){ .arena = arena_new(SIZE_MAX) };
	*config = world_load(world, text);
	intern_init(&w->steps, w->arena);
	w->replay = replay_new(*config, NULL);
	w->hits = hits_new(*config, w->replay);
	w->journal = journal_open_read(folder_file(&world->folder, "journal.db"), &e);
	assert_non_null(w->journal);
	assert_true(journal_read(w->journal, &all, count_row, w, &e));
	journal_close(&w->journal);
}

static void
count_free(struct written *w, struct config **config)
{
	hits_free(&w->hits);
	replay_free(&w->replay);
	intern_free(&w->steps);
	arena_free(&w->arena);
	config_release(config);
}

static void
test_hits_are_those_of_the_time(void **state)
{
	struct config *config;
	struct written w;
	unsigned rules_hit = 0, at = 0;
	size_t i = 0;

	count_all(*state, world_rules, &config, &w);
	print_message("%zu steps of sessions\n", w.steps.n);
	assert_true(w.steps.n > SESSIONS);
	for (int step = 0; step < STEP_COUNT; step++)
		for (at = 0;
		     i < hits_length(w.hits) && hits_row(w.hits, i)->step == (enum step)step;
		     i++, at++) {
			const struct hits_row *row = hits_row(w.hits, i);

			if (row->tried != w.tried[step][at] || row->hit != w.hit[step][at])
				fail_msg("%.*s: %d and %d, not %u and %u", STR_ARG(row->shown->id),
				    (int)row->tried, (int)row->hit, w.tried[step][at],
				    w.hit[step][at]);
			assert_int_equal(row->unknown, 0);
			assert_int_equal(row->replaced, 0);
			rules_hit += row->hit > 0;
		}
	assert_int_equal(i, hits_length(w.hits));
	assert_true(rules_hit > 15);
	count_free(&w, &config);
}

/* A rule that takes over from others: what it changes is counted as its own. */
static void
test_hits_that_change(void **state)
{
	char *text = changed(
	    "at helo {\n", "at helo {\n  reject 550 5.7.1 \"x\" if helo is \"lenient.test\"\n");
	struct config *config;
	struct written w;

	count_all(*state, text, &config, &w);
	assert_true(w.changed > 50);
	for (size_t i = 0; i < hits_length(w.hits); i++) {
		const struct hits_row *row = hits_row(w.hits, i);
		bool new = str_starts(row->shown->source, STR("reject 550 5.7.1 \"x\""));

		assert_true(row->hit <= row->tried);
		assert_int_equal(row->replaced, new ? w.changed : 0);
	}
	count_free(&w, &config);
	free(text);
}

/* What nobody had asked is the unknown of the rule that needs it. */
static bool
count_unknown(void *owner, const struct journal_record *r)
{
	struct written *w = owner;
	struct replay_result now;
	struct err e;

	assert_true(replayed_learn(w->replay, w->journal, r->config, &e));
	replay_entry(w->replay, r, &now);
	return true;
}

static void
test_hits_unknown(void **state)
{
	struct world *world = *state;
	char *text =
	    changed("at rcpt {\n", "at rcpt {\n  reject 550 5.7.1 \"x\" if listed(\"zen.test\")\n");
	struct written w = { .arena = arena_new(SIZE_MAX) };
	struct config *config = world_load(world, text);
	struct journal_filter all = { 0 };
	struct err e;

	intern_init(&w.steps, w.arena);
	w.replay = replay_new(config, NULL);
	w.hits = hits_new(config, w.replay);
	w.journal = journal_open_read(folder_file(&world->folder, "journal.db"), &e);
	assert_true(journal_read(w.journal, &all, count_unknown, &w, &e));
	journal_close(&w.journal);
	for (size_t i = 0; i < hits_length(w.hits); i++) {
		const struct hits_row *row = hits_row(w.hits, i);
		bool asks = str_starts(row->shown->source, STR("reject 550 5.7.1 \"x\""));

		if (asks)
			assert_true(row->unknown > SESSIONS / 10 && row->tried == 0);
		else
			assert_int_equal(row->unknown, 0);
	}
	count_free(&w, &config);
	free(text);
}

/* ---- thinking over ---- */

struct thinking {
	const struct config *config;
	struct journal *journal;
	unsigned n, at[STEP_COUNT];
};

/* Whatever a rule refused is refused by it again, with nothing but what the entry holds. */
static bool
think(void *owner, const struct journal_record *r)
{
	struct thinking *t = owner;
	struct arena *arena;
	struct past_result result;
	struct past *p;
	struct str text;

	if (!str_starts(r->rule, STR("postern.conf")) || r->observed.n > 0 || r->serial % 3 > 0)
		return true;
	arena = arena_new(16 << 20);
	assert_true(journal_configuration(t->journal, arena, r->config, &text, NULL));
	p = past_read(arena, t->config, r, text);
	assert_non_null(p);
	result = past_decide(p);
	assert_int_equal(result.outcome, PAST_REFUSED);
	assert_string_equal(step_name(p->step), r->step);
	if (!str_eq(p->rule[result.rule]->shown.id, r->rule))
		fail_msg("%.*s, not %.*s: %.*s", STR_ARG(p->rule[result.rule]->shown.id),
		    STR_ARG(r->rule), STR_ARG(r->trace));
	t->n++;
	t->at[p->step]++;
	arena_free(&arena);
	return true;
}

static void
test_what_is_thought_over_is_what_was_decided(void **state)
{
	struct world *w = *state;
	struct config *config = world_load(w, world_rules);
	struct journal_filter all = { 0 };
	struct thinking t = { .config = config };
	struct err e;

	t.journal = journal_open_read(folder_file(&w->folder, "journal.db"), &e);
	assert_non_null(t.journal);
	assert_true(journal_read(t.journal, &all, think, &t, &e));
	print_message("%u refusals thought over\n", t.n);
	for (int step = STEP_CONNECT; step < STEP_COUNT; step++)
		assert_true(t.at[step] > 50);
	journal_close(&t.journal);
	config_release(&config);
}

/* From here on all of it once more. */
static void
test_hashed(void **state)
{
	world_end(*state);
	world_begin(*state, true);
}

#define ALL_TESTS \
	cmocka_unit_test(test_sessions), cmocka_unit_test(test_same_rules_change_nothing), \
	    cmocka_unit_test(test_the_same_in_other_words), cmocka_unit_test(test_a_lower_score), \
	    cmocka_unit_test(test_a_rule_less), \
	    cmocka_unit_test(test_counters_go_on_with_what_changed), \
	    cmocka_unit_test(test_greylisting_goes_on_with_what_changed), \
	    cmocka_unit_test(test_what_was_not_asked_is_unknown), \
	    cmocka_unit_test(test_what_is_thought_over_is_what_was_decided), \
	    cmocka_unit_test(test_hits_are_those_of_the_time), \
	    cmocka_unit_test(test_hits_that_change), cmocka_unit_test(test_hits_unknown)

int
main(void)
{
	const struct CMUnitTest tests[] = { ALL_TESTS, cmocka_unit_test(test_hashed), ALL_TESTS };

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
