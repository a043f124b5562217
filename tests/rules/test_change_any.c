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

#define ROUNDS 1500
#define RULES_MOST 6

/* Numbers that are the same in every run. */
struct dice {
	uint64_t state;
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
	switch (roll(d, 8)) {
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

static void
add_rule(struct dice *d, struct buf *b)
{
	static const char *const actions[] = { "accept", "reject 550 5.7.1 \"x\"",
		"tempfail 450 4.7.1 \"x\"", "reject 550 5.7.1 \"x\"", "score 3", "score 2",
		"observe reject 550 5.7.1 \"x\"", NULL };
	unsigned n = 1 + roll(d, 3);
	const char *join = roll(d, 2) ? " and " : " or ";

	if (roll(d, 6) == 0) {
		buf_printf(b, " reject 550 5.7.1 \"points\" if score >= %u\n", 1 + roll(d, 6));
		return;
	}
	buf_printf(b, " %s if ", one_of(d, actions));
	for (unsigned i = 0; i < n; i++) {
		buf_add(b, i > 0 ? str_of(join) : STR(""));
		add_test(d, b);
	}
	buf_addc(b, '\n');
}

/* Facts as the fake vocabulary is told them, and as an entry has them. */
static void
add_facts(struct dice *d, struct buf *fake, struct buf *json)
{
	static const char *const spf[] = { "pass", "fail", "softfail", "none", NULL };
	static const char *const text[] = { "", "a.test", "b.test", "c.example", NULL };
	const char *const a = one_of(d, spf), *const b = one_of(d, spf);
	const char *const name = one_of(d, text), *const helo = one_of(d, text);
	unsigned rate = roll(d, 6), surge = roll(d, 6), listed = roll(d, 2);

	buf_printf(fake,
	    "spf=%s; spf.helo=%s; rate(client, messages, 1h)=%u; surge(client)=%u.0; client.name=%s; "
	    "helo=%s; listed(\"zen.test\")=%u",
	    a, b, rate, surge, name, helo, listed);
	buf_printf(json,
	    "{\"spf\":\"%s\",\"spf.helo\":\"%s\",\"rate(client, messages, 1h)\":%u,\"surge(client)\":%u.0,"
	    "\"client.name\":\"%s\",\"helo\":\"%s\",\"listed(\\\"zen.test\\\")\":%s}",
	    a, b, rate, surge, name, helo, listed ? "true" : "false");
}

/* As posternd decides, which knows nothing of the past. */
static bool
passes(const struct config *config, const char *facts)
{
	struct arena *arena = arena_new(1 << 20);
	struct mailbox sender = { .null = true };
	struct session session;
	struct decision d;
	struct ask ask;

	session_init(&session, FRONT_PROXY, &config->facts, config->n_parts);
	session_mail(&session, &sender);
	fake_facts(facts);
	ask = session_ask(&session, STEP_MAIL, 0);
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

/* Every value that these rules can tell from another. */
static const struct domain {
	const char *name, *values[10];
} domains[] = {
	{ "spf", { "pass", "fail", "softfail", "neutral", "none", "temperror", "permerror" } },
	{ "spf.helo", { "pass", "fail", "softfail", "neutral", "none", "temperror", "permerror" } },
	{ "rate(client, messages, 1h)", { "0", "1", "2", "3", "4", "5" } },
	{ "surge(client)", { "0", "1", "2", "3", "4", "5" } },
	{ "client.name", { "", "a.test", "b.test", "c" } },
	{ "helo", { "", "a", "a.test", "test", "c.x", "c", "a.x", "c.test" } },
	{ "listed(\"zen.test\")", { "0", "1" } },
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

/* Puts one of those that are meant in front of the facts, for each change from the i-th on; each of them has to do. */
static unsigned
each_does(const struct config *config, const char *rules, const char *facts,
    const struct change_set *set, size_t i)
{
	const struct domain *domain;
	unsigned n = 0;

	if (i == set->n) {
		if (!passes(config, facts))
			fail_msg("%s%s: %.*s", rules, facts, STR_ARG(set->change[0].words));
		return 1;
	}
	domain = domain_of(set->change[i].name);
	for (size_t k = 0; k < 10 && domain->values[k]; k++) {
		char changed[2048];

		if (!is_all_meant(set->change[i].words, domain->values[k]))
			continue;
		snprintf(
		    changed, sizeof(changed), "%s=%s; %s", domain->name, domain->values[k], facts);
		n += each_does(config, rules, changed, set, i + 1);
	}
	return n;
}

/* How many there were to try. */
static unsigned
does(
    const struct config *config, const char *rules, const char *facts, const struct change_set *set)
{
	struct config *other;

	assert_false(set->open);
	if (set->change[0].kind != CHANGE_OBSERVE)
		return each_does(config, rules, facts, set, 0);
	other = observed(rules, set->change[0].name);
	assert_true(other == NULL || passes(other, facts));
	config_release(&other);
	return 1;
}

/* Whether some values of so many facts let it pass. */
static bool
any_passes(const struct config *config, const char *facts, size_t from, unsigned n)
{
	for (size_t i = from; i < N_DOMAINS; i++) {
		for (size_t k = 0; k < 10 && domains[i].values[k]; k++) {
			char changed[2048];

			snprintf(changed, sizeof(changed), "%s=%s; %s", domains[i].name,
			    domains[i].values[k], facts);
			if (n > 1 ? any_passes(config, changed, i + 1, n - 1)
				  : passes(config, changed))
				return true;
		}
	}
	return false;
}

#define TRIED_MOST 3 /* facts */

/* What was found is as small as can be, and where nothing was found there is nothing. */
static void
is_smallest(
    const struct config *config, const char *rules, const char *facts, const struct changes *all)
{
	size_t n = past_smallest(all);

	/* Of what several regular expressions ask of the same name it is not said. */
	if ((all->unsought & UNSOUGHT_MATCHES) != 0)
		return;
	for (unsigned k = 1; k < n && k <= TRIED_MOST; k++)
		if (any_passes(config, facts, 0, k))
			fail_msg("%u facts are enough, not %zu: %s%s", k, n, rules, facts);
	if (n == SIZE_MAX)
		assert_true(all->searched >= N_DOMAINS - 1);
}

static void
test_any_rules_any_facts(void **state)
{
	struct dice dice = { 1 };
	size_t refused = 0, found = 0, of_size[CHANGE_MOST + 1] = { 0 }, tried = 0;

	for (size_t round = 0; round < ROUNDS; round++) {
		struct arena *arena = arena_new(4 << 20);
		struct buf rules, facts, json;
		struct config *config;
		struct changes all;
		struct past *p;
		char why[256];

		buf_init(&rules, 8192);
		buf_init(&facts, 1024);
		buf_init(&json, 1024);
		buf_add(&rules, STR("at mail {\n"));
		for (unsigned n = 1 + roll(&dice, RULES_MOST); n > 0; n--)
			add_rule(&dice, &rules);
		buf_add(&rules, STR("}"));
		add_facts(&dice, &facts, &json);
		/* Rules that can never be reached are none. */
		config = try_config(rules.p, why);
		if (config) {
			p = past_of(arena, config, STEP_MAIL, json.p, "");
			changes_find(p, &all);
			assert_int_equal(all.now.outcome == PAST_PASSES, passes(config, facts.p));
			refused += all.now.outcome == PAST_REFUSED;
			for (size_t i = 0; i < all.n; i++) {
				tried += does(config, rules.p, facts.p, &all.set[i]);
				of_size[all.set[i].n]++;
			}
			if (all.now.outcome == PAST_REFUSED)
				is_smallest(config, rules.p, facts.p, &all);
			found += all.n > 0 && all.set[0].change[0].kind == CHANGE_FACT;
			config_release(&config);
		}
		buf_free(&rules);
		buf_free(&facts);
		buf_free(&json);
		arena_free(&arena);
	}
	print_message(
	    "%zu refused, for %zu a change was found; %zu of two facts, %zu of three, %zu of more; "
	    "%zu values of what is meant\n",
	    refused, found, of_size[2], of_size[3], of_size[4] + of_size[5] + of_size[6], tried);
	assert_true(refused > ROUNDS / 4);
	assert_true(found > refused / 2);
	assert_true(of_size[2] > 20 && of_size[3] > 5);
	assert_true(tried > 3 * found);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_rules_any_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
