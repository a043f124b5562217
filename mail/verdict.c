#include "mail/verdict.h"

const char *
verdict_name(enum verdict_kind kind)
{
	switch (kind) {
	case VERDICT_ACCEPT:
	case VERDICT_ACCEPT_SESSION:
		return "accept";
	case VERDICT_TEMPFAIL:
		return "tempfail";
	case VERDICT_REJECT:
		return "reject";
	}
	return "unknown";
}

const char *
verdict_word(const struct verdict *v)
{
	return v->defers ? "defer" : verdict_name(v->kind);
}
