/*
 * columns: how many columns of a terminal a text takes, which was escaped (base/escape.h): ideographs and the like take two, accents that
 * are put onto the letter before them none. By tables of our own, as the C library knows it only in some locales.
 */
#ifndef POSTERN_CLI_COLUMNS_H
#define POSTERN_CLI_COLUMNS_H

#include "base/str.h"

size_t columns_of(struct str text);
/* Octets of as many characters of it as fit. */
size_t columns_fit(struct str text, size_t columns);

#endif
