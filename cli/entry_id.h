/*
 * entry_id: the id of a journal's entry in what a person gives for it: the id itself, in whichever case, or a reply, a line of a log or of a
 * report of non-delivery, in which it stands in brackets. Pure.
 */
#ifndef POSTERN_CLI_ENTRY_ID_H
#define POSTERN_CLI_ENTRY_ID_H

#include "base/str.h"

#define ENTRY_ID_SIZE 6

/* It has the form of one. */
bool entry_id_alone(struct str text, char id[ENTRY_ID_SIZE + 1]);
/* The last that stands in brackets: "550 5.7.1 Blocked [k3f9x2]". */
bool entry_id_within(struct str text, char id[ENTRY_ID_SIZE + 1]);
/* One or the other, else the text as it is. */
struct str entry_id(struct str text, char id[ENTRY_ID_SIZE + 1]);

#endif
