/*
 * Paths of MAIL and RCPT, and domain names. What is taken is what another server would take: written
 * in brackets again it is read as the same.
 */
#include "base/buf.h"
#include "base/die.h"
#include "mail/mailbox.h"
#include "mail/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_parts(const struct mailbox *m)
{
	require(m->null == (m->address.n == 0) && m->address.n <= MAILBOX_PATH_MAX);
	for (size_t i = 0; i < m->address.n; i++)
		require((uint8_t)m->address.p[i] >= 0x20 && m->address.p[i] != 0x7f);
	require(m->utf8 == utf8_beyond_ascii(m->address) && utf8_ok(m->address));
	require(m->domain.n <= MAILBOX_DOMAIN_MAX);
	if (m->null)
		return;
	require(m->local.n > 0 && str_starts(m->address, m->local));
	if (m->domain.n > 0)
		require(m->address.n == m->local.n + 1 + m->domain.n &&
		    m->address.p[m->local.n] == '@' && str_ends(m->address, m->domain));
	else
		require(str_eqcase(m->address, STR("postmaster")));
}

static void
check_again(const struct mailbox *m)
{
	struct mailbox again;
	struct str rest;
	struct buf path;

	buf_init(&path, MAILBOX_PATH_MAX + 8);
	buf_printf(&path, "<%.*s> SIZE=1", STR_ARG(m->address));
	rest = buf_str(&path);
	require(mailbox_take(&rest, true, true, &again, NULL));
	require(str_eq(rest, STR(" SIZE=1")) && str_eq(again.address, m->address) &&
	    str_eq(again.local, m->local) && str_eq(again.domain, m->domain));
	buf_free(&path);
}

static void
check_key(const struct mailbox *m)
{
	struct arena *arena = arena_new(1 << 16);
	struct str key = mailbox_key(arena, m);

	require(str_eqcase(key, m->address) && str_starts(key, m->local));
	arena_free(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str all = { (const char *)data, size }, rest = all;
	struct mailbox m;
	struct err e = { 0 };

	if (mailbox_take(&rest, true, true, &m, &e)) {
		require(rest.n < all.n && str_ends(all, rest));
		check_parts(&m);
		check_again(&m);
		check_key(&m);
	} else {
		require(e.text[0] != '\0');
	}
	rest = all;
	if (mailbox_take(&rest, false, false, &m, &e))
		require(!m.null && m.domain.n > 0);
	if (mail_domain_ok(all))
		for (size_t i = 0; i < all.n; i++)
			require((uint8_t)all.p[i] > 0x20 && (uint8_t)all.p[i] < 0x7f);
	return 0;
}
