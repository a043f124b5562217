/* Whole configurations, from tokens to checked rules, formatted, and the rules then decide every step. */
#include "rules/ruleset.h"

#include <stdlib.h>

#include "rules/format.h"
#include "rules/load.h"
#include "rules/policy.h"
#include "tests/rules/fake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_complaints(const struct complaints *c, const struct config *config)
{
	if ((config == NULL) != (c->errors > 0))
		abort();
	for (size_t i = 0; i < c->n; i++) {
		char *text = complaint_print(&c->item[i]);

		for (const char *p = text; *p != '\0'; p++)
			if ((unsigned char)*p < 0x20 && *p != '\n')
				abort();
		free(text);
	}
}

static void
decide_all(struct config *config)
{
	struct arena *arena = arena_new(1 << 20);
	struct mailbox sender = { .null = true };
	struct session s;

	session_init(&s, FRONT_PROXY, &config->facts, config->n_parts);
	session_helo(&s, STR("client.example"), true);
	session_mail(&s, &sender);
	for (enum step step = STEP_CONNECT; step < STEP_COUNT; step++) {
		struct ask ask = session_ask(&s, step, 1700000000);
		struct recipient *recipient = NULL;
		struct decision d;

		if (step == STEP_RCPT)
			recipient = session_rcpt(&s, &sender);
		if (ruleset_decide(config->ruleset, &ask, arena, &d) == DONE &&
		    policy_decide(config->ruleset, &ask, arena, &d) == DONE)
			decision_apply(&s, &d);
		if (recipient != NULL) {
			recipient->state = RECIPIENT_ACCEPTED;
			s.txn.n_accepted++;
			s.txn.current = NULL;
		}
	}
	session_free(&s);
	arena_free(&arena);
}

/* Formatting twice is formatting once; that nothing else is said format_text() looks itself. */
static void
format_twice(struct str text)
{
	struct arena *arena = arena_new(SIZE_MAX);
	struct source source = { "fuzz", STR("fuzz"), text };
	struct complaints c = { 0 };
	struct str once, twice;

	if (format_text(&source, &c, arena, &once)) {
		source.text = once;
		if (!format_text(&source, &c, arena, &twice) || !str_eq(once, twice))
			abort();
	}
	complaints_free(&c);
	arena_free(&arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct complaints c = { 0 };
	struct config *config;

	format_twice((struct str){ (const char *)data, size });
	/* lists and stages in files would make the result depend on the machine */
	if (memmem(data, size, "file", 4) != NULL || memmem(data, size, "include", 7) != NULL)
		return 0;
	config = config_load_text(
	    "fuzz", (struct str){ (const char *)data, size }, &fake_vocabulary, &c);
	check_complaints(&c, config);
	complaints_free(&c);
	fake_facts("spf=fail; client.ip=192.0.2.1; helo=x; account=; dkim=PENDING");
	if (config != NULL)
		decide_all(config);
	config_release(&config);
	return 0;
}
