#include "proxy/sandbox.h"

#include <errno.h>
#include <sys/prctl.h>

#include "base/log.h"
#include "proxy/landlock.h"
#include "proxy/syscalls.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define WITH_SANITIZER true
#else
#define WITH_SANITIZER false
#endif

static const char *const names[] = {
	[SANDBOX_MASTER] = "master",
	[SANDBOX_WORKER] = "worker",
	[SANDBOX_MILTER] = "milter",
	[SANDBOX_NOTICES] = "notices",
	[SANDBOX_COMMAND] = "command",
};

void
sandbox_enter(enum sandbox who, const struct config *config)
{
	struct err e = { 0 };
	bool folders = false, calls;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		log_warn(NULL, "event=sandbox process=%s problem=\"new privileges: %s\"",
		    names[who], strerror(errno));
	if (!config->core.sandbox || WITH_SANITIZER) {
		log_info(NULL, "event=sandbox process=%s state=off", names[who]);
		return;
	}
	/* What these start is held too, and may have other folders. */
	if (who != SANDBOX_MASTER && who != SANDBOX_COMMAND) {
		folders = landlock_enter(config, who == SANDBOX_WORKER, &e);
		if (!folders)
			log_warn(NULL, "event=sandbox process=%s problem=\"folders: %s\"",
			    names[who], e.text);
	}
	calls = syscalls_enter(who, &e);
	if (!calls)
		log_warn(NULL, "event=sandbox process=%s problem=\"system calls: %s\"", names[who],
		    e.text);
	log_info(NULL, "event=sandbox process=%s folders=%s calls=%s", names[who],
	    folders ? "held" : "free", calls ? "held" : "free");
}
