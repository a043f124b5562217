#include "mail/exception.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mail/pseudonym.h"

#define NOW 1700000000
#define DIGEST "0123456789abcdef"

/* --- what a rule asks ----------------------------------------------------------------------------- */

static void
test_digests(void **state)
{
	char a[EXCEPTION_RULE], b[EXCEPTION_RULE];

	/* It lies in stores: it must never become another one. */
	assert_string_equal(exception_digest(STR("if spf is fail"), a), "84a73d748335a99b");
	assert_string_equal(exception_digest(STR(" if  spf\tis\n fail "), b), a);
	assert_string_not_equal(exception_digest(STR("if spf is softfail"), b), a);
	assert_string_not_equal(exception_digest(STR("if spf isfail"), b), a);
	assert_string_not_equal(exception_digest(STR(""), b), a);
	assert_int_equal(strlen(b), EXCEPTION_RULE - 1);
}

/* --- keys ---------------------------------------------------------------------------------------- */

static const struct {
	const char *key;
	const char *again; /* as it is written; NULL: the same, "": it is none */
} key_rows[] = {
	{ "allow " DIGEST "@postern.conf:12 dkim:example.org * bob@example.com", NULL },
	{ "allow " DIGEST "@a:1 dkim:Example.ORG example.org a@b c@d",
	    "allow " DIGEST "@a:1 dkim:example.org example.org a@b c@d" },
	{ "allow * spf:example.org <> *", NULL },
	{ "block * client:192.0.2.0/24 * *", NULL },
	{ "block * client:192.0.2.7 * *", NULL },
	{ "block * client:2001:db8::/32 a@b *", NULL },
	{ "allow * client:192.0.2.7/24 * *", "" },
	{ "allow * client:example.org * *", "" },
	{ "allow * helo:example.org * *", "" },
	{ "allow * dkim: * *", "" },
	{ "allow 0123@a:1 dkim:a.b * *", "" },
	{ "grant * dkim:a.b * *", "" },
	{ "allow * dkim:a.b *", "" },
	{ "allow * dkim:a.b * ", "" },
	{ "allow * dkim:a.b * a@b  c@d", "" },
	{ "allow", "" },
	{ "", "" },
};

static void
test_keys(void **state)
{
	struct arena *arena = arena_new(1 << 20);

	for (size_t i = 0; i < sizeof(key_rows) / sizeof(key_rows[0]); i++) {
		const char *want = key_rows[i].again ? key_rows[i].again : key_rows[i].key;
		struct exception x;
		struct err e;
		bool ok = exception_read(arena, str_of(key_rows[i].key), &x, &e);

		print_message("%s\n", key_rows[i].key);
		assert_int_equal(ok, want[0] != '\0');
		if (ok)
			assert_string_equal(exception_key(arena, &x).p, want);
	}
	arena_free(&arena);
}

static void
test_what_no_key_holds(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct str name[EXCEPTION_RECIPIENTS + 1];
	struct exception x = { .domain = STR("a.b"), .sender = STR("\"a b\"@c") };

	assert_int_equal(exception_key(arena, &x).n, 0);
	x.sender = STR("");
	x.rule = STR(DIGEST);
	x.place = STR("my rules:7");
	assert_string_equal(exception_key(arena, &x).p, "allow " DIGEST "@my_rules:7 dkim:a.b * *");
	for (size_t i = 0; i <= EXCEPTION_RECIPIENTS; i++)
		name[i] = STR("x");
	x.recipient = name;
	x.n_recipients = EXCEPTION_RECIPIENTS;
	assert_true(exception_key(arena, &x).n > 0);
	x.n_recipients++;
	assert_int_equal(exception_key(arena, &x).n, 0);
	arena_free(&arena);
}

/* --- who is meant -------------------------------------------------------------------------------- */

/* "-": not known yet. */
static const struct {
	const char *key;
	int64_t expires; /* after NOW */
	const char *rule, *client, *sender, *recipient;
	enum exception_fits fits;
} fit_rows[] = {
	{ "allow " DIGEST "@a:1 spf:a.b * *", 0, DIGEST, "192.0.2.7", "-", "-", EXCEPTION_FITS },
	{ "allow " DIGEST "@a:1 spf:a.b * *", 0, "fedcba9876543210", "192.0.2.7", "-", "-",
	    EXCEPTION_NO },
	{ "allow * spf:a.b * *", 0, "fedcba9876543210", "192.0.2.7", "-", "-", EXCEPTION_FITS },
	{ "allow * spf:a.b * *", 1, DIGEST, "192.0.2.7", "-", "-", EXCEPTION_FITS },
	{ "allow * spf:a.b * *", -1, DIGEST, "192.0.2.7", "-", "-", EXCEPTION_NO },
	{ "allow * client:192.0.2.0/24 * *", 0, DIGEST, "192.0.2.7", "-", "-", EXCEPTION_FITS },
	{ "allow * client:192.0.2.0/24 * *", 0, DIGEST, "192.0.3.7", "-", "-", EXCEPTION_NO },
	{ "allow * client:192.0.2.0/24 * *", 0, DIGEST, NULL, "-", "-", EXCEPTION_NO },
	{ "allow * client:192.0.2.7 a.b *", 0, DIGEST, "192.0.2.7", "-", "-", EXCEPTION_LATER },
	{ "allow * client:192.0.2.7 a.b *", 0, DIGEST, "192.0.2.7", "x@A.b", "-", EXCEPTION_FITS },
	{ "allow * client:192.0.2.7 a.b *", 0, DIGEST, "192.0.2.7", "x@c.a.b", "-", EXCEPTION_NO },
	{ "allow * client:192.0.2.7 a.b *", 0, DIGEST, "192.0.2.7", "", "-", EXCEPTION_NO },
	{ "allow * client:192.0.2.7 <> *", 0, DIGEST, "192.0.2.7", "", "-", EXCEPTION_FITS },
	{ "allow * client:192.0.2.7 x@a.b *", 0, DIGEST, "192.0.2.7", "X@a.b", "-",
	    EXCEPTION_FITS },
	{ "allow * client:192.0.2.7 x@a.b *", 0, DIGEST, "192.0.2.7", "y@a.b", "-", EXCEPTION_NO },
	{ "allow * spf:a.b * u@v w@v", 0, DIGEST, "192.0.2.7", "x@a.b", "-", EXCEPTION_LATER },
	{ "allow * spf:a.b * u@v w@v", 0, DIGEST, "192.0.2.7", "x@a.b", "w@v", EXCEPTION_FITS },
	{ "allow * spf:a.b * u@v w@v", 0, DIGEST, "192.0.2.7", "x@a.b", "t@v", EXCEPTION_NO },
	{ "allow * spf:a.b * v", 0, DIGEST, "192.0.2.7", "x@a.b", "t@v", EXCEPTION_FITS },
	{ "allow * spf:a.b * postmaster", 0, DIGEST, "192.0.2.7", "x@a.b", "Postmaster",
	    EXCEPTION_FITS },
	/* What is known not to fit is not waited for. */
	{ "allow * spf:a.b c.d u@v", 0, DIGEST, "192.0.2.7", "x@a.b", "-", EXCEPTION_NO },
	{ "block * client:192.0.2.7 * *", 0, DIGEST, "192.0.2.7", "-", "-", EXCEPTION_NO },
};

static void
test_fits(void **state)
{
	struct arena *arena = arena_new(1 << 20);

	for (size_t i = 0; i < sizeof(fit_rows) / sizeof(fit_rows[0]); i++) {
		struct exceptions *all = exceptions_new(arena_new(1 << 20), 1);
		struct exception_view view = { .kind = EXCEPTION_ALLOW,
			.rule = str_of(fit_rows[i].rule),
			.now = NOW,
			.sender_known = strcmp(fit_rows[i].sender, "-") != 0,
			.sender = str_of(fit_rows[i].sender),
			.recipient_known = strcmp(fit_rows[i].recipient, "-") != 0,
			.recipient = str_of(fit_rows[i].recipient) };
		struct ip ip;

		if (fit_rows[i].client) {
			assert_true(ip_parse(str_of(fit_rows[i].client), &ip));
			view.client = &ip;
		}
		print_message("%zu: %s\n", i, fit_rows[i].key);
		exceptions_add(all, 1, str_of(fit_rows[i].key),
		    fit_rows[i].expires ? NOW + fit_rows[i].expires : 0);
		assert_int_equal(all->n, 1);
		assert_int_equal(exception_fits(&all->item[0], &view), fit_rows[i].fits);
		exceptions_free(&all);
		assert_null(all);
	}
	arena_free(&arena);
}

static void
test_all(void **state)
{
	struct exceptions *all = exceptions_new(arena_new(1 << 20), 4);

	exceptions_add(all, 7, STR("allow * spf:a.b * *"), 0);
	exceptions_add(all, 8, STR("of the future"), 0);
	exceptions_add(all, 9, STR("block * spf:a.b * *"), 0);
	exceptions_add(all, 12, STR("block * dkim:a.b * *"), 0);
	assert_int_equal(all->n, 3);
	assert_int_equal(all->n_allow, 1);
	assert_int_equal(all->n_block, 2);
	assert_int_equal(all->unreadable, 1);
	assert_int_equal(all->item[2].number, 12);
	exceptions_free(&all);
	exceptions_free(&all);
}

/* By what stands for an address in the journal. */
static void
test_pseudonyms(void **state)
{
	struct arena *arena = arena_new(1 << 20);
	struct pseudonym *p = pseudonym_new(arena, STR("0123456789abcdef0123456789abcdef"));
	struct exceptions *all = exceptions_new(arena_new(1 << 20), 2);
	struct exception_view view = { .kind = EXCEPTION_BLOCK,
		.client = &(struct ip){ .version = 4, .b = { 192, 0, 2, 7 } },
		.recipient_known = true,
		.recipient = STR("u@v.example") };
	struct str key = arena_printf(
	    arena, "block * client:192.0.2.7 * %s", pseudonym_of(p, arena, STR("U@v.example")).p);

	exceptions_add(all, 1, STR("block * client:192.0.2.7 * u@v.example"), 0);
	assert_int_equal(all->n_hashed, 0);
	exceptions_add(all, 2, key, 0)->hashed = str_of(pseudonym_key(p));
	assert_int_equal(all->n_hashed, 1);
	assert_int_equal(exceptions_idle(all, str_of(pseudonym_key(p))), 0);
	assert_int_equal(exceptions_idle(all, STR("00000000")), 1);
	assert_int_equal(exceptions_idle(all, STR("")), 1);
	assert_int_equal(exception_fits(&all->item[1], &view), EXCEPTION_NO);
	view.hashed = pseudonym_of(p, arena, view.recipient);
	assert_int_equal(exception_fits(&all->item[1], &view), EXCEPTION_FITS);
	assert_int_equal(exception_fits(&all->item[0], &view), EXCEPTION_FITS);
	view.hashed = pseudonym_of(p, arena, STR("w@v.example"));
	assert_int_equal(exception_fits(&all->item[1], &view), EXCEPTION_NO);
	exceptions_free(&all);
	arena_free(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_what_no_key_holds),
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_pseudonyms),
		cmocka_unit_test(test_all),
	};

	return cmocka_run_group_tests_name("exception", tests, NULL, NULL);
}
