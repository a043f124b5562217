#include "proxy/milter_talk.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "proxy/milter_life.h"

#define SEND_TIMEOUT_S 30
#define NUDGE_MS 20       /* a verdict that takes longer may hold up other sessions */
#define PROGRESS_MS 10000 /* at the end of a message the MTA is kept patient so often */
#define BUFFER_MAX (LINK_FRAME_MAX + 64)
#define IDLE_BUFFER 4096

/*
 * WHY: libmilter hands its callbacks no pointer of ours but the session's; what all sessions share
 * has to stand here. Written once, before the first callback.
 */
static struct sockaddr_un engine;

static void
drop_link(struct milter_talk *t)
{
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
	buf_clear(&t->out);
	buf_clear(&t->in);
}

void
milter_talk_with(const char *engine_path)
{
	engine.sun_family = AF_UNIX;
	str_copy(str_of(engine_path), engine.sun_path, sizeof(engine.sun_path));
}

struct milter_talk *
milter_talk_new(SMFICTX *ctx)
{
	struct milter_talk *t = xcalloc(1, sizeof(*t));

	t->ctx = ctx;
	t->fd = -1;
	buf_init(&t->out, BUFFER_MAX);
	buf_init(&t->in, BUFFER_MAX);
	return t;
}

void
milter_talk_free(struct milter_talk **talk)
{
	struct milter_talk *t = *talk;

	drop_link(t);
	buf_free(&t->out);
	buf_free(&t->in);
	free(t->name);
	free(t->ip);
	free(t->port);
	free(t->server);
	free(t->helo);
	free(t->tls);
	free(t->cipher);
	free(t->certificate);
	free(t);
	*talk = NULL;
}

static bool
flush(struct milter_talk *t)
{
	size_t sent = 0;

	while (t->fd >= 0 && sent < t->out.n) {
		ssize_t n = send(t->fd, t->out.p + sent, t->out.n - sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			drop_link(t);
			return false;
		}
		sent += (size_t)n;
	}
	/* A chunk of a body is not kept for the idle time after it. */
	if (t->out.cap > IDLE_BUFFER) {
		buf_free(&t->out);
		buf_init(&t->out, BUFFER_MAX);
	}
	buf_clear(&t->out);
	return t->fd >= 0;
}

bool
milter_talk_tell(struct milter_talk *t, const struct link_frame *frame)
{
	if (t->fd < 0)
		return false;
	if (!link_write(&t->out, frame)) {
		drop_link(t);
		return false;
	}
	return flush(t);
}

bool
milter_talk_helo(struct milter_talk *t)
{
	if (t->tls &&
	    !milter_talk_tell(t,
		&(struct link_frame){
		    LINK_TLS, 3, { str_of(t->tls), str_of(t->cipher), str_of(t->certificate) } }))
		return false;
	return milter_talk_tell(t, &(struct link_frame){ LINK_HELO, 1, { str_of(t->helo) } });
}

bool
milter_talk_open(struct milter_talk *t)
{
	const struct timeval timeout = { SEND_TIMEOUT_S, 0 };

	if (t->fd >= 0)
		return true;
	t->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (t->fd < 0)
		return false;
	setsockopt(t->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (connect(t->fd, (struct sockaddr *)&engine, sizeof(engine))) {
		drop_link(t);
		return false;
	}
	if (!milter_talk_tell(t,
		&(struct link_frame){ LINK_CONNECT, 4,
		    { str_of(t->name), str_of(t->ip), str_of(t->port), str_of(t->server) } }))
		return false;
	return !t->helo || milter_talk_helo(t);
}

/* Nothing has come for so long. */
static void
be_patient(struct milter_talk *t)
{
	if (t->nudged)
		smfi_progress(t->ctx);
	else
		milter_life_nudge();
	t->nudged = true;
}

/* The next frame, which points into t->in; the octets of the one before are dropped. */
static bool
next_frame(struct milter_talk *t, struct link_frame *frame, size_t *used, int64_t deadline_us)
{
	size_t need;

	buf_drop(&t->in, *used);
	*used = 0;
	for (;;) {
		struct pollfd poll_fd = { t->fd, POLLIN, 0 };
		int64_t left_ms = (deadline_us - clock_mono_us()) / 1000;
		int64_t most_ms = t->nudged ? PROGRESS_MS : NUDGE_MS;
		char chunk[4096];
		ssize_t n;

		switch (link_read(buf_str(&t->in), frame, &need)) {
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
			be_patient(t);
			continue;
		}
		n = recv(t->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
			return false;
		if (n > 0 && !buf_add(&t->in, (struct str){ chunk, (size_t)n }))
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
refuse(struct milter_talk *t, const struct link_frame *frame)
{
	char code[8], enhanced[12], text[900];

	text_of(frame->field[1], code, sizeof(code));
	text_of(frame->field[2], enhanced, sizeof(enhanced));
	reply_text(frame->field[3], text, sizeof(text));
	if (smfi_setreply(t->ctx, code, enhanced[0] ? enhanced : NULL, text) != MI_SUCCESS)
		log_warn(
		    NULL, "event=milter problem=\"the reply %s %s was not taken\"", code, enhanced);
	return code[0] == '5' ? SMFIS_REJECT : SMFIS_TEMPFAIL;
}

static bool
change_header(struct milter_talk *t, const struct link_frame *frame)
{
	char name[128], index[16], *value;
	bool done;

	text_of(frame->field[0], name, sizeof(name));
	if (frame->type == LINK_DELETE) {
		text_of(frame->field[1], index, sizeof(index));
		return smfi_chgheader(t->ctx, name, (int)strtol(index, NULL, 10), NULL) ==
		    MI_SUCCESS;
	}
	value = xmalloc(frame->field[1].n + 2);
	value[0] = ' ';
	done = str_copy(frame->field[1], value + 1, frame->field[1].n + 1) &&
	    smfi_insheader(t->ctx, 0, name, t->lead_space ? value : value + 1) == MI_SUCCESS;
	free(value);
	return done;
}

/* Does what comes before the verdict, and what it says. */
static sfsistat
follow_loop(struct milter_talk *t, int64_t patience_ms)
{
	int64_t deadline_us = clock_mono_us() + patience_ms * 1000;
	struct link_frame frame;
	size_t used = 0;

	while (t->fd >= 0 && next_frame(t, &frame, &used, deadline_us)) {
		if (frame.type == LINK_VERDICT) {
			sfsistat result =
			    str_eq(frame.field[0], STR("r")) ? refuse(t, &frame) : SMFIS_CONTINUE;

			buf_drop(&t->in, used);
			return result;
		}
		if ((frame.type != LINK_DELETE && frame.type != LINK_INSERT) ||
		    !change_header(t, &frame))
			break;
	}
	log_warn(NULL, "event=milter problem=\"no verdict from the worker\" told=tempfail");
	drop_link(t);
	return SMFIS_TEMPFAIL;
}

sfsistat
milter_talk_verdict(struct milter_talk *t, int64_t patience_ms)
{
	sfsistat result;

	t->nudged = false;
	milter_life_waiting(1);
	result = follow_loop(t, patience_ms);
	milter_life_waiting(-1);
	return result;
}
