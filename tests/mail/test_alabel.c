/* Domains as they stand in the DNS; the samples are of RFC 3492 7.1 and of names that are in use. */
#include "mail/alabel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define TEN "abcdefghij"
#define SIXTY TEN TEN TEN TEN TEN TEN

static const struct {
	const char *domain, *ascii; /* NULL: it is none */
} cases[] = {
	{ "example.org", "example.org" },
	{ "EXAMPLE.Org.", "example.org" },
	{ "", "" },
	{ "a..b", "a..b" },
	{ "b\xc3\xbc"
	  "cher.example",
	    "xn--bcher-kva.example" },
	{ "M\xc3\xbcnchen.DE", "xn--mnchen-3ya.de" },
	{ "a.\xc3\xbc.b", "a.xn--tda.b" },
	{ "fa\xc3\x9f.de", "xn--fa-hia.de" },
	/* (A) Arabic, (B) Chinese simplified, (L) digits and kanji of RFC 3492 7.1 */
	{ "\xd9\x84\xd9\x8a\xd9\x87\xd9\x85\xd8\xa7\xd8\xa8\xd8\xaa\xd9\x83\xd9\x84\xd9\x85\xd9\x88\xd8\xb4\xd8\xb9\xd8\xb1\xd8\xa8\xd9\x8a\xd8\x9f",
	    "xn--egbpdaj6bu4bxfgehfvwxn" },
	{ "\xe4\xbb\x96\xe4\xbb\xac\xe4\xb8\xba\xe4\xbb\x80\xe4\xb9\x88\xe4\xb8\x8d\xe8\xaf\xb4\xe4\xb8\xad\xe6\x96\x87",
	    "xn--ihqwcrb4cv8a8dqg056pqjye" },
	{ "3\xe5\xb9\xb4"
	  "B\xe7\xb5\x84\xe9\x87\x91\xe5\x85\xab\xe5\x85\x88\xe7\x94\x9f",
	    "xn--3b-ww4c5e180e575a65lsy2b" },
	{ "\xf0\x9f\x92\xa9.la", "xn--ls8h.la" },
	/* neither UTF-8 nor short enough */
	{ "b\xfc"
	  "cher.example",
	    NULL },
	{ "\xc3", NULL },
	{ SIXTY "\xc3\xbc", NULL },
	{ SIXTY SIXTY "\xc3\xbc", NULL },
	{ SIXTY "." SIXTY "." SIXTY "." SIXTY "." TEN,
	    SIXTY "." SIXTY "." SIXTY "." SIXTY "." TEN },
	{ SIXTY "." SIXTY "." SIXTY "." SIXTY "." TEN TEN, NULL },
};

static void
test_domains(void **state)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		char out[ALABEL_DOMAIN_MAX];
		bool ok = alabel_domain(str_of(cases[i].domain), out);

		if (ok != (cases[i].ascii != NULL) ||
		    strcmp(out, cases[i].ascii ? cases[i].ascii : "") != 0)
			fail_msg("%s: %d \"%s\"", cases[i].domain, ok, out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_domains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
