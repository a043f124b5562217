/*
 * The lines of an MTA's answer to EHLO. Whatever it holds, what we offer in turn are whole lines of
 * a 250 reply that say no more than we carry.
 */
#include "base/die.h"
#include "proxy/abilities.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_offer(const struct abilities *a)
{
	struct buf out;
	struct reply offer;
	struct str rest, line;

	buf_init(&out, 4096);
	reply_init(&offer);
	abilities_write(a, &(struct offer){ "mx.example.org", 1000, 100, NULL }, &out);
	require(!out.over);
	rest = buf_str(&out);
	while (!offer.complete) {
		require(str_pop(&rest, '\n', &line) && str_ends(line, STR("\r")));
		require(reply_take(&offer, str_sub(line, 0, line.n - 1), NULL));
	}
	require(rest.n == 0 && offer.code == 250 && offer.lines <= 20);
	reply_free(&offer);
	buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str rest = { (const char *)data, size }, line;
	struct reply reply;
	struct abilities a;

	reply_init(&reply);
	while (!reply.complete && str_pop(&rest, '\n', &line))
		if (!reply_take(&reply, line, NULL))
			break;
	if (reply.complete) {
		a = abilities_read(&reply);
		check_offer(&a);
	}
	reply_free(&reply);
	return 0;
}
