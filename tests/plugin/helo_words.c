/*
 * helo_words: a stage that is built outside of Postern's tree. Home connections name themselves after
 * how they were dialled: "dsl-pool-17.example.net". This stage counts such words in what the
 * client said in HELO or EHLO, and leaves it to the rules what to make of it:
 *
 *	stage "/usr/lib/postern/helo_words.so"
 *	helo_words { words "dsl dyn pool" }
 *	at rcpt {
 *	    tempfail 450 4.7.1 "Use the server of your provider"   if helo_words >= 2
 *	}
 */
#include "filters/stage.h"

struct helo_words_conf {
	char *words; /* with blanks between them */
};

static bool
holds(struct str text, struct str word)
{
	for (size_t i = 0; i + word.n <= text.n; i++) {
		if (str_startscase(str_sub(text, i, text.n), word))
			return true;
	}
	return false;
}

static enum progress
compute_helo_words(struct ask *ask, const struct fact_call *call, struct value *out)
{
	const struct helo_words_conf *conf = ask->conf;
	struct str rest = str_of(conf->words), word;
	int64_t found = 0;

	(void)call;
	while (str_pop(&rest, ' ', &word)) {
		if (word.n > 0 && holds(ask->session->helo, word))
			found++;
	}
	*out = value_number(found);
	return DONE;
}

static const struct fact_def facts[] = {
	{
	    .name = "helo_words",
	    .type = VALUE_NUMBER,
	    .from = STEP_HELO,
	    .to = STEP_MESSAGE,
	    .life = LIFE_HELO,
	    .cost = COST_FREE,
	    .compute = compute_helo_words,
	    .help = "How many of the words stand in the client's HELO name.",
	},
};

static const struct setting settings[] = {
	{
	    .name = "words",
	    .type = SETTING_TEXT,
	    .offset = offsetof(struct helo_words_conf, words),
	    .fallback = "dsl dyn pool dialup",
	    .help = "The words to look for, with blanks between them.",
	},
};

const struct stage postern_stage = {
	.abi = STAGE_ABI,
	.name = "helo_words",
	.help = "Counts words in HELO that home connections have.",
	.facts = facts,
	.n_facts = 1,
	.settings = settings,
	.n_settings = 1,
	.conf_size = sizeof(struct helo_words_conf),
};
