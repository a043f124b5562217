#include "cli/replayed.h"

#include "cli/tell.h"
#include "db/journal_config.h"

bool
replayed_learn(struct replay *replay, struct journal *journal, struct str revision, struct err *e)
{
	struct arena *arena;
	struct str text;
	bool ok;

	if (replay_knows(replay, revision))
		return true;
	arena = arena_new(SIZE_MAX);
	ok = journal_configuration(journal, arena, revision, &text, e);
	if (ok)
		replay_configuration(replay, revision, text);
	arena_free(&arena);
	return ok;
}

void
replayed_tell(const struct config *config, struct session *s, enum replay_event event, int64_t now)
{
	static const enum stage_event events[] = {
		[REPLAY_RCPT_TAKEN] = EVENT_RCPT_TAKEN,
		[REPLAY_RCPT_UNKNOWN] = EVENT_RCPT_UNKNOWN,
		[REPLAY_REFUSED] = EVENT_REFUSED,
		[REPLAY_ACCEPTED] = EVENT_ACCEPTED,
		[REPLAY_OVER] = EVENT_OVER,
	};

	tell_stages(config, s, events[event], now);
}
