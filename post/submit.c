#include "post/submit.h"

#include <stdio.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/addr.h"
#include "base/die.h"
#include "base/escape.h"
#include "mail/eod.h"
#include "mail/reply.h"

#define WIRE_OCTETS_MAX (4 * 1024 * 1024)
#define LOGIN_MAX 500
#define LINES_MAX 100 /* of a reply */
#define ID_OCTETS 12

struct submitting {
	const struct submission *server;
	struct wire *wire;
	struct reply reply;
	bool starttls, plain; /* offered */
	bool envelope;        /* what is refused from here on is this mail */
	bool *forever;
	struct err *e;
};

/* ---- replies ---- */

static bool
read_reply(struct submitting *s)
{
	struct str line;

	reply_clear(&s->reply);
	while (!s->reply.complete)
		if (s->reply.lines == LINES_MAX || !wire_line(s->wire, &line, s->e) ||
		    !reply_take(&s->reply, line, s->e))
			return false;
	return true;
}

static bool
refused(struct submitting *s, const char *what)
{
	*s->forever = s->envelope && s->reply.code >= 500;
	return err_set(s->e, ERR_SYSTEM, "%s%s %d %s", what, strchr(what, ':') ? "" : ":",
	    s->reply.code, ESC(reply_line(&s->reply, 0)));
}

/* Says a line and wants a reply of that class; what: the command, without what it carries. */
static bool
say(struct submitting *s, const char *what, struct str line, int class)
{
	if ((line.n > 0 &&
		(!wire_write(s->wire, line, s->e) || !wire_write(s->wire, STR("\r\n"), s->e))) ||
	    !read_reply(s))
		return false;
	return s->reply.code / 100 == class || refused(s, what);
}

static bool
say_with(struct submitting *s, const char *what, struct str text)
{
	struct buf line;
	bool ok;

	buf_init(&line, 1024);
	buf_printf(&line, strchr(what, ':') ? "%s<%.*s>" : "%s %.*s", what, STR_ARG(text));
	ok = line.over || str_find(text, '\n') != STR_NPOS || str_find(text, '\r') != STR_NPOS
	    ? err_set(s->e, ERR_LIMIT, "%s cannot be said in a line", what)
	    : say(s, what, buf_str(&line), 2);
	buf_free(&line);
	return ok;
}

/* ---- the session ---- */

static bool
has_word(struct str line, struct str wanted)
{
	struct str word;

	while (str_pop(&line, ' ', &word))
		if (str_eqcase(word, wanted))
			return true;
	return false;
}

static bool
hello(struct submitting *s)
{
	s->starttls = s->plain = false;
	if (!say_with(s, "EHLO", str_of(s->server->helo)))
		return false;
	for (size_t i = 1; i < s->reply.lines; i++) {
		struct str line = reply_line(&s->reply, i);

		s->starttls = s->starttls || str_eqcase(str_trim(line), STR("STARTTLS"));
		if (str_startscase(line, STR("AUTH ")) || str_startscase(line, STR("AUTH=")))
			s->plain = s->plain || has_word(str_sub(line, 5, line.n), STR("PLAIN"));
	}
	return true;
}

static bool
secure(struct submitting *s)
{
	const struct submission *server = s->server;

	if (server->tls == SUBMISSION_CLEAR ||
	    (server->tls == SUBMISSION_IF_OFFERED && !s->starttls))
		return true;
	if (!s->starttls)
		return err_set(s->e, ERR_SYSTEM, "it does not offer STARTTLS");
	return say(s, "STARTTLS", STR("STARTTLS"), 2) &&
	    wire_secure(s->wire, server->client, server->name ? server->name : server->host,
		server->tls == SUBMISSION_VERIFY, s->e) &&
	    hello(s);
}

static bool
may_say_password(const struct submitting *s)
{
	struct ip ip;
	struct cidr near;

	if (wire_secured(s->wire))
		return true;
	if (!ip_parse(str_of(s->server->host), &ip))
		return false;
	return (cidr_parse(STR("127.0.0.0/8"), &near, NULL) && cidr_has(&near, &ip)) ||
	    (cidr_parse(STR("::1/128"), &near, NULL) && cidr_has(&near, &ip));
}

/* RFC 4616: NUL, the name, NUL, the password. */
static bool
login(struct submitting *s)
{
	const struct submission *server = s->server;
	unsigned char coded[LOGIN_MAX / 3 * 4 + 8];
	struct buf plain, line;
	bool ok;

	if (server->user == NULL)
		return true;
	if (!may_say_password(s))
		return err_set(
		    s->e, ERR_SYSTEM, "the password is not said in the clear: use `starttls`");
	if (!s->plain)
		return err_set(s->e, ERR_SYSTEM, "it does not offer AUTH PLAIN");
	buf_init(&plain, LOGIN_MAX);
	buf_init(&line, sizeof(coded) + 20);
	buf_addc(&plain, '\0');
	buf_add(&plain, str_of(server->user));
	buf_addc(&plain, '\0');
	buf_add(&plain, server->password);
	ok = !plain.over;
	if (ok) {
		EVP_EncodeBlock(coded, (const unsigned char *)plain.p, (int)plain.n);
		buf_printf(&line, "AUTH PLAIN %s", (char *)coded);
		ok = say(s, "AUTH", buf_str(&line), 2);
	} else {
		err_set(s->e, ERR_LIMIT, "name and password are too long");
	}
	OPENSSL_cleanse(coded, sizeof(coded));
	buf_wipe(&plain);
	buf_wipe(&line);
	buf_free(&plain);
	buf_free(&line);
	return ok;
}

static void
put(void *owner, struct str run)
{
	buf_add(owner, run);
}

static bool
data(struct submitting *s, struct str octets)
{
	struct eod_writer writer;
	struct buf out;
	bool ok;

	buf_init(&out, WIRE_OCTETS_MAX);
	eod_writer_init(&writer);
	eod_write(&writer, octets, put, &out);
	eod_write_end(&writer, put, &out);
	ok = out.over ? err_set(s->e, ERR_LIMIT, "the mail is too large")
		      : wire_write(s->wire, buf_str(&out), s->e);
	buf_free(&out);
	return ok && say(s, "end of data", STR(""), 2);
}

static bool
run(struct submitting *s, const struct submit_mail *mail)
{
	if (!say(s, "greeting", STR(""), 2) || !hello(s) || !secure(s) || !login(s))
		return false;
	s->envelope = true;
	return say_with(s, "MAIL FROM:", mail->from) && say_with(s, "RCPT TO:", mail->to) &&
	    say(s, "DATA", STR("DATA"), 3) && data(s, mail->octets);
}

bool
submit(const struct submission *server, const struct submit_mail *mail,
    const struct wire_limit *limit, bool *forever, struct err *e)
{
	struct submitting s = { .server = server, .forever = forever, .e = e };
	bool ok;

	*forever = false;
	s.wire = wire_open(server->host, server->port, limit, e);
	if (s.wire == NULL)
		return false;
	reply_init(&s.reply);
	ok = run(&s, mail);
	/* What it says to that changes nothing. */
	if (ok)
		(void)wire_write(s.wire, STR("QUIT\r\n"), NULL);
	reply_free(&s.reply);
	wire_close(&s.wire);
	return ok;
}

static void
make_id(char out[2 * ID_OCTETS + 1])
{
	unsigned char raw[ID_OCTETS];

	if (getrandom(raw, sizeof(raw), 0) != (ssize_t)sizeof(raw))
		die("getrandom gave no random octets");
	for (size_t i = 0; i < ID_OCTETS; i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
}

bool
submit_letter(const struct submission *server, const struct letter *letter,
    const struct wire_limit *limit, bool *forever, struct err *e)
{
	struct letter whole = *letter;
	struct submit_mail mail = { .to = letter->to };
	char id[2 * ID_OCTETS + 1];
	struct buf octets;
	bool ok;

	make_id(id);
	whole.id = str_of(id);
	buf_init(&octets, 4 * LETTER_MAX);
	*forever = !letter_write(&whole, &octets);
	mail.octets = buf_str(&octets);
	ok = *forever ? err_set(e, ERR_LIMIT, "the letter is too long")
		      : submit(server, &mail, limit, forever, e);
	buf_free(&octets);
	return ok;
}
