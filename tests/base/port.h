/*
 * port: a port of 127.0.0.1 that is this test's for as long as it runs, whether anybody listens at it or not. tests/scenario/play.py
 * claims those of the scenarios by the same names.
 */
#ifndef POSTERN_TESTS_BASE_PORT_H
#define POSTERN_TESTS_BASE_PORT_H

#include <stdint.h>

/* Never fails; claims on until one is free. */
uint16_t port_claim(void);

#endif
