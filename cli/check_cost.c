#include "cli/check_cost.h"

#include <stdio.h>

#include "base/escape.h"
#include "cli/print.h"

#define LABEL 20
#define NUMBER 8
#define FACT_SHOWN 400

static bool
asks(const struct cost_range *range)
{
	return range->most > 0;
}

/* --- the steps -------------------------------------------------------------------------------------- */

static void
number(struct line *line, unsigned n, bool unknown)
{
	char text[32];

	snprintf(text, sizeof(text), "%*u%s", NUMBER, n, unknown ? "+?" : "");
	line_add(line, text, n == 0 && !unknown ? COLOR_DIM : COLOR_NONE);
}

static void
print_row(struct cli *cli, const char *label, const struct cost_range *dns,
    const struct cost_range *store, bool unknown)
{
	struct line line = { cli };
	char text[LABEL + 2];

	snprintf(text, sizeof(text), "%-*s", LABEL, label);
	line_add(&line, text, COLOR_NONE);
	number(&line, dns->least, false);
	number(&line, dns->most, unknown);
	line_add(&line, unknown ? "  " : "    ", COLOR_NONE);
	number(&line, store->least, false);
	number(&line, store->most, unknown);
	line_end(&line);
}

static void
print_step(struct cli *cli, const char *name, const struct cost_step *s)
{
	char label[40];

	snprintf(label, sizeof(label), "  %s", name);
	print_row(cli, label, &s->dns.once, &s->store.once, s->unknown);
	if (asks(&s->dns.each) || asks(&s->store.each))
		print_row(cli, "    each recipient", &s->dns.each, &s->store.each, false);
}

static struct cost_range
together(const struct cost_sum *sum)
{
	return (struct cost_range){ sum->once.least + sum->each.least,
		sum->once.most + sum->each.most };
}

static void
print_steps(struct cli *cli, const struct cost_report *report)
{
	const struct cost_range dns = together(&report->message.dns),
				store = together(&report->message.store);
	struct line line = { cli };
	char text[100];

	line_end(&line);
	line_add(&line, "questions that the rules of a step can cause", COLOR_BOLD);
	line_end(&line);
	snprintf(text, sizeof(text), "%-*s%*s    %*s", LABEL, "", 2 * NUMBER, "DNS", 2 * NUMBER,
	    "store");
	line_add(&line, text, COLOR_DIM);
	line_end(&line);
	snprintf(text, sizeof(text), "%-*s%*s%*s    %*s%*s", LABEL, "", NUMBER, "least", NUMBER,
	    "most", NUMBER, "least", NUMBER, "most");
	line_add(&line, text, COLOR_DIM);
	line_end(&line);
	for (enum step step = STEP_CONNECT; step < STEP_COUNT; step++)
		print_step(cli, step_name(step), &report->step[step]);
	if (asks(&report->header.dns.once) || asks(&report->header.store.once))
		print_row(cli, "    at its header", &report->header.dns.once,
		    &report->header.store.once, report->header.unknown);
	print_row(cli, "  a whole message", &dns, &store, report->message.unknown);
}

/* --- the rules -------------------------------------------------------------------------------------- */

static void
add_part(struct buf *b, unsigned n, const char *what, bool each, const char **comma)
{
	if (n == 0)
		return;
	buf_printf(b, "%s%u %s%s", *comma, n, what, each ? " a recipient" : "");
	*comma = ", ";
}

/* "spf 122 DNS", "greylist 7 store, 3 store a recipient" */
static void
add_fact(struct buf *b, const struct cost_fact *f)
{
	const char *comma = " (";

	fact_call_print(f->call, b);
	add_part(b, f->dns.once.most, "DNS", false, &comma);
	add_part(b, f->dns.each.most, "DNS", true, &comma);
	add_part(b, f->store.once.most, "store", false, &comma);
	add_part(b, f->store.each.most, "store", true, &comma);
	if (f->unknown)
		buf_printf(b, "%snobody knows", comma);
	if (f->unknown || comma[0] == ',')
		buf_addc(b, ')');
}

static void
print_rule(struct cli *cli, const struct cost_rule *rule)
{
	const struct cost_range dns = together(&rule->dns), store = together(&rule->store);
	struct line line = { cli };
	struct buf b;

	buf_init(&b, FACT_SHOWN * 40);
	number(&line, dns.most, false);
	number(&line, store.most, false);
	line_add(&line, "  ", COLOR_NONE);
	line_cell(&line, rule->shown->id, 18, COLOR_NONE);
	for (const struct cost_fact *f = rule->facts; f; f = f->next) {
		if (f != rule->facts)
			buf_add(&b, STR("; "));
		add_fact(&b, f);
	}
	line_cell(&line, buf_str(&b), 0, COLOR_DIM);
	line_end(&line);
	buf_free(&b);
}

void
check_cost_print(struct cli *cli, const struct cost_report *report)
{
	const struct cost_range dns = together(&report->message.dns),
				store = together(&report->message.store);
	struct line line = { cli };
	char text[60];

	if (report->n_rules == 0 && !report->message.unknown) {
		fputs("its rules ask neither the DNS nor the store\n", cli->out);
		return;
	}
	print_steps(cli, report);
	line_end(&line);
	line_add(&line, "rules that are the first to ask, and what it can cost", COLOR_BOLD);
	line_end(&line);
	snprintf(text, sizeof(text), "%*s%*s", NUMBER, "DNS", NUMBER, "store");
	line_add(&line, text, COLOR_DIM);
	line_end(&line);
	for (size_t i = 0; i < report->n_rules; i++)
		print_rule(cli, &report->rule[i]);
	if (dns.most + store.most > ANSWERS_MAX)
		fprintf(cli->out,
		    "\na message may ask %d questions: what is beyond is not asked, and the message is deferred\n",
		    ANSWERS_MAX);
	if (report->message.unknown)
		fputs("\n+? : a loaded stage does not say how many questions its facts ask\n",
		    cli->out);
}

/* --- for programs ----------------------------------------------------------------------------------- */

static void
json_sum(struct buf *b, const char *name, const struct cost_sum *sum)
{
	buf_printf(b, ",\"%s\":{\"least\":%u,\"most\":%u,\"least_each\":%u,\"most_each\":%u}", name,
	    sum->once.least, sum->once.most, sum->each.least, sum->each.most);
}

static void
json_step(struct buf *b, const char *name, const struct cost_step *s)
{
	buf_printf(b, "{\"step\":\"%s\"", name);
	json_sum(b, "dns", &s->dns);
	json_sum(b, "store", &s->store);
	buf_printf(b, ",\"unknown\":%s}", s->unknown ? "true" : "false");
}

static void
json_fact(struct buf *b, const struct cost_fact *f)
{
	struct buf name;

	buf_init(&name, FACT_SHOWN * 4);
	fact_call_print(f->call, &name);
	buf_add(b, STR("{\"fact\":"));
	escape_json(b, buf_str(&name));
	json_sum(b, "dns", &f->dns);
	json_sum(b, "store", &f->store);
	buf_printf(b, ",\"unknown\":%s}", f->unknown ? "true" : "false");
	buf_free(&name);
}

static void
json_rule(struct buf *b, const struct cost_rule *rule)
{
	buf_add(b, STR("{\"rule\":"));
	escape_json(b, rule->shown->id);
	buf_printf(b, ",\"step\":\"%s\"", step_name(rule->step));
	json_sum(b, "dns", &rule->dns);
	json_sum(b, "store", &rule->store);
	buf_printf(b, ",\"unknown\":%s,\"facts\":[", rule->unknown ? "true" : "false");
	for (const struct cost_fact *f = rule->facts; f; f = f->next) {
		if (f != rule->facts)
			buf_addc(b, ',');
		json_fact(b, f);
	}
	buf_add(b, STR("]}"));
}

void
check_cost_json(struct buf *b, const struct cost_report *report)
{
	buf_add(b, STR(",\"cost\":{\"steps\":["));
	for (enum step step = STEP_CONNECT; step < STEP_COUNT; step++) {
		if (step > STEP_CONNECT)
			buf_addc(b, ',');
		json_step(b, step_name(step), &report->step[step]);
	}
	buf_add(b, STR("],\"header\":"));
	json_step(b, "message", &report->header);
	buf_add(b, STR(",\"message\":"));
	json_step(b, "all", &report->message);
	buf_add(b, STR(",\"rules\":["));
	for (size_t i = 0; i < report->n_rules; i++) {
		if (i > 0)
			buf_addc(b, ',');
		json_rule(b, &report->rule[i]);
	}
	buf_add(b, STR("]}"));
}
