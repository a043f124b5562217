/*
 * fake: a vocabulary like that of the real stages, whose facts are what a test says they are.
 */
#ifndef POSTERN_TESTS_RULES_FAKE_H
#define POSTERN_TESTS_RULES_FAKE_H

#include "mail/part.h"

extern const struct config_vocabulary fake_vocabulary;

struct config;

/* The configuration of that text, as /etc/r.conf; one with a mistake ends the test. */
struct config *fake_load(const char *text);

/* The settings of the part `volume`, of which there are none in the file: what it was told that rules can ask. */
struct fake_volume {
	char calls[1000]; /* with a blank behind each */
};

/*
 * What the facts are from now on: "spf=fail; client.ip=192.0.2.1; surge(client)=2.5". A text
 * follows its = without quotes; the items of a list are parted by commas. PENDING and NONE are
 * what they say. A fact that is not named is NONE. Given to one test at a time.
 */
void fake_facts(const char *facts);
/* The same, but one that is not named is PENDING. */
void fake_known(const char *facts);
/* How often a fact was computed since. */
unsigned fake_computed(void);

#endif
