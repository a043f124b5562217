/*
 * session_results: what our Authentication-Results say of the session itself (RFC 8601 2.7.3,
 * 2.7.4): its client's name and who has authenticated. Only what is known already; asks nothing.
 */
#ifndef POSTERN_MAIL_SESSION_RESULTS_H
#define POSTERN_MAIL_SESSION_RESULTS_H

#include "mail/authres.h"
#include "mail/session.h"

void session_results(const struct session *session, struct authres *authres);

#endif
