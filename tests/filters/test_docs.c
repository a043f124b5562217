/*
 * The page of each stage: it explains every fact and setting, and its examples are configurations
 * that load.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "filters/stage.h"
#include "filters/vocabulary.h"
#include "rules/config.h"
#include "tests/filters/mmdb.h"

/* NULL: the stage has no page. */
static char *
read_page(const char *stage, char *page, size_t size)
{
	const char *srcdir = getenv("srcdir");
	char path[512];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/docs/stages/%s.md", srcdir ? srcdir : ".", stage);
	f = fopen(path, "r");
	if (!f)
		return NULL;
	n = fread(page, 1, size - 1, f);
	fclose(f);
	page[n] = '\0';
	return page;
}

/* Has the page `name` or `name(...)`? */
static bool
is_explained(const char *page, const char *name)
{
	char plain[128], with_arguments[128];

	snprintf(plain, sizeof(plain), "`%s`", name);
	snprintf(with_arguments, sizeof(with_arguments), "`%s(", name);
	return strstr(page, plain) || strstr(page, with_arguments);
}

static void
check_words(const struct stage *stage, const char *page)
{
	for (size_t i = 0; i < stage->n_facts; i++)
		if (!is_explained(page, stage->facts[i].name))
			fail_msg("docs/stages/%s.md does not explain the fact `%s`", stage->name,
			    stage->facts[i].name);
	for (size_t i = 0; i < stage->n_settings; i++)
		if (!is_explained(page, stage->settings[i].name))
			fail_msg("docs/stages/%s.md does not explain the setting `%s`", stage->name,
			    stage->settings[i].name);
}

static void
write_example(const char *path, struct str example)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs("hostname \"mx.example.org\"\n"
	      "database \"/nowhere\"\n"
	      "listen proxy 127.0.0.1 port 2525\n"
	      "backend 127.0.0.1 port 10025\n"
	      "resolver recursive\n",
	    f);
	fwrite(example.p, 1, example.n, f);
	assert_int_equal(fclose(f), 0);
}

/* What examples name. */
static const char *const geo_files[] = { "GeoLite2-Country.mmdb", "GeoLite2-ASN.mmdb" };

static void
check_example(const char *stage, struct str example)
{
	struct arena *arena = arena_new(1024 * 1024);
	struct config_vocabulary vocabulary = stage_vocabulary(arena);
	struct complaints complaints = { 0 };
	struct config *config;
	char folder[] = "/tmp/postern-docs-XXXXXX", path[64];

	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < sizeof(geo_files) / sizeof(geo_files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, geo_files[i]);
		mmdb_write(path, NULL, 0);
	}
	snprintf(path, sizeof(path), "%s/postern.conf", folder);
	write_example(path, example);
	config = config_load(path, &vocabulary, &complaints);
	unlink(path);
	for (size_t i = 0; i < sizeof(geo_files) / sizeof(geo_files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, geo_files[i]);
		unlink(path);
	}
	rmdir(folder);
	for (size_t i = 0; i < complaints.n; i++) {
		if (complaints.item[i].warning)
			continue;
		char *text = complaint_print(&complaints.item[i]);
		fail_msg("an example of docs/stages/%s.md: %s", stage, text);
	}
	assert_non_null(config);
	config_release(&config);
	complaints_free(&complaints);
	arena_free(&arena);
}

/* --- what facts can ask ------------------------------------------------------------------------------ */

/* The most that a fact asks with any of its words, at the last step: DNS, store, store for each recipient. */
struct most {
	unsigned dns, store, each;
};

static size_t
words_of(const struct fact_param *p)
{
	size_t n = 0;

	while (p->type == VALUE_SYMBOL && p->symbols[n])
		n++;
	return n > 0 ? n : 1;
}

static struct most
most_of_call(const struct config *config, const struct fact_call *call)
{
	struct costs costs = { .arena = config->arena,
		.table = &config->facts,
		.plans = &config->plans,
		.step = STEP_RCPT > call->entry->def->from ? STEP_RCPT : call->entry->def->from };
	struct most out = { 0 };

	cost_call(&costs, call);
	assert_false(costs.unknown);
	for (size_t i = 0; i < costs.n; i++)
		*(!costs.group[i].store       ? &out.dns
			: costs.group[i].each ? &out.each
					      : &out.store) += costs.group[i].most;
	return out;
}

static struct most
most_of(const struct config *config, const struct fact_def *def)
{
	struct fact_call call = { .entry = fact_find(&config->facts, str_of(def->name)) };
	size_t all = 1;
	struct most most = { 0 };

	for (size_t i = 0; def->params && i < FACT_PARAMS && def->params[i].name; i++)
		all *= words_of(&def->params[i]);
	for (size_t n = 0; n < all; n++) {
		size_t rest = n;
		struct most one;

		call.n_args = 0;
		for (size_t i = 0; def->params && i < FACT_PARAMS && def->params[i].name; i++) {
			const struct fact_param *p = &def->params[i];

			call.arg[call.n_args++] = p->type == VALUE_SYMBOL
			    ? value_symbol(p->symbols[rest % words_of(p)])
			    : value_text(STR("up"));
			rest /= words_of(p);
		}
		one = most_of_call(config, &call);
		most.dns = one.dns > most.dns ? one.dns : most.dns;
		most.store = one.store > most.store ? one.store : most.store;
		most.each = one.each > most.each ? one.each : most.each;
	}
	return most;
}

static void
add_most(struct buf *b, const struct most *most)
{
	const char *comma = " ";

	if (most->dns > 0)
		buf_printf(b, "%s%u DNS", comma, most->dns);
	comma = most->dns > 0 ? ", " : comma;
	if (most->store > 0)
		buf_printf(b, "%s%u store", comma, most->store);
	comma = most->dns + most->store > 0 ? ", " : comma;
	if (most->each > 0)
		buf_printf(b, "%s%u store a recipient", comma, most->each);
}

/* "Questions at most: `helo.exists`, `helo.is_client` 2 DNS." Empty: its facts ask nothing. */
static void
add_line(struct buf *b, const struct config *config, const struct stage *stage)
{
	struct most last = { 0 };

	for (size_t i = 0; i < stage->n_facts; i++) {
		struct most most = most_of(config, &stage->facts[i]);

		if (most.dns + most.store + most.each == 0)
			continue;
		if (b->n == 0)
			buf_add(b, STR("Questions at most: "));
		else if (memcmp(&last, &most, sizeof(most)) != 0) {
			add_most(b, &last);
			buf_add(b, STR("; "));
		} else
			buf_add(b, STR(", "));
		buf_printf(b, "`%s`", stage->facts[i].name);
		last = most;
	}
	if (b->n > 0) {
		add_most(b, &last);
		buf_add(b, STR("."));
	}
}

/* As it is by default, with a plan and an upstream. */
static void
test_pages_tell_what_facts_can_ask(void **state)
{
	static const char text[] =
	    "hostname \"mx.example.org\"\nlisten proxy 127.0.0.1 port 2525\n"
	    "backend 127.0.0.1 port 10025\n"
	    "plan p { 5 messages per day; for everyone }\nupstream \"up\" { 5 messages per day }\n";
	static char page[65536];
	struct arena *arena = arena_new(1024 * 1024);
	struct config_vocabulary vocabulary = stage_vocabulary(arena);
	struct complaints complaints = { 0 };
	struct config *config;
	char path[] = "/tmp/postern-docs-XXXXXX";
	int fd = mkstemp(path);
	size_t told = 0;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	config = config_load(path, &vocabulary, &complaints);
	unlink(path);
	assert_non_null(config);
	for (size_t i = 0; i < n_stages; i++) {
		struct buf line;

		buf_init(&line, 10000);
		add_line(&line, config, stages[i]);
		if (line.n > 0 && read_page(stages[i]->name, page, sizeof(page))) {
			told++;
			if (!strstr(page, line.p))
				fail_msg(
				    "docs/stages/%s.md does not say: %s", stages[i]->name, line.p);
		}
		buf_free(&line);
	}
	assert_true(told >= 8);
	config_release(&config);
	complaints_free(&complaints);
	arena_free(&arena);
}

/* Between two lines of three backquotes, the first without the name of a language. */
static size_t
check_examples(const char *stage, const char *page)
{
	static const char opening[] = "\n```\n", closing[] = "\n```";
	const char *from, *to;
	size_t n = 0;

	for (from = strstr(page, opening); from; from = strstr(to + strlen(closing), opening)) {
		from += strlen(opening);
		to = strstr(from, closing);
		assert_non_null(to);
		check_example(stage, (struct str){ from, (size_t)(to + 1 - from) });
		n++;
	}
	return n;
}

static void
test_pages_explain_and_their_examples_load(void **state)
{
	static char page[65536];
	size_t pages = 0, examples = 0;

	for (size_t i = 0; i < n_stages; i++) {
		if (!read_page(stages[i]->name, page, sizeof(page)))
			continue;
		check_words(stages[i], page);
		examples += check_examples(stages[i]->name, page);
		pages++;
	}
	assert_true(pages >= 3);
	assert_true(examples >= 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_explain_and_their_examples_load),
		cmocka_unit_test(test_pages_tell_what_facts_can_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
