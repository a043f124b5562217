#include "proxy/smtp_server.h"

#define RENEWED (64 * 1024) /* for so many octets the client gets the time of a command anew */

void
bdat_broken(struct client *c)
{
	client_reply(c, SAID_BDAT_SYNTAX);
	client_close(c, "bdat");
}

/* "120", "120 LAST" */
static bool
read_arguments(struct str rest, uint64_t *n, bool *last)
{
	struct str number;

	str_pop(&rest, ' ', &number);
	rest = str_trim(rest);
	*last = rest.n > 0;
	if (*last && !str_eqcase(rest, STR("LAST")))
		return false;
	/* More could not be added up. */
	return str_to_u64(number, UINT64_MAX / 4, n);
}

static void
swallowed(struct client *c)
{
	struct unwanted *u = &c->unwanted;
	enum said said = u->said;

	u->open = false;
	c->timed = false;
	if (u->ends)
		client_reset(c);
	u->ends = false;
	if (u->excused)
		client_reply(c, said);
	else
		client_error(c, said);
}

/* Whatever the state, exactly n octets are no commands. */
static void
refuse_chunk(struct client *c, uint64_t n, enum said said)
{
	struct unwanted *u = &c->unwanted;

	if (n > 2 * (uint64_t)c->core->message_size - u->total) {
		client_reply(c, SAID_BDAT_TOO_MUCH);
		client_close(c, "bdat");
		return;
	}
	u->total += n;
	u->left = n;
	u->open = true;
	u->said = said;
	if (n == 0)
		swallowed(c);
}

bool
bdat_swallow(struct client *c)
{
	struct unwanted *u = &c->unwanted;
	uint64_t before = u->left;
	struct str in = io_peek(c->io);

	if (in.n == 0)
		return false;
	if (in.n > u->left)
		in.n = (size_t)u->left;
	io_drop(c->io, in.n);
	u->left -= in.n;
	if (before / RENEWED != u->left / RENEWED)
		c->timed = false;
	if (u->left == 0)
		swallowed(c);
	return true;
}

/* The first chunk of a message for which there is no room. What follows it is no error either. */
static void
refuse_first(struct client *c, uint64_t n)
{
	enum said said = limit_no_room(c);

	client_reset(c);
	c->unwanted.excused = true;
	refuse_chunk(c, n, said);
}

void
bdat_command(struct client *c, struct command *command)
{
	uint64_t n;
	bool last;

	if (!read_arguments(command->rest, &n, &last)) {
		bdat_broken(c);
		return;
	}
	switch (c->state) {
	case CLIENT_RCPT:
	case CLIENT_CHUNKS:
		if (c->s->esmtp && c->data == NULL && !limit_room(c))
			refuse_first(c, n);
		else if (c->s->esmtp)
			data_chunk(c, n, last);
		else
			refuse_chunk(c, n, SAID_CHUNKING_HELO);
		return;
	case CLIENT_MAIL:
		/* Who did not wait to hear so goes on with the next MAIL. */
		c->unwanted.ends = last;
		refuse_chunk(c, n, SAID_NO_RECIPIENT);
		return;
	case CLIENT_REFUSED:
		refuse_chunk(c, n, SAID_REFUSED_BEFORE);
		return;
	default:
		refuse_chunk(c, n, SAID_DATA_ORDER);
		return;
	}
}
