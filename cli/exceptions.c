#include "cli/exceptions.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "cli/pseudonyms.h"
#include "cli/when.h"
#include "db/json.h"

#define WHO_MAX 128

/* --- for people ---------------------------------------------------------------------------------- */

static const char *const proofs[] = { "dkim", "spf", "client" };

static struct str
whom(const struct exception *x, char out[IP_TEXT_SIZE + 4])
{
	if (x->proof != EXCEPTION_CLIENT)
		return x->domain;
	ip_print(&x->client.ip, out);
	if (x->client.bits != (x->client.ip.version == 4 ? 32 : 128))
		snprintf(out + strlen(out), 5, "/%d", (int)x->client.bits);
	return str_of(out);
}

static void
add_escaped(struct buf *b, struct str text)
{
	buf_add(b, str_of(ESC(text)));
}

void
exception_print(const struct exception *x, struct buf *out)
{
	char client[IP_TEXT_SIZE + 4];

	buf_printf(out, "%s ", proofs[x->proof]);
	add_escaped(out, whom(x, client));
	if (x->sender.n > 0) {
		buf_add(out, STR(", from "));
		add_escaped(out, x->sender);
	}
	for (size_t i = 0; i < x->n_recipients; i++) {
		buf_add(out, i == 0 ? STR(", for ") : STR(" "));
		add_escaped(out, x->recipient[i]);
	}
	if (x->kind == EXCEPTION_BLOCK)
		return;
	buf_add(out, x->rule.n > 0 ? STR(", past ") : STR(", past any rule"));
	if (x->rule.n > 0)
		add_escaped(out, x->place);
}

void
exception_print_until(int64_t expires, struct buf *out)
{
	char when[WHEN_SIZE];

	if (expires == 0)
		buf_add(out, STR("for ever"));
	else
		buf_printf(out, "until %s", when_local(expires * 1000, when));
}

static void
json_pair(struct buf *b, const char *name, struct str text)
{
	buf_printf(b, ",\"%s\":", name);
	if (text.n > 0)
		escape_json(b, text);
	else
		buf_add(b, STR("null"));
}

void
exception_json(const struct exception *x, struct buf *out)
{
	char client[IP_TEXT_SIZE + 4], when[WHEN_SIZE];

	buf_printf(out, "\"kind\":\"%s\",\"proof\":\"%s\"",
	    x->kind == EXCEPTION_BLOCK ? "block" : "allow", proofs[x->proof]);
	json_pair(out, "who", whom(x, client));
	json_pair(out, "sender", x->sender);
	buf_add(out, STR(",\"recipients\":["));
	for (size_t i = 0; i < x->n_recipients; i++) {
		if (i > 0)
			buf_addc(out, ',');
		escape_json(out, x->recipient[i]);
	}
	buf_addc(out, ']');
	json_pair(out, "rule", x->place);
	json_pair(out, "digest", x->rule);
	json_pair(out, "until", x->expires ? str_of(when_utc(x->expires * 1000, when)) : STR(""));
}

/* --- the store ----------------------------------------------------------------------------------- */

bool
exceptions_ask(struct cli *cli, struct store_exceptions *x, int64_t now_ms)
{
	struct store_ask one = { .exceptions = x };
	struct cli_store at;
	struct err e;
	bool ok;

	if (!cli_store_open(cli, x->what == EXCEPTIONS_READ, &at))
		return false;
	ok = at.backend->ask(at.store, &one, 1, now_ms, &e);
	if (!ok)
		cli_fail(cli, "%s", e.text);
	cli_store_close(&at);
	return ok;
}

static struct exception_row *
read_row(struct arena *arena, const struct store_exception *stored)
{
	struct exception_row *row = ARENA_NEW(arena, struct exception_row);
	const struct json *about = json_parse(arena, stored->about, NULL);

	row->stored = stored;
	row->unreadable = !exception_read(arena, stored->key, &row->x, NULL);
	row->x.number = stored->number;
	row->x.expires = stored->expires;
	row->by = json_text(about, "by");
	row->note = json_text(about, "note");
	row->entry = json_text(about, "entry");
	row->hashed = json_text(about, "hashed");
	return row;
}

bool
exceptions_read(struct cli *cli, struct arena *arena, int64_t now_ms, struct exception_row **out)
{
	struct store_exceptions x = { .what = EXCEPTIONS_READ, .memory = arena };
	struct exception_row **next = out;

	*out = NULL;
	if (!exceptions_ask(cli, &x, now_ms))
		return false;
	for (const struct store_exception *s = x.rows; s; s = s->next) {
		if (s->expires > 0 && s->expires <= now_ms / 1000)
			continue;
		*next = read_row(arena, s);
		next = &(*next)->next;
	}
	return true;
}

/* --- the journal --------------------------------------------------------------------------------- */

const char *
exceptions_who(char *out, size_t size)
{
	const struct passwd *user = getpwuid(getuid());
	const char *sudo = getenv("SUDO_USER");
	char name[WHO_MAX];

	if (user)
		snprintf(name, sizeof(name), "%s", user->pw_name);
	else
		snprintf(name, sizeof(name), "user %ld", (long)getuid());
	if (sudo && sudo[0] != '\0' && getuid() == 0)
		snprintf(out, size, "%s (as %s)", sudo, name);
	else
		snprintf(out, size, "%s", name);
	return out;
}

bool
exceptions_journal(struct cli *cli, const char *step, struct str text)
{
	char rule[40];
	struct journal_record record = {
		.time_ms = clock_wall_ms(),
		.front = "postern",
		.step = step,
		.verdict = "change",
		.recipients = STR("[]"),
		.facts = STR("{}"),
		.trace = STR("[]"),
		.answers = STR("[]"),
		.text = text,
	};

	snprintf(rule, sizeof(rule), "command: %s", step);
	record.rule = str_of(rule);
	return pseudonyms_journal(cli, &record);
}

bool
exceptions_drop(struct cli *cli, const struct exception_row *row, int64_t now_ms)
{
	struct store_exceptions drop = { .what = EXCEPTIONS_DROP,
		.one = { .number = row->stored->number } };
	char who[WHO_MAX];
	struct buf text;
	bool ok;

	buf_init(&text, 8192);
	buf_printf(&text, "exception %" PRId64 " removed by %s: ", row->stored->number,
	    exceptions_who(who, sizeof(who)));
	if (row->unreadable)
		add_escaped(&text, row->stored->key);
	else
		exception_print(&row->x, &text);
	ok = exceptions_journal(cli, "lists", buf_str(&text)) && exceptions_ask(cli, &drop, now_ms);
	if (ok && !cli->json)
		fprintf(cli->out, "%.*s\n", (int)text.n, text.p);
	else if (ok)
		fprintf(cli->out, "{\"did\":\"removed\",\"number\":%" PRId64 "}\n",
		    row->stored->number);
	buf_free(&text);
	return ok;
}
