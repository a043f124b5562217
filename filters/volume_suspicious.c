/* What speaks for an account being in wrong hands, put together. It decides nothing. */
#include "filters/volume.h"

struct suspicion {
	bool known; /* false: there is no account, or the store does not answer */
	double surge;
	const struct count_answer *messages;
	int64_t unknown;  /* percent */
	int64_t networks; /* new ones, with the present one */
};

static enum progress
look(struct ask *ask, struct suspicion *s)
{
	enum progress progress;

	*s = (struct suspicion){ 0 };
	if (ask->session->account.n == 0)
		return DONE;
	/* All questions are noted before anything waits. */
	progress = volume_read(ask, "messages", VOLUME_ACCOUNT, &s->messages);
	if (unknown_share(ask, VOLUME_ACCOUNT, VOLUME_HOUR, &s->unknown) == PENDING)
		progress = PENDING;
	if (met_networks(ask, &s->networks) == PENDING || progress == PENDING)
		return PENDING;
	if (s->messages && !usual_tells(ask, s->messages))
		return PENDING;
	s->known = s->messages != NULL;
	if (s->known)
		s->surge = usual_surge(ask, s->messages);
	return DONE;
}

static void
reason(struct buf *why, struct str text)
{
	if (why->n > 0)
		buf_add(why, STR("; "));
	buf_add(why, text);
}

static struct str
in_words(struct ask *ask, const struct suspicion *s)
{
	const struct volume_conf *conf = ask->conf;
	struct buf why;
	struct str text;

	buf_init(&why, 512);
	if (s->surge >= (double)conf->suspicious_surge)
		reason(&why, usual_in_words(ask, s->messages));
	if (s->unknown >= conf->suspicious_unknown)
		reason(&why,
		    arena_printf(
			ask->arena, "%lld%% of its recipients are unknown", (long long)s->unknown));
	if (s->networks >= conf->suspicious_networks)
		reason(&why,
		    arena_printf(ask->arena, "%lld new networks in a day", (long long)s->networks));
	text = arena_dup(ask->arena, buf_str(&why));
	buf_free(&why);
	return text;
}

enum progress
suspicious_compute(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct suspicion s;

	(void)call;
	if (look(ask, &s) == PENDING)
		return PENDING;
	*out = (struct value){ .type = VALUE_NONE };
	if (s.known)
		*out = (struct value){ .type = VALUE_BOOL, .number = in_words(ask, &s).n > 0 };
	return DONE;
}

enum progress
suspicious_compute_why(struct ask *ask, const struct fact_call *call, struct value *out)
{
	struct suspicion s;

	(void)call;
	if (look(ask, &s) == PENDING)
		return PENDING;
	*out = (struct value){ .type = VALUE_NONE };
	if (s.known)
		*out = value_text(in_words(ask, &s));
	return DONE;
}
