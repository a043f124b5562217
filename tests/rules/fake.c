#include "tests/rules/fake.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/die.h"
#include "base/err.h"
#include "filters/stage.h"
#include "rules/load.h"

static const char *given = "";
static enum progress others = DONE; /* of those that are not given */
static unsigned computed;

void
fake_facts(const char *facts)
{
	given = facts;
	others = DONE;
	computed = 0;
}

void
fake_known(const char *facts)
{
	fake_facts(facts);
	others = PENDING;
}

unsigned
fake_computed(void)
{
	return computed;
}

static bool
find(const struct fact_call *call, struct str *out)
{
	struct str rest = str_of(given), one;
	struct buf name;
	bool found = false;

	buf_init(&name, 1024);
	fact_call_print(call, &name);
	while (!found && str_pop(&rest, ';', &one)) {
		one = str_trim(one);
		if (!str_starts(one, buf_str(&name)) || one.n <= name.n || one.p[name.n] != '=')
			continue;
		*out = str_sub(one, name.n + 1, one.n);
		found = true;
	}
	buf_free(&name);
	return found;
}

static int64_t
number(struct str s)
{
	char text[32];

	require(str_copy(s, text, sizeof text));
	return strtoll(text, NULL, 10);
}

static double
real(struct str s)
{
	char text[32];

	require(str_copy(s, text, sizeof text));
	return strtod(text, NULL);
}

static struct value
list_value(struct arena *arena, struct str s)
{
	struct str *item = ARENA_ARRAY(arena, struct str, s.n + 1);
	struct value v = { .type = VALUE_LIST };

	v.list.item = item;
	while (str_pop(&s, ',', &item[v.list.n]))
		item[v.list.n] = str_trim(item[v.list.n]), v.list.n++;
	return v;
}

static enum progress
compute(struct ask *ask, const struct fact_call *call, struct value *out)
{
	enum value_type type = call->entry->def->type;
	struct str s;

	computed++;
	*out = (struct value){ .type = VALUE_NONE };
	if (!find(call, &s))
		return others;
	if (str_eq(s, STR("NONE")))
		return DONE;
	if (str_eq(s, STR("PENDING")))
		return PENDING;
	out->type = type;
	switch (type) {
	case VALUE_IP:
		require(ip_parse(s, &out->ip));
		break;
	case VALUE_REAL:
		out->real = real(s);
		break;
	case VALUE_TEXT:
	case VALUE_SYMBOL:
		out->text = s;
		break;
	case VALUE_LIST:
		*out = list_value(ask->arena, s);
		break;
	default:
		out->number = number(s);
	}
	return DONE;
}

static bool
check_zone(const struct fact_call *call, struct err *e)
{
	if (str_find(call->arg[0].text, '.') != STR_NPOS)
		return true;
	return err_set(e, ERR_SYNTAX, "`listed` wants the name of a zone with a dot in it");
}

#define AT_ALL .from = STEP_CONNECT, .to = STEP_MESSAGE, .life = LIFE_SESSION, .compute = compute
#define AT_HELO .from = STEP_HELO, .to = STEP_MESSAGE, .life = LIFE_HELO, .compute = compute
#define AT_MAIL .from = STEP_MAIL, .to = STEP_MESSAGE, .life = LIFE_TRANSACTION, .compute = compute
#define AT_RCPT .from = STEP_RCPT, .to = STEP_MESSAGE, .life = LIFE_TRANSACTION, .compute = compute
#define AT_RCPT_ONLY \
	.from = STEP_RCPT, .to = STEP_RCPT, .life = LIFE_TRANSACTION, .compute = compute
#define AT_EACH \
	.from = STEP_RCPT, .to = STEP_MESSAGE, .life = LIFE_EACH_RECIPIENT, .compute = compute
#define AT_MESSAGE \
	.from = STEP_MESSAGE, .to = STEP_MESSAGE, .life = LIFE_TRANSACTION, .compute = compute
#define EARLY .from = STEP_HELO, .to = STEP_MAIL, .life = LIFE_HELO, .compute = compute

static const struct fact_def session[] = {
	{ .name = "account", .type = VALUE_TEXT, AT_MAIL },
	{ .name = "authenticated", .type = VALUE_BOOL, AT_MAIL },
	{ .name = "box", .type = VALUE_TEXT, AT_EACH },
	{ .name = "box.limit", .type = VALUE_NUMBER, AT_EACH },
	{ .name = "client.ip", .type = VALUE_IP, AT_ALL },
	{ .name = "client.name", .type = VALUE_TEXT, AT_ALL },
	{ .name = "client.trusted", .type = VALUE_BOOL, AT_ALL },
	{ .name = "costly", .type = VALUE_BOOL, .cost = COST_DNS, AT_ALL },
	{ .name = "early", .type = VALUE_NUMBER, EARLY },
	{ .name = "from.count", .type = VALUE_NUMBER, AT_MESSAGE },
	{ .name = "helo", .type = VALUE_TEXT, AT_HELO },
	{ .name = "message.size", .type = VALUE_NUMBER, AT_MESSAGE },
	{ .name = "recipient", .type = VALUE_TEXT, AT_EACH },
	{ .name = "recipients", .type = VALUE_NUMBER, AT_RCPT_ONLY },
	{ .name = "sender", .type = VALUE_TEXT, AT_MAIL },
	{ .name = "sender.domain", .type = VALUE_TEXT, AT_MAIL },
};

static const char *const spf_words[] = { "pass", "fail", "softfail", "neutral", "none", "temperror",
	"permerror", NULL };
static const struct fact_def spf[] = {
	{ .name = "spf", .type = VALUE_SYMBOL, .symbols = spf_words, AT_MAIL },
	{ .name = "spf.domain", .type = VALUE_TEXT, AT_MAIL },
	{ .name = "spf.explanation", .type = VALUE_TEXT, AT_MAIL },
	{ .name = "spf.helo", .type = VALUE_SYMBOL, .symbols = spf_words, AT_MAIL },
};

static const char *const dkim_words[] = { "pass", "fail", "none", "temperror", NULL };
static const struct fact_def dkim[] = {
	{ .name = "dkim", .type = VALUE_SYMBOL, .symbols = dkim_words, AT_MESSAGE },
	{ .name = "dkim.domains", .type = VALUE_LIST, AT_MESSAGE },
};

static const struct fact_param zone[] = {
	{ .name = "zone", .type = VALUE_TEXT },
	{ .name = "code", .type = VALUE_TEXT, .optional = true },
	{ .name = NULL },
};
static const struct fact_def listed[] = {
	{ .name = "listed", .type = VALUE_BOOL, .params = zone, AT_ALL, .check = check_zone },
};

static const char *const greylist_words[] = { "known", "passed", "unknown", "waiting", NULL };
static const struct fact_def greylist[] = {
	{ .name = "greylist", .type = VALUE_SYMBOL, .symbols = greylist_words, AT_RCPT },
	{ .name = "greylist.wait", .type = VALUE_DURATION, AT_RCPT },
};

struct fake_greylist {
	int64_t delay, retry, remember, network_ipv4, network_ipv6;
};

#define ROW(member) offsetof(struct fake_greylist, member)
static const struct setting greylist_rows[] = {
	{ "delay", SETTING_DURATION, ROW(delay), 1000, 86400000, "5m", NULL, "" },
	{ "retry within", SETTING_DURATION, ROW(retry), 0, 0, "2d", NULL, "" },
	{ "remember", SETTING_DURATION, ROW(remember), 0, 0, "36d", NULL, "" },
	{ "network ipv4", SETTING_NUMBER, ROW(network_ipv4), 1, 32, "24", NULL, "" },
	{ "network ipv6", SETTING_NUMBER, ROW(network_ipv6), 1, 128, "64", NULL, "" },
};

static bool
configure_greylist(void *conf, struct arena *arena, struct err *e)
{
	const struct fake_greylist *g = conf;

	if (g->retry > g->delay)
		return true;
	return err_set(e, ERR_SYNTAX, "`retry within` must be longer than `delay`");
}

static const char *const who[] = { "client", "network", "sender", "account", NULL };
static const char *const what[] = { "messages", "recipients", NULL };
static const struct fact_param rate_params[] = {
	{ .name = "key", .type = VALUE_SYMBOL, .symbols = who },
	{ .name = "what", .type = VALUE_SYMBOL, .symbols = what },
	{ .name = "window", .type = VALUE_DURATION },
	{ .name = NULL },
};
static const struct fact_param who_param[] = {
	{ .name = "key", .type = VALUE_SYMBOL, .symbols = who },
	{ .name = NULL },
};
static const struct fact_param share_params[] = {
	{ .name = "key", .type = VALUE_SYMBOL, .symbols = who },
	{ .name = "window", .type = VALUE_DURATION },
	{ .name = NULL },
};
static const struct fact_param nth_params[] = {
	{ .name = "n", .type = VALUE_NUMBER },
	{ .name = NULL },
};
static const char *const quota_words[] = { "none", "ok", "near", "over", NULL };
static const struct fact_def volume[] = {
	{ .name = "quota", .type = VALUE_SYMBOL, .symbols = quota_words, AT_MAIL },
	{ .name = "quota.free", .type = VALUE_DURATION, AT_MAIL },
	{ .name = "quota.limit", .type = VALUE_NUMBER, AT_MAIL },
	{ .name = "quota.plan", .type = VALUE_TEXT, AT_MAIL },
	{ .name = "quota.used", .type = VALUE_NUMBER, AT_MAIL },
	{ .name = "rate", .type = VALUE_NUMBER, .params = rate_params, AT_MAIL },
	{ .name = "surge", .type = VALUE_REAL, .params = who_param, AT_MAIL },
	{ .name = "nth", .type = VALUE_NUMBER, .params = nth_params, AT_ALL },
	{ .name = "recipients.allowed", .type = VALUE_NUMBER, AT_MAIL },
	{ .name = "unknown_share",
	    .type = VALUE_NUMBER,
	    .params = share_params,
	    .most = 100,
	    AT_MAIL },
};

static const char *const dmarc_words[] = { "pass", "fail", "none", "temperror", "permerror", NULL };
static const char *const dmarc_policies[] = { "none", "quarantine", "reject", NULL };
static const struct fact_def dmarc[] = {
	{ .name = "dmarc", .type = VALUE_SYMBOL, .symbols = dmarc_words, AT_MESSAGE },
	{ .name = "dmarc.from", .type = VALUE_TEXT, AT_MESSAGE },
	{ .name = "dmarc.policy", .type = VALUE_SYMBOL, .symbols = dmarc_policies, AT_MESSAGE },
};

struct fake_dmarc {
	int64_t standard;
};

static const char *const dmarc_standards[] = { "rfc9989", "rfc7489", NULL };
static const struct setting dmarc_rows[] = {
	{ "standard", SETTING_WORD, 0, 0, 0, "rfc9989", dmarc_standards, "" },
};
static const char *const dmarc_uses[] = { "spf", "dkim", "elsewhere", NULL };

/* It is told of nothing: that there is one is what makes facts those of a stage. */
static const struct stage stage = { .abi = STAGE_ABI, .name = "fake" };

static void
volume_asked(void *conf, const struct fact_call *call)
{
	struct fake_volume *v = conf;
	size_t n = strlen(v->calls);
	struct buf call_text;

	buf_init(&call_text, sizeof(v->calls));
	fact_call_print(call, &call_text);
	snprintf(v->calls + n, sizeof(v->calls) - n, "%.*s ", STR_ARG(buf_str(&call_text)));
	buf_free(&call_text);
}

#define FACTS(table) .facts = table, .n_facts = sizeof table / sizeof table[0]
#define STAGE(table) FACTS(table), .stage = &stage

static const struct config_part parts[] = {
	{ .name = "", FACTS(session) },
	{ .name = "spf", STAGE(spf) },
	{ .name = "dkim", STAGE(dkim) },
	{ .name = "listed", STAGE(listed) },
	{ .name = "greylist",
	    STAGE(greylist),
	    .settings = greylist_rows,
	    .n_settings = sizeof greylist_rows / sizeof greylist_rows[0],
	    .conf_size = sizeof(struct fake_greylist),
	    .configure = configure_greylist },
	{ .name = "volume",
	    STAGE(volume),
	    .conf_size = sizeof(struct fake_volume),
	    .asked = volume_asked },
	{ .name = "dmarc",
	    STAGE(dmarc),
	    .settings = dmarc_rows,
	    .n_settings = 1,
	    .conf_size = sizeof(struct fake_dmarc),
	    .uses = dmarc_uses },
};

static const char *const sounds[] = { "loud", "quiet", NULL };
static const struct fact_def bell[] = {
	{ .name = "bell", .type = VALUE_SYMBOL, .symbols = sounds, AT_ALL },
};

/* `stage "bell.so"` and nothing else can be loaded. */
static bool
load(const char *path, struct config_part *out, struct err *e)
{
	if (strcmp(path, "bell.so") != 0)
		return err_set(e, ERR_SYSTEM, "cannot load the stage %s: no such file", path);
	*out = (struct config_part){ .name = "bell", FACTS(bell) };
	return true;
}

const struct config_vocabulary fake_vocabulary = { parts, sizeof parts / sizeof parts[0], load };

struct config *
fake_load(const char *text)
{
	struct complaints c = { 0 };
	struct config *config = config_load_text("/etc/r.conf", str_of(text), &fake_vocabulary, &c);

	if (config == NULL)
		die("%u:%u: %s\nin:\n%s", c.item[0].line, c.item[0].column, c.item[0].text, text);
	complaints_free(&c);
	return config;
}
