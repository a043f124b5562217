#include "cli/signed.h"

#include "base/clock.h"
#include "cli/when.h"

bool
signed_read(struct cli *cli, const struct config *config, const char *text, struct arena *arena,
    struct ticket *out)
{
	char when[WHEN_SIZE];

	if (config == NULL || config->digest.key.n < TICKET_KEY_LEAST) {
		cli_fail(cli,
		    "--signed: there is no key to check it with: digest { key \"FILE\" } in %s",
		    cli->config);
		return false;
	}
	switch (ticket_read(str_of(text), config->digest.key, clock_wall_ms() / 1000, arena, out)) {
	case TICKET_GOOD:
		return true;
	case TICKET_EXPIRED:
		cli_fail(cli, "--signed: this link could be used until %s",
		    when_local(out->until * 1000, when));
		return false;
	case TICKET_FORGED:
		cli_fail(cli, "--signed: it is not signed with the key of this configuration");
		return false;
	case TICKET_NONE:
		break;
	}
	cli_fail(cli, "--signed: this is no ticket; it is what stands behind ticket= in a link");
	return false;
}
