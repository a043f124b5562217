/* Files in the place of `include`: their order, their lines, their part in the revision. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "rules/load.h"
#include "rules/rule.h"
#include "tests/rules/fake.h"

#define FOLDER_MAX 64

/* A folder with the files of a configuration; removed at the end. */
struct folder {
	char path[FOLDER_MAX];
	const char *file[16];
	size_t n;
};

static void
in_folder(const struct folder *f, const char *name, char out[200])
{
	snprintf(out, 200, "%s/%s", f->path, name);
}

static void
write_file(struct folder *f, const char *name, const char *text)
{
	char path[200];
	FILE *file;

	in_folder(f, name, path);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->file[i], name) == 0)
			return;
	f->file[f->n++] = name;
}

static struct folder
folder_new(void)
{
	struct folder f = { "/tmp/postern-include-XXXXXX", { NULL }, 0 };
	char path[200];

	assert_non_null(mkdtemp(f.path));
	in_folder(&f, "conf.d", path);
	assert_int_equal(mkdir(path, 0700), 0);
	return f;
}

static void
folder_free(struct folder *f)
{
	char path[200];

	for (size_t i = 0; i < f->n; i++) {
		in_folder(f, f->file[i], path);
		unlink(path);
	}
	in_folder(f, "conf.d", path);
	rmdir(path);
	rmdir(f->path);
}

static struct config *
load(const struct folder *f, struct complaints *c)
{
	char path[200];

	in_folder(f, "t.conf", path);
	return config_load(path, &fake_vocabulary, c);
}

/* The rules of mail as "file:line file:line". */
static void
check_rules(const struct folder *f, const char *expected)
{
	struct complaints c = { 0 };
	struct config *config = load(f, &c);
	struct buf found;

	if (config == NULL)
		fail_msg("%s", complaint_print(&c.item[0]));
	buf_init(&found, 10000);
	for (size_t i = 0; i < config->ruleset->n[STEP_MAIL]; i++)
		buf_printf(&found, "%s%.*s", i ? " " : "",
		    STR_ARG(config->ruleset->rule[STEP_MAIL][i]->shown.id));
	assert_string_equal(found.p, expected);
	buf_free(&found);
	complaints_free(&c);
	config_release(&config);
}

/* "name:line:column: text", one a line; what is below the folder only. */
static void
check_said(const struct folder *f, const char *expected)
{
	struct complaints c = { 0 };
	struct config *config = load(f, &c);
	struct str folder = str_of(f->path), rest;
	struct buf found;
	size_t at;

	assert_null(config);
	buf_init(&found, 100000);
	for (size_t i = 0; i < c.n; i++) {
		buf_printf(&found, "%s%s:%u:%u: ", i ? "\n" : "", c.item[i].file + folder.n + 1,
		    c.item[i].line, c.item[i].column);
		rest = str_of(c.item[i].text);
		while ((at = str_find(rest, '/')) != STR_NPOS &&
		    !str_starts(str_sub(rest, at, rest.n), folder)) {
			buf_add(&found, str_sub(rest, 0, at + 1));
			rest = str_sub(rest, at + 1, rest.n);
		}
		buf_add(&found, str_sub(rest, 0, at == STR_NPOS ? rest.n : at));
		if (at != STR_NPOS)
			buf_add(&found, str_sub(rest, at + folder.n, rest.n));
	}
	assert_string_equal(found.p, expected);
	buf_free(&found);
	complaints_free(&c);
}

static void
test_order(void **state)
{
	struct folder f = folder_new();

	write_file(&f, "t.conf",
	    "at mail { score 1 }\ninclude \"a.conf\"\nat mail { score 2 }\n"
	    "include \"conf.d/*.conf\"\nat mail { score 3 if p }\n");
	write_file(&f, "a.conf", "# a\nlist l { \"x\" }\nat mail { score 4 if helo in l }\n");
	write_file(&f, "conf.d/20.conf", "at mail {\n score 5 if p }\n");
	write_file(&f, "conf.d/3.conf", "at mail { score 6 }\n");
	write_file(&f, "conf.d/B.conf", "include \"conf.d/deep\"\nat mail { score 7 }\n");
	write_file(&f, "conf.d/a.conf~", "this is none");
	write_file(&f, "conf.d/.a.conf", "this is none");
	write_file(&f, "conf.d/deep", "\n\ndefine p = helo in l\nat mail { score 8 }");
	check_rules(&f,
	    "t.conf:1 a.conf:3 t.conf:3 conf.d/20.conf:2 conf.d/3.conf:1 conf.d/deep:4 "
	    "conf.d/B.conf:2 t.conf:5");
	/* no file, if it is a pattern */
	write_file(&f, "t.conf", "include \"nothing/*.conf\"\nat mail { score 1 }\n");
	check_rules(&f, "t.conf:2");
	folder_free(&f);
}

static void
test_mistakes(void **state)
{
	struct folder f = folder_new();

	write_file(&f, "t.conf",
	    "include \"a.conf\"\ninclude \"conf.d/../a.conf\"\ninclude \"gone\"\ninclude a.conf\n"
	    "mode observe\ninclude \"t.conf\"\nlist l { \"y\" }\nat mail { include \"a.conf\" }\n");
	write_file(&f, "a.conf",
	    "list l { \"x\" }\nmode off\nat mail {\n score 1 if hello is \"x\"\n"
	    " reject 550 5.7.1 \"${sfp}\" }\nmode observe\ninclude \"conf.d/b\"\n");
	write_file(&f, "conf.d/b", "include \"a.conf\"\nat mail {\n");
	check_said(&f,
	    "conf.d/b:1:9: /a.conf is included already, on line 1 of t.conf\n"
	    "conf.d/b:2:9: this block is never closed: its `}` is missing\n"
	    "t.conf:2:9: /conf.d/../a.conf is included already, on line 1\n"
	    "t.conf:3:9: cannot read /gone: No such file or directory\n"
	    "t.conf:4:9: `include` wants the path of a file in quotes, or of several as "
	    "\"conf.d/*.conf\", not `a.conf`\n"
	    "t.conf:5:1: `mode` was given already, on line 2 of a.conf\n"
	    "t.conf:6:9: /t.conf is the configuration itself\n"
	    "t.conf:7:6: the list `l` is there already, on line 1 of a.conf\n"
	    "t.conf:8:11: a rule begins with accept, tempfail, reject, score, mark, delay or add "
	    "header, not `include`\n"
	    "a.conf:2:6: `mode` wants enforce or observe, not `off`\n"
	    "a.conf:4:13: unknown fact `hello`; did you mean `helo`?\n"
	    "a.conf:5:22: unknown fact `sfp`; did you mean `spf`?\n"
	    "a.conf:6:1: `mode` was given already, on line 2");
	write_file(&f, "t.conf", "include \"a.conf\"\nat mail { score 1 if spf is fail }\n");
	write_file(&f, "a.conf", "at mail { accept if spf is fail }\n");
	check_said(&f,
	    "t.conf:2:11: this rule can never be reached: the one of line 1 of a.conf speaks first");
	folder_free(&f);
}

static void
test_depth(void **state)
{
	static const char *const names[] = { "1", "2", "3", "4", "5", "6", "7", "8", "9" };
	struct folder f = folder_new();
	char text[100];

	write_file(&f, "t.conf", "include \"1\"\n");
	for (size_t i = 0; i < 9; i++) {
		snprintf(text, sizeof text, i < 8 ? "include \"%zu\"\n" : "# %zu\n", i + 2);
		write_file(&f, names[i], text);
	}
	check_said(&f, "8:1:9: files include files 8 levels deep at most");
	folder_free(&f);
}

static void
take_revision(const struct folder *f, char out[16])
{
	struct complaints c = { 0 };
	struct config *config = load(f, &c);

	assert_non_null(config);
	memcpy(out, config->revision, 16);
	config_release(&config);
	complaints_free(&c);
}

/* Whatever is read changes it, and the processes are told what they have to be able to read. */
static void
test_revision(void **state)
{
	struct folder f = folder_new();
	char first[16], second[16], third[16];
	struct complaints c = { 0 };
	struct config *config;
	size_t n = 0;

	write_file(&f, "t.conf", "include \"conf.d/*\"\nat mail { score 1 }\n");
	write_file(&f, "conf.d/a", "# one\n");
	take_revision(&f, first);
	write_file(&f, "conf.d/a", "# two\n");
	take_revision(&f, second);
	assert_string_not_equal(first, second);
	write_file(&f, "conf.d/b", "");
	take_revision(&f, third);
	assert_string_not_equal(second, third);
	config = load(&f, &c);
	assert_non_null(config);
	for (const struct config_file *file = config->files; file != NULL; file = file->next)
		n++;
	assert_int_equal(n, 3); /* the pattern among them: its folder may get another one */
	config_release(&config);
	complaints_free(&c);
	folder_free(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_revision),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
