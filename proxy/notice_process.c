#include "proxy/notice_process.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/escape.h"
#include "base/log.h"
#include "proxy/notice_way.h"
#include "proxy/sandbox.h"
#include "proxy/words.h"

#define QUEUE_MAX 500  /* of what is to be told to somebody in some way */
#define END_US 3000000 /* for all that is left, once told to end */
#define LATER_MOST_MS 3600000

/* Somebody to tell, in one way. */
struct telling {
	struct notice notice; /* its texts are in octets */
	struct buf octets;
	int64_t due_us;
	struct telling *next;
};

struct teller {
	const struct notice_job *job;
	const struct config_notify *notify;
	struct telling *first, **end; /* in the order of arriving */
	size_t n;
	int signals;
	int ended; /* the signal that said so; 0: none */
};

/* ---- what waits ---- */

static void
log_untold(const struct notice *n, const char *problem)
{
	log_error(NULL,
	    "event=notice result=untold way=%s to=\"%s\" who=\"%s\" plan=\"%s\" level=%d tries=%lld "
	    "problem=\"%s\"",
	    notice_way_name(n->way), ESC(n->to), ESC(n->who), ESC(n->plan), n->level,
	    (long long)n->tries, problem);
}

static void
add(struct teller *t, const struct notice *notice)
{
	struct telling *one;

	if (t->n == QUEUE_MAX) {
		log_untold(notice, "too many notices wait");
		return;
	}
	one = xcalloc(1, sizeof(*one));
	buf_init(&one->octets, NOTICE_OCTETS);
	if (!notice_pack(notice, &one->octets) ||
	    !notice_unpack(buf_str(&one->octets), &one->notice))
		panic("a notice that was unpacked cannot be packed");
	one->due_us = clock_mono_us();
	*t->end = one;
	t->end = &one->next;
	t->n++;
}

static void
drop(struct teller *t, struct telling **place)
{
	struct telling *one = *place;

	*place = one->next;
	if (t->end == &one->next)
		t->end = place;
	t->n--;
	buf_free(&one->octets);
	free(one);
}

/* One way or, of mail, one recipient after the other: each is tried for itself. */
static void
spread(struct teller *t, struct notice notice)
{
	const struct config *config = t->job->config;
	struct arena *arena = arena_new(1 << 16);
	struct str to[NOTICE_RECIPIENTS];
	size_t n = 0;

	if (t->job->process == NOTICE_BY_COMMAND) {
		notice.way = NOTICE_COMMAND;
		add(t, &notice);
	} else {
		if (t->notify->server.host)
			n = notice_recipients(config, &notice, arena, to);
		for (size_t i = 0; i < n; i++) {
			notice.way = NOTICE_MAIL;
			notice.to = to[i];
			add(t, &notice);
		}
		notice.way = NOTICE_WEBHOOK;
		notice.to = STR("");
		if (t->notify->webhook_text[0])
			add(t, &notice);
	}
	arena_free(&arena);
}

/* Of one that the process before gave back: may it be told that way still? */
static bool
has_way(const struct teller *t, const struct notice *n)
{
	if (t->job->process == NOTICE_BY_COMMAND)
		return n->way == NOTICE_COMMAND;
	return (n->way == NOTICE_MAIL && t->notify->server.host) ||
	    (n->way == NOTICE_WEBHOOK && t->notify->webhook_text[0]);
}

static void
receive(struct teller *t)
{
	char octets[NOTICE_OCTETS];
	struct notice notice;
	ssize_t n;

	while (t->n < QUEUE_MAX &&
	    (n = recv(t->job->notices->out[t->job->process], octets, sizeof(octets),
		 MSG_DONTWAIT)) > 0) {
		if (!notice_unpack((struct str){ octets, (size_t)n }, &notice))
			log_error(NULL, "event=fault what=\"octets that are no notice\"");
		else if (notice.way == NOTICE_ALL_WAYS)
			spread(t, notice);
		else if (has_way(t, &notice))
			add(t, &notice);
		else
			log_untold(&notice, "this way is not configured any more");
	}
}

/* ---- telling ---- */

/* Has it been told to end? */
static bool
hear(struct teller *t)
{
	struct signalfd_siginfo info;

	while (read(t->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (t->ended != SIGTERM)
			t->ended = (int)info.ssi_signo;
	return t->ended != 0;
}

static int64_t
pause_us(const struct teller *t, int64_t tries)
{
	int64_t ms = t->notify->retry;

	while (--tries > 0 && ms < LATER_MOST_MS)
		ms *= 2;
	return (ms < LATER_MOST_MS ? ms : LATER_MOST_MS) * 1000;
}

/* Tries it once; it is dropped when there is nothing more to try. */
static void
attempt(struct teller *t, struct telling **place, const struct wire_limit *limit, bool last)
{
	struct telling *one = *place;
	struct notice *n = &one->notice;
	struct err e = { 0 };
	bool forever;

	n->tries++;
	if (notice_tell(t->job->config, n, limit, &forever, &e)) {
		log_info(NULL,
		    "event=notice result=told way=%s to=\"%s\" who=\"%s\" plan=\"%s\" level=%d "
		    "tries=%lld",
		    notice_way_name(n->way), ESC(n->to), ESC(n->who), ESC(n->plan), n->level,
		    (long long)n->tries);
		drop(t, place);
	} else if (hear(t) && !last) {
		/* It was cut short, and is as if it had not been. */
		n->tries--;
		one->due_us = clock_mono_us();
	} else if (forever || last || n->tries >= t->notify->attempts) {
		log_untold(n, e.text);
		drop(t, place);
	} else {
		one->due_us = clock_mono_us() + pause_us(t, n->tries);
		log_warn(NULL,
		    "event=notice result=again way=%s to=\"%s\" who=\"%s\" level=%d in_ms=%lld "
		    "problem=\"%s\"",
		    notice_way_name(n->way), ESC(n->to), ESC(n->who), n->level,
		    (long long)(pause_us(t, n->tries) / 1000), e.text);
	}
}

/* The one that has been due for longest; NULL: none is. */
static struct telling **
find_due(struct teller *t, int64_t now_us)
{
	struct telling **found = NULL;

	for (struct telling **place = &t->first; *place; place = &(*place)->next)
		if ((*place)->due_us <= now_us && (!found || (*place)->due_us < (*found)->due_us))
			found = place;
	return found;
}

static int
wait_ms(const struct teller *t)
{
	int64_t now_us = clock_mono_us(), least = -1;

	for (const struct telling *one = t->first; one; one = one->next)
		if (least < 0 || one->due_us - now_us < least)
			least = one->due_us > now_us ? one->due_us - now_us : 0;
	return least < 0 ? -1 : (int)(least / 1000 + 1);
}

static void
turn(struct teller *t)
{
	struct pollfd fds[2] = { { t->signals, POLLIN, 0 },
		/* what there is no room for waits in the socket */
		{ t->n < QUEUE_MAX ? t->job->notices->out[t->job->process] : -1, POLLIN, 0 } };
	struct telling **due;

	if (poll(fds, 2, wait_ms(t)) < 0 && errno != EINTR)
		die("poll: %s", strerror(errno));
	hear(t);
	receive(t);
	due = t->ended ? NULL : find_due(t, clock_mono_us());
	if (due) {
		const struct wire_limit limit = { clock_mono_us() + t->notify->timeout * 1000,
			t->signals };

		attempt(t, due, &limit, false);
	}
}

/* ---- the end ---- */

static void
give_back(struct teller *t)
{
	while (t->first) {
		if (!notices_send_to(t->job->notices, t->job->process, &t->first->notice))
			log_untold(&t->first->notice, "too many notices wait");
		drop(t, &t->first);
	}
}

static void
finish(struct teller *t)
{
	const struct wire_limit limit = { clock_mono_us() + END_US, -1 };

	receive(t);
	while (t->first)
		attempt(t, &t->first, &limit, true);
}

static void
open_signals(struct teller *t)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGNAL_AGAIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	/* Of a terminal; the master gets it too, and says when to end. */
	signal(SIGINT, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->signals < 0)
		die("cannot make a signalfd: %s", strerror(errno));
}

int
notice_process_run(const struct notice_job *job)
{
	static const enum sandbox sandboxes[] = { SANDBOX_NOTICES, SANDBOX_COMMAND };
	struct teller t = { .job = job, .notify = &job->config->notify };
	const char word = WORD_READY;

	t.end = &t.first;
	open_signals(&t);
	sandbox_enter(sandboxes[job->process], job->config);
	if (write(job->words, &word, 1) != 1)
		log_debug(NULL, "event=word nobody=listening");
	while (!t.ended)
		turn(&t);
	if (t.ended == SIGNAL_AGAIN)
		give_back(&t);
	else
		finish(&t);
	close(t.signals);
	return EXIT_SUCCESS;
}
