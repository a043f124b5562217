/* The block `notify` beyond its complaints, its files, and who is reached where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "rules/load.h"
#include "tests/rules/loader.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char folder[] = "/tmp/postern-notices-XXXXXX";

static void
write_file(const char *name, const char *text)
{
	char path[100];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* What is said of it; the configuration, unless there was an error. */
static const char *
load_in_folder(const char *text, bool secrets, struct config **out)
{
	struct config_vocabulary vocabulary = { .certificates = secrets };
	static char said[2000];
	struct complaints c = { 0 };
	char path[100], whole[2000];

	snprintf(path, sizeof path, "%s/t.conf", folder);
	snprintf(whole, sizeof whole, "%s\nat connect { }\n", text);
	*out = config_load_text(path, str_of(whole), &vocabulary, &c);
	said[0] = '\0';
	for (size_t i = 0; i < c.n; i++)
		snprintf(said + strlen(said), sizeof said - strlen(said), "%u:%u: %s\n",
		    c.item[i].line, c.item[i].column, c.item[i].text);
	complaints_free(&c);
	return said;
}

static void
test_defaults(void **state)
{
	struct config *config;

	assert_string_equal(
	    load_in_folder(
		"hostname \"mx.example.org\"\nnotify { mail via mta port 587 }\n", true, &config),
	    "");
	assert_string_equal(config->notify.server.host, "mta");
	assert_int_equal(config->notify.server.port, 587);
	assert_string_equal(config->notify.owner_domain, "example.org");
	assert_string_equal(config->notify.postmaster, "postmaster@example.org");
	assert_string_equal(config->notify.from, "postmaster@example.org");
	assert_true(config->notify.to_owner && config->notify.to_postmaster);
	assert_int_equal(config->notify.n_to, 0);
	assert_int_equal(config->notify.again, 86400000);
	assert_non_null(config->notify.letter.text);
	assert_null(config->tls_client);
	config_release(&config);
	/* no block, nothing is told */
	assert_string_equal(load_in_folder("hostname \"mx.example.org\"", true, &config), "");
	assert_false(config->notify.given);
	config_release(&config);
	/* a domain with no dot behind its first label is taken whole */
	assert_string_equal(load_in_folder("hostname \"example.org\"\n"
					   "notify { command \"/bin/true\" }",
				true, &config),
	    "");
	assert_string_equal(config->notify.owner_domain, "example.org");
	config_release(&config);
}

static void
test_whole(void **state)
{
	struct config *config;

	write_file("secret", "pass word\nsecond line\n");
	assert_string_equal(
	    load_in_folder(
		"hostname \"mx.example.org\"\nnotify {\n"
		"mail via mta.example.net port 587 starttls verify login \"bob\" password "
		"file \"secret\" from \"n@example.org\" to \"x@example.net\", owner\n"
		"command \"/usr/local/bin/told\"\n"
		"webhook \"https://hooks.example.net:444/a\"\n"
		"postmaster \"pm@example.net\"\n"
		"again after 2d; timeout 5s; attempts 3; retry after 1s\n}\n",
		true, &config),
	    "");
	assert_string_equal(config->notify.server.user, "bob");
	assert_true(str_eq(config->notify.server.password, STR("pass word")));
	assert_int_equal(config->notify.server.tls, SUBMISSION_VERIFY);
	assert_string_equal(config->notify.server.name, "mta.example.net");
	assert_string_equal(config->notify.from, "n@example.org");
	assert_string_equal(config->notify.to[0], "x@example.net");
	assert_int_equal(config->notify.n_to, 1);
	assert_true(config->notify.to_owner && !config->notify.to_postmaster);
	assert_true(config->notify.webhook.secure);
	assert_int_equal(config->notify.webhook.port, 444);
	assert_int_equal(config->notify.attempts, 3);
	assert_non_null(config->tls_client);
	config_release(&config);
	/* who need not, does not read the secret */
	assert_string_equal(
	    load_in_folder("notify {\nmail via mta port 587 login \"bob\" password file \"none\"\n"
			   "owner domain \"example.org\" }\n",
		false, &config),
	    "");
	config_release(&config);
	write_file("secret", "\n");
	load_in_folder("notify {\nmail via mta port 587 login \"bob\" password file \"secret\"\n"
		       "owner domain \"example.org\" }\n",
	    true, &config);
	assert_null(config);
}

static void
test_templates(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{ "Subject: ${who}\n\n${used} $$5\n", "" },
		{ "Subject: ${who}\n\nx\n ${limmit}\n",
		    "3:1: `template`: line 4, column 2: unknown name `limmit`; did you mean "
		    "`limit`?\n" },
		{ "Subject: ${zzzzzzzz}\n\nx\n",
		    "3:1: `template`: line 1, column 10: unknown name `zzzzzzzz`\n" },
		{ "Subject: x\n\n${who\n",
		    "3:1: `template`: line 3, column 1: the `}` of this `${` is missing\n" },
		{ "Dear ${who},\n",
		    "3:1: `template`: it begins with a line `Subject: ...` and an empty line\n" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct config *config;

		write_file("letter.txt", cases[i].text);
		assert_string_equal(load_in_folder("hostname \"mx.example.org\"\nnotify {\n"
						   "template \"letter.txt\"\n"
						   "command \"/bin/true\"\n}",
					true, &config),
		    cases[i].said);
		config_release(&config);
	}
}

static void
test_owners(void **state)
{
	static const struct {
		const char *account, *address;
	} rows[] = {
		{ "alice", "alice@mail.example" },
		{ "Alice@Example.NET", "Alice@Example.NET" },
		{ "fax machine", "office@example.com" },
		{ "BOB", "robert@example.com" },
		{ "192.0.2.1", "noc@example.com" },
		{ "x\r\nBcc: all@example.net", NULL },
		{ "DOMAIN\\carol", NULL },
		{ "a@b@c", NULL },
		{ "", NULL },
	};
	static const struct {
		const char *text, *said;
	} bad[] = {
		{ "bob\n", "2:1: `owners`: line 1: a name and an address stand on a line\n" },
		{ "# x\n\nbob  robert\n",
		    "2:1: `owners`: line 3: an address is written name@example.org\n" },
	};
	struct arena *arena = arena_new(SIZE_MAX);
	struct config *config;

	write_file("owners",
	    "# who is where\n\nfax machine\toffice@example.com\r\nbob robert@example.com\n"
	    "192.0.2.1   noc@example.com");
	assert_string_equal(
	    load_in_folder("notify {\nowners \"owners\"; owner domain \"mail.example\"\n"
			   "command \"/bin/true\"\n}",
		true, &config),
	    "");
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str address = notify_owner(&config->notify, str_of(rows[i].account), arena);

		if (!str_eq(address, str_of(rows[i].address)))
			fail_msg("%s: %.*s", rows[i].account, STR_ARG(address));
	}
	config_release(&config);
	for (size_t i = 0; i < COUNT(bad); i++) {
		write_file("owners", bad[i].text);
		assert_string_equal(load_in_folder("hostname \"mx.example.org\"; notify {\n"
						   "owners \"owners\"\ncommand \"/bin/true\"\n}",
					true, &config),
		    bad[i].said);
	}
	arena_free(&arena);
}

static int
make_folder(void **state)
{
	return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
	static const char *const names[] = { "secret", "letter.txt", "owners" };
	char path[100];

	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_owners),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
