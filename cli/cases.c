#include "cli/cases.h"

#include <stdlib.h>

#include "base/escape.h"
#include "cli/print.h"
#include "rules/cases.h"

#define ARENA_LIMIT (1024 * 1024)

struct score {
	size_t passed, failed;
};

bool
cases_named(const char *argument)
{
	return str_ends(str_of(argument), STR(".test"));
}

static void
print_json(struct cli *cli, const char *file, const struct case_result *result)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	buf_add(&b, STR("{\"file\":"));
	escape_json(&b, str_of(file));
	buf_printf(&b, ",\"line\":%u,\"case\":", result->line);
	escape_json(&b, result->name);
	buf_printf(&b, ",\"passed\":%s,\"why\":", result->passed ? "true" : "false");
	escape_json(&b, result->why);
	if (!result->passed)
		buf_printf(&b, ",\"why_line\":%u", result->why_line);
	buf_printf(&b, ",\"verdict\":\"%s\",\"code\":%d,\"step\":\"%s\",\"rule\":",
	    verdict_name(result->verdict.kind), result->verdict.code, step_name(result->step));
	escape_json(&b, result->verdict.rule);
	fprintf(cli->out, "%.*s}\n", STR_ARG(buf_str(&b)));
	buf_free(&b);
}

static void
print(struct cli *cli, const char *file, const struct case_result *result)
{
	struct line line = { cli };
	char place[300];

	if (cli->json) {
		print_json(cli, file, result);
		return;
	}
	line_add(
	    &line, result->passed ? "ok    " : "FAIL  ", result->passed ? COLOR_GREEN : COLOR_RED);
	line_cell(&line, result->name, 0, COLOR_NONE);
	line_end(&line);
	if (result->passed)
		return;
	line = (struct line){ cli };
	snprintf(place, sizeof(place), "      %s:%u: ", ESC(str_of(file)), result->why_line);
	line_add(&line, place, COLOR_DIM);
	line_cell(&line, result->why, 0, COLOR_NONE);
	line_end(&line);
}

static bool
play_file(struct cli *cli, const struct config *config, const char *file, struct score *score)
{
	struct complaints complaints = { 0 };
	struct cases *cases = cases_read(file, config, &complaints);
	bool ok = cases != NULL;

	for (size_t i = 0; i < complaints.n; i++) {
		char *text = complaint_print(&complaints.item[i]);

		fprintf(cli->err, "%s\n", text);
		free(text);
	}
	complaints_free(&complaints);
	for (size_t i = 0; ok && i < cases_count(cases); i++) {
		struct arena *arena = arena_new(ARENA_LIMIT);
		struct case_result result;

		case_play(cases, i, arena, &result);
		print(cli, file, &result);
		score->passed += result.passed;
		score->failed += !result.passed;
		arena_free(&arena);
	}
	cases_free(&cases);
	return ok;
}

int
cases_run(struct cli *cli, const struct config *config, char **files, int n)
{
	struct score score = { 0 };
	bool ok = true;

	for (int i = 0; i < n; i++)
		ok = play_file(cli, config, files[i], &score) && ok;
	if (!cli->json && ok)
		fprintf(cli->out, "%zu passed, %zu failed\n", score.passed, score.failed);
	if (!ok)
		return CLI_ERROR;
	return score.failed ? CLI_NOTHING : CLI_FOUND;
}
