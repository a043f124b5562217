/* Names and packets; the packets are built here, an octet at a time. */
#include "base/dns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define CNAME ((enum dns_type)5)

static void
put_u16(struct buf *b, unsigned value)
{
	buf_addc(b, (char)(value >> 8));
	buf_addc(b, (char)value);
}

static void
put_name(struct buf *b, const char *name)
{
	struct str rest = str_of(name), label;

	while (rest.n > 0 && str_pop(&rest, '.', &label)) {
		buf_addc(b, (char)label.n);
		buf_add(b, label);
	}
	buf_addc(b, '\0');
}

/* A response to "a.example" with so many records to follow. */
static void
begin(struct buf *b, unsigned rcode, unsigned records, enum dns_type type)
{
	buf_init(b, 65535);
	put_u16(b, 4711);
	put_u16(b, 0x8180 | rcode);
	put_u16(b, 1);
	put_u16(b, records);
	put_u16(b, 0);
	put_u16(b, 0);
	put_name(b, "a.example");
	put_u16(b, type);
	put_u16(b, 1);
}

static void
put_rr(struct buf *b, const char *owner, enum dns_type type, unsigned ttl, struct str data)
{
	put_name(b, owner);
	put_u16(b, type);
	put_u16(b, 1);
	put_u16(b, ttl >> 16);
	put_u16(b, ttl);
	put_u16(b, (unsigned)data.n);
	buf_add(b, data);
}

static void
parse_and_free(struct arena *arena, struct buf *b, enum dns_type type, struct dns_answer *out)
{
	/* On the heap with no octet to spare, so that a sanitizer sees the first beyond it. */
	char *exact = malloc(b->n ? b->n : 1);

	memcpy(exact, b->p, b->n);
	dns_parse(arena, (struct str){ exact, b->n }, type, out);
	free(exact);
	buf_free(b);
}

static int
set_up(void **state)
{
	*state = arena_new(1 << 30);
	return 0;
}

static int
tear_down(void **state)
{
	arena_free((struct arena **)state);
	return 0;
}

static void
test_names(void **state)
{
	static const struct {
		const char *name;
		bool ok;
	} cases[] = {
		{ "example.com", true },
		{ "example.com.", true },
		{ "a", true },
		{ "_dmarc.example.com", true },
		{ "with blank.example", true },
		{ "", false },
		{ ".", false },
		{ "..", false },
		{ ".example", false },
		{ "a..b", false },
		{ "a.b..", false },
		{ "0123456789012345678901234567890123456789012345678901234567890.12.x", true },
		{ "012345678901234567890123456789012345678901234567890123456789012.x", true },
		{ "0123456789012345678901234567890123456789012345678901234567890123.x", false },
	};
	char text[256];

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(dns_name_ok(str_of(cases[i].name)), cases[i].ok);
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? '.' : 'a';
	assert_true(dns_name_ok((struct str){ text, 253 }));
	assert_true(dns_name_ok((struct str){ text, 254 }));
	assert_false(dns_name_ok((struct str){ text, 255 }));
	assert_false(dns_name_ok((struct str){ "a\0b", 3 }));
	assert_string_equal(dns_type_name(DNS_AAAA), "AAAA");
	assert_string_equal(dns_status_name(DNS_NXDOMAIN), "nxdomain");
}

static void
test_has_ip(void **state)
{
	struct dns_rr rr[] = { { .data = STR("\xc0\0\2\1") },
		{ .data = STR("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1") },
		{ .data = STR("\xc0\0\2\3\0") } };
	struct dns_answer answer = { .status = DNS_OK, .n = 3, .rr = rr };
	static const struct {
		const char *ip;
		bool has;
	} cases[] = { { "192.0.2.1", true }, { "192.0.2.2", false }, { "192.0.2.3", false },
		{ "2001:db8::1", true }, { "2001:db8::2", false }, { "c000:201::", false } };

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip ip;

		assert_true(ip_parse(str_of(cases[i].ip), &ip));
		assert_int_equal(dns_has_ip(&answer, &ip), cases[i].has);
		answer.status = DNS_TEMPFAIL;
		assert_false(dns_has_ip(&answer, &ip));
		answer.status = DNS_OK;
	}
}

static void
test_reverse_names(void **state)
{
	static const char *const cases[][2] = {
		{ "192.0.2.1", "1.2.0.192.in-addr.arpa" },
		{ "2001:db8::567:89ab",
		    "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
		    "8.b.d.0.1.0.0.2.ip6.arpa" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip ip;

		assert_true(ip_parse(str_of(cases[i][0]), &ip));
		assert_string_equal(dns_reverse_name(*state, &ip).p, cases[i][1]);
	}
}

static void
test_each_type(void **state)
{
	static const struct {
		enum dns_type type;
		struct str wire, data;
		unsigned preference;
	} cases[] = {
		{ DNS_A, { "\xc0\0\2\1", 4 }, { "\xc0\0\2\1", 4 }, 0 },
		{ DNS_AAAA, { "0123456789abcdef", 16 }, { "0123456789abcdef", 16 }, 0 },
		{ DNS_TXT, { "\3abc", 4 }, { "abc", 3 }, 0 },
		{ DNS_TXT, { "\3abc\0\2de", 8 }, { "abcde", 5 }, 0 },
		{ DNS_TXT, { "\0", 1 }, { "", 0 }, 0 },
		{ DNS_TXT, { "", 0 }, { "", 0 }, 0 },
		{ DNS_MX, { "\1\2\2mx\1a\0", 8 }, { "mx.a", 4 }, 258 },
		{ DNS_MX, { "\0\0\0", 3 }, { "", 0 }, 0 },
		{ DNS_PTR, { "\2Mx\xc0\x0c", 5 }, { "Mx.a.example", 12 }, 0 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dns_answer answer;
		struct buf b;

		begin(&b, 0, 1, cases[i].type);
		put_rr(&b, "A.EXAMPLE", cases[i].type, 77, cases[i].wire);
		parse_and_free(*state, &b, cases[i].type, &answer);
		assert_int_equal(answer.status, DNS_OK);
		assert_int_equal(answer.n, 1);
		assert_int_equal(answer.ttl, 77);
		assert_true(str_eq(answer.rr[0].data, cases[i].data));
		assert_int_equal(answer.rr[0].preference, cases[i].preference);
		assert_false(answer.secure);
		assert_null(answer.why);
	}
}

static void
test_broken_data(void **state)
{
	static const struct {
		enum dns_type type;
		struct str wire;
	} cases[] = {
		{ DNS_A, { "123", 3 } },
		{ DNS_A, { "12345", 5 } },
		{ DNS_AAAA, { "1234", 4 } },
		{ DNS_TXT, { "\4abc", 4 } },
		{ DNS_TXT, { "\3abc\xff", 5 } },
		{ DNS_MX, { "\1", 1 } },
		{ DNS_MX, { "\0\1\2mx", 5 } },
		{ DNS_PTR, { "\2mx\0x", 5 } },
		{ DNS_PTR, { "\x40mx", 3 } },
		{ DNS_PTR, { "\xc0\x20", 2 } }, /* to itself or beyond */
		{ DNS_PTR, { "\xff\xff", 2 } },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dns_answer answer;
		struct buf b;

		begin(&b, 0, 1, cases[i].type);
		put_rr(&b, "a.example", cases[i].type, 77, cases[i].wire);
		parse_and_free(*state, &b, cases[i].type, &answer);
		assert_int_equal(answer.status, DNS_TEMPFAIL);
		assert_string_equal(answer.why, "malformed");
		assert_int_equal(answer.n, 0);
		assert_null(answer.rr);
	}
}

static void
test_rcodes(void **state)
{
	for (unsigned rcode = 0; rcode < 16; rcode++) {
		struct dns_answer answer;
		struct buf b;

		begin(&b, rcode, 0, DNS_A);
		parse_and_free(*state, &b, DNS_A, &answer);
		assert_int_equal(answer.status,
		    rcode == 0       ? DNS_NODATA
			: rcode == 3 ? DNS_NXDOMAIN
				     : DNS_TEMPFAIL);
	}
}

static void
test_follows_cnames(void **state)
{
	struct dns_answer answer;
	struct buf b;

	/* In any order, with a stranger between. */
	begin(&b, 0, 5, DNS_TXT);
	put_rr(&b, "c.example", DNS_TXT, 300, STR("\1x"));
	put_rr(&b, "evil.example", DNS_TXT, 1, STR("\4evil"));
	put_rr(&b, "b.example", CNAME, 20, STR("\1c\7example\0"));
	put_rr(&b, "a.example", CNAME, 100, STR("\1b\7example\0"));
	put_rr(&b, "c.example", DNS_TXT, 300, STR("\1y"));
	parse_and_free(*state, &b, DNS_TXT, &answer);
	assert_int_equal(answer.status, DNS_OK);
	assert_int_equal(answer.n, 2);
	assert_true(str_eq(answer.rr[0].data, STR("x")));
	assert_true(str_eq(answer.rr[1].data, STR("y")));
	assert_int_equal(answer.ttl, 20);

	begin(&b, 0, 1, DNS_TXT);
	put_rr(&b, "a.example", CNAME, 100, STR("\1b\7example\0"));
	parse_and_free(*state, &b, DNS_TXT, &answer);
	assert_int_equal(answer.status, DNS_NODATA);

	begin(&b, 0, 2, DNS_TXT);
	put_rr(&b, "a.example", CNAME, 100, STR("\1b\7example\0"));
	put_rr(&b, "b.example", CNAME, 100, STR("\1a\7example\0"));
	parse_and_free(*state, &b, DNS_TXT, &answer);
	assert_int_equal(answer.status, DNS_NODATA);
}

static void
test_other_records_do_not_count(void **state)
{
	struct dns_answer answer;
	struct buf b;

	begin(&b, 0, 2, DNS_A);
	put_rr(&b, "b.example", DNS_A, 5, STR("1234"));
	put_rr(&b, "a.example", DNS_AAAA, 5, STR("0123456789abcdef"));
	parse_and_free(*state, &b, DNS_A, &answer);
	assert_int_equal(answer.status, DNS_NODATA);
	assert_int_equal(answer.n, 0);
}

static void
test_names_that_text_cannot_say(void **state)
{
	struct dns_answer answer;
	struct buf b;

	begin(&b, 0, 3, DNS_PTR);
	put_rr(&b, "a.example", DNS_PTR, 5, STR("\3a.b\0"));
	put_rr(&b, "a.example", DNS_PTR, 5, STR("\3a\0b\0"));
	put_rr(&b, "a.example", DNS_PTR, 5, STR("\2ok\0"));
	parse_and_free(*state, &b, DNS_PTR, &answer);
	assert_int_equal(answer.status, DNS_OK);
	assert_int_equal(answer.n, 1);
	assert_true(str_eq(answer.rr[0].data, STR("ok")));
}

static void
test_keeps_at_most_so_many(void **state)
{
	struct dns_answer answer;
	struct buf b;

	begin(&b, 0, DNS_RR_MAX + 5, DNS_A);
	for (int i = 0; i < DNS_RR_MAX + 5; i++)
		put_rr(&b, "a.example", DNS_A, 5, STR("1234"));
	parse_and_free(*state, &b, DNS_A, &answer);
	assert_int_equal(answer.status, DNS_OK);
	assert_int_equal(answer.n, DNS_RR_MAX);
}

static void
test_wrong_headers(void **state)
{
	static const struct {
		size_t at;
		unsigned char octet;
	} cases[] = {
		{ 2, 0x01 }, /* a query */
		{ 2, 0x83 }, /* cut */
		{ 5, 0 },    /* no question */
		{ 5, 2 },    /* two */
		{ 7, 2 },    /* more records than there are */
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dns_answer answer;
		struct buf b;

		begin(&b, 0, 1, DNS_A);
		put_rr(&b, "a.example", DNS_A, 5, STR("1234"));
		b.p[cases[i].at] = (char)cases[i].octet;
		parse_and_free(*state, &b, DNS_A, &answer);
		assert_int_equal(answer.status, DNS_TEMPFAIL);
		assert_string_equal(answer.why, "malformed");
	}
}

/* A packet that is cut anywhere is refused, and read nowhere beyond its end. */
static void
test_truncated_packets(void **state)
{
	struct dns_answer answer;
	struct buf whole, b;

	begin(&whole, 0, 2, DNS_MX);
	put_rr(&whole, "a.example", CNAME, 100, STR("\1b\7example\0"));
	put_rr(&whole, "b.example", DNS_MX, 300, STR("\0\12\2mx\xc0\x0c"));
	for (size_t n = 0; n < whole.n; n++) {
		buf_init(&b, 1000);
		buf_add(&b, (struct str){ whole.p, n });
		parse_and_free(*state, &b, DNS_MX, &answer);
		assert_int_equal(answer.status, DNS_TEMPFAIL);
	}
	parse_and_free(*state, &whole, DNS_MX, &answer);
	assert_int_equal(answer.status, DNS_OK);
	assert_true(str_eq(answer.rr[0].data, STR("mx.a.example")));
}

static void
check_sane(const struct dns_answer *answer)
{
	assert_true(answer->n <= DNS_RR_MAX);
	assert_int_equal(answer->status == DNS_OK, answer->n > 0);
	assert_int_equal(answer->status == DNS_TEMPFAIL, answer->why != NULL);
	for (size_t i = 0; i < answer->n; i++)
		assert_true(answer->rr[i].data.p != NULL);
}

/* Sound packets with some octets changed at random, which finds more than noise does. */
static void
test_damaged_packets(void **state)
{
	static const enum dns_type types[] = { DNS_A, DNS_AAAA, DNS_TXT, DNS_MX, DNS_PTR };
	uint32_t seed = 7;

	for (int round = 0; round < 50000; round++) {
		enum dns_type type = types[round % 5];
		struct dns_answer answer;
		struct buf b;

		begin(&b, 0, 3, type);
		put_rr(&b, "a.example", CNAME, 100, STR("\1b\xc0\x0e"));
		put_rr(&b, "b.example", type, 300, STR("\0\12\2mx\xc0\x0c"));
		put_rr(&b, "b.example", type, 300, STR("\3abc\7example\0"));
		for (int i = 0; i < round % 4; i++) {
			seed = seed * 1664525 + 1013904223;
			b.p[(seed >> 8) % b.n] = (char)(seed >> 24);
		}
		parse_and_free(*state, &b, type, &answer);
		check_sane(&answer);
		arena_reset(*state);
	}
}

/* A chain of pointers costs a bounded number of steps. */
static void
test_pointer_loops(void **state)
{
	struct dns_answer answer;
	struct buf b;

	begin(&b, 0, 1, DNS_PTR);
	/* 12 of header, 15 of question, 21 of record: the label is at 48, and points to itself. */
	put_rr(&b, "a.example", DNS_PTR, 5, STR("\1a\xc0\x30"));
	assert_memory_equal(b.p + 48, "\1a\xc0\x30", 4);
	parse_and_free(*state, &b, DNS_PTR, &answer);
	assert_int_equal(answer.status, DNS_TEMPFAIL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_names),
		TEST(test_has_ip),
		TEST(test_reverse_names),
		TEST(test_each_type),
		TEST(test_broken_data),
		TEST(test_rcodes),
		TEST(test_follows_cnames),
		TEST(test_other_records_do_not_count),
		TEST(test_names_that_text_cannot_say),
		TEST(test_keeps_at_most_so_many),
		TEST(test_wrong_headers),
		TEST(test_truncated_packets),
		TEST(test_damaged_packets),
		TEST(test_pointer_loops),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
