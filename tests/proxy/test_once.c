#include "proxy/once.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct sent {
	const char *octets, *sender;
	const char *rcpt[4]; /* "-x": was refused */
};

static struct session session;

static void
key_of(const struct sent *m, size_t step, unsigned char key[DELIVERED_KEY])
{
	struct mailbox mailbox = { .address = str_of(m->sender), .null = m->sender[0] == '\0' };
	struct once *once = once_new();
	struct str octets = str_of(m->octets);

	session_init(&session, FRONT_PROXY, NULL, 0);
	session_mail(&session, &mailbox);
	for (size_t i = 0; i < 4 && m->rcpt[i]; i++) {
		bool refused = m->rcpt[i][0] == '-';

		mailbox = (struct mailbox){ .address = str_of(m->rcpt[i] + refused) };
		mailbox.local = mailbox.address;
		session_rcpt(&session, &mailbox)->state =
		    refused ? RECIPIENT_REFUSED : RECIPIENT_ACCEPTED;
		session.txn.n_accepted += !refused;
	}
	for (size_t i = 0; i < octets.n; i += step)
		once_add(once, str_sub(octets, i, i + step));
	once_finish(once, &session.txn, key);
	once_free(&once);
	assert_null(once);
	session_free(&session);
}

static bool
same(const struct sent *a, const struct sent *b)
{
	unsigned char x[DELIVERED_KEY], y[DELIVERED_KEY];

	key_of(a, 1, x);
	key_of(b, 3, y);
	return memcmp(x, y, sizeof(x)) == 0;
}

static const struct sent first = { "A: b\r\n\r\nx\r\n", "a@b", { "c@d", "e@f" } };

static const struct {
	const char *what;
	bool same;
	struct sent m;
} cases[] = {
	{ "itself", true, { "A: b\r\n\r\nx\r\n", "a@b", { "c@d", "e@f" } } },
	{ "recipients turned round", true, { "A: b\r\n\r\nx\r\n", "a@b", { "e@f", "c@d" } } },
	{ "one refused more", true, { "A: b\r\n\r\nx\r\n", "a@b", { "e@f", "-g@h", "c@d" } } },
	{ "one refused instead", false, { "A: b\r\n\r\nx\r\n", "a@b", { "e@f", "-c@d" } } },
	{ "one more", false, { "A: b\r\n\r\nx\r\n", "a@b", { "c@d", "e@f", "g@h" } } },
	{ "one twice", false, { "A: b\r\n\r\nx\r\n", "a@b", { "c@d", "e@f", "e@f" } } },
	{ "a border moved", false, { "A: b\r\n\r\nx\r\n", "a@b", { "c@de", "@f" } } },
	{ "another sender", false, { "A: b\r\n\r\nx\r\n", "a@c", { "c@d", "e@f" } } },
	{ "no sender", false, { "A: b\r\n\r\nx\r\n", "", { "c@d", "e@f" } } },
	{ "another octet", false, { "A: b\r\n\r\ny\r\n", "a@b", { "c@d", "e@f" } } },
	{ "more octets", false, { "A: b\r\n\r\nx\r\n\r\n", "a@b", { "c@d", "e@f" } } },
	{ "nothing at all", false, { "", "", { NULL } } },
};

static void
test_cases(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].what);
		assert_int_equal(same(&first, &cases[i].m), cases[i].same);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_cases) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
