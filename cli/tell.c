#include "cli/tell.h"

static enum step
step_of(enum stage_event event)
{
	return event == EVENT_RCPT_TAKEN || event == EVENT_RCPT_UNKNOWN ? STEP_RCPT : STEP_MESSAGE;
}

void
tell_stages(const struct config *c, struct session *s, enum stage_event event, int64_t now)
{
	for (size_t i = 0; i < c->n_parts; i++) {
		const struct stage *stage = c->part[i].stage;
		struct ask ask = session_ask(s, step_of(event), now);

		if (stage == NULL || stage->event == NULL || !c->part_used[i])
			continue;
		ask.conf = c->part_conf[i];
		ask.asker = stage->name;
		ask.state = &s->txn.stage_state[i];
		stage->event(&ask, event);
	}
}
