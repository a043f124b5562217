/*
 * rules: what a step of n rules costs when none of its facts needs an answer. Each shape has a
 * configuration of its own; the step is decided as the gate does it, over and over, with facts that
 * are known. Prints microseconds a step.
 *
 *	bench/rules [number of rules [part of the names of the shapes]]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/die.h"
#include "filters/vocabulary.h"
#include "rules/config.h"
#include "rules/policy.h"

/* The best of some is told: what a busy machine adds is no cost of the rules. */
#define TIMES 40
#define ROUNDS 50 /* each time */

struct shape {
	const char *name;
	const char *rule;        /* %u: its number */
	unsigned rules, come_to; /* of a line, 1 if it has no block; none are come to at rcpt */
};

static const struct shape shapes[] = {
	{ "address in a list of its own", "score 1 if client in { 192.0.2.%u }" },
	{ "address in networks", "mark m if client in networks and message.size > %u" },
	{ "address compared", "score 1 if client is 192.0.2.%u" },
	{ "text compared", "score 1 if helo is \"pc-%u.example.net\"" },
	{ "text searched", "score 1 if helo contains \"dyn-%u\"" },
	{ "text matched", "score 1 if helo matches /^dyn-%u/i" },
	{ "text matched, which begins alike", "score 1 if helo matches /^mail-%u/i" },
	{ "domain in a list of its own",
	    "reject 550 5.7.1 \"no\" if sender.domain in { \"n%u.example\" }" },
	{ "two tests, the first false", "score 1 if sender.null and size.declared > %u" },
	{ "three tests, all put",
	    "score 1 if size.declared > %u or helo.esmtp and client.port < 5" },
	{ "all hit", "score 1 if size.declared < 1%u or helo.esmtp" },
	/* heads are rules as well: of those that a line has, so many are come to */
	{ "block, gone through", "if size.declared < 1%u { score 1 if helo is \"a\" }", 2, 2 },
	{ "block, passed over", "if size.declared > %u { score 1 if helo is \"a\" }", 2, 1 },
	{ "if and else, the else gone through",
	    "if size.declared > %u { score 1 } else { score 1 if helo is \"a\" }", 4, 3 },
	{ "section, gone through", "for recipients in ours { score 1 if size.declared > %u }", 2,
	    2 },
	{ "section of a list of its own, passed over",
	    "for recipients in { \"n%u.example\" } { score 1 if helo is \"a\" }", 2, 1 },
	{ "the same at rcpt, where recipients are told apart",
	    "for recipients in { \"n%u.example\" } { score 1 if helo is \"a\" }", 2, 0 },
};

static struct config *
load(const struct shape *shape, unsigned n)
{
	struct arena *arena = arena_new(1 << 20);
	struct config_vocabulary vocabulary = stage_vocabulary(arena);
	struct complaints complaints = { 0 };
	char path[] = "/tmp/postern-bench-XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	struct config *config;

	if (!file)
		die("%s: cannot be written", path);
	fprintf(file,
	    "list networks { 192.0.2.0/24, 203.0.113.0/24, 2001:db8::/32 }\n"
	    "list ours { \"example.org\" }\nat message {\n");
	for (unsigned i = 0; i < n; i++) {
		/* WHY: the format is a row of ours. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		fprintf(file, shape->rule, i % 256);
#pragma GCC diagnostic pop
		fputc('\n', file);
	}
	fputs("}\n", file);
	fclose(file);
	config = config_load(path, &vocabulary, &complaints);
	remove(path);
	if (!config)
		die("%s: %s", shape->name, complaints.item[0].text);
	complaints_free(&complaints);
	arena_free(&arena);
	return config;
}

static void
decide(const struct config *config, struct ask ask, struct arena *scratch, unsigned n)
{
	struct decision d;

	arena_reset(scratch);
	if (ruleset_decide(config->ruleset, &ask, scratch, &d) != DONE ||
	    policy_decide(config->ruleset, &ask, scratch, &d) != DONE)
		die("it waits");
	if (n > 0 && d.trace.n != n)
		die("%zu rules were looked at", d.trace.n);
}

static double
measure(const struct shape *shape, unsigned n)
{
	unsigned lines = shape->rules ? n / shape->rules : n;
	unsigned come_to = shape->rules ? lines * shape->come_to : n;
	struct config *config = load(shape, lines);
	struct arena *scratch = arena_new(4 << 20);
	struct mailbox sender = {
		.address = STR("a@example.net"), .local = STR("a"), .domain = STR("example.net")
	};
	struct mailbox to = {
		.address = STR("b@example.org"), .local = STR("b"), .domain = STR("example.org")
	};
	int64_t best = INT64_MAX;
	struct session s;
	struct ask ask;

	session_init(&s, FRONT_PROXY, &config->facts, config->n_parts);
	ip_parse(STR("198.51.100.1"), &s.client_ip);
	session_helo(&s, STR("mail.example.net"), true);
	session_mail(&s, &sender);
	session_rcpt(&s, &to);
	if (come_to > 0) {
		s.txn.current->state = RECIPIENT_ACCEPTED;
		s.txn.n_accepted = 1;
		s.txn.current = NULL;
	}
	ask = session_ask(&s, come_to > 0 ? STEP_MESSAGE : STEP_RCPT, 1700000000);
	for (int i = 0; i < TIMES; i++) {
		int64_t began = clock_mono_us();

		for (int k = 0; k < ROUNDS; k++)
			decide(config, ask, scratch, come_to);
		began = clock_mono_us() - began;
		best = began < best ? began : best;
	}
	session_free(&s);
	arena_free(&scratch);
	config_release(&config);
	return (double)best / ROUNDS;
}

int
main(int argc, char **argv)
{
	unsigned n = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1000;
	const char *part = argc > 2 ? argv[2] : "";

	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		if (strstr(shapes[i].name, part) != NULL)
			printf("%8.2f us  %s\n", measure(&shapes[i], n), shapes[i].name);
	return 0;
}
