#include "mail/value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/escape.h"

const char *
value_type_name(enum value_type type)
{
	static const char *const names[] = {
		[VALUE_NONE] = "nothing",
		[VALUE_BOOL] = "yes or no",
		[VALUE_NUMBER] = "number",
		[VALUE_REAL] = "number with a fraction",
		[VALUE_DURATION] = "duration",
		[VALUE_TEXT] = "text",
		[VALUE_SYMBOL] = "word",
		[VALUE_IP] = "address",
		[VALUE_LIST] = "list of texts",
		[VALUE_RANGE] = "range",
	};

	return (size_t)type < sizeof names / sizeof *names ? names[type] : "unknown";
}

static bool
list_eq(const struct value *a, const struct value *b)
{
	if (a->list.n != b->list.n)
		return false;
	for (size_t i = 0; i < a->list.n; i++)
		if (!str_eq(a->list.item[i], b->list.item[i]))
			return false;
	return true;
}

bool
value_eq(const struct value *a, const struct value *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case VALUE_NONE:
		return true;
	case VALUE_BOOL:
	case VALUE_NUMBER:
	case VALUE_DURATION:
		return a->number == b->number;
	case VALUE_REAL:
		return !(a->real < b->real) && !(a->real > b->real);
	case VALUE_TEXT:
	case VALUE_SYMBOL:
		return str_eq(a->text, b->text);
	case VALUE_IP:
		return ip_eq(&a->ip, &b->ip);
	case VALUE_LIST:
		return list_eq(a, b);
	case VALUE_RANGE:
		return a->range.low == b->range.low && a->range.high == b->range.high;
	}
	return false;
}

/* 5400 is "1h30m": the two largest units that matter tell a person enough, but all are exact. */
static void
print_duration(int64_t seconds, struct buf *out)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	uint64_t left = seconds < 0 ? -(uint64_t)seconds : (uint64_t)seconds;

	if (seconds < 0)
		buf_addc(out, '-');
	if (left == 0)
		buf_add(out, STR("0s"));
	for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
		if (left >= units[i].seconds)
			buf_printf(out, "%" PRIu64 "%c", left / units[i].seconds, units[i].letter);
		left %= units[i].seconds;
	}
}

void
value_print(const struct value *v, struct buf *out)
{
	switch (v->type) {
	case VALUE_NONE:
		break;
	case VALUE_BOOL:
		buf_add(out, v->number ? STR("yes") : STR("no"));
		break;
	case VALUE_NUMBER:
		buf_printf(out, "%" PRId64, v->number);
		break;
	case VALUE_REAL:
		buf_printf(out, "%.6g", v->real);
		break;
	case VALUE_DURATION:
		print_duration(v->number, out);
		break;
	case VALUE_TEXT:
	case VALUE_SYMBOL:
		buf_add(out, v->text);
		break;
	case VALUE_IP:
		buf_add(out, str_of(IP_TEXT(&v->ip)));
		break;
	case VALUE_LIST:
		for (size_t i = 0; i < v->list.n; i++) {
			if (i > 0)
				buf_add(out, STR(", "));
			buf_add(out, v->list.item[i]);
		}
		break;
	case VALUE_RANGE:
		buf_printf(out, "%" PRId64 " to %" PRId64, v->range.low, v->range.high);
		break;
	}
}

/* The shortest of two forms that reads back as the same number: a replay must see what was seen. */
static void
json_real(double real, struct buf *out)
{
	char text[40];

	if (!isfinite(real)) {
		buf_add(out, STR("null"));
		return;
	}
	snprintf(text, sizeof text, "%.15g", real);
	if (strtod(text, NULL) < real || strtod(text, NULL) > real)
		snprintf(text, sizeof text, "%.17g", real);
	buf_add(out, str_of(text));
}

static void
json_list(const struct value *v, struct buf *out)
{
	buf_addc(out, '[');
	for (size_t i = 0; i < v->list.n; i++) {
		if (i > 0)
			buf_addc(out, ',');
		escape_json(out, v->list.item[i]);
	}
	buf_addc(out, ']');
}

void
value_json(const struct value *v, struct buf *out)
{
	switch (v->type) {
	case VALUE_NONE:
		buf_add(out, STR("null"));
		break;
	case VALUE_BOOL:
		buf_add(out, v->number ? STR("true") : STR("false"));
		break;
	case VALUE_NUMBER:
	case VALUE_DURATION:
		buf_printf(out, "%" PRId64, v->number);
		break;
	case VALUE_REAL:
		json_real(v->real, out);
		break;
	case VALUE_TEXT:
	case VALUE_SYMBOL:
		escape_json(out, v->text);
		break;
	case VALUE_IP:
		escape_json(out, str_of(IP_TEXT(&v->ip)));
		break;
	case VALUE_LIST:
		json_list(v, out);
		break;
	case VALUE_RANGE:
		buf_printf(out, "[%" PRId64 ",%" PRId64 "]", v->range.low, v->range.high);
		break;
	}
}
