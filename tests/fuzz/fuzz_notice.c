/*
 * A notice from another process, which may have been taken over, and the letter that comes of it: whatever
 * the names in it hold, the letter has its own header and no more.
 */
#include "mail/notice.h"

#include "base/die.h"
#include "mail/letter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
lines_of_header(struct str letter)
{
	size_t n = 0;

	for (size_t i = 1; i < letter.n; i++) {
		if (letter.p[i] != '\n')
			continue;
		require(letter.p[i - 1] == '\r');
		if (i >= 3 && letter.p[i - 2] == '\n')
			return n;
		/* the subject may be folded */
		n += i + 1 < letter.n && letter.p[i + 1] != ' ';
	}
	panic("the header does not end");
}

static void
write_letter(const struct notice *n)
{
	static const char template[] = "Subject: ${who} ${plan}\n\n${who} ${forecast}\n";
	struct arena *arena = arena_new(SIZE_MAX);
	struct letter letter = { .from = STR("a@example.org"),
		.to = STR("b@example.org"),
		.id = STR("x"),
		.host = STR("example.org") };
	struct str value[NOTICE_NAMES];
	struct template_fault fault;
	struct notice_template t;
	struct buf subject, text, out;

	require(notice_template_read(str_of(template), arena, &t, &fault));
	notice_values(n, STR("mx.example.org"), arena, value);
	for (size_t i = 0; i < NOTICE_NAMES; i++)
		for (size_t k = 0; k < value[i].n; k++)
			require((unsigned char)value[i].p[k] >= 0x20 && value[i].p[k] != 0x7f);
	buf_init(&subject, LETTER_MAX);
	buf_init(&text, LETTER_MAX);
	buf_init(&out, LETTER_MAX);
	template_fill(t.subject, value, &subject);
	template_fill(t.text, value, &text);
	letter.subject = buf_str(&subject);
	letter.text = buf_str(&text);
	require(letter_write(&letter, &out));
	/* the empty line is the tenth */
	require(lines_of_header(buf_str(&out)) == 9);
	buf_free(&subject);
	buf_free(&text);
	buf_free(&out);
	arena_free(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str octets = { (const char *)data, size };
	struct notice n, again;
	struct buf b;

	if (!notice_unpack(octets, &n))
		return 0;
	buf_init(&b, NOTICE_OCTETS);
	require(notice_pack(&n, &b));
	require(notice_unpack(buf_str(&b), &again));
	require(str_eq(n.who, again.who) && str_eq(n.to, again.to) && n.used == again.used);
	buf_clear(&b);
	notice_json(&n, STR("mx.example.org"), n.who, &b);
	buf_free(&b);
	write_letter(&n);
	return 0;
}
