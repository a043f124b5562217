/*
 * mime: what rules may want to know of a message's fields and parts: decoded fields, the names and types
 * of attachments, and what is ambiguous about its structure. The body is walked while it arrives; of
 * a message that no rule asks for, only when they ask.
 */
#include "filters/stage.h"

#include "base/die.h"
#include "filters/mime_field.h"
#include "filters/mime_walk.h"

struct state {
	struct mime_walk *walk;
	uint64_t offset;                /* of the first octet that was not walked yet */
	const struct mime_found *found; /* NULL: not at the end yet */
};

static struct state *
state_of(struct ask *ask)
{
	struct transaction *txn = &ask->session->txn;
	struct state *state;

	require(ask->state != NULL);
	if (!*ask->state) {
		state = ARENA_NEW(txn->arena, struct state);
		state->walk = mime_walk_new(txn->arena, &txn->message.header);
		state->offset = txn->message.body;
		*ask->state = state;
	}
	return *ask->state;
}

/* What has arrived since the last time. */
static void
walk(const struct message *message, struct state *state)
{
	struct str octets;

	while (!state->found && (octets = message->at(message->owner, state->offset)).n > 0) {
		mime_walk_body(state->walk, octets);
		state->offset += octets.n;
	}
}

static void
stage_event(struct ask *ask, enum stage_event event)
{
	if (event == EVENT_HEADER || event == EVENT_BODY)
		walk(&ask->session->txn.message, state_of(ask));
}

static const struct mime_found *
found(struct ask *ask)
{
	struct state *state = state_of(ask);

	walk(&ask->session->txn.message, state);
	if (!state->found)
		state->found = mime_walk_end(state->walk);
	return state->found;
}

/* --- facts ------------------------------------------------------------------------------------ */

static enum progress
compute_header(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct header *header = &ask->session->txn.message.header;
	char name[MIME_NAME_MAX + 1];
	const struct field *field = NULL;

	*out = (struct value){ .type = VALUE_NONE };
	if (str_copy(call->arg[0].text, name, sizeof(name)))
		field = header_find(header, name, 0);
	if (field)
		*out = value_text(mime_field_text(ask->arena, field->value));
	return DONE;
}

static bool
check_header(const struct fact_call *call, struct err *e)
{
	struct str name = call->arg[0].text;
	bool ok = name.n > 0 && name.n <= MIME_NAME_MAX;

	/* RFC 5322 2.2 */
	for (size_t i = 0; i < name.n && ok; i++)
		ok = name.p[i] > ' ' && name.p[i] < 127 && name.p[i] != ':';
	return ok ||
	    err_set(e, ERR_SYNTAX,
		"a header field's name has no blank and no colon: header(\"Subject\")");
}

static struct value
value_list(const struct mime_texts *texts)
{
	return (struct value){ .type = VALUE_LIST, .list = { texts->item, texts->n } };
}

static enum progress
compute_attachments(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_number((int64_t)found(ask)->attachments);
	return DONE;
}

static enum progress
compute_names(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_list(&found(ask)->names);
	return DONE;
}

static enum progress
compute_attached(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_list(&found(ask)->attached);
	return DONE;
}

static enum progress
compute_types(struct ask *ask, const struct fact_call *call, struct value *out)
{
	*out = value_list(&found(ask)->types);
	return DONE;
}

/* Windows opens "a.exe. " as it opens "a.exe". */
static struct str
extension_of(struct str name)
{
	size_t dot;

	while (name.n > 0 && (name.p[name.n - 1] == '.' || name.p[name.n - 1] == ' '))
		name.n--;
	dot = str_rfind(name, '.');
	return dot == STR_NPOS ? STR("") : str_sub(name, dot + 1, name.n);
}

static enum progress
compute_extensions(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct mime_texts *names = &found(ask)->names;
	struct str *item = ARENA_ARRAY(ask->arena, struct str, names->n);
	size_t n = 0;

	for (size_t i = 0; i < names->n; i++) {
		struct str extension = arena_lower(ask->arena, extension_of(names->item[i]));
		bool there = extension.n == 0;

		for (size_t k = 0; k < n && !there; k++)
			there = str_eq(item[k], extension);
		if (!there)
			item[n++] = extension;
	}
	*out = (struct value){ .type = VALUE_LIST, .list = { item, n } };
	return DONE;
}

static enum progress
compute_defects(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct str *item = ARENA_ARRAY(ask->arena, struct str, MIME_DEFECTS);
	size_t n = 0;

	for (unsigned i = 0; i < MIME_DEFECTS; i++)
		if (found(ask)->defects & 1u << i)
			item[n++] = str_of(mime_defect_name(i));
	*out = (struct value){ .type = VALUE_LIST, .list = { item, n } };
	return DONE;
}

static const struct fact_param header_params[] = { { "NAME", VALUE_TEXT }, { NULL } };

#define WITHOUT_IT \
	"Send the message without the attachments that are not taken here, or put the files where they can be fetched."

#define MIME_FACT(fact, kind, function, words, can_do) \
	{ \
		.name = (fact), .remedy = (can_do), .type = (kind), .from = STEP_MESSAGE, \
		.to = STEP_MESSAGE, .life = LIFE_TRANSACTION, .cost = COST_BODY, \
		.compute = (function), .asks = cost_nothing, .help = (words), \
	}

static const struct fact_def facts[] = {
	MIME_FACT("attachment.extensions", VALUE_LIST, compute_extensions,
	    "What stands behind the last dot of the names of attachments, lower case, each once.",
	    WITHOUT_IT),
	MIME_FACT("attachment.names", VALUE_LIST, compute_names,
	    "The names of attachments, decoded (RFC 2231, RFC 2047); where a part has several, all; 100 "
	    "at most.",
	    WITHOUT_IT),
	MIME_FACT("attachment.types", VALUE_LIST, compute_attached,
	    "The types that attachments claim to have, such as application/zip; lower case.",
	    WITHOUT_IT),
	MIME_FACT("attachments", VALUE_NUMBER, compute_attachments,
	    "How many parts of the message have a file's name or are called an attachment, those "
	    "of messages within it too.",
	    WITHOUT_IT),
	{
	    .name = "header",
	    .type = VALUE_TEXT,
	    .params = header_params,
	    .from = STEP_MESSAGE,
	    .to = STEP_MESSAGE,
	    .life = LIFE_TRANSACTION,
	    .cost = COST_FREE,
	    .compute = compute_header,
	    .check = check_header,
	    .help = "The first header field of that name, unfolded and decoded (RFC 2047); unknown "
		    "when there is none.",
	},
	MIME_FACT("mime.defects", VALUE_LIST, compute_defects,
	    "What makes mail readers disagree about the parts of the message, as words: see "
	    "docs/stages/mime.md.",
	    "Send the message with another program: this one does not build it as MIME wants, so that mail readers disagree about what is in it."),
	MIME_FACT("mime.types", VALUE_LIST, compute_types,
	    "The types of all parts of the message, multiparts included; lower case.",
	    "Send the message in another form: as plain text, without parts of the kinds that are not taken here."),
};

static bool
configure(void *conf, struct arena *arena, struct err *e)
{
	(void)conf;
	(void)arena;
	(void)e;
	mime_field_start();
	return true;
}

extern const struct stage mime_stage;
const struct stage mime_stage = {
	.abi = STAGE_ABI,
	.name = "mime",
	.help =
	    "Reads header fields, and the names and types of a message's parts (RFC 2045-2047, 2231).",
	.facts = facts,
	.n_facts = sizeof(facts) / sizeof(facts[0]),
	.configure = configure,
	.event = stage_event,
};
