/*
 * gate: where stages, rules, store and journal meet; the only place that knows all four. A gate belongs to one
 * loop, with that loop's resolver and its link to the db thread. Fronts hand it sessions and ask it for verdicts; they never
 * see a question.
 *
 * The shape is "ask, don't wait": gate_decide() says DONE, or PENDING after sending off what is missing; then the
 * gate calls resume(owner) from the loop (never from inside a call of the front's) and the front asks again.
 */
#ifndef POSTERN_PROXY_GATE_H
#define POSTERN_PROXY_GATE_H

#include "base/resolver.h"
#include "db/db.h"
#include "filters/stage.h"
#include "mail/said.h"
#include "proxy/tally.h"
#include "rules/config.h"
#include "rules/ruleset.h"

struct gate;
struct gate_session; /* a session with its open questions */

struct gate_counts { /* since start, one loop; the journal has the same, for admins */
	uint64_t sessions, messages, accepted, tempfailed, rejected, deferred, left, limits;
};

struct gate *gate_new(struct event_base *base, struct db *db, struct config *config, struct err *e);
/* All sessions must be gone. */
void gate_free(struct gate **gate);
struct notices;
/* Where notices about plans go (notices.h); without, nobody is told. */
void gate_tell_by(struct gate *gate, const struct notices *notices);
/* Sessions that begin from now on get this one. */
void gate_reload(struct gate *gate, struct config *config);
const struct config *gate_config(const struct gate *gate);
struct gate_counts *gate_counts(struct gate *gate);
/* What the resolver of the sessions to come has done so far. */
struct resolver_counts gate_resolver_counts(const struct gate *gate);
struct event_base *gate_base(const struct gate *gate);
struct db_link *gate_link(struct gate *gate);
/* A limit was met, of a kind that is only counted (tally.h). */
void gate_limit(struct gate *gate, const struct tally_kind *kind);
/* A no was said, or a client went away within a message, that is only counted. */
void gate_said(struct gate *gate, enum step step, enum said said);
void gate_gone(struct gate *gate, enum step step);

/* resume(owner): what gate_decide() waited for is there. */
struct gate_session *gate_open(
    struct gate *gate, enum front front, void (*resume)(void *owner), void *owner);
/* Cancels what is open, frees the session. */
void gate_close(struct gate_session **gs);
struct session *gate_session(struct gate_session *gs);
/* The configuration this session began with. */
const struct config *gate_session_config(const struct gate_session *gs);

/*
 * The verdict of a step. DONE: *out is filled; a tempfail or reject is in the journal, its id in out->id; its text is ready to
 * be sent (id appended by gate_reply()). Memory: the arena of the step's lifetime. PENDING: resume() will be called.
 */
enum progress gate_decide(struct gate_session *gs, enum step step, struct verdict *out);
/*
 * gate_decide() is PENDING because rules of the step said `delay`: the verdict is there, and held back. While that
 * lasts resume() is called each second, for the front to look whether the client is still there.
 */
bool gate_delayed(const struct gate_session *gs);
/* And it is one that refuses. */
bool gate_delayed_refusal(const struct gate_session *gs);
/* Cuts the delay short. */
void gate_hurry(struct gate_session *gs);
/* The client did not wait for the end of it: a line in the log and the journal's entry. */
void gate_left(struct gate_session *gs);
/* A refusal that no rule gave: a limit, a failure, bad syntax worth a record. Journalled like the others; DONE or PENDING as above. */
enum progress gate_refuse(
    struct gate_session *gs, enum step step, enum said said, struct verdict *out);
/* Writes a verdict as a reply: code, enhanced code, text, " [id]". */
void gate_reply(const struct verdict *v, struct buf *out);
/* Tells the stages in use. Does not wait. */
void gate_event(struct gate_session *gs, enum stage_event event);
/*
 * The MTA took the message: EVENT_ACCEPTED, and the journal's entry for it (not waited for). reply: the MTA's text.
 */
void gate_accepted(struct gate_session *gs, struct str reply);
/* It was delivered before, and the client is told so once more: a line in the log and the journal's entry. */
void gate_accepted_before(struct gate_session *gs, struct str reply);
/* The MTA refused it: journalled with its reply (not waited for). */
void gate_backend_refused(struct gate_session *gs, enum step step, int code, struct str reply);
/* The MTA said no to what was only asked of it (VRFY): journalled with its reply (not waited for). */
void gate_asked_in_vain(struct gate_session *gs, struct str verb, int code, struct str reply);
/* The MTA could not be had: journalled with what the client is told, with fill in its place (not waited for). */
void gate_backend_away(struct gate_session *gs, enum step step, enum said said, const char *fill);
/* The MTA did not authenticate the client: journalled (not waited for), with its codes alone, as its text might hold what the client said. */
void gate_auth_failed(struct gate_session *gs, int code, struct str enhanced, struct str mechanism,
    struct str account);
/* Our Authentication-Results for the message, from facts already known; memory of the transaction. */
struct str gate_authres(struct gate_session *gs);
/* RSET, HELO, end of message: cancels what is open and ends the transaction (session_reset). */
void gate_reset(struct gate_session *gs);

#endif
