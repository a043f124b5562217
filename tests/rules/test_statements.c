/* listen, backend, resolver, store; and plans, whose grammar is of the same kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/rules/loader.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct row {
	const char *text, *said;
};

static void
check(const struct row *row, size_t n)
{
	int failed = 0;

	for (size_t i = 0; i < n; i++) {
		const char *said = said_of(row[i].text);

		if (strcmp(said, row[i].said) != 0) {
			print_error("%s\n%s\n", row[i].text, said);
			failed++;
		}
	}
	assert_int_equal(failed, 0);
}

static void
test_statements(void **state)
{
	static const struct row rows[] = {
		{ "listen milter \"inet:8891@127.0.0.1\"", "" },
		{ "listen proxy * port 25\nlisten proxy :: port 65535\nbackend mx port 1", "" },
		{ "listen proxy 192.0.2.1 port 25\nlisten proxy 192.0.2.1 port 26\n"
		  "listen proxy 192.0.2.2 port 25\nbackend mx port 1",
		    "" },
		{ "listen", "1:7: `proxy` or `milter` belongs here, not the end of the line" },
		{ "listen smtp", "1:8: `proxy` or `milter` belongs here, not `smtp`" },
		{ "listen milter inet:8891",
		    "1:15: a socket in quotes, such as "
		    "\"inet:8891@127.0.0.1\", belongs here, not "
		    "`inet:8891`" },
		{ "listen milter \"\"",
		    "1:15: a socket in quotes, such as \"inet:8891@127.0.0.1\", "
		    "belongs here, not \"\"" },
		{ "listen milter \"a\" \"b\"",
		    "1:19: \"b\" is too much here: the statement is complete before it" },
		{ "listen milter \"a\"\nlisten milter \"a\"", "2:8: it listens there already" },
		{ "listen proxy mx port 25",
		    "1:14: an address such as 192.0.2.1 belongs here, not `mx`" },
		{ "listen proxy 192.0.2.1", "1:23: `port` belongs here, not the end of the line" },
		{ "listen proxy 192.0.2.1:25 port 25",
		    "1:14: an address such as 192.0.2.1 belongs here, not `192.0.2.1:25`" },
		{ "listen proxy * port 0", "1:21: a port is a number from 1 to 65535, not `0`" },
		{ "listen proxy * port 65536",
		    "1:21: a port is a number from 1 to 65535, not `65536`" },
		{ "listen proxy * port -1", "1:21: a port is a number from 1 to 65535, not `-1`" },
		{ "listen proxy * port \"25\"",
		    "1:21: a port is a number from 1 to 65535, not \"25\"" },
		{ "listen proxy ::ffff:192.0.2.1 port 25\nlisten proxy 192.0.2.1 port 25\n"
		  "backend mx port 1",
		    "2:8: it listens there already" },
		{ "listen proxy * port 25",
		    "1:8: `listen proxy` needs a mail server behind it: `backend HOST port NUMBER`" },
		{ "backend mx port 25", "" },
		{ "backend \"mx.example.org\" port 25 xclient", "" },
		{ "backend 2001:db8::1 port 25 proxy-protocol", "" },
		{ "backend 2001:db8::1 port 25 proxy-protocol v2", "" },
		{ "backend 2001:db8::1 port 25 tproxy", "" },
		{ "backend 2001:db8::1 port 25 xclient v2",
		    "1:37: `v2` is too much here: the statement is complete before it" },
		{ "backend",
		    "1:8: a host name or an address belongs here, not the end of the line" },
		{ "backend \"a b\" port 25",
		    "1:9: a host name or an address belongs here, not \"a b\"" },
		{ "backend \"\" port 25", "1:9: a host name or an address belongs here, not \"\"" },
		{ "backend mx/a port 25",
		    "1:9: a host name or an address belongs here, not `mx/a`" },
		{ "backend mx", "1:11: `port` belongs here, not the end of the line" },
		{ "backend mx port 25 tls",
		    "1:20: `lmtp`, `xclient`, `proxy-protocol`, `tproxy`, `starttls` or the end of the "
		    "line belongs here, not `tls`" },
		{ "backend mx port 25 xclient tls",
		    "1:28: `tls` is too much here: the statement is complete before it" },
		{ "backend mx port 25\nbackend mx port 26 weight 1000 standby", "" },
		{ "backend mx port 25\nbackend mx port 25", "2:9: this backend is there already" },
		{ "backend mx port 25 weight 1001",
		    "1:27: a weight is a number from 1 to 1000, not `1001`" },
		{ "resolver recursive", "" },
		{ "resolver forward ::1", "" },
		{ "resolver forward 192.0.2.1 port 5353", "" },
		{ "resolver",
		    "1:9: `recursive` or `forward ADDRESS port NUMBER` belongs here, not "
		    "the end of the line" },
		{ "resolver forward dns",
		    "1:18: an address such as 192.0.2.1 belongs here, not "
		    "`dns`" },
		{ "resolver forward ::1 5353", "1:22: `port` belongs here, not `5353`" },
		{ "resolver recursive port 53",
		    "1:20: `port` is too much here: the statement is complete before it" },
		{ "resolver recursive\nresolver recursive",
		    "2:1: `resolver` was given already, on line 1" },
		{ "store sqlite", "" },
		{ "store redis 10.0.0.5 port 6379", "" },
		{ "store", "1:6: `sqlite` or `redis` belongs here, not the end of the line" },
		{ "store sqlite\nstore sqlite", "2:1: `store` was given already, on line 1" },
	};

	check(rows, COUNT(rows));
}

/* A host name is as long as a name can be, and no longer. */
static void
test_tls(void **state)
{
	static const struct row rows[] = {
		{ "backend mx port 25 starttls off", "" },
		{ "backend mx port 24 lmtp", "" },
		{ "backend mx port 24 lmtp xclient starttls required weight 2 standby", "" },
		{ "backend mx port 24 xclient lmtp",
		    "1:28: `lmtp` is too much here: the statement is complete before it" },
		{ "backend mx port 25 starttls opportunistic xclient", "" },
		{ "backend mx port 25 xclient starttls required", "" },
		{ "backend mx port 25 starttls verify", "" },
		{ "backend mx port 25 starttls verify \"mx.example.org\" proxy-protocol", "" },
		{ "backend mx port 25 starttls",
		    "1:28: `starttls` wants off, opportunistic, required or verify, not the end of "
		    "the line" },
		{ "backend mx port 25 starttls required \"mx.example.org\"",
		    "1:38: \"mx.example.org\" is too much here: the statement is complete before "
		    "it" },
		{ "backend mx port 25 starttls verify \"a b\"",
		    "1:36: a host name or an address belongs here, not \"a b\"" },
		{ "backend mx port 25 starttls off starttls off",
		    "1:33: `starttls` is too much here: the statement is complete before it" },
		{ "listen proxy * port 465 tls\nbackend mx port 1\n"
		  "certificate \"a.pem\" key \"a.key\"",
		    "" },
		{ "listen proxy * port 465 tls from proxies\ntrust 192.0.2.1\nbackend mx port 1\n"
		  "certificate \"a.pem\" key \"a.key\"\ncertificate \"b.pem\" key \"b.key\"",
		    "" },
		{ "backend mx port 1\nlisten proxy * port 465 tls",
		    "2:25: TLS needs a certificate: `certificate \"FILE\" key \"FILE\"`" },
		{ "certificate a.pem key \"a.key\"",
		    "1:13: the path of a PEM file in quotes belongs here, not `a.pem`" },
		{ "certificate \"a.pem\"",
		    "1:20: `key` and the path of its key belong here, not the end of the line" },
		{ "certificate \"a.pem\" key \"\"",
		    "1:25: the path of a PEM file in quotes belongs here, not \"\"" },
		{ "tls { minimum 1.3; ca \"ca.pem\"\nask client certificate on }", "" },
		{ "tls minimum 1.2\ntls ca \"ca.pem\"", "" },
		{ "tls minimum 1.1", "1:13: `minimum` wants 1.2 or 1.3, not `1.1`" },
		{ "tls { cipher \"x\" }",
		    "1:7: `tls` has no setting `cipher`; did you mean `ciphers`?" },
		{ "tls", "1:4: the settings of `tls` stand in braces: `tls { ... }`" },
		{ "tls x { }", "1:5: the settings of `tls` stand in braces: `tls { ... }`" },
	};

	check(rows, COUNT(rows));
}

static void
test_long_host(void **state)
{
	char text[400];

	for (size_t n = 253; n <= 254; n++) {
		snprintf(text, sizeof text, "backend %.*s port 25", (int)n,
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
		assert_int_equal(said_of(text)[0] == '\0', n == 253);
	}
}

#define GRAMMAR \
	"a plan says `1000 messages per day`, `100 recipients per message`, `burst 20 messages`, " \
	"`warn at 80%, 95%`, `for accounts in LIST`, `for clients in LIST` or `for everyone`, not "
#define WARN \
	"`warn` is written `warn at 80%, 95%`: up to four levels, each above the one before, " \
	"from 1% to 100%"
#define UPSTREAM(lines) "upstream \"u\" { 9 messages per day\n" lines " }"
#define PLAN(lines) "plan p { for everyone\n" lines " }"

static void
test_plans(void **state)
{
	static const struct row rows[] = {
		{ PLAN("1 messages per day; 2 messages per hour; 3 messages per minute\n"
		       "4 recipients per day; 5 recipients per hour; 6 recipients per minute\n"
		       "7 recipients per message; warn at 1%"),
		    "" },
		{ PLAN("9223372036854775807 messages per day"), "" },
		{ PLAN("warn at 100%"), "" },
		{ "list l { \"a\" }\nplan p { for accounts in l; for clients in { 192.0.2.1 } }",
		    "" },
		{ "plan p { 1 messages per day }",
		    "warning 1:6: this plan is for nobody: say `for accounts in LIST`, `for clients "
		    "in LIST` or `for everyone`" },
		{ PLAN("0 messages per day"), "2:1: a limit is a whole number from 1 on, not `0`" },
		{ PLAN("-1 messages per day"),
		    "2:1: a limit is a whole number from 1 on, not `-1`" },
		{ PLAN("1k messages per day"),
		    "2:1: a limit is a whole number from 1 on, not `1k`" },
		{ PLAN("1 mails per day"),
		    "2:3: `messages` or `recipients` belongs here, not "
		    "`mails`" },
		{ PLAN("1 messages a day"), "2:12: `per` belongs here, not `a`" },
		{ PLAN("1 messages per week"),
		    "2:16: `minute`, `hour` or `day` belongs here, not `week`" },
		{ PLAN("1 messages per message"),
		    "2:16: `minute`, `hour` or `day` belongs here, not `message`" },
		{ PLAN("1 messages per day now"),
		    "2:20: `now` is too much here: the statement is complete before it" },
		{ PLAN("1 messages per day\n2 messages per day"),
		    "3:1: this plan has such a limit already" },
		{ PLAN("burst 1 messages; burst 9 recipients"), "" },
		{ PLAN("burst 1 messages\nburst 2 messages"),
		    "3:7: this plan has such a limit already" },
		{ PLAN("burst many"),
		    "2:7: `burst` is written `burst 20 messages`, with a whole number from 1 on, not "
		    "`many`" },
		{ PLAN("burst 5 mails"),
		    "2:9: `messages` or `recipients` belongs here, not `mails`" },
		{ UPSTREAM("reserve 5% for postmaster; reserve 20% for accounts in { \"a\" }\n"
			   "reserve 10% for clients in trusted"),
		    "" },
		{ UPSTREAM("reserve 100% for accounts in { \"a\" }"),
		    "2:9: more than 99% are reserved: nothing is left for the others" },
		{ UPSTREAM("reserve 60% for postmaster\nreserve 40% for clients in trusted"),
		    "3:9: more than 99% are reserved: nothing is left for the others" },
		{ UPSTREAM("reserve 5% for accounts l"), "2:25: `in` belongs here, not `l`" },
		{ UPSTREAM("reserve 5% for all"),
		    "2:16: `reserve` is written `reserve 5% for postmaster` or `reserve 20% for accounts in "
		    "LIST`, from 1% to 99%" },
		{ UPSTREAM("reserve 1% for clients in trusted\nreserve 1% for clients in trusted\n"
			   "reserve 1% for clients in trusted\nreserve 1% for clients in trusted\n"
			   "reserve 1% for clients in trusted"),
		    "6:16: an upstream has up to 4 `reserve ... in LIST`" },
		{ PLAN("1 recipients per message\n2 recipients per message"),
		    "3:1: this plan has such a limit already" },
		{ PLAN("warn at 0%"), "2:9: " WARN },
		{ PLAN("warn at 101%"), "2:9: " WARN },
		{ PLAN("warn at 80"), "2:9: " WARN },
		{ PLAN("warn 80%"), "2:6: " WARN },
		{ PLAN("for ever"),
		    "2:5: `accounts in LIST`, `clients in LIST` or `everyone` belongs here, not "
		    "`ever`" },
		{ PLAN("for accounts l"), "2:14: `in` belongs here, not `l`" },
		{ PLAN("for accounts in l"), "2:17: there is no list `l`" },
		{ PLAN("for clients in trusted\nfor clients in trusted"),
		    "3:16: this plan has such a list already: put both into one" },
		{ PLAN("often"), "2:1: " GRAMMAR "`often`" },
		{ PLAN("\"1\" messages per day"), "2:1: " GRAMMAR "\"1\"" },
	};

	check(rows, COUNT(rows));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statements),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_long_host),
		cmocka_unit_test(test_plans),
	};

	return cmocka_run_group_tests_name("statements", tests, NULL, NULL);
}
