/*
 * pseudonyms: what hashing the addresses of one entry of the journal costs (`journal addresses hashed`), for entries of two kinds.
 * Prints microseconds of CPU an entry; making the entry, which both ways do, is not in it.
 *
 *	bench/pseudonyms
 */
#include <stdio.h>
#include <time.h>

#include "base/die.h"
#include "rules/record_pseudonyms.h"

/* The best of some is told: what a busy machine adds is no cost of ours. */
#define TIMES 20
#define ROUNDS 5000 /* each time */

static const struct {
	const char *name;
	struct journal_record record;
} kinds[] = {
	{ "refused at MAIL, one question",
	    { .front = "proxy",
		.step = "mail",
		.verdict = "reject",
		.code = 550,
		.rule = STR("postern.conf:12"),
		.sender = STR("jane@example.net"),
		.recipients = STR("[]"),
		.helo = STR("mx.example.net"),
		.text = STR("SPF: 192.0.2.1 is not allowed to send mail from example.net"),
		.facts = STR("{\"client.name\":\"mx.example.net\",\"spf\":\"fail\"}"),
		.trace = STR(
		    "[{\"format\":2,\"began\":1796112637594,\"hashed\":\"43507e77\",\"port\":13118,\"txn\":1},"
		    "{\"at\":\"mail\",\"tried\":\"2|2 3*\"}]"),
		.answers = STR(
		    "[{\"dns\":\"example.net TXT\",\"status\":\"ok\",\"ttl\":300,\"secure\":false,"
		    "\"records\":[\"v=spf1 ip4:198.51.100.7 -all\"],\"for\":\"spf\",\"us\":30}]") } },
	{ "greylisted, six questions",
	    { .front = "proxy",
		.step = "rcpt",
		.verdict = "tempfail",
		.code = 451,
		.rule = STR("postern.conf:19"),
		.sender = STR("jane@example.net"),
		.recipients = STR("[\"bob@example.org\"]"),
		.helo = STR("mx.example.net"),
		.text = STR("Greylisted, come back in 5m"),
		.facts = STR(
		    "{\"spf\":\"none\",\"sender\":\"jane@example.net\",\"recipient\":\"bob@example.org\","
		    "\"greylist\":\"waiting\",\"greylist.wait\":300}"),
		.trace = STR(
		    "[{\"format\":2,\"began\":1796112637594,\"hashed\":\"43507e77\",\"port\":13118,\"txn\":1},"
		    "{\"at\":\"mail\",\"tried\":\"2|2 3\"},{\"at\":\"rcpt\",\"state\":\"asked\",\"tried\":\"4 5*\"}]"),
		.answers = STR(
		    "[{\"dns\":\"example.net TXT\",\"status\":\"nxdomain\",\"ttl\":0,\"records\":[],\"for\":\"spf\",\"us\":94},"
		    "{\"seen\":\"greylist:known:jane@example.net\",\"look_only\":true,\"state\":\"never\",\"us\":40},"
		    "{\"seen\":\"greylist:known:example.net\",\"look_only\":true,\"state\":\"never\",\"us\":40},"
		    "{\"seen\":\"greylist:origin:192.0.2.0/24\",\"look_only\":true,\"state\":\"never\",\"us\":40},"
		    "{\"seen\":\"greylist:192.0.2.0/24:jane@example.net:bob@example.org\",\"state\":\"first\",\"us\":65},"
		    "{\"seen\":\"greylist:pair:jane@example.net:bob@example.org\",\"state\":\"first\",\"us\":39}]") } },
};

static double
cpu_us(void)
{
	struct timespec t;

	require(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double
measure(const struct pseudonym *p, const struct journal_record *of)
{
	double began = cpu_us();

	for (int i = 0; i < ROUNDS; i++) {
		struct arena *arena = arena_new(SIZE_MAX);
		struct journal_record record = *of;

		record_pseudonyms(p, arena, &record);
		arena_free(&arena);
	}
	return (cpu_us() - began) / ROUNDS;
}

int
main(void)
{
	struct arena *arena = arena_new(1 << 20);
	struct pseudonym *p = pseudonym_new(arena, STR("0123456789abcdef0123456789abcdef"));

	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		double best = measure(p, &kinds[k].record);

		for (int i = 1; i < TIMES; i++) {
			double one = measure(p, &kinds[k].record);

			best = one < best ? one : best;
		}
		printf("%-30s %5.2f us\n", kinds[k].name, best);
	}
	arena_free(&arena);
	return 0;
}
