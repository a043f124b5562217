/*
 * explanation: what a reply means to somebody who reads it without having asked for it, in plain
 * sentences. One may stand beside many replies. Const data.
 */
#ifndef POSTERN_MAIL_EXPLANATION_H
#define POSTERN_MAIL_EXPLANATION_H

struct explanation {
	const char *meaning; /* what happened */
	const char *sender;  /* what whoever sent the message can do */
	const char *admin;   /* what an administrator of this server can do */
};

#endif
