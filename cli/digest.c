/*
 * digest: what was refused, for those it was meant for: the postmaster is told all of it, owners of domains and
 * recipients theirs. Reads the journal beside a running posternd, prints the letters or mails them. A letter is text
 * only, and all in it that strangers wrote is escaped: for mail programs, and for the shell in commands to paste.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "cli/cli.h"
#include "cli/named.h"
#include "cli/refusals.h"
#include "cli/when.h"
#include "mail/letter.h"
#include "mail/ticket.h"
#include "post/submit.h"

#define SHOWN_MAX 500    /* rows of a letter */
#define LAST_LINES 1000  /* octets of what stands below them */
#define LETTERS_MAX 5000 /* of a run */
#define SEND_US 30000000 /* for one letter */
#define ARENA_LIMIT SIZE_MAX

struct options {
	const char *since, *until;
	struct cli_texts to;
	bool send, print;
};

/* That a refusal goes into somebody's letter. */
struct share {
	struct str address;
	const struct refusal *refusal;
};

struct digest {
	struct cli *cli;
	struct config *config;
	struct arena *arena, *letter; /* letter: of one letter */
	struct options options;
	struct journal_span span;
	int64_t now_ms;
	struct refusals refusals;
	struct share *share;
	size_t n, cap;
	struct named *named; /* those who get letters of their own */
	size_t letters, failed;
	int64_t unsent; /* letters beyond LETTERS_MAX */
};

/* --- whose it is -------------------------------------------------------------------------------- */

static void
add_share(struct digest *d, struct str address, const struct refusal *refusal)
{
	if (address.n == 0)
		return;
	if (d->n == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 1024;
		d->share = xrealloc(d->share, d->cap * sizeof(*d->share));
	}
	d->share[d->n++] = (struct share){ address, refusal };
}

/* A list of recipients is one of domains and mailboxes; a mailbox that letters can go to. */
static bool
has_own_letter(const struct digest *d, struct str recipient)
{
	const struct list *list = d->config->digest.recipients;
	const struct value value = value_text(recipient);
	struct err e;

	return list && letter_address(recipient, &e) && list_has(list, &value);
}

static void
share_out(struct digest *d, const struct refusal *refusal)
{
	const struct config_digest *conf = &d->config->digest;
	struct str domain = refusal->recipient, own;
	size_t at = str_rfind(domain, '@');

	domain = at == STR_NPOS ? STR("") : str_sub(domain, at + 1, domain.n);
	add_share(d, str_of(d->config->notify.postmaster), refusal);
	if (domain.n > 0)
		add_share(d, owner_find(conf->owners, conf->n_owners, domain, d->arena), refusal);
	/* Whoever writes to Alice@ and aLice@ does not have two letters sent to one mailbox. */
	own = arena_lower(d->arena, named_address(d->named, refusal->recipient));
	if (has_own_letter(d, own))
		add_share(d, own, refusal);
}

/* By address, each refusal once, in their order. */
static int
compare_shares(const void *a, const void *b)
{
	const struct share *x = a, *y = b;
	int order = str_cmp(x->address, y->address);

	return order ? order : (x->refusal > y->refusal) - (x->refusal < y->refusal);
}

static bool
is_asked_for(const struct digest *d, struct str address)
{
	const struct cli_texts *to = &d->options.to;

	for (size_t i = 0; i < to->n; i++)
		if (str_eqcase(str_of(to->text[i]), address))
			return true;
	return to->n == 0;
}

/* Whom --to names and no other way leads to gets what was refused for that very address. */
static void
share_with_named(struct digest *d)
{
	const struct cli_texts *to = &d->options.to;

	for (size_t i = 0; i < to->n; i++)
		for (size_t k = 0; k < d->refusals.n; k++)
			if (str_eqcase(named_address(d->named, d->refusals.row[k].recipient),
				str_of(to->text[i])))
				add_share(d, str_of(to->text[i]), &d->refusals.row[k]);
}

/* --- a letter ----------------------------------------------------------------------------------- */

static void
add_line(struct digest *d, struct buf *out, const char *label, struct str text)
{
	if (text.n > 0)
		buf_printf(out, "   %-8s%s\n", label, letter_clean(d->letter, text).p);
}

/* Whatever the recipient's name is, what is pasted allows something for it and does nothing else. */
static void
add_command(struct digest *d, struct buf *out, const struct refusal *r)
{
	int64_t hours = d->config->digest.valid / 3600000;
	struct buf word;

	buf_init(&word, 4096);
	buf_printf(out, "   %-8spostern allow %s", "Allow:", r->id);
	if (r->recipient.n > 0 && escape_shell(&word, r->recipient))
		buf_printf(out, " --for %.*s", STR_ARG(buf_str(&word)));
	buf_printf(out, " --until %" PRId64 "%c\n", hours % 24 ? hours : hours / 24,
	    hours % 24 ? 'h' : 'd');
	buf_free(&word);
}

static void
add_link(struct digest *d, struct buf *out, const struct refusal *r)
{
	const struct config_digest *conf = &d->config->digest;
	const struct ticket ticket = { str_of(r->id), r->recipient,
		(d->now_ms + conf->valid) / 1000 };
	struct buf text;

	buf_init(&text, TICKET_MAX);
	if (ticket_write(&ticket, conf->key, &text))
		buf_printf(out, "   %-8s%s%sticket=%.*s\n", "Allow:", conf->link,
		    strchr(conf->link, '?') ? "&" : "?", STR_ARG(buf_str(&text)));
	buf_free(&text);
}

/* FILE:LINE. What a limit, a failure or the mail server gave no exception undoes. */
static bool
by_rule(const struct refusal *r)
{
	size_t colon = str_rfind(r->rule, ':');
	uint64_t line;

	return colon != STR_NPOS &&
	    str_to_u64(str_sub(r->rule, colon + 1, r->rule.n), UINT32_MAX, &line);
}

/* As who gets the letter may see it: in clear only the own address. */
static struct refusal
shown_to(const struct digest *d, const struct share *share)
{
	struct refusal shown = *share->refusal;
	struct str address = named_address(d->named, shown.recipient);

	if (str_eqcase(address, share->address))
		shown.recipient = address;
	return shown;
}

static void
add_refusal(struct digest *d, struct buf *out, const struct share *share, bool to_postmaster)
{
	const struct refusal shown = shown_to(d, share), *r = &shown;
	char first[WHEN_SIZE], last[WHEN_SIZE];

	buf_printf(out, "\n%s", when_local(r->last_ms, last));
	if (r->times > 1)
		buf_printf(
		    out, ", %" PRId64 " times since %s", r->times, when_local(r->first_ms, first));
	buf_addc(out, '\n');
	add_line(d, out, "From:", r->sender.n > 0 ? r->sender : STR("<>"));
	add_line(d, out, "Client:", r->client);
	add_line(d, out, "To:", r->recipient);
	add_line(d, out, "Reason:", r->reason);
	if (to_postmaster)
		add_line(d, out, "Rule:", r->rule);
	if (!by_rule(r))
		return;
	if (d->config->digest.link[0])
		add_link(d, out, r);
	if (to_postmaster || !d->config->digest.link[0])
		add_command(d, out, r);
}

static void
add_span(struct digest *d, struct buf *out)
{
	char since[WHEN_SIZE], until[WHEN_SIZE];

	buf_printf(out, "from %s to %s", when_local(d->span.since_ms, since),
	    when_local(d->span.until_ms ? d->span.until_ms : d->now_ms, until));
}

/* As many as a letter has room for, whatever strangers made of their names; the number of them. */
static size_t
add_refusals(
    struct digest *d, struct buf *out, const struct share *share, size_t n, bool to_postmaster)
{
	size_t shown = 0;
	struct buf one;

	buf_init(&one, LETTER_MAX);
	for (; shown < n && shown < SHOWN_MAX; shown++) {
		buf_clear(&one);
		add_refusal(d, &one, &share[shown], to_postmaster);
		if (out->n + one.n > LETTER_MAX - LAST_LINES)
			break;
		buf_add(out, buf_str(&one));
	}
	buf_free(&one);
	return shown;
}

static void
write_text(struct digest *d, const struct share *share, size_t n, struct buf *out)
{
	bool postmaster = str_eq(share->address, str_of(d->config->notify.postmaster));
	size_t shown;

	buf_printf(out, "This mail was refused by %s,\n", d->config->core.hostname);
	add_span(d, out);
	buf_add(out,
	    STR(". Senders were told so. What stands behind From,\n"
		"Client and To was written by strangers, and may be false.\n"));
	if (!postmaster && !d->config->digest.link[0])
		buf_add(out,
		    STR("To have something let in, tell the postmaster what stands behind Allow.\n"));
	shown = add_refusals(d, out, share, n, postmaster);
	if (n > shown)
		buf_printf(out, "\nAnd %zu more%s.\n", n - shown,
		    postmaster ? ", which `postern log --verdict reject` lists" : "");
	if (postmaster && d->refusals.more > 0)
		buf_printf(out, "\nToo many to be told apart: %" PRId64 " more were refused.\n",
		    d->refusals.more);
}

static int64_t
sum_of(const struct share *share, size_t n)
{
	int64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += share[i].refusal->times;
	return sum;
}

/* --- printing and sending ----------------------------------------------------------------------- */

static void
print_json_one(struct digest *d, const struct share *share, bool first)
{
	const struct refusal shown = shown_to(d, share), *r = &shown;
	char when[WHEN_SIZE];
	struct buf b;

	buf_init(&b, 1 << 16);
	buf_printf(&b, "%s{\"id\":\"%s\",\"first\":\"%s\"", first ? "" : ",", r->id,
	    when_utc(r->first_ms, when));
	buf_printf(&b,
	    ",\"last\":\"%s\",\"times\":%" PRId64 ",\"from\":", when_utc(r->last_ms, when),
	    r->times);
	escape_json(&b, r->sender);
	buf_add(&b, STR(",\"client\":"));
	escape_json(&b, r->client);
	buf_add(&b, STR(",\"to\":"));
	escape_json(&b, r->recipient);
	buf_add(&b, STR(",\"reason\":"));
	escape_json(&b, r->reason);
	buf_add(&b, STR(",\"rule\":"));
	escape_json(&b, r->rule);
	fprintf(d->cli->out, "%.*s}", (int)b.n, b.p);
	buf_free(&b);
}

static void
print_json(struct digest *d, const struct share *share, size_t n)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	escape_json(&b, share->address);
	fprintf(d->cli->out, "{\"to\":%.*s,\"refused\":[", (int)b.n, b.p);
	for (size_t i = 0; i < n; i++)
		print_json_one(d, &share[i], i == 0);
	fputs("]}\n", d->cli->out);
	buf_free(&b);
}

static bool
send_letter(struct digest *d, const struct letter *letter)
{
	const struct wire_limit limit = { clock_mono_us() + SEND_US, -1 };
	struct err e;
	bool forever;

	if (submit_letter(&d->config->notify.server, letter, &limit, &forever, &e))
		return true;
	cli_fail(d->cli, "%s was not told: %s", ESC(letter->to), e.text);
	return false;
}

static void
tell(struct digest *d, const struct share *share, size_t n)
{
	struct letter letter = { .from = str_of(d->config->notify.from),
		.to = share->address,
		.host = str_of(d->config->notify.owner_domain),
		.now = d->now_ms / 1000 };
	struct buf text;

	if (d->cli->json && !d->options.send) {
		print_json(d, share, n);
		return;
	}
	buf_init(&text, LETTER_MAX);
	write_text(d, share, n, &text);
	letter.text = buf_str(&text);
	letter.subject = arena_printf(
	    d->letter, "%" PRId64 " refused by %s", sum_of(share, n), d->config->core.hostname);
	if (!d->options.send)
		fprintf(d->cli->out, "To: %s\nSubject: %s\n\n%.*s\n", ESC(letter.to),
		    letter.subject.p, STR_ARG(letter.text));
	else if (!send_letter(d, &letter))
		d->failed++;
	buf_free(&text);
	arena_reset(d->letter);
}

/* --- the subcommand ----------------------------------------------------------------------------- */

static int
tell_all(struct digest *d)
{
	if (d->config->digest.recipients)
		named_add_list(d->named, d->config->digest.recipients);
	for (size_t i = 0; i < d->options.to.n; i++)
		named_add(d->named, str_of(d->options.to.text[i]));
	named_finish(d->named);
	for (size_t i = 0; i < d->refusals.n; i++)
		share_out(d, &d->refusals.row[i]);
	share_with_named(d);
	if (d->n > 0)
		qsort(d->share, d->n, sizeof(*d->share), compare_shares);
	for (size_t i = 0, n; i < d->n; i += n) {
		struct share *one = &d->share[i];
		size_t kept = 1;

		for (n = 1; i + n < d->n && str_eq(one[n].address, one->address); n++)
			if (one[n].refusal != one[kept - 1].refusal)
				one[kept++] = one[n];
		if (!is_asked_for(d, one->address))
			continue;
		if (d->letters == LETTERS_MAX) {
			d->unsent++;
			continue;
		}
		d->letters++;
		tell(d, one, kept);
	}
	if (d->unsent > 0)
		cli_fail(d->cli, "%" PRId64 " letters more than %d were left out", d->unsent,
		    LETTERS_MAX);
	if (d->options.send && !d->cli->json)
		fprintf(d->cli->out, "%zu of %zu letters were sent\n", d->letters - d->failed,
		    d->letters);
	return d->failed + (size_t)d->unsent > 0 ? CLI_ERROR
	    : d->letters > 0                     ? CLI_FOUND
						 : CLI_NOTHING;
}

static int
read_and_tell(struct digest *d)
{
	struct journal *journal = cli_journal(d->cli);
	struct err e;
	int code = CLI_ERROR;

	if (journal == NULL)
		return CLI_ERROR;
	if (refusals_read(&d->refusals, journal, &d->span, d->config->digest.refusals == 1, &e))
		code = tell_all(d);
	else
		cli_fail(d->cli, "%s", e.text);
	refusals_free(&d->refusals);
	journal_close(&journal);
	return code;
}

static bool
fits(struct digest *d)
{
	struct err e;

	if (d->options.send && d->options.print)
		cli_fail(d->cli, "digest either sends or prints");
	else if (d->options.send && d->config->notify.server.host == NULL)
		cli_fail(d->cli,
		    "who takes the mail? Say it in %s: notify { mail via HOST port NUMBER }",
		    d->cli->config);
	else if (!letter_address(str_of(d->config->notify.postmaster), &e))
		cli_fail(d->cli,
		    "who is the postmaster? Say it in %s: notify { postmaster \"...\" }",
		    d->cli->config);
	else
		return true;
	return false;
}

static bool
knows_addresses(struct digest *d)
{
	struct err e;

	for (size_t i = 0; i < d->options.to.n; i++)
		if (!letter_address(str_of(d->options.to.text[i]), &e)) {
			cli_fail(
			    d->cli, "--to: %s, not %s", e.text, ESC(str_of(d->options.to.text[i])));
			return false;
		}
	return true;
}

static int
run(struct cli *cli, int argc, char **argv)
{
	struct digest d = { .cli = cli, .now_ms = clock_wall_ms() };
	int n, code = CLI_ERROR;

	(void)argc;
	if (!cli_options(cli, &command_digest, &d.options, argv, &n))
		return cli->code;
	if (n > 0)
		return cli_fail(cli, "digest takes options only; see `postern digest --help`");
	if (!cli_span(cli, d.options.since ? d.options.since : "1d", d.options.until, &d.span) ||
	    !knows_addresses(&d))
		return CLI_ERROR;
	/* Keys and passwords are read by who sends, or signs. */
	d.config = cli_config_whole(cli, cli->config);
	if (d.config == NULL)
		return CLI_ERROR;
	d.arena = arena_new(ARENA_LIMIT);
	d.letter = arena_new(ARENA_LIMIT);
	d.named = named_new(d.config->pseudonym);
	if (fits(&d))
		code = read_and_tell(&d);
	free(d.share);
	named_free(&d.named);
	arena_free(&d.letter);
	arena_free(&d.arena);
	config_release(&d.config);
	return code;
}

static const struct cli_option rows[] = {
	{ "since", OPTION_TEXT, offsetof(struct options, since), "TIME",
	    "what was refused from then on; default: 1d" },
	{ "until", OPTION_TEXT, offsetof(struct options, until), "TIME",
	    "and before; default: now" },
	{ "to", OPTION_TEXTS, offsetof(struct options, to), "ADDRESS",
	    "only to this address; may be given several times" },
	{ "send", OPTION_SWITCH, offsetof(struct options, send), NULL,
	    "mail it, by the server of `notify`" },
	{ "print", OPTION_SWITCH, offsetof(struct options, print), NULL,
	    "print what would be mailed; this is so without --send" },
};

const struct command command_digest = {
	.name = "digest",
	.arguments = "",
	.summary = "tells people what was refused for them",
	.help =
	    "The postmaster gets all of it; `digest` in postern.conf says who else gets theirs. Each\n"
	    "refusal comes with its reason and the command, or a signed link, that lets it in.\n",
	.options = rows,
	.n_options = sizeof(rows) / sizeof(rows[0]),
	.run = run,
};
