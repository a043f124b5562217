#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/rules/loader.h"

#define OTHERS "; write other texts as regular expressions, such as /^TLSv1\\.[23]$/"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A folder with a list in it, and the configuration beside it that names the list. */
struct folder {
	char path[64], list[96], config[96];
};

static int
setup(void **state)
{
	struct folder *f = calloc(1, sizeof *f);

	assert_non_null(f);
	snprintf(f->path, sizeof f->path, "/tmp/postern-test-XXXXXX");
	assert_non_null(mkdtemp(f->path));
	snprintf(f->list, sizeof f->list, "%s/a.list", f->path);
	snprintf(f->config, sizeof f->config, "%s/t.conf", f->path);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct folder *f = *state;

	unlink(f->list);
	rmdir(f->path);
	free(f);
	return 0;
}

static void
write_list(const struct folder *f, struct str text)
{
	FILE *file = fopen(f->list, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text.p, 1, text.n, file), text.n);
	assert_int_equal(fclose(file), 0);
}

static void
read_statement(struct loader *l, const struct statement *s)
{
	if (token_is(s->token, "trust")) {
		trust_read(&l->load, s);
	} else {
		assert_true(token_is(s->token, "list"));
		list_read(&l->load, s);
	}
}

static bool
has(const struct list *list, const char *text)
{
	struct value address = { .type = VALUE_IP }, word = value_text(str_of(text));

	return list_has(list, ip_parse(str_of(text), &address.ip) ? &address : &word);
}

static void
test_items(void **state)
{
	static const struct {
		const char *text, *in, *out; /* members, others */
		size_t n;
		const char *said;
	} cases[] = {
		{ "list l { }", "", "a.example 192.0.2.1", 0, "" },
		{ "list l { \"a.example\" }", "a.example x.a.example u@a.example", "example", 1,
		    "" },
		{ "list l { 192.0.2.0/24, 2001:db8::1 }", "192.0.2.255 2001:db8::1",
		    "192.0.3.0 2001:db8::2", 2, "" },
		/* quotes make no difference to addresses */
		{ "list l { \"192.0.2.0/24\" }", "192.0.2.1", "192.0.3.1", 1, "" },
		{ "list l { \"a\", }", "a", "b", 1, "" },
		{ "list l { \"a\"\n\"b\"\n}", "a b", "", 2, "" },
		{ "list l {\n\"a\";\"b\"\n}", "a b", "", 2, "" },
		{ "list l {\n\"a\",\n\n\"b\", \"c\"\n}", "a b c", "", 3, "" },
		/* a mistake leaves out what it is, or the rest of its line */
		{ "list l { \"a b\", \"c\" }", "c", "a", 1,
		    "1:10: an item of a list is 1 to 320 octets without blanks" OTHERS },
		{ "list l { \"\" }", "", "", 0,
		    "1:10: an item of a list is 1 to 320 octets without blanks" OTHERS },
		{ "list l { a.example\n\"b\" }", "b", "a.example", 1,
		    "1:10: an item of a list is a text in quotes, an address, a network, a regular expression or `file`, "
		    "not `a.example`: put it into quotes" },
		{ "list l { \"a\" \"b\" }", "a", "b", 1,
		    "1:14: `,` or the end of the list belongs here, not \"b\"" },
		{ "list l { , \"a\" }", "", "a", 0,
		    "1:10: an item of a list is a text in quotes, an address, a network, a regular expression or `file`, "
		    "not `,`" },
		{ "list l { 192.0.2.1/24 }", "", "192.0.2.1", 0,
		    "1:10: \"192.0.2.1/24\": bits are set beyond the first 24; the network would be "
		    "192.0.2.0/24" },
		{ "list l { \"192.0.2.0/33\" }", "", "192.0.2.1", 0,
		    "1:10: \"192.0.2.0/33\": the number after the slash must be 0 to 32" },
		{ "list l { \"*.a.example\" }", "", "a.example", 0,
		    "1:10: no * is needed: \"example.net\" stands for it and all below, "
		    "\".example.net\" for what is below only" },
		{ "list l { file }", "", "", 0,
		    "1:15: `file` wants the path of a file in quotes, not the end of the line" },
		{ "list l { file a.list }", "", "", 0,
		    "1:15: `file` wants the path of a file in quotes, not `a.list`" },
		{ "list l { file \"/nowhere/a\" , \"b\" }", "b", "", 1,
		    "1:15: cannot read /nowhere/a: No such file or directory" },
		{ "list l { file \"\" }", "", "", 0, "1:15: cannot read /: Is a directory" },
	};
	int failed = 0;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct loader *l = loader_new("/t.conf", cases[i].text);
		struct named_list *list;
		struct str rest, one;
		const char *said;

		read_statement(l, l->first);
		list = list_find(&l->load, STR("l"));
		assert_non_null(list);
		lists_finish(&l->load);
		for (rest = str_of(cases[i].in); str_pop(&rest, ' ', &one) && one.n > 0;)
			assert_true(has(list->list, arena_dup(l->load.arena, one).p));
		for (rest = str_of(cases[i].out); str_pop(&rest, ' ', &one) && one.n > 0;)
			assert_false(has(list->list, arena_dup(l->load.arena, one).p));
		said = loader_said(l);
		if (strcmp(said, cases[i].said) != 0 || list_length(list->list) != cases[i].n) {
			print_error("%s: %zu\n%s\n", cases[i].text, list_length(list->list), said);
			failed++;
		}
		loader_free(&l);
	}
	assert_int_equal(failed, 0);
}

/* What a list's file may look like: comments, blanks, line ends and marks of all editors. */
static void
test_files(void **state)
{
	static const struct {
		struct str text;
		const char *in;
		size_t n;
		const char *said;
	} cases[] = {
		{ STR(""), "", 0, "" },
		{ STR("a.example"), "a.example", 1, "" },
		{ STR("# all\n\n \t\n  a.example \t# one\n192.0.2.0/24#two\n"),
		    "a.example 192.0.2.9", 2, "" },
		{ STR("a.example\r\nb\r\n"), "a.example b", 2, "" },
		{ STR("\xef\xbb\xbf"
		      "a\nb\n"),
		    "a b", 2, "" },
		/* nothing is a word of the language here */
		{ STR("file\n"), "file", 1, "" },
		{ STR("a\nb c\n\n  \"d\n*.e\nf\n"), "a f \"d", 3,
		    "2:1: an item of a list is 1 to 320 octets without blanks" OTHERS "\n"
		    "5:1: no * is needed: \"example.net\" stands for it and all below, "
		    "\".example.net\" for what is below only" },
		{ STR("a\0b\n"), "", 0,
		    "1:1: an item of a list is 1 to 320 octets without blanks" OTHERS },
		{ STR("  192.0.2.0/33\n"), "", 0,
		    "1:3: \"192.0.2.0/33\": the number after the slash must be 0 to 32" },
	};
	const struct folder *f = *state;
	int failed = 0;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct loader *l = loader_new(f->config, "list l { file \"a.list\" }");
		struct named_list *list;
		struct str rest = str_of(cases[i].in), one;
		const char *said;

		write_list(f, cases[i].text);
		read_statement(l, l->first);
		lists_finish(&l->load);
		list = list_find(&l->load, STR("l"));
		while (str_pop(&rest, ' ', &one) && one.n > 0)
			if (!has(list->list, arena_dup(l->load.arena, one).p)) {
				print_error("%zu: %.*s\n", i, STR_ARG(one));
				failed++;
			}
		if (l->complaints.n > 0)
			assert_string_equal(l->complaints.item[0].file, f->list);
		/* what follows is of the configuration again */
		assert_ptr_equal(l->load.source, &l->source);
		said = loader_said(l);
		if (strcmp(said, cases[i].said) != 0 || list_length(list->list) != cases[i].n) {
			print_error("%zu: %zu\n%s\n", i, list_length(list->list), said);
			failed++;
		}
		loader_free(&l);
	}
	assert_int_equal(failed, 0);
}

/* The largest file, and one octet more. */
static void
test_large_file(void **state)
{
	const struct folder *f = *state;
	char *text = malloc(LIST_FILE_MAX + 1);
	char expected[200];

	assert_non_null(text);
	memset(text, '\n', LIST_FILE_MAX + 1);
	memcpy(text + LIST_FILE_MAX - 4, "last", 4);
	for (size_t more = 0; more < 2; more++) {
		struct loader *l = loader_new(f->config, "list l { file \"a.list\" }");

		write_list(f, (struct str){ text, LIST_FILE_MAX + more });
		read_statement(l, l->first);
		lists_finish(&l->load);
		assert_int_equal(has(list_find(&l->load, STR("l"))->list, "last"), more == 0);
		snprintf(expected, sizeof expected,
		    "1:15: cannot read %s: it has more than 16777216 octets", f->list);
		assert_string_equal(loader_said(l), more ? expected : "");
		loader_free(&l);
	}
	free(text);
}

/* A list that is a thousand errors ends its load with fifty. */
static void
test_wrong_file(void **state)
{
	const struct folder *f = *state;
	struct loader *l = loader_new(f->config, "list l { file \"a.list\" }");
	char text[6000];

	for (size_t i = 0; i < sizeof text; i += 3)
		memcpy(text + i, "?.\n", 3);
	write_list(f, (struct str){ text, sizeof text });
	read_statement(l, l->first);
	assert_int_equal(l->complaints.n, COMPLAINTS_MAX + 1);
	assert_int_equal(l->complaints.item[49].line, 50);
	loader_free(&l);
}

static void
test_names(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "list",
		    "1:5: a list is written `list NAME { item, item }`, or `list NAME { file \"PATH\" }`" },
		{ "list { }",
		    "1:6: a list is written `list NAME { item, item }`, or `list NAME { file \"PATH\" }`" },
		{ "list l",
		    "1:6: a list is written `list NAME { item, item }`, or `list NAME { file \"PATH\" }`" },
		{ "list \"l\" { }",
		    "1:6: a list is written `list NAME { item, item }`, or `list NAME { file \"PATH\" }`" },
		{ "list l m { }",
		    "1:8: a list is written `list NAME { item, item }`, or `list NAME { file \"PATH\" }`" },
		{ "list trusted { }", "1:6: the list `trusted` is what `trust` names" },
		{ "list a { }\nlist b { }\nlist a { }",
		    "3:6: the list `a` is there already, on line 1" },
		/* names have case */
		{ "list a { }\nlist A { }", "" },
	};
	int failed = 0;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct loader *l = loader_new("/t.conf", cases[i].text);
		const char *said;

		for (const struct statement *s = l->first; s != NULL; s = s->next)
			read_statement(l, s);
		said = loader_said(l);
		if (strcmp(said, cases[i].said) != 0) {
			print_error("%s\n%s\n", cases[i].text, said);
			failed++;
		}
		loader_free(&l);
	}
	assert_int_equal(failed, 0);
}

/* As a rule names one: by its name, or written in place. */
static void
test_take(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		const char *said;
	} cases[] = {
		{ "partners", true, "" },
		{ "{ \"a\", 192.0.2.1 }", true, "" },
		{ "{ }", true, "" },
		{ "partner", false, "1:8: there is no list `partner`; did you mean `partners`?" },
		{ "Partners", false, "1:8: there is no list `Partners`; did you mean `partners`?" },
		{ "xyz", false, "1:8: there is no list `xyz`" },
		{ "\"partners\"", false, "1:8: the name of a list belongs here, not \"partners\"" },
		{ "{ a }", false,
		    "1:10: an item of a list is a text in quotes, an address, a network, a regular expression or `file`, "
		    "not `a`: put it into quotes" },
		{ "{ \"a\" \"b\" }", false,
		    "1:14: `,` or the end of the list belongs here, not \"b\"" },
		{ "", false, "1:8: the name of a list belongs here, not the end of the line" },
	};
	int failed = 0;

	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[200];
		struct loader *l;
		struct list *list;
		const char *said;
		struct cursor c;

		snprintf(text, sizeof text, "x { in %s\n}\nlist partners { }", cases[i].text);
		l = loader_new("/t.conf", text);
		list_read(&l->load, l->first->next);
		c = (struct cursor){ &l->load, l->first->body->token + 1 };
		list = list_take(&c);
		if (list != NULL)
			assert_int_equal(c.t->kind, TOKEN_END);
		said = loader_said(l);
		if ((list != NULL) != cases[i].ok || strcmp(said, cases[i].said) != 0) {
			print_error("%s\n%s\n", cases[i].text, said);
			failed++;
		}
		loader_free(&l);
	}
	assert_int_equal(failed, 0);
}

static void
test_trust(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "trust 10.0.0.0/8", "" },
		{ "trust 10.0.0.0/8, ::1,\n 192.0.2.1", "" },
		{ "trust", "1:6: `trust` wants addresses or networks, not the end of the line" },
		{ "trust \"10.0.0.0/8\"",
		    "1:7: `trust` wants addresses or networks, not \"10.0.0.0/8\"" },
		{ "trust 10.0.0.0/8,",
		    "1:18: `trust` wants addresses or networks, not the end of "
		    "the line" },
		{ "trust 10.0.0.0/8 ::1",
		    "1:18: `,` or the end of the line belongs here, not `::1`" },
		{ "trust 10.1.0.0/8",
		    "1:7: \"10.1.0.0/8\": bits are set beyond the first 8; the "
		    "network would be 10.0.0.0/8" },
		{ "trust localhost", "1:7: \"localhost\" is not an IP address or network" },
	};
	int failed = 0;

	for (size_t i = 0; i < COUNT(cases); i++) {
		const char *said = said_of(cases[i].text);

		if (strcmp(said, cases[i].said) != 0) {
			print_error("%s\n%s\n", cases[i].text, said);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_items),
		cmocka_unit_test_setup_teardown(test_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_file, setup, teardown),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_trust),
	};

	return cmocka_run_group_tests_name("lists", tests, NULL, NULL);
}
