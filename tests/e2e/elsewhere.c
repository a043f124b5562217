/*
 * elsewhere: loaded into the MTAs that are only unpacked, by LD_PRELOAD. It answers what they ask
 * the machine and what is not ours to change there:
 * Sendmail waits a minute at its start when the machine's name has no dot, and reads its own
 * configuration only later. Exim does not start where there is no user Debian-exim.
 */
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char absent[] = "Debian-exim";

int
gethostname(char *name, size_t size)
{
	if (snprintf(name, size, "mta.example.org") < (int)size)
		return 0;
	errno = ENAMETOOLONG;
	return -1;
}

struct passwd *
getpwnam(const char *name)
{
	struct passwd *(*real)(const char *);

	*(void **)&real = dlsym(RTLD_NEXT, "getpwnam");
	return real(strcmp(name, absent) == 0 ? "nobody" : name);
}

struct group *
getgrnam(const char *name)
{
	struct group *(*real)(const char *);

	*(void **)&real = dlsym(RTLD_NEXT, "getgrnam");
	return real(strcmp(name, absent) == 0 ? "nogroup" : name);
}
