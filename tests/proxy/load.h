/*
 * load: a configuration of the real stages for tests of the gate: what every one has to say, and what the test says.
 */
#ifndef POSTERN_TESTS_PROXY_LOAD_H
#define POSTERN_TESTS_PROXY_LOAD_H

#include "rules/config.h"
#include "tests/db/folder.h"

/* Written to postern.conf in the folder, where both databases are to lie, too; port: of the name server. Asserts that it can be used. */
struct config *load_config(struct folder *folder, uint16_t port, const char *text);
/* The same, for texts of which some are not right: NULL then. */
struct config *load_config_if(struct folder *folder, uint16_t port, const char *text);

#endif
