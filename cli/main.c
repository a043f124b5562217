#include <signal.h>

#include "base/log.h"
#include "cli/cli.h"

/* The program `postern`. */
int
main(int argc, char **argv)
{
	/* `postern log | head` ends quietly. */
	signal(SIGPIPE, SIG_DFL);
	log_open("postern", LOG_TO_STDERR, LOG_LEVEL_WARN);
	return cli_main(argc, argv, stdout, stderr);
}
