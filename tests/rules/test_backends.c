/* What a line `backend` says beyond where it is, and who takes mail for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "rules/load.h"
#include "tests/rules/loader.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
test_lines(void **state)
{
	static const struct {
		const char *text, *said;
	} rows[] = {
		{ "backend mx port 25 connections 20", "" },
		{ "backend mx port 25 xclient connections 20 weight 2 reuse 5s standby", "" },
		{ "backend mx port 25 connections 0",
		    "1:32: `connections` wants a number from 1 to 100000, not `0`" },
		{ "backend mx port 25 connections",
		    "1:31: `connections` wants a number from 1 to 100000, not the end of the line" },
		{ "backend mx port 25 connections 2 connections 2",
		    "1:34: `connections` is too much here: the statement is complete before it" },
		{ "backend mx port 25 weight 2 weight 2",
		    "1:29: `weight` is too much here: the statement is complete before it" },
		{ "backend mx port 25 reuse 5s",
		    "1:20: `reuse` needs `xclient`: nothing else tells of another client on the same "
		    "connection" },
		{ "backend mx port 25 xclient reuse 6m",
		    "1:34: `reuse` wants a duration from 100ms to 5m, not `6m`" },
		{ "backend mx port 25 xclient reuse on",
		    "1:34: `reuse` wants a duration from 100ms to 5m, not `on`" },
		{ "list l { \"example.com\" }\nbackend a port 25\n"
		  "backend b port 25 for \"example.org\", l,\n\"example.net\"",
		    "" },
		{ "backend a port 25\nbackend b port 25 weight 2 for",
		    "2:31: a domain in quotes or the name of a list belongs here, not the end of the "
		    "line" },
		{ "backend a port 25\nbackend b port 25 for example.org",
		    "2:23: there is no list `example.org`" },
		{ "backend a port 25\nbackend b port 25 for \"*.example.org\"",
		    "2:23: no * is needed: \"example.net\" stands for it and all below, "
		    "\".example.net\" for what is below only" },
		{ "backend a port 25\nbackend b port 25 for \"example.org\" weight 2",
		    "2:37: `weight` is too much here: the statement is complete before it" },
		{ "backend a port 25 for \"example.org\"\nbackend b port 25 for \"example.net\"",
		    "2:9: every backend has `for`: one without it has to take the mail for all other "
		    "domains" },
		{ "backend timeout wait 0", "" },
		{ "backend timeout wait 5m",
		    "1:22: `backend timeout wait` wants a duration from 0 to 4m, not `5m`" },
	};

	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(said_of(rows[i].text), rows[i].said) != 0)
			fail_msg("%s\n%s", rows[i].text, said_of(rows[i].text));
}

#define ROUTES \
	"list ours { \"example.com\"; \"vip@example.org\" }\n" \
	"backend a port 25\n" \
	"backend b port 25\n" \
	"backend c port 25 for \"Example.ORG\", ours\n" \
	"backend d port 25 for \"example.org\", \"b\xc3\xbc" \
	"cher.example\"\n" \
	"backend e port 25 for \"lists.example.org\", \"intern\"\n" \
	"backend f port 25 for \".example.net\"\n" \
	"at connect { }\n"

enum { A = 1, B = 2, C = 4, D = 8, E = 16, F = 32 };

static void
test_routes(void **state)
{
	static const struct {
		const char *to;
		uint32_t set;
	} rows[] = {
		{ "x@example.edu", A | B },
		{ "x@example.org", C | D },
		{ "x@EXAMPLE.org", C | D },
		{ "x@a.example.org", C | D },
		{ "vip@example.org", C },
		{ "x@example.com", C },
		{ "x@lists.example.org", E },
		{ "x@a.lists.example.org", E },
		{ "x@badexample.org", A | B },
		{ "x@b\xc3\xbc"
		  "cher.example",
		    D },
		{ "x@xn--bcher-kva.example", D },
		{ "x@XN--BCHER-KVA.example", D },
		{ "x@intern", E },
		{ "x@example.net", A | B },
		{ "x@a.example.net", F },
		{ "x@[192.0.2.1]", A | B },
		{ "postmaster", A | B },
	};
	struct complaints complaints = { 0 };
	struct config_vocabulary vocabulary = { 0 };
	struct config *config =
	    config_load_text("postern.conf", STR(ROUTES), &vocabulary, &complaints);

	assert_non_null(config);
	assert_int_equal(config_route(config, NULL), A | B);
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct str path, rest;
		struct mailbox to;
		char text[80];
		struct err e;

		snprintf(text, sizeof text, "<%s>", rows[i].to);
		path = rest = str_of(text);
		if (!mailbox_take(&rest, false, true, &to, &e))
			fail_msg("%.*s: %s", STR_ARG(path), e.text);
		if (config_route(config, &to) != rows[i].set)
			fail_msg("%s: %x", rows[i].to, config_route(config, &to));
	}
	config_release(&config);
	complaints_free(&complaints);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_routes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
