/*
 * A collection of crafted messages beside the sources: ../shared/dkim with keys.txt (the DNS) and
 * list.txt (another verifier's verdicts). Each is one case, sent in every way a message can come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dirent.h>

#include "base/die.h"
#include "tests/filters/dkim_post.h"
#include "tests/filters/dkim_suite.h"

/* The moment at which the messages were made; some of them speak of it. */
#define MADE 1795437909
#define CASES_MAX 500

struct suite {
	char folder[512];
	struct arena *arena;
	struct str keys, list; /* the files */
	struct CMUnitTest test[CASES_MAX];
	size_t n;
};

struct suite_case {
	const struct suite *suite;
	const char *name;
};

static struct str
read_file(struct arena *arena, const char *path)
{
	FILE *f = fopen(path, "rb");
	struct str out = { NULL, 0 };
	char *p;
	long size;

	if (!f)
		return out;
	if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0) {
		p = arena_alloc(arena, (size_t)size);
		out = (struct str){ p, fread(p, 1, (size_t)size, f) };
	}
	fclose(f);
	return out;
}

/* Keys whose text is TRYAGAIN cannot be had. */
static void
load_keys(struct post *post, struct str rest)
{
	struct str line, name;

	while (str_pop(&rest, '\n', &line)) {
		if (!str_pop(&line, '\t', &name) || !line.p)
			continue;
		name = arena_dup(post->arena, name);
		if (str_eq(line, STR("TRYAGAIN")))
			post_key_fails(post, name.p);
		else
			post_key(post, name.p, arena_dup(post->arena, line).p);
	}
}

/* Did the other verifier pass it? False also when it was not asked: those are not to pass. */
static bool
other_passed(struct str rest, const char *message)
{
	struct str line, name;

	while (str_pop(&rest, '\n', &line))
		if (str_pop(&line, '\t', &name) && str_eq(name, str_of(message)))
			return str_eq(line, STR("True"));
	return false;
}

static const struct dkim_difference *
difference(const char *message)
{
	for (size_t i = 0; i < sizeof(dkim_differences) / sizeof(dkim_differences[0]); i++)
		if (strcmp(dkim_differences[i].message, message) == 0)
			return &dkim_differences[i];
	return NULL;
}

static void
judge(const struct suite_case *c, struct post *post, const char *ours)
{
	const struct dkim_difference *listed = difference(c->name);
	bool passed = other_passed(c->suite->list, c->name), pass = strcmp(ours, "pass") == 0;

	if (listed && strcmp(listed->ours, ours) != 0)
		fail_msg(
		    "%s: %s, listed as %s", c->name, post_fact(post, "dkim.results"), listed->ours);
	if (!listed && pass != passed)
		fail_msg("%s: %s, but the other says %s", c->name, post_fact(post, "dkim.results"),
		    passed ? "pass" : "otherwise");
	if (listed && pass == passed)
		fail_msg("%s is listed, but there is no difference", c->name);
}

static void
one_message(void **state)
{
	const struct suite_case *c = *state;
	struct post *post = post_new();
	char path[1024];
	const char *first = NULL;
	struct str octets;

	snprintf(path, sizeof(path), "%s/%s.msg", c->suite->folder, c->name);
	octets = read_file(post->arena, path);
	assert_non_null(octets.p);
	load_keys(post, c->suite->keys);
	post->now = MADE;
	for (int way = 0; way < POST_WAYS; way++) {
		const char *dkim = post_send(post, octets, (enum post_way)way);
		const char *all = post_fact(post, "dkim.results");

		if (!first) {
			judge(c, post, dkim);
			first = all;
		}
		assert_string_equal(all, first);
	}
	post_free(&post);
}

static int
add_case(struct suite *suite, const char *file)
{
	struct str name = str_of(file);
	struct suite_case *c;

	if (!str_ends(name, STR(".msg")) || suite->n == CASES_MAX)
		return 0;
	c = ARENA_NEW(suite->arena, struct suite_case);
	c->suite = suite;
	c->name = arena_dup(suite->arena, str_sub(name, 0, name.n - 4)).p;
	suite->test[suite->n++] =
	    (struct CMUnitTest){ .name = c->name, .test_func = one_message, .initial_state = c };
	return 0;
}

static struct str
file_of(struct suite *suite, const char *name)
{
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", suite->folder, name);
	return read_file(suite->arena, path);
}

int
main(void)
{
	static struct suite suite;
	const char *srcdir = getenv("srcdir");
	struct dirent **entries;
	int n, failed;

	suite.arena = arena_new(16 * 1024 * 1024);
	snprintf(suite.folder, sizeof(suite.folder), "%s/../shared/dkim", srcdir ? srcdir : ".");
	n = scandir(suite.folder, &entries, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		add_case(&suite, entries[i]->d_name);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	suite.keys = file_of(&suite, "keys.txt");
	suite.list = file_of(&suite, "list.txt");
	if (suite.n == 0 || !suite.keys.p || !suite.list.p) {
		printf("1..0 # SKIP no messages in %s\n", suite.folder);
		arena_free(&suite.arena);
		return 0;
	}
	failed = _cmocka_run_group_tests("dkim_suite", suite.test, suite.n, NULL, NULL);
	arena_free(&suite.arena);
	return failed;
}
