#include "tests/filters/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/die.h"
#include "db/store.h"

/* A fact that has to wait more often than this goes in circles. */
#define ROUNDS_MAX 50

struct world_record {
	struct str name;
	enum dns_type type;
	bool fails;
	struct dns_rr rr;
	struct world_record *next;
};

/* --- settings --------------------------------------------------------------------------------- */

static int64_t
read_number(const char *text, const char **unit)
{
	char *end;
	int64_t number = strtoll(text, &end, 10);

	if (end == text)
		fail_msg("\"%s\" is no number", text);
	*unit = end;
	return number;
}

static int64_t
read_duration_ms(const char *text)
{
	const char *unit;
	int64_t number = read_number(text, &unit);

	if (strcmp(unit, "ms") == 0)
		return number;
	switch (unit[0]) {
	case 's':
		return number * 1000;
	case 'm':
		return number * 60000;
	case 'h':
		return number * 3600000;
	case 'd':
		return number * 86400000;
	}
	fail_msg("\"%s\" is no duration", text);
	return 0;
}

static void
set(struct world *w, void *conf, const struct setting *row, const char *value)
{
	char *place = (char *)conf + row->offset;
	const char *unit;

	switch (row->type) {
	case SETTING_SWITCH:
		*(bool *)place = strcmp(value, "on") == 0;
		break;
	case SETTING_NUMBER:
		*(int64_t *)place = read_number(value, &unit);
		break;
	case SETTING_DURATION:
		*(int64_t *)place = read_duration_ms(value);
		break;
	case SETTING_TEXT:
	case SETTING_FILE:
		*(const char **)place = arena_dup(w->arena, str_of(value)).p;
		break;
	case SETTING_WORD:
		for (int64_t i = 0; row->words[i]; i++)
			if (strcmp(row->words[i], value) == 0)
				*(int64_t *)place = i;
		break;
	case SETTING_SIZE:
		*(int64_t *)place = read_number(value, &unit) *
		    (unit[0] == 'k'          ? 1024
			    : unit[0] == 'M' ? 1048576
					     : 1);
		break;
	}
}

static size_t
stage_index(const struct world *w, const char *name)
{
	for (size_t i = 0; i < w->n_stages; i++)
		if (strcmp(w->stages[i]->name, name) == 0)
			return i;
	fail_msg("there is no stage %s", name);
	return 0;
}

void
world_set(struct world *w, const char *stage, const char *name, const char *value)
{
	size_t i = stage_index(w, stage);

	for (size_t j = 0; j < w->stages[i]->n_settings; j++) {
		if (strcmp(w->stages[i]->settings[j].name, name) != 0)
			continue;
		set(w, w->conf[i], &w->stages[i]->settings[j], value);
		return;
	}
	fail_msg("stage %s has no setting %s", stage, name);
}

bool
world_configure(struct world *w, const char *stage, struct err *e)
{
	size_t i = stage_index(w, stage);

	return !w->stages[i]->configure || w->stages[i]->configure(w->conf[i], w->arena, e);
}

/* --- the world -------------------------------------------------------------------------------- */

static int
entry_order(const void *a, const void *b)
{
	const struct fact_entry *x = a, *y = b;

	return strcmp(x->def->name, y->def->name);
}

/* The session's own facts are of part 0, as in a configuration; a stage's state is kept at its index. */
static void
make_table(struct world *w)
{
	size_t n = n_session_facts;
	struct fact_entry *entry;

	for (size_t i = 0; i < w->n_stages; i++)
		n += w->stages[i]->n_facts;
	entry = ARENA_ARRAY(w->arena, struct fact_entry, n);
	w->table.entry = entry;
	w->table.n = n;
	for (size_t i = 0; i < n_session_facts; i++)
		*entry++ = (struct fact_entry){ .def = &session_facts[i], .stage = w->n_stages };
	for (size_t i = 0; i < w->n_stages; i++)
		for (size_t j = 0; j < w->stages[i]->n_facts; j++)
			*entry++ = (struct fact_entry){
				.def = &w->stages[i]->facts[j], .conf = w->conf[i], .stage = i
			};
	qsort((void *)w->table.entry, n, sizeof(struct fact_entry), entry_order);
}

static void
make_conf(struct world *w, size_t i)
{
	const struct stage *stage = w->stages[i];

	if (stage->conf_size > 0)
		w->conf[i] = arena_alloc(w->arena, stage->conf_size);
	for (size_t j = 0; j < stage->n_settings; j++)
		if (stage->settings[j].fallback)
			set(w, w->conf[i], &stage->settings[j], stage->settings[j].fallback);
}

struct world *
world_new(const struct stage *const *list, size_t n)
{
	struct world *w = xcalloc(1, sizeof(*w));
	char path[96];
	struct err e;

	w->arena = arena_new(256 * 1024 * 1024);
	w->stages = list;
	w->n_stages = n;
	w->conf = ARENA_ARRAY(w->arena, void *, n);
	for (size_t i = 0; i < n; i++)
		make_conf(w, i);
	make_table(w);
	w->now = 1800000000;
	snprintf(w->folder, sizeof(w->folder), "/tmp/postern-world-XXXXXX");
	if (!mkdtemp(w->folder))
		fail_msg("%s cannot be made", w->folder);
	snprintf(path, sizeof(path), "%s/store.db", w->folder);
	w->store = store_sqlite.open(path, &e);
	if (!w->store)
		fail_msg("%s", e.text);
	session_init(&w->session, FRONT_PROXY, &w->table, n + 1);
	return w;
}

void
world_free(struct world **world)
{
	static const char *const files[] = { "store.db", "store.db-wal", "store.db-shm" };
	struct world *w = *world;
	char path[96];

	session_free(&w->session);
	store_sqlite.close(&w->store);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", w->folder, files[i]);
		unlink(path);
	}
	rmdir(w->folder);
	arena_free(&w->arena);
	free(w);
	*world = NULL;
}

/* --- DNS -------------------------------------------------------------------------------------- */

static struct world_record *
add_record(struct world *w, const char *name)
{
	struct world_record *record = ARENA_NEW(w->arena, struct world_record);
	struct world_record **end = &w->records;

	record->name = arena_lower(w->arena, str_of(name));
	while (*end)
		end = &(*end)->next;
	*end = record;
	return record;
}

void
world_dns(struct world *w, const char *name, enum dns_type type, const char *data)
{
	struct world_record *record = add_record(w, name);
	const char *rest = data;
	struct ip ip;

	record->type = type;
	switch (type) {
	case DNS_A:
	case DNS_AAAA:
		if (!ip_parse(str_of(data), &ip))
			fail_msg("\"%s\" is no address", data);
		record->rr.data =
		    arena_dup(w->arena, (struct str){ (const char *)ip.b, type == DNS_A ? 4 : 16 });
		return;
	case DNS_MX:
		record->rr.preference = (uint16_t)read_number(data, &rest);
		rest++;
		break;
	case DNS_PTR:
	case DNS_TXT:
		break;
	}
	record->rr.data = arena_dup(w->arena, str_of(rest));
}

void
world_dns_fails(struct world *w, const char *name)
{
	add_record(w, name)->fails = true;
}

void
world_dns_fails_for(struct world *w, const char *name, enum dns_type type)
{
	struct world_record *record = add_record(w, name);

	record->type = type;
	record->fails = true;
}

static void
answer_dns(struct world *w, struct answer *a)
{
	struct dns_answer *out = &a->dns;

	*out = (struct dns_answer){ .status = DNS_NXDOMAIN, .ttl = 300 };
	out->rr = ARENA_ARRAY(w->arena, struct dns_rr, DNS_RR_MAX);
	for (struct world_record *r = w->records; r; r = r->next) {
		if (!str_eq(r->name, a->question.name))
			continue;
		if (r->fails && (r->type == 0 || r->type == a->question.type)) {
			out->status = DNS_TEMPFAIL;
			out->why = "timeout";
			return;
		}
		if (out->status == DNS_NXDOMAIN)
			out->status = DNS_NODATA;
		if (r->fails || r->type != a->question.type || out->n == DNS_RR_MAX)
			continue;
		out->status = DNS_OK;
		out->rr[out->n++] = r->rr;
	}
}

/* --- answering -------------------------------------------------------------------------------- */

/* Answers what is noted; how many those were. */
static size_t
answer_noted(struct world *w, struct answers *answers)
{
	struct store_ask batch[ANSWERS_MAX];
	size_t n = 0, n_dns = 0;
	struct err e;

	for (struct answer *a = answers->first; a; a = a->next) {
		if (a->state != ANSWER_NOTED)
			continue;
		a->state = ANSWER_HERE;
		answers->noted--;
		if (a->question.kind == QUESTION_DNS) {
			answer_dns(w, a);
			n_dns++;
			continue;
		}
		a->failed = w->store_fails;
		batch[n++] = (struct store_ask){ .question = &a->question, .answer = a };
	}
	w->dns_asked += n_dns;
	w->store_asked += n;
	if (n > 0 && !w->store_fails && !store_sqlite.ask(w->store, batch, n, w->now * 1000, &e))
		fail_msg("%s", e.text);
	return n + n_dns;
}

void
world_count(struct world *w, const struct question *q)
{
	struct answer answer = { .question = *q };
	struct store_ask one = { .question = &answer.question, .answer = &answer };
	struct err e;

	if (!store_sqlite.ask(w->store, &one, 1, w->now * 1000, &e))
		fail_msg("%s", e.text);
}

static size_t
answer_all(struct world *w)
{
	return answer_noted(w, &w->session.answers) + answer_noted(w, &w->session.txn.answers);
}

static void
tell(struct world *w, enum stage_event event)
{
	enum step step =
	    event == EVENT_RCPT_TAKEN || event == EVENT_RCPT_UNKNOWN ? STEP_RCPT : STEP_MESSAGE;

	for (size_t i = 0; i < w->n_stages; i++) {
		struct ask ask = session_ask(&w->session, step, w->now);

		if (!w->stages[i]->event || w->session.txn.stage_state == NULL)
			continue;
		ask.conf = w->conf[i];
		ask.state = &w->session.txn.stage_state[i];
		w->stages[i]->event(&ask, event);
	}
	answer_all(w);
}

/* As the gate does whenever a transaction ends. */
static void
over(struct world *w)
{
	if (w->session.txn.open)
		tell(w, EVENT_OVER);
	session_reset(&w->session);
}

/* --- sessions --------------------------------------------------------------------------------- */

void
world_connect(struct world *w, const char *ip, const char *account)
{
	over(w);
	session_free(&w->session);
	session_init(&w->session, FRONT_PROXY, &w->table, w->n_stages + 1);
	if (ip[0] != '\0' && !ip_parse(str_of(ip), &w->session.client_ip))
		fail_msg("\"%s\" is no address", ip);
	w->session.account = arena_dup(w->session.conn, str_of(account));
	session_helo(&w->session, STR("client.example"), true);
}

static struct mailbox
read_path(struct world *w, const char *path)
{
	struct str rest = arena_dup(w->arena, str_of(path));
	struct mailbox mailbox;
	struct err e;

	if (!mailbox_take(&rest, true, true, &mailbox, &e))
		fail_msg("%s: %s", path, e.text);
	return mailbox;
}

void
world_mail(struct world *w, const char *path)
{
	struct mailbox mailbox = read_path(w, path);

	over(w);
	session_mail(&w->session, &mailbox);
	w->session.txn.open = true;
}

void
world_rcpt(struct world *w, const char *path)
{
	struct mailbox mailbox = read_path(w, path);

	session_rcpt(&w->session, &mailbox);
}

void
world_rcpt_taken(struct world *w)
{
	w->session.txn.current->state = RECIPIENT_ACCEPTED;
	w->session.txn.n_accepted++;
	tell(w, EVENT_RCPT_TAKEN);
	w->session.txn.current = NULL;
}

void
world_rcpt_unknown(struct world *w)
{
	w->session.txn.current->state = RECIPIENT_UNKNOWN;
	w->session.txn.n_unknown++;
	tell(w, EVENT_RCPT_UNKNOWN);
	w->session.txn.current = NULL;
}

void
world_rcpt_refused(struct world *w)
{
	w->session.txn.current->state = RECIPIENT_REFUSED;
	w->session.txn.current = NULL;
}

static struct str
message_at(void *owner, uint64_t offset)
{
	struct str octets = str_of(owner);

	return str_sub(octets, offset, octets.n);
}

void
world_data(struct world *w, const char *octets)
{
	struct message *message = &w->session.txn.message;
	const char *copy = arena_dup(w->session.txn.arena, str_of(octets)).p;
	size_t body;
	bool too_many;

	if (!header_split(
		w->session.txn.arena, str_of(copy), true, &message->header, &body, &too_many))
		fail_msg("the header does not end");
	message->body = body;
	message->at = message_at;
	message->owner = (void *)(uintptr_t)copy;
	message->size = strlen(copy);
	tell(w, EVENT_HEADER);
	tell(w, EVENT_BODY);
	message->complete = true;
}

const char *
world_authres(struct world *w)
{
	struct authres authres;
	struct str text;

	authres_init(&authres, "mx.example");
	for (size_t i = 0; i < w->n_stages; i++) {
		struct ask ask = session_ask(&w->session, STEP_MESSAGE, w->now);

		if (!w->stages[i]->results)
			continue;
		ask.conf = w->conf[i];
		ask.state = &w->session.txn.stage_state[i];
		w->stages[i]->results(&ask, &authres);
	}
	text = authres_finish(&authres);
	text = header_unfold(w->arena, str_sub(text, str_find(text, ':') + 1, text.n));
	text = arena_dup(w->arena, text);
	authres_free(&authres);
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] == '\t')
			((char *)(uintptr_t)text.p)[i] = ' ';
	return text.p;
}

void
world_refused(struct world *w)
{
	tell(w, EVENT_REFUSED);
}

void
world_accepted(struct world *w)
{
	tell(w, EVENT_OFFERED);
	tell(w, EVENT_ACCEPTED);
	over(w);
}

void
world_message(struct world *w, const char *sender, unsigned recipients)
{
	char path[64];

	world_mail(w, sender);
	for (unsigned i = 0; i < recipients; i++) {
		snprintf(path, sizeof(path), "<r%u@here.example>", i);
		world_rcpt(w, path);
		world_rcpt_taken(w);
	}
	world_accepted(w);
}

/* --- facts ------------------------------------------------------------------------------------ */

static struct value
read_arg(const struct fact_param *param, struct str text)
{
	char copy[256];
	const char *unit;

	if (!str_copy(text, copy, sizeof(copy)))
		fail_msg("an argument is too long");
	switch (param->type) {
	case VALUE_SYMBOL:
		return (struct value){ .type = VALUE_SYMBOL, .text = text };
	case VALUE_TEXT:
		return value_text(str_sub(text, 1, text.n - 1));
	case VALUE_DURATION:
		return (struct value){ .type = VALUE_DURATION,
			.number = read_duration_ms(copy) / 1000 };
	case VALUE_NUMBER:
		return value_number(read_number(copy, &unit));
	default:
		fail_msg("no argument can be of this type");
	}
	return (struct value){ 0 };
}

int64_t
world_store_written(const struct world *w)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/store.db-wal", w->folder);
	if (stat(path, &st) != 0)
		fail_msg("there is no %s", path);
	return (int64_t)st.st_size;
}

struct fact_call
world_call(struct world *w, const char *text)
{
	struct str rest = arena_dup(w->arena, str_of(text)), part;
	struct fact_call call = { 0 };
	const struct fact_def *def;

	str_pop(&rest, '(', &part);
	call.entry = fact_find(&w->table, str_trim(part));
	if (!call.entry)
		fail_msg("there is no fact \"%s\"", text);
	def = call.entry->def;
	if (rest.p && str_ends(rest, STR(")")))
		rest.n--;
	while (rest.p && str_pop(&rest, ',', &part)) {
		if (!def->params || !def->params[call.n_args].name)
			fail_msg("\"%s\" has too many arguments", text);
		call.arg[call.n_args] = read_arg(&def->params[call.n_args], str_trim(part));
		call.n_args++;
	}
	return call;
}

void
world_rule(struct world *w, const char *text)
{
	struct fact_call call = world_call(w, text);
	const struct stage *stage = w->stages[call.entry->stage];

	if (stage->asked)
		stage->asked(w->conf[call.entry->stage], &call);
}

struct value
world_fact(struct world *w, enum step step, const char *text)
{
	struct fact_call call = world_call(w, text);
	struct value value = { 0 };

	for (w->rounds = 0; w->rounds < ROUNDS_MAX; w->rounds++) {
		struct ask ask = session_ask(&w->session, step, w->now);

		if (fact_get(&ask, &call, &value) == DONE)
			return value;
		if (answer_all(w) == 0)
			fail_msg("%s is pending without a question", text);
	}
	fail_msg("%s never ends", text);
	return value;
}

const char *
world_print(struct world *w, enum step step, const char *text)
{
	struct value value = world_fact(w, step, text);
	struct buf out;
	struct str printed;

	if (value.type == VALUE_NONE)
		return "(none)";
	buf_init(&out, 4096);
	value_print(&value, &out);
	printed = arena_dup(w->arena, buf_str(&out));
	buf_free(&out);
	return printed.p;
}

const char *
world_check(struct world *w, const char *text)
{
	struct fact_call call = world_call(w, text);
	struct err e = { 0 };

	if (!call.entry->def->check || call.entry->def->check(&call, &e))
		return "";
	return arena_dup(w->arena, str_of(e.text)).p;
}
