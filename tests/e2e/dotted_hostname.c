/*
 * dotted_hostname: loaded into Sendmail by LD_PRELOAD. Sendmail waits a minute at its start when
 * the machine's name has no dot, and reads its own configuration only later; the name of the
 * machine is not ours to change.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

int
gethostname(char *name, size_t size)
{
	if (snprintf(name, size, "mta.example.org") < (int)size)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}
