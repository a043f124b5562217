#include "proxy/milter_process.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "proxy/milter_talk.h"
#include "proxy/words.h"

#define STACK_SIZE (256 * 1024) /* libmilter makes a thread for each busy session */
#define MTA_TIMEOUT_S 300       /* bounds a half-sent command, during which a thread is held */
#define VERDICT_MS 60000        /* for MAIL and RCPT; above any budget for DNS */
#define END_VERDICT_MS 300000
#define BACKLOG 1024

/*
 * What the newest session has negotiated. WHY: after "quit, new connection" (SMFIC_QUIT_NC)
 * libmilter begins another client's session without negotiating, and gives us no place to keep
 * what was said before; there is hardly more than one kind of MTA at one address.
 */
static _Atomic unsigned negotiated;
#define NO_REPLY (1u << 0)
#define LEAD_SPACE (1u << 1)

static struct milter_talk *
milter_new(SMFICTX *ctx, unsigned options)
{
	struct milter_talk *t = milter_talk_new(ctx);

	t->no_reply = options & NO_REPLY;
	t->lead_space = options & LEAD_SPACE;
	smfi_setpriv(ctx, t);
	milter_life_session(1);
	return t;
}

/* libmilter lets a peer begin with HELO or MAIL, without negotiating or a client. */
static struct milter_talk *
milter_of(SMFICTX *ctx)
{
	struct milter_talk *t = smfi_getpriv(ctx);

	return t ? t : milter_new(ctx, 0);
}

/* What of the protocol we use. */
#define ACTIONS (SMFIF_ADDHDRS | SMFIF_CHGHDRS)
#define NO_REPLIES (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY)
#define UNUSED_STEPS (SMFIP_NODATA | SMFIP_NOUNKNOWN)

/* ---- libmilter's callbacks ---- */

static void
set_open(struct milter_talk *t, bool open)
{
	if (t->open != open)
		milter_life_message(open ? 1 : -1);
	t->open = open;
}

static sfsistat
quiet(const struct milter_talk *t)
{
	return t->no_reply ? SMFIS_NOREPLY : SMFIS_CONTINUE;
}

static struct str
symbol(SMFICTX *ctx, const char *name)
{
	char writable[32];

	str_copy(str_of(name), writable, sizeof(writable));
	return str_of(smfi_getsymval(ctx, writable));
}

static void
want_symbols(SMFICTX *ctx)
{
	char helo[] = "{tls_version} {cipher} {verify} {cn_subject} {cert_subject}";
	char mail[] = "{auth_authen} {auth_type}", rcpt[] = "i {rcpt_mailer}", end[] = "i";

	smfi_setsymlist(ctx, SMFIM_HELO, helo);
	smfi_setsymlist(ctx, SMFIM_ENVFROM, mail);
	smfi_setsymlist(ctx, SMFIM_ENVRCPT, rcpt);
	smfi_setsymlist(ctx, SMFIM_EOM, end);
}

/* WHY: libmilter's prototype has nine parameters. */
static sfsistat
on_negotiate(SMFICTX *ctx, unsigned long actions, unsigned long steps, unsigned long f2,
    unsigned long f3, unsigned long *use_actions, unsigned long *use_steps, unsigned long *use_f2,
    unsigned long *use_f3)
{
	unsigned options = 0;

	(void)f2;
	(void)f3;
	*use_f2 = *use_f3 = 0;
	if ((actions & ACTIONS) != ACTIONS) {
		log_error(NULL, "event=milter problem=\"the MTA lets no header be changed\"");
		return SMFIS_REJECT;
	}
	*use_actions = ACTIONS | (actions & SMFIF_SETSYMLIST);
	if (actions & SMFIF_SETSYMLIST)
		want_symbols(ctx);
	*use_steps = steps & (UNUSED_STEPS | SMFIP_HDR_LEADSPC | SMFIP_RCPT_REJ);
	if (steps & SMFIP_HDR_LEADSPC)
		options |= LEAD_SPACE;
	if ((steps & NO_REPLIES) == NO_REPLIES) {
		options |= NO_REPLY;
		*use_steps |= NO_REPLIES;
	}
	negotiated = options;
	milter_new(ctx, options);
	return SMFIS_CONTINUE;
}

static void
keep_address(struct milter_talk *t, const struct sockaddr *address)
{
	struct ip ip = ip_from_sockaddr(address);
	char port[8] = "0";

	if (address && (address->sa_family == AF_INET || address->sa_family == AF_INET6))
		snprintf(port, sizeof(port), "%u",
		    ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port));
	t->ip = xstrdup(IP_TEXT(&ip));
	t->port = xstrdup(port);
}

static sfsistat
on_connect(SMFICTX *ctx, char *name, _SOCK_ADDR *address)
{
	struct milter_talk *t = smfi_getpriv(ctx);
	struct str server = symbol(ctx, "{if_addr}");

	if (!t)
		t = milter_new(ctx, negotiated);
	/* An unresolved client is named by its address in brackets. */
	t->name = xstrdup(name && name[0] != '[' ? name : "");
	t->server = xstrdup(server.p ? server.p : "");
	keep_address(t, address);
	milter_talk_open(t);
	return quiet(t);
}

static char *
keep(char *old, struct str now)
{
	free(old);
	return xstrdup(now.p ? now.p : "");
}

/*
 * Only a certificate that the MTA has verified tells a name; Postfix, which does not say whether it has, tells none. Sendmail
 * has the common name beside the whole subject.
 */
static void
keep_tls(SMFICTX *ctx, struct milter_talk *t)
{
	struct str version = symbol(ctx, "{tls_version}"), name = symbol(ctx, "{cn_subject}");

	if (version.n == 0)
		return;
	if (name.n == 0)
		name = symbol(ctx, "{cert_subject}");
	t->tls = keep(t->tls, version);
	t->cipher = keep(t->cipher, symbol(ctx, "{cipher}"));
	t->certificate =
	    keep(t->certificate, str_eq(symbol(ctx, "{verify}"), STR("OK")) ? name : STR(""));
}

static sfsistat
on_helo(SMFICTX *ctx, char *name)
{
	struct milter_talk *t = milter_of(ctx);

	keep_tls(ctx, t);
	free(t->helo);
	t->helo = xstrdup(name ? name : "");
	milter_talk_helo(t);
	return quiet(t);
}

static sfsistat
on_mail(SMFICTX *ctx, char **args)
{
	struct milter_talk *t = milter_of(ctx);
	struct str size = STR("");
	sfsistat result;

	for (char **p = args + 1; *p; p++)
		if (str_startscase(str_of(*p), STR("SIZE=")))
			size = str_of(*p + 5);
	/* A link that broke in an earlier message is made anew. */
	if (!milter_talk_open(t) ||
	    !milter_talk_tell(t,
		&(struct link_frame){ LINK_MAIL, 4,
		    { str_of(args[0]), symbol(ctx, "{auth_authen}"), size,
			symbol(ctx, "{auth_type}") } }))
		return SMFIS_TEMPFAIL;
	result = milter_talk_verdict(t, VERDICT_MS);
	set_open(t, result == SMFIS_CONTINUE);
	return result;
}

static sfsistat
on_rcpt(SMFICTX *ctx, char **args)
{
	struct milter_talk *t = milter_of(ctx);
	struct str path = str_of(args[0]);

	if (str_eq(symbol(ctx, "{rcpt_mailer}"), STR("error"))) {
		milter_talk_tell(t, &(struct link_frame){ LINK_UNKNOWN, 1, { path } });
		return SMFIS_CONTINUE;
	}
	if (!milter_talk_tell(t, &(struct link_frame){ LINK_RCPT, 2, { path, symbol(ctx, "i") } }))
		return SMFIS_TEMPFAIL;
	return milter_talk_verdict(t, VERDICT_MS);
}

static sfsistat
on_field(SMFICTX *ctx, char *name, char *value)
{
	struct milter_talk *t = milter_of(ctx);
	struct str text = str_of(value);
	struct buf with_blank;

	if (t->lead_space) {
		milter_talk_tell(t, &(struct link_frame){ LINK_FIELD, 2, { str_of(name), text } });
		return quiet(t);
	}
	/* WHY: an MTA without HDR_LEADSPC drops the one blank that nearly every field has. */
	buf_init(&with_blank, LINK_FRAME_MAX);
	buf_addc(&with_blank, ' ');
	buf_add(&with_blank, text);
	milter_talk_tell(
	    t, &(struct link_frame){ LINK_FIELD, 2, { str_of(name), buf_str(&with_blank) } });
	buf_free(&with_blank);
	return quiet(t);
}

static sfsistat
on_eoh(SMFICTX *ctx)
{
	struct milter_talk *t = milter_of(ctx);

	milter_talk_tell(t, &(struct link_frame){ .type = LINK_EOH });
	return quiet(t);
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *octets, size_t n)
{
	struct milter_talk *t = milter_of(ctx);
	struct str body = { (const char *)octets, n };

	milter_talk_tell(t, &(struct link_frame){ LINK_BODY, 1, { body } });
	return quiet(t);
}

static sfsistat
on_end(SMFICTX *ctx)
{
	struct milter_talk *t = milter_of(ctx);
	sfsistat result = SMFIS_TEMPFAIL;

	if (milter_talk_tell(t, &(struct link_frame){ LINK_END, 1, { symbol(ctx, "i") } }))
		result = milter_talk_verdict(t, END_VERDICT_MS);
	set_open(t, false);
	return result;
}

static sfsistat
on_abort(SMFICTX *ctx)
{
	struct milter_talk *t = milter_of(ctx);

	milter_talk_tell(t, &(struct link_frame){ .type = LINK_ABORT });
	set_open(t, false);
	return SMFIS_CONTINUE;
}

static sfsistat
on_close(SMFICTX *ctx)
{
	struct milter_talk *t = smfi_getpriv(ctx);

	if (!t)
		return SMFIS_CONTINUE;
	smfi_setpriv(ctx, NULL);
	set_open(t, false);
	milter_life_session(-1);
	milter_talk_free(&t);
	return SMFIS_CONTINUE;
}

/* ---- the process ---- */

static bool
set_up(void)
{
	static char name[] = "postern";
	const struct smfiDesc description = {
		.xxfi_name = name,
		.xxfi_version = SMFI_VERSION,
		.xxfi_flags = ACTIONS | SMFIF_SETSYMLIST,
		.xxfi_connect = on_connect,
		.xxfi_helo = on_helo,
		.xxfi_envfrom = on_mail,
		.xxfi_envrcpt = on_rcpt,
		.xxfi_header = on_field,
		.xxfi_eoh = on_eoh,
		.xxfi_body = on_body,
		.xxfi_eom = on_end,
		.xxfi_abort = on_abort,
		.xxfi_close = on_close,
		.xxfi_negotiate = on_negotiate,
	};

	return smfi_register(description) == MI_SUCCESS &&
	    smfi_settimeout(MTA_TIMEOUT_S) == MI_SUCCESS && smfi_setbacklog(BACKLOG) == MI_SUCCESS;
}

int
milter_process_run(const struct milter_job *job)
{
	pthread_attr_t small_stacks;
	const char word = WORD_READY;
	struct err e = { 0 };

	milter_talk_with(job->engine_path);
	pthread_attr_init(&small_stacks);
	pthread_attr_setstacksize(&small_stacks, STACK_SIZE);
	pthread_setattr_default_np(&small_stacks);
	pthread_attr_destroy(&small_stacks);
	if (!set_up() || !milter_life_begin(job, &e)) {
		log_error(NULL, "event=start problem=\"cannot be a milter on %s: %s\"",
		    ESC(str_of(job->address)), e.text[0] ? e.text : "libmilter refuses");
		return CANNOT_START;
	}
	log_info(NULL, "event=listening front=milter address=\"%s\"", ESC(str_of(job->address)));
	if (write(job->words, &word, 1) != 1)
		log_debug(NULL, "event=word nobody=listening");
	return smfi_main() == MI_SUCCESS ? EXIT_SUCCESS : EXIT_FAILURE;
}
