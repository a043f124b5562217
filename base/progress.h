/*
 * progress: the answer of everything that may have to wait. Nothing in Postern blocks: what lacks
 * an answer says PENDING after noting at least one question, and is called again from the top.
 */
#ifndef POSTERN_BASE_PROGRESS_H
#define POSTERN_BASE_PROGRESS_H

enum progress {
	DONE,    /* the result is there */
	PENDING, /* a question was noted; call again once it is answered */
	FAILED,  /* there will be no result; the error says why */
};

#endif
