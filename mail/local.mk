# mail/: sources and headers, appended by hand, sorted.
nobase_pkginclude_HEADERS += \
	mail/authres.h \
	mail/command.h \
	mail/cost.h \
	mail/eod.h \
	mail/exception.h \
	mail/extension.h \
	mail/fact.h \
	mail/header.h \
	mail/idna.h \
	mail/letter.h \
	mail/list.h \
	mail/mailbox.h \
	mail/mailbox_stem.h \
	mail/notice.h \
	mail/part.h \
	mail/plan.h \
	mail/pseudonym.h \
	mail/question.h \
	mail/reply.h \
	mail/sasl.h \
	mail/session.h \
	mail/submission.h \
	mail/template.h \
	mail/ticket.h \
	mail/url.h \
	mail/utf8.h \
	mail/value.h \
	mail/verdict.h
libpostern_a_SOURCES += \
	mail/authres.c \
	mail/code.c mail/code.h \
	mail/code_enhanced.c \
	mail/command.c \
	mail/cost.c \
	mail/eod.c \
	mail/explanation.h \
	mail/exception.c \
	mail/extension.c \
	mail/fact.c \
	mail/header.c \
	mail/header_from.c \
	mail/idna.c \
	mail/letter.c \
	mail/list.c \
	mail/mailbox.c \
	mail/mailbox_stem.c \
	mail/notice.c \
	mail/plan.c \
	mail/pseudonym.c \
	mail/question.c \
	mail/reply.c \
	mail/said.c mail/said.h \
	mail/sasl.c \
	mail/session.c \
	mail/session_facts.c \
	mail/session_results.c mail/session_results.h \
	mail/sought.c mail/sought.h \
	mail/template.c \
	mail/ticket.c \
	mail/url.c \
	mail/utf8.c \
	mail/value.c \
	mail/verdict.c
EXTRA_DIST += mail/README.md
