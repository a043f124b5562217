#include "proxy/notice_way.h"

#include "base/clock.h"
#include "base/die.h"
#include "mail/letter.h"
#include "post/command.h"
#include "post/submit.h"
#include "post/webhook.h"

#define ARENA_LIMIT (1 << 20)

struct telling {
	const struct config *config;
	const struct notice *notice;
	struct arena *arena;
	struct str value[NOTICE_NAMES];
	struct buf subject, text;
};

/* ---- whom ---- */

static size_t
add_recipient(struct str out[NOTICE_RECIPIENTS], size_t n, struct str address)
{
	if (address.n == 0 || n == NOTICE_RECIPIENTS)
		return n;
	for (size_t i = 0; i < n; i++)
		if (str_eqcase(out[i], address))
			return n;
	out[n] = address;
	return n + 1;
}

/* Of a network only who is named for it has it; of an upstream nobody but us. */
static struct str
owner_of(const struct config_notify *notify, const struct notice *n, struct arena *arena)
{
	struct str address;

	if (n->kind == NOTICE_UPSTREAM)
		return STR("");
	address = notify_owner(notify, n->who, arena);
	if (n->kind == NOTICE_ACCOUNT)
		return address;
	for (size_t i = 0; i < notify->n_owners; i++)
		if (str_eq(notify->owners[i].address, address))
			return address;
	return STR("");
}

size_t
notice_recipients(const struct config *config, const struct notice *n, struct arena *arena,
    struct str out[NOTICE_RECIPIENTS])
{
	const struct config_notify *notify = &config->notify;
	size_t count = 0;

	if (notify->to_owner)
		count = add_recipient(out, count, owner_of(notify, n, arena));
	if (notify->to_postmaster || n->kind == NOTICE_UPSTREAM)
		count = add_recipient(out, count, str_of(notify->postmaster));
	for (size_t i = 0; i < notify->n_to; i++)
		count = add_recipient(out, count, str_of(notify->to[i]));
	return count;
}

/* ---- the ways ---- */

static bool
by_mail(const struct telling *t, const struct wire_limit *limit, bool *forever, struct err *e)
{
	const struct config_notify *notify = &t->config->notify;
	const struct letter letter = {
		.from = str_of(notify->from),
		.to = t->notice->to,
		.subject = buf_str(&t->subject),
		.text = buf_str(&t->text),
		.host = str_of(notify->owner_domain),
		.now = clock_wall_ms() / 1000,
	};

	*forever = !letter_address(t->notice->to, e);
	return !*forever && submit_letter(&notify->server, &letter, limit, forever, e);
}

/* The letter as the command gets it. */
static void
write_plain(const struct telling *t, struct buf *out)
{
	buf_add(out, STR("Subject: "));
	buf_add(out, buf_str(&t->subject));
	buf_add(out, STR("\n\n"));
	buf_add(out, buf_str(&t->text));
}

static char *
variable(struct telling *t, const char *name, struct str value)
{
	struct str text =
	    arena_printf(t->arena, "POSTERN_%s=%.*s", name, STR_ARG(letter_clean(t->arena, value)));
	char *p = (char *)(uintptr_t)text.p;

	for (size_t i = 8; p[i] && p[i] != '='; i++)
		if (p[i] >= 'a' && p[i] <= 'z')
			p[i] = (char)(p[i] - 'a' + 'A');
	return p;
}

static bool
by_command(struct telling *t, const struct wire_limit *limit, struct err *e)
{
	char *environment[NOTICE_NAMES + 3];
	const struct command_job job = { t->config->notify.command, environment, { 0 } };
	struct command_job with_text = job;
	struct buf text;
	bool ok;

	environment[0] =
	    (char *)(uintptr_t) "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
				"/sbin:/bin";
	for (size_t i = 0; i < NOTICE_NAMES; i++)
		environment[i + 1] = variable(t, notice_names[i], t->value[i]);
	environment[NOTICE_NAMES + 1] =
	    variable(t, "owner", owner_of(&t->config->notify, t->notice, t->arena));
	environment[NOTICE_NAMES + 2] = NULL;
	buf_init(&text, 2 * LETTER_MAX);
	write_plain(t, &text);
	with_text.input = buf_str(&text);
	ok = command_run(&with_text, limit, e);
	buf_free(&text);
	return ok;
}

static bool
by_webhook(struct telling *t, const struct wire_limit *limit, bool *forever, struct err *e)
{
	const struct webhook hook = { t->config->notify.webhook, t->config->tls_client };
	struct buf text, json;
	bool ok;

	buf_init(&text, 2 * LETTER_MAX);
	buf_init(&json, 16 * LETTER_MAX);
	write_plain(t, &text);
	notice_json(t->notice, str_of(t->config->core.hostname), buf_str(&text), &json);
	ok = webhook_post(&hook, buf_str(&json), limit, forever, e);
	buf_free(&text);
	buf_free(&json);
	return ok;
}

bool
notice_tell(const struct config *config, const struct notice *n, const struct wire_limit *limit,
    bool *forever, struct err *e)
{
	struct telling t = { .config = config, .notice = n, .arena = arena_new(ARENA_LIMIT) };
	bool ok = false;

	*forever = false;
	buf_init(&t.subject, LETTER_MAX);
	buf_init(&t.text, LETTER_MAX);
	notice_values(n, str_of(config->core.hostname), t.arena, t.value);
	template_fill(config->notify.letter.subject, t.value, &t.subject);
	template_fill(config->notify.letter.text, t.value, &t.text);
	switch (n->way) {
	case NOTICE_MAIL:
		ok = by_mail(&t, limit, forever, e);
		break;
	case NOTICE_COMMAND:
		ok = by_command(&t, limit, e);
		break;
	case NOTICE_WEBHOOK:
		ok = by_webhook(&t, limit, forever, e);
		break;
	case NOTICE_ALL_WAYS:
		panic("a notice is told one way at a time");
	}
	buf_free(&t.subject);
	buf_free(&t.text);
	arena_free(&t.arena);
	return ok;
}
