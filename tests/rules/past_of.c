#include "tests/rules/past_of.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "db/json.h"
#include "rules/load.h"
#include "tests/rules/fake.h"

struct config *
try_config(const char *rules, char why[256])
{
	struct complaints complaints = { 0 };
	char text[8192];
	struct config *config;

	snprintf(text, sizeof(text),
	    "%s\nhostname \"mx.test\"\nlisten proxy 127.0.0.1 port 25\n"
	    "backend 127.0.0.1 port 26\ndatabase \"/tmp\"\n",
	    rules);
	config = config_load_text("/r.conf", str_of(text), &fake_vocabulary, &complaints);
	why[0] = '\0';
	if (complaints.n > 0)
		str_copy(str_of(complaints.item[0].text), why, 256);
	complaints_free(&complaints);
	return config;
}

struct config *
config_of(const char *rules)
{
	char why[256];
	struct config *config = try_config(rules, why);

	if (config == NULL || why[0] != '\0')
		fail_msg("%s: %s", rules, why);
	return config;
}

/* Those of the session itself as the fake vocabulary is told them: they are computed again. */
static const char *
given(struct arena *arena, const struct config *config, const char *facts)
{
	const struct json *all = json_parse(arena, str_of(facts), NULL);
	struct str text;
	struct buf b;

	buf_init(&b, 8192);
	for (const struct json *f = all ? all->first : NULL; f; f = f->next) {
		const struct fact_entry *entry = fact_find(&config->facts, f->name);

		if (entry && config->part[entry->stage].stage == NULL)
			buf_printf(&b, "%.*s=%.*s; ", STR_ARG(f->name), STR_ARG(f->text));
	}
	text = arena_dup(arena, buf_str(&b));
	buf_free(&b);
	return text.p;
}

/* Rules were asked at each step so far. */
static const char *
asked_at_each(struct arena *arena, enum step step)
{
	const char *trace = "";

	for (int at = STEP_CONNECT; at <= (int)step; at++)
		trace = arena_printf(
		    arena, "%s,{\"at\":\"%s\",\"tried\":\"\"}", trace, step_name((enum step)at))
			    .p;
	return trace;
}

struct past *
past_of(struct arena *arena, const struct config *config, enum step step, const char *facts,
    const char *trace)
{
	bool whole = trace[0] != '\0' && trace[0] != ',';
	struct journal_record record = { .front = "proxy",
		.step = step_name(step),
		.verdict = "reject",
		.time_ms = 1769860800000,
		.session = STR("s7"),
		.client_ip = STR("192.0.2.1"),
		.helo = STR("mx.test"),
		.sender = STR("a@example.net"),
		.recipients = STR("[\"b@example.org\"]"),
		.rule = STR("r.conf:1"),
		.answers = STR("[]"),
		.facts = str_of(facts),
		.config = str_of(config->revision) };

	if (trace[0] == '\0')
		trace = asked_at_each(arena, step);
	record.trace = whole
	    ? str_of(trace)
	    : arena_printf(arena, "[{\"format\":2,\"began\":1769860800000,\"txn\":1}%s]", trace);
	fake_known(given(arena, config, facts));
	return past_read(arena, config, &record, STR(""));
}

size_t
past_smallest(const struct changes *all)
{
	size_t n = SIZE_MAX;

	for (size_t i = 0; i < all->n; i++)
		if (all->set[i].change[0].kind <= CHANGE_MARK && all->set[i].n < n)
			n = all->set[i].n;
	return n;
}
