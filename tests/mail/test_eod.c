#include "mail/eod.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void
put(void *owner, struct str run)
{
	assert_true(run.n > 0);
	assert_true(buf_add(owner, run));
}

/* What was read of one input, in pieces. */
struct result {
	struct eod_reader r;
	struct buf out;
	size_t taken;
};

static void
read_piece(struct result *res, struct str piece)
{
	size_t n = eod_read(&res->r, piece, put, &res->out);

	assert_true(n <= piece.n);
	if (!res->r.ended)
		assert_int_equal(n, piece.n);
	res->taken += n;
}

static void
result_init(struct result *res, enum eod_bare bare)
{
	*res = (struct result){ 0 };
	buf_init(&res->out, 1 << 20);
	eod_reader_init(&res->r, bare);
}

static void
assert_same(const struct result *a, const struct result *b)
{
	assert_true(str_eq(buf_str(&a->out), buf_str(&b->out)));
	assert_int_equal(a->taken, b->taken);
	assert_int_equal(a->r.ended, b->r.ended);
	assert_int_equal(a->r.bare_cr, b->r.bare_cr);
	assert_int_equal(a->r.bare_lf, b->r.bare_lf);
	assert_int_equal(a->r.nul, b->r.nul);
	assert_int_equal(a->r.octets, b->r.octets);
	assert_int_equal(a->r.longest, b->r.longest);
	assert_int_equal(a->r.octets, a->out.n);
}

/* Bit i of cuts: a piece ends behind octet i. */
static void
read_cut(struct result *res, struct str in, enum eod_bare bare, uint64_t cuts)
{
	size_t from = 0;

	result_init(res, bare);
	for (size_t i = 0; i < in.n && !res->r.ended; i++) {
		if (i + 1 == in.n || (cuts >> (i % 64) & 1)) {
			read_piece(res, str_sub(in, from, i + 1));
			from = i + 1;
		}
	}
}

static void
test_ends_only_at_crlf_dot_crlf(void **state)
{
	static const struct {
		const char *in;
		const char *left;               /* behind the end; NULL: it does not end */
		const char *refuse, *normalise; /* stored; NULL: the same as refuse */
		bool bare_cr, bare_lf;
	} cases[] = {
		{ ".\r\n", "", "", NULL, false, false },
		{ "a\r\n.\r\n", "", "a\r\n", NULL, false, false },
		{ "a\r\n.\r\nQUIT\r\n", "QUIT\r\n", "a\r\n", NULL, false, false },
		{ "\r\n.\r\n", "", "\r\n", NULL, false, false },
		{ "..\r\n.\r\n", "", ".\r\n", NULL, false, false },
		{ "...\r\n.\r\n", "", "..\r\n", NULL, false, false },
		{ ".a\r\n.\r\n", "", "a\r\n", NULL, false, false },
		{ "a.\r\n.b\r\n.\r\n", "", "a.\r\nb\r\n", NULL, false, false },
		/* smuggling: what some server takes for the end, and is not */
		{ "a\n.\nb\r\n.\r\n", "", "a\n.\nb\r\n", "a\r\n.\r\nb\r\n", false, true },
		{ "a\n.\r\nb\r\n.\r\n", "", "a\n.\r\nb\r\n", "a\r\n.\r\nb\r\n", false, true },
		{ "a\r\n.\nb\r\n.\r\n", "", "a\r\n\nb\r\n", "a\r\n\r\nb\r\n", false, true },
		{ "a\r.\rb\r\n.\r\n", "", "a\r.\rb\r\n", "a . b\r\n", true, false },
		{ "a\r\n.\rb\r\n.\r\n", "", "a\r\n\rb\r\n", "a\r\n b\r\n", true, false },
		{ "a\r\n.\r\r\nb\r\n.\r\n", "", "a\r\n\r\r\nb\r\n", "a\r\n \r\nb\r\n", true,
		    false },
		{ "a\r.\r\nb\r\n.\r\n", "", "a\r.\r\nb\r\n", "a .\r\nb\r\n", true, false },
		{ "a\r\r\n.\r\n", "", "a\r\r\n", "a \r\n", true, false },
		{ "a\n\r\n.\r\n", "", "a\n\r\n", "a\r\n\r\n", false, true },
		{ "a\r\n.\n\r\n.\r\n", "", "a\r\n\n\r\n", "a\r\n\r\n\r\n", false, true },
		{ "a\r\n. \r\n.\r\n", "", "a\r\n \r\n", NULL, false, false },
		{ "a\r\n .\r\n.\r\n", "", "a\r\n .\r\n", NULL, false, false },
		{ "\n.\r\n.\r\n", "", "\n.\r\n", "\r\n.\r\n", false, true },
		/* not ended yet */
		{ "", NULL, "", NULL, false, false },
		{ ".", NULL, "", NULL, false, false },
		{ ".\r", NULL, "", NULL, false, false },
		{ "a\r", NULL, "a", NULL, false, false },
		{ "a\r\n.\r", NULL, "a\r\n", NULL, false, false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str in = str_of(cases[i].in);
		const char *other = cases[i].normalise ? cases[i].normalise : cases[i].refuse;

		for (enum eod_bare bare = EOD_REFUSE; bare <= EOD_NORMALISE; bare++) {
			struct str out = str_of(bare == EOD_REFUSE ? cases[i].refuse : other);
			struct result res;

			read_cut(&res, in, bare, 0);
			assert_int_equal(res.r.ended, cases[i].left != NULL);
			assert_int_equal(res.taken, in.n - str_of(cases[i].left).n);
			assert_int_equal(res.out.n, out.n);
			assert_true(str_eq(buf_str(&res.out), out));
			assert_int_equal(res.r.bare_cr, cases[i].bare_cr);
			assert_int_equal(res.r.bare_lf, cases[i].bare_lf);
			buf_free(&res.out);
		}
	}
}

static void
test_nul_is_not_the_end_of_anything(void **state)
{
	struct result res;

	read_cut(&res, STR("a\r\n\0.\r\n.\0\r\nb\0\r\n.\r\n\0"), EOD_REFUSE, 0);
	assert_true(res.r.ended);
	assert_true(res.r.nul);
	assert_true(str_eq(buf_str(&res.out), STR("a\r\n\0.\r\n\0\r\nb\0\r\n")));
	buf_free(&res.out);
	/* of the next command, not of the message */
	read_cut(&res, STR("a\r\n.\r\n\0"), EOD_REFUSE, 0);
	assert_false(res.r.nul);
	buf_free(&res.out);
}

static void
test_counts_lines(void **state)
{
	static const struct {
		const char *in;
		uint64_t longest;
	} cases[] = {
		{ ".\r\n", 0 },
		{ "a\r\n.\r\n", 1 },
		{ "..\r\nab\r\n.\r\n", 2 },
		{ "...\r\na\r\n.\r\n", 2 },
		{ "abc\r\nabcde\r\nab\r\n.\r\n", 5 },
		{ "abcd\nab\r\n.\r\n", 4 },
		{ "ab\rd\r\n.\r\n", 4 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		for (uint64_t cuts = 0; cuts < 2; cuts++) {
			struct result res;

			read_cut(&res, str_of(cases[i].in), EOD_NORMALISE, cuts ? ~0ull : 0);
			assert_int_equal(res.r.longest, cases[i].longest);
			buf_free(&res.out);
		}
	}
}

static void
test_every_split_gives_the_same(void **state)
{
	static const struct str cases[] = {
		STR("a\r\n..\r\n.\r\nQ"),
		STR(".\r\r\n.\r\n"),
		STR("\r\r\n.\r\n."),
		STR("a\n.\r\n.b\r\n.\r\n"),
		STR(".\n\r\n.\r\n"),
		STR("\0\r\n.\0\r\n.\r\n"),
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		for (enum eod_bare bare = EOD_REFUSE; bare <= EOD_NORMALISE; bare++) {
			struct result whole, cut;

			read_cut(&whole, cases[i], bare, 0);
			assert_true(whole.r.ended);
			for (uint64_t cuts = 1; cuts < 1ull << cases[i].n; cuts++) {
				read_cut(&cut, cases[i], bare, cuts);
				assert_same(&whole, &cut);
				buf_free(&cut.out);
			}
			buf_free(&whole.out);
		}
	}
}

/* The plain reading of RFC 5321 4.5.2, an octet at a time over the whole. */
static void
model(struct str in, enum eod_bare bare, struct result *res)
{
	char with[64] = "\r\n";
	const char *end;
	bool start = true;

	result_init(res, bare);
	memcpy(with + 2, in.p, in.n);
	end = memmem(with, in.n + 2, "\r\n.\r\n", 5);
	res->r.ended = end != NULL;
	res->taken = end != NULL ? (size_t)(end + 5 - with) - 2 : in.n;
	for (size_t i = 2; i < (end != NULL ? (size_t)(end - with) + 2 : in.n + 2); i++) {
		bool crlf = with[i] == '\r' && with[i + 1] == '\n' && i + 1 < in.n + 2;

		if (start && with[i] == '.') {
			start = false;
		} else if (crlf) {
			buf_add(&res->out, STR("\r\n"));
			i++;
			start = true;
		} else if (with[i] == '\r' || with[i] == '\n') {
			bool cr = with[i] == '\r';

			/* held: it may become CRLF */
			if (cr && i + 1 == in.n + 2)
				break;
			*(cr ? &res->r.bare_cr : &res->r.bare_lf) = true;
			if (bare == EOD_REFUSE)
				buf_addc(&res->out, with[i]);
			else
				buf_add(&res->out, cr ? STR(" ") : STR("\r\n"));
			start = false;
		} else {
			buf_addc(&res->out, with[i]);
			start = false;
		}
	}
}

static void
compare_with_model(struct str in, enum eod_bare bare)
{
	struct result wanted, whole, octets;

	model(in, bare, &wanted);
	read_cut(&whole, in, bare, 0);
	read_cut(&octets, in, bare, ~0ull);
	assert_same(&whole, &octets);
	assert_int_equal(wanted.r.ended, whole.r.ended);
	assert_int_equal(wanted.taken, whole.taken);
	assert_int_equal(wanted.r.bare_cr, whole.r.bare_cr);
	assert_int_equal(wanted.r.bare_lf, whole.r.bare_lf);
	assert_true(str_eq(buf_str(&wanted.out), buf_str(&whole.out)));
	buf_free(&wanted.out);
	buf_free(&whole.out);
	buf_free(&octets.out);
}

/* Every text of up to 7 octets out of the four that matter. */
static void
test_agrees_with_the_plain_reading(void **state)
{
	for (size_t n = 0; n <= 7; n++) {
		for (unsigned long code = 0; code < 1ul << (2 * n); code++) {
			char text[8];

			for (size_t i = 0; i < n; i++)
				text[i] = "\r\n.a"[code >> (2 * i) & 3];
			compare_with_model((struct str){ text, n }, EOD_REFUSE);
			compare_with_model((struct str){ text, n }, EOD_NORMALISE);
		}
	}
}

static void
count_runs(void *owner, struct str run)
{
	++*(size_t *)owner;
}

static void
test_runs_are_long_and_not_copied(void **state)
{
	static const char text[] = "one\r\ntwo\r\nthree\r\n\r\nfour\r\n.\r\n";
	struct eod_reader r;
	size_t runs = 0;

	eod_reader_init(&r, EOD_REFUSE);
	assert_int_equal(eod_read(&r, STR(text), count_runs, &runs), sizeof text - 1);
	assert_int_equal(runs, 1);
}

static void
write_cut(struct buf *out, struct str in, uint64_t cuts)
{
	struct eod_writer w;
	size_t from = 0;

	buf_clear(out);
	eod_writer_init(&w);
	for (size_t i = 0; i < in.n; i++) {
		if (i + 1 == in.n || (cuts >> i & 1)) {
			eod_write(&w, str_sub(in, from, i + 1), put, out);
			from = i + 1;
		}
	}
	eod_write_end(&w, put, out);
}

static void
test_writes(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", ".\r\n" },
		{ "a", "a\r\n.\r\n" },
		{ "a\r\n", "a\r\n.\r\n" },
		{ ".", "..\r\n.\r\n" },
		{ ".\r\n", "..\r\n.\r\n" },
		{ "..a\r\n.\r\n", "...a\r\n..\r\n.\r\n" },
		{ "a.b\r\n.c\r\n", "a.b\r\n..c\r\n.\r\n" },
		{ "a\n.\n", "a\n..\n.\r\n" },
	};
	struct buf out;

	buf_init(&out, 1024);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str in = str_of(cases[i].in);

		for (uint64_t cuts = 0; cuts < 1ull << in.n; cuts++) {
			write_cut(&out, in, cuts);
			assert_true(str_eq(buf_str(&out), str_of(cases[i].out)));
		}
	}
	buf_free(&out);
}

/* Whatever is normalised on its way in is one message on its way out, and the same. */
static void
test_written_is_read_again(void **state)
{
	for (unsigned long code = 0; code < 1ul << 12; code++) {
		char text[6];
		struct result first, second;
		struct buf wire;
		struct str stored;

		for (size_t i = 0; i < sizeof text; i++)
			text[i] = "\r\n.a"[code >> (2 * i) & 3];
		buf_init(&wire, 1024);
		read_cut(&first, (struct str){ text, sizeof text }, EOD_NORMALISE, 0);
		write_cut(&wire, buf_str(&first.out), 0);
		read_cut(&second, buf_str(&wire), EOD_REFUSE, 0);
		assert_true(second.r.ended);
		assert_int_equal(second.taken, wire.n);
		assert_false(second.r.bare_cr || second.r.bare_lf);
		stored = buf_str(&second.out);
		assert_true(str_starts(stored, buf_str(&first.out)));
		assert_true(stored.n <= first.out.n + 2);
		buf_free(&wire);
		buf_free(&first.out);
		buf_free(&second.out);
	}
}

/* What EOD_NORMALISE makes of it, by the definition. */
static void
normalise(struct str in, struct buf *out)
{
	for (size_t i = 0; i < in.n; i++) {
		bool after_cr = i > 0 && in.p[i - 1] == '\r';

		if (in.p[i] == '\r' && (i + 1 == in.n || in.p[i + 1] != '\n'))
			buf_addc(out, ' ');
		else if (in.p[i] == '\n' && !after_cr)
			buf_add(out, STR("\r\n"));
		else
			buf_addc(out, in.p[i]);
	}
}

static void
read_chunks(struct result *res, struct str in, enum eod_bare bare, uint64_t cuts)
{
	size_t from = 0;

	*res = (struct result){ 0 };
	buf_init(&res->out, 1024);
	eod_reader_init_chunks(&res->r, bare);
	for (size_t i = 0; i < in.n; i++) {
		if (i + 1 == in.n || (cuts >> i & 1)) {
			read_piece(res, str_sub(in, from, i + 1));
			from = i + 1;
		}
	}
	assert_false(res->r.ended);
	eod_read_last(&res->r, put, &res->out);
	assert_true(res->r.ended);
	assert_int_equal(res->taken, in.n);
	assert_int_equal(res->r.octets, res->out.n);
}

/* No octets within are an end, wherever the chunks end. */
static void
test_chunks(void **state)
{
	for (unsigned long code = 0; code < 1ul << 12; code++) {
		char text[6];
		struct str in = { text, sizeof text };
		struct buf want;

		for (size_t i = 0; i < sizeof text; i++)
			text[i] = "\r\n.a"[code >> (2 * i) & 3];
		buf_init(&want, 1024);
		normalise(in, &want);
		for (uint64_t cuts = 0; cuts < 32; cuts++) {
			struct result keep, refuse, clean;

			read_chunks(&keep, in, EOD_KEEP, cuts);
			read_chunks(&refuse, in, EOD_REFUSE, cuts);
			read_chunks(&clean, in, EOD_NORMALISE, cuts);
			assert_true(str_eq(buf_str(&keep.out), in));
			assert_same(&keep, &refuse);
			assert_true(str_eq(buf_str(&clean.out), buf_str(&want)));
			assert_int_equal(
			    refuse.r.bare_cr || refuse.r.bare_lf, !str_eq(buf_str(&want), in));
			buf_free(&keep.out);
			buf_free(&refuse.out);
			buf_free(&clean.out);
		}
		buf_free(&want);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends_only_at_crlf_dot_crlf),
		cmocka_unit_test(test_nul_is_not_the_end_of_anything),
		cmocka_unit_test(test_counts_lines),
		cmocka_unit_test(test_every_split_gives_the_same),
		cmocka_unit_test(test_agrees_with_the_plain_reading),
		cmocka_unit_test(test_runs_are_long_and_not_copied),
		cmocka_unit_test(test_chunks),
		cmocka_unit_test(test_writes),
		cmocka_unit_test(test_written_is_read_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
