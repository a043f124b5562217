#include "proxy/milter_process.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <libmilter/mfapi.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "proxy/milter_link.h"
#include "proxy/words.h"

#define STACK_SIZE (256 * 1024) /* libmilter makes a thread for each busy session */
#define MTA_TIMEOUT_S 300       /* bounds a half-sent command, during which a thread is held */
#define SEND_TIMEOUT_S 30
#define NUDGE_MS 20       /* a verdict that takes longer may hold up other sessions */
#define PROGRESS_MS 10000 /* at the end of a message the MTA is kept patient so often */
#define VERDICT_MS 60000  /* for MAIL and RCPT; above any budget for DNS */
#define END_VERDICT_MS 300000
#define BACKLOG 1024
#define BUFFER_MAX (LINK_FRAME_MAX + 64)
#define IDLE_BUFFER 4096

/*
 * WHY: libmilter hands its callbacks no pointer of ours but the session's; what all sessions share
 * has to stand here. Written once, before the first callback.
 */
static struct sockaddr_un engine;

/*
 * What the newest session has negotiated. WHY: after "quit, new connection" (SMFIC_QUIT_NC)
 * libmilter begins another client's session without negotiating, and gives us no place to keep
 * what was said before; there is hardly more than one kind of MTA at one address.
 */
static _Atomic unsigned negotiated;
#define NO_REPLY (1u << 0)
#define LEAD_SPACE (1u << 1)

/* One milter session. */
struct milter {
	SMFICTX *ctx;
	int fd;          /* the link; -1: none */
	bool open;       /* a message is under way */
	bool nudged;     /* while this verdict was waited for */
	bool no_reply;   /* the MTA awaits none for the steps without a verdict */
	bool lead_space; /* header values come and go with the blank after the colon */
	struct buf out, in;
	char *name, *ip, *port, *server, *helo; /* told again on a new link */
	char *tls, *cipher, *certificate;       /* likewise; tls NULL: there is none */
};

static struct milter *
milter_new(SMFICTX *ctx, unsigned options)
{
	struct milter *m = xcalloc(1, sizeof(*m));

	m->ctx = ctx;
	m->fd = -1;
	m->no_reply = options & NO_REPLY;
	m->lead_space = options & LEAD_SPACE;
	buf_init(&m->out, BUFFER_MAX);
	buf_init(&m->in, BUFFER_MAX);
	smfi_setpriv(ctx, m);
	milter_life_session(1);
	return m;
}

/* libmilter lets a peer begin with HELO or MAIL, without negotiating or a client. */
static struct milter *
milter_of(SMFICTX *ctx)
{
	struct milter *m = smfi_getpriv(ctx);

	return m ? m : milter_new(ctx, 0);
}

/* What of the protocol we use. */
#define ACTIONS (SMFIF_ADDHDRS | SMFIF_CHGHDRS)
#define NO_REPLIES (SMFIP_NR_CONN | SMFIP_NR_HELO | SMFIP_NR_HDR | SMFIP_NR_EOH | SMFIP_NR_BODY)
#define UNUSED_STEPS (SMFIP_NODATA | SMFIP_NOUNKNOWN)

/* ---- the link ---- */

static void
drop_link(struct milter *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
	buf_clear(&m->out);
	buf_clear(&m->in);
}

static bool
flush(struct milter *m)
{
	size_t sent = 0;

	while (m->fd >= 0 && sent < m->out.n) {
		ssize_t n = send(m->fd, m->out.p + sent, m->out.n - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			drop_link(m);
			return false;
		}
		sent += (size_t)n;
	}
	/* A chunk of a body is not kept for the idle time after it. */
	if (m->out.cap > IDLE_BUFFER) {
		buf_free(&m->out);
		buf_init(&m->out, BUFFER_MAX);
	}
	buf_clear(&m->out);
	return m->fd >= 0;
}

static bool
tell(struct milter *m, const struct link_frame *frame)
{
	if (m->fd < 0)
		return false;
	if (!link_write(&m->out, frame)) {
		drop_link(m);
		return false;
	}
	return flush(m);
}

static bool
tell_helo(struct milter *m)
{
	if (m->tls &&
	    !tell(m,
		&(struct link_frame){
		    LINK_TLS, 3, { str_of(m->tls), str_of(m->cipher), str_of(m->certificate) } }))
		return false;
	return tell(m, &(struct link_frame){ LINK_HELO, 1, { str_of(m->helo) } });
}

/* Connects, and tells what the loop must know of the session so far. */
static bool
open_link(struct milter *m)
{
	const struct timeval timeout = { SEND_TIMEOUT_S, 0 };

	if (m->fd >= 0)
		return true;
	m->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (m->fd < 0)
		return false;
	setsockopt(m->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(m->fd, (struct sockaddr *)&engine, sizeof(engine))) {
		drop_link(m);
		return false;
	}
	if (!tell(m,
		&(struct link_frame){ LINK_CONNECT, 4,
		    { str_of(m->name), str_of(m->ip), str_of(m->port), str_of(m->server) } }))
		return false;
	return !m->helo || tell_helo(m);
}

/* Nothing has come for so long. */
static void
be_patient(struct milter *m)
{
	if (m->nudged)
		smfi_progress(m->ctx);
	else
		milter_life_nudge();
	m->nudged = true;
}

/* The next frame, which points into m->in; the octets of the one before are dropped. */
static bool
next_frame(struct milter *m, struct link_frame *frame, size_t *used, int64_t deadline_us)
{
	size_t need;

	buf_drop(&m->in, *used);
	*used = 0;
	for (;;) {
		struct pollfd poll_fd = { m->fd, POLLIN, 0 };
		int64_t left_ms = (deadline_us - clock_mono_us()) / 1000;
		int64_t most_ms = m->nudged ? PROGRESS_MS : NUDGE_MS;
		char chunk[4096];
		ssize_t n;

		switch (link_read(buf_str(&m->in), frame, &need)) {
		case LINK_WHOLE:
			*used = need;
			return true;
		case LINK_BROKEN:
			return false;
		case LINK_MORE:
			break;
		}
		if (left_ms <= 0)
			return false;
		if (poll(&poll_fd, 1, (int)(left_ms < most_ms ? left_ms : most_ms)) == 0) {
			be_patient(m);
			continue;
		}
		n = recv(m->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		if (n > 0 && !buf_add(&m->in, (struct str){ chunk, (size_t)n }))
			return false;
	}
}

/* ---- doing what the loop says ---- */

static void
text_of(struct str s, char *out, size_t size)
{
	escape_ascii(s, out, size);
}

/* A reply's text for libmilter, to which a percent sign is special. */
static void
reply_text(struct str s, char *out, size_t size)
{
	char plain[512];
	size_t n = 0;

	escape_ascii(s, plain, sizeof(plain));
	for (const char *p = plain; *p && n + 2 < size; p++) {
		if (*p == '%')
			out[n++] = '%';
		out[n++] = *p;
	}
	out[n] = '\0';
}

static sfsistat
refuse(struct milter *m, const struct link_frame *frame)
{
	char code[8], enhanced[12], text[900];

	text_of(frame->field[1], code, sizeof(code));
	text_of(frame->field[2], enhanced, sizeof(enhanced));
	reply_text(frame->field[3], text, sizeof(text));
	if (smfi_setreply(m->ctx, code, enhanced[0] ? enhanced : NULL, text) != MI_SUCCESS)
		log_warn(
		    NULL, "event=milter problem=\"the reply %s %s was not taken\"", code, enhanced);
	return code[0] == '5' ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

static bool
change_header(struct milter *m, const struct link_frame *frame)
{
	char name[128], index[16], *value;
	bool done;

	text_of(frame->field[0], name, sizeof(name));
	if (frame->type == LINK_DELETE) {
		text_of(frame->field[1], index, sizeof(index));
		return smfi_chgheader(m->ctx, name, (int)strtol(index, NULL, 10), NULL) ==
		    MI_SUCCESS;
	}
	value = xmalloc(frame->field[1].n + 2);
	value[0] = ' ';
	done = str_copy(frame->field[1], value + 1, frame->field[1].n + 1) &&
	    smfi_insheader(m->ctx, 0, name, m->lead_space ? value : value + 1) == MI_SUCCESS;
	free(value);
	return done;
}

/* Does what comes before the verdict, and what it says. */
static sfsistat
follow_loop(struct milter *m, int64_t patience_ms)
{
	int64_t deadline_us = clock_mono_us() + patience_ms * 1000;
	struct link_frame frame;
	size_t used = 0;

	while (m->fd >= 0 && next_frame(m, &frame, &used, deadline_us)) {
		if (frame.type == LINK_VERDICT) {
			sfsistat result =
			    str_eq(frame.field[0], STR("r")) ? refuse(m, &frame) : SMFIS_CONTINUE;

			buf_drop(&m->in, used);
			return result;
		}
		if ((frame.type != LINK_DELETE && frame.type != LINK_INSERT) ||
		    !change_header(m, &frame))
			break;
	}
	log_warn(NULL, "event=milter problem=\"no verdict from the worker\" told=tempfail");
	drop_link(m);
	return SMFIS_TEMPFAIL;
}

static sfsistat
await_verdict(struct milter *m, int64_t patience_ms)
{
	sfsistat result;

	m->nudged = false;
	milter_life_waiting(1);
	result = follow_loop(m, patience_ms);
	milter_life_waiting(-1);
	return result;
}

/* ---- libmilter's callbacks ---- */

static void
set_open(struct milter *m, bool open)
{
	if (m->open != open)
		milter_life_message(open ? 1 : -1);
	m->open = open;
}

static sfsistat
quiet(const struct milter *m)
{
	return m->no_reply ? SMFIS_NOREPLY : SMFIS_CONTINUE;
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
keep_address(struct milter *m, const struct sockaddr *address)
{
	struct ip ip = ip_from_sockaddr(address);
	char port[8] = "0";

	if (address && (address->sa_family == AF_INET || address->sa_family == AF_INET6))
		snprintf(port, sizeof(port), "%u",
		    ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port));
	m->ip = xstrdup(IP_TEXT(&ip));
	m->port = xstrdup(port);
}

static sfsistat
on_connect(SMFICTX *ctx, char *name, _SOCK_ADDR *address)
{
	struct milter *m = smfi_getpriv(ctx);
	struct str server = symbol(ctx, "{if_addr}");

	if (!m)
		m = milter_new(ctx, negotiated);
	/* An unresolved client is named by its address in brackets. */
	m->name = xstrdup(name && name[0] != '[' ? name : "");
	m->server = xstrdup(server.p ? server.p : "");
	keep_address(m, address);
	open_link(m);
	return quiet(m);
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
keep_tls(SMFICTX *ctx, struct milter *m)
{
	struct str version = symbol(ctx, "{tls_version}"), name = symbol(ctx, "{cn_subject}");

	if (version.n == 0)
		return;
	if (name.n == 0)
		name = symbol(ctx, "{cert_subject}");
	m->tls = keep(m->tls, version);
	m->cipher = keep(m->cipher, symbol(ctx, "{cipher}"));
	m->certificate =
	    keep(m->certificate, str_eq(symbol(ctx, "{verify}"), STR("OK")) ? name : STR(""));
}

static sfsistat
on_helo(SMFICTX *ctx, char *name)
{
	struct milter *m = milter_of(ctx);

	keep_tls(ctx, m);
	free(m->helo);
	m->helo = xstrdup(name ? name : "");
	tell_helo(m);
	return quiet(m);
}

static sfsistat
on_mail(SMFICTX *ctx, char **args)
{
	struct milter *m = milter_of(ctx);
	struct str size = STR("");
	sfsistat result;

	for (char **p = args + 1; *p; p++)
		if (str_startscase(str_of(*p), STR("SIZE=")))
			size = str_of(*p + 5);
	/* A link that broke in an earlier message is made anew. */
	if (!open_link(m) ||
	    !tell(m,
		&(struct link_frame){ LINK_MAIL, 4,
		    { str_of(args[0]), symbol(ctx, "{auth_authen}"), size,
			symbol(ctx, "{auth_type}") } }))
		return SMFIS_TEMPFAIL;
	result = await_verdict(m, VERDICT_MS);
	set_open(m, result == SMFIS_CONTINUE);
	return result;
}

static sfsistat
on_rcpt(SMFICTX *ctx, char **args)
{
	struct milter *m = milter_of(ctx);
	struct str path = str_of(args[0]);

	if (str_eq(symbol(ctx, "{rcpt_mailer}"), STR("error"))) {
		tell(m, &(struct link_frame){ LINK_UNKNOWN, 1, { path } });
		return SMFIS_CONTINUE;
	}
	if (!tell(m, &(struct link_frame){ LINK_RCPT, 2, { path, symbol(ctx, "i") } }))
		return SMFIS_TEMPFAIL;
	return await_verdict(m, VERDICT_MS);
}

static sfsistat
on_field(SMFICTX *ctx, char *name, char *value)
{
	struct milter *m = milter_of(ctx);
	struct str text = str_of(value);
	struct buf with_blank;

	if (m->lead_space) {
		tell(m, &(struct link_frame){ LINK_FIELD, 2, { str_of(name), text } });
		return quiet(m);
	}
	/* WHY: an MTA without HDR_LEADSPC drops the one blank that nearly every field has. */
	buf_init(&with_blank, LINK_FRAME_MAX);
	buf_addc(&with_blank, ' ');
	buf_add(&with_blank, text);
	tell(m, &(struct link_frame){ LINK_FIELD, 2, { str_of(name), buf_str(&with_blank) } });
	buf_free(&with_blank);
	return quiet(m);
}

static sfsistat
on_eoh(SMFICTX *ctx)
{
	struct milter *m = milter_of(ctx);

	tell(m, &(struct link_frame){ .type = LINK_EOH });
	return quiet(m);
}

static sfsistat
on_body(SMFICTX *ctx, unsigned char *octets, size_t n)
{
	struct milter *m = milter_of(ctx);
	struct str body = { (const char *)octets, n };

	tell(m, &(struct link_frame){ LINK_BODY, 1, { body } });
	return quiet(m);
}

static sfsistat
on_end(SMFICTX *ctx)
{
	struct milter *m = milter_of(ctx);
	sfsistat result = SMFIS_TEMPFAIL;

	if (tell(m, &(struct link_frame){ LINK_END, 1, { symbol(ctx, "i") } }))
		result = await_verdict(m, END_VERDICT_MS);
	set_open(m, false);
	return result;
}

static sfsistat
on_abort(SMFICTX *ctx)
{
	struct milter *m = milter_of(ctx);

	tell(m, &(struct link_frame){ .type = LINK_ABORT });
	set_open(m, false);
	return SMFIS_CONTINUE;
}

static sfsistat
on_close(SMFICTX *ctx)
{
	struct milter *m = smfi_getpriv(ctx);

	if (!m)
		return SMFIS_CONTINUE;
	smfi_setpriv(ctx, NULL);
	set_open(m, false);
	milter_life_session(-1);
	drop_link(m);
	buf_free(&m->out);
	buf_free(&m->in);
	free(m->name);
	free(m->ip);
	free(m->port);
	free(m->server);
	free(m->helo);
	free(m->tls);
	free(m->cipher);
	free(m->certificate);
	free(m);
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

	engine.sun_family = AF_UNIX;
	str_copy(str_of(job->engine_path), engine.sun_path, sizeof(engine.sun_path));
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
