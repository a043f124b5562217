/*
 * Checks of generated zones against an evaluator of our own: libspf2 behind its border has to say what
 * RFC 7208 says. A zone is a function of a seed: what is at a name, and of which type, follows from
 * both, so each case can be repeated with POSTERN_SPF_SEED, and more of them asked for with
 * POSTERN_SPF_CASES. With POSTERN_SPF_SERVE it answers spf_peer.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "tests/filters/spf_oracle.h"
#include "tests/filters/spf_zone.h"

#define CASES 50000
#define CASES_OF_A_ZONE 200 /* its arena is emptied then */
#define DOMAINS 7

/* --- chance that can be repeated -------------------------------------------------------------- */

struct dice {
	uint64_t state;
};

static uint64_t
mix(uint64_t x)
{
	x ^= x >> 33;
	x *= UINT64_C(0xff51afd7ed558ccd);
	x ^= x >> 33;
	x *= UINT64_C(0xc4ceb9fe1a85ec53);
	return x ^ x >> 33;
}

static unsigned
roll(struct dice *d, unsigned sides)
{
	d->state += UINT64_C(0x9e3779b97f4a7c15);
	return (unsigned)(mix(d->state) % sides);
}

static struct dice
dice_for(uint64_t seed, struct str name, enum dns_type type)
{
	struct dice d = { mix(seed + 1) ^ (uint64_t)type << 56 };

	for (size_t i = 0; i < name.n; i++)
		d.state = mix(d.state ^ (unsigned char)ascii_lower(name.p[i]));
	return d;
}

/* --- what there is ---------------------------------------------------------------------------- */

struct world {
	uint64_t seed;
	struct arena *arena;
	struct ip client;
	bool calm; /* everything answers, and with something */
};

static const char *const specs[] = { "%{i}.x.example", "%{ir}.%{v}.example", "%{d}", "x.%{d2}",
	"%{l}.example", "%{lr-}.%{o}", "%{d1r}.example", "%{h}", "%{p}.example", "%{p2}", "%{s}",
	"a..b", "%{d}.%{d}.%{d}.%{d}.%{d}.%{d}.%{d}.%{d}.%{d}.%{d}.%{d}.%{d}.%{d}.%{d}.example" };

static void
add_spec(struct dice *d, struct buf *out)
{
	if (roll(d, 4) > 0)
		buf_printf(out, "d%u.example", roll(d, DOMAINS));
	else
		buf_add(out, str_of(specs[roll(d, sizeof(specs) / sizeof(specs[0]))]));
}

static void
add_lengths(struct dice *d, struct buf *out)
{
	static const unsigned four[] = { 0, 1, 8, 24, 31, 32 }, six[] = { 0, 1, 64, 127, 128 };

	if (roll(d, 3) == 0)
		buf_printf(out, "/%u", four[roll(d, 6)]);
	if (roll(d, 3) == 0)
		buf_printf(out, "//%u", six[roll(d, 5)]);
}

/* Zones in which little matches, so that checks get as far as the limit of terms. */
static bool
is_far(const struct world *w)
{
	return w->seed % 4 == 0;
}

/* Near the client, so that lengths decide. */
static struct ip
near(struct dice *d, const struct world *w)
{
	struct ip ip = w->client;

	if (is_far(w))
		ip.b[0] ^= 0x80;
	else if (roll(d, 3) > 0)
		ip.b[roll(d, ip.version == 6 ? 16 : 4)] ^= (unsigned char)(1u << roll(d, 8));
	return ip;
}

static void
add_network(struct dice *d, struct buf *out, const struct world *w)
{
	struct ip ip = near(d, w);
	unsigned whole = ip.version == 6 ? 128 : 32;

	if (roll(d, 4) == 0) {
		buf_add(out, roll(d, 2) ? STR("ip4:198.51.100.0/24") : STR("ip6:2001:db8:1::/48"));
		return;
	}
	buf_printf(out, "ip%u:%s", ip.version, IP_TEXT(&ip));
	if (roll(d, 2))
		buf_printf(out, "/%u", roll(d, whole + 1));
}

static void
add_mechanism(struct dice *d, struct buf *out, const struct world *w)
{
	static const char *const named[] = { "a", "mx", "ptr", "include", "exists" };
	unsigned kind = is_far(w) ? roll(d, 3) : roll(d, 12);

	if (roll(d, 3) == 0)
		buf_addc(out, "+-~?"[roll(d, 4)]);
	if (kind >= 11) {
		buf_add(out, STR("all"));
	} else if (kind >= 8) {
		add_network(d, out, w);
	} else {
		kind %= 5;
		buf_add(out, str_of(named[kind]));
		if (kind > 2 || roll(d, 3) > 0) {
			buf_addc(out, ':');
			add_spec(d, out);
		}
		if (kind < 2)
			add_lengths(d, out);
	}
}

static struct str
make_record(struct dice *d, const struct world *w)
{
	unsigned n = roll(d, is_far(w) ? 2 : 20) == 0 ? 14 : roll(d, 6);
	struct buf out;
	struct str text;

	buf_init(&out, 4096);
	buf_add(&out, STR("v=spf1"));
	for (unsigned i = 0; i < n; i++) {
		buf_addc(&out, ' ');
		add_mechanism(d, &out, w);
	}
	if (roll(d, 4) == 0) {
		buf_add(&out, STR(" redirect="));
		add_spec(d, &out);
	}
	if (roll(d, 60) == 0)
		buf_add(&out, STR(" broken:"));
	if (roll(d, 3) == 0)
		buf_add(&out, STR(" ~all"));
	text = arena_dup(w->arena, buf_str(&out));
	buf_free(&out);
	return text;
}

static struct dns_rr
make_rr(struct dice *d, enum dns_type type, const struct world *w)
{
	struct dns_rr rr = { .preference = 10 };
	struct ip ip;

	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		ip = near(d, w);
		rr.data =
		    arena_dup(w->arena, (struct str){ (const char *)ip.b, type == DNS_A ? 4 : 16 });
		break;
	case DNS_TXT:
		rr.data = roll(d, 10) == 0 ? STR("something else") : make_record(d, w);
		break;
	default:
		rr.data = roll(d, 8) == 0 ? STR("under.d0.example")
					  : arena_printf(w->arena, "d%u.example", roll(d, DOMAINS));
	}
	return rr;
}

static void
look(void *owner, struct str name, enum dns_type type, struct dns_answer *out)
{
	const struct world *w = owner;
	struct dice d = dice_for(w->seed, name, type);
	unsigned what = w->calm ? 23 : roll(&d, 24);
	/* Where much is missing, few checks get as far as the limit of terms. */
	unsigned missing = w->seed % 2 ? 4 : 1;

	*out = (struct dns_answer){ .status = DNS_OK };
	if (what == 0)
		*out = (struct dns_answer){ .status = DNS_TEMPFAIL, .why = "timeout" };
	else if (what < missing)
		out->status = what < 3 ? DNS_NXDOMAIN : DNS_NODATA;
	if (out->status != DNS_OK)
		return;
	out->n = 1;
	if (type == DNS_MX || type == DNS_PTR)
		out->n += roll(&d, 40) == 0 ? 8 + roll(&d, 4) : roll(&d, 4);
	else if (roll(&d, 12) == 0)
		out->n++;
	out->rr = ARENA_ARRAY(w->arena, struct dns_rr, out->n);
	for (size_t i = 0; i < out->n; i++)
		out->rr[i] = make_rr(&d, type, w);
}

/* --- both, side by side ----------------------------------------------------------------------- */

static struct world world; /* of the case that runs: the zone has no place for it */

static void
make(struct zone *zone, struct str name, enum dns_type type, struct dns_answer *out)
{
	look(&world, name, type, out);
}

static void
tell_case(uint64_t seed, struct str ours, struct str term, const struct spf_outcome *theirs)
{
	struct dns_answer answer;
	char name[32];

	print_error("case %llu of %s: the oracle says %.*s by \"%.*s\", spf_check() %s by \"%.*s\" "
		    "(%.*s)\n",
	    (unsigned long long)seed, IP_TEXT(&world.client), STR_ARG(ours), STR_ARG(term),
	    spf_result_name(theirs->result), STR_ARG(theirs->mechanism), STR_ARG(theirs->problem));
	for (unsigned i = 0; i < DOMAINS; i++) {
		snprintf(name, sizeof(name), "d%u.example", i);
		look(&world, str_of(name), DNS_TXT, &answer);
		print_error("  %s %s %.*s\n", name, dns_status_name(answer.status),
		    STR_ARG(answer.n > 0 ? answer.rr[0].data : STR("")));
	}
}

static void
begin_case(struct zone *zone, uint64_t seed, struct spf_query *query)
{
	struct dice d = { seed };

	*query = (struct spf_query){ .helo = STR("d1.example"),
		.local = STR("jane-doe"),
		.domain = STR("d0.example"),
		.receiver = STR("mx.example.net"),
		.now = 1700000000 };
	world.seed = seed;
	world.arena = zone->arena;
	assert_true(ip_parse(roll(&d, 3) ? STR("192.0.2.1") : STR("2001:db8::1"), &world.client));
	query->client = world.client;
	zone_forget(zone);
	zone->make = make;
	zone->arrival = seed % 8 == 0 ? ZONE_ROUNDS : ZONE_AT_HAND;
}

static bool
agree(struct zone *zone, uint64_t seed, unsigned seen[SPF_RESULTS])
{
	struct spf_query query;
	struct spf_oracle oracle = {
		.query = &query, .arena = zone->arena, .look = look, .owner = &world
	};
	struct spf_outcome theirs;
	struct str explanation, term;
	enum spf_result ours;

	begin_case(zone, seed, &query);
	zone_check(zone, &query, &theirs, &explanation);
	ours = spf_oracle_check(&oracle, &term);
	seen[ours]++;
	if (theirs.result == ours && (theirs.problem.p != NULL || str_eq(theirs.mechanism, term)))
		return true;
	tell_case(seed, str_of(spf_result_name(ours)), term, &theirs);
	return false;
}

static uint64_t
number_from(const char *variable, uint64_t fallback)
{
	const char *text = getenv(variable);

	return text ? strtoull(text, NULL, 10) : fallback;
}

static void
both_say_the_same(void **state)
{
	uint64_t first = number_from("POSTERN_SPF_SEED", 1);
	uint64_t n = number_from("POSTERN_SPF_CASES", getenv("POSTERN_SPF_SEED") ? 1 : CASES);
	unsigned seen[SPF_RESULTS] = { 0 }, differences = 0;

	for (uint64_t i = 0; i < n && differences < 5;) {
		struct zone *zone = zone_new();

		for (unsigned k = 0; k < CASES_OF_A_ZONE && i < n; k++, i++)
			differences += !agree(zone, first + i, seen);
		zone_free(&zone);
	}
	for (int result = 0; result < SPF_RESULTS; result++)
		print_message("# %s: %u\n", spf_result_name((enum spf_result)result), seen[result]);
	assert_int_equal(differences, 0);
	/* The dice are worth something only if every result comes up often. */
	for (int result = 0; n >= CASES && result < SPF_RESULTS; result++)
		assert_true(seen[result] > n / 100);
}

/* --- for another evaluator -------------------------------------------------------------------- */

static void
serve_answer(struct str request)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_MX, DNS_PTR, DNS_TXT };
	struct dns_answer answer;
	struct str type;

	str_pop(&request, ' ', &type);
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!str_eq(type, str_of(dns_type_name(types[i]))))
			continue;
		look(&world, request, types[i], &answer);
		for (size_t k = 0; k < answer.n; k++) {
			for (size_t n = 0; n < answer.rr[k].data.n; n++)
				printf("%02x", (unsigned char)answer.rr[k].data.p[n]);
			putchar(' ');
		}
	}
	putchar('\n');
}

/*
 * spf_peer.py asks: a number begins the calm case of that seed, and is answered by its client and
 * what spf_check() says; "TYPE name" is answered by the records in hex. Each in a line.
 */
static int
serve(void)
{
	struct zone *zone = zone_new();
	struct spf_outcome outcome;
	struct spf_query query;
	struct str explanation, line;
	char text[512];

	world.calm = true;
	while (fgets(text, sizeof(text), stdin)) {
		line = str_of(text);
		if (line.n > 0)
			line.n--;
		if (ascii_isdigit(text[0])) {
			zone_free(&zone);
			zone = zone_new();
			begin_case(zone, strtoull(text, NULL, 10), &query);
			zone_check(zone, &query, &outcome, &explanation);
			printf("%s %s\n", IP_TEXT(&world.client), spf_result_name(outcome.result));
		} else {
			serve_answer(line);
		}
		fflush(stdout);
	}
	zone_free(&zone);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(both_say_the_same) };

	if (getenv("POSTERN_SPF_SERVE"))
		return serve();
	return cmocka_run_group_tests_name("spf_oracle", tests, NULL, NULL);
}
