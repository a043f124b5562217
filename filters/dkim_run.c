#include "filters/dkim_run.h"

#include <opendkim/dkim.h>
#include <openssl/err.h>

#include "filters/dkim_length.h"

struct dkim_run {
	DKIM *dkim; /* NULL once freed */
	struct dkim_sig *sig;
	struct str record; /* of the key */
	DKIM_SIGINFO *info;
	bool cr;   /* the last octet that came is a CR, not fed yet */
	bool bare; /* there is a CR or LF alone */
	bool open; /* the last line has no end yet */
	struct dkim_length length;
};

static DKIM_CBSTAT
find_key(DKIM *dkim, DKIM_SIGINFO *info, unsigned char *buf, size_t size)
{
	const struct dkim_run *run = dkim_get_user_context(dkim);

	return str_copy(run->record, (char *)buf, size) ? DKIM_CBSTAT_CONTINUE : DKIM_CBSTAT_ERROR;
}

/* The signature to verify is the first field of all; others are there to be hashed only. */
static DKIM_CBSTAT
ignore_others(DKIM *dkim, DKIM_SIGINFO **infos, int n)
{
	for (int i = 1; i < n; i++)
		dkim_sig_ignore(infos[i]);
	return DKIM_CBSTAT_CONTINUE;
}

struct dkim_lib *
dkim_run_library(struct err *e)
{
	DKIM_LIB *library = dkim_init(NULL, NULL);
	unsigned flags = DKIM_LIBFLAGS_BADSIGHANDLES;
	uint64_t drift = DKIM_LIBRARY_DRIFT;

	if (!library) {
		err_set(e, ERR_LIBRARY, "libopendkim could not be started");
		return NULL;
	}
	if (dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags, sizeof(flags)) != 0 ||
	    dkim_options(library, DKIM_OP_SETOPT, DKIM_OPTS_CLOCKDRIFT, &drift, sizeof(drift)) !=
		0 ||
	    dkim_set_key_lookup(library, find_key) != DKIM_STAT_OK ||
	    dkim_set_prescreen(library, ignore_others) != DKIM_STAT_OK) {
		err_set(e, ERR_LIBRARY, "libopendkim refuses a setting; is it version 2.11?");
		dkim_close(library);
		return NULL;
	}
	return library;
}

void
dkim_run_library_free(void *library)
{
	dkim_close(library);
}

static void
run_free(void *object)
{
	struct dkim_run *run = object;

	if (run->dkim)
		dkim_free(run->dkim);
	run->dkim = NULL;
	/* The queue is the thread's: TLS reads it too, and would take our errors for its own. */
	ERR_clear_error();
}

static struct dkim_run *
settled(struct dkim_run *run, enum dkim_result result, const char *reason)
{
	dkim_refuse(run->sig, result, reason);
	run_free(run);
	return NULL;
}

/* What a signature failed for, in the library's number. */
static void
explain(struct dkim_sig *sig, int error)
{
	switch (error) {
	case DKIM_SIGERROR_OK:
	case DKIM_SIGERROR_UNKNOWN:
	case DKIM_SIGERROR_BADSIG:
		dkim_refuse(sig, DKIM_RESULT_FAIL, "the signature is not of this header");
		break;
	case DKIM_SIGERROR_KEYDECODE:
		dkim_refuse(sig, DKIM_RESULT_PERMERROR, "the key could not be decoded");
		break;
	case DKIM_SIGERROR_TOOLARGE_L:
		dkim_refuse(sig, DKIM_RESULT_PERMERROR, "l= is more than the body has");
		break;
	default: {
		const char *text = dkim_sig_geterrorstr(error);

		dkim_refuse(sig, DKIM_RESULT_PERMERROR, text ? text : "the library refuses it");
		break;
	}
	}
}

static bool
give_field(DKIM *dkim, const struct field *field)
{
	DKIM_STAT status = dkim_header(dkim, (unsigned char *)field->raw.p, field->raw.n);

	/* Of another signature the library says what it thinks of it, and has taken the field. */
	return status == DKIM_STAT_OK ||
	    (status == DKIM_STAT_SYNTAX && str_startscase(field->raw, STR("dkim-signature:")));
}

static bool
give_header(struct dkim_run *run, const struct dkim_cover *cover)
{
	const struct field *self = run->sig->field;

	/* In front, so that it is the library's first, and no h= of its own can mean it. */
	if (dkim_header(run->dkim, (unsigned char *)self->raw.p, self->raw.n) != DKIM_STAT_OK)
		return false;
	for (size_t i = 0; i < cover->n; i++)
		if (!give_field(run->dkim, cover->field[i]))
			return false;
	return true;
}

struct dkim_run *
dkim_run_start(struct arena *arena, struct dkim_lib *library, struct dkim_sig *sig,
    const struct dkim_cover *cover, const struct dkim_pubkey *key)
{
	struct dkim_run *run = ARENA_NEW(arena, struct dkim_run);
	DKIM_SIGINFO **infos;
	DKIM_STAT status;
	int n;

	run->sig = sig;
	run->record = key->record;
	dkim_length_init(&run->length, sig->relaxed_body);
	run->dkim = dkim_verify(library, (const unsigned char *)"postern", NULL, &status);
	if (!run->dkim)
		return settled(run, DKIM_RESULT_TEMPERROR, dkim_getresultstr(status));
	arena_cleanup(arena, run_free, run);
	dkim_set_user_context(run->dkim, run);
	if (!give_header(run, cover))
		return settled(
		    run, DKIM_RESULT_PERMERROR, "a field that it covers is not well-formed");
	status = dkim_eoh(run->dkim);
	if (status != DKIM_STAT_OK)
		return settled(run, DKIM_RESULT_NEUTRAL, dkim_getresultstr(status));
	if (dkim_getsiglist(run->dkim, &infos, &n) != DKIM_STAT_OK || n < 1)
		return settled(run, DKIM_RESULT_NEUTRAL, "the library finds no signature");
	run->info = infos[0];
	if (dkim_sig_getflags(run->info) & DKIM_SIGFLAG_PASSED) {
		ERR_clear_error();
		return run;
	}
	explain(sig, dkim_sig_geterror(run->info));
	run_free(run);
	return NULL;
}

static void
feed(struct dkim_run *run, struct str octets)
{
	if (octets.n == 0)
		return;
	if (run->sig->has_length)
		dkim_length_add(&run->length, octets);
	run->open = octets.p[octets.n - 1] != '\n';
	dkim_body(run->dkim, (unsigned char *)octets.p, octets.n);
}

/* Is there a CR or LF alone? The last octet may be a CR whose LF is yet to come. */
static bool
has_bare(struct str s)
{
	while (s.n > 0) {
		size_t lf = str_find(s, '\n');
		struct str line = str_sub(s, 0, lf);
		size_t cr = str_find(line, '\r');

		if (lf == STR_NPOS)
			return cr != STR_NPOS && cr + 1 < line.n;
		if (cr == STR_NPOS || cr + 1 < line.n)
			return true;
		s = str_sub(s, lf + 1, s.n);
	}
	return false;
}

/*
 * The library drops a bare CR from a relaxed body, so that anybody could add some; and what it makes
 * of one in a simple body depends on where its pieces end. Mail has none (RFC 5322 2.3): such a
 * body is not verified. For the same reason no piece ends with a CR.
 */
void
dkim_run_body(struct dkim_run *run, struct str octets)
{
	if (octets.n == 0 || run->bare)
		return;
	if (run->cr) {
		run->bare = octets.p[0] != '\n';
		if (run->bare)
			return;
		feed(run, STR("\r\n"));
		octets = str_sub(octets, 1, octets.n);
	}
	run->bare = has_bare(octets);
	run->cr = octets.n > 0 && octets.p[octets.n - 1] == '\r';
	if (!run->bare)
		feed(run, str_sub(octets, 0, octets.n - run->cr));
}

/* Judges after the last octet; true: it verifies. */
static bool
body_decides(struct dkim_run *run)
{
	struct dkim_sig *sig = run->sig;
	DKIM_STAT status;

	if (run->bare || run->cr) {
		dkim_refuse(sig, DKIM_RESULT_NEUTRAL, "the body has a CR or LF alone");
		return false;
	}
	/* RFC 6376 3.4.3 and 3.4.4: a body that does not end with CRLF is taken as if it did. */
	if (run->open)
		feed(run, STR("\r\n"));
	status = dkim_eom(run->dkim, NULL);
	if (dkim_sig_geterror(run->info) == DKIM_SIGERROR_OK && DKIM_SIG_CHECK(run->info))
		return true;
	if (status == DKIM_STAT_NORESOURCE || status == DKIM_STAT_INTERNAL)
		dkim_refuse(sig, DKIM_RESULT_TEMPERROR, dkim_getresultstr(status));
	else if (dkim_sig_getbh(run->info) == DKIM_SIGBH_MISMATCH)
		dkim_refuse(sig, DKIM_RESULT_FAIL, "the body is not the one that was signed");
	else
		explain(sig, dkim_sig_geterror(run->info));
	return false;
}

void
dkim_run_stop(struct dkim_run *run, const char *reason)
{
	dkim_refuse(run->sig, DKIM_RESULT_NEUTRAL, reason);
	run_free(run);
}

bool
dkim_run_finish(struct dkim_run *run)
{
	bool part = false;

	if (body_decides(run) && run->sig->has_length)
		part = run->sig->length < dkim_length_end(&run->length);
	run_free(run);
	return part;
}
