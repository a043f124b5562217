/*
 * What strangers write for the dkim stage: a header with signatures, an empty line, a key record up
 * to the next empty line, and a body. Signatures are read, keys too, and what gets past both is run
 * through the library, in two ways of cutting the body, which have to agree.
 */
#include "base/die.h"
#include "filters/dkim_run.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes what is before the next empty line off *rest. */
static struct str
take(struct str *rest)
{
	for (size_t i = 0; i + 4 <= rest->n; i++) {
		struct str part = str_sub(*rest, 0, i);

		if (memcmp(rest->p + i, "\r\n\r\n", 4) != 0)
			continue;
		*rest = str_sub(*rest, i + 4, rest->n);
		return part;
	}
	struct str all = *rest;

	*rest = STR("");
	return all;
}

static enum dkim_result
verify(struct arena *arena, struct dkim_lib *library, const struct dkim_sig *read,
    const struct header *header, struct str parts[2])
{
	struct dns_rr rr = { .data = parts[0] };
	struct dns_answer answer = { .status = DNS_OK, .n = 1, .rr = &rr };
	struct dkim_sig *sig = ARENA_NEW(arena, struct dkim_sig);
	struct dkim_pubkey *key = ARENA_NEW(arena, struct dkim_pubkey);
	struct dkim_cover cover;
	struct dkim_run *run;

	*sig = *read;
	if (!dkim_cover_select(arena, header, sig, &cover) ||
	    !dkim_pubkey_read(arena, &answer, 1024, sig, key))
		return sig->result;
	run = dkim_run_start(arena, library, sig, &cover, key);
	if (!run)
		return sig->result;
	dkim_run_body(run, parts[1]);
	dkim_run_finish(run);

	enum dkim_result whole = sig->result;

	*sig = *read;
	run = dkim_run_start(arena, library, sig, &cover, key);
	require(run != NULL);
	for (size_t i = 0; i < parts[1].n; i++)
		dkim_run_body(run, str_sub(parts[1], i, i + 1));
	dkim_run_finish(run);
	require(sig->result == whole);
	return whole;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new(16 * 1024 * 1024);
	struct str rest = { (const char *)data, size }, parts[2];
	struct dkim_clock clock = { .now = 1800000000, .drift = 300 };
	struct dkim_lib *library = dkim_run_library(NULL);
	struct header header;
	size_t body;
	bool too_many;

	require(library != NULL);
	if (size > 0 && header_split(arena, take(&rest), true, &header, &body, &too_many)) {
		parts[0] = take(&rest);
		parts[1] = rest;
		for (size_t i = 0; i < header.n && i < 20; i++) {
			struct dkim_sig sig;

			if (str_eqcase(header.field[i].name, STR("dkim-signature")) &&
			    dkim_guard_check(arena, &header.field[i], &clock, &sig))
				verify(arena, library, &sig, &header, parts);
		}
	}
	arena_free(&arena);
	dkim_run_library_free(library);
	return 0;
}
