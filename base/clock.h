/*
 * clock: the two times. Wall time is for records, monotonic time for waiting and measuring. Only
 * the outermost code reads them; whatever decides takes the time as an argument.
 */
#ifndef POSTERN_BASE_CLOCK_H
#define POSTERN_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_ms(void); /* since 1970, UTC */
int64_t clock_mono_us(void); /* since some fixed moment */

#endif
