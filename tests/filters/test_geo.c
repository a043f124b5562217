#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/filters/mmdb.h"
#include "tests/filters/world.h"

extern const struct stage geo_stage;
static const struct stage *const list[] = { &geo_stage };

static const struct mmdb_entry entries[] = {
	{ "192.0.2.0/24", "DE", 64500, "Example Networks" },
	{ "198.51.100.0/25", "FR", 4200000000, NULL },
	{ "203.0.113.7/32", NULL, 0, "No number" },
};

static char path[64];

static int
setup(void **state)
{
	int fd;

	snprintf(path, sizeof(path), "/tmp/postern-geo-XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return 1;
	close(fd);
	*state = world_new(list, 1);
	return 0;
}

static int
teardown(void **state)
{
	world_free((struct world **)state);
	unlink(path);
	return 0;
}

static void
test_facts(void **state)
{
	static const struct {
		const char *ip, *country, *asn, *name;
	} cases[] = {
		{ "192.0.2.1", "DE", "AS64500", "Example Networks" },
		{ "192.0.2.255", "DE", "AS64500", "Example Networks" },
		{ "192.0.3.0", "(none)", "(none)", "(none)" },
		{ "198.51.100.127", "FR", "AS4200000000", "(none)" },
		{ "198.51.100.128", "(none)", "(none)", "(none)" },
		{ "203.0.113.7", "(none)", "(none)", "No number" },
		{ "2001:db8::1", "(none)", "(none)", "(none)" },
		{ "::ffff:192.0.2.1", "DE", "AS64500", "Example Networks" },
		{ "", "(none)", "(none)", "(none)" },
	};
	struct world *w = *state;
	struct err e = { 0 };

	mmdb_write(path, entries, sizeof(entries) / sizeof(entries[0]));
	world_set(w, "geo", "country", path);
	world_set(w, "geo", "network", path);
	assert_true(world_configure(w, "geo", &e));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		world_connect(w, cases[i].ip, "");
		assert_fact(w, STEP_CONNECT, "client.country", cases[i].country);
		assert_fact(w, STEP_CONNECT, "client.asn", cases[i].asn);
		assert_fact(w, STEP_CONNECT, "client.asn.name", cases[i].name);
	}
	assert_int_equal(w->dns_asked + w->store_asked, 0);
}

static void
test_a_rule_needs_its_file(void **state)
{
	struct world *w = *state;

	assert_string_equal(world_check(w, "client.country"),
	    "`client.country` needs a file: geo { country "
	    "\"/var/lib/GeoIP/GeoLite2-Country.mmdb\" }");
	assert_string_equal(world_check(w, "client.asn.name"),
	    "`client.asn.name` needs a file: geo { network \"/var/lib/GeoIP/GeoLite2-ASN.mmdb\" }");
	world_set(w, "geo", "country", path);
	assert_string_equal(world_check(w, "client.country"), "");
	assert_string_not_equal(world_check(w, "client.asn"), "");
}

static void
test_files_that_are_none(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	char expected[256];
	FILE *f;

	world_set(w, "geo", "country", "/nowhere/at all.mmdb");
	assert_false(world_configure(w, "geo", &e));
	assert_string_equal(e.text,
	    "cannot read \"/nowhere/at all.mmdb\" as a MaxMind file: No such file or directory");
	f = fopen(path, "w");
	assert_non_null(f);
	fputs("no such file", f);
	fclose(f);
	world_set(w, "geo", "country", path);
	assert_false(world_configure(w, "geo", &e));
	snprintf(expected, sizeof(expected),
	    "cannot read \"%s\" as a MaxMind file: The MaxMind DB file contains invalid metadata",
	    path);
	assert_string_equal(e.text, expected);
}

/* Cut off anywhere, a file is refused or gives less; it never hurts. */
static void
test_torn_files(void **state)
{
	struct world *w = *state;
	struct err e = { 0 };
	char whole[16 * 1024];
	size_t n;
	FILE *f;

	mmdb_write(path, entries, sizeof(entries) / sizeof(entries[0]));
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(whole, 1, sizeof(whole), f);
	fclose(f);
	for (size_t cut = 0; cut < n; cut += 37) {
		world_free(&w);
		w = world_new(list, 1);
		*state = w;
		f = fopen(path, "wb");
		assert_non_null(f);
		/* without its middle, so that the end with the metadata stays */
		fwrite(whole, 1, cut, f);
		fwrite(whole + n - 200, 1, 200, f);
		fclose(f);
		world_set(w, "geo", "country", path);
		if (!world_configure(w, "geo", &e))
			continue;
		world_connect(w, "192.0.2.1", "");
		world_print(w, STEP_CONNECT, "client.country");
	}
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(test_facts),
		CASE(test_a_rule_needs_its_file),
		CASE(test_files_that_are_none),
		CASE(test_torn_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
