/*
 * for_sender: a tale in words that can be sent to whoever complains: what happened to the message, what
 * the reply means, what can be done, and what this server saw of the sender's own DNS. Holds nothing that is
 * not the sender's: no rules, no counters, no other people's addresses, no names of this program.
 */
#ifndef POSTERN_CLI_FOR_SENDER_H
#define POSTERN_CLI_FOR_SENDER_H

#include "cli/tale.h"

void for_sender(const struct tale *t);
void for_sender_json(const struct tale *t);

#endif
