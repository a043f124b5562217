#include "proxy/abilities.h"

#include "mail/sasl.h"

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

/* LIMITS of RFC 9422: NAME=VALUE ...; what it says of other things is between it and us. */
static void
read_limits(struct str words, struct abilities *a)
{
	struct str word;

	while (str_pop(&words, ' ', &word))
		if (str_startscase(word, STR("RCPTMAX=")) &&
		    !str_to_u64(str_sub(word, 8, word.n), 999999, &a->rcpt_max))
			a->rcpt_max = 0;
}

/* One word that can go into our own offer: letters, digits and hyphens. */
static void
read_word(struct str word, char *out, size_t size)
{
	out[0] = '\0';
	for (size_t i = 0; i < word.n; i++)
		if (!ascii_isalnum(word.p[i]) && word.p[i] != '-')
			return;
	str_copy(word, out, size);
}

static void
add_mechanism(char *list, size_t size, struct str word)
{
	size_t n = strlen(list);

	if (!sasl_mechanism_ok(word) || !sasl_relayable(word) || sasl_lists(str_of(list), word) ||
	    n + 1 + word.n >= size)
		return;
	if (n > 0)
		list[n++] = ' ';
	str_copy(word, list + n, size - n);
}

static void
read_mechanisms(struct str words, struct abilities *a)
{
	struct str word;

	while (str_pop(&words, ' ', &word))
		add_mechanism(a->auth, sizeof(a->auth), word);
}

static void
read_extension(unsigned extension, struct str rest, struct abilities *a)
{
	uint64_t seconds;

	a->extensions |= extension;
	if (extension == EXTENSION_DELIVERBY && str_to_u64(rest, 999999999, &seconds))
		str_copy(rest, a->by_least, sizeof(a->by_least));
	else if (extension == EXTENSION_AUTH)
		read_mechanisms(rest, a);
	else if (extension == EXTENSION_MT_PRIORITY)
		read_word(rest, a->priorities, sizeof(a->priorities));
}

static void
read_line(struct str line, struct abilities *a)
{
	struct str rest = str_trim(line), word;
	unsigned extension;

	if (!str_pop(&rest, ' ', &word))
		return;
	rest = str_trim(rest);
	extension = extension_find(word);
	if (extension) {
		read_extension(extension, rest, a);
	} else if (str_eqcase(word, STR("SIZE"))) {
		a->size = true;
		if (!str_to_u64(rest, UINT64_MAX, &a->size_max))
			a->size_max = 0;
	} else if (str_eqcase(word, STR("PIPELINING"))) {
		a->pipelining = true;
	} else if (str_eqcase(word, STR("CHUNKING"))) {
		a->chunking = true;
	} else if (str_eqcase(word, STR("LIMITS"))) {
		read_limits(rest, a);
	} else if (str_eqcase(word, STR("STARTTLS"))) {
		a->starttls = true;
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
	/* RFC 6531 3.1: it includes that one. */
	if (!(a.extensions & EXTENSION_8BITMIME))
		a.extensions &= ~(unsigned)EXTENSION_SMTPUTF8;
	/* It can be sent in no other way. */
	if (!a.chunking)
		a.extensions &= ~(unsigned)EXTENSION_BINARYMIME;
	if (a.auth[0] == '\0')
		a.extensions &= ~(unsigned)EXTENSION_AUTH;
	return a;
}

static uint64_t
smaller(uint64_t ours, uint64_t theirs)
{
	return theirs > 0 && theirs < ours ? theirs : ours;
}

/* DELIVERBY's shortest time: the longer one suits both. */
static void
longer_time(const char *a, const char *b, char *out, size_t size)
{
	uint64_t x = 0, y = 0;

	(void)str_to_u64(str_of(a), UINT64_MAX, &x);
	(void)str_to_u64(str_of(b), UINT64_MAX, &y);
	str_copy(str_of(x > y ? a : b), out, size);
}

static void
common_mechanisms(struct abilities *c, const struct abilities *b)
{
	struct str all = str_of(b->auth), word;
	char list[sizeof(c->auth)] = "";

	while (str_pop(&all, ' ', &word))
		if (sasl_lists(str_of(c->auth), word))
			add_mechanism(list, sizeof(list), word);
	str_copy(str_of(list), c->auth, sizeof(c->auth));
	if (list[0] == '\0')
		c->extensions &= ~(unsigned)EXTENSION_AUTH;
}

struct abilities
abilities_common(const struct abilities *a, const struct abilities *b)
{
	struct abilities c = *a;

	c.known = a->known && b->known;
	c.esmtp = a->esmtp && b->esmtp;
	c.size = a->size || b->size;
	/* 0 is no limit; and a server that names none can still be told a size. */
	c.size_max = a->size_max ? smaller(a->size_max, b->size_max) : b->size_max;
	c.rcpt_max = a->rcpt_max ? smaller(a->rcpt_max, b->rcpt_max) : b->rcpt_max;
	c.pipelining = a->pipelining && b->pipelining;
	c.chunking = a->chunking && b->chunking;
	c.extensions = a->extensions & b->extensions;
	c.xclient = a->xclient & b->xclient;
	longer_time(a->by_least, b->by_least, c.by_least, sizeof(c.by_least));
	common_mechanisms(&c, b);
	if (strcmp(a->priorities, b->priorities) != 0)
		c.extensions &= ~(unsigned)EXTENSION_MT_PRIORITY;
	return c;
}

static void
write_extension(const struct abilities *mta, unsigned one, struct buf *out)
{
	const char *argument = "";

	if (one == EXTENSION_DELIVERBY)
		argument = mta->by_least;
	else if (one == EXTENSION_AUTH)
		argument = mta->auth;
	else if (one == EXTENSION_MT_PRIORITY)
		argument = mta->priorities;
	buf_printf(out, "250-%s%s%s\r\n", extension_keyword(one), *argument ? " " : "", argument);
}

void
abilities_write(const struct abilities *mta, const struct offer *offer, struct buf *out)
{
	buf_printf(out, "250-%s\r\n250-PIPELINING\r\n250-SIZE %llu\r\n", offer->hostname,
	    (unsigned long long)smaller(offer->size_max, mta->size ? mta->size_max : 0));
	for (unsigned one = 1; one <= mta->extensions; one <<= 1)
		if (mta->extensions & one)
			write_extension(mta, one, out);
	for (size_t i = 0; offer->ours && offer->ours[i]; i++)
		buf_printf(out, "250-%s\r\n", offer->ours[i]);
	buf_printf(out, "250-LIMITS RCPTMAX=%llu\r\n250 ENHANCEDSTATUSCODES\r\n",
	    (unsigned long long)smaller(offer->rcpt_max, mta->rcpt_max));
}

void
abilities_text(const struct abilities *a, struct buf *out)
{
	const struct {
		bool has;
		const char *word;
	} words[] = {
		{ a->pipelining, "PIPELINING" },
		{ a->chunking, "CHUNKING" },
		{ a->starttls, "STARTTLS" },
		{ a->xclient != 0, "XCLIENT" },
	};

	if (!a->known)
		return;
	buf_add(out, a->esmtp ? STR("ESMTP") : STR("SMTP"));
	if (a->size)
		buf_printf(
		    out, a->size_max ? " SIZE %llu" : " SIZE", (unsigned long long)a->size_max);
	for (unsigned one = 1; one <= a->extensions; one <<= 1)
		if (a->extensions & one)
			buf_printf(out, " %s", extension_keyword(one));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].has)
			buf_printf(out, " %s", words[i].word);
	if (a->rcpt_max)
		buf_printf(out, " RCPTMAX=%llu", (unsigned long long)a->rcpt_max);
}
