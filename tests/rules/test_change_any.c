/*
 * Any rules, any facts: generated rule sets, of which what would have let a message pass is found, is put to the evaluator of posternd,
 * and is looked for by brute force: nothing smaller does it, and each value that the words mean does.
 */
#include "rules/change.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules/config.h"
#include "tests/rules/fake.h"
#include "tests/rules/past_of.h"

#define ROUNDS 2000
#define RULES_MOST 6

/* Numbers that are the same in every run. */
struct dice {
	uint64_t state;
	bool
	    simple; /* no fact against another, and no list: of all such rules the smallest change is found */
};

static unsigned
roll(struct dice *d, unsigned sides)
{
	d->state = d->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (unsigned)(d->state >> 33) % sides;
}

static const char *
one_of(struct dice *d, const char *const *words)
{
	unsigned n = 0;

	while (words[n])
		n++;
	return words[roll(d, n)];
}

/* Facts against facts, sums, and lists: of each list in braces there is one. */
static void
add_compound(struct dice *d, struct buf *b)
{
	static const char *const order[] = { ">", ">=", "<", "<=", "is", "is not", NULL };
	static const char *const in[] = { "in", "not in", NULL };

	switch (roll(d, 5)) {
	case 0:
		buf_printf(b, "helo is %sclient.name", roll(d, 2) ? "not " : "");
		return;
	case 1:
		buf_printf(b, "rate(client, messages, 1h) %s quota.used", one_of(d, order));
		return;
	case 2:
		buf_printf(b, "rate(client, messages, 1h) %s %u * quota.used - 1", one_of(d, order),
		    1 + roll(d, 2));
		return;
	case 3:
		buf_printf(b, "client.name %s good", one_of(d, in));
		return;
	default:
		buf_printf(b, "helo %s { \"c.test\", \"u%zu.test\" }", one_of(d, in), b->n);
	}
}

static void
add_test(struct dice *d, struct buf *b)
{
	static const char *const spf[] = { "pass", "fail", "softfail", "none", NULL };
	static const char *const order[] = { ">", ">=", "<", "<=", "is", NULL };
	static const char *const text[] = { "\"\"", "\"a.test\"", "\"b.test\"", NULL };
	static const char *const match[] = { "matches /^a/", "matches /t$/", "matches /[x.]/",
		NULL };
	static const char *const part[] = { "starts with \"a\"", "ends with \"test\"",
		"contains \".\"", NULL };

	if (roll(d, 4) == 0)
		buf_add(b, STR("not "));
	switch (roll(d, d->simple ? 9 : 12)) {
	case 8:
		buf_add(b, STR("odd"));
		return;
	case 9:
	case 10:
	case 11:
		add_compound(d, b);
		return;
	case 0:
		buf_printf(b, "spf is %s%s", roll(d, 2) ? "not " : "", one_of(d, spf));
		return;
	case 1:
		buf_printf(b, "spf.helo in { %s, permerror }", one_of(d, spf));
		return;
	case 2:
		buf_printf(b, "rate(client, messages, 1h) %s %u", one_of(d, order), roll(d, 5));
		return;
	case 3:
		buf_printf(b, "surge(client) > %u.5", roll(d, 5));
		return;
	case 4:
		buf_printf(b, "client.name is %s", one_of(d, text));
		return;
	case 5:
		buf_printf(b, "helo %s", one_of(d, part));
		return;
	case 6:
		buf_printf(b, "helo %s%s", roll(d, 2) ? "not " : "", one_of(d, match));
		return;
	default:
		buf_add(b, STR("listed(\"zen.test\")"));
	}
}

/* One to three tests; with three, two may stand in parentheses. */
static void
add_condition(struct dice *d, struct buf *b)
{
	static const char *const joins[] = { " and ", " or ", NULL };
	unsigned n = 1 + roll(d, 3), split = roll(d, 2);
	const char *join = one_of(d, joins);

	for (unsigned i = 0; i < n; i++) {
		if (i > 0)
			buf_add(b, str_of(i == 2 && split ? one_of(d, joins) : join));
		if (i == 0 && n == 3 && split)
			buf_addc(b, '(');
		add_test(d, b);
		if (i == 1 && n == 3 && split)
			buf_addc(b, ')');
	}
}

static void
add_rule(struct dice *d, struct buf *b)
{
	static const char *const actions[] = { "accept", "reject 550 5.7.1 \"x\"",
		"tempfail 450 4.7.1 \"x\"", "reject 550 5.7.1 \"x\"", "score 3", "score 2",
		"observe reject 550 5.7.1 \"x\"", NULL };

	if (roll(d, 6) == 0) {
		buf_printf(b, " reject 550 5.7.1 \"points\" if score >= %u\n", 1 + roll(d, 6));
		return;
	}
	buf_printf(b, " %s if ", one_of(d, actions));
	add_condition(d, b);
	buf_addc(b, '\n');
}

static void
add_block(struct dice *d, struct buf *b, enum step step)
{
	if (step == STEP_RCPT && roll(d, 2)) {
		buf_add(b, STR(" for recipients in boxes {\n"));
		add_rule(d, b);
		buf_add(b, STR(" }\n"));
		return;
	}
	buf_add(b, STR(" if "));
	add_condition(d, b);
	buf_add(b, STR(" {\n"));
	add_rule(d, b);
	if (roll(d, 2)) {
		buf_add(b, STR(" } else if "));
		add_condition(d, b);
		buf_add(b, STR(" {\n"));
		add_rule(d, b);
	}
	if (roll(d, 2)) {
		buf_add(b, STR(" } else {\n"));
		add_rule(d, b);
	}
	buf_add(b, STR(" }\n"));
}

/* A line each. */
static void
add_rules(struct dice *d, struct buf *b, enum step step)
{
	static const char *const odd[] = { "spf is softfail", "rate(client, messages, 1h) > 3",
		"helo starts with \"a\" and not listed(\"zen.test\")", NULL };

	buf_add(b, STR("list good { \"a.test\" }\nlist boxes { \"b@example.org\" }\n"));
	buf_printf(b, "define odd = %s\nat %s {\n", one_of(d, odd), step_name(step));
	for (unsigned n = 1 + roll(d, RULES_MOST); n > 0; n--) {
		if (roll(d, 4) == 0)
			add_block(d, b, step);
		else
			add_rule(d, b);
	}
	buf_add(b, STR("}"));
}

/* Facts as the fake vocabulary is told them, and as an entry has them. */
static void
add_facts(struct dice *d, struct buf *fake, struct buf *json)
{
	static const char *const spf[] = { "pass", "fail", "softfail", "none", NULL };
	static const char *const text[] = { "", "a.test", "b.test", "c.example", NULL };
	const char *const a = one_of(d, spf), *const b = one_of(d, spf);
	const char *const name = one_of(d, text), *const helo = one_of(d, text);
	unsigned rate = roll(d, 6), surge = roll(d, 6), listed = roll(d, 2), used = roll(d, 4);
	const char *const box = roll(d, 2) ? "b@example.org" : "c@example.org";

	buf_printf(fake,
	    "spf=%s; spf.helo=%s; rate(client, messages, 1h)=%u; surge(client)=%u.0; client.name=%s; "
	    "helo=%s; listed(\"zen.test\")=%u; quota.used=%u; recipient=%s",
	    a, b, rate, surge, name, helo, listed, used, box);
	buf_printf(json,
	    "{\"spf\":\"%s\",\"spf.helo\":\"%s\",\"rate(client, messages, 1h)\":%u,\"surge(client)\":%u.0,"
	    "\"client.name\":\"%s\",\"helo\":\"%s\",\"listed(\\\"zen.test\\\")\":%s,\"quota.used\":%u,"
	    "\"recipient\":\"%s\"}",
	    a, b, rate, surge, name, helo, listed ? "true" : "false", used, box);
}

/* As posternd decides, which knows nothing of the past. */
static bool
passes(const struct config *config, enum step step, const char *facts)
{
	struct arena *arena = arena_new(1 << 20);
	struct mailbox sender = { .null = true }, recipient = { .address = STR("x@example.org") };
	struct session session;
	struct decision d;
	struct ask ask;

	session_init(&session, FRONT_PROXY, &config->facts, config->n_parts);
	session_mail(&session, &sender);
	if (step == STEP_RCPT)
		session_rcpt(&session, &recipient);
	fake_facts(facts);
	ask = session_ask(&session, step, 0);
	assert_int_equal(ruleset_decide(config->ruleset, &ask, arena, &d), DONE);
	session_free(&session);
	arena_free(&arena);
	return d.verdict.kind == VERDICT_ACCEPT;
}

/* The rules with `observe` in the line. */
static struct config *
observed(const char *rules, struct str name)
{
	struct str rest = str_of(rules), line;
	struct config *config;
	char why[256];
	uint64_t n;
	struct buf b;

	assert_true(str_to_u64(str_sub(name, str_find(name, ':') + 1, name.n), 100, &n));
	buf_init(&b, 8192);
	for (uint64_t i = 1; str_pop(&rest, '\n', &line); i++) {
		buf_add(&b, i == n ? STR(" observe") : STR(""));
		buf_add(&b, line);
		buf_addc(&b, '\n');
	}
	config = try_config(b.p, why);
	buf_free(&b);
	return config;
}

/* The rules with the entry in the list. */
static struct config *
entered(const char *rules, const struct change *change)
{
	struct str name = list_name(change->list);
	bool braces = str_starts(name, STR("{"));
	const char *at;
	struct config *config;
	char why[256], list[64];
	struct buf b;

	snprintf(list, sizeof(list), "%s%.*s", braces ? "" : "list ",
	    STR_ARG(braces ? str_sub(name, 0, name.n - 1) : name));
	at = strstr(rules, list);
	assert_non_null(at);
	at = strchr(at, '{') + 1;
	buf_init(&b, 8192);
	buf_add(&b, (struct str){ rules, (size_t)(at - rules) });
	buf_printf(&b, " \"%.*s\",", STR_ARG(change->entry));
	buf_add(&b, str_of(at));
	config = try_config(b.p, why);
	if (config == NULL)
		fail_msg("%s: %s", why, b.p);
	buf_free(&b);
	return config;
}

/* Every value that these rules can tell from another. */
static const struct domain {
	const char *name, *values[10];
} domains[] = {
	{ "spf", { "pass", "fail", "softfail", "neutral", "none", "temperror", "permerror" } },
	{ "spf.helo", { "pass", "fail", "softfail", "neutral", "none", "temperror", "permerror" } },
	{ "rate(client, messages, 1h)", { "0", "1", "2", "3", "4", "5", "6", "7" } },
	{ "surge(client)", { "0", "1", "2", "3", "4", "5" } },
	{ "client.name", { "", "a.test", "b.test", "c", "c.example" } },
	{ "helo", { "", "a", "a.test", "test", "c.x", "c", "a.x", "c.test", "b.test" } },
	{ "listed(\"zen.test\")", { "0", "1" } },
	{ "quota.used", { "0", "1", "2", "3", "4", "5", "6", "7" } },
	{ "recipient", { "b@example.org", "d@example.org" } },
};
#define N_DOMAINS (sizeof(domains) / sizeof(domains[0]))

/* --- what is said, by other means than those it was found by --------------------------------------- */

/* What stands between the quotes, or slashes. */
static void
quoted(const char *words, char quote, char out[64])
{
	const char *begin = strchr(words, quote) + 1, *end = strchr(begin, quote);

	str_copy((struct str){ begin, (size_t)(end - begin) }, out, 64);
}

static bool
matches(const char *pattern, const char *text)
{
	regex_t regex;
	bool found;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	found = regexec(&regex, text, 0, NULL, 0) == 0;
	regfree(&regex);
	return found;
}

static bool
has_part(const char *words, const char *part, const char *text)
{
	size_t n = strlen(text), k = strlen(part);

	if (strstr(words, "beginning with") != NULL)
		return strncmp(text, part, k) == 0;
	if (strstr(words, "ending in") != NULL)
		return n >= k && strcmp(text + n - k, part) == 0;
	return strstr(text, part) != NULL;
}

/* "pass, neutral or none" */
static bool
is_one_of(const char *words, const char *text)
{
	char copy[256], *rest = copy;

	str_copy(str_of(words), copy, sizeof(copy));
	for (char *word = strsep(&rest, ", "); word; word = strsep(&rest, ", "))
		if (word[0] != '\0' && strcmp(word, text) == 0)
			return true;
	return false;
}

/* "list good", "{ "c.test", "u42.test" }" */
static bool
is_in(const char *list, const char *text)
{
	char part[64];

	if (strcmp(list, "list good") == 0)
		return strcmp(text, "a.test") == 0;
	if (strcmp(list, "list boxes") == 0)
		return strcmp(text, "b@example.org") == 0;
	assert_int_equal(list[0], '{');
	quoted(list, '"', part);
	return strcmp(text, part) == 0;
}

/* One of the things that the value has to be. */
static bool
is_meant(const char *words, const char *text)
{
	char part[64];

	if (strstr(words, " or less") != NULL)
		return atof(text) <= atof(words);
	if (strstr(words, " or more") != NULL)
		return atof(text) >= atof(words);
	if (strncmp(words, "one that", 8) == 0) {
		quoted(words, '/', part);
		return matches(part, text) == (strstr(words, "does not") == NULL);
	}
	if (strncmp(words, "not in ", 7) == 0 || strncmp(words, "in ", 3) == 0)
		return is_in(words + (words[0] == 'n' ? 7 : 3), text) == (words[0] == 'i');
	if (strncmp(words, "anything but ", 13) == 0)
		return !is_meant(words + 13, text);
	if (words[0] == '"' || strchr(words, '"') != NULL)
		quoted(words, '"', part);
	if (words[0] == '"')
		return strcmp(part, text) == 0;
	if (strncmp(words, "one ", 4) == 0)
		return has_part(words, part, text) ==
		    (strstr(words, "one not") == NULL && strstr(words, "without") == NULL);
	if (strcmp(words, "yes") == 0 || strcmp(words, "no") == 0)
		return (strcmp(words, "yes") == 0) == (text[0] == '1');
	return is_one_of(words, text);
}

static bool
is_all_meant(struct str words, const char *text)
{
	char copy[512], *at = copy, *next;

	assert_true(str_copy(words, copy, sizeof(copy)));
	for (; at; at = next) {
		next = strstr(at, ", and ");
		if (next) {
			*next = '\0';
			next += 6;
		}
		if (!is_meant(at, text))
			return false;
	}
	return true;
}

static const struct domain *
domain_of(struct str name)
{
	for (size_t i = 0; i < N_DOMAINS; i++)
		if (str_eq(name, str_of(domains[i].name)))
			return &domains[i];
	fail_msg("%.*s has no values", STR_ARG(name));
	return NULL;
}

struct subject {
	const struct config *config;
	enum step step;
	const char *rules;
};

static void
failing(const char *facts, const struct change_set *set)
{
	for (size_t i = 0; i < set->n; i++)
		print_error(
		    "\n%.*s = %.*s", STR_ARG(set->change[i].name), STR_ARG(set->change[i].words));
	fail_msg("%s", facts);
}

/* Puts one of those that are meant in front of the facts, for each change from the i-th on; each of them has to do. */
static unsigned
each_does(const struct subject *s, const char *facts, const struct change_set *set, size_t i)
{
	const struct domain *domain;
	unsigned n = 0;

	if (i == set->n) {
		if (!passes(s->config, s->step, facts)) {
			print_error("%s", s->rules);
			failing(facts, set);
		}
		return 1;
	}
	domain = domain_of(set->change[i].name);
	for (size_t k = 0; k < 10 && domain->values[k]; k++) {
		char changed[2048];

		if (!is_all_meant(set->change[i].words, domain->values[k]))
			continue;
		snprintf(
		    changed, sizeof(changed), "%s=%s; %s", domain->name, domain->values[k], facts);
		n += each_does(s, changed, set, i + 1);
	}
	return n;
}

/* How many there were to try. */
static unsigned
does(const struct config *config, enum step step, const char *rules, const char *facts,
    const struct change_set *set)
{
	const struct change *first = &set->change[0];
	struct config *other;

	assert_false(set->open);
	if (first->kind != CHANGE_OBSERVE && first->kind != CHANGE_ENTRY)
		return each_does(&(struct subject){ config, step, rules }, facts, set, 0);
	other = first->kind == CHANGE_ENTRY ? entered(rules, first) : observed(rules, first->name);
	if (other && !passes(other, step, facts))
		fail_msg("%s%s: %.*s", rules, facts, STR_ARG(first->name));
	config_release(&other);
	return 1;
}

/* Whether some values of so many facts let it pass. */
static bool
any_passes(const struct config *config, enum step step, const char *facts, size_t from, unsigned n)
{
	for (size_t i = from; i < N_DOMAINS; i++) {
		for (size_t k = 0; k < 10 && domains[i].values[k]; k++) {
			char changed[2048];

			snprintf(changed, sizeof(changed), "%s=%s; %s", domains[i].name,
			    domains[i].values[k], facts);
			if (n > 1 ? any_passes(config, step, changed, i + 1, n - 1)
				  : passes(config, step, changed))
				return true;
		}
	}
	return false;
}

#define TRIED_MOST 3 /* facts */

/* What was found is as small as can be, and where nothing was found there is nothing. False: it is said that more might do it. */
static bool
is_smallest(const struct config *config, enum step step, const char *rules, const char *facts,
    const struct changes *all)
{
	size_t n = past_smallest(all);

	if (all->unsought != 0)
		return false;
	for (unsigned k = 1; k < n && k <= TRIED_MOST; k++)
		if (any_passes(config, step, facts, 0, k))
			fail_msg("%u facts are enough, not %zu: %s%s", k, n, rules, facts);
	if (n == SIZE_MAX)
		assert_true(all->searched >= TRIED_MOST);
	return true;
}

struct tally {
	size_t refused, found, smallest, entries, of_size[CHANGE_MOST + 1], tried;
};

static void
try_rules(
    struct tally *t, enum step step, const struct buf *rules, const char *facts, const char *json)
{
	struct arena *arena = arena_new(4 << 20);
	struct changes all;
	char why[256];
	/* Rules that can never be reached are none. */
	struct config *config = try_config(rules->p, why);

	if (config) {
		changes_find(past_of(arena, config, step, json, ""), &all);
		assert_int_equal(all.now.outcome == PAST_PASSES, passes(config, step, facts));
		t->refused += all.now.outcome == PAST_REFUSED;
		for (size_t i = 0; i < all.n; i++) {
			t->tried += does(config, step, rules->p, facts, &all.set[i]);
			t->of_size[all.set[i].n]++;
			t->entries += all.set[i].change[0].kind == CHANGE_ENTRY;
		}
		if (all.now.outcome == PAST_REFUSED)
			t->smallest += is_smallest(config, step, rules->p, facts, &all);
		t->found += all.n > 0 && all.set[0].change[0].kind == CHANGE_FACT;
		config_release(&config);
	}
	arena_free(&arena);
}

static void
test_any_rules_any_facts(void **state)
{
	struct dice dice = { .state = 1 };
	struct tally t = { 0 };

	for (size_t round = 0; round < ROUNDS; round++) {
		enum step step = round % 2 ? STEP_RCPT : STEP_MAIL;
		struct buf rules, facts, json;

		dice.simple = round % 4 < 2;
		buf_init(&rules, 8192);
		buf_init(&facts, 1024);
		buf_init(&json, 1024);
		add_rules(&dice, &rules, step);
		add_facts(&dice, &facts, &json);
		try_rules(&t, step, &rules, facts.p, json.p);
		buf_free(&rules);
		buf_free(&facts);
		buf_free(&json);
	}
	print_message(
	    "%zu refused, for %zu a change was found, %zu looked whether it is the smallest; %zu of two facts, "
	    "%zu of three, %zu of more, %zu entries; %zu values of what is meant\n",
	    t.refused, t.found, t.smallest, t.of_size[2], t.of_size[3],
	    t.of_size[4] + t.of_size[5] + t.of_size[6], t.entries, t.tried);
	assert_true(t.refused > ROUNDS / 4);
	assert_true(t.found > t.refused / 2);
	assert_true(t.smallest > t.refused / 4);
	assert_true(t.of_size[2] > 20 && t.of_size[3] > 5 && t.entries > 20);
	assert_true(t.tried > 3 * t.found);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_rules_any_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
