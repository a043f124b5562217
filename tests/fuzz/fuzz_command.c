/* A command line, its path and parameters, and xtext. */
#include "mail/extension.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What may go on to another server. */
static void
check_path(const struct command *c)
{
	for (size_t i = 0; i < c->path.address.n; i++) {
		unsigned char octet = c->path.address.p[i];

		if (octet < ' ' || octet == 0x7f)
			abort();
		if (octet > 0x7f && !c->path.utf8)
			abort();
	}
	if (c->path.address.n > MAILBOX_PATH_MAX || c->n_parameters > COMMAND_PARAMETERS)
		abort();
	if (c->path.null != (c->path.address.n == 0))
		abort();
}

/* What is valid goes on as it stands. */
static void
check_parameters(const struct command *c)
{
	for (size_t i = 0; i < c->n_parameters; i++) {
		const struct parameter *p = &c->parameter[i];
		struct err e = { 0 };
		unsigned needs;

		if (extension_parameter(c->verb, p, &needs, &e) == PARAMETER_INVALID &&
		    e.text[0] == '\0')
			abort();
		for (size_t j = 0; j < p->value.n; j++)
			if ((unsigned char)p->value.p[j] <= ' ' || p->value.p[j] == 0x7f)
				abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str line = { (const char *)data, size }, decoded;
	struct arena *arena = arena_new(1 << 20);
	struct command c;
	struct err e = { 0 };

	command_parse(line, &c);
	if (c.name.n + c.rest.n > line.n)
		abort();
	if (c.verb == VERB_MAIL || c.verb == VERB_RCPT) {
		if (command_path(&c, &e)) {
			check_path(&c);
			mailbox_key(arena, &c.path);
			check_parameters(&c);
		} else if (e.text[0] == '\0') {
			abort();
		}
	}
	mail_domain_ok(line);
	xtext_decode(arena, line, &decoded);
	if (!xtext_decode(arena, xtext_encode(arena, line), &decoded) || !str_eq(line, decoded))
		abort();
	arena_free(&arena);
	return 0;
}
