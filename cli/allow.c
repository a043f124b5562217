/*
 * allow: the subcommands `allow` and `block`: make an exception from the rules out of an entry of the journal, or of whom
 * they name, say what it would have done in the past, and take it back again.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/escape.h"
#include "cli/entry_id.h"
#include "cli/exceptions.h"
#include "cli/impact.h"
#include "cli/narrowest.h"
#include "cli/pseudonyms.h"
#include "cli/signed.h"
#include "cli/when.h"
#include "cli/whom.h"

#define ARENA_LIMIT (1 << 24)
#define DEFAULT_MS (INT64_C(30) * 86400 * 1000)
#define NOTE_MAX 500

struct options {
	struct cli_texts recipients;
	const char *until, *note, *by, *rule, *undo, *ticket;
	bool any_rule, yes, dry_run;
};

struct errand {
	struct cli *cli;
	struct options options;
	enum exception_kind kind;
	struct arena *arena;
	int64_t now_ms;
	struct config *config; /* NULL: there is none */
	struct evidence_reader reader;
	struct exception x;
	struct str entry;  /* the id that it was made of; "": none */
	struct str hashed; /* the key of the pseudonyms by which it names somebody; "": none */
	struct pseudonyms pseudonyms;
	struct exception_row *rows;       /* that there are */
	const struct exception_row *same; /* of the same key; NULL */
};

static const char *
name_of(const struct errand *x)
{
	return x->kind == EXCEPTION_BLOCK ? "block" : "allow";
}

/* --- out of an entry ----------------------------------------------------------------------------- */

static bool
keep_record(void *owner, const struct journal_record *r)
{
	*(struct journal_record **)owner = journal_record_copy(r);
	return false;
}

/* Those that the entry was about; of a block, all. */
static bool
take_recipients(struct errand *x, const struct evidence *v)
{
	struct str *all = ARENA_ARRAY(x->arena, struct str, v->n_recipients + 1);

	if (x->kind == EXCEPTION_BLOCK || x->options.recipients.n > 0)
		return true;
	if (v->n_recipients > EXCEPTION_RECIPIENTS) {
		cli_fail(x->cli, "it had %zu recipients: name some with --for, or --for any",
		    v->n_recipients);
		return false;
	}
	for (size_t i = 0; i < v->n_recipients; i++)
		all[i] = arena_dup(x->arena, v->recipient[i]);
	x->x.recipient = all;
	x->x.n_recipients = v->n_recipients;
	return true;
}

static bool
take_record(struct errand *x, const struct journal_record *r)
{
	struct evidence v;
	struct err e;

	if (strcmp(r->verdict, "change") == 0) {
		cli_fail(x->cli, "%s is no mail but a change by an administrator", r->id);
		return false;
	}
	if (str_eq(r->text, STR(JOURNAL_FORGOTTEN)) && r->client_ip.n == 0) {
		cli_fail(x->cli,
		    "%s was emptied by `postern forget`: whom it named is not known any more",
		    r->id);
		return false;
	}
	evidence_read(&x->reader, x->arena, r, &v);
	x->entry = arena_dup(x->arena, str_of(r->id));
	x->hashed = v.hashed;
	if ((x->kind == EXCEPTION_ALLOW && !x->options.any_rule && !x->options.rule &&
		!narrowest_rule(&v, r, &x->x, &e)) ||
	    !narrowest_proof(x->arena, &v, x->options.by, &x->x, &e)) {
		cli_fail(x->cli, "%s: %s", r->id, e.text);
		return false;
	}
	x->x.domain = arena_dup(x->arena, x->x.domain);
	x->x.sender = arena_dup(x->arena, x->x.sender);
	x->x.place = arena_dup(x->arena, x->x.place);
	return take_recipients(x, &v);
}

static bool
take_entry(struct errand *x, const char *id)
{
	char found[ENTRY_ID_SIZE + 1];
	struct journal_filter filter = { .id = entry_id(str_of(id), found) };
	struct journal_record *record = NULL;
	struct err e;
	bool ok = journal_read(x->reader.journal, &filter, keep_record, &record, &e);

	if (!ok)
		cli_fail(x->cli, "%s", e.text);
	else if (record == NULL)
		cli_fail(x->cli,
		    "no entry \"%s\" in the journal; else name whom to %s: dkim:DOMAIN, spf:DOMAIN or a "
		    "client's address",
		    ESC(str_of(id)), name_of(x));
	ok = record && take_record(x, record);
	free(record);
	return ok;
}

/* --- whom ---------------------------------------------------------------------------------------- */

static bool
take_rule(struct errand *x)
{
	struct str place = str_of(x->options.rule);

	if (x->kind == EXCEPTION_BLOCK || x->options.any_rule || !x->options.rule)
		return true;
	if (x->config)
		x->x.rule = evidence_digest(x->arena, x->config, place);
	x->x.place = place;
	if (x->x.rule.n > 0)
		return true;
	cli_fail(x->cli, "--rule: %s is no rule that refuses, or one of several on its line",
	    ESC(place));
	return false;
}

static bool
take_named(struct errand *x)
{
	if (x->kind == EXCEPTION_BLOCK || x->options.any_rule || x->options.rule)
		return true;
	cli_fail(x->cli,
	    "past which rule? --rule FILE:LINE names one, --any-rule lets it pass all of them");
	return false;
}

/* --- for whom, and how long ---------------------------------------------------------------------- */

static bool
take_for(struct errand *x)
{
	struct err e;

	if (whom_recipients(x->arena, &x->options.recipients, &x->x, &e))
		return true;
	cli_fail(x->cli, "--for: %s", e.text);
	return false;
}

static bool
take_until(struct errand *x)
{
	int64_t ms = x->now_ms + DEFAULT_MS;
	const char *text = x->options.until;
	struct err e;

	if (text && strcmp(text, "forever") == 0)
		return true;
	if (text && !when_ahead(str_of(text), x->now_ms, &ms, &e)) {
		cli_fail(
		    x->cli, "--until: %s%s", e.text, e.code == ERR_SYNTAX ? ", or forever" : "");
		return false;
	}
	x->x.expires = (ms + 999) / 1000;
	return true;
}

/* --- signed --------------------------------------------------------------------------------------- */

/* Who has a ticket may do what stands in it, and no more. */
static bool
take_ticket(struct errand *x, struct ticket *out)
{
	struct options *o = &x->options;

	if (o->recipients.n > 0 || o->until || o->by || o->rule || o->any_rule || o->undo) {
		cli_fail(
		    x->cli, "--signed says for whom and until when; nothing else goes with it");
		return false;
	}
	if (!signed_read(x->cli, x->config, o->ticket, x->arena, out))
		return false;
	if (out->recipient.n > 0)
		o->recipients = (struct cli_texts){ { out->recipient.p }, 1 };
	o->yes = true;
	return true;
}

/* --- saying and asking --------------------------------------------------------------------------- */

static void
say(struct errand *x, const struct impact *impact)
{
	struct buf text;

	buf_init(&text, 16384);
	buf_printf(&text, "%s ", name_of(x));
	exception_print(&x->x, &text);
	buf_add(&text, STR(", "));
	exception_print_until(x->x.expires, &text);
	fprintf(x->cli->out, "%.*s\n", (int)text.n, text.p);
	if (x->same)
		fprintf(x->cli->out, "it is exception %" PRId64 ", which is renewed\n",
		    x->same->stored->number);
	if (x->kind == EXCEPTION_ALLOW && x->x.n_recipients == 0 && x->options.recipients.n == 0)
		fprintf(x->cli->out,
		    "whoever the recipient is: at that step none was known; --for limits it\n");
	impact_print(x->cli, impact, &x->x);
	buf_free(&text);
}

/* --- doing --------------------------------------------------------------------------------------- */

static void
write_about(struct errand *x, const char *who, struct buf *b)
{
	buf_add(b, STR("{\"by\":"));
	escape_json(b, str_of(who));
	if (x->entry.n > 0) {
		buf_add(b, STR(",\"entry\":"));
		escape_json(b, x->entry);
	}
	if (x->hashed.n > 0) {
		buf_add(b, STR(",\"hashed\":"));
		escape_json(b, x->hashed);
	}
	if (x->options.note) {
		buf_add(b, STR(",\"note\":"));
		escape_json(b, str_of(x->options.note));
	}
	buf_addc(b, '}');
}

static bool
write_journal(struct errand *x, const char *who)
{
	struct buf text;
	bool ok;

	buf_init(&text, 16384);
	buf_printf(&text, "%s by %s: ", x->same ? "renewed" : "made", who);
	exception_print(&x->x, &text);
	buf_add(&text, STR(", "));
	exception_print_until(x->x.expires, &text);
	if (x->entry.n > 0)
		buf_printf(&text, ", of entry %.*s", STR_ARG(x->entry));
	if (x->options.note)
		buf_printf(&text, ": %s", ESC(str_of(x->options.note)));
	ok = exceptions_journal(x->cli, name_of(x), buf_str(&text));
	buf_free(&text);
	return ok;
}

static void
tell(struct errand *x, int64_t number, const struct impact *impact)
{
	struct buf b;

	if (!x->cli->json) {
		if (number > 0)
			fprintf(x->cli->out,
			    "it is exception %" PRId64 ", in force within a second\n", number);
		return;
	}
	buf_init(&b, 1 << 20);
	if (number > 0)
		buf_printf(&b, "{\"number\":%" PRId64 ",", number);
	else
		buf_add(&b, STR("{\"number\":null,"));
	exception_json(&x->x, &b);
	buf_addc(&b, ',');
	impact_json(impact, &b);
	fprintf(x->cli->out, "%.*s}\n", (int)b.n, b.p);
	buf_free(&b);
}

static int
put(struct errand *x, struct str key, const struct impact *impact)
{
	struct store_exceptions ask = { .what = EXCEPTIONS_PUT,
		.one = { .number = x->same ? x->same->stored->number : 0,
		    .key = key,
		    .expires = x->x.expires } };
	char who[128];
	struct buf about;
	bool ok;

	exceptions_who(who, sizeof(who));
	if (!write_journal(x, who))
		return CLI_ERROR;
	buf_init(&about, 8192);
	write_about(x, who, &about);
	ask.one.about = buf_str(&about);
	ok = exceptions_ask(x->cli, &ask, x->now_ms);
	buf_free(&about);
	if (!ok)
		return CLI_ERROR;
	if (!ask.done)
		return cli_fail(x->cli,
		    "there are %d exceptions already, the most there can be: `postern lists` shows them; "
		    "lists of the configuration hold more",
		    STORE_EXCEPTIONS_MAX);
	tell(x, ask.one.number, impact);
	return CLI_FOUND;
}

/* What was said of it before stands, unless something else is said now: nobody who renews it by a link shortens it. */
static void
renew(struct errand *x)
{
	int64_t before = x->same->stored->expires;

	if (!x->options.until && x->x.expires > 0 && (before == 0 || before > x->x.expires))
		x->x.expires = before;
	if (!x->options.note && x->same->note.n > 0)
		x->options.note = arena_dup(x->arena, x->same->note).p;
}

static int
make(struct errand *x)
{
	struct impact_question q = { &x->x, x->entry, x->now_ms };
	struct str key = exception_key(x->arena, &x->x);
	struct impact impact = { 0 };
	int code = CLI_ERROR;
	struct err e;

	if (key.n == 0)
		return cli_fail(x->cli,
		    "an address with a blank in it cannot be excepted, nor so "
		    "many recipients: name others with --for");
	for (struct exception_row *r = x->rows; r; r = r->next)
		if (str_eq(r->stored->key, key))
			x->same = r;
	if (x->same)
		renew(x);
	if (!impact_measure(&x->reader, &q, &impact, &e)) {
		cli_fail(x->cli, "%s", e.text);
	} else {
		if (!x->cli->json)
			say(x, &impact);
		if (x->options.dry_run) {
			tell(x, 0, &impact);
			code = CLI_FOUND;
		} else if (x->options.yes || cli_confirm(x->cli, "do it?")) {
			code = put(x, key, &impact);
		}
	}
	impact_free(&impact);
	return code;
}

/* --- taking back --------------------------------------------------------------------------------- */

/* By its number, or all that were made of an entry. */
static int
undo(struct errand *x)
{
	char id[ENTRY_ID_SIZE + 1];
	struct str what = entry_id(str_of(x->options.undo), id);
	uint64_t number = 0;
	int n = 0, others = 0;

	(void)str_to_u64(what, INT64_MAX, &number);
	for (struct exception_row *r = x->rows; r; r = r->next) {
		bool numbered = number > 0 && r->stored->number == (int64_t)number;

		if (r->unreadable || (!numbered && (r->entry.n == 0 || !str_eq(r->entry, what))))
			continue;
		if (r->x.kind != x->kind) {
			others++;
			continue;
		}
		if (!exceptions_drop(x->cli, r, x->now_ms))
			return CLI_ERROR;
		n++;
	}
	if (n == 0 && others > 0)
		cli_fail(x->cli, "\"%s\" is not of `postern %s`: `postern %s --undo` takes it back",
		    ESC(what), name_of(x), x->kind == EXCEPTION_BLOCK ? "allow" : "block");
	else if (n == 0)
		cli_fail(x->cli,
		    "no exception has the number \"%s\" or was made of such an entry; see `postern lists`",
		    ESC(what));
	return n > 0 ? CLI_FOUND : CLI_NOTHING;
}

/* --- the subcommands ----------------------------------------------------------------------------- */

/* Whom it names by pseudonyms of an entry, posternd recognises under the same key only. */
static bool
hashed_here(struct errand *x)
{
	bool named = false;

	for (size_t i = 0; i < x->x.n_recipients && !named; i++)
		named = pseudonym_is(x->x.recipient[i]);
	if (!named)
		x->hashed = STR("");
	else if (x->hashed.n == 0 && x->pseudonyms.p)
		x->hashed = str_of(pseudonym_key(x->pseudonyms.p)); /* --for has one */
	if (x->hashed.n == 0 ||
	    (x->pseudonyms.p && str_eq(x->hashed, str_of(pseudonym_key(x->pseudonyms.p)))))
		return true;
	cli_fail(x->cli,
	    "its addresses are hashed under %s, so nobody would be recognised: name the recipients, allow ID --for ADDRESS",
	    x->pseudonyms.p           ? "another key than that of `journal addresses hashed` now"
		: x->pseudonyms.known ? "a key that the configuration does not name"
				      : "a key that cannot be read");
	return false;
}

static int
act(struct errand *x, char **argv, int n)
{
	struct ticket ticket = { .until = 0 };
	const char *who = argv[0];
	enum whom whom;
	struct err e;

	if (x->options.ticket && !take_ticket(x, &ticket))
		return CLI_ERROR;
	if (x->options.ticket)
		who = ticket.id.p;
	if (!exceptions_read(x->cli, x->arena, x->now_ms, &x->rows))
		return CLI_ERROR;
	if (x->options.undo)
		return n == 0 ? undo(x) : cli_fail(x->cli, "--undo takes one: which?");
	if (x->options.note && strlen(x->options.note) > NOTE_MAX)
		return cli_fail(x->cli, "--note: %d octets at most", NOTE_MAX);
	x->reader = (struct evidence_reader){
		.journal = cli_journal(x->cli), .config = x->config, .pseudonym = x->pseudonyms.p
	};
	if (x->reader.journal == NULL)
		return CLI_ERROR;
	x->x.kind = x->kind;
	whom = x->options.ticket ? WHOM_OTHER : whom_read(x->arena, str_of(who), &x->x, &e);
	if (whom == WHOM_WRONG)
		return cli_fail(x->cli, "%s", e.text);
	if (whom == WHOM_NAMED ? !take_named(x) : !take_entry(x, who))
		return CLI_ERROR;
	if (!take_rule(x) || !take_for(x) || !take_until(x))
		return CLI_ERROR;
	if (x->options.ticket)
		x->x.expires = ticket.until;
	if (!hashed_here(x))
		return CLI_ERROR;
	return make(x);
}

static int
run_either(struct cli *cli, const struct command *command, enum exception_kind kind, char **argv)
{
	struct errand x = { .cli = cli, .kind = kind, .now_ms = clock_wall_ms() };
	int n, code;

	if (!cli_options(cli, command, &x.options, argv, &n))
		return cli->code;
	if (n != (x.options.ticket ? 0 : 1) && !x.options.undo)
		return cli_fail(cli, "%s takes one id, or whom; see `postern %s --help`",
		    command->name, command->name);
	x.arena = arena_new(ARENA_LIMIT);
	if (cli->database == NULL || access(cli->config, R_OK) == 0)
		x.config = x.options.ticket ? cli_config_whole(cli, cli->config)
					    : cli_config(cli, cli->config);
	pseudonyms_try(cli, &x.pseudonyms);
	code = act(&x, argv, n);
	pseudonyms_close(&x.pseudonyms);
	evidence_reader_free(&x.reader);
	journal_close(&x.reader.journal);
	if (x.config)
		config_release(&x.config);
	arena_free(&x.arena);
	return code;
}

static int
run_allow(struct cli *cli, int argc, char **argv)
{
	return run_either(cli, &command_allow, EXCEPTION_ALLOW, argv);
}

static int
run_block(struct cli *cli, int argc, char **argv)
{
	return run_either(cli, &command_block, EXCEPTION_BLOCK, argv);
}

#define ROW(name, kind, member, value, help) \
	{ \
		name, kind, offsetof(struct options, member), value, help \
	}
#define COMMON_ROWS \
	ROW("until", OPTION_TEXT, until, "TIME", "7d, 2026-12-31, forever; default: 30d"), \
	    ROW("by", OPTION_TEXT, by, "WHAT", \
		"dkim, spf or client: what has to prove the sender; default: the best there is"), \
	    ROW("note", OPTION_TEXT, note, "TEXT", "why, for those who read `postern lists`"), \
	    ROW("undo", OPTION_TEXT, undo, "WHICH", "takes it back: a number, or the entry's id"), \
	    ROW("dry-run", OPTION_SWITCH, dry_run, NULL, "only tells what it would do"), \
	    ROW("yes", OPTION_SWITCH, yes, NULL, "does it without asking")

static const struct cli_option allow_rows[] = {
	ROW("for", OPTION_TEXTS, recipients, "RECIPIENT",
	    "for this one (an address or domain) or several; any: for all; default: the entry's"),
	ROW("rule", OPTION_TEXT, rule, "FILE:LINE", "past this rule; default: the entry's"),
	ROW("any-rule", OPTION_SWITCH, any_rule, NULL, "past whatever rule refuses"),
	ROW("signed", OPTION_TEXT, ticket, "TICKET",
	    "what a link of `postern digest` lets in, without asking"),
	COMMON_ROWS,
};

static const struct cli_option block_rows[] = {
	ROW("for", OPTION_TEXTS, recipients, "RECIPIENT",
	    "only for this one (an address or domain) or several; default: for all"),
	COMMON_ROWS,
};

const struct command command_allow = {
	.name = "allow",
	.arguments = "ID | WHO | --signed TICKET | --undo WHICH",
	.summary = "let in a sender whom a rule has refused",
	.help =
	    "Makes the narrowest exception that turns the verdict with this id: for the sender as far as the\n"
	    "entry proves it (a DKIM domain, else an SPF domain, else the client's address), for the\n"
	    "entry's recipients, past the one rule that refused. It is in force within a second, without\n"
	    "a reload, and ends by itself. First it tells what else of the past 30 days it would have let\n"
	    "in. WHO is dkim:DOMAIN, spf:DOMAIN, or a client's address or network.\n",
	.options = allow_rows,
	.n_options = sizeof(allow_rows) / sizeof(allow_rows[0]),
	.run = run_allow,
};

const struct command command_block = {
	.name = "block",
	.arguments = "ID | WHO | --undo WHICH",
	.summary = "keep a sender out, whatever the rules say",
	.help =
	    "Refuses the sender of the entry with this id, as far as the entry proves it (a DKIM domain,\n"
	    "else an SPF domain, else the client's address), at the first step at which it is proven\n"
	    "again. It is in force within a second, without a reload, and ends by itself. First it tells\n"
	    "what of the past 30 days it would have kept out. WHO is dkim:DOMAIN, spf:DOMAIN, or a\n"
	    "client's address or network.\n",
	.options = block_rows,
	.n_options = sizeof(block_rows) / sizeof(block_rows[0]),
	.run = run_block,
};
