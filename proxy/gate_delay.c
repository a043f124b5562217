/*
 * gate_delay: the reply of a step is held back. Nothing waits but a timer, which ticks each second, so that
 * the front can look after the client. The time begins when the rules have spoken: writing the journal
 * is a part of it.
 */
#include <event2/event.h>

#include "base/clock.h"
#include "base/die.h"
#include "base/log.h"
#include "proxy/gate_private.h"

#define TICK_US INT64_C(1000000)

/*
 * A mail server gives a milter so long for an answer: Sendmail 10 s by default, Postfix 30 s. It hears none before
 * that to MAIL, so what is said at connect and HELO is waited for there. The end of a message is
 * another matter: it is told to be patient (smfi_progress), up to END_VERDICT_MS of milter_process.c.
 */
#define MILTER_MS 8000
#define MILTER_MESSAGE_MS 120000

static int64_t
milter_most(const struct gate_session *gs)
{
	if (gs->step == STEP_MESSAGE)
		return MILTER_MESSAGE_MS;
	return gs->step == STEP_RCPT ? MILTER_MS : MILTER_MS - gs->delay.spent_ms;
}

static int64_t
bounded(struct gate_session *gs, int64_t ms)
{
	int64_t most = gs->config->core.delay_budget;

	if (gs->session.front != FRONT_MILTER)
		return ms < most ? ms : most;
	if (milter_most(gs) < most)
		most = milter_most(gs);
	ms = ms < most ? ms : most;
	if (gs->step < STEP_MAIL)
		gs->delay.spent_ms += ms;
	else if (gs->step == STEP_MAIL)
		gs->delay.spent_ms = 0;
	return ms;
}

void
gate_delay_begin(struct gate_session *gs, int64_t ms)
{
	gs->delay.ms = bounded(gs, ms);
	gs->delay.until_us = clock_mono_us() + gs->delay.ms * 1000;
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct gate_session *gs = arg;

	if (gs->state == GATE_DELAYING)
		gate_due(gs);
}

bool
gate_delay_waits(struct gate_session *gs)
{
	int64_t left_us = gs->delay.ms > 0 ? gs->delay.until_us - clock_mono_us() : 0;
	struct timeval tick = { 0 };

	if (left_us <= 0 || gs->delay.hurried)
		return false;
	if (!gs->delay.timer)
		gs->delay.timer = evtimer_new(gs->gate->base, on_tick, gs);
	require(gs->delay.timer);
	tick.tv_sec = left_us >= TICK_US;
	tick.tv_usec = left_us >= TICK_US ? 0 : left_us;
	evtimer_add(gs->delay.timer, &tick);
	return true;
}

void
gate_delay_end(struct gate_session *gs)
{
	int64_t left_ms = (gs->delay.until_us - clock_mono_us()) / 1000;

	if (gs->delay.ms == 0)
		return;
	log_info(gs->session.id, "event=delayed step=%s ip=%s ms=%lld left=%lld",
	    step_name(gs->step), IP_TEXT(&gs->session.client_ip), (long long)gs->delay.ms,
	    (long long)(left_ms > 0 ? left_ms : 0));
	gs->delay.ms = 0;
	gs->delay.hurried = false;
	if (gs->delay.timer)
		evtimer_del(gs->delay.timer);
}

void
gate_delay_free(struct gate_session *gs)
{
	if (gs->delay.timer)
		event_free(gs->delay.timer);
	gs->delay.timer = NULL;
}

bool
gate_delayed(const struct gate_session *gs)
{
	return gs->state == GATE_DELAYING;
}

bool
gate_delayed_refusal(const struct gate_session *gs)
{
	return gate_delayed(gs) &&
	    (gs->verdict.kind == VERDICT_TEMPFAIL || gs->verdict.kind == VERDICT_REJECT);
}

void
gate_hurry(struct gate_session *gs)
{
	if (!gate_delayed(gs))
		return;
	gs->delay.hurried = true;
	gate_due(gs);
}

void
gate_left(struct gate_session *gs)
{
	struct session *s = &gs->session;
	int64_t waited_ms = gs->delay.ms - (gs->delay.until_us - clock_mono_us()) / 1000;
	struct str text =
	    arena_printf(s->conn, "gave up after %lld.%lld s of a delay of %lld.%lld s",
		(long long)waited_ms / 1000, (long long)waited_ms / 100 % 10,
		(long long)gs->delay.ms / 1000, (long long)gs->delay.ms / 100 % 10);

	gs->gate->counts.left++;
	log_info(s->id, "event=gave-up step=%s ip=%s ms=%lld of=%lld", step_name(gs->step),
	    IP_TEXT(&s->client_ip), (long long)waited_ms, (long long)gs->delay.ms);
	gate_journal(gs, gate_record_left(s, gs->step, text, &gs->story));
	gs->delay.ms = 0;
}
