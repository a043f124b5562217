#include "proxy/abilities.h"

static const struct {
	const char *word;
	enum xclient_attribute attribute;
} xclient_words[] = {
	{ "NAME", XCLIENT_NAME },
	{ "ADDR", XCLIENT_ADDR },
	{ "PORT", XCLIENT_PORT },
	{ "PROTO", XCLIENT_PROTO },
	{ "HELO", XCLIENT_HELO },
	{ "LOGIN", XCLIENT_LOGIN },
	{ "REVERSE_NAME", XCLIENT_REVERSE_NAME },
	{ "DESTADDR", XCLIENT_DESTADDR },
	{ "DESTPORT", XCLIENT_DESTPORT },
};

static void
read_xclient(struct str words, struct abilities *a)
{
	struct str word;

	while (str_pop(&words, ' ', &word)) {
		for (size_t i = 0; i < sizeof(xclient_words) / sizeof(*xclient_words); i++)
			if (str_eqcase(word, str_of(xclient_words[i].word)))
				a->xclient |= xclient_words[i].attribute;
	}
}

static void
read_line(struct str line, struct abilities *a)
{
	struct str rest = str_trim(line), word;

	if (!str_pop(&rest, ' ', &word))
		return;
	if (str_eqcase(word, STR("SIZE"))) {
		a->size = true;
		if (!str_to_u64(str_trim(rest), UINT64_MAX, &a->size_max))
			a->size_max = 0;
	} else if (str_eqcase(word, STR("8BITMIME"))) {
		a->eightbit = true;
	} else if (str_eqcase(word, STR("PIPELINING"))) {
		a->pipelining = true;
	} else if (str_eqcase(word, STR("XCLIENT"))) {
		read_xclient(rest, a);
	}
}

struct abilities
abilities_read(const struct reply *reply)
{
	struct abilities a = { .known = true, .esmtp = true };

	/* The first line is the MTA's name and greeting. */
	for (size_t i = 1; i < reply->lines; i++)
		read_line(reply_line(reply, i), &a);
	return a;
}

void
abilities_write(const struct abilities *mta, const char *hostname, uint64_t size_max,
    const char *ours, struct buf *out)
{
	uint64_t size = size_max;

	if (mta->size && mta->size_max > 0 && mta->size_max < size)
		size = mta->size_max;
	buf_printf(out, "250-%s\r\n250-PIPELINING\r\n250-SIZE %llu\r\n", hostname,
	    (unsigned long long)size);
	if (mta->eightbit)
		buf_add(out, STR("250-8BITMIME\r\n"));
	if (ours)
		buf_printf(out, "250-%s\r\n", ours);
	buf_add(out, STR("250 ENHANCEDSTATUSCODES\r\n"));
}
